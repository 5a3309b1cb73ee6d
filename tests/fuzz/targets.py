"""Parsers that read bytes of others: for any bytes each gives a value or one of our errors, and says the same twice.

A target takes bytes and returns; whatever it raises is a finding. `seeds` are valid inputs to start from.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from btc_l2.chain.block import Block
from btc_l2.chain.rpc import RpcChain
from btc_l2.cli.evidence import read_evidence
from btc_l2.guests import _parse_manifest
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.accord import Accord, Settles, Wanted, propose_settlement
from challenger.presign.ceremony.agreement import Origin, Plan, propose
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.evidence import verify_evidence
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.settled import Settled, Spent
from challenger.presign.ceremony.sighting import ABSENT, SETTLED, UNSPENT, Sighting
from challenger.presign.coordinator.proof import prove_two_logs, verify_proof
from challenger.presign.coordinator.server import read_path
from challenger.presign.coordinator.wire import Envelope, Head, Page, Request, log_path
from challenger.presign.refresh import nobody_at
from taproot.connectors.turn import GameScripts
from taproot.errors import BtcL2Error, InvalidInput
from taproot.psbt import Psbt
from taproot.psbt_graph import make_psbt
from taproot.tx import OutPoint, Transaction
from tests.challenger.mail import CEREMONY, COORDINATOR, IDENTITIES, MEMBERS
from tests.challenger.signers import DEADLINE, DEPOSITOR, TOY, keys_of, policy_of
from tests.fuzz import files, programs
from tests.taproot.test_psbt import filled
from tests.taproot.toy import build_toy_games, make_proposal, presign_toy

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Target:
    """What is called, and valid inputs."""

    call: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]


def transaction(data: bytes) -> None:
    tx = Transaction.from_bytes(data)
    assert tx.serialize() == data and Transaction.from_bytes(data) == tx
    assert tx.vbytes * 4 >= tx.weight > 0


def block(data: bytes) -> None:
    Block.from_bytes(data, 1)


def psbt(data: bytes) -> None:
    read = Psbt.from_bytes(data)
    assert Psbt.from_bytes(read.to_bytes()) == read
    other = read.to_version(2 - read.version)
    assert Psbt.from_bytes(other.to_bytes()).tx.outputs == read.tx.outputs


def bundle(data: bytes) -> None:
    """The digest is made to fit: else nothing behind it would be reached."""
    loaded = Bundle.from_bytes(data + hashlib.sha256(data).digest(), build_games_or_refuse)
    assert Bundle.from_bytes(loaded.to_bytes(), build_games_or_refuse).graph.digest() == loaded.graph.digest()


def build_games_or_refuse(proposal: Any) -> Mapping[str, GameScripts]:
    if set(proposal.one_time) != set(proposal.parties.challengers):
        raise InvalidInput("games do not fit the challengers")
    return build_toy_games(proposal)


def contribution(data: bytes) -> None:
    read = Contribution.from_bytes(data)
    assert Contribution.from_bytes(read.to_bytes()).digest == read.digest
    if read.round is Round.PROPOSE:
        Plan.of(read)
    if read.round is Round.SETTLE:
        assert Accord.of(read).wanted.to_json().items() <= read.body.items()
    read.verify(keys_of("alice").identity.x_only)


def settlement(data: bytes) -> None:
    read = Settled.from_bytes(data)
    assert Settled.from_bytes(json.dumps(read.to_json()).encode()) == read
    read.check()


def policy(data: bytes) -> None:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return
    read = Registered.from_json(values)
    assert Registered.from_json(read.to_json()).digest() == read.digest()


def ceremony_evidence(data: bytes) -> None:
    verify_evidence(data, TOY)


def mail(data: bytes) -> None:
    page = Page.from_bytes(data)
    assert page.to_bytes() == data
    for entry in page.entries:
        envelope = Envelope.from_bytes(entry)
        assert envelope.to_bytes() == entry and not (envelope.is_signed and envelope.sender == bytes(32))
    assert Head.from_bytes(page.head.to_bytes()) == page.head


def mail_request(data: bytes) -> None:
    header, _, rest = data.partition(b"\n")
    path, _, body = rest.partition(b"\n")
    try:
        read_path(path.decode("latin-1"))
    finally:
        Request.from_header(header.decode("latin-1"), "GET", path.decode("latin-1"), body)


def mail_evidence(data: bytes) -> None:
    verify_proof(data, COORDINATOR.x_only, MEMBERS)


def outpoint(data: bytes) -> None:
    OutPoint.from_str(data.decode("utf-8", "replace"))


def rpc(data: bytes) -> None:
    """A node whose every answer is one of the values in `data`."""
    try:
        answers = json.loads(data, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return
    if isinstance(answers, list) and answers:
        for ask in _QUESTIONS:
            chain = RpcChain(_Node(answers), "regtest", 0)  # type: ignore[arg-type]
            try:
                ask(chain)
            except BtcL2Error:
                continue


@cache
def _transaction() -> Transaction:
    graph = make_proposal().build_graph(build_toy_games)
    return graph.transactions["take1"].tx.with_witness(0, [b"a" * 64, b"\x51", b"\xc0" * 33])


class _Node:
    """Says it is on regtest, then whatever it was given, in turns, some hundred times."""

    def __init__(self, answers: list[Any]) -> None:
        self._answers, self._asked = answers, -1

    def call(self, method: str, *_params: Any) -> Any:
        self._asked += 1
        if self._asked == 0:
            return {"chain": "regtest"}
        if self._asked > 200:
            raise InvalidInput("enough was asked")
        return self._answers[(self._asked - 1) % len(self._answers)]


_POINT = OutPoint(bytes(32), 0)
_QUESTIONS: tuple[Callable[[RpcChain], object], ...] = (
    lambda c: c.tip(), lambda c: c.block(0), lambda c: c.mempool(), lambda c: c.estimate_fee(),
    lambda c: c.utxo(_POINT), lambda c: c.find_coins(b""), lambda c: c.find_spend(_POINT),
    lambda c: c.find_transaction(bytes(32)), lambda c: c.confirmations(bytes(32)), lambda c: c.mine(),
    lambda c: c.submit_block(b""),
    lambda c: c.broadcast([_transaction()] * 2), lambda c: c.check(_transaction()),
)  # fmt: skip


def story(data: bytes) -> None:
    """Both files of a demo's folder."""
    first, _, second = data.partition(b"\x00")
    with tempfile.TemporaryDirectory(prefix="btcl2-fuzz-") as folder:
        (Path(folder) / "result.json").write_bytes(first)
        (Path(folder) / "transactions.json").write_bytes(second)
        read_evidence(Path(folder))


def manifest(data: bytes) -> None:
    _parse_manifest(data)


# ---- seeds -----------------------------------------------------------------------------------------------------------


def _psbts() -> list[bytes]:
    graph = make_proposal().build_graph(build_toy_games)
    made = [make_psbt(graph, name, version) for name in ("confirm", "take1") for version in (0, 2)]
    return [filled(0).to_bytes(), filled(2).to_bytes(), *(p.to_bytes() for p in made)]


def _contribution(round_: Round = Round.PROPOSE, body: Mapping[str, Any] | None = None) -> bytes:
    keys, policy_ = keys_of("alice"), policy_of(3)
    body = body or propose(policy_, DEPOSITOR, _POINT, DEADLINE, "00" * 16)
    return Contribution.make(keys.identity, "alice", round_, 0, policy_.digest(), body).to_bytes()


def _contributions() -> list[bytes]:
    """Proposals of all kinds."""
    graph, policy_ = make_proposal().build_graph(build_toy_games), policy_of(3)
    seen = Sighting(7, dict.fromkeys(SETTLED, ABSENT) | {"vault": UNSPENT})
    wanted = Wanted(Settles.PAYOUT, _POINT, bytes(32), "alice", seen, fee_rate=2)
    origin = Origin(_POINT, bytes(32), "alice", seen, policy_.terms.deposit)
    renewed = propose(policy_, nobody_at(_POINT), _POINT, DEADLINE, "00" * 16, origin)
    settled = propose_settlement(policy_, wanted, wanted.build(graph), DEADLINE, "00" * 16)
    return [_contribution(), _contribution(body=renewed), _contribution(Round.SETTLE, settled)]


def _settlement() -> bytes:
    tx = _transaction()
    spent = tuple(Spent("vault", i.prevout, tx.outputs[0]) for i in tx.inputs)
    absent = {"asset": _POINT}
    made = Settled(Settles.PAYOUT, _POINT, "alice", bytes(32), "regtest", spent, absent, tx)
    return json.dumps(made.to_json()).encode()


def _envelopes() -> list[bytes]:
    first = Envelope.make(IDENTITIES["alice"], CEREMONY, 1, Head.of_nothing(CEREMONY), b"one").to_bytes()
    return [first, Envelope.make(IDENTITIES["bob"], CEREMONY, 1, Head.of_nothing(CEREMONY), b"").to_bytes()]


def _page() -> bytes:
    head = Head.of_nothing(CEREMONY)
    for entry in _envelopes():
        head = head.after(entry)
    return Page(head.signed(CEREMONY, COORDINATOR), tuple(_envelopes())).to_bytes()


def _request() -> bytes:
    request = Request(bytes(IDENTITIES["alice"].x_only), 1, "GET", log_path(CEREMONY), b"")
    return f"{request.authorize(IDENTITIES['alice'])}\n{log_path(CEREMONY)}\n".encode()


def _mail_evidence() -> bytes:
    known = [Envelope.from_bytes(entry) for entry in _envelopes()[:1]]
    head = Head.of_nothing(CEREMONY).after(_envelopes()[0]).signed(CEREMONY, COORDINATOR)
    other = Head(1, bytes(32)).signed(CEREMONY, COORDINATOR)
    return prove_two_logs(bytes(COORDINATOR.x_only), CEREMONY, known, head, other).proof


def _ceremony_evidence() -> bytes:
    return json.dumps({
        "format": "btc-l2 evidence 1", "kind": "two-files", "party": "alice", "what": "", "messages": [],
        "policy": policy_of(3).to_json(), "files": [json.loads(_contribution())] * 2,
    }).encode()  # fmt: skip


def _answers() -> list[bytes]:
    tx, name = _transaction().serialize().hex(), "00" * 32
    info = {"blocks": 0, "bestblockhash": name, "height": 0, "confirmations": 1, "hex": tx, "allowed": True,
            "package_msg": "x", "tx-results": {"a": {"error": "b"}}, "value": 1, "bestblock": name, "coinbase": False,
            "scriptPubKey": {"hex": "51"}, "unspents": [], "feerate": 0.1, "hash": name}  # fmt: skip
    header = "00" * 80 + "01" + tx
    return [json.dumps(a).encode() for a in ([info], [name, info, header], [[name], tx, None], [None, [info], "x", 1])]


def _story() -> bytes:
    tx = _transaction()
    spends = [{"value": 1, "script_pubkey": "51"}] * len(tx.inputs)
    row = {"name": "take1", "txid": tx.txid_hex, "raw": tx.serialize().hex(), "spends": spends}
    return b"{}\x00" + json.dumps([row]).encode()


TARGETS = {
    "transaction": Target(transaction, lambda: [_transaction().serialize(), _transaction().serialize(False)]),
    "block": Target(block, lambda: [bytes(80) + b"\x01" + _transaction().serialize()]),
    "psbt": Target(psbt, _psbts),
    "bundle": Target(bundle, lambda: [presign_toy().to_bytes()[:-32]]),
    "contribution": Target(contribution, _contributions),
    "settlement": Target(settlement, lambda: [_settlement()]),
    "policy": Target(policy, lambda: [json.dumps(policy_of(3, plain=p).to_json()).encode() for p in ((), ("bob",))]),
    "ceremony-evidence": Target(ceremony_evidence, lambda: [_ceremony_evidence()]),
    "mail": Target(mail, lambda: [_page()]),
    "mail-request": Target(mail_request, lambda: [_request()]),
    "mail-evidence": Target(mail_evidence, lambda: [_mail_evidence()]),
    "outpoint": Target(outpoint, lambda: [str(OutPoint(bytes(32), 7)).encode()]),
    "rpc": Target(rpc, _answers),
    "story": Target(story, lambda: [_story()]),
    "check-statement": Target(files.check_statement, files.check_statements),
    "ceremony-folder": Target(files.ceremony_folder, files.ceremony_folders),
    "psbt-of-a-graph": Target(files.psbt_of_a_graph, files.psbts_of_a_graph),
    "refund-kit": Target(files.refund_kit, files.refund_kits),
    "descriptor": Target(files.descriptor, files.descriptors),
    "announcement": Target(files.announcement, files.announcements),
    "settings": Target(files.settings, files.settings_files),
    "deposit-file": Target(files.deposit_file, files.deposit_files),
    "posted-deposit": Target(files.posted_deposit, files.posted_deposits),
    "card": Target(files.card, files.cards),
    "keystore": Target(files.keystore, files.keystores),
    "bundles": Target(files.bundles, files.manifests),
    "elf": Target(programs.elf, programs.elves),
    "linux": Target(programs.linux, programs.elves),
    "go-symbols": Target(programs.go_symbols, programs.go_tables),
    "trace": Target(programs.trace, programs.traces),
    "hot-list": Target(programs.hot_list, programs.hot_lists),
    "manifest": Target(manifest, lambda: [(ROOT / "guest" / "MANIFEST.toml").read_bytes()[:2000]]),
}


def run(name: str, data: bytes) -> None:
    """One input; an error of ours is an answer, everything else goes up."""
    try:
        TARGETS[name].call(data)
    except BtcL2Error as error:
        assert "\n" not in str(error) or name == "manifest", "an error is one line"
