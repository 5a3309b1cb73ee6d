"""Pages of traces: nodes of many pages at once, slots that are used again, changed pages that are known."""

from __future__ import annotations

import tempfile
from typing import BinaryIO, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.zkvm.page import Page, page_nodes, roots_of
from btc_l2.zkvm.pagefile import PageFile
from btc_l2.zkvm.state import Machine


def some_pages(count: int, seed: int = 1) -> list[Page]:
    words = np.random.default_rng(seed).integers(0, 1 << 32, size=(count, 1024), dtype=np.uint32)
    return [Page(row.copy()) for row in words]


def new_file() -> PageFile:
    return PageFile(cast(BinaryIO, tempfile.TemporaryFile(buffering=0)), "scratch")


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 33, 100])
def test_nodes_of_many_pages_are_those_of_each(count: int) -> None:
    pages = some_pages(count)
    assert roots_of(np.stack([page.words for page in pages])) == [page_nodes(page)[1].tobytes() for page in pages]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), max_size=12))
def test_pages_in_a_file_keep_their_words_whatever_is_freed(moves: list[tuple[int, bool]]) -> None:
    """Some pages are held while their slots get another content, others are read anew."""
    file = new_file()
    kept, expected = [], []
    for seed, (count, gives_up) in enumerate(moves):
        pages = some_pages(count, seed)
        words = [page.words.copy() for page in pages]
        slots = file.put(pages)
        file.hand_over(pages, slots)
        kept += pages
        expected += words
        assert all(file.page(int(slot)) is page for slot, page in zip(slots, pages, strict=True))
        if gives_up:
            file.free(slots[::2])
    assert all((page.words == words).all() for page, words in zip(kept, expected, strict=True))
    assert file.used <= sum(count for count, _ in moves)


def test_a_slot_is_used_again() -> None:
    file = new_file()
    slots = file.put(some_pages(10))
    file.free(slots)
    assert sorted(file.put(some_pages(10, 2))) == sorted(slots)


def test_a_page_in_a_file_cannot_be_written() -> None:
    file, pages = new_file(), some_pages(1)
    file.hand_over(pages, file.put(pages))
    with pytest.raises(ValueError, match="read-only"):
        pages[0].words[0] = 1


def test_a_tracked_machine_knows_what_was_written_and_its_copy_does_not_track() -> None:
    machine = Machine("big")
    machine.store_word(0x5000, 1)
    machine.memory.track()
    machine.store_word(0x5004, 2)
    machine.store_word(0x9000, 3)
    assert machine.memory.changed == {5, 9}
    copy = machine.copy()
    copy.store_word(0xA000, 4)
    assert copy.memory.changed is None and machine.memory.changed == {5, 9}
    machine.store_word(0x5008, 5)
    machine.memory.track()
    machine.store_word(0x500C, 6)
    assert machine.memory.changed == {5}
