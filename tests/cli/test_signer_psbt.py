"""`btc-l2 signer psbt`: a transaction of real bundles as a PSBT, and back."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from btclib_wallet.psbt import Psbt as OtherPsbt

from taproot import psbt_fields as f
from taproot.psbt import Psbt
from tests.cli.conftest import Answer, Command
from tests.cli.paid import PaidGroup


@pytest.fixture
def psbt(btc_l2: Command, combined: PaidGroup) -> Command:
    def call(*arguments: object) -> Answer:
        return btc_l2("signer", "psbt", combined.folder / "bundles", *arguments)

    return call


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("name", ["confirm", "take2", "alice/assert", "leave.bond.alice"])
def test_a_file_is_written_that_others_read_and_that_is_known_again(
    psbt: Command, tmp_path: Path, name: str, version: int
) -> None:
    out = tmp_path / "tx.psbt"
    told = psbt(name, "--version", version, "--out", out, "--json").json()
    read = Psbt.from_bytes(out.read_bytes())
    assert (told["txid"], told["bytes"], read.version) == (read.tx.txid_hex, out.stat().st_size, version)
    if version == 0:
        assert OtherPsbt.parse(out.read_bytes()).tx.id.hex() == told["txid"]
    shown = psbt("--show", out, "--json")
    assert shown.code == 0 and shown.json()["transaction"] == name and shown.json()["added"] == []


def test_without_a_file_it_comes_as_base64_which_show_reads_too(psbt: Command, tmp_path: Path) -> None:
    text = psbt("confirm", "--signatures").stdout
    assert base64.b64decode(text).startswith(b"psbt\xff")
    (tmp_path / "confirm.txt").write_text(text)
    shown = psbt("--show", tmp_path / "confirm.txt", "--json").json()
    assert len(shown["added"]) == 1 and "valid signature of n-of-n" in shown["added"][0]


def test_a_changed_psbt_ends_with_code_4_and_the_difference(psbt: Command, tmp_path: Path) -> None:
    out = tmp_path / "tx.psbt"
    psbt("take1", "--out", out)
    out.write_bytes(Psbt.from_bytes(out.read_bytes()).without(0, f.IN_WITNESS_UTXO).to_bytes())
    shown = psbt("--show", out)
    assert shown.code == 4 and "input 0 lacks PSBT_IN_WITNESS_UTXO; sign nothing with it" in shown.stderr
    out.write_bytes(b"psbt\xff\x00")
    assert psbt("--show", out).code == 2


def test_without_a_name_all_transactions_are_listed(psbt: Command) -> None:
    rows = psbt("--json").json()
    assert {"transaction": "confirm", "kind": "confirm", "by": "anyone", "spends": "deposit"} in rows
    assert len(rows) > 50


def test_wrong_names_are_said(psbt: Command, tmp_path: Path) -> None:
    assert psbt("takeout").code == 2 and psbt("confirm", "--operator", "bob").code == 2
    assert psbt("confirm", "--show", tmp_path / "x").code == 2 and psbt("confirm", "--version", 1).code == 2


def test_a_turn_with_megabytes_of_leaves_is_shown_without_them_and_it_is_said(psbt: Command, tmp_path: Path) -> None:
    for name, is_large in (("challenge.alice", False), ("alice/step", True)):
        shown = psbt(name, "--out", tmp_path / "turn.psbt", "--json")
        assert ("too large for wallets" in shown.stderr) is is_large and shown.json()["bytes"] < 100_000
