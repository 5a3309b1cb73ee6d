"""More targets: files and folders that people hand each other, settings; see `targets`."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from btc_l2.bridge.descriptor import DepositDescriptor, SwapDescriptor
from btc_l2.bridge.refund_kit import RefundKit, make_kit
from challenger.game.kinds import CLAIM_LEAVES
from challenger.game.solver import Assertion
from challenger.keystore import KeySet, seal, unseal
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import Plan, make_keys, propose
from challenger.presign.ceremony.card import make_card, read_card
from challenger.presign.ceremony.contribution import Contribution, Round, canonical
from challenger.presign.ceremony.reading import read_graphs
from challenger.presign.ceremony.result import MANIFEST, SUFFIX, verify_folder
from challenger.presign.ceremony.statement import Statement
from challenger.presign.ceremony.store import Files
from challenger.presign.psbts import compare, with_signatures
from challenger.watchtower.announcement import Announcement
from challenger.watchtower.program import DEPOSIT as DEPOSIT_FILE
from challenger.watchtower.program import read_description
from challenger.watchtower.settings import PREFIX, resolve
from regtest.signing.attendant import Deposit
from taproot.errors import InvalidInput
from taproot.hashes import sha256, tagged_hash
from taproot.keys import XOnlyKey
from taproot.psbt import Psbt
from taproot.psbt_graph import make_psbt, read_nonces, read_parts
from taproot.tx import OutPoint
from tests.challenger.signers import DEADLINE, DEPOSIT, DEPOSITOR, TOY, keys_of, outpoints_of, policy_of
from tests.taproot.toy import build_toy_games, make_parties, make_proposal, presign_toy

_PASSPHRASE, _LOG2_N = b"fuzz", 14


def refund_kit(data: bytes) -> None:
    kit = RefundKit.parse(data)
    assert RefundKit.from_json(kit.to_json()) == kit


def descriptor(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for kind in (DepositDescriptor, SwapDescriptor):
        try:
            read = kind.from_str(text)
        except InvalidInput:
            continue
        assert str(read) == text and read.tree().script_pubkey


def announcement(data: bytes) -> None:
    (_folder() / "claim.json").write_bytes(data)
    read = Announcement.load(_folder() / "claim.json")
    assert Announcement.from_json(read.to_json()) == read
    read.verify(make_proposal())


def settings(data: bytes) -> None:
    """The TOML file before the zero byte, an environment behind it."""
    first, _, second = data.partition(b"\0")
    rows = (line.partition("=") for line in second.decode("utf-8", "replace").splitlines())
    environment = {PREFIX + name: value for name, _, value in rows}
    (_folder() / "tower.toml").write_bytes(first)
    resolve(_folder() / "tower.toml", {}, environment).orders()


def deposit_file(data: bytes) -> None:
    (_folder() / DEPOSIT_FILE).write_bytes(data)
    read_description(_folder())


def check_statement(data: bytes) -> None:
    read = Statement.from_bytes(data)
    assert Statement.from_bytes(read.to_bytes()) == read
    read.verify(keys_of("alice").identity.x_only)


def psbt_of_a_graph(data: bytes) -> None:
    """A PSBT from elsewhere beside the graph that it should be of."""
    graph = _presigned().graph
    found = compare(Psbt.from_bytes(data), {"operator": graph})
    if found is not None and not found.differences:
        read_nonces(Psbt.from_bytes(data), graph, found.name, 0)
        read_parts(Psbt.from_bytes(data), graph, found.name, 0)


def ceremony_folder(data: bytes) -> None:
    """Proposal and keys, each its own file, read by a machine without keys."""
    folder = _folder() / "ceremony"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for content in data.split(b"\n"):
        if content:
            given = Contribution.from_bytes(content)
            (folder / given.file_name).write_bytes(content)
    read_graphs(Files(folder), TOY)


def posted_deposit(data: bytes) -> None:
    """What a depositor of a test network posts for all."""
    read = Deposit.from_bytes(data)
    assert Deposit.from_bytes(read.to_bytes()) == read


def card(data: bytes) -> None:
    read_card(data)


def keystore(data: bytes) -> None:
    unseal(data, _PASSPHRASE)


def bundles(data: bytes) -> None:
    """A folder of bundles under a manifest whose digest is made to fit."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        rest = {name: value for name, value in document.items() if name != "digest"}
        data = json.dumps({**rest, "digest": tagged_hash("btc-l2/bundles", canonical(rest)).hex()}).encode()
    (_folder() / MANIFEST).write_bytes(data)
    (_folder() / f"operator{SUFFIX}").write_bytes(_bundle())
    verify_folder(_folder(), build_toy_games)


@cache
def _folder() -> Path:
    """One folder for all inputs of a process."""
    folder = tempfile.mkdtemp(prefix="btcl2-fuzz-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


# ---- seeds -----------------------------------------------------------------------------------------------------------


@cache
def _presigned() -> Bundle:
    return presign_toy()


@cache
def _bundle() -> bytes:
    return _presigned().to_bytes()


def refund_kits() -> list[bytes]:
    terms, parties = make_proposal().terms, make_parties()
    return [json.dumps(make_kit(terms, parties, at).to_json()).encode() for at in (None, OutPoint(bytes(32), 1))]


def descriptors() -> list[bytes]:
    kit, key = make_kit(make_proposal().terms, make_parties()), make_parties().depositor.x_only
    swap = SwapDescriptor(XOnlyKey(key), key, bytes(32), key, 144)
    return [str(kit.descriptor).encode(), str(swap).encode()]


def announcements() -> list[bytes]:
    leaf = bytes(range(32))
    return [Announcement(Assertion((leaf,) * CLAIM_LEAVES, leaf, leaf), bytes(64)).to_json().encode()]


def settings_files() -> list[bytes]:
    file = b'party = "alice"\nkey_file = "alice.key"\nnode_port = 18443\ndry_run = true\nfee_rate_cap = 50\n'
    return [file + b"\0POLL=3\nDRY_RUN=yes\nLOG=json", file]


def deposit_files() -> list[bytes]:
    return [b'guest = "fibonacci"\nstatement = "statement.bin"\nblobs = "blobs"\nstart = 12\n']


def keystores() -> list[bytes]:
    return [seal(sha256(b"fuzz"), _PASSPHRASE, "signer", _LOG2_N)]


def posted_deposits() -> list[bytes]:
    return [Deposit(DEPOSITOR, DEPOSIT).to_bytes()]


def cards() -> list[bytes]:
    keys = KeySet.from_seed(sha256(b"alice"))
    return [make_card("alice", keys), make_card("alice", keys, keys.plain.x_only)]


def check_statements() -> list[bytes]:
    plain = Statement("00" * 32, "00" * 32, "alice", 7, "00" * 32, 6)
    return [plain.signed(keys_of("alice").identity).to_bytes()]


def psbts_of_a_graph() -> list[bytes]:
    bundle = _presigned()
    names = ("confirm", "take1", "kickoff")
    plain = [make_psbt(bundle.graph, name, version) for name in names for version in (0, 2)]
    signed = with_signatures(plain[0], bundle.graph, "confirm", bundle.signatures)
    return [p.to_bytes() for p in (*plain, signed)]


def ceremony_folders() -> list[bytes]:
    """Of three signers, then with a plain one among them."""
    return [_ceremony_folder(()), _ceremony_folder(("bob",))]


def _ceremony_folder(plain: tuple[str, ...]) -> bytes:
    policy = policy_of(3, plain=plain)
    body = propose(policy, DEPOSITOR, DEPOSIT, DEADLINE, "00" * 16)
    first = Contribution.make(keys_of("alice").identity, "alice", Round.PROPOSE, 0, policy.digest(), body)
    plan, made = Plan.of(first), [first]
    for name in policy.names:
        keys = make_keys(plan, TOY, bytes(32), name, outpoints_of(policy, name))
        made.append(Contribution.make(
            keys_of(name).identity, name, Round.KEYS, 0, policy.digest(), keys, first.ceremony))  # fmt: skip
    return b"".join(c.to_bytes() for c in made)


def manifests() -> list[bytes]:
    graph = _presigned().graph.digest().hex()
    row: dict[str, Any] = {"sha256": sha256(_bundle()).hex(), "graph": graph, "signatures": 9, "bytes": len(_bundle())}
    document = {"format": "btc-l2 bundles 1", "ceremony": "", "policy": "00" * 32, "agreed": "00" * 32,
                "deposit": str(make_proposal().funding.deposit), "domain": str(make_proposal().funding.deposit),
                "operators": {"operator": row}}  # fmt: skip
    return [json.dumps(document).encode(), b'{"format":"btc-l2 bundles 1","operators":{}}']
