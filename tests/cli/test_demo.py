"""`btc-l2 demo`: stories told to a person, one document for a program, files for another validator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from btc_l2.chain.kernel import verify_spend
from btc_l2.cli import main
from challenger.games import GameLibrary
from challenger.journal import Journal
from challenger.presign.bundle import Bundle
from taproot.errors import VerificationFailed
from tests.cli.conftest import Command

SMALL = ("--guest", "blobsum")  # 530 steps
FIELDS = {
    "outcome", "winner", "judge", "guest", "steps", "first_false_step", "leaf", "transactions", "total_vbytes",
    "balances", "seconds",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Played:
    """A demo that was played with `--json --out`."""

    document: dict[str, Any]
    stdout: str
    stderr: str
    folder: Path


@pytest.fixture(scope="module")
def fraud(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Played once, looked at by many tests."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    with pytest.MonkeyPatch.context() as patch:
        out, err = tmp_path_factory.mktemp("text") / "out", tmp_path_factory.mktemp("text") / "err"
        with out.open("w") as stdout, err.open("w") as stderr:
            patch.setattr("sys.stdout", stdout)
            patch.setattr("sys.stderr", stderr)
            with pytest.raises(SystemExit) as left:
                main.run(["demo", "fraud", "--lie", "map-node", *SMALL, "--json", "--out", str(folder)])
        assert not left.value.code, err.read_text()
    return Played(json.loads(out.read_text()), out.read_text(), err.read_text(), folder)


def test_json_is_one_document_with_all_fields(fraud: Played) -> None:
    document = fraud.document
    assert fraud.stdout.count("\n") == 1 and document.keys() >= FIELDS
    assert (document["outcome"], document["winner"], document["guest"]) == ("disproved", "alice", "blobsum")
    assert document["judge"] == "libbitcoinkernel" and document["leaf"].startswith("post.")
    assert 0 < document["first_false_step"] < document["steps"] <= document["claimed_steps"]
    assert document["total_vbytes"] == sum(row["vbytes"] for row in document["transactions"])
    assert isinstance(document["seconds"], float)


def test_json_lists_every_transaction_in_order(fraud: Played) -> None:
    rows = fraud.document["transactions"]
    for row in rows:
        assert row.keys() == {"name", "txid", "vbytes", "weight", "height", "by", "told"}
        assert len(row["txid"]) == 64 and (row["weight"] + 3) // 4 == row["vbytes"]
        assert row["by"] in {"alice", "bob", "olga", "dora"}
    assert all(one["height"] <= other["height"] for one, other in pairwise(rows))
    assert rows[0]["name"] == "confirm" and rows[-1]["name"].startswith("alice/disprove.map-slot.hash")


def test_json_balances_add_up(fraud: Played) -> None:
    balances, books = fraud.document["balances"], fraud.document["books"]
    assert balances.keys() == {"alice", "bob", "carol", "olga", "dora"}
    before, after = (sum(row[side] for row in balances.values()) for side in ("before", "after"))
    assert before == after + sum(books.values())
    assert balances["alice"]["after"] > balances["alice"]["before"]
    assert balances["olga"]["after"] < balances["olga"]["before"]
    assert balances["bob"]["change"] == -balances["bob"]["fees"]


def test_the_kernel_accepts_every_spend_of_the_evidence_again(fraud: Played) -> None:
    rows = json.loads((fraud.folder / "transactions.json").read_text())
    assert [row["txid"] for row in rows] == [row["txid"] for row in fraud.document["transactions"]]
    for row in rows:
        prevouts = [(o["value"], bytes.fromhex(o["script_pubkey"])) for o in row["spends"]]
        for index in range(len(prevouts)):
            assert verify_spend(bytes.fromhex(row["raw"]), index, prevouts), row["name"]


def test_the_kernel_refuses_evidence_with_another_amount(fraud: Played) -> None:
    rows = json.loads((fraud.folder / "transactions.json").read_text())
    for row in rows:
        prevouts = [(o["value"] + 1, bytes.fromhex(o["script_pubkey"])) for o in row["spends"]]
        assert not verify_spend(bytes.fromhex(row["raw"]), 0, prevouts), row["name"]


def test_the_bundle_of_the_evidence_loads_and_names_the_same_transactions(fraud: Played) -> None:
    bundle = Bundle.load(fraud.folder / "bundle.bin", GameLibrary().scripts)
    for row in fraud.document["transactions"]:
        planned = bundle.graph.planned(row["name"])
        assert planned.free or planned.tx.txid_hex == row["txid"]


def test_the_journals_of_the_evidence_hold_the_moves_that_confirmed(fraud: Played) -> None:
    bundle = Bundle.load(fraud.folder / "bundle.bin", GameLibrary().scripts)
    deposit = str(bundle.proposal.funding.deposit)
    raw = {row["name"]: row["raw"] for row in json.loads((fraud.folder / "transactions.json").read_text())}
    journals = {name: Journal(fraud.folder / f"{name}.journal", deposit, name) for name in ("olga", "alice", "bob")}
    for row in fraud.document["transactions"]:
        if "/" in row["name"]:
            kept = journals[row["by"]].move(row["name"])
            assert kept is not None and kept.hex() == raw[row["name"]]
    with pytest.raises(VerificationFailed):
        Journal(fraud.folder / "olga.journal", deposit, "alice")


def test_the_result_is_kept_beside_the_evidence(fraud: Played) -> None:
    assert json.loads((fraud.folder / "result.json").read_text()) == fraud.document


def test_the_story_is_told_on_stderr(fraud: Played) -> None:
    told = fraud.stderr
    for words in (
        "olga claims a result of blobsum", "alice challenges the claim", "blocks the quick payout",
        "syscall", "demands a proof of the write of the slot's node", "the claim is dead",
    ):  # fmt: skip
        assert words in told, words
    assert "without a reason" not in told


def test_honest_demo_says_where_the_operators_bitcoin_comes_from(btc_l2: Command) -> None:
    answer = btc_l2("demo", "honest", *SMALL)
    assert answer.code == 0
    assert "PAID: the claim stood, olga took the deposit." in answer.stdout
    assert "1 BTC is the deposit, bought with as many L2 coins" in answer.stdout
    assert "kickoff" in answer.stdout and "block" in answer.stderr


@pytest.mark.parametrize(
    ("side", "turn", "outcome", "last"),
    [("operator", "map-slot.show1", "timeout", "alice/timeout.map-slot.show1"),
     ("challenger", "pick_claim", "paid", "alice/slash.pick_claim")],
)  # fmt: skip
def test_silence_ends_where_it_was_told_to(btc_l2: Command, side: str, turn: str, outcome: str, last: str) -> None:
    answer = btc_l2("demo", "silence", "--side", side, "--turn", turn, *SMALL, "--json")
    document = answer.json()
    assert answer.code == 0 and document["outcome"] == outcome
    assert document["transactions"][-1]["name"].startswith(last)
    assert "without a reason" in answer.stderr


def test_the_seed_fixes_all_keys(btc_l2: Command, fraud: Played) -> None:
    same, other = (
        btc_l2("demo", "honest", *SMALL, "--json", "--seed", seed).json()["transactions"][0]["txid"] for seed in (1, 2)
    )
    assert same == fraud.document["transactions"][0]["txid"] != other


def test_lies_are_listed(btc_l2: Command) -> None:
    answer = btc_l2("demo", "fraud", "--lie", "list")
    assert answer.code == 0 and {"result", "operand", "initial", "final", "map-node"} <= set(answer.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("honest", "--guest", "unheard"), "no guest"),
        (("fraud", "--lie", "white"), "no lie"),
        (("fraud", "--lie", "map-key", "--guest", "fibonacci"), "cannot be told"),
        (("silence", "--side", "judge", *SMALL), "no side"),
        (("silence", "--side", "operator", "--turn", "pick", *SMALL), "no turn of the operator"),
        (("silence", "--side", "challenger", "--turn", "search.1", *SMALL), "no turn of the challenger"),
        (("silence", "--side", "operator", "--turn", "search.5", *SMALL), "no turn of the operator"),
        (("honest", "--steps-log2", "9", *SMALL), "at least 10"),
        (("honest", "--steps-log2", "41", *SMALL), "out of range"),
        (("honest", "--backend", "paper", *SMALL), "no backend"),
    ],
)
def test_what_cannot_be_played_is_one_line_and_code_2(
    btc_l2: Command, arguments: tuple[str, ...], words: str
) -> None:
    answer = btc_l2("demo", *arguments)
    error = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    assert (answer.code, answer.stdout) == (2, "")
    assert len(error) == 1 and words in error[0] and answer.stderr.endswith(error[0] + "\n")


def test_a_folder_that_is_not_empty_is_refused_untouched(btc_l2: Command, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("keep me")
    answer = btc_l2("demo", "honest", *SMALL, "--out", tmp_path)
    assert (answer.code, answer.stdout) == (2, "") and "not empty" in answer.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["letter"]


def test_a_file_in_place_of_the_folder_is_code_3(btc_l2: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = btc_l2("demo", "honest", *SMALL, "--out", tmp_path / "file")
    assert (answer.code, answer.stdout) == (3, "") and "cannot use" in answer.stderr
