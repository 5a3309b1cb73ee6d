"""Pages of 4 KiB and regions of 64 MiB, their nodes, and how bytes become words.

Bytes of a file, a blob, the statement or the claim become words in the guest's byte order. In the tree the words of
a leaf stand as little-endian bytes, whatever the guest's order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from btc_l2.zkvm.layout import PAGE_BYTES, PAGE_LEVEL, PAGE_WORDS
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.tree import ZERO_NODES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint32]

AT_ONCE = 1024  # pages that are gathered in one array: 4 MiB


class PageSource(Protocol):
    """Where pages stand that are not in memory."""

    def read(self, slot: int) -> Words:
        """The 1,024 words in a slot; Unavailable or VerificationFailed if they cannot be had."""
        ...


class Page:
    """1,024 words, in memory or in a slot of a file, and, once computed, their node at level 7."""

    __slots__ = ("__weakref__", "_slot", "_source", "_words", "root")

    def __init__(self, words: Words | None, root: bytes | None = None) -> None:
        self.root = root
        self._words = words
        self._source: PageSource | None = None
        self._slot = 0

    @property
    def words(self) -> Words:
        """The content; a page in a file is read anew each time and can only be read."""
        words = self._words
        if words is None:
            assert self._source is not None, "a page has words or a place"
            return self._source.read(self._slot)
        return words

    def move_to(self, source: PageSource, slot: int) -> None:
        """Forget the words: from now on they are read from the slot. Nobody may write the page any more."""
        self._source, self._slot, self._words = source, slot, None

    def move_back(self) -> None:
        """Hold the words in memory again: the slot gets another content."""
        self._words, self._source = self.words, None


class Region:
    """Pages by their number within 64 MiB and, once computed, their node at level 21."""

    __slots__ = ("pages", "root")

    def __init__(self, pages: dict[int, Page], root: bytes | None = None) -> None:
        self.pages = pages
        self.root = root


ZERO_PAGE = Page(np.zeros(PAGE_WORDS, dtype=np.uint32), ZERO_NODES[PAGE_LEVEL])
ZERO_PAGE.words.flags.writeable = False


def words_of_bytes(data: bytes, endian: Endian) -> Words:
    """Words of bytes in the guest's order; the last word is filled up with zero bytes."""
    padded = data + bytes(-len(data) % 4)
    return np.frombuffer(padded, dtype=">u4" if endian == "big" else "<u4").astype(np.uint32)


def bytes_of_words(words: Words, endian: Endian) -> bytes:
    """The inverse of `words_of_bytes`."""
    return words.astype(">u4" if endian == "big" else "<u4").tobytes()


def pages_of_bytes(data: bytes, endian: Endian) -> dict[int, Page]:
    """Bytes from the start of page 0 on; pages that are all zero are left out."""
    padded = data + bytes(-len(data) % PAGE_BYTES)
    words = words_of_bytes(padded, endian).reshape(-1, PAGE_WORDS)
    return {int(number): Page(words[number]) for number in np.flatnonzero(words.any(axis=1))}


def page_nodes(page: Page) -> Words:
    """Inner nodes of a page in heap order: row 1 is the page's node, rows 64 to 127 stand above two leaves."""
    from btc_l2.zkvm import hashing

    nodes = np.empty((hashing.PAGE_NODES, 8), dtype=np.uint32)
    hashing.page_tree(np.ascontiguousarray(page.words), nodes)
    return nodes


def fold_pages(pages: Mapping[int, Page], level: int) -> bytes:
    """Node at `level` over pages of one subtree, given by their numbers within it."""
    if not pages:
        return ZERO_NODES[level]
    hash_pages(list(pages.values()))
    from btc_l2.zkvm import hashing

    numbers = sorted(pages)
    nodes = np.frombuffer(nodes_of([pages[n] for n in numbers]), dtype=np.uint32).reshape(-1, 8).copy()
    zeros = np.frombuffer(b"".join(ZERO_NODES[PAGE_LEVEL:level]), dtype=np.uint32).reshape(-1, 8)
    hashing.fold(np.array(numbers, dtype=np.int64), nodes, zeros)
    return nodes[:1].tobytes()


def nodes_of(pages: Sequence[Page]) -> bytes:
    """Nodes of pages that were hashed before, one after the other."""
    return b"".join(filter(None, [page.root for page in pages]))


def hash_pages(pages: Sequence[Page]) -> None:
    """Compute the nodes of the pages that have none."""
    unknown = [page for page in pages if page.root is None]
    for start in range(0, len(unknown), AT_ONCE):
        some = unknown[start : start + AT_ONCE]
        set_roots(some, gather(some))


def set_roots(pages: Sequence[Page], words: Words) -> None:
    """Compute the nodes of all pages, whose words are given as [n, 1024]."""
    for page, root in zip(pages, roots_of(words), strict=True):
        page.root = root


def roots_of(words: Words) -> list[bytes]:
    """Nodes of n pages given as words[n, 1024]."""
    from btc_l2.zkvm import hashing

    even, odd = np.empty((2, hashing.LANE_WORDS), dtype=np.uint32)
    roots = np.empty(8 * len(words), dtype=np.uint32)
    hashing.page_roots(np.ascontiguousarray(words).reshape(-1), even, odd, roots)
    flat = roots.tobytes()
    return [flat[at : at + 32] for at in range(0, len(flat), 32)]


def gather(pages: Collection[Page]) -> Words:
    """Words of n ≥ 1 pages as one array [n, 1024]."""
    words = np.empty((len(pages), PAGE_WORDS), dtype=np.uint32)
    for k, page in enumerate(pages):
        words[k] = page.words
    return words
