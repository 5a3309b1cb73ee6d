"""The graph: libbitcoinkernel judges every transaction, as it is planned and as somebody would like to bend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from btc_l2.chain.kernel import find_bad_input
from challenger.presign.bundle import Bundle
from taproot.connectors.turn import GameScripts, Move, Role, Turn
from taproot.errors import InvalidInput, Refused, VerificationFailed
from taproot.graph import Kind, build_graph
from taproot.parties import N_OF_N
from taproot.presigned import ANYONE, Sign, Slot
from taproot.sighash import SighashType
from taproot.terms import Terms
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxIn, TxOut
from taproot.units import MAX_STANDARD_WEIGHT, SEQUENCE_FINAL, Sats, dust_limit
from tests.taproot.toy import (
    NAMES,
    TERMS,
    find_disproof,
    make_funding,
    make_games,
    make_parties,
    one_time_keys,
    play,
    presign_toy,
    signing,
    witness_items,
)

PARTIES = make_parties()
GRAPH = build_graph(TERMS, PARTIES, make_funding(), make_games(PARTIES))
NAMES_OF_ALL = tuple(GRAPH.transactions)
FREE = tuple(name for name, planned in GRAPH.transactions.items() if planned.free)
KILLS = tuple(n for n, p in GRAPH.transactions.items() if p.kind in (Kind.TIMEOUT, Kind.DISPROVE))
ELSEWHERE = b"\x51\x20" + bytes(31) + b"\x01"


@cache
def bundle() -> Bundle:
    return presign_toy()


def is_valid(name: str, tx: Transaction) -> bool:
    """Does the kernel accept all inputs of the transaction in the place of the planned one?"""
    prevouts = [(o.value, o.script_pubkey) for o in GRAPH.transactions[name].prevouts]
    return find_bad_input(tx.serialize(), prevouts) is None


def bent(tx: Transaction, index: int, output: TxOut) -> Transaction:
    outputs = (*tx.outputs[:index], output, *tx.outputs[index + 1 :])
    return Transaction(tx.version, tx.inputs, outputs, tx.locktime)


# ---- as planned ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES_OF_ALL)
def test_kernel_accepts_every_transaction(name: str) -> None:
    assert is_valid(name, play(bundle(), name))


@pytest.mark.parametrize("name", ["alice/disprove.pick@stake0", "bob/disprove.verdict@bare"])
def test_one_presigned_signature_serves_every_disproof_of_a_turn(name: str) -> None:
    output = GRAPH.outputs[GRAPH.transactions[name].inputs[0].output]
    leaves = [leaf for leaf, path in output.paths.items() if path.parties == (name.split("/")[0],)]
    assert len(leaves) == 2
    assert all(is_valid(name, play(bundle(), name, leaf)) for leaf in leaves)


def test_all_transactions_of_the_specification_are_there() -> None:
    common = {"refund", "confirm", "kickoff", "fan", "take1", "take2"}
    standing = {f"{what}.{name}" for what in ("leave", "exit") for name in ("stake0", "bond.alice", "bond.bob")}
    game = {"assert", "pick", "choose", "reveal"}
    game |= {f"timeout.{turn}@{v}" for turn in ("assert", "reveal", "answer") for v in ("stake0", "leaving0", "bare")}
    game |= {f"disprove.{turn}@{v}" for turn in ("pick", "verdict") for v in ("stake0", "leaving0", "bare")}
    game |= {f"slash.{turn}@{v}" for turn in ("pick", "verdict") for v in ("bond", "leaving")}
    games = {f"{j}/{name}" for j in ("alice", "bob") for name in game}
    challenges = {f"{what}.{j}" for what in ("challenge", "veto") for j in ("alice", "bob")}
    assert set(NAMES_OF_ALL) == common | standing | games | challenges


@pytest.mark.parametrize("name", [name for name in NAMES_OF_ALL if name not in FREE])
def test_fixed_transactions_pay_no_fee_and_end_with_an_anchor(name: str) -> None:
    planned = GRAPH.transactions[name]
    assert planned.tx.version == 3
    assert sum(o.value for o in planned.prevouts) == sum(o.value for o in planned.tx.outputs)
    assert [o.script_pubkey == P2A_SCRIPT for o in planned.tx.outputs].count(True) == 1
    assert planned.tx.outputs[-1].script_pubkey == P2A_SCRIPT


@pytest.mark.parametrize("name", NAMES_OF_ALL)
def test_no_output_is_dust(name: str) -> None:
    assert all(o.value >= dust_limit(o.script_pubkey) for o in play(bundle(), name).outputs)


@pytest.mark.parametrize("name", KILLS)
def test_a_kill_burns_and_has_one_op_return(name: str) -> None:
    planned = GRAPH.transactions[name]
    burns = [o.value for o in planned.tx.outputs if o.script_pubkey[0] == 0x6A]
    with_stake = not name.endswith("@bare")
    assert burns == [TERMS.asset_burn + (TERMS.stake_burn if with_stake else 0)]
    assert planned.inputs[1].output == "asset" and planned.tx.version == 2


@pytest.mark.parametrize("name", KILLS)
def test_a_kill_signs_its_asset_and_stake_single_and_the_rest_live(name: str) -> None:
    turn, *others = GRAPH.transactions[name].inputs
    assert {spend.slots for spend in others} == {(Slot(N_OF_N, SighashType.SINGLE),)}
    assert turn.slots == (Slot(name.split("/")[0]),)


def test_every_presigned_signature_is_of_all() -> None:
    slots = [slot for p in GRAPH.transactions.values() for spend in p.inputs for slot in spend.slots]
    assert {slot.party for slot in slots if slot.presigned} == {N_OF_N}
    assert sum(slot.presigned for slot in slots) == len(GRAPH.requests())


def test_undisputed_exit_costs_519_vbytes_with_any_number_of_challengers() -> None:
    assert (play(bundle(), "kickoff").vbytes, play(bundle(), "take1").vbytes) == (228, 291)
    parties = make_parties(challengers=("alice", "bob", "carol"))
    funding = make_funding()
    bonds = {**funding.bonds, "carol": OutPoint(bytes(31) + b"\x09", 0)}
    graph = build_graph(TERMS, parties, replace(funding, bonds=bonds), make_games(parties))
    for name in ("kickoff", "take1"):
        assert graph.planned(name).tx.weight == GRAPH.planned(name).tx.weight


@pytest.mark.parametrize(
    ("name", "vbytes"),
    [
        ("confirm", 150),
        ("leave.stake0", 174),
        ("fan", 185),
        ("challenge.alice", 209),
        ("veto.alice", 173),
        ("take2", 302),
        ("alice/timeout.answer@bare", 215),
        ("alice/timeout.answer@stake0", 311),
        ("alice/slash.verdict@bond", 338),
    ],
)
def test_sizes(name: str, vbytes: int) -> None:
    tx = play(bundle(), name)
    assert abs(tx.vbytes - vbytes) <= 1 and tx.weight < MAX_STANDARD_WEIGHT


def test_signature_types_that_commit_to_little_are_never_used() -> None:
    types = {s.sighash for p in GRAPH.transactions.values() for i in p.inputs for s in i.slots}
    assert types == {SighashType.DEFAULT, SighashType.SINGLE}


# ---- as somebody would like to have it -------------------------------------------------------------------------------


def forged(name: str, thief: str, leaf: str | None = None) -> Transaction:
    """The transaction with every live signature made by `thief`."""
    planned = GRAPH.planned(name)
    sign: Mapping[str, Sign] = {party: signing(thief)[thief] for party in NAMES}
    leaf = leaf or find_disproof(bundle(), name)
    items = witness_items(name, leaf or planned.inputs[0].leaf or "")
    return bundle().graph.assemble(name, bundle().signatures, sign, leaf, items)


LIVE = [n for n, p in GRAPH.transactions.items() if any(not s.presigned for i in p.inputs for s in i.slots)]


@pytest.mark.parametrize("name", LIVE)
def test_nobody_else_can_play_what_needs_a_live_signature(name: str) -> None:
    thieves = [thief for thief in NAMES if thief != GRAPH.planned(name).by]
    assert not any(is_valid(name, forged(name, thief)) for thief in thieves)


def test_who_plays_is_written_in_the_plan() -> None:
    by = {GRAPH.planned(name).by for name in LIVE}
    assert by == {"operator", "depositor", "alice", "bob"}
    assert {GRAPH.planned(name).by for name in ("confirm", "fan", "veto.bob")} == {ANYONE}


@pytest.mark.parametrize("name", dict.fromkeys(request.tx for request in GRAPH.requests()))
def test_a_presigned_input_refuses_a_signature_of_anybody_alone(name: str) -> None:
    planned, honest = GRAPH.planned(name), play(bundle(), name)
    for index in (request.index for request in GRAPH.requests() if request.tx == name):
        slot = next(slot for slot in planned.inputs[index].slots if slot.presigned)
        message = GRAPH.sighash(name, index, None, slot.sighash, honest)
        for party in NAMES:
            own = signing(party)[party](message) + (bytes([slot.sighash]) if slot.sighash else b"")
            stack = list(honest.inputs[index].witness)
            place = next(i for i, item in enumerate(stack) if item[:64] == bundle().signatures[name, index])
            stack[place] = own
            assert not is_valid(name, honest.with_witness(index, stack))


@pytest.mark.parametrize("name", [n for n in FREE if len(GRAPH.planned(n).tx.outputs) > 1])
def test_output_0_of_a_kill_or_slash_is_free_and_the_others_are_not(name: str) -> None:
    planned, honest = GRAPH.planned(name), play(bundle(), name)
    leaf = find_disproof(bundle(), name)
    items = witness_items(name, leaf or planned.inputs[0].leaf or "")

    def signed_again(tx: Transaction) -> Transaction:
        return bundle().graph.assemble(name, bundle().signatures, signing(*NAMES), leaf, items, tx)

    assert is_valid(name, signed_again(bent(honest, 0, TxOut(Sats(1000), ELSEWHERE))))
    for index, output in enumerate(honest.outputs[1:], start=1):
        for other in (TxOut(Sats(output.value - 1), output.script_pubkey), TxOut(output.value, ELSEWHERE)):
            assert not is_valid(name, signed_again(bent(honest, index, other)))


@pytest.mark.parametrize("name", [n for n in FREE if len(GRAPH.planned(n).tx.outputs) > 1])
def test_output_0_is_fixed_once_the_player_has_signed(name: str) -> None:
    assert not is_valid(name, bent(play(bundle(), name), 0, TxOut(Sats(1000), ELSEWHERE)))


# not kickoff: the ticket is the operator's own, and a changed kickoff only leaves the graph
@pytest.mark.parametrize("name", [n for n in NAMES_OF_ALL if n not in FREE and n != "kickoff"])
def test_no_output_of_a_fixed_transaction_can_be_changed_even_with_every_live_key(name: str) -> None:
    planned, honest = GRAPH.planned(name), play(bundle(), name)
    items = witness_items(name, planned.inputs[0].leaf or "")
    for index in range(len(honest.outputs)):
        changed = bent(honest, index, TxOut(honest.outputs[index].value, ELSEWHERE))
        again = bundle().graph.assemble(name, bundle().signatures, signing(*NAMES), None, items, changed)
        assert not is_valid(name, again)


@pytest.mark.parametrize(("name", "thief"), [("alice/assert", "alice"), ("alice/choose", "operator")])
def test_the_other_side_cannot_lead_a_move_elsewhere_with_one_time_signatures_from_the_mempool(
    name: str, thief: str
) -> None:
    honest = play(bundle(), name)
    changed = bent(honest, 0, TxOut(honest.outputs[0].value, ELSEWHERE))
    stack = honest.inputs[0].witness
    own = signing(thief)[thief](GRAPH.sighash(name, 0, tx=changed))
    assert is_valid(name, honest)
    assert not is_valid(name, changed.with_witness(0, (*stack[:-3], own, *stack[-2:])))


@pytest.mark.parametrize("name", ["alice/assert", "alice/choose", "alice/reveal"])
def test_a_move_needs_the_movers_preimage(name: str) -> None:
    leaf = GRAPH.planned(name).inputs[0].leaf
    tx = bundle().graph.assemble(name, bundle().signatures, items=[bytes(32)])
    assert leaf is not None and not is_valid(name, tx)


DELAYED = [
    (name, index)
    for name, planned in GRAPH.transactions.items()
    for index, spend in enumerate(planned.inputs)
    if spend.sequence < 0x8000_0000
]


@pytest.mark.parametrize(("name", "index"), DELAYED)
def test_a_delay_cannot_be_shortened(name: str, index: int) -> None:
    planned, honest = GRAPH.planned(name), play(bundle(), name)
    items = witness_items(name, planned.inputs[0].leaf or "")
    for sequence in (planned.inputs[index].sequence - 1, 0, SEQUENCE_FINAL):
        inputs = list(honest.inputs)
        inputs[index] = TxIn(inputs[index].prevout, sequence)
        early = Transaction(honest.version, tuple(inputs), honest.outputs)
        again = bundle().graph.assemble(name, bundle().signatures, signing(*NAMES), None, items, early)
        assert not is_valid(name, again)


def test_delays_are_those_of_the_terms() -> None:
    delays = {(name, GRAPH.planned(name).inputs[index].sequence) for name, index in DELAYED if "/" not in name}
    assert {("take1", TERMS.challenge_delay), ("take2", TERMS.total_delay), ("refund", TERMS.refund_delay)} < delays
    assert {s for n, s in delays if n.startswith("exit")} == {TERMS.exit_delay}
    games = {GRAPH.planned(name).inputs[index].sequence for name, index in DELAYED if "/" in name}
    assert games == {TERMS.move_delay}


def test_the_assets_signature_serves_one_variant_only() -> None:
    """Used in any other kill, of the same or another turn, it is false."""
    signatures = bundle().signatures
    for name in KILLS:
        message = GRAPH.sighash(name, 1, None, SighashType.SINGLE)
        fits = [k for k in KILLS if GRAPH.contract.cosigners.is_valid(message, signatures[k, 1])]
        assert fits == [name]


def test_the_assets_signature_cannot_be_moved_to_another_kill_on_the_kernel() -> None:
    name, other = "alice/timeout.assert@bare", "alice/timeout.reveal@bare"
    moved = {**bundle().signatures, (name, 1): bundle().signatures[other, 1]}
    script_pubkey = GRAPH.planned(name).tx.outputs[0].script_pubkey
    tx = bundle().graph.finalize(name, moved, signing("alice"), script_pubkey, 1)
    assert not is_valid(name, tx)


# ---- looking things up ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES_OF_ALL)
def test_a_played_transaction_is_recognised(name: str) -> None:
    assert GRAPH.find_played(play(bundle(), name, fee_rate=3)) == name


def test_a_foreign_transaction_is_not_recognised() -> None:
    confirm = play(bundle(), "confirm")
    assert GRAPH.find_played(bent(confirm, 0, TxOut(Sats(5), ELSEWHERE))) is None
    assert GRAPH.name_of(bytes(32)) is None


def test_fixed_transactions_are_known_by_txid_and_free_ones_are_not() -> None:
    assert GRAPH.name_of(GRAPH.planned("take1").tx.txid) == "take1"
    assert GRAPH.name_of(GRAPH.planned("refund").tx.txid) is None


def test_outputs_tell_where_they_are() -> None:
    outpoint, tx_out, tree = GRAPH.output("alice/assert")
    assert outpoint == GRAPH.planned("challenge.alice").tx.outpoint(0)
    assert tx_out == GRAPH.planned("challenge.alice").tx.outputs[0] and "timeout" in tree.names


def test_spenders_of_an_output_in_order_of_preference() -> None:
    kills = [f"alice/timeout.assert@{variant}" for variant in ("stake0", "leaving0", "bare")]
    assert GRAPH.spenders("alice/assert") == ("alice/assert", *kills)
    assert GRAPH.spenders("vault") == ("take1", "take2")


@pytest.mark.parametrize("ask", [GRAPH.output, GRAPH.spenders, GRAPH.planned])
def test_unknown_names_are_refused(ask: object) -> None:
    with pytest.raises(InvalidInput, match="'nothing'"):
        ask("nothing")  # type: ignore[operator]


def test_a_graph_has_the_same_digest_wherever_it_is_made_and_another_for_other_terms() -> None:
    again = build_graph(TERMS, PARTIES, make_funding(), make_games(PARTIES))
    other = build_graph(replace(TERMS, penalty=Sats(TERMS.penalty + 1)), PARTIES, make_funding(), make_games(PARTIES))
    assert again.digest() == GRAPH.digest() != other.digest()


# ---- putting together -----------------------------------------------------------------------------------------------


def test_the_fee_is_the_rate_times_the_size() -> None:
    for rate in (1.0, 2.5, 17):
        name = "alice/timeout.assert@stake0"
        tx = play(bundle(), name, fee_rate=rate)
        fee = sum(o.value for o in GRAPH.planned(name).prevouts) - sum(o.value for o in tx.outputs)
        assert 0 <= fee - tx.vbytes * rate < 1


def test_a_reward_that_would_be_dust_is_refused() -> None:
    play(bundle(), "alice/timeout.answer@bare", fee_rate=125)
    with pytest.raises(Refused, match="nothing worth is left"):
        play(bundle(), "alice/timeout.answer@bare", fee_rate=135)


def test_a_fixed_transaction_cannot_be_finalized_with_a_fee() -> None:
    with pytest.raises(InvalidInput, match="paid by a child"):
        bundle().graph.finalize("take1", bundle().signatures, {}, ELSEWHERE, 1)


def test_assemble_asks_for_what_is_missing() -> None:
    graph, signatures = bundle().graph, bundle().signatures
    with pytest.raises(InvalidInput, match="input 0 of kickoff needs a signature of operator"):
        graph.assemble("kickoff", signatures)
    with pytest.raises(InvalidInput, match="input 1 of take1 needs a signature of n-of-n"):
        graph.assemble("take1", {("take1", 0): bytes(64)})
    with pytest.raises(InvalidInput, match="takes 2 witness items, not 1"):
        graph.assemble("alice/assert", signatures)
    with pytest.raises(InvalidInput, match="say by which leaf"):
        graph.assemble("alice/disprove.pick@bare", signatures, signing("alice"))
    for leaf in ("choose", "timeout"):
        with pytest.raises(InvalidInput, match="is not a disproof"):
            graph.assemble("alice/disprove.pick@bare", signatures, signing("alice"), leaf)


def test_verify_wants_exactly_the_presigned_signatures() -> None:
    GRAPH.verify(bundle().signatures)
    with pytest.raises(VerificationFailed, match="input 0 of take2 is missing or wrong"):
        GRAPH.verify({k: s for k, s in bundle().signatures.items() if k != ("take2", 0)})
    with pytest.raises(VerificationFailed, match="presigned signatures; the graph has"):
        GRAPH.verify({**bundle().signatures, ("take3", 0): bytes(64)})


# ---- what no graph is made of --------------------------------------------------------------------------------------


def changed_game(**turns: Turn | None) -> dict[str, GameScripts]:
    games = make_games(PARTIES)
    changed = {**games["alice"].turns, **turns}
    kept = {name: turn for name, turn in changed.items() if turn is not None}
    return {**games, "alice": GameScripts("alice", "assert", kept)}


REVEAL = make_games(PARTIES)["alice"].turns["reveal"]


@pytest.mark.parametrize(
    ("games", "reason"),
    [
        ({"alice": make_games(PARTIES)["alice"]}, "give one for each of alice, bob"),
        ({"alice": make_games(PARTIES)["bob"], "bob": make_games(PARTIES)["bob"]}, "give one for each"),
        (changed_game(verdict=None), "'verdict' .* missing or reached twice"),
        (changed_game(reveal=replace(REVEAL, moves=(Move("reveal", REVEAL.moves[0].leaf, "pick"),))), "reached twice"),
        (changed_game(orphan=Turn("orphan", Role.OPERATOR, ())), "'orphan' .* is never reached"),
        (changed_game(reveal=replace(REVEAL, moves=(replace(REVEAL.moves[0], name="assert"),))), "two transactions"),
    ],
)
def test_games_that_are_no_tree_of_turns_are_refused(games: dict[str, GameScripts], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        build_graph(TERMS, PARTIES, make_funding(), games)


def chain_of_moves(length: int) -> dict[str, GameScripts]:
    """A game in which the operator moves `length` times in a row."""
    leaf = REVEAL.moves[0].leaf
    steps = [Turn(f"t{k}", Role.OPERATOR, (Move(f"m{k}", leaf, f"t{k + 1}"),)) for k in range(length)]
    turns = {turn.name: turn for turn in (*steps, Turn(f"t{length}", Role.CHALLENGER, ()))}
    return {**make_games(PARTIES), "alice": GameScripts("alice", "t0", turns)}


def test_a_game_may_be_as_long_as_the_clock_counts_with_and_no_longer() -> None:
    build_graph(TERMS, PARTIES, make_funding(), chain_of_moves(TERMS.operator_moves))
    with pytest.raises(InvalidInput, match=r"has 7 moves of the operator and 1 .* the terms count with 6 and 6"):
        build_graph(TERMS, PARTIES, make_funding(), chain_of_moves(TERMS.operator_moves + 1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stakes": ()}, "0 stake outpoints for a pool of 1"),
        ({"bonds": {"alice": OutPoint(bytes(32), 1)}}, "give one for each of alice, bob"),
        ({"ticket": make_funding().deposit}, "same outpoint"),
    ],
)
def test_funding_that_does_not_fit_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        build_graph(TERMS, PARTIES, replace(make_funding(), **change), make_games(PARTIES))  # type: ignore[arg-type]


def test_a_pool_of_stakes_gives_two_variants_each() -> None:
    terms = Terms(arities=(2,), stakes=(TERMS.stakes[0],) * 3, move_delay=25)
    graph = build_graph(terms, PARTIES, make_funding(terms), make_games(PARTIES))
    variants = [name.split("@")[1] for name in graph.spenders("bob/answer")]
    assert variants == ["stake0", "leaving0", "stake1", "leaving1", "stake2", "leaving2", "bare"]


def test_one_time_keys_of_the_toy_differ_between_games() -> None:
    assert one_time_keys("alice") != one_time_keys("bob")
