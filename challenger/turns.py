"""All turns of one game with their leaves: the protocol of docs/spec/dispute.md as data.

    assert → pick → init → pick_claim → claimK.open …                 (the operator's z_0 is false)
                  → final.open …                                      (z_N does not show a clean exit)
                  → search.0 → choose.0 → … → step → verdict → X.open …   (z_N is not the root after N steps)

    X.open → X.cut0 → X.show1 → X.cut1 → … → X.last → X.hash          (the path to the leaf of access X is searched)

Disproofs stand on `X.cut0` (plain leaves), `X.hash` (hash leaves), `verdict` and `verdict_map` (relations). The same leaf
serves all accesses that it fits: its script is built and hashed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from challenger.commit import GameId, messages, public_keys
from challenger.disprove.access import PlainLeaf, plain_leaves
from challenger.disprove.verdicts import MAP_VERDICTS, PLAIN_VERDICTS, verdict_body
from challenger.disprove.hash_leaf import hash_leaf_parts
from challenger.game.challenger import node_message
from challenger.game.kinds import (
    CHAINS,
    CLAIM_CHAINS,
    FINAL_ACCESS,
    MAP_STEP_CHAINS,
    STEP_CHAINS,
    Access,
    Origin,
    origins_of_a,
    origins_of_b,
)
from challenger.game.plan import Plan
from challenger.reveal import Check, Fixed, Keys, Open, Reveal, RevealLeaf, Same, reveal_leaf
from taproot.connectors.turn import GameScripts, Move, Role, Turn
