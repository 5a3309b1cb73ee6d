"""What a tower is told: apart from the tower, so that settings can be read without loading a machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from challenger.agents.budget import Limits


@dataclass(frozen=True, slots=True)
class Orders:
    """What the tower is to do: who it is, where its files are, when it calls for help, what it may spend.

    `stuck`, `deadline` are blocks, `coins` fee coins of `coin` sat each that it keeps ready (0: it never splits).
    """

    party: str
    deposits: Path
    state: Path
    start: int = 0
    stuck: int = 3
    deadline: int = 6
    outage: int = 3  # failed rounds in a row
    limits: Limits = field(default_factory=lambda: Limits(patience=3))
    coins: int = 0
    coin: int = 200_000
    object_to_unknown: bool = True
    dry_run: bool = False
