"""The outputs of a game: each turn of `taproot.connectors.turn` with its leaves and the timeout of the other side.

Which signatures a leaf of the game checks is read from its script: it begins with `<key> CHECKSIGVERIFY` for each.

- A move begins with the keys of the n-of-n: all have signed the one transaction that it may make. With the other
  side's key alone, the other side could take the mover's one-time signatures out of the mempool and spend the turn to a
  place where the game has no future, an operator for example just before a disproof. Then come the mover's one-time
  signatures, or, if he has none to show, his own key.
- A disproof begins with the challenger's key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taproot.connectors.output import Contract, Output, SpendPath, make_output, signed_after
from taproot.connectors.turn import Leaf, Role, Turn
from taproot.errors import InvalidInput
from taproot.parties import N_OF_N
from taproot.script import Op

TIMEOUT = "timeout"
_PUSH_KEY = 32
_CHECK_BYTES = 34  # push, key, CHECKSIGVERIFY


def turn_name(challenger: str, turn: str) -> str:
    """Name of a turn's output in the graph."""
    return f"{challenger}/{turn}"


def player(contract: Contract, challenger: str, role: Role) -> str:
    """The party that plays this side in the challenger's game."""
    return contract.parties.operator.name if role is Role.OPERATOR else challenger


def make_turn(contract: Contract, owner: bytes, challenger: str, turn: Turn, value: int) -> Output:
    """Leaves: one per move, the disproofs, and `timeout` for the other side after `move_delay`.

    Moves and timeout lie as high in the tree as all disproofs together, which keeps their control blocks short.
    Raises InvalidInput for a leaf that does not begin with the keys it must.
    """
    mover, other = player(contract, challenger, turn.mover), player(contract, challenger, turn.mover.other)
    known = {party: contract.keys(party) for party in (N_OF_N, mover, other)}
    moves = [_read_path(move.leaf, known, {(N_OF_N,), (N_OF_N, mover)}) for move in turn.moves]
    disproofs = [_read_path(leaf, known, {(challenger,)}) for leaf in turn.disproofs]
    if any(path.parties == (N_OF_N,) and path.leaf.items == path.signatures for path in moves):
        raise InvalidInput(f"a move of turn {turn.name} needs nothing of {mover}: everybody could play it")
    timeout = signed_after(contract, TIMEOUT, other, contract.terms.move_delay, "the side to move did not move in time")
    weight = float(max(1, len(disproofs)))
    weights = {path.leaf.name: weight for path in (*moves, timeout)}
    return make_output(turn_name(challenger, turn.name), value, owner, (*moves, *disproofs, timeout), weights)


Known = Mapping[str, Sequence[bytes]]  # party → keys that a leaf checks for it


def _read_path(leaf: Leaf, known: Known, allowed: set[tuple[str, ...]]) -> SpendPath:
    keys = _leading_keys(leaf.code, {bytes(key) for checked in known.values() for key in checked})
    for parties in allowed:
        if keys == [key for party in parties for key in known[party]]:
            return SpendPath(leaf, parties, extra_keys=len(keys) - len(parties))
    needed = " or ".join(", ".join(choice) for choice in sorted(allowed))
    shown = ", ".join(next((p for p, checked in known.items() if key in checked), "?") for key in keys)
    raise InvalidInput(f"leaf {leaf.name} begins with signatures of ({shown}); must begin with those of {needed}")


def _leading_keys(code: bytes, known: set[bytes]) -> list[bytes]:
    keys: list[bytes] = []
    for at in range(0, len(code) - _CHECK_BYTES + 1, _CHECK_BYTES):
        key = code[at + 1 : at + 33]
        if code[at] != _PUSH_KEY or code[at + 33] != Op.CHECKSIGVERIFY or key not in known:
            break
        keys.append(key)
    return keys
