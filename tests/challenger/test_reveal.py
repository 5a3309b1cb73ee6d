"""Leaves that open one-time signatures: what the kernel accepts is what `read` understands, and nothing else."""

from __future__ import annotations

import random
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.chain.kernel import accepts
from challenger.commit import (
    Digits,
    GameId,
    Message,
    address_digits,
    digits_address,
    digits_root,
    message_seed,
    messages,
    public_keys,
    root_digits,
)
from challenger.reveal import Check, Fixed, Items, Keys, Open, Reveal, RevealLeaf, Same, reveal_leaf
from taproot.connectors.turn import Role
from taproot.errors import VerificationFailed
from taproot.ots import Choice
from taproot.script import Op, script

ARITIES = (4, 2)
GAME = GameId(f"{'ab' * 32}:0", "olga", "alice")
SEED = bytes(range(32))
SIGNERS = (bytes(range(1, 33)),)
TAIL = (b"script", b"control block")
ROOT, ADDRESS, CHOICE = "search.0.1", "path.address", "search.0"
DIGIT = st.integers(0, 15)


@lru_cache
def keys() -> Keys:
    public = {role: public_keys(SEED, GAME, role, ARITIES) for role in Role}
    return Keys(messages(ARITIES), {**public[Role.OPERATOR], **public[Role.CHALLENGER]})


def sign(values: dict[str, Digits]) -> dict[str, Items]:
    return {n: keys().messages[n].code.sign(message_seed(SEED, GAME, n), d) for n, d in values.items()}


def leaf_of(*reveals: Reveal, hints: tuple[str, ...] = (), body: bytes | None = None) -> RevealLeaf:
    return reveal_leaf("leaf", "nothing", SIGNERS, keys(), reveals, hints, body)


def unsigned(leaf: RevealLeaf) -> bytes:
    """The script behind its signature check: the kernel is asked about reveals and body."""
    return leaf.tap.code[34 * leaf.signers :]


def runs(leaf: RevealLeaf, items: Items) -> bool:
    return accepts(unsigned(leaf), items)


def read(leaf: RevealLeaf, items: Items) -> dict[str, Digits]:
    return {m: d for m, (d, _) in leaf.read(keys(), (*items, bytes(64), *TAIL)).items()}


@given(st.lists(DIGIT, min_size=64, max_size=64), st.lists(DIGIT, min_size=7, max_size=7), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_a_move_is_accepted_and_read_as_it_was_signed(root: list[int], address: list[int], choice: int) -> None:
    values = {ROOT: tuple(root), ADDRESS: tuple(address), f"{CHOICE}.choice": (choice,), f"{CHOICE}.copy": (choice,)}
    leaf = leaf_of(Same(CHOICE), Check(ROOT), Check(ADDRESS))
    items = leaf.witness(keys(), sign(values), {})
    assert runs(leaf, items)
    assert read(leaf, items) == values
    shown = leaf.read(keys(), (*items, bytes(64), *TAIL))
    assert {m: i for m, (_, i) in shown.items()} == sign(values)


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_changed_item_is_refused_by_kernel_and_reader_alike(seed: int) -> None:
    rng = random.Random(seed)
    values = {ROOT: root_digits(rng.randbytes(32)), f"{CHOICE}.choice": (rng.randrange(4),)}
    leaf = leaf_of(Check(f"{CHOICE}.choice"), Check(ROOT))
    items = list(leaf.witness(keys(), sign(values), {}))
    at = rng.randrange(len(items))
    others = [b"", b"\x01", b"\x00", b"\x10", b"\x81", items[at][:-1], items[at] + b"\0", rng.randbytes(20)]
    items[at] = rng.choice(others)
    accepted = runs(leaf, tuple(items))
    try:
        understood = read(leaf, tuple(items))
    except VerificationFailed:
        assert not accepted
    else:
        assert accepted and understood == values


def test_numbers_that_are_not_minimal_are_read_like_consensus_reads_them() -> None:
    values = {ADDRESS: (1, 0, 2, 15, 0, 0, 7)}
    leaf = leaf_of(Check(ADDRESS))
    items = leaf.witness(keys(), sign(values), {})
    long = tuple(i + b"\0" if len(i) == 1 else b"\x80" if i == b"" else i for i in items)
    assert long != items
    assert read(leaf, long) == values
    assert leaf.read(keys(), (*long, bytes(64), *TAIL))[ADDRESS][1] == sign(values)[ADDRESS]


@pytest.mark.parametrize("change", [lambda items: items[1:], lambda items: (*items, b"\1"), lambda _: ()])
def test_a_wrong_number_of_items_is_refused_by_the_reader(change: object) -> None:
    leaf = leaf_of(Check(ADDRESS))
    items = leaf.witness(keys(), sign({ADDRESS: (0,) * 7}), {})
    with pytest.raises(VerificationFailed):
        read(leaf, change(items))


def test_a_copy_must_be_the_choice() -> None:
    leaf = leaf_of(Same(CHOICE))
    for choice in range(4):
        for copy in range(4):
            signed = sign({f"{CHOICE}.choice": (choice,), f"{CHOICE}.copy": (copy,)})
            assert runs(leaf, leaf.witness(keys(), signed, {})) == (choice == copy)


def test_a_fixed_copy_is_the_operators_and_exactly_that_value() -> None:
    for value in range(4):
        leaf = leaf_of(Fixed(CHOICE, value))
        for copy in range(4):
            signed = sign({f"{CHOICE}.copy": (copy,)})
            assert runs(leaf, leaf.witness(keys(), signed, {})) == (copy == value)
        others = sign({f"{CHOICE}.choice": (value,)})
        assert not runs(leaf, others[f"{CHOICE}.choice"])


def test_opened_digits_come_to_the_alt_stack_first_message_deepest() -> None:
    values = {ADDRESS: (1, 2, 3, 4, 5, 6, 7), f"{CHOICE}.choice": (3,)}
    expected = [3, 1, 2, 3, 4, 5, 6, 7]  # the message opened last lies on top, digit 0 first
    body = [part for digit in expected for part in (Op.FROMALTSTACK, digit, Op.NUMEQUALVERIFY)]
    leaf = leaf_of(Open(ADDRESS), Open(f"{CHOICE}.choice"), body=script(*body, 1))
    assert runs(leaf, leaf.witness(keys(), sign(values), {}))
    other = values | {ADDRESS: (1, 2, 3, 4, 5, 6, 8)}
    assert not runs(leaf, leaf.witness(keys(), sign(other), {}))


def test_hints_lie_below_everything_and_reach_the_body() -> None:
    leaf = leaf_of(Check(ADDRESS), hints=("x", "y"), body=script(Op.SUB, 5, Op.NUMEQUAL))
    signed = sign({ADDRESS: (0,) * 7})
    assert runs(leaf, leaf.witness(keys(), signed, {"x": 20, "y": 15}))
    assert not runs(leaf, leaf.witness(keys(), signed, {"x": 15, "y": 20}))
    assert set(read(leaf, leaf.witness(keys(), signed, {"x": 20, "y": 15}))) == {ADDRESS}


def test_a_signature_for_one_message_does_not_open_another() -> None:
    leaf = leaf_of(Check("search.0.2"))
    assert not runs(leaf, sign({ROOT: (0,) * 64})[ROOT])


@given(st.binary(min_size=32, max_size=32))
def test_a_root_survives_its_digits(root: bytes) -> None:
    assert digits_root(root_digits(root)) == root


@given(st.integers(0, 2**27 - 1))
def test_a_leafs_address_survives_its_digits(leaf: int) -> None:
    assert digits_address(address_digits(32 * leaf)) == 32 * leaf


def test_no_two_games_parties_or_messages_share_a_key() -> None:
    games = [GAME, GameId(GAME.deposit[:-1] + "1", "olga", "alice"), GameId(GAME.deposit, "olga", "bob")]
    seeds = {message_seed(SEED, game, name) for game in games for name in messages(ARITIES)}
    assert len(seeds) == len(games) * len(messages(ARITIES))
    public = public_keys(SEED, GAME, Role.OPERATOR, ARITIES) | public_keys(SEED, GAME, Role.CHALLENGER, ARITIES)
    assert set(public) == set(messages(ARITIES)) and len(set(public.values())) == len(public)


def test_only_choices_are_signed_by_the_challenger() -> None:
    own: list[Message] = [m for m in messages(ARITIES).values() if m.by is Role.CHALLENGER]
    assert own and all(isinstance(m.code, Choice) and m.name.endswith(".choice") for m in own)
