"""The watchtower: how long it takes to register 100 deposits and to catch up with 10,000 blocks, and how much memory.

Each deposit has a graph and a bundle of its own (the shortest search, two challengers). In the blocks all of them go
from deposit to vault; every tenth is claimed and paid by take1, and one is claimed when the catching up ends, so that
an agent has to be loaded. The tower is then started in a process of its own, on an empty store.
The deposits share parties and, which real ones never may, one-time keys: so the games are built once; and the graphs
are signed with the sum of the parties' secret keys: what is measured is neither of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figure import Figure, at_most, plain, timed
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.guests import find_guest
from challenger.agents.wallet import Wallet
from challenger.games import GameLibrary, constants_of
from challenger.presign.bundle import Bundle
from challenger.presign.proposal import Proposal
from challenger.watchtower.orders import Orders
from challenger.watchtower.program import DEPOSIT
from challenger.watchtower.tower import Tower
from regtest.party import DEPOSITOR, OPERATOR, SIGNERS, Cast, fund_wallets, lock_standing, make_cast
from regtest.story import one_time_keys
from taproot.connectors.output import Contract
from taproot.hashes import tagged_hash
from taproot.keys import SecretKey, sign_schnorr
from taproot.terms import Terms

BLOCKS, DEPOSITS, CLAIMED = 10_000, 100, 10  # every tenth deposit is claimed
TERMS = Terms(arities=(4,))
WATCHED = SIGNERS[0]
MOST_SECONDS, MOST_MB = 60, 300
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141  # of secp256k1
_CHILD = "BTCL2_BENCH_WATCHTOWER"


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    with tempfile.TemporaryDirectory(prefix="btcl2-bench-") as name:
        folder = Path(name)
        _, seconds = timed(lambda: _prepare(folder))
        yield plain(f"watchtower: {DEPOSITS} graphs signed, {BLOCKS} blocks mined (preparation)", seconds, "s")
        found = _in_a_process(folder)
    yield plain(f"watchtower: {DEPOSITS} bundles verified and registered, once", found["registering"], "s")
    what = f"watchtower: {found['blocks']:,.0f} blocks, {DEPOSITS} deposits, {found['events']:.0f} transactions"
    yield plain(f"{what}: catching up", found["following"], "s")
    yield at_most(f"{what}: both together, on the processor", found["processor"], "s", MOST_SECONDS)
    yield at_most(f"{what}: peak memory, the embedded chain included", found["megabytes"], "MB", MOST_MB)
    yield plain("watchtower: of that the process before it began", found["before"], "MB")


def _prepare(folder: Path) -> None:
    """Chain and bundles in a folder."""
    library = GameLibrary()
    image = find_guest("fibonacci").load_image()
    (folder / "state").mkdir()
    with EmbeddedChain(folder / "chain") as chain:
        cast, constants = make_cast(0), constants_of(image)
        bundles: list[Bundle] = []
        for number in range(DEPOSITS):
            bundles.append(_make_deposit(chain, number, folder, library, cast, constants, bundles[:1]))
        (folder / "start").write_text(str(chain.tip().height))
        for number, bundle in enumerate(bundles):
            _send(chain, bundle, cast, "confirm", DEPOSITOR)
            if number % CLAIMED == 0:
                _claim(chain, bundle, cast)
            chain.mine(max(1, BLOCKS // DEPOSITS - 1))
        chain.mine(max(0, int((folder / "start").read_text()) + BLOCKS - chain.tip().height - 1))
        _send(chain, bundles[1], cast, "kickoff", OPERATOR)
        chain.mine()


def _make_deposit(
    chain: EmbeddedChain, number: int, folder: Path, library: GameLibrary, cast: Cast, constants: dict[str, bytes],
    first: Sequence[Bundle],
) -> Bundle:  # fmt: skip
    """The standing outputs on chain, the signed bundle in its folder; one-time keys of the first one."""
    funding = lock_standing(chain, Contract.make(TERMS, cast.parties), fund_wallets(chain, cast, TERMS))
    keys = first[0].proposal.one_time if first else one_time_keys(cast, TERMS, funding)
    proposal = Proposal(TERMS, cast.parties, funding, keys, constants)
    graph = proposal.build_graph(library.scripts)
    together = _sum_of_keys(cast)
    bundle = Bundle(proposal, graph, {r.key: sign_schnorr(together, r.message) for r in graph.requests()})
    where = folder / "deposits" / f"d{number:03}"
    where.mkdir(parents=True)
    bundle.save(where / f"{OPERATOR}.bundle")
    (where / DEPOSIT).write_text('guest = "fibonacci"\n')
    return bundle


def _sum_of_keys(cast: Cast) -> SecretKey:
    """What signs for the aggregate key of BIP 327: the secret keys by their coefficients."""
    keys = list(cast.parties.aggregate().public_keys)
    digest = tagged_hash("KeyAgg list", b"".join(keys))
    second = next((k for k in keys if k != keys[0]), b"")
    secrets = {s.public_key: int.from_bytes(s.to_bytes(), "big") for s in cast.keys().values()}

    def weight(key: bytes) -> int:
        return 1 if key == second else int.from_bytes(tagged_hash("KeyAgg coefficient", digest + key), "big")

    return SecretKey((sum(weight(key) * secrets[key] for key in keys) % ORDER).to_bytes(32, "big"))


def _claim(chain: EmbeddedChain, bundle: Bundle, cast: Cast) -> None:
    chain.mine(TERMS.confirmations)
    _send(chain, bundle, cast, "kickoff", OPERATOR)
    chain.mine(TERMS.challenge_delay)
    _send(chain, bundle, cast, "take1", OPERATOR)


def _send(chain: EmbeddedChain, bundle: Bundle, cast: Cast, name: str, by: str) -> None:
    """A fixed transaction of the graph with its child; in the next block."""
    key = cast.secrets[by].key
    tx = bundle.graph.assemble(name, bundle.signatures, {by: lambda message: sign_schnorr(key, message)})
    chain.broadcast([tx, Wallet(chain, key).fee_child(tx, 1)])
    chain.mine()


def _in_a_process(folder: Path) -> dict[str, float]:
    environment = os.environ | {_CHILD: str(folder)}
    command = [sys.executable, "-m", "bench.watchtower"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _child() -> None:
    """Register at the height where everything began, then catch up from there to the tip."""
    folder = Path(os.environ[_CHILD])
    start = int((folder / "start").read_text())
    with EmbeddedChain(folder / "chain") as chain:
        orders = Orders(WATCHED, folder / "deposits", folder / "state", start=start)
        tower = Tower(chain, orders, make_cast(0).secrets[WATCHED])
        before, processor = _peak(), time.process_time()
        _, registering = timed(tower.add_deposits)
        _, following = timed(tower.tick)
        figures = {
            "registering": registering, "following": following, "processor": time.process_time() - processor,
            "before": before, "megabytes": _peak(), "blocks": tower.store.height() - start + 1,
            "events": sum(len(tower.store.events(d.id)) for d in tower.store.deposits()),
        }  # fmt: skip
        tower.close()
    print(json.dumps(figures))


def _peak() -> float:
    """Most memory of this process so far, MB. (`ru_maxrss` would count the parent from before exec.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    _child()
