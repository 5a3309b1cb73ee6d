"""What a settlement leaves: one file with the signed transaction, which anybody with a node can judge and send.

    KIND.settlement.json    format, kind, deposit, operator, ceremony, network, spent, absent, transaction

`spent` has a row per input: name, outpoint, value, output script. With them libbitcoinkernel judges the transaction
where there is no chain, and a node says whether they are still there. `absent` are the outputs of a claim that nobody
had made when it was proposed: if one stands when the settlement is sent, that claim would be left to its kills.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_l2.chain.kernel import find_bad_input
from btc_l2.durable import make_folder, replace_file
from challenger.presign.ceremony.accord import Settles
from challenger.presign.ceremony.contribution import canonical
from challenger.presign.ceremony.settling import Settling
from challenger.presign.ceremony.sighting import ABSENT
from taproot.errors import InvalidInput, Unavailable, VerificationFailed
from taproot.presigned import Graph
from taproot.tx import OutPoint, Transaction, TxOut
from taproot.units import Sats

FORMAT = "btc-l2 settlement 1"
SUFFIX = ".settlement.json"
_MOST_BYTES = 1 << 20
_FIELDS = {"format", "kind", "deposit", "operator", "ceremony", "network", "spent", "absent", "transaction"}


@dataclass(frozen=True, slots=True)
class Spent:
    """An output that is settled."""

    name: str
    outpoint: OutPoint
    output: TxOut


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement that all have signed."""

    kind: Settles
    deposit: OutPoint
    operator: str
    ceremony: bytes
    network: str
    spent: tuple[Spent, ...]
    absent: Mapping[str, OutPoint]
    tx: Transaction

    @classmethod
    def of(cls, seat: Settling, graph: Graph) -> Settled:
        """From a ceremony that is over, and the operator's graph. Raises as `Settling.finish`, and as `check`."""
        wanted, tx = seat.accord.wanted, seat.finish(graph)
        spent = tuple(Spent(n, graph.outpoints[n], graph.output(n)[1]) for n in wanted.seen.sources)
        absent = {name: graph.outpoints[name] for name, state in wanted.seen.states.items() if state == ABSENT}
        made = cls(wanted.kind, wanted.deposit, wanted.operator, seat.proposed.ceremony, graph.contract.terms.network,
                   spent, absent, tx)  # fmt: skip
        made.check()
        return made

    def check(self) -> None:
        """Raises VerificationFailed unless the transaction spends what is named and libbitcoinkernel accepts it."""
        if [i.prevout for i in self.tx.inputs] != [s.outpoint for s in self.spent]:
            raise VerificationFailed("the settlement spends other outputs than it names; combine it again")
        prevouts = [(s.output.value, s.output.script_pubkey) for s in self.spent]
        if find_bad_input(self.tx.serialize(), prevouts) is not None:
            raise VerificationFailed("libbitcoinkernel does not accept the settlement; combine it again")

    def save(self, folder: Path) -> Path:
        """Write the file; returns its place. Raises Unavailable if the disk refuses."""
        path = folder / f"{self.kind.value}{SUFFIX}"
        make_folder(folder)
        try:
            replace_file(path, canonical(self.to_json()) + b"\n")
        except OSError as error:
            raise Unavailable(f"cannot write {path}; {error.strerror}; choose another folder") from error
        return path

    def to_json(self) -> dict[str, Any]:
        """The file's document."""
        rows = [[s.name, str(s.outpoint), s.output.value, s.output.script_pubkey.hex()] for s in self.spent]
        return {
            "format": FORMAT, "kind": self.kind.value, "deposit": str(self.deposit), "operator": self.operator,
            "ceremony": self.ceremony.hex(), "network": self.network, "spent": rows,
            "absent": {name: str(outpoint) for name, outpoint in self.absent.items()},
            "transaction": self.tx.serialize().hex(),
        }  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> Settled:
        """Read and check. Raises InvalidInput for no such file or another kind of file, else as `check`."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InvalidInput(f"cannot read settlement {path}: {error.strerror}") from error
        made = cls.from_bytes(content)
        made.check()
        return made

    @classmethod
    def from_bytes(cls, content: bytes) -> Settled:
        """Raises InvalidInput for anything but what `to_json` gives."""
        try:
            document = json.loads(content) if len(content) <= _MOST_BYTES else None
            if not isinstance(document, dict) or set(document) != _FIELDS or document["format"] != FORMAT:
                raise InvalidInput(f"not a file of format {FORMAT!r}")
            spent = tuple(_read_row(row) for row in document["spent"])
            absent = {str(name): OutPoint.from_str(text) for name, text in document["absent"].items()}
            return cls(
                Settles(document["kind"]), OutPoint.from_str(document["deposit"]), str(document["operator"]),
                bytes.fromhex(document["ceremony"]), str(document["network"]), spent, absent,
                Transaction.from_bytes(bytes.fromhex(document["transaction"])),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"the settlement is not understood: {error}") from error


def _read_row(row: Any) -> Spent:
    name, outpoint, value, script_pubkey = row
    if type(value) is not int:
        raise InvalidInput("values are whole numbers")
    return Spent(str(name), OutPoint.from_str(outpoint), TxOut(Sats(value), bytes.fromhex(script_pubkey)))
