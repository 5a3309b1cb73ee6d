"""`btc-l2 cost` and `btc-l2 script` as a person or a program calls them."""

from __future__ import annotations

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


@pytest.mark.parametrize("arguments", [("--digest", 160), ("--arity", 1), ("--steps-log2", 99)])
def test_cost_refuses_what_is_not_built(btc_l2: Command, arguments: tuple[object, ...]) -> None:
    answer = btc_l2("cost", *arguments)
    assert answer.code == 2 and answer.stdout == "" and answer.stderr.count("\n") == 1


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
