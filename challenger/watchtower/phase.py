"""Where a deposit is in its life, from the names of what confirmed; and whether somebody has to be at work on it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from challenger.watchtower.case import OPERATOR
from challenger.watchtower.store import Event
from taproot.terms import Terms


class Phase(Enum):
    """From the deposit to the end of its claim."""

    STANDING = "standing"  # nothing of the graph is on chain
    VAULT = "vault"  # confirmed, no claim
    CLAIMED = "claimed"  # the kickoff is on chain, the kill token is there
    PAID = "paid"  # a take is on chain
    KILLED = "killed"
    REFUNDED = "refunded"


def find_phase(events: Sequence[Event]) -> tuple[Phase, int]:
    """Phase and the height at which it began (0: always)."""
    phase, since = Phase.STANDING, 0
    for event in events:
        now = _phase_after(event.name, phase)
        if now is not phase:
            phase, since = now, event.height
    return phase, since


def _phase_after(name: str, phase: Phase) -> Phase:
    if name in ("take1", "take2"):
        return Phase.PAID
    if name in ("confirm", "refund", "kickoff"):
        early = {"confirm": Phase.VAULT, "refund": Phase.REFUNDED, "kickoff": Phase.CLAIMED}[name]
        return early if phase in (Phase.STANDING, Phase.VAULT, Phase.CLAIMED) and _goes_on(phase, early) else phase
    if "/timeout." in name or "/disprove." in name:
        return Phase.KILLED
    return phase


def _goes_on(phase: Phase, early: Phase) -> bool:
    """The claim may come before the vault: then `confirm` changes nothing."""
    return not (phase is Phase.CLAIMED and early is Phase.VAULT)


def is_at_work(events: Sequence[Event], height: int, terms: Terms, role: str) -> bool:
    """Must the party's agent look at this deposit? Until its end is buried; an operator until all bonds are paid."""
    phase, since = find_phase(events)
    if phase is Phase.CLAIMED or (phase is Phase.VAULT and role == OPERATOR):
        return True
    if phase not in (Phase.PAID, Phase.KILLED):
        return False
    slashing = role == OPERATOR and phase is Phase.PAID and any(e.name.startswith("challenge.") for e in events)
    return height - since < terms.confirmations + (terms.slash_delay if slashing else 0)
