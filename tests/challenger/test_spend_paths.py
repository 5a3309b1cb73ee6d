"""Who can spend each output by each leaf: real spends, judged by libbitcoinkernel, allowed and forbidden ones.

For each leaf every coalition of keys is tried at each height class (a block before its delay, at it, after it). The
keys of a leaf are those of the graph; a coalition signs what it can and puts a signature of its own where it cannot. By
default one output and leaf of each row of docs/spec/spends.md is tried, the rest is long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain, combinations, product

import pytest

from btc_l2.chain.kernel import verify_spend
from challenger.commit import GameId, message_seed
from challenger.model.spends import SpendRow, rows_of, spend_rows
from challenger.model.system import opens_secrets
from challenger.sample import FEW_ROUNDS, SEED, sample_game, sample_graph, sample_parties
from challenger.turns import Game
from taproot.connectors.output import Output, SpendPath
from taproot.graph import Graph
from taproot.hashes import sha256
from taproot.keys import SecretKey, sign_schnorr
from taproot.musig2 import SecretNonce, Session, aggregate_nonces
from taproot.ots import Choice
from taproot.parties import N_OF_N
from taproot.presigned import Kind
from taproot.sighash import SighashCache
from taproot.terms import Terms
from taproot.tx import Transaction, TxIn, TxOut, Witness
from taproot.units import SEQUENCE_RBF, Sats

Items = tuple[bytes, ...]
Coalition = frozenset[str]
ELSEWHERE = TxOut(Sats(330), b"\x51\x20" + bytes(31) + b"\x01")
BIG = 2_000  # bytes of a script; with longer ones only the coalitions that matter are tried
HINTS = range(0, 64, 7)


@cache
def graph() -> Graph:
    return sample_graph(Terms(arities=FEW_ROUNDS))


@cache
def game() -> Game:
    return sample_game(FEW_ROUNDS, sample_parties(2), "p0")


@cache
def secrets() -> Mapping[str, SecretKey]:
    return {f"p{i}": SecretKey(sha256(b"weigh/%d" % i)) for i in range(5)}


def sign_by_all(message: bytes) -> bytes:
    keyagg, parties = graph().contract.aggregate, graph().contract.parties.cosigners
    nonces = [SecretNonce.generate(secrets()[p.name], message, keyagg) for p in parties]
    session = Session(keyagg, aggregate_nonces([nonce.public for nonce in nonces]), message)
    return session.aggregate(
        [session.partial_sign(nonce, secrets()[p.name]) for nonce, p in zip(nonces, parties, strict=True)]
    )


def holds(coalition: Coalition, party: str) -> bool:
    """Whether a coalition can sign for a party, or for all."""
    needed = {p.name for p in graph().contract.parties.cosigners} if party == N_OF_N else {party}
    return needed <= coalition


def sign(coalition: Coalition, party: str, message: bytes) -> bytes:
    """The signature that a coalition brings: the right one, or one by a key of its own."""
    if not holds(coalition, party):
        return sign_schnorr(secrets()[min(coalition)], message) if coalition else bytes(64)
    return sign_by_all(message) if party == N_OF_N else sign_schnorr(secrets()[party], message)


def spends(
    output: Output, path: SpendPath, coalition: Coalition, sequence: int, items: Items, version: int = 2
) -> bool:
    """Whether the kernel lets this coalition lead the output elsewhere by that leaf."""
    leaf = path.leaf
    tx = Transaction(version, (TxIn(graph().outpoints[output.name], sequence),), (ELSEWHERE,))
    message = SighashCache(tx, [output.tx_out]).script_path(0, leaf.hash)
    found = [sign(coalition, party, message) for party in path.parties]
    witness: Witness = (*items, *reversed(found), leaf.code, output.tree.control_block(leaf.name))
    prevouts = [(output.value, output.tree.script_pubkey)]
    return verify_spend(tx.with_witness(0, witness).serialize(), 0, prevouts)


class Signed(dict[str, Items]):
    """One-time signatures: each choice is `choice`, all else has the digits 1, 1, 1 …: roots that nothing hashes to."""

    def __init__(self, choice: int) -> None:
        super().__init__()
        self.choice = choice

    def __missing__(self, name: str) -> Items:
        code = game().keys.messages[name].code
        seed = message_seed(SEED, GameId("weigh", graph().contract.parties.operator.name, "p0"), name)
        self[name] = code.sign(seed, (self.choice if isinstance(code, Choice) else 1,) * code.digits)
        return self[name]


SIGNED = (Signed(1), Signed(0))


def candidates(output: Output, path: SpendPath) -> Iterator[Items]:
    """Witness items below the signatures, for each choice and each value of the hints."""
    if not opens_secrets(path):
        yield ()
        return
    spec = game().leaves[output.name.partition("/")[2], path.leaf.name]
    for signed, hints in product(SIGNED, product(HINTS, repeat=len(spec.hints))):
        yield spec.witness(game().keys, signed, dict(zip(spec.hints, hints, strict=True)))


def winning_items(output: Output, path: SpendPath) -> Items | None:
    """Items with which those who hold the keys can spend; None where these values give no disproof."""
    sequence = path.delay or SEQUENCE_RBF
    return next((i for i in candidates(output, path) if spends(output, path, everybody(), sequence, i)), None)


def everybody() -> Coalition:
    return frozenset(secrets())


def coalitions(path: SpendPath) -> list[Coalition]:
    """All 32, or for a big script those at the border: just enough, each one less, all but each one."""
    everyone = sorted(everybody())
    if len(path.leaf.code) < BIG:
        subsets = chain.from_iterable(combinations(everyone, n) for n in range(len(everyone) + 1))
        return [frozenset(subset) for subset in subsets]
    enough = frozenset(p for p in everyone if any(not holds(everybody() - {p}, party) for party in path.parties))
    fewer = [enough - {p} for p in enough]
    return [enough, everybody() - enough, *fewer, *(everybody() - {p} for p in everyone)]


def sequences(delay: int) -> list[tuple[int, bool]]:
    """(sequence number, whether the delay is over) for each height class."""
    if not delay:
        return [(SEQUENCE_RBF, True)]
    return [(delay - 1, False), (delay, True), (delay + 1, True), (SEQUENCE_RBF, False)]


def try_everything(output: Output, path: SpendPath) -> None:
    items = winning_items(output, path)
    assert items is not None, f"nothing spends {output.name} by {path.leaf.name}"
    for coalition in coalitions(path):
        allowed = all(holds(coalition, party) for party in path.parties)
        for sequence, is_old in sequences(path.delay):
            assert spends(output, path, coalition, sequence, items) == (allowed and is_old), (coalition, sequence)
    if path.delay:
        assert not spends(output, path, everybody(), path.delay, items, version=1), "BIP 68 is off in version 1"
    for n in {0, len(items) - 1} if items else ():
        bent = (*items[:n], b"\x01" * max(1, len(items[n])), *items[n + 1 :])
        if len(items[n]) == 20:
            assert not spends(output, path, everybody(), SEQUENCE_RBF, bent), "without the signed values"


@cache
def one_of_each() -> dict[SpendRow, tuple[str, str]]:
    """An output and leaf for each row; for disproofs the first that these values win."""
    found: dict[SpendRow, tuple[str, str]] = {}
    for output in graph().outputs.values():
        if output.name.startswith("p1/"):
            continue
        for row, path in zip(rows_of(graph(), output), output.paths.values(), strict=True):
            if row not in found and (row.leaf != "a disproof" or winning_items(output, path) is not None):
                found[row] = output.name, path.leaf.name
    return found


ROWS = tuple(spend_rows(graph()))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.output} {row.leaf}")
def test_exactly_those_with_the_keys_spend_and_not_before_the_delay(row: SpendRow) -> None:
    output, leaf = one_of_each()[row]
    try_everything(graph().outputs[output], graph().outputs[output].paths[leaf])


@pytest.mark.parametrize("output", sorted({row.output: name for row, (name, _) in one_of_each().items()}.values()))
def test_nobody_spends_by_the_key_path(output: str) -> None:
    spent = graph().outputs[output]
    tx = Transaction(2, (TxIn(graph().outpoints[output], SEQUENCE_RBF),), (ELSEWHERE,))
    message = SighashCache(tx, [spent.tx_out]).key_path(0)
    tweaked = [s.taproot_tweaked(spent.tree.merkle_root) for s in secrets().values()]
    signatures = [sign_schnorr(s, message) for s in (*secrets().values(), *tweaked)]
    for signature in (*signatures, sign_by_all(message)):
        prevouts = [(spent.value, spent.tree.script_pubkey)]
        assert not verify_spend(tx.with_witness(0, [signature]).serialize(), 0, prevouts)


def test_no_leaf_of_an_operators_turn_is_a_disproof() -> None:
    timeouts = [p for p in graph().transactions.values() if p.kind is Kind.TIMEOUT]
    assert timeouts
    for turn in {p.inputs[0].output for p in timeouts}:
        keys = {path.parties for path in graph().outputs[turn].paths.values() if not path.delay}
        assert all(N_OF_N in parties for parties in keys)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in graph().outputs if not name.startswith("p1/")])
def test_every_leaf_of_every_output(name: str) -> None:
    """Disproofs on which these values do not win are shown by the tests of the leaves."""
    output = graph().outputs[name]
    for path in output.paths.values():
        if not opens_secrets(path) or N_OF_N in path.parties or winning_items(output, path) is not None:
            try_everything(output, path)
