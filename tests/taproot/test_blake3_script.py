"""BLAKE3 of 64 bytes in Script against the blake3 library; libbitcoinkernel executes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.chain.kernel import accepts
from taproot.gadgets import spread
from taproot.gadgets.blake3 import compression, message_names, push_xor
from taproot.script import MAX_STACK_ITEMS, Op, Script, Stack, check_leaf, encode_number

VECTORS = Path(__file__).parent.parent / "vectors" / "blake3" / "test_vectors.json"
MESSAGE = tuple(name for word in message_names() for name in word)
DIGEST = [f"digest{i}" for i in range(64)]

Nibbles = tuple[int, ...]


@cache
def hash_leaf_of(order: tuple[str, ...] = MESSAGE) -> Script:
    """Computes all 64 nibbles of the digest and compares them with the witness.

    stack:  digest nibbles (form of role b), message nibbles (doubled)  →  true
    """
    hashed = compression(order)
    s = Stack(*DIGEST, *order)
    s.run(hashed.script, len(order), hashed.stack)
    for i, claimed in enumerate(DIGEST):
        low, high = hashed.state[i // 8][i % 8], hashed.state[i // 8 + 8][i % 8]
        roles = "ac" if i < 32 else "bd"
        push_xor(s, low, high, sum(spread.BIAS[r] for r in roles))
        s.move(claimed)
        s.op(Op.EQUALVERIFY)
    s.drop_all()
    s.push(1, "true")
    return check_leaf(s.finish("true"), len(DIGEST) + len(order))


def nibbles_of(data: bytes) -> Nibbles:
    return tuple(n for byte in data for n in (byte & 15, byte >> 4))


def witness(message: Nibbles, digest: Nibbles) -> list[bytes]:
    claimed = [encode_number(spread.form(n, spread.BIAS_B)) for n in digest]
    return claimed + [encode_number(2 * n) for n in message]


def agrees(message: bytes, digest: bytes) -> bool:
    return accepts(hash_leaf_of().code, witness(nibbles_of(message), nibbles_of(digest)))


def random_messages(count: int) -> Iterator[bytes]:
    stream = hashlib.shake_256(b"blake3 in script").digest(64 * count)
    return (stream[64 * i : 64 * i + 64] for i in range(count))


def test_the_official_vector_of_64_bytes() -> None:
    case = next(c for c in json.loads(VECTORS.read_text())["cases"] if c["input_len"] == 64)
    message, digest = bytes(range(64)), bytes.fromhex(case["hash"])[:32]
    assert agrees(message, digest)
    assert not agrees(message, bytes([digest[0] ^ 1]) + digest[1:])


@pytest.mark.parametrize("byte", [0x00, 0xFF, 0x0F, 0xF0, 0x80, 0x01])
def test_messages_of_one_repeated_byte(byte: int) -> None:
    message = bytes([byte]) * 64
    assert agrees(message, blake3(message).digest())


def test_random_messages_agree_with_the_library() -> None:
    for message in random_messages(60):
        assert agrees(message, blake3(message).digest())


@pytest.mark.long
def test_ten_thousand_messages_agree_with_the_library() -> None:
    for message in random_messages(10_000):
        assert agrees(message, blake3(message).digest())


def test_every_wrong_digest_nibble_is_found() -> None:
    message = next(random_messages(1))
    digest = nibbles_of(blake3(message).digest())
    for i in range(64):
        wrong = (*digest[:i], digest[i] ^ (1 << i % 4), *digest[i + 1 :])
        assert not accepts(hash_leaf_of().code, witness(nibbles_of(message), wrong)), i


def test_every_message_nibble_matters() -> None:
    message = next(random_messages(1))
    digest, nibbles = nibbles_of(blake3(message).digest()), nibbles_of(message)
    for i in range(128):
        other = (*nibbles[:i], nibbles[i] ^ (1 << i % 4), *nibbles[i + 1 :])
        assert not accepts(hash_leaf_of().code, witness(other, digest)), i


def test_the_message_may_lie_in_another_order() -> None:
    order = MESSAGE[::-1]
    message = next(random_messages(1))
    items = witness(nibbles_of(message)[::-1], nibbles_of(blake3(message).digest()))
    assert accepts(hash_leaf_of(order).code, items)
    assert not accepts(hash_leaf_of().code, items)


@settings(deadline=None, max_examples=25)
@given(st.binary(min_size=64, max_size=64), st.binary(min_size=32, max_size=32))
def test_a_digest_is_accepted_iff_it_is_the_right_one(message: bytes, other: bytes) -> None:
    digest = blake3(message).digest()
    assert agrees(message, digest)
    assert agrees(message, other) == (other == digest)


def test_the_declared_peak_is_the_real_one() -> None:
    """Filled up from below to exactly the limit the script runs; with one more item it does not."""
    leaf = hash_leaf_of()
    message = next(random_messages(1))
    items = witness(nibbles_of(message), nibbles_of(blake3(message).digest()))
    room = MAX_STACK_ITEMS - len(items) - leaf.effect.peak
    for extra, fits in ((room, True), (room + 1, False)):
        clean = Stack(*["filler"] * extra, "true")
        clean.to_alt()
        clean.drop_all()
        clean.from_alt("true")
        filled = leaf.code + clean.finish("true").code
        assert accepts(filled, [b""] * extra + items) == fits


def test_size_and_stack_of_one_compression() -> None:
    script = compression(MESSAGE).script
    assert len(script) == 43_430
    assert script.effect.need == 128
    assert script.effect.delta == spread.ITEMS
    assert script.effect.peak == spread.ITEMS + spread.STATE + 4


def test_one_index_serves_xor_and_addition() -> None:
    for x in range(16):
        for y in range(16):
            k = spread.spread(x) + spread.spread(y)
            assert 0 <= k < spread.SUMS
            assert spread.xor_of(k) == x ^ y
            assert spread.sum_of(k) == x + y
