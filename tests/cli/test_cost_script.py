"""`btc-l2 cost` and `btc-l2 script` as a person or a program calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command


def test_cost_prints_one_document_with_moves_and_sums(btc_l2: Command) -> None:
    document = btc_l2("cost", "--steps-log2", 8, "--arity", 4, "--challengers", 2, "--json").json()
    for name in ("undisputed", "relation", "worst"):
        assert set(document[name]) == {"vbytes", "transactions"}
    assert document["undisputed"]["vbytes"] < document["relation"]["vbytes"] < document["worst"]["vbytes"]
    move = next(m for m in document["moves"] if m["name"].endswith("/assert"))
    assert {"weight", "vbytes", "items", "peak_stack"} <= set(move)
    assert document["largest_v3"] <= 10_000 and document["heaviest"] <= 400_000


def test_cost_without_json_has_a_line_per_move_and_the_sums(btc_l2: Command) -> None:
    lines = btc_l2("cost", "--steps-log2", 4, "--challengers", 2).stdout.splitlines()
    assert any(line.startswith("kickoff\t") for line in lines)
    assert lines[-2].startswith("largest_v3: ")


@pytest.mark.parametrize("arguments", [("--digest", 128), ("--arity", 1), ("--steps-log2", 99)])
def test_cost_refuses_what_is_not_built(btc_l2: Command, arguments: tuple[object, ...]) -> None:
    answer = btc_l2("cost", *arguments)
    assert answer.code == 2 and answer.stdout == "" and answer.stderr.count("\n") == 1


def test_cost_takes_mixed_rounds_and_shorter_roots(btc_l2: Command) -> None:
    mixed = btc_l2("cost", "--arity", "4,2,8", "--challengers", 2, "--json").json()
    short = btc_l2("cost", "--arity", "4,2,8", "--challengers", 2, "--digest", 160, "--json").json()
    assert (mixed["arities"], mixed["digest"], short["digest"]) == ([4, 2, 8], 256, 160)
    assert short["worst"]["vbytes"] < mixed["worst"]["vbytes"]
    assert short["worst"]["transactions"] == mixed["worst"]["transactions"] == 20


def test_cost_chooses_few_rounds_when_time_is_dear_and_many_when_blocks_are(btc_l2: Command) -> None:
    dear = btc_l2("cost", "--arity", "auto", "--steps-log2", 12, "--fee-rate", 0.01, "--interest", 50, "--json").json()
    full = btc_l2("cost", "--arity", "auto", "--steps-log2", 12, "--fee-rate", 500, "--json").json()
    assert dear["chosen"]["arities"][-1] == 8
    assert full["chosen"]["arities"] == [2] * 12
    refused = btc_l2("cost", "--arity", "auto", "--steps-log2", 12, "--max-days", 0.1)
    assert refused.code == 2 and "no arity fits" in refused.stderr


def test_cost_draws_what_it_compares(btc_l2: Command, tmp_path: Path) -> None:
    picture = tmp_path / "cost.svg"
    assert btc_l2("cost", "--steps-log2", 4, "--svg", picture).code == 0
    text = picture.read_text()
    assert text.startswith("<svg") and text.count("<polyline") == 3
    assert all(f"{bits} bits" in text for bits in (160, 192, 256))


def test_script_list_names_every_leaf_and_the_rows_without_one(btc_l2: Command) -> None:
    from challenger.disprove.relations import relation_names, rows_without_leaf

    answer = btc_l2("script", "list", "--steps-log2", 4, "--json")
    leaves = {row["leaf"] for row in answer.json()}
    assert set(relation_names()) <= leaves
    assert all(row in answer.stderr for row in rows_without_leaf())


def test_script_show_gives_the_opcodes_of_one_leaf(btc_l2: Command) -> None:
    shown = btc_l2("script", "show", "timeout-is-no-leaf-of-a-game")
    assert shown.code == 2 and "names 0 leaves" in shown.stderr
    leaf = btc_l2("script", "show", "ADDU", "--steps-log2", 4, "--json").json()
    assert leaf["leaf"] == "ADDU" and leaf["peak_stack"] <= 1000
    assert "CHECKSIGVERIFY" in leaf["asm"][1]


def test_script_show_takes_a_unique_prefix_only(btc_l2: Command) -> None:
    assert btc_l2("script", "show", "EXIT", "--steps-log2", 4, "--json").json()["leaf"] == "EXITED"
    ambiguous = btc_l2("script", "show", "AD", "--steps-log2", 4)
    assert ambiguous.code == 2 and "ADD" in ambiguous.stderr


def test_script_size_stays_below_the_limits(btc_l2: Command) -> None:
    rows = btc_l2("script", "size", "--steps-log2", 4, "--json").json()
    assert max(int(row["peak_stack"]) for row in rows) <= 1000
    assert max(int(row["script_bytes"]) for row in rows) < 100_000
