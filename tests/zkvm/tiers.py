"""Tiers for the tests: a machine's own code translated, installed for a while, and compared with the interpreter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from btc_l2.zkvm.fast import run
from btc_l2.zkvm.layout import REGION_PAGES
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.tiers import Tier, install, uninstall
from btc_l2.zkvm.translate.load import load_tier
from btc_l2.zkvm.translate.translation import translate


@contextmanager
def translated(machine: Machine, hot: Iterable[int]) -> Iterator[Tier]:
    """The tier of a machine's code, for the time of a `with`."""
    tier = load_tier(translate(machine.load_word, list(hot), machine.endian))
    install(tier)
    try:
        yield tier
    finally:
        uninstall(tier)


def written_pages(machine: Machine, before: Machine) -> set[int]:
    """Numbers of the pages that a run has replaced: its dirty set."""
    return {
        region * REGION_PAGES + number
        for region, content in machine.memory.regions.items()
        for number, page in content.pages.items()
        if region not in before.memory.regions or before.memory.regions[region].pages.get(number) is not page
    }


def assert_same(machine: Machine, limit: int) -> Machine:
    """Run with and without the tier: same steps, registers, control, dirty set and root; the machine afterwards."""
    plain, native = machine.copy(), machine.copy()
    steps = run(plain, limit, translated=False)
    assert run(native, limit) == steps
    assert native.registers == plain.registers
    assert native.control == plain.control
    assert written_pages(native, machine) == written_pages(plain, machine)
    assert native.root() == plain.root()
    return native
