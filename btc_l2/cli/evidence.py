"""The folder that `btc-l2 demo … --out` leaves: the result of a story and all its transactions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taproot.errors import InvalidInput, Unavailable, VerificationFailed
from taproot.tx import Transaction, TxOut
from taproot.units import Sats


@dataclass(frozen=True, slots=True)
class Played:
    """A transaction of a story with the outputs that it spends."""

    name: str
    tx: Transaction
    prevouts: tuple[TxOut, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """`result` is the document that the demo printed."""

    result: dict[str, Any]
    played: tuple[Played, ...]

    def find(self, name: str) -> Played:
        """A transaction by name, txid, or unique prefix of one. InvalidInput if there is not exactly one."""
        exact = [p for p in self.played if name in (p.name, p.tx.txid_hex)]
        fits = exact or [p for p in self.played if p.name.startswith(name) or p.tx.txid_hex.startswith(name)]
        if len(fits) != 1:
            some = ", ".join(p.name for p in (fits or self.played)[:6])
            raise InvalidInput(f"{name!r} names {len(fits)} transactions of this story; be more precise: {some} …")
        return fits[0]


def read_evidence(folder: Path) -> Evidence:
    """Raises Unavailable if the files are not there, VerificationFailed if they are not what the demo writes."""
    result, rows = _read(folder / "result.json"), _read(folder / "transactions.json")
    try:
        return Evidence(dict(result), tuple(_played(row) for row in rows))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VerificationFailed(f"{folder} holds no story; {error}; write it anew with `demo … --out`") from error


def _played(row: dict[str, Any]) -> Played:
    prevouts = tuple(TxOut(Sats(o["value"]), bytes.fromhex(o["script_pubkey"])) for o in row["spends"])
    tx = Transaction.from_bytes(bytes.fromhex(row["raw"]))
    if tx.txid_hex != row["txid"] or len(prevouts) != len(tx.inputs):
        raise ValueError(f"{row['name']} is not the transaction that it is called")
    return Played(row["name"], tx, prevouts)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise Unavailable(f"cannot read {path}; {error.strerror}; make it with `btc-l2 demo … --out FOLDER`") from error
    except (ValueError, RecursionError) as error:
        raise VerificationFailed(f"{path} is no JSON ({error}); write it anew with `demo … --out`") from error
