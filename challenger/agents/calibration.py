"""Up to which fee rate the amounts of terms still pay for what they are for: pure arithmetic, docs/fees.md.

Sizes are those that `taproot.terms` counts with (measured by `challenger/cost.py`), children that pay for version 3
moves included by their size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from challenger.agents.wallet import CHILD_VBYTES
from taproot.terms import ANCHOR, KILL_VBYTES, Terms
from taproot.units import DUST_P2TR

MOVES_BEFORE_GAME = 3  # fan, challenge, veto


@dataclass(frozen=True, slots=True)
class Calibration:
    """`sats` are there for `vbytes`: enough up to `rate` sat/vB. `above` says what happens beyond."""

    what: str
    paid_by: str
    sats: int
    vbytes: int
    above: str

    @property
    def rate(self) -> float:
        """sat/vB."""
        return self.sats / self.vbytes


def calibrate(terms: Terms, extra_keys: int = 0) -> Iterator[Calibration]:
    """All rows for these terms; rates at which a right party still loses nothing, or can still act.

    `extra_keys`: those of the n-of-n besides the first (`taproot.cosigners`).
    """
    t, stake = terms, min(terms.stakes)
    bare = t.asset - t.asset_burn - DUST_P2TR
    staked = bare + stake - t.stake_burn - ANCHOR
    challenger = t.challenger_vbytes_with(extra_keys) + CHILD_VBYTES * (t.challenger_moves + MOVES_BEFORE_GAME)
    operator = t.operator_vbytes_with(extra_keys) + CHILD_VBYTES * t.operator_moves
    yield Calibration("kill without a stake", "kill token", bare, KILL_VBYTES,
                      "the kill bids all that the token holds and waits for blocks that take it")  # fmt: skip
    yield Calibration("kill with a stake", "stake and kill token", staked, KILL_VBYTES,
                      "the kill bids all of it, nothing is left for the challenger")  # fmt: skip
    yield Calibration("a challenger's whole dispute", "stake and kill token", staked, challenger,
                      "a right challenger pays the rest out of his own wallet")  # fmt: skip
    yield Calibration("an operator's whole defence", "penalty of the challenger", t.penalty, operator,
                      "a right operator pays the rest out of his own wallet")  # fmt: skip
