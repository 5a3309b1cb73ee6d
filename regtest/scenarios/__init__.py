"""Stories about the bridge, one module each: its docstring is the story, `play` plays it and says how it ended.

A scenario promises something (`expect`) and its books balance (`conclude`); else it raises VerificationFailed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from regtest.network import Network
from regtest.outcome import Outcome
from taproot.errors import InvalidInput

Play = Callable[[Network], Outcome]

# In the order in which a reader would want them.
NAMES = (
    "deposit_claim",
    "deposit_refund",
    "challenge_won",
    "challenge_lost",
    "operator_silent",
    "challenger_silent",
    "five_challengers",
    "several_claims",
    "reorg",
    "fee_spike",
    "crash",
    "signer_offline",
    "signer_restarts",
    "cooperative_payout",
    "cooperative_cancel",
    "refresh",
    "swap",
)


def find_scenario(name: str) -> Play:
    """The scenario's `play`; dashes count as underscores. Raises InvalidInput for an unknown name."""
    known = name.replace("-", "_")
    if known not in NAMES:
        raise InvalidInput(f"no scenario is called {name!r}; choose one of {', '.join(NAMES)}, or all")
    play: Play = importlib.import_module(f"regtest.scenarios.{known}").play
    return play


def story_of(name: str) -> str:
    """The first line of the scenario's docstring."""
    text = importlib.import_module(f"regtest.scenarios.{name}").__doc__ or ""
    return text.strip().splitlines()[0]
