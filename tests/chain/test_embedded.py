"""What only the embedded chain has: its files, its lock, its own view of coins."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.faucet import build_funding, fund_all
from btc_l2.chain.protocol import Coin, Rejected
from taproot.errors import BtcL2Error, InvalidInput, Unavailable
from taproot.tx import Transaction
from tests.chain.spends import DROP_ALL, Lock, lock_coins, pay

PROLOGUE = "from pathlib import Path; from btc_l2.chain.embedded import EmbeddedChain; import os, resource;"


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code that finds an opened chain in `c` and its folder in `d`."""
    start = f"{PROLOGUE} d = Path({str(folder)!r}); c = EmbeddedChain(d)\n"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, timeout=60)


def test_a_killed_process_loses_no_block(tmp_path: Path) -> None:
    done = run("c.mine(7); print(c.tip().hash.hex(), flush=True); os.kill(os.getpid(), 9)", tmp_path)
    assert done.returncode == -9
    with EmbeddedChain(tmp_path) as chain:
        assert (chain.tip().height, chain.tip().hash.hex()) == (7, done.stdout.strip())


def test_a_torn_record_is_cut_off(tmp_path: Path) -> None:
    with EmbeddedChain(tmp_path) as chain:
        hashes = chain.mine(5)
    log = tmp_path / "blocks.log"
    whole = log.read_bytes()
    for missing in (1, 100):
        log.write_bytes(whole[:-missing])
        with EmbeddedChain(tmp_path) as chain:
            assert chain.tip().hash == hashes[3]
            chain.mine()
            assert chain.tip().height == 5
        log.write_bytes(whole)


def test_a_flipped_bit_ends_the_chain_before_it(tmp_path: Path) -> None:
    with EmbeddedChain(tmp_path) as chain:
        hashes = chain.mine(5)
    log = tmp_path / "blocks.log"
    data = bytearray(log.read_bytes())
    data[-20] ^= 1
    log.write_bytes(data)
    with EmbeddedChain(tmp_path) as chain:
        assert chain.tip().hash == hashes[3]


def test_a_folder_is_open_once(tmp_path: Path) -> None:
    with EmbeddedChain(tmp_path), pytest.raises(Unavailable, match="another process has it open"):
        EmbeddedChain(tmp_path)
    with EmbeddedChain(tmp_path) as chain:
        assert chain.tip().height == 0


def test_a_foreign_file_and_an_impossible_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "blocks.log").write_bytes(b"something else entirely")
    with pytest.raises(InvalidInput, match="no block log"):
        EmbeddedChain(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="choose another folder"):
        EmbeddedChain(tmp_path / "file")


FULL = """
limit = (d / "blocks.log").stat().st_size + SLACK
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    while True: c.mine()
except Exception as error:
    print(type(error).__name__, error)
print(c.tip().height)
"""


@pytest.mark.parametrize("slack", [10, 300, 1_000])
def test_a_full_disk_is_one_line_and_the_chain_opens_again(tmp_path: Path, slack: int) -> None:
    """A file size limit makes every write beyond it fail, as a full disk does."""
    done = run("c.mine(3)" + FULL.replace("SLACK", str(slack)), tmp_path)
    message, height = done.stdout.strip().split("\n")
    assert message.startswith("Unavailable ")
    assert "free disk space" in message
    with EmbeddedChain(tmp_path) as chain:
        assert chain.tip().height in (int(height), int(height) + 1)
        chain.mine()


def test_a_disk_too_full_to_begin_is_one_line(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4))

    attempt = f"EmbeddedChain(Path({str(tmp_path / 'new')!r}))"
    code = f"{PROLOGUE}\ntry: {attempt}\nexcept Exception as error: print(type(error).__name__, error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=limit)
    assert done.stdout.startswith("Unavailable ")
    assert "free disk space" in done.stdout
    assert done.stderr == ""


def test_closing_twice_is_harmless_and_a_temporary_folder_goes() -> None:
    chain = EmbeddedChain()
    folder = chain.folder
    assert folder.exists()
    chain.close()
    chain.close()
    assert not folder.exists()


def test_two_chains_make_the_same_coins() -> None:
    """Outpoints depend on the calls only, so that stories can be told twice."""
    with EmbeddedChain() as one, EmbeddedChain() as other:
        for chain in (one, other):
            chain.mine(3)
        assert fund_all(one, [pay(5_000)]) == fund_all(other, [pay(5_000)])


def test_the_faucet_says_when_it_is_dry() -> None:
    with pytest.raises(Unavailable, match="the faucet has 0 sat"):
        build_funding([], [pay(1_000)])


def test_the_mempool_keeps_no_more_than_a_block_takes(embedded: EmbeddedChain) -> None:
    script = b"\x4c\xff" + bytes(255) + b"\x75"
    locks = [lock_coins(embedded, script * 1_500 + DROP_ALL[-1:], 2_000_000 + n) for n in range(11)]
    txs = [lock.spend(fee=150_000) for lock in locks]
    for tx in txs:
        embedded.broadcast(tx)
    embedded.mine()
    left = embedded.mempool()
    assert 0 < len(left) < 3
    block = embedded.block(embedded.tip().height)
    assert sum(tx.weight for tx in block.transactions) < 4_000_000
    embedded.mine()
    assert embedded.mempool() == ()


def test_unconfirmed_chains_end_at_25(embedded: EmbeddedChain) -> None:
    lock = lock_coins(embedded)
    for _ in range(25):
        tx = lock.spend()
        embedded.broadcast(tx)
        lock = lock.follow(tx)
    with pytest.raises(Rejected, match="too-long-mempool-chain"):
        embedded.broadcast(lock.spend())
    embedded.mine()
    embedded.broadcast(lock.spend())


def replayed(chain: EmbeddedChain) -> dict[bytes, tuple[Coin, ...]]:
    """All coins by script as a fresh chain sees them that gets the same blocks."""
    with EmbeddedChain() as fresh:
        for height in range(1, chain.tip().height + 1):
            fresh.submit_block(chain.block(height).serialize())
        assert fresh.tip() == chain.tip()
        return coins_of(fresh)


def coins_of(chain: EmbeddedChain) -> dict[bytes, tuple[Coin, ...]]:
    scripts = {
        o.script_pubkey for h in range(chain.tip().height + 1) for t in chain.block(h).transactions for o in t.outputs
    }
    return {script: chain.find_coins(script) for script in scripts if chain.find_coins(script)}


class Walk:
    """Random broadcasts, blocks and reorganisations."""

    def __init__(self, chain: EmbeddedChain, seed: int) -> None:
        self.chain, self.random = chain, random.Random(seed)
        self.locks = [lock_coins(chain, value=500_000 + n) for n in range(4)]

    def step(self) -> None:
        action = self.random.choice([self.broadcast, self.broadcast, self.broadcast, self.mine, self.reorganise])
        action()

    def broadcast(self) -> None:
        lock = self.random.choice(self.locks)
        tx = lock.spend(fee=self.random.randrange(200, 5_000))
        try:
            self.chain.broadcast(tx)
        except Rejected:
            return
        self.locks.append(lock.follow(tx))

    def mine(self) -> None:
        self.chain.mine(self.random.randrange(1, 4))

    def reorganise(self) -> None:
        height = self.chain.tip().height - self.random.randrange(4)
        self.chain.invalidate(self.chain.block(height).hash)


@pytest.mark.parametrize("seed", range(8))
def test_after_any_walk_the_view_is_that_of_a_fresh_chain(embedded: EmbeddedChain, seed: int) -> None:
    walk = Walk(embedded, seed)
    for _ in range(25):
        walk.step()
        assert_mempool_is_consistent(embedded)
    assert coins_of(embedded) == replayed(embedded)


def assert_mempool_is_consistent(chain: EmbeddedChain) -> None:
    """Every input is a coin or an earlier output, and none is spent twice: so the next block is valid."""
    spent = set()
    made = set()
    for tx in chain.mempool():
        for tx_in in tx.inputs:
            assert chain.utxo(tx_in.prevout) is not None or tx_in.prevout in made
            assert tx_in.prevout not in spent
            spent.add(tx_in.prevout)
        made |= {tx.outpoint(vout) for vout in range(len(tx.outputs))}


def test_errors_of_the_chain_are_errors_for_people() -> None:
    error = Rejected("dust", "output 1")
    assert isinstance(error, BtcL2Error)
    assert (str(error), error.exit_code) == ("rejected: dust, output 1", 6)


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        ("dust", "dust", ""),
        ("min relay fee not met, 0 < 110", "min relay fee not met", "0 < 110"),
        ("truc-child-toobig", "TRUC-violation", ""),
        ("missing-inputs", "bad-txns-inputs-missingorspent", ""),
        (
            "mempool-script-verify-flag-failed (Opcode (x) missing), input 0 of ab (wtxid cd), spending ef:0",
            "mempool-script-verify-flag-failed",
            "Opcode (x) missing, input 0 of ab",
        ),
        ("mandatory-script-verify-flag-failed (No)", "mandatory-script-verify-flag-failed", "No"),
    ],
)
def test_a_node_s_words_are_split_into_reason_and_detail(text: str, reason: str, detail: str) -> None:
    error = Rejected.from_text(text)
    assert (error.reason, error.detail) == (reason, detail)
    assert error.is_script_failure == ("script" in text)


def test_a_large_spend_survives_every_file(tmp_path: Path) -> None:
    script = (b"\x4c\xff" + os.urandom(255) + b"\x75") * 1_500 + b"\x51"
    with EmbeddedChain(tmp_path) as chain:
        lock: Lock = lock_coins(chain, script)
        tx: Transaction = lock.spend(fee=200_000)
        chain.broadcast(tx)
    with EmbeddedChain(tmp_path) as chain:
        assert chain.mempool() == (tx,)
        chain.mine()
    with EmbeddedChain(tmp_path) as chain:
        assert chain.find_transaction(tx.txid) == tx
