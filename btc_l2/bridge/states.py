"""States of a deposit and what may happen in each: one table, nothing else. docs/spec/bridge.md, "States".

    announced ─ funded ─ presigned ─ vault ─ credited ─ claimed
        │          └──────────┴── refunded      │
        └──────────┴──────────┴─────────┴───────┴── cancelled
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """Where a deposit stands."""

    ANNOUNCED = "announced"  # its address is known
    FUNDED = "funded"  # paid and buried
    PRESIGNED = "presigned"  # every signature of its graph is there
    VAULT = "vault"  # `confirm` is buried: no refund any more
    CREDITED = "credited"  # the L2 has minted
    CLAIMED = "claimed"  # an operator has it
    REFUNDED = "refunded"  # the depositor took it back alone
    CANCELLED = "cancelled"  # all gave it back, or it was never paid


class Event(Enum):
    """What happened."""

    FUND = "fund"
    PRESIGN = "presign"
    CONFIRM = "confirm"
    CREDIT = "credit"
    CLAIM = "claim"
    REFUND = "refund"
    CANCEL = "cancel"
    MOVE = "move"  # a refresh: another vault, the same state
    LOSE = "lose"  # a reorganisation took the last step back


FINAL = frozenset({State.CLAIMED, State.REFUNDED, State.CANCELLED})

_S, _E = State, Event
TRANSITIONS: Mapping[Event, Mapping[State, State]] = {
    _E.FUND: {_S.ANNOUNCED: _S.FUNDED},
    _E.PRESIGN: {_S.FUNDED: _S.PRESIGNED},
    # whoever has the signatures can publish `confirm`, also before the depositor has seen them
    _E.CONFIRM: {_S.FUNDED: _S.VAULT, _S.PRESIGNED: _S.VAULT},
    _E.CREDIT: {_S.VAULT: _S.CREDITED},
    _E.CLAIM: {_S.VAULT: _S.CLAIMED, _S.CREDITED: _S.CLAIMED},
    _E.REFUND: {_S.FUNDED: _S.REFUNDED, _S.PRESIGNED: _S.REFUNDED},
    _E.CANCEL: dict.fromkeys((_S.ANNOUNCED, _S.FUNDED, _S.PRESIGNED, _S.VAULT, _S.CREDITED), _S.CANCELLED),
    _E.MOVE: {_S.VAULT: _S.VAULT, _S.CREDITED: _S.CREDITED},
    # a credited deposit that leaves the chain is no step back but an alarm; what has ended is ended
    _E.LOSE: {_S.FUNDED: _S.ANNOUNCED, _S.PRESIGNED: _S.ANNOUNCED, _S.VAULT: _S.PRESIGNED},
}


def allowed(state: State) -> tuple[Event, ...]:
    """What may happen next."""
    return tuple(event for event, row in TRANSITIONS.items() if state in row)
