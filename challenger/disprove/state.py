"""EXITED and BAD_FETCH: what a step must be where no instruction decides. Mirrors `btc_l2/zkvm/step.py`."""

from __future__ import annotations

from btc_l2.zkvm.outcome import ADDRESS_LOAD, TRAPPED
from challenger.disprove.control import BAD, push_fetchable, require_status_zero, stays
from challenger.disprove.effect import nothing_written
from taproot.gadgets.u32 import add_items, expect_constant, expect_equal, word
from taproot.script import Op, Stack


def exited(s: Stack) -> None:
    """STATUS ≠ 0, required: nothing changes."""
    s.move(BAD)
    expect_equal(s, word("status'"), word("status", keep=True))
    stays(s, "npc")
    stays(s, "pc")
    s.to_alt(BAD)
    add_items(s, word("status").items[::-1], "sum")
    s.op(Op.VERIFY)
    s.from_alt()

    nothing_written(s)


def bad_fetch(s: Stack) -> None:
    """STATUS = 0 and nothing can be fetched at PC, required: trap 4."""
    s.move(BAD)
    expect_constant(s, word("status'"), TRAPPED | ADDRESS_LOAD)
    stays(s, "npc")
    expect_equal(s, word("pc'"), word("pc", keep=True))
    s.to_alt(BAD)
    require_status_zero(s)
    push_fetchable(s)
    s.op(Op.NOT, "bad fetch")
    s.op(Op.VERIFY)
    s.from_alt()

    nothing_written(s)
