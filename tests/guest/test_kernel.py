"""The micro kernel: small, and every call that it knows is in the specification."""

from __future__ import annotations

import re

import pytest

from btc_l2.guests import read_kernel
from btc_l2.zkvm.elf import parse_elf
from btc_l2.zkvm.layout import KERNEL_ENTRY
from btc_l2.zkvm.outcome import Endian
from guest.builder.recipe import GUEST

CALLS = (GUEST / "kernel" / "calls.c").read_text()
SPECIFICATION = (GUEST.parent / "docs" / "spec" / "linux.md").read_text()
ROWS = SPECIFICATION.split("| call | answer |")[1].split("\n\n")[0]
MOST_TEXT_BYTES = 6_000
OURS = {"booted": "9000", "map": "9001"}  # no calls of Linux, so they have numbers for names


def test_every_call_of_the_kernel_stands_in_the_specification_and_no_other() -> None:
    known = {name.lower() for name in re.findall(r"CALL_(\w+) = \d+", CALLS)}
    first_cells = [row.split("|")[1] for row in ROWS.splitlines() if row.count("|") > 2]
    written = {word for cell in first_cells for word in re.findall(r"[a-z_0-9]+", cell.split(", no call")[0])}
    names = {OURS.get(name, {"llseek": "_llseek"}.get(name, name)) for name in known}
    assert written - {"every", "other"} == names


def test_every_call_has_an_answer_in_the_kernel() -> None:
    names = re.findall(r"(CALL_\w+) = \d+", CALLS)
    assert all(f"case {name}:" in CALLS for name in names) and len(names) > 50


@pytest.mark.parametrize("endian", ["big", "little"])
def test_kernel_is_small_and_stands_where_the_machine_enters_it(endian: Endian) -> None:
    text = parse_elf(read_kernel(endian)).segments[0]
    assert text.address == KERNEL_ENTRY and len(text.data) < MOST_TEXT_BYTES
