"""Mistakes that others made (found in their code or told by their users), one test each: the mistaken variant, rebuilt
here, shows the damage; what this project does instead refuses the same thing. libbitcoinkernel judges scripts.

Elsewhere, with the mistaken variant as the refused input: a key path (tests/taproot/test_connectors.py: "nobody has the
internal key"), a disproof sent once and never again (tests/regtest/test_agents.py: "what the network loses is sent
again", "what waits too long is paid more for"), counts of challengers and gates that differ (test_graph.py of taproot:
funding and games that do not fit), unconfirmed outputs accepted as stake (test_footing.py here), a disproof too
large to relay (test_cost.py here, tests/chain/test_policy.py).
"""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from btc_l2.chain.kernel import accepts
from challenger.journal import Journal
from taproot.errors import InvalidInput, Refused
from taproot.gadgets.bits import verify_below
from taproot.hashes import hash160, sha256, tagged_hash
from taproot.keys import SecretKey, sign_schnorr
from taproot.ots import Winternitz
from taproot.ots.code import secrets_from
from taproot.script import (
    MAX_STACK_ITEMS,
    Op,
    Script,
    ScriptError,
    check_leaf,
    drop_many,
    encode_number,
    number,
    pick_within,
    script,
)
from taproot.script.script import decode_number
from taproot.secp256k1 import GROUP_ORDER
from taproot.terms import Terms

SEED = hashlib.sha256(b"known mistakes").digest()


def test_an_index_beyond_its_table_picks_what_the_spender_planted() -> None:
    table, wanted = script(10, 11, 12, 13), 42
    compare = script(wanted, Op.EQUAL, Op.TOALTSTACK, Op.TWODROP, Op.TWODROP, Op.DROP, Op.FROMALTSTACK)
    fetch = script(4, Op.ROLL, pick_within(3)) + compare
    checked = verify_below(4) + table + fetch
    planted = (encode_number(wanted), encode_number(4))
    assert accepts((table + fetch).code, planted)
    assert not accepts(checked.code, planted)
    assert accepts((verify_below(14) + table + fetch).code, planted)  # a bound that is too wide is none
    assert not any(accepts(checked.code, (encode_number(wanted), encode_number(i))) for i in range(-3, 9))


def hashed_on(item: bytes, times: int) -> bytes:
    for _ in range(times):
        item = hash160(item)
    return item


def low_digit_of_checksum(digits: tuple[int, ...]) -> int:
    """The checksum of a code that leaves its upper digit out."""
    return sum(15 - d for d in digits) % 16


def test_a_checksum_that_is_one_digit_short_lets_a_stranger_raise_digits() -> None:
    code = Winternitz(3)
    public, signed, raised = code.public(SEED), (1, 2, 3), (7, 7, 8)
    assert len(code.bases) == 3 + 2
    assert low_digit_of_checksum(signed) == low_digit_of_checksum(raised)  # the short checksum fits both
    items = code.sign(SEED, signed)
    chains = len(code.bases)
    forged = list(items)
    for i, (low, high) in enumerate(zip(signed, raised, strict=True)):
        forged[chains - 1 - i] = hashed_on(items[chains - 1 - i], high - low)  # only hashing: no secret is needed
        forged[chains + i] = encode_number(high)
    check = check_leaf(code.check(public) + number(1), code.items).code
    assert accepts(check, items)
    assert not accepts(check, tuple(forged))


def clamping_check(end: bytes) -> Script:
    """A digit's chain checked the way it should not be: a number out of range counts as the nearest digit.

    stack:  chain item, digit  →  (nothing)
    """
    climb = script(Op.SWAP, *[Op.DUP, Op.HASH160] * 15)
    clamp = script(0, Op.MAX, 15, Op.MIN, Op.TOALTSTACK)
    return clamp + script(0) + climb + script(Op.FROMALTSTACK, pick_within(15), end, Op.EQUALVERIFY) + drop_many(17)


def test_a_clamped_digit_is_signed_by_numbers_that_nobody_signed() -> None:
    code = Winternitz(1)
    public = code.public(SEED)
    secret = secrets_from(SEED, "winternitz/16/1", len(code.bases))[0]
    clamps = clamping_check(public[:20]).code + b"\x51"
    for n in (15, 16, 99, 1000):
        assert accepts(clamps, (hashed_on(secret, 15), encode_number(n)))
    honest = code.sign(SEED, (15,))
    check = check_leaf(code.check(public) + number(1), code.items).code
    at = len(code.bases)
    assert accepts(check, honest)
    for n in (16, 99, 1000):
        assert not accepts(check, (*honest[:at], encode_number(n), *honest[at + 1 :]))


def test_a_digit_of_fixed_width_is_not_minimal_and_would_not_be_relayed() -> None:
    for digit in range(16):
        fixed_width = bytes([digit, 0])
        with pytest.raises(ValueError):
            decode_number(fixed_width)
        assert decode_number(encode_number(digit)) == digit
    code = Winternitz(4)
    written_longer = tuple(i + b"\x00" if len(i) == 1 else i for i in code.sign(SEED, (1, 2, 3, 4)))
    assert all(decode_number(i) >= 0 for i in code.minimal(written_longer) if len(i) < 20)


def challenge_of(nonce: bytes, key: SecretKey, message: bytes) -> int:
    digest = tagged_hash("BIP0340/challenge", nonce + key.public_key[1:] + message)
    return int.from_bytes(digest, "big") % GROUP_ORDER


def test_a_nonce_from_the_outpoint_gives_the_key_away_with_the_second_message() -> None:
    """s = k + e·x for two messages and one k: two equations, two unknowns. Two signings of one outpoint do it."""
    secret, nonce = (int.from_bytes(sha256(what), "big") % GROUP_ORDER for what in (b"key", b"outpoint"))
    key = SecretKey(secret.to_bytes(32, "big"))
    r = SecretKey(nonce.to_bytes(32, "big")).public_key[1:]
    e1, e2 = (challenge_of(r, key, sha256(m)) for m in (b"first fee", b"second fee"))
    s1, s2 = ((nonce + e * secret) % GROUP_ORDER for e in (e1, e2))
    assert (s1 - s2) * pow(e1 - e2, -1, GROUP_ORDER) % GROUP_ORDER == secret
    ours = [sign_schnorr(key, sha256(m))[:32] for m in (b"first fee", b"second fee")]
    assert ours[0] != ours[1]


@pytest.mark.parametrize(
    "tie",
    [
        {"margin": 0}, {"challenge_delay": 18}, {"refund_delay": 12},
        {"exit_delay": Terms().total_delay + Terms().slash_delay},
    ],
    ids=str,
)  # fmt: skip
def test_timelocks_that_end_in_the_same_block_are_no_terms(tie: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Terms(**tie)
    (name, value) = next(iter(tie.items()))
    Terms(**{name: value + 1})


def test_select_then_update_signs_twice_where_one_statement_does_not(tmp_path: Path) -> None:
    naive = [sqlite3.connect(tmp_path / "naive.db", isolation_level=None) for _ in range(2)]
    naive[0].execute("CREATE TABLE signed (message TEXT PRIMARY KEY, digits BLOB)")
    free = [db.execute("SELECT 1 FROM signed WHERE message = 'm'").fetchone() is None for db in naive]
    for db, digit in zip(naive, (1, 2), strict=True):  # both have looked before one of them writes
        db.execute("INSERT OR REPLACE INTO signed VALUES ('m', ?)", (bytes([digit]),))
    assert free == [True, True]  # so both would send a signature
    journals = [Journal(tmp_path / "alice.journal", "deposit", "alice") for _ in range(2)]
    journals[0].commit_move("choose", {"m": (1,)}, b"raw", 1)
    with pytest.raises(Refused):
        journals[1].commit_move("choose", {"m": (2,)}, b"raw", 1)


def test_what_a_lenient_simulator_passes_the_judge_refuses_and_the_builder_does_not_build() -> None:
    full, above = ((b"\x01",) * n for n in (MAX_STACK_ITEMS - 1, MAX_STACK_ITEMS))
    grow = script(Op.DUP, *[Op.DROP] * 1)

    def leaf(items: int) -> Script:
        return grow + drop_many(items - 1)

    assert accepts(check_leaf(leaf(len(full)), len(full)).code, full)
    assert not accepts(leaf(len(above)).code, above)  # 1,001 items for the length of one opcode
    with pytest.raises(ScriptError):
        check_leaf(leaf(len(above)), len(above))
    drop = script(Op.DROP, 1)
    assert accepts(drop.code, (bytes(520),)) and not accepts(drop.code, (bytes(521),))
    with pytest.raises(ScriptError):
        script(bytes(521))
