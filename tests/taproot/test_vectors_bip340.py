"""BIP340's test vectors, all 19 rows, through the library: it takes messages of every length."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from taproot.errors import VerificationFailed
from taproot.keys import SecretKey, is_valid_schnorr, sign_schnorr, verify_schnorr

Row = dict[str, str]
with (Path(__file__).parents[1] / "vectors" / "bip340.csv").open() as _file:
    ROWS: list[Row] = list(csv.DictReader(_file))
VALID = [row for row in ROWS if row["verification result"] == "TRUE"]
INVALID = [row for row in ROWS if row["verification result"] == "FALSE"]
SIGNED = [row for row in ROWS if row["secret key"]]


def field(row: Row, name: str) -> bytes:
    return bytes.fromhex(row[name])


def test_all_rows_are_read() -> None:
    assert len(ROWS) == len(VALID) + len(INVALID) == 19


@pytest.mark.parametrize("row", SIGNED, ids=lambda row: row["index"])
def test_signing_gives_the_signature_of_the_row(row: Row) -> None:
    secret = SecretKey(field(row, "secret key"))
    assert secret.x_only == field(row, "public key")
    signature = sign_schnorr(secret, field(row, "message"), field(row, "aux_rand"))
    assert signature == field(row, "signature")


@pytest.mark.parametrize("row", VALID, ids=lambda row: row["index"])
def test_valid_rows_verify(row: Row) -> None:
    verify_schnorr(field(row, "public key"), field(row, "message"), field(row, "signature"))


@pytest.mark.parametrize("row", INVALID, ids=lambda row: f"{row['index']} {row['comment']}")
def test_invalid_rows_do_not_verify(row: Row) -> None:
    assert not is_valid_schnorr(field(row, "public key"), field(row, "message"), field(row, "signature"))
    with pytest.raises(VerificationFailed):
        verify_schnorr(field(row, "public key"), field(row, "message"), field(row, "signature"))
