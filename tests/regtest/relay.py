"""Every transaction of a presigned graph, once, on coins of its own: what is asked here is whether nodes relay it.

A transaction of the graph can confirm only after all its ancestors. Here each is made on inputs of the same scripts and
values that the faucet paid for, so that no game has to be played up to it; everything else is as in the graph: version,
outputs, sequence numbers, leaves, control blocks, one-time signatures, signatures of the parties (the n-of-n one made
with the sum of the secret keys) and, for version 3, the child that pays for both.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from btc_l2.chain.faucet import fund_all
from btc_l2.chain.protocol import Chain, Coin
from challenger.agents.wallet import Wallet
from challenger.sample import sample_game, sample_parties
from challenger.turns import Game
from taproot.graph import Funding, build_graph
from taproot.hashes import sha256, tagged_hash
from taproot.keys import SecretKey, sign_schnorr
from taproot.parties import Parties
from taproot.presigned import Graph, Kind, Planned
from taproot.terms import Terms
from taproot.tx import OutPoint, Transaction, TxIn, TxOut, p2tr_script
from taproot.units import Sats
from tests.challenger.winning import find_win

ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141  # of secp256k1
FEE_RATE = 50  # sat/vB
FEE_COIN = Sats(2_000_000)
MANY_OUTPUTS = 1_500  # in one transaction of the faucet
TERMS = Terms(
    arities=(4, 2), fee_rate=FEE_RATE, asset=Sats(25_000 * FEE_RATE + 20_000), stakes=(Sats(20_000_000),),
    bond=Sats(10_000_000), penalty=Sats(6_000_000), exit_delay=600,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """A transaction to relay: its name, the disproof it spends (None: no choice), the turn of its first input."""

    name: str
    leaf: str | None
    turn: str | None

    @property
    def label(self) -> str:
        """For reports."""
        return self.name if self.leaf is None else f"{self.name} by {self.leaf}"


@dataclass(frozen=True)
class Bench:
    """A graph whose secret keys are all known."""

    graph: Graph
    game: Game
    secrets: dict[str, SecretKey]

    @cached_property
    def together(self) -> SecretKey:
        """What signs n-of-n: the key of BIP 327's aggregate."""
        keys = [p.public_key for p in self.graph.contract.parties.cosigners]
        order = list(self.graph.contract.aggregate.public_keys)
        assert set(order) == set(keys)
        digest = tagged_hash("KeyAgg list", b"".join(order))
        second = next((k for k in order if k != order[0]), b"")
        by_key = {p.public_key: self.secrets[p.name] for p in self.graph.contract.parties.cosigners}
        total = 0
        for key in order:
            weight = 1 if key == second else int.from_bytes(tagged_hash("KeyAgg coefficient", digest + key), "big")
            total += weight * int.from_bytes(by_key[key].to_bytes(), "big")
        return SecretKey((total % ORDER).to_bytes(32, "big"))


def make_bench(terms: Terms = TERMS) -> Bench:
    """The graph of two challengers, made like any other; nothing of it is on a chain."""
    parties = sample_parties(2)
    games = {name: sample_game(terms.arities, parties, name) for name in parties.challengers}
    outpoints = [OutPoint(sha256(b"relay/%d" % i), 0) for i in range(5)]
    bonds = dict(zip(parties.challengers, outpoints[3:], strict=True))
    funding = Funding(outpoints[0], (outpoints[1],), bonds, outpoints[2])
    graph = build_graph(terms, parties, funding, {name: game.scripts for name, game in games.items()})
    return Bench(graph, games[parties.challengers[0]], _secrets(parties))


def _secrets(parties: Parties) -> dict[str, SecretKey]:
    """Those of `sample_parties`."""
    every = [*parties.cosigners, parties.depositor]
    known = {SecretKey(sha256(b"weigh/%d" % i)).public_key: SecretKey(sha256(b"weigh/%d" % i)) for i in range(9)}
    return {party.name: known[party.public_key] for party in every}


def all_jobs(bench: Bench) -> Iterator[Job]:
    """Every transaction of the frame and of one challenger's game; disproofs once per leaf, without and with stake."""
    j = bench.game.given.challenger
    for name, planned in bench.graph.transactions.items():
        if "/" in name and not name.startswith(f"{j}/"):
            continue
        first = planned.inputs[0].output
        turn = first.partition("/")[2] or None
        if planned.kind is not Kind.DISPROVE:
            yield Job(name, None, turn)
            continue
        assert turn is not None
        yield from (Job(name, leaf.name, turn) for leaf in bench.game.scripts.turns[turn].disproofs)


def leaf_of(bench: Bench, job: Job) -> bytes:
    """What tells the leaves of input 0 apart."""
    planned = bench.graph.planned(job.name)
    spend = planned.inputs[0]
    return bench.graph.outputs[spend.output].path(spend.leaf or job.leaf or "").leaf.hash


def every_leaf_and_move(bench: Bench) -> list[Job]:
    """Every transaction, but of the disproofs only one for each leaf."""
    found: dict[bytes, Job] = {}
    rest: list[Job] = []
    for job in all_jobs(bench):
        if job.leaf is None:
            rest.append(job)
        else:
            found.setdefault(leaf_of(bench, job), job)
    return [*rest, *found.values()]


def stratified(bench: Bench) -> list[Job]:
    """One transaction of each kind and turn's form, one disproof of each form of leaf, variants in turn."""
    found: dict[tuple[str, ...], list[Job]] = {}
    for job in all_jobs(bench):
        kind, turn = bench.graph.planned(job.name).kind.value, (job.turn or "").rpartition(".")[2]
        form = (job.leaf or "").partition(".")[0] if "hash" in turn or "cut" in turn else (job.leaf or "")[:1]
        found.setdefault((kind, turn.rstrip("0123456789"), form), []).append(job)
    return [jobs[k % len(jobs)] for k, jobs in enumerate(found.values())]


@dataclass(frozen=True, slots=True)
class Ready:
    """A signed transaction with what pays for it: one transaction, or parent and child."""

    job: Job
    package: tuple[Transaction, ...]
    fee: int

    @property
    def rate(self) -> float:
        """sat/vB of the whole package."""
        return self.fee / sum(tx.vbytes for tx in self.package)


class _Stock(Wallet):
    """A wallet with the coins it was given."""

    def __init__(self, chain: Chain, secret: SecretKey) -> None:
        super().__init__(chain, secret)
        self.given: list[Coin] = []

    def coins(self) -> list[Coin]:
        return [self.given.pop()]


def prepare(bench: Bench, chain: Chain, jobs: Sequence[Job], seed: int = 0) -> list[Ready]:
    """Pay for the inputs of all jobs, wait out every delay, sign everything."""
    wallet = _Stock(chain, SecretKey(sha256(b"relay/fees")))
    wanted: list[TxOut] = []
    for job in jobs:
        wanted += [*bench.graph.planned(job.name).prevouts, TxOut(FEE_COIN, wallet.script_pubkey)]
    paid: list[OutPoint] = []
    for at in range(0, len(wanted), MANY_OUTPUTS):
        paid += fund_all(chain, wanted[at : at + MANY_OUTPUTS])
    chain.mine(bench.graph.contract.terms.exit_delay)
    ready, height, next_outpoint = [], chain.tip().height, iter(paid)
    for job in jobs:
        inputs = [next(next_outpoint) for _ in bench.graph.planned(job.name).inputs]
        coin = next(next_outpoint)
        wallet.given = [Coin(coin, TxOut(FEE_COIN, wallet.script_pubkey), height, False)]
        ready.append(_sign(bench, job, inputs, wallet, random.Random(f"{seed}/{job.label}")))
    return ready


def _sign(bench: Bench, job: Job, inputs: Sequence[OutPoint], wallet: Wallet, rng: random.Random) -> Ready:
    planned = _moved(bench.graph.planned(job.name), inputs)
    graph = Graph(bench.graph.contract, bench.graph.outputs, bench.graph.outpoints, {job.name: planned})
    together = bench.together
    signatures = {r.key: sign_schnorr(together, r.message) for r in graph.requests()}
    sign: dict[str, Callable[[bytes], bytes]] = {
        name: (lambda message, key=key: sign_schnorr(key, message)) for name, key in bench.secrets.items()
    }
    items = _items(bench, job, planned, rng)
    if planned.free:
        tx = graph.finalize(job.name, signatures, sign, p2tr_script(bytes(range(2, 34))), FEE_RATE, job.leaf, items)
        return Ready(job, (tx,), _fee(planned, tx))
    tx = graph.assemble(job.name, signatures, sign, job.leaf, items)
    child = wallet.fee_child(tx, FEE_RATE)
    return Ready(job, (tx, child), _fee(planned, tx) + FEE_COIN + tx.outputs[-1].value - child.outputs[0].value)


def _items(bench: Bench, job: Job, planned: Planned, rng: random.Random) -> tuple[bytes, ...]:
    """One-time signatures and hints of input 0, where its leaf asks for them."""
    name = job.leaf or job.name.partition("/")[2]
    if job.turn is None or (job.turn, name) not in bench.game.leaves:
        return ()
    return find_win(bench.game, bench.graph.contract.parties.operator.name, job.turn, name, rng).items


def _moved(planned: Planned, inputs: Sequence[OutPoint]) -> Planned:
    """The plan on other coins."""
    old = planned.tx
    moved = tuple(TxIn(o, i.sequence) for o, i in zip(inputs, old.inputs, strict=True))
    return replace(planned, tx=Transaction(old.version, moved, old.outputs, old.locktime))


def _fee(planned: Planned, tx: Transaction) -> int:
    return sum(o.value for o in planned.prevouts) - sum(o.value for o in tx.outputs)
