"""What a proposer saw on his node of the outputs that a settlement can take along.

A signer's machine may have no node. So the proposal says what was seen, by whom it is signed; what is settled follows
from it: every output that stood unspent. A signer who has a node looks for himself and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from btc_l2.chain.protocol import Chain
from challenger.presign.settlement import CLAIM_OUTPUTS
from taproot.errors import InvalidInput, Refused
from taproot.presigned import Graph

SETTLED = ("deposit", "vault", *CLAIM_OUTPUTS)  # in the order of a settlement's inputs
UNSPENT, ABSENT, SPENT_BY = "unspent", "not there", "spent by "


@dataclass(frozen=True, slots=True)
class Sighting:
    """The state of each output of `SETTLED` at a height."""

    height: int
    states: Mapping[str, str]

    def __post_init__(self) -> None:
        """Raises InvalidInput unless each output has a state, and deposit or vault, not both, is unspent."""
        if type(self.height) is not int or self.height < 0 or set(self.states) != set(SETTLED):
            raise InvalidInput(f"what was seen has a height and a state of each of {', '.join(SETTLED)}")
        for name, state in self.states.items():
            if state not in (UNSPENT, ABSENT) and not _names_a_spender(state):
                raise InvalidInput(f"{name} is said to be {state!r}; {UNSPENT}, {ABSENT} and {SPENT_BY}TXID are known")
        if len({"deposit", "vault"} & set(self.sources)) != 1:
            raise InvalidInput("deposit or vault, one of them, is unspent; else there is nothing to settle")

    @property
    def sources(self) -> tuple[str, ...]:
        """What is spent: all that stood unspent."""
        return tuple(name for name in SETTLED if self.states.get(name) == UNSPENT)

    def to_json(self) -> dict[str, Any]:
        """Height and states."""
        return {"height": self.height, "states": dict(self.states)}

    @classmethod
    def from_json(cls, value: Any) -> Sighting:
        """Inverse of `to_json`. Raises InvalidInput for anything else."""
        try:
            height, states = value["height"], {str(name): str(state) for name, state in value["states"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"what was seen is not understood: {error!r}") from error
        return cls(height, states)

    def differences(self, other: Sighting) -> list[str]:
        """What another node says differently, a line each; heights aside."""
        pairs = ((name, self.states[name], other.states[name]) for name in SETTLED)
        return [f"{name}: stated {mine}, here {theirs}" for name, mine, theirs in pairs if mine != theirs]


def look(chain: Chain, graph: Graph) -> Sighting:
    """What the outputs of this graph are at the tip. Raises InvalidInput if neither deposit nor vault is unspent."""
    return Sighting(chain.tip().height, {name: _state(chain, graph, name) for name in SETTLED})


def _state(chain: Chain, graph: Graph, name: str) -> str:
    outpoint = graph.outpoints[name]
    if chain.utxo(outpoint) is not None:
        return UNSPENT
    spend = chain.find_spend(outpoint)
    return ABSENT if spend is None else f"{SPENT_BY}{spend.tx.txid_hex}"


def _names_a_spender(state: str) -> bool:
    txid = state.removeprefix(SPENT_BY)
    return state.startswith(SPENT_BY) and len(txid) == 64 and all(digit in "0123456789abcdef" for digit in txid)


def find_claimant(chain: Chain, graphs: Mapping[str, Graph], operator: str | None = None) -> str:
    """Whose claim a settlement takes along: the named operator's, else whose kill token stands, else the first one's.

    Raises InvalidInput for an operator without a graph, Refused if another one's open claim would be left to its kills.
    """
    claiming = [name for name, graph in graphs.items() if chain.utxo(graph.outpoints["asset"]) is not None]
    name = operator or (claiming or sorted(graphs))[0]
    if name not in graphs:
        raise InvalidInput(f"{name} has no graph of this deposit; choose one of {', '.join(sorted(graphs))}")
    if others := [other for other in claiming if other != name]:
        raise Refused(f"{others[0]} has an open claim to this deposit, which could still be killed; settle it with his")
    return name
