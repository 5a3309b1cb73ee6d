"""A running bitcoind as a `Chain`, by JSON-RPC: Bitcoin Core 28 or later, or Bitcoin Knots.

The node needs no wallet and no txindex: which transaction spent an output is found by following the blocks from a
start height (`scan_from`) in our own index. Mainnet is refused in code.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from btc_l2.chain.answers import understood
from btc_l2.chain.bitcoinlib_rpc import NodeError, NodeRpc
from btc_l2.chain.block import Block
from btc_l2.chain.index import ChainIndex
from btc_l2.chain.protocol import Coin, Rejected, Spend, Tip
from taproot.errors import InvalidInput, Refused, Unavailable
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxOut
from taproot.units import COIN, MAX_MONEY, Sats

DEFAULT_PORTS = {"regtest": 18443, "signet": 38332, "testnet4": 48332, "test": 18332}
DATA_FOLDERS = {"regtest": "regtest", "signet": "signet", "testnet4": "testnet4", "test": "testnet3"}
ALREADY_CONFIRMED = -27  # RPC_VERIFY_ALREADY_IN_UTXO_SET
SCAN_LIMIT, SCAN_PAUSE = 120.0, 0.02  # seconds
NO_FEE_LIMIT = 0  # maxfeerate of sendrawtransaction and submitpackage
ALL_BURNS = MAX_MONEY // COIN  # maxburnamount: slashing burns coins on purpose


def read_cookie(path: Path) -> tuple[str, str]:
    """(user, password) from a node's `.cookie`. Unavailable if it cannot be read."""
    try:
        user, _, password = path.read_text().strip().partition(":")
    except OSError as error:
        raise Unavailable(f"no cookie at {path} ({error.strerror}): is the node running, is the path right?") from error
    return user, password


def connect(
    network: str = "regtest",
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    datadir: Path | None = None,
    cookie: Path | None = None,
    user: str | None = None,
    password: str | None = None,
    scan_from: int | None = None,
) -> RpcChain:
    """Log in to a node of `network`: by `cookie`, else the cookie in `datadir`, else user and password.

    Without any of them the cookie in `~/.bitcoin` is tried. Raises Refused for mainnet, InvalidInput for an unknown
    network or a node on another one, Unavailable if no node answers.
    """
    if network in ("main", "mainnet"):
        raise Refused("this program does not touch mainnet: choose regtest, signet or testnet4")
    if network not in DEFAULT_PORTS:
        raise InvalidInput(f"unknown network {network}: choose one of {', '.join(DEFAULT_PORTS)}")
    login = _find_login(network, datadir, cookie, user, password)
    return RpcChain(NodeRpc(host, port or DEFAULT_PORTS[network], *login), network, scan_from)


@understood
class RpcChain:
    """`Chain` over a node; see `connect`."""

    def __init__(self, rpc: NodeRpc, network: str = "regtest", scan_from: int | None = None) -> None:
        self._rpc = rpc
        self.network = network
        self._check_network()
        start = scan_from if scan_from is not None else self._default_start()
        self._index = ChainIndex(start)
        self._unconfirmed: dict[str, Transaction] = {}

    def close(self) -> None:
        """Nothing is held open."""

    # ---- reading ---------------------------------------------------------------------------------------

    def tip(self) -> Tip:
        """See `Chain.tip`."""
        info = self._rpc.call("getblockchaininfo")
        return Tip(int(info["blocks"]), _from_display(info["bestblockhash"]))

    def block(self, at: int | bytes) -> Block:
        """See `Chain.block`."""
        try:
            name = self._rpc.call("getblockhash", at) if isinstance(at, int) else _display(at)
            height = at if isinstance(at, int) else int(self._rpc.call("getblockheader", name)["height"])
            return Block.from_bytes(bytes.fromhex(self._rpc.call("getblock", name, 0)), height)
        except NodeError as error:
            raise InvalidInput(f"no block {at!r} on {self._rpc}: {error.message}") from error

    def mempool(self) -> tuple[Transaction, ...]:
        """See `Chain.mempool`; a transaction is fetched once."""
        names = self._rpc.call("getrawmempool")
        kept = {name: self._unconfirmed.get(name) or self._fetch_unconfirmed(name) for name in names}
        self._unconfirmed = {name: tx for name, tx in kept.items() if tx is not None}
        return _parents_first(self._unconfirmed.values())

    def estimate_fee(self) -> int:
        """See `Chain.estimate_fee`; the mempool's minimum where the node has no estimate yet."""
        estimate = self._rpc.call("estimatesmartfee", 2).get("feerate")
        rate = estimate if estimate is not None else self._rpc.call("getmempoolinfo")["mempoolminfee"]
        return max(1, -(-_sats(rate) // 1000))

    def relay_rate(self) -> int:
        """See `Chain.relay_rate`."""
        least = self._rpc.call("getnetworkinfo")["relayfee"], self._rpc.call("getmempoolinfo")["mempoolminfee"]
        return max(_sats(rate) for rate in least)

    def block_source(self) -> str | None:
        """Where the node tells new blocks by ZMQ (`zmqpubhashblock`), if it does."""
        found = [n["address"] for n in self._rpc.call("getzmqnotifications") if n["type"] == "pubhashblock"]
        return str(found[0]) if found else None

    def utxo(self, outpoint: OutPoint) -> Coin | None:
        """See `Chain.utxo`."""
        found = self._rpc.call("gettxout", _display(outpoint.txid), outpoint.vout, False)
        if found is None:
            return None
        height = self.block_height(_from_display(found["bestblock"])) - int(found["confirmations"]) + 1
        output = TxOut(_sats(found["value"]), bytes.fromhex(found["scriptPubKey"]["hex"]))
        return Coin(outpoint, output, height, bool(found["coinbase"]))

    def block_height(self, block_hash: bytes) -> int:
        """Height of a known block."""
        return int(self._rpc.call("getblockheader", _display(block_hash))["height"])

    def find_coins(self, script_pubkey: bytes) -> tuple[Coin, ...]:
        """See `Chain.find_coins`; the node scans its whole coin set."""
        found = self._scan(_raw_descriptor(script_pubkey))
        coins = [_coin(entry) for entry in found["unspents"]]
        return tuple(sorted(coins, key=lambda coin: (coin.height, coin.outpoint)))

    def find_spend(self, outpoint: OutPoint) -> Spend | None:
        """See `Chain.find_spend`; spends in blocks from `scan_from` on are seen."""
        self._follow()
        found = self._index.spenders.get(outpoint)
        if found is None:
            return None
        txid, input_index = found
        place = self._index.places[txid]
        return Spend(self.block(place.height).transactions[place.position], input_index, place.height)

    def find_transaction(self, txid: bytes) -> Transaction | None:
        """See `Chain.find_transaction`; confirmed ones from `scan_from` on are seen."""
        waiting = self._fetch_unconfirmed(_display(txid))
        if waiting is not None:
            return waiting
        self._follow()
        place = self._index.places.get(txid)
        return None if place is None else self.block(place.height).transactions[place.position]

    def confirmations(self, txid: bytes) -> int:
        """See `Chain.confirmations`; confirmed ones from `scan_from` on are seen."""
        self._follow()
        place = self._index.places.get(txid)
        return 0 if place is None else self._index.tip.height - place.height + 1

    # ---- writing ---------------------------------------------------------------------------------------

    def broadcast(self, txs: Transaction | Sequence[Transaction]) -> None:
        """See `Chain.broadcast`."""
        package = [txs] if isinstance(txs, Transaction) else list(txs)
        try:
            self._submit(package)
        except Rejected:
            unknown = [tx for tx in package if not self.confirmations(tx.txid)]
            if len(unknown) == len(package):
                raise
            self._submit(unknown)

    def check(self, tx: Transaction) -> None:
        """See `Chain.check`."""
        said = self._rpc.call("testmempoolaccept", [tx.serialize().hex()], NO_FEE_LIMIT)[0]
        if not said["allowed"] and said["reject-reason"] != "txn-already-in-mempool":
            raise Rejected.from_text(said.get("reject-details") or said["reject-reason"])

    def mine(self, n: int = 1, script_pubkey: bytes = P2A_SCRIPT) -> tuple[bytes, ...]:
        """See `Chain.mine`."""
        self._check_regtest("mining")
        names = self._rpc.call("generatetodescriptor", n, _raw_descriptor(script_pubkey))
        return tuple(_from_display(name) for name in names)

    def mine_block(self, txs: Sequence[Transaction], script_pubkey: bytes = P2A_SCRIPT) -> bytes:
        """See `Chain.mine_block`."""
        self._check_regtest("mining")
        raw = [tx.serialize().hex() for tx in txs]
        try:
            mined = self._rpc.call("generateblock", _raw_descriptor(script_pubkey), raw)
        except NodeError as error:
            raise Rejected.from_text(error.message.removeprefix("TestBlockValidity failed: ")) from error
        return _from_display(mined["hash"])

    def submit_block(self, raw: bytes) -> None:
        """See `Chain.submit_block`."""
        try:
            said = self._rpc.call("submitblock", raw.hex())
        except NodeError as error:
            raise Rejected("block-decode-failed", error.message) from error
        if said not in (None, "duplicate", "inconclusive"):
            raise Rejected.from_text(str(said))

    def invalidate(self, block_hash: bytes) -> None:
        """See `Chain.invalidate`."""
        self._check_regtest("invalidating a block")
        try:
            self._rpc.call("invalidateblock", _display(block_hash))
        except NodeError as error:
            raise InvalidInput(f"no block {_display(block_hash)} on {self._rpc}") from error

    # ---- inside ----------------------------------------------------------------------------------------

    def _scan(self, descriptor: str) -> dict[str, Any]:
        """A node makes one scan at a time; whoever else asks waits. Raises Unavailable if his turn does not come."""
        deadline = time.monotonic() + SCAN_LIMIT
        while True:
            try:
                found: dict[str, Any] = self._rpc.call("scantxoutset", "start", [{"desc": descriptor}])
                return found
            except NodeError as error:
                if "already in progress" not in error.message:
                    raise
                if time.monotonic() > deadline:
                    raise Unavailable(f"{self._rpc} scans for somebody else all the time: try again later") from error
                time.sleep(SCAN_PAUSE)

    def _check_network(self) -> None:
        there = self._rpc.call("getblockchaininfo")["chain"]
        if there == "main":
            raise Refused(f"{self._rpc} is on mainnet, which this program does not touch")
        if there != self.network:
            raise InvalidInput(f"{self._rpc} is on {there}, not on {self.network}: start it with -{self.network}")

    def _check_regtest(self, what: str) -> None:
        if self.network != "regtest":
            raise Refused(f"{what} is possible on regtest only, not on {self.network}")

    def _default_start(self) -> int:
        """All of regtest; the last day of a public network."""
        return 0 if self.network == "regtest" else max(0, self.tip().height - 144)

    def _follow(self) -> None:
        """Bring the index to the node's tip."""
        best = self._rpc.call("getbestblockhash")
        index = self._index
        while index.hashes and _display(index.hashes[-1]) != best and not self._is_active(index.hashes[-1]):
            index.disconnect(self.block(index.hashes[-1]))
        for height in range(index.start + len(index.hashes), self.tip().height + 1):
            index.connect(self.block(height))

    def _is_active(self, block_hash: bytes) -> bool:
        return int(self._rpc.call("getblockheader", _display(block_hash))["confirmations"]) >= 0

    def _fetch_unconfirmed(self, name: str) -> Transaction | None:
        try:
            found = self._rpc.call("getrawtransaction", name, 0)
        except NodeError:  # it has left the mempool meanwhile
            return None
        return Transaction.from_bytes(bytes.fromhex(found))

    def _submit(self, package: Sequence[Transaction]) -> None:
        raw = [tx.serialize().hex() for tx in package]
        try:
            if len(raw) == 1:
                self._rpc.call("sendrawtransaction", raw[0], NO_FEE_LIMIT, ALL_BURNS)
            elif raw:
                _check_package(self._rpc.call("submitpackage", raw, NO_FEE_LIMIT, ALL_BURNS))
        except NodeError as error:
            if error.code != ALREADY_CONFIRMED:
                raise Rejected.from_text(error.message) from error


def _find_login(
    network: str, datadir: Path | None, cookie: Path | None, user: str | None, password: str | None
) -> tuple[str, str]:
    if cookie is not None:
        return read_cookie(cookie)
    if datadir is None and user is not None and password is not None:
        return user, password
    return read_cookie((datadir or Path.home() / ".bitcoin") / DATA_FOLDERS[network] / ".cookie")


def _check_package(answer: dict[str, Any]) -> None:
    """Raise Rejected with the first real reason in a `submitpackage` result."""
    if answer["package_msg"] == "success":
        return
    errors = [result["error"] for result in answer.get("tx-results", {}).values() if "error" in result]
    real = [error for error in errors if not error.startswith(("bad-txns-inputs-missing", "package-not-validated"))]
    text = next(iter(real or errors), answer["package_msg"])
    raise Rejected.from_text(text)


def _coin(entry: dict[str, Any]) -> Coin:
    outpoint = OutPoint(_from_display(entry["txid"]), int(entry["vout"]))
    output = TxOut(_sats(entry["amount"]), bytes.fromhex(entry["scriptPubKey"]))
    return Coin(outpoint, output, int(entry["height"]), bool(entry["coinbase"]))


def _parents_first(txs: Any) -> tuple[Transaction, ...]:
    waiting = {tx.txid: tx for tx in txs}
    ordered: dict[bytes, Transaction] = {}
    while waiting:
        ready = [tx for tx in waiting.values() if not any(i.prevout.txid in waiting for i in tx.inputs)]
        for tx in ready:
            ordered[tx.txid] = waiting.pop(tx.txid)
    return tuple(ordered.values())


def _raw_descriptor(script_pubkey: bytes) -> str:
    return f"raw({script_pubkey.hex()})"


def _sats(amount: Decimal | int) -> Sats:
    value = Decimal(amount) * COIN
    if not 0 <= value <= MAX_MONEY:  # before int(), which would write out any exponent
        raise ValueError(f"{amount} is no amount of bitcoin")
    return Sats(int(value))


def _display(hash_bytes: bytes) -> str:
    return hash_bytes[::-1].hex()


def _from_display(name: str) -> bytes:
    return bytes.fromhex(name)[::-1]
