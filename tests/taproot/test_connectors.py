"""The leaves of every output: which there are, whose keys they check, what cannot become an output."""

from __future__ import annotations

from dataclasses import replace

import pytest

from taproot.connectors.claim import make_gate, make_ticket
from taproot.connectors.deposit import make_deposit, make_vault
from taproot.connectors.game import make_turn
from taproot.connectors.output import Contract, Output, belonging_to, make_output, payout_script, signed_by_all
from taproot.connectors.stake import make_bond, make_leaving_stake, make_stake
from taproot.connectors.turn import Leaf, Move, Role, Turn, make_leaf
from taproot.errors import InvalidInput
from taproot.graph import build_graph
from taproot.keys import XOnlyKey
from taproot.nums import nums_key, verify_nums
from taproot.parties import N_OF_N
from taproot.script import Op, Script, disassemble, script
from taproot.terms import Terms
from taproot.tree import compute_leaf_hash
from taproot.tx import p2tr_script
from tests.taproot.toy import TERMS, make_funding, make_games, make_parties

CONTRACT = Contract.make(TERMS, make_parties())
FUNDING = make_funding()
OWNER = belonging_to(FUNDING.deposit)
GRAPH = build_graph(TERMS, make_parties(), FUNDING, make_games(make_parties()))
ALL = f"<{CONTRACT.aggregate.output_key.hex()}>"


def leaves(output: Output) -> dict[str, list[str]]:
    return {name: disassemble(path.leaf.code) for name, path in output.paths.items()}


def key(name: str) -> str:
    return f"<{CONTRACT.key(name).hex()}>"


def after(blocks: int, name: str) -> list[str]:
    delay = str(blocks) if blocks <= 16 else f"<{blocks.to_bytes((blocks.bit_length() + 8) // 8, 'little').hex()}>"
    return [delay, "CHECKSEQUENCEVERIFY", "DROP", key(name), "CHECKSIG"]


def test_deposit_goes_to_all_or_after_a_delay_back() -> None:
    signed, csv = [key("depositor"), "CHECKSIGVERIFY"], after(TERMS.refund_delay, "depositor")[:2]
    expected = {N_OF_N: [ALL, "CHECKSIG"], "refund": [*signed, *csv]}
    assert leaves(make_deposit(CONTRACT)) == expected


def test_vault_goes_to_all_and_to_nobody_else() -> None:
    assert leaves(make_vault(CONTRACT, OWNER)) == {N_OF_N: [ALL, "CHECKSIG"]}


@pytest.mark.parametrize(
    ("output", "owner"), [(make_stake(CONTRACT, 0), "operator"), (make_bond(CONTRACT, "bob"), "bob")]
)
def test_stake_and_bond_have_no_leaf_of_the_owner_alone(output: Output, owner: str) -> None:
    both = [key(owner), "CHECKSIGVERIFY", ALL, "CHECKSIG"]
    assert leaves(output) == {N_OF_N: [ALL, "CHECKSIG"], "leave": both}


def test_a_leaving_stake_is_its_owners_after_the_exit_delay() -> None:
    expected = {N_OF_N: [ALL, "CHECKSIG"], "exit": after(TERMS.exit_delay, "operator")}
    assert leaves(make_leaving_stake(CONTRACT, 0)) == expected


def test_ticket_is_the_operators() -> None:
    assert leaves(make_ticket(CONTRACT)) == {"spend": [key("operator"), "CHECKSIG"]}


def test_gate_needs_its_challenger_and_all() -> None:
    both = [key("alice"), "CHECKSIGVERIFY", ALL, "CHECKSIG"]
    assert leaves(make_gate(CONTRACT, OWNER, "alice")) == {"challenge": both}


@pytest.mark.parametrize("name", ["asset", "unchallenged", "fan", "token.alice", "token.bob", "vault"])
def test_what_holds_the_graph_together_has_one_leaf_of_all(name: str) -> None:
    assert leaves(GRAPH.outputs[name]) == {N_OF_N: [ALL, "CHECKSIG"]}


def test_the_timeout_of_a_turn_belongs_to_the_other_side() -> None:
    delay = TERMS.move_delay
    assert leaves(GRAPH.outputs["bob/assert"])["timeout"] == after(delay, "bob")
    assert leaves(GRAPH.outputs["bob/pick"])["timeout"] == after(delay, "operator")


def test_no_operator_turn_has_a_disproof_and_every_disproof_needs_the_challenger() -> None:
    parties = {name: [p.parties for p in o.paths.values()] for name, o in GRAPH.outputs.items() if "/" in name}
    assert parties["alice/assert"] == [(N_OF_N,), ("alice",)]  # move, timeout
    pick = [(N_OF_N, "alice"), (N_OF_N,), ("alice",), ("alice",), ("operator",)]
    assert parties["alice/pick"] == pick  # two moves, two disproofs, timeout
    assert parties["alice/verdict"] == [("alice",), ("alice",), ("operator",)]


@pytest.mark.parametrize("name", GRAPH.outputs)
def test_nobody_has_the_internal_key(name: str) -> None:
    output = GRAPH.outputs[name]
    verify_nums(output.tree.internal_key, output.r)


def test_no_two_outputs_share_an_internal_key() -> None:
    assert len({output.r for output in GRAPH.outputs.values()}) == len(GRAPH.outputs)


def test_outputs_of_two_deposits_differ_and_standing_ones_do_not() -> None:
    other = replace(FUNDING, deposit=FUNDING.ticket, ticket=FUNDING.deposit)
    graph = build_graph(TERMS, make_parties(), other, make_games(make_parties()))
    same = {n for n, output in graph.outputs.items() if output.tx_out == GRAPH.outputs[n].tx_out}
    standing = {"deposit", "stake0", "bond.alice", "bond.bob", "ticket"}
    assert same == standing | {f"{name}.leaving" for name in standing if name[:5] in ("stake", "bond.")}


def test_leaf_hashes_are_those_of_the_scripts() -> None:
    for output in GRAPH.outputs.values():
        for name, path in output.paths.items():
            assert output.tree.leaf_hash(name) == compute_leaf_hash(path.leaf.code)


def test_disproofs_lie_deeper_than_moves() -> None:
    many = tuple(signed(f"wrong.{k}", "alice", number=k) for k in range(100))
    turn = Turn("t", Role.CHALLENGER, (Move("m", signed("m", N_OF_N), "next"),), many)
    tree = make_turn(CONTRACT, OWNER, "alice", turn, 1000).tree
    assert max(tree.depth("m"), tree.depth("timeout")) < min(tree.depth(leaf.name) for leaf in many)


def signed(name: str, *parties: str, number: int = 0, items: int = 1) -> Leaf:
    checks = [part for party in parties for key in CONTRACT.keys(party) for part in (key, Op.CHECKSIGVERIFY)]
    body: list[Op | Script | int] = [Op.HASH160, Op.DROP] * items
    return make_leaf(name, script(*checks, *body, number, Op.DROP, 1), len(parties) + items, "nothing")


@pytest.mark.parametrize("leaf", [signed("m", N_OF_N), signed("m", N_OF_N, "alice", items=0)])
def test_a_move_is_signed_by_all_and_shows_something_of_the_mover(leaf: Leaf) -> None:
    turn = Turn("t", Role.CHALLENGER, (Move("m", leaf, "next"),))
    assert make_turn(CONTRACT, OWNER, "alice", turn, 1000).path("m").leaf is leaf


@pytest.mark.parametrize(
    "leaf",
    [
        signed("m", "operator"),  # the other side could sign a transaction of his own
        signed("m", "alice"),
        signed("m", N_OF_N, "operator"),
        signed("m", "alice", N_OF_N),
        signed("m"),
        make_leaf("m", Script(), 1, "anything"),
    ],
)
def test_a_move_with_other_keys_is_no_move(leaf: Leaf) -> None:
    turn = Turn("t", Role.CHALLENGER, (Move("m", leaf, "next"),))
    with pytest.raises(InvalidInput, match="leaf m begins with"):
        make_turn(CONTRACT, OWNER, "alice", turn, 1000)


def test_a_move_that_everybody_could_play_is_no_move() -> None:
    turn = Turn("t", Role.CHALLENGER, (Move("m", signed("m", N_OF_N, items=0), "next"),))
    with pytest.raises(InvalidInput, match="everybody could play it"):
        make_turn(CONTRACT, OWNER, "alice", turn, 1000)


@pytest.mark.parametrize("party", ["operator", N_OF_N, "bob"])
def test_a_disproof_with_another_key_is_no_disproof(party: str) -> None:
    turn = Turn("t", Role.CHALLENGER, (), (signed("d", party),))
    with pytest.raises(InvalidInput, match="leaf d begins with"):
        make_turn(CONTRACT, OWNER, "alice", turn, 1000)


def test_an_operators_turn_cannot_have_a_disproof() -> None:
    with pytest.raises(AssertionError, match="disproof on an operator's turn"):
        Turn("t", Role.OPERATOR, (), (signed("d", "alice"),))


def test_two_leaves_of_one_name_make_no_output() -> None:
    with pytest.raises(InvalidInput, match="two leaves of the same name"):
        make_output("x", 1000, OWNER, (signed_by_all(CONTRACT), signed_by_all(CONTRACT)))


def test_an_unknown_leaf_is_named() -> None:
    with pytest.raises(InvalidInput, match="output vault has no leaf 'refund'; it has n-of-n"):
        make_vault(CONTRACT, OWNER).path("refund")


def test_payouts_go_to_the_key_path_of_the_party() -> None:
    operator = CONTRACT.key("operator")
    assert payout_script(CONTRACT, "operator") == p2tr_script(operator.taproot_output_key()[0])
    assert isinstance(operator, XOnlyKey)


def test_other_terms_make_other_outputs() -> None:
    later = Contract.make(Terms(refund_delay=145), make_parties())
    assert make_deposit(later).tree.output_key != make_deposit(CONTRACT).tree.output_key
    assert nums_key(make_deposit(later).r) == make_deposit(CONTRACT).tree.internal_key
