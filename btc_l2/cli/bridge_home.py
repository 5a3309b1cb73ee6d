"""What the commands of `btc-l2 bridge` work on: the home folder with its record, key files, a node or a chain's folder.

    HOME/deposits.sqlite        the record (`btc_l2.bridge.deposits`)
    HOME/deposits/ID.kit.json   refund kit, rewritten once the deposit is paid
    HOME/deposits/ID.key        the depositor's secret key in hexadecimal, mode 0600, if we made it
    HOME/deposits/ID.OPERATOR.graph.json   terms, parties, standing outpoints of a presigned graph: one per operator
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from taproot.errors import InvalidInput, Refused, Unavailable, VerificationFailed

if TYPE_CHECKING:
    from btc_l2.bridge.deposits import Deposit, DepositStore
    from btc_l2.chain.protocol import Chain
    from taproot.graph import Funding, Graph
    from taproot.keys import SecretKey
    from taproot.parties import Parties
    from taproot.terms import Terms

RECORD, FOLDER = "deposits.sqlite", "deposits"


@dataclass(frozen=True, slots=True)
class Home:
    """The state folder."""

    folder: Path

    @classmethod
    def find(cls, named: Path | None) -> Home:
        """`--home`, else $BTCL2_HOME, else ~/.btc-l2; made if it is not there."""
        from btc_l2.durable import make_folder

        folder = named or Path(os.environ.get("BTCL2_HOME") or Path.home() / ".btc-l2")
        make_folder(folder / FOLDER)
        return cls(folder)

    @contextmanager
    def store(self) -> Iterator[DepositStore]:
        """The record, closed at the end."""
        from btc_l2.bridge.deposits import DepositStore

        store = DepositStore(self.folder / RECORD)
        try:
            yield store
        finally:
            store.close()

    def file(self, deposit: str, ending: str) -> Path:
        """A deposit's file."""
        return self.folder / FOLDER / f"{deposit}.{ending}"

    def write_kit(self, deposit: Deposit) -> Path:
        """The refund kit, as the deposit stands now."""
        from btc_l2.durable import replace_file

        path = self.file(deposit.id, "kit.json")
        content = json.dumps(deposit.kit.to_json(), indent=1).encode() + b"\n"
        try:
            if not path.exists() or path.read_bytes() != content:
                replace_file(path, content)
        except OSError as error:
            raise Unavailable(f"cannot write {path}; {error.strerror}; free space") from error
        return path

    def write_graph(self, deposit: str, terms: Terms, parties: Parties, funding: Funding) -> None:
        """What a deposit's graph is made from, its games aside."""
        from btc_l2.durable import replace_file

        values = {
            "terms": terms.to_json(), "parties": parties.to_json(), "deposit": str(funding.deposit),
            "stakes": [str(at) for at in funding.stakes],
            "bonds": {name: str(at) for name, at in funding.bonds.items()}, "ticket": str(funding.ticket),
        }  # fmt: skip
        replace_file(self.file(deposit, f"{parties.operator.name}.graph.json"), json.dumps(values).encode() + b"\n")

    def graphs(self, deposit: Deposit) -> dict[str, Graph]:
        """The deposit's graphs by operator, without their games; none before a bundle was shown."""
        paths = sorted((self.folder / FOLDER).glob(f"{deposit.id}.*.graph.json"))
        found = [_read_graph(path) for path in paths]
        return {graph.contract.parties.operator.name: graph for graph in found}


def _read_graph(path: Path) -> Graph:
    from btc_l2.bridge.skeleton import build_skeleton
    from taproot.graph import Funding
    from taproot.parties import Parties
    from taproot.terms import Terms
    from taproot.tx import OutPoint

    at = OutPoint.from_str
    try:
        values = json.loads(path.read_bytes())
        stakes, bonds = tuple(map(at, values["stakes"])), {n: at(t) for n, t in values["bonds"].items()}
        funding = Funding(at(values["deposit"]), stakes, bonds, at(values["ticket"]))
        return build_skeleton(Terms.from_json(values["terms"]), Parties.from_json(values["parties"]), funding)
    except (ValueError, KeyError, TypeError, AttributeError, InvalidInput) as error:
        raise VerificationFailed(f"{path} is damaged ({error}); run `bridge presigned` again") from error


@contextmanager
def open_chain(node: str | None, cookie: Path | None, network: str, folder: Path | None) -> Iterator[Chain]:
    """A node by URL and cookie, or the embedded chain of a folder. Raises InvalidInput unless one of them is named."""
    if (node is None) == (folder is None):
        raise InvalidInput("name a node with --node URL --cookie FILE, or a chain's folder with --chain; one of them")
    if folder is not None:
        from btc_l2.chain.embedded import EmbeddedChain

        if network != "regtest":
            raise InvalidInput(f"the chain of a folder is regtest, not {network}; leave --network out")
        with EmbeddedChain(folder) as chain:
            yield chain
        return
    from btc_l2.chain.rpc import connect

    parts = urlsplit(node or "")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme != "http" or not host:
        raise InvalidInput(f"{node!r} is no address of a node; write http://127.0.0.1:18443")
    remote = connect(network, host=host, port=port, cookie=cookie)
    try:
        yield remote
    finally:
        remote.close()


def read_key(path: Path) -> SecretKey:
    """A secret key: 64 hexadecimal digits in a file that only its owner may read (else Refused)."""
    from challenger.keystore import read_private
    from taproot.keys import SecretKey

    try:
        return SecretKey(bytes.fromhex(read_private(path).decode().strip()))
    except (ValueError, InvalidInput):
        raise InvalidInput(f"{path} holds no secret key; 64 hexadecimal digits are one") from None


def new_key(path: Path, secret: SecretKey) -> None:
    """Write a fresh key, once."""
    from btc_l2.durable import write_once

    if path.exists():
        raise Refused(f"{path} is there already; a key is never overwritten")
    write_once(path, secret.to_bytes().hex().encode() + b"\n")
