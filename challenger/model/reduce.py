"""A smaller system with the same plays: turns that have the same future are one turn.

The searches for an access differ in scripts, not in who may do what when: their turns fall together here, wherever the
shipped graph makes them alike. A turn that is different in a key, a delay or a missing transaction stays apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from challenger.model.system import Need, System, Tx
from taproot.connectors.stake import bond_name
from taproot.presigned import Kind

KILLS = (Kind.TIMEOUT, Kind.DISPROVE)


def is_turn(output: str) -> bool:
    """Whether an output is a turn of a game (`challenger/turn`)."""
    return "/" in output


def merge_turns(system: System) -> System:
    """Join turns whose whole futures are alike; the first of them in the graph lends its name."""
    shapes: dict[str, object] = {}
    names: dict[object, str] = {}
    same: dict[str, str] = {}
    for output in _turns_from_the_end(system):
        shape = frozenset(_shape(tx, output, same) for tx in system.spenders.get(output, ()))
        key = (output.partition("/")[0], shape)
        shapes[output] = shape
        same[output] = names.setdefault(key, output)
    return System.make(_renamed(system, same), system.first)


def without_game(system: System, challenger: str) -> System:
    """The system in which a challenger can challenge and veto, but nothing follows; he has no bond to leave with."""
    prefix = f"{challenger}/"
    bond = bond_name(challenger)
    kept = (tx for tx in system.txs.values() if not any(o.startswith((prefix, bond)) for o in tx.spends))
    cut = (replace(tx, makes=tuple(o for o in tx.makes if not o.startswith(prefix))) for tx in kept)
    return System.make(cut, system.first)


def with_free_game(system: System, challenger: str) -> System:
    """The system in which a challenger may kill in any way at any time after his challenge: more than the graph allows.

    He cannot be slashed in it, and his bond is left out.
    """
    kept: list[Tx] = []
    kills: dict[tuple[Need, ...], Tx] = {}
    first = next(o for tx in system.of_kind(Kind.CHALLENGE) for o in tx.makes if o.startswith(f"{challenger}/"))
    for tx in system.txs.values():
        if not any(o.startswith((f"{challenger}/", bond_name(challenger))) for o in tx.spends):
            kept.append(tx)
        elif tx.kind in KILLS:
            needs = (Need(first, 0), *tx.needs[1:])
            kills.setdefault(needs, replace(tx, needs=needs))
    return System.make((*kept, *kills.values()), system.first)


def _turns_from_the_end(system: System) -> list[str]:
    """Every turn after all turns that can follow it."""
    order: dict[str, None] = {}

    def visit(output: str) -> None:
        if output not in order and is_turn(output):
            for tx in system.spenders.get(output, ()):
                for made in tx.makes:
                    visit(made)
            order[output] = None

    for output in [o for tx in system.txs.values() for o in tx.makes]:
        visit(output)
    return list(order)


def _shape(tx: Tx, turn: str, same: Mapping[str, str]) -> object:
    needs = frozenset(("" if n.output == turn else n.output, n.delay) for n in tx.needs)
    makes = tuple(same.get(o, o) for o in tx.makes)
    return tx.kind, tx.by, needs, makes, tx.live, tx.secret_of, tx.needs_lie


def _renamed(system: System, same: Mapping[str, str]) -> list[Tx]:
    """Each transaction once, on the turns that stand for their likes."""
    kept = []
    seen = set()
    for tx in system.txs.values():
        if any(same.get(o, o) != o for o in tx.spends):
            continue
        makes = tuple(same.get(o, o) for o in tx.makes)
        key = (tx.kind, tx.by, tx.needs, makes, tx.live, tx.secret_of, tx.needs_lie)
        if key not in seen:
            seen.add(key)
            kept.append(replace(tx, makes=makes))
    return kept
