"""The challenger's moves: what he chooses on each of his turns, from what the operator signed and what is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from btc_l2.zkvm.outcome import EXITED, Endian
from btc_l2.zkvm.state import Machine
from challenger.commit import Digits, address_digits, root_digits
from challenger.disprove.place import half_of, needs_half
from challenger.game.kinds import (
    CHAINS,
    CLAIM_ADDRESS,
    LEAF_BYTES,
    Access,
    chain_of,
    origin_for,
    origins_of_a,
    origins_of_b,
)
from challenger.game.paths import OpenedPath, child_is_right
from challenger.game.prover import TraceProver, leaf_bytes, path_of_claim, place_of
from challenger.game.solver import (
    Assertion,
    Disproof,
    PathSearch,
    choose_claim_leaf,
    choose_segment,
    choose_verdict,
    find_lie,
    hash_disproof,
    shown_positions,
)
from challenger.game.state import GameState, claim_of


@dataclass(frozen=True, slots=True)
class Choose:
    """A move of the challenger, with the choice he signs (if the move carries one)."""

    move: str
    values: dict[str, Digits]


def claim_bytes(assertion: Assertion, endian: Endian) -> bytes:
    """The 128 bytes of the claim as the guest reads them."""
    machine = Machine(endian)
    for k, leaf in enumerate(assertion.claim):
        machine.write_leaf(CLAIM_ADDRESS // LEAF_BYTES + k, leaf)
    return machine.read_bytes(CLAIM_ADDRESS, LEAF_BYTES * len(assertion.claim))


def assertion_of(state: GameState) -> Assertion:
    """What the operator asserted."""
    return Assertion(tuple(state.root(f"claim.{k}") for k in range(4)), state.root("z0"), state.root("zN"))


def challenger_move(state: GameState, truth: TraceProver) -> Choose | Disproof | None:
    """The winning move on the challenger's turn; None if the operator is honest and there is nothing to win.

    `truth` runs the claim that the operator asserted.
    """
    head, _, tail = state.turn.partition(".")
    if head == "pick":
        lie = find_lie(assertion_of(state), truth)
        if lie == "search":
            return _choose_segment(state, truth, 0)
        return None if lie is None else Choose(f"pick_{lie}", {})
    if head == "pick_claim":
        shown = [state.root(name) for name in ("init.1", "init.2", "init.3", "z0")]
        return Choose(f"pick_claim{choose_claim_leaf(shown, truth)}", {})
    if head == "choose":
        return _choose_segment(state, truth, int(tail))
    if head in ("verdict", "verdict_map"):
        return _verdict(state, truth)
    return _in_path(state, truth, head, tail)


def _choose_segment(state: GameState, truth: TraceProver, round_: int) -> Choose:
    positions = shown_positions(state.total, state.arities, state.search_choices())
    shown = [state.root(f"search.{round_}.{k}") for k in range(1, state.arities[round_])]
    return Choose(f"choose.{round_}", {f"search.{round_}.choice": (choose_segment(shown, positions, truth),)})


def _verdict(state: GameState, truth: TraceProver) -> Choose | Disproof:
    index, shown = state.step_index(), state.shown_step()
    assert index is not None and shown is not None
    verdict = choose_verdict(shown, state.disputed_root(), index, truth)
    if isinstance(verdict, Disproof):
        return verdict
    return Choose(f"ask.{chain_of(verdict.kind, shown.is_map)}", {})


def true_path(access: Access, state: GameState, truth: TraceProver) -> OpenedPath:
    """The path that an honest operator would open, the claim about the step taken as it is."""
    index, shown = state.step_index(), state.shown_step()
    if index is None or shown is None:
        return truth.path(access, None)
    return path_of_claim(access, truth.machine_at(index), shown.claim)


def _in_path(state: GameState, truth: TraceProver, chain: str, turn: str) -> Choose | Disproof:
    access = CHAINS[chain]
    if turn == "cut0":
        plain = find_plain_disproof(access, state)
        if plain is not None:
            return plain
    search = PathSearch(access.plan, true_path(access, state, truth), state.root("path.bottom.pre"))
    choices = state.path_choices(access.plan)
    if turn in ("hash", "hash_top"):
        return _last_disproof(access, state, choices)
    depths = range(1, access.plan.splits[len(choices)])
    names = [f"{access.plan.name}.{len(choices)}.{k}" for k in depths]
    pre = [state.root(f"{n}.pre") for n in names]
    post = [state.root(f"{n}.post") if access.writes else None for n in names]
    choice = search.choose(choices, pre, post)
    if len(choices) == access.plan.rounds - 1 and access.plan.start((*choices, choice)) == 0:
        return Choose(f"{chain}.cut_top", {})
    return Choose(f"{chain}.{turn}", {f"{access.plan.name}.{len(choices)}.choice": (choice,)})


def root_message(access: Access, side: str, state: GameState) -> str:
    """The message that holds the root before or after an access (`image` for the constant image root)."""
    name = access.pre if side == "pre" else access.post
    assert name is not None
    if name == "A":
        return origin_for(origins_of_a(state.arities), state.search_choices()).message
    if name == "B":
        return origin_for(origins_of_b(state.arities), state.search_choices()).message
    return name


def node_message(access: Access, side: str, depth: int) -> str:
    """The message that holds a node below the root."""
    shown = access.plan.shown_at(depth)
    if shown is None:
        return f"path.bottom.{side}"
    return f"{access.plan.name}.{shown[0]}.{shown[1]}.{side}"


def _last_disproof(access: Access, state: GameState, choices: tuple[int, ...]) -> Disproof:
    """The side shown is not that of the address, or a hash of the edge is wrong."""
    edge = access.plan.start(choices)
    if state.values["path.side"] != (int(child_is_right(access.plan, state.opened_address(), edge)),):
        return Disproof(f"side.{edge}", {})

    def node(side: str, depth: int) -> bytes | None:
        if side == "post" and not access.writes:
            return None
        if depth:
            return state.root(node_message(access, side, depth))
        name = root_message(access, side, state)
        return state.image_root if name == "image" else state.root(name)

    parents, children = ((node("pre", d), node("post", d)) for d in (edge, edge + 1))
    assert parents[0] is not None and children[0] is not None
    won = hash_disproof(
        access.plan, state.opened_address(), edge, (parents[0], parents[1]), (children[0], children[1]),
        state.root("path.sibling"),
    )  # fmt: skip
    assert won is not None, "the search ended at an edge whose hashes fit"
    origin = "" if edge else f".{root_message(access, won.leaf, state)}"
    return Disproof(f"{won.leaf}.{edge}{origin}", won.hints)


def find_plain_disproof(access: Access, state: GameState) -> Disproof | None:
    """A plain leaf that wins on what the operator opened: wrong place, or content other than claimed."""
    claim = claim_of(state)
    half = {}
    if claim is not None and isinstance(access.place, str) and needs_half(access.place):
        words = {"pc": claim.before[0], "address": claim.address, "instruction": claim.instruction}
        half = {"half": half_of(access.place, words)}
    address, word = place_of(access, claim)
    if state.values["path.address"] != address_digits(address):
        return Disproof("address", half)
    pre = state.values["path.bottom.pre"]
    if access.content == "status":
        return _first_difference("status", "p", pre[40:48], root_digits(leaf_bytes([EXITED] * 8))[:8], {})
    if access.content in ("leaf", "swap"):
        return _leaf_content(access, state, pre)
    assert claim is not None
    return _word_content(access, state, word, pre, half)


def _first_difference(
    leaf: str, hint: str, opened: Sequence[int], claimed: Sequence[int], hints: dict[str, int]
) -> Disproof | None:
    at = next((i for i, (x, y) in enumerate(zip(opened, claimed, strict=True)) if x != y), None)
    return None if at is None else Disproof(leaf, {hint: at, **hints})


def _leaf_content(access: Access, state: GameState, pre: Digits) -> Disproof | None:
    if access.content == "leaf":
        return _first_difference("leaf", "i", pre, state.values[access.value], {})
    before = None if access.old is None else _first_difference("before", "i", pre, state.values[access.old], {})
    return before or _first_difference("after", "i", state.values["path.bottom.post"], state.values[access.value], {})


def _word_digits(state: GameState, name: str) -> Digits:
    claim = claim_of(state)
    assert claim is not None
    return root_digits(leaf_bytes([getattr(claim, name)] * 8))[:8]


def _word_content(access: Access, state: GameState, word: int, pre: Digits, half: dict[str, int]) -> Disproof | None:
    at = slice(8 * word, 8 * word + 8)
    if access.content == "word":
        return _first_difference("word", "p", pre[at], _word_digits(state, access.value), half)
    post = state.values["path.bottom.post"]
    if access.old is not None:
        before = _first_difference("before", "p", pre[at], _word_digits(state, access.old), half)
        if before is not None:
            return before
    after = _first_difference("after", "p", post[at], _word_digits(state, access.value), half)
    if after is not None:
        return after
    return next(
        (Disproof("others", {"w": i // 8, "p": i % 8, **half})
         for i in range(64) if i // 8 != word and pre[i] != post[i]),
        None,
    )  # fmt: skip


