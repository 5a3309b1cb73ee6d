"""The folder that `--out` of `btc-l2 demo` and `btc-l2 regtest run` leaves: a story's result, all its transactions.

    result.json         what was printed
    transactions.json   every transaction, raw, with the outputs that it spends
    report.html         both as one page (scenarios; `btc-l2 regtest report` makes it again)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taproot.errors import InvalidInput, Unavailable, VerificationFailed
from taproot.tx import Transaction, TxOut
from taproot.units import Sats

_RESULT, _TRANSACTIONS = "result.json", "transactions.json"


@dataclass(frozen=True, slots=True)
class Played:
    """A transaction of a story with the outputs that it spends."""

    name: str
    tx: Transaction
    prevouts: tuple[TxOut, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """`result` is the document that was printed."""

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


def prepare_folder(folder: Path | None) -> None:
    """A new folder, or an empty one, if any. Raises InvalidInput if it holds something, Unavailable by the disk."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used = any(folder.iterdir())
    except OSError as error:
        raise Unavailable(f"cannot use {folder}; {error.strerror}; choose another folder with --out") from error
    if used:
        raise InvalidInput(f"{folder} is not empty; one-time keys must not be used twice; choose an empty folder")


def write_evidence(folder: Path, result: Mapping[str, Any], transactions: Sequence[Mapping[str, Any]]) -> None:
    """Both files. Raises Unavailable if the disk refuses."""
    write_text(folder / _TRANSACTIONS, json.dumps(transactions, indent=1))
    write_text(folder / _RESULT, json.dumps(result, indent=1))


def read_files(folder: Path) -> tuple[Any, Any]:
    """Result and transactions as they stand there. Raises Unavailable without them, VerificationFailed if no JSON."""
    return _read(folder / _RESULT), _read(folder / _TRANSACTIONS)


def write_text(path: Path, text: str) -> None:
    """Raises Unavailable if the disk refuses."""
    try:
        path.write_text(text)
    except OSError as error:
        raise Unavailable(f"cannot write {path}; {error.strerror}; free space and try again") from error


def read_evidence(folder: Path) -> Evidence:
    """Raises Unavailable if the files are not there, VerificationFailed if they are not what a story leaves."""
    result, rows = read_files(folder)
    try:
        return Evidence(dict(result), tuple(_played(row) for row in rows))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VerificationFailed(f"{folder} holds no story; {error}; play it again with --out") from error


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
        raise Unavailable(f"cannot read {path}; {error.strerror}; play with `--out FOLDER` first") from error
    except (ValueError, RecursionError) as error:
        raise VerificationFailed(f"{path} is no JSON ({error}); play it again with --out") from error
