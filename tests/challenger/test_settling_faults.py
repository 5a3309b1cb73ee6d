"""Who breaks a rule of a settlement is named, with evidence that somebody else can check; who refuses stops it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.chain.embedded import EmbeddedChain
from challenger.presign.ceremony.accord import Own, Settles, Wanted, messages_of, propose_settlement
from challenger.presign.ceremony.agreement import Origin
from challenger.presign.ceremony.ceremony import begin
from challenger.presign.ceremony.contribution import Contribution, Round, digest_of, pack
from challenger.presign.ceremony.evidence import verify_evidence
from challenger.presign.ceremony.reception import receive
from challenger.presign.ceremony.settling import begin_settlement
from challenger.presign.ceremony.sighting import ABSENT, SETTLED, UNSPENT, Sighting, look
from challenger.presign.ceremony.store import EVIDENCE
from challenger.presign.ceremony.succession import make_origin
from taproot.connectors.output import payout_script
from taproot.errors import BtcL2Error, InvalidInput, Misbehaviour, Refused, TimedOut, Unavailable, VerificationFailed
from taproot.hashes import sha256
from taproot.tx import OutPoint
from taproot.units import Sats
from tests.challenger.settlers import Town
from tests.challenger.signers import DEADLINE, DEPOSIT, DEPOSITOR, TOY, another_policy, changed, keys_of, of, policy_of

OLGA = "alice"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Town, Own]]:
    """A town with a vault; each test proposes a settlement of its own."""
    with EmbeddedChain() as chain:
        town = Town(tmp_path_factory.mktemp("town"), chain)
        own = town.presign_deposit()
        town.plays(own[1][OLGA], "confirm")
        yield town, own


class Settlement:
    """A settlement of the shared town, and its id."""

    number = 0

    def __init__(self, town: Town, own: Own) -> None:
        Settlement.number += 1
        self.town, self.own = town, own
        self.wanted = town.wanted(own, Settles.PAYOUT)
        self.proposed = begin_settlement(town.desks["bob"], self.wanted, own, DEADLINE, f"{self.number:032x}").proposed
        self.id = self.proposed.ceremony

    def spread(self) -> Settlement:
        self.town.share([self.proposed])
        return self

    def agreed(self) -> Settlement:
        self.spread().town.agree(self.id, self.own)
        return self

    def sign(self, *names: str) -> list[Contribution]:
        return self.town.sign(self.id, *names)

    def check_named(self, judge: str, guilty: str, own: Own | None = None) -> None:
        """The newest evidence names the guilty to somebody who has nothing but the file."""
        paths = (self.town.desks[judge].home / EVIDENCE).glob(f"{guilty}.*.json")
        path = max(paths, key=lambda path: path.stat().st_mtime_ns)
        assert verify_evidence(path.read_bytes(), TOY, own).party == guilty
        innocent = next(name for name in self.town.desks if name != guilty)
        document = {**json.loads(path.read_bytes()), "party": innocent}
        with pytest.raises(VerificationFailed, match="proves nothing"):
            verify_evidence(json.dumps(document).encode(), TOY, own)
        path.unlink()


@pytest.fixture
def settlement(shared: tuple[Town, Own]) -> Settlement:
    return Settlement(*shared)


# ---- liars -----------------------------------------------------------------------------------------------------------


def lying(made: Settlement, **body: object) -> Contribution:
    """The proposal with another body: a ceremony of its own."""
    desk = made.town.desks["bob"]
    whole = {**made.proposed.body, **body}
    return Contribution.make(desk.keys.identity, "bob", Round.SETTLE, 0, made.proposed.policy, whole)


def test_a_proposer_who_states_messages_of_another_transaction_is_named(settlement: Settlement) -> None:
    own = settlement.own
    other = replace(settlement.wanted, kind=Settles.CANCEL, payee=payout_script(own[1][OLGA].graph.contract, "bob"))
    stated = propose_settlement(settlement.town.policy, other, other.build(own[1][OLGA].graph), DEADLINE)["messages"]
    proposed = lying(settlement, messages=stated)
    settlement.town.share([proposed])
    seat = settlement.town.settling("carol", proposed.ceremony)
    with pytest.raises(Misbehaviour, match=r"bob misbehaved: states other messages.*evidence: "):
        seat.settlement(own)
    with pytest.raises(Refused, match="review it first"):
        seat.agree(messages_of(seat.accord.messages))
    settlement.check_named("carol", "bob", own)


def test_evidence_about_a_proposal_needs_the_bundles_and_proves_nothing_against_a_true_one(
    settlement: Settlement,
) -> None:
    proposed = lying(settlement, messages=["00" * 32])
    settlement.town.share([proposed], ("carol",))
    with pytest.raises(Misbehaviour, match="bob"):
        settlement.town.settling("carol", proposed.ceremony).settlement(settlement.own)
    path = next((settlement.town.desks["carol"].home / EVIDENCE).glob("bob.plan.*.json"))
    with pytest.raises(InvalidInput, match="name the bundles"):
        verify_evidence(path.read_bytes(), TOY)
    document = json.loads(path.read_bytes())
    honest = json.dumps({**document, "files": [settlement.proposed.to_json()]}).encode()
    with pytest.raises(VerificationFailed, match="proves nothing against bob"):
        verify_evidence(honest, TOY, settlement.own)
    path.unlink()


def test_two_files_of_a_round_name_their_sender(settlement: Settlement) -> None:
    (made,) = settlement.agreed().sign("carol")
    settlement.town.share([made], ("bob",))
    with pytest.raises(Misbehaviour, match=r"carol misbehaved: signed two different files nonces\.1\.carol"):
        settlement.town.share([changed(made, nonces=pack([bytes(66)]))], ("bob",))
    settlement.check_named("bob", "carol")


@pytest.mark.parametrize(
    "body",
    [
        {"messages": digest_of([bytes(32)]).hex()}, {"graphs": {"settlement": bytes(32).hex()}}, {"graphs": {}},
        {"heard": {"dora": bytes(32).hex()}}, {"graphs": None},
    ],
)  # fmt: skip
def test_nonces_for_another_settlement_name_their_sender_when_they_come_in(
    settlement: Settlement, body: dict[str, object]
) -> None:
    (made,) = settlement.agreed().sign("carol")
    with pytest.raises(Misbehaviour, match="carol misbehaved"):
        settlement.town.share([changed(made, **body)], ("bob",))
    settlement.check_named("bob", "carol")


@pytest.mark.parametrize("nonces", ["", pack([bytes(66)]), 7, pack([bytes(66)] * 9)])
def test_bad_nonces_name_their_sender(settlement: Settlement, nonces: object) -> None:
    (made,) = settlement.agreed().sign("carol")
    settlement.town.share([*settlement.sign("alice"), changed(made, nonces=nonces)], ("bob",))
    with pytest.raises(Misbehaviour, match="carol misbehaved"):
        settlement.sign("bob")
    settlement.check_named("bob", "carol")


@pytest.mark.parametrize("guilty", ["alice", "carol"])
def test_a_wrong_part_names_its_sender(settlement: Settlement, guilty: str) -> None:
    settlement.town.share(settlement.agreed().sign())
    made = settlement.sign()
    bad = of(made, Round.PARTIALS, guilty)
    count = len(bad.body["partials"]) * 3 // 4 // 32
    wrong = changed(bad, partials=pack([bytes(31) + b"\1"] * count))
    settlement.town.share([*(c for c in made if c is not bad), wrong], ("bob",))
    with pytest.raises(Misbehaviour, match=f"{guilty} misbehaved: partial signature"):
        settlement.sign("bob")
    settlement.check_named("bob", guilty)


def test_parts_for_another_settlement_name_their_sender(settlement: Settlement) -> None:
    settlement.town.share(settlement.agreed().sign())
    made = of(settlement.sign(), Round.PARTIALS, "carol")
    with pytest.raises(Misbehaviour, match="carol misbehaved: signs other messages"):
        settlement.town.share([changed(made, messages=digest_of([bytes(32)]).hex())], ("bob",))
    settlement.check_named("bob", "carol")


def test_nonces_that_others_got_differently_stop_the_settlement(settlement: Settlement) -> None:
    settlement.town.share(settlement.agreed().sign())
    made = settlement.sign()
    lie = changed(of(made, Round.PARTIALS, "carol"), heard={})
    settlement.town.share([*(c for c in made if c.sender != "carol"), lie], ("bob",))
    with pytest.raises(VerificationFailed, match="carol got another"):
        settlement.sign("bob")


def test_a_proposer_of_a_refresh_of_something_else_is_named(settlement: Settlement) -> None:
    town, own = settlement.town, settlement.own
    origin, move = make_origin(town.policy, own, OLGA, look(town.chain, own[1][OLGA].graph))
    less = replace(origin, amount=Sats(move.terms.deposit - 1000))
    for deposit, said in ((DEPOSIT, origin), (move.deposit, less)):
        proposed = begin(town.desks["bob"], move.depositor, deposit, DEADLINE, origin=said).proposed
        town.share([proposed], ("carol",))
        seat = town.presigning("carol", proposed.ceremony)
        with pytest.raises(Misbehaviour, match="bob misbehaved: proposes to refresh something else"):
            seat.check_origin(own)
        settlement.check_named("carol", "bob", own)


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_nothing_is_signed_before_a_review_that_made_the_transaction(settlement: Settlement) -> None:
    settlement.spread()
    seat = settlement.town.settling("carol", settlement.id)
    with pytest.raises(Refused, match="run `btc-l2 signer review` first"):
        seat.sign()
    with pytest.raises(Refused, match="made from your own bundles"):
        seat.agree(messages_of(seat.accord.messages))
    seat.settlement(settlement.own)
    with pytest.raises(Refused, match="made from your own bundles"):
        seat.agree(messages_of((bytes(32),)))


def test_one_who_does_not_agree_stops_a_settlement_and_is_named(settlement: Settlement) -> None:
    settlement.spread()
    for name in ("alice", "bob"):
        settlement.town.agree_one(name, settlement.id, settlement.own)
    settlement.town.share(settlement.sign("alice", "bob"))
    assert not settlement.sign("alice", "bob")
    seat = settlement.town.settling("bob", settlement.id)
    assert seat.missing() == (Round.NONCES, 1, ["carol"])
    with pytest.raises(Unavailable, match="carol"):
        seat.signatures()


def test_bundles_of_another_deposit_or_policy_are_refused(settlement: Settlement) -> None:
    manifest, bundles = settlement.own
    seat = settlement.spread().town.settling("carol", settlement.id)
    for change, why in (
        ({"deposit": str(DEPOSIT)}, "not those of deposit"), ({"agreed": bytes(32).hex()}, "not those of deposit"),
        ({"policy": bytes(32).hex()}, "another policy"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=why):
            seat.settlement(({**manifest, **change}, bundles))
    with pytest.raises(Refused, match="no bundle of alice"):
        seat.settlement((manifest, {}))


def test_a_move_is_not_agreed_to_without_complete_bundles_of_what_comes_after(settlement: Settlement) -> None:
    town, own = settlement.town, settlement.own
    new = town.presign_successor(own, OLGA)
    id_ = town.propose(own, town.wanted(own, Settles.MOVE, successor=new))
    seat = town.settling("carol", id_)
    with pytest.raises(Refused, match="name your bundles of them too"):
        seat.settlement(own)
    with pytest.raises(Refused, match="not those that the proposal names"):
        seat.settlement(own, own)
    bundle = new[1][OLGA]
    key = next(iter(bundle.signatures))
    broken = replace(bundle, signatures={**bundle.signatures, key: bytes(64)})
    with pytest.raises(VerificationFailed):
        seat.settlement(own, (new[0], {OLGA: broken}))
    elsewhere = replace(bundle, proposal=own[1][OLGA].proposal)
    with pytest.raises(Refused, match="not that of the agreed graph"):
        seat.settlement(own, (new[0], {OLGA: elsewhere}))
    with pytest.raises(Refused, match="review it first"):
        seat.agree(messages_of(seat.accord.messages))
    assert seat.settlement(own, new).transactions


def test_a_refresh_is_not_agreed_to_before_its_origin_is_checked(settlement: Settlement) -> None:
    town, own = settlement.town, settlement.own
    origin, move = make_origin(town.policy, own, OLGA, look(town.chain, own[1][OLGA].graph))
    seat = begin(town.desks["bob"], move.depositor, move.deposit, DEADLINE, "11" * 16, origin)
    with pytest.raises(Refused, match="review it with your bundles"):
        seat.agree(messages_of(()))
    with pytest.raises(Refused, match="not those of deposit"):
        seat.check_origin(({**own[0], "agreed": bytes(32).hex()}, own[1]))


def test_nobody_is_the_depositor_of_a_refresh_and_of_nothing_else(settlement: Settlement) -> None:
    town, own = settlement.town, settlement.own
    origin, move = make_origin(town.policy, own, OLGA, look(town.chain, own[1][OLGA].graph))
    with pytest.raises(InvalidInput, match="nobody is the depositor"):
        begin(town.desks["bob"], move.depositor, move.deposit, DEADLINE)
    with pytest.raises(InvalidInput, match="nobody is the depositor"):
        begin(town.desks["bob"], DEPOSITOR, move.deposit, DEADLINE, origin=origin)
    for amount in (0, -1, 1 << 60):
        with pytest.raises(InvalidInput):
            other = replace(origin, amount=Sats(amount))
            begin(town.desks["bob"], move.depositor, move.deposit, DEADLINE, origin=other)
    assert Origin.from_json(json.loads(json.dumps(origin.to_json()))) == origin


def test_a_settlement_of_another_policy_is_refused_and_the_parameter_named(settlement: Settlement) -> None:
    proposed = lying(settlement, policy=another_policy(settlement.town.policy, penalty=4_000_000).to_json())
    with pytest.raises(Refused, match=r"cannot be overridden; .*penalty: registered"):
        receive(settlement.town.desks["carol"], proposed.to_bytes())


def test_after_the_deadline_nothing_is_taken_or_signed_but_what_is_complete_is_finished(settlement: Settlement) -> None:
    town = settlement.agreed().town
    town.share(settlement.sign())
    late = settlement.sign()
    town.share(late, ("bob",))
    town.table.now = DEADLINE + 1.0
    try:
        with pytest.raises(TimedOut, match="missing: partials of"):
            town.share(late, ("carol",))
        with pytest.raises(TimedOut):
            settlement.sign("carol")
        with pytest.raises(TimedOut):
            begin_settlement(town.desks["bob"], settlement.wanted, settlement.own, DEADLINE)
        assert town.finished("bob", settlement.id, settlement.own).has_witness
    finally:
        town.table.now = float(DEADLINE - 1)


def test_a_file_of_a_round_that_the_ceremony_does_not_have_is_not_taken(settlement: Settlement) -> None:
    (made,) = settlement.agreed().sign("carol")
    body, policy = made.body, made.policy
    for round_, attempt in ((Round.CONFIRM_NONCES, 1), (Round.KEYS, 0)):
        other = Contribution.make(
            keys_of("carol").identity, "carol", round_, attempt, policy, body, settlement.id
        )
        with pytest.raises(InvalidInput, match="no such round"):
            receive(settlement.town.desks["bob"], other.to_bytes())


# ---- what can be wanted ----------------------------------------------------------------------------------------------

STANDING = dict.fromkeys(SETTLED, ABSENT) | {"vault": UNSPENT}


@pytest.mark.parametrize(
    "change",
    [
        {"fee_rate": 0}, {"fee_rate": 1001}, {"fee_rate": True}, {"payee": b"\x51\x20" + bytes(32)},
        {"successor": bytes(32)}, {"kind": Settles.MOVE}, {"next_policy": policy_of(2)},
    ],
)  # fmt: skip
def test_what_does_not_go_together_cannot_be_wanted(change: dict[str, object]) -> None:
    good = Wanted(Settles.PAYOUT, OutPoint(sha256(b"d"), 0), bytes(32), OLGA, Sighting(7, STANDING), fee_rate=2)
    assert Wanted.from_json(json.loads(json.dumps(good.to_json()))) == good
    with pytest.raises(InvalidInput):
        replace(good, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "states", [{"deposit": UNSPENT}, {"vault": ABSENT}, {"asset": "gone"}, {"asset": "spent by 12"}, {"more": UNSPENT}]
)
def test_what_cannot_have_been_seen_is_refused(states: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        Sighting(7, {**STANDING, **states})


def test_a_payout_needs_a_vault() -> None:
    seen = Sighting(7, {**STANDING, "vault": ABSENT, "deposit": UNSPENT})
    at = OutPoint(sha256(b"d"), 0)
    with pytest.raises(InvalidInput, match="spends the vault"):
        Wanted(Settles.PAYOUT, at, bytes(32), OLGA, seen, fee_rate=2)
    assert Wanted(Settles.CANCEL, at, bytes(32), OLGA, seen, fee_rate=2).seen.sources == ("deposit",)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_spoiled_proposal_is_refused_with_a_reason(shared: tuple[Town, Own], data: st.DataObject) -> None:
    made = Settlement(*shared)
    field = data.draw(st.sampled_from(sorted(made.proposed.body)))
    value = data.draw(st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
                      | st.dictionaries(st.text(max_size=3), st.none(), max_size=2))  # fmt: skip
    proposed = lying(made, **{field: value})
    try:
        receive(made.town.desks["carol"], proposed.to_bytes())
        made.town.settling("carol", proposed.ceremony).settlement(made.own)
    except BtcL2Error:
        return
    assert field in ("salt", "deadline") or made.proposed.body[field] == value


def test_a_lie_about_what_is_unspent_makes_another_transaction_that_no_chain_takes(settlement: Settlement) -> None:
    """The states are the proposer's word: signers without a node sign, the chain refuses, nobody loses anything."""
    town, own = settlement.town, settlement.own
    states = {**settlement.wanted.seen.states, "asset": UNSPENT}
    wanted = replace(settlement.wanted, seen=replace(settlement.wanted.seen, states=states))
    id_ = town.propose(own, wanted)
    town.agree(id_, own)
    while made := town.sign(id_):
        town.share(made)
    tx = town.finished("carol", id_, own)
    with pytest.raises(BtcL2Error, match="missing"):
        town.chain.check(tx)


def test_the_salt_of_a_proposal_makes_it_a_ceremony_of_its_own(settlement: Settlement) -> None:
    town, own = settlement.town, settlement.own
    first, second = (begin_settlement(town.desks["bob"], settlement.wanted, own, DEADLINE) for _ in range(2))
    assert first.proposed.ceremony != second.proposed.ceremony
