"""The shape of a game: which turn follows which, what each move shows, where each leaf stands."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import pytest

from challenger.disprove.relations import relation_names
from challenger.game.kinds import CHAINS, MAP_STEP_CHAINS, STEP_CHAINS, origins_of_a, origins_of_b
from challenger.game.rules import turn_after
from challenger.game.state import FIRST_TURN
from challenger.reveal import Check, Fixed, Open, Reveal, Same
from challenger.sample import sample_game, sample_parties
from challenger.turns import Game
from taproot.connectors.turn import Role, Turn

ARITIES = (4, 2, 3)
Path = tuple[tuple[str, str], ...]  # (turn, move) from the first turn on


@lru_cache
def game() -> Game:
    parties = sample_parties(2)
    return sample_game(ARITIES, parties, parties.challengers[0])


def turns() -> dict[str, Turn]:
    return dict(game().scripts.turns)


def paths(turn: str = FIRST_TURN, before: Path = ()) -> Iterator[Path]:
    """All games from the first turn to one without moves."""
    moves = turns()[turn].moves
    if not moves:
        yield before
    for move in moves:
        yield from paths(move.next, (*before, (turn, move.name)))


def signed_by(reveal: Reveal, role: Role) -> str | None:
    """The message that `role` signs anew in a reveal of his own move."""
    if isinstance(reveal, Same):
        return f"{reveal.name}.copy" if role is Role.OPERATOR else None
    return reveal.message if isinstance(reveal, Check) else None


def test_turns_form_a_tree_of_the_protocols_successions() -> None:
    reached = [FIRST_TURN]
    for turn in turns().values():
        for move in turn.moves:
            assert move.next == turn_after(move.name, ARITIES)
            reached.append(move.next)
    assert sorted(reached) == sorted(turns())


def test_sides_take_turns() -> None:
    for turn in turns().values():
        assert all(turns()[move.next].mover is turn.mover.other for move in turn.moves)


def test_every_game_ends_on_a_turn_where_only_a_disproof_is_left() -> None:
    ends = {path[-1][1] for path in paths()}
    assert ends == {f"{chain}.{last}" for chain in CHAINS for last in ("last", "last_top")}
    for name, turn in turns().items():
        tail = name.partition(".")[2]
        assert bool(turn.moves) != tail.startswith("hash")
        assert bool(turn.disproofs) == (tail in ("cut0", "hash", "hash_top") or name.startswith("verdict"))


def test_no_game_asks_for_two_values_of_one_key() -> None:
    for path in paths():
        signed: list[str] = []
        for turn, name in path:
            mover = turns()[turn].mover
            signed += [m for r in game().leaves[turn, name].reveals if (m := signed_by(r, mover)) is not None]
        assert len(signed) == len(set(signed)), path[-1]


def test_each_side_signs_its_own_messages_only() -> None:
    for turn in turns().values():
        for move in turn.moves:
            for reveal in game().leaves[turn.name, move.name].reveals:
                message = signed_by(reveal, turn.mover)
                assert message is not None and game().keys.messages[message].by is turn.mover


def test_the_operator_copies_every_choice_on_his_next_move() -> None:
    for path in paths():
        for (turn, name), (next_turn, next_name) in pairwise(path):
            chosen = [r.message for r in game().leaves[turn, name].reveals if isinstance(r, Check)]
            copied = [f"{r.name}.choice" for r in game().leaves[next_turn, next_name].reveals if isinstance(r, Same)]
            assert copied == [m for m in chosen if m.endswith(".choice")]


def disproof_messages(turn: str, leaf: str) -> set[str]:
    """What a disproof needs the operator to have signed."""
    reveals = game().leaves[turn, leaf].reveals
    fixed = {f"{r.name}.copy" for r in reveals if isinstance(r, Fixed)}
    return fixed | {r.message for r in reveals if isinstance(r, Open)}


def test_all_that_a_disproof_opens_was_signed_on_the_way_to_it() -> None:
    shown: dict[str, set[str]] = {FIRST_TURN: set()}
    for path in paths():
        for turn, name in path:
            leaf = game().leaves[turn, name]
            new = {m for r in leaf.reveals if (m := signed_by(r, turns()[turn].mover)) is not None}
            shown[turn_after(name, ARITIES)] = shown[turn] | new
    for name, turn in turns().items():
        for disproof in turn.disproofs:
            assert disproof_messages(name, disproof.name) <= shown[name], (name, disproof.name)


@pytest.mark.parametrize("chain", CHAINS)
def test_a_hash_leaf_stands_for_each_edge_side_and_origin(chain: str) -> None:
    access = CHAINS[chain]
    names, top = ({d.name for d in turns()[f"{chain}.{end}"].disproofs} for end in ("hash", "hash_top"))
    assert {n for n in names if n.startswith("side.")} == {f"side.{e}" for e in range(1, access.plan.edges)}
    assert {n for n in top if n.startswith("side.")} == {"side.0"}
    assert all(n.split(".")[1] == "0" for n in top) and not any(n.split(".")[1] == "0" for n in names)
    names = {n for n in names | top if not n.startswith("side.")}
    for side, root in (("pre", access.pre), ("post", access.post)):
        if root is None:
            continue
        origins = {"A": origins_of_a, "B": origins_of_b}.get(root)
        tops = [o.message for o in origins(ARITIES)] if origins else [root]
        expected = {f"{side}.0.{top}" for top in tops} | {f"{side}.{e}" for e in range(1, access.plan.edges)}
        assert {n for n in names if n.startswith(f"{side}.")} == expected
        names -= expected
    assert not names


@pytest.mark.parametrize("chain", [*STEP_CHAINS, *MAP_STEP_CHAINS])
def test_top_hash_leaves_demand_the_choices_that_lead_to_their_root(chain: str) -> None:
    for disproof in turns()[f"{chain}.hash_top"].disproofs:
        leaf = game().leaves[f"{chain}.hash_top", disproof.name]
        fixed = {(r.name, r.value) for r in leaf.reveals if isinstance(r, Fixed) and r.name.startswith("search.")}
        side, _edge, *message = disproof.name.split(".", 2)
        if side == "side" or message[0] not in {o.message for o in (*origins_of_a(ARITIES), *origins_of_b(ARITIES))}:
            assert not fixed
            continue
        origins = (origins_of_a if side == "pre" else origins_of_b)(ARITIES)
        (origin,) = (o for o in origins if o.message == message[0])
        assert fixed == {(f"search.{r}", c) for r, c in origin.choices}


def test_verdicts_have_a_leaf_for_each_relation_and_for_a_step_on_the_wrong_turn() -> None:
    assert {d.name for d in turns()["verdict"].disproofs} == {*relation_names(), "MAP"}
    assert {d.name for d in turns()["verdict_map"].disproofs} == {"SYSCALL_MAP", "NOT_MAP"}


def test_moves_are_signed_by_all_and_disproofs_by_the_challenger() -> None:
    given = game().given
    for turn in turns().values():
        mover = given.operator_key if turn.mover is Role.OPERATOR else given.challenger_key
        for move in turn.moves:
            leaf = game().leaves[turn.name, move.name]
            signers = (given.all_key,) if leaf.reveals else (given.all_key, mover)
            start = b"".join(b"\x20" + key + b"\xad" for key in signers)
            assert leaf.tap.code.startswith(start) and leaf.signers == len(signers)
        for disproof in turn.disproofs:
            assert disproof.code.startswith(b"\x20" + given.challenger_key + b"\xad")


def test_one_leaf_object_serves_all_chains_of_a_plan() -> None:
    first, second = (game().leaves[f"{chain}.hash", "pre.7"] for chain in ("rs", "memory"))
    assert first is second
