"""A whole signing ceremony over HTTP: three members, one coordinator, and what happens if one of the four fails."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from challenger.presign.ceremony.accord import Own, Settles, messages_of, requested
from challenger.presign.ceremony.agreement import Messages, Outpoints
from challenger.presign.ceremony.ceremony import Ceremony, begin
from challenger.presign.ceremony.contribution import Round
from challenger.presign.ceremony.course import Course
from challenger.presign.ceremony.settling import Settling, begin_settlement
from challenger.presign.coordinator.attendance import announce, attend, exchange_all, fetch, find_proposals, identities
from challenger.presign.coordinator.client import Mail
from challenger.presign.coordinator.proof import verify_proof
from challenger.presign.coordinator.server import CoordinatorServer
from challenger.presign.coordinator.wire import Envelope, Page
from taproot.errors import Misbehaviour, Refused, TimedOut
from taproot.hashes import sha256
from taproot.tx import OutPoint
from tests.challenger.mail import COORDINATOR, CheatingDesk, open_server, paged
from tests.challenger.settlers import Town
from tests.challenger.signers import DEADLINE, DEPOSITOR, NAMES, Table, keys_of, outpoints_of

MEMBERS = NAMES[:3]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "members")


@pytest.fixture
def server(table: Table, tmp_path: Path) -> Iterator[CoordinatorServer]:
    started = open_server(tmp_path / "mail.sqlite", members=set(identities(table.policy)))
    yield started
    started.close()


def mail_of(server: CoordinatorServer, table: Table, name: str) -> Mail:
    members = set(identities(table.policy))
    return Mail(server.url, COORDINATOR.x_only, keys_of(name).identity, members)


def agree(seat: Course) -> bool:
    assert isinstance(seat, Ceremony)
    seat.agree(Messages.of(seat.graphs()))
    return True


def propose(table: Table, server: CoordinatorServer, deposit: int = 0) -> bytes:
    desk = table.desks["alice"]
    proposed = begin(desk, DEPOSITOR, OutPoint(sha256(b"deposit"), deposit), DEADLINE).proposed
    announce(desk, mail_of(server, table, "alice"), proposed)
    announce(desk, mail_of(server, table, "alice"), proposed)
    return proposed.ceremony


def take_part(table: Table, server: CoordinatorServer, name: str, seconds: float = 30.0) -> list[dict[bytes, bytes]]:
    """All ceremonies that the lobby has."""
    desk, mail = table.desks[name], mail_of(server, table, name)
    outpoints = outpoints_of(table.policy, name)
    return [attend(desk, mail, c, outpoints, agree, seconds) for c in find_proposals(desk, mail)]


def take_part_all(table: Table, server: CoordinatorServer) -> list[list[dict[bytes, bytes]]]:
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(partial(take_part, table, server), MEMBERS))


def test_three_members_sign_a_deposit_over_http(table: Table, server: CoordinatorServer) -> None:
    propose(table, server)
    first, second, third = (signed for (signed,) in take_part_all(table, server))
    assert first == second == third and len(first) > 20
    (graph,) = table.seat("bob").graphs().values()
    graph.verify({request.key: first[request.message] for request in graph.requests()})
    assert len({table.desks[n].home for n in MEMBERS}) == 3


def test_a_member_who_vanishes_is_named(table: Table, server: CoordinatorServer) -> None:
    propose(table, server)
    with ThreadPoolExecutor(2) as pool:
        here = [pool.submit(take_part, table, server, name, 1.0) for name in ("alice", "bob")]
    for one in here:
        with pytest.raises(TimedOut, match=r"keys\.0 of carol, unless the coordinator holds it back"):
            one.result()
    assert [len(signed) for signed in take_part_all(table, server)] == [1, 1, 1]  # carol is back


def test_a_ceremony_survives_a_killed_coordinator(table: Table, tmp_path: Path) -> None:
    members = set(identities(table.policy))
    first = open_server(tmp_path / "m", members=members)
    propose(table, first)
    with pytest.raises(TimedOut):
        take_part(table, first, "alice", 0.05)
    first.shutdown()
    first.server_close()
    second = open_server(tmp_path / "m", members=members)
    assert [len(signed) for signed in take_part_all(table, second)] == [1, 1, 1]
    second.close()


def test_the_coordinator_who_alters_a_message_is_named_with_evidence(table: Table, server: CoordinatorServer) -> None:
    ceremony = propose(table, server)
    assert isinstance(server.desk, CheatingDesk)
    server.desk.twist = paged(lambda page: Page(page.head, tuple(e[:-70] + b"!" + e[-69:] for e in page.entries)))
    desk = table.desks["bob"]
    with pytest.raises(Misbehaviour, match=r"coordinator misbehaved.*evidence: ") as found:
        find_proposals(desk, mail_of(server, table, "bob"))
    proof = Path(found.value.evidence.rpartition("evidence: ")[2]).read_bytes()
    assert "false page" in verify_proof(proof, COORDINATOR.x_only, set(identities(table.policy))).evidence
    assert not (desk.home / "ceremonies" / ceremony.hex()).exists()


def test_a_member_who_posts_rubbish_is_named_with_evidence(table: Table, server: CoordinatorServer) -> None:
    ceremony = propose(table, server)
    for name in MEMBERS:
        find_proposals(table.desks[name], mail_of(server, table, name))
    carol = mail_of(server, table, "carol")
    carol.post(fetch(table.desks["carol"], carol, ceremony), b"rubbish")
    with pytest.raises(Misbehaviour, match=r"carol misbehaved.*evidence: ") as found:
        take_part(table, server, "bob")
    envelope = Envelope.from_bytes(Path(found.value.evidence.rpartition("evidence: ")[2]).read_bytes())
    assert envelope.is_signed and envelope.sender == keys_of("carol").identity.x_only


def test_parameters_are_compared_before_anything_else(table: Table, server: CoordinatorServer, tmp_path: Path) -> None:
    other = Table(tmp_path / "others", operators=2)
    proposed = begin(other.desks["alice"], DEPOSITOR, OutPoint(sha256(b"deposit"), 1), DEADLINE).proposed
    announce(table.desks["alice"], mail_of(server, table, "alice"), proposed)
    with pytest.raises(Refused, match="deviates from the registered policy"):
        find_proposals(table.desks["bob"], mail_of(server, table, "bob"))
    assert not (table.desks["bob"].home / "ceremonies").exists()


def test_a_full_lobby_is_followed_by_the_next(
    table: Table, server: CoordinatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("challenger.presign.coordinator.attendance.LOBBY_ENTRIES", 2)
    ids = [propose(table, server, k) for k in range(5)]
    assert find_proposals(table.desks["bob"], mail_of(server, table, "bob")) == ids


@pytest.mark.long
def test_a_hundred_true_deposits_at_once(table: Table, server: CoordinatorServer) -> None:
    """Every member attends all ceremonies, eight at a time; all finish with the same signatures."""
    ids = [propose(table, server, k) for k in range(100)]
    for name in MEMBERS:
        assert find_proposals(table.desks[name], mail_of(server, table, name)) == ids

    mails = {name: mail_of(server, table, name) for name in MEMBERS}

    def sign(name: str, ceremony: bytes) -> dict[bytes, bytes]:
        return attend(table.desks[name], mails[name], ceremony, outpoints_of(table.policy, name), agree, 300.0)

    with ThreadPoolExecutor(24) as pool:
        jobs = [[pool.submit(sign, name, ceremony) for name in MEMBERS] for ceremony in ids]
        for three in jobs:
            first, *others = [job.result() for job in three]
            assert all(signed == first for signed in others) and len(first) > 20


def test_files_of_the_signer_commands_go_by_mail(table: Table, server: CoordinatorServer) -> None:
    """What a person does is done by hand; `exchange_all` carries the files."""
    begin(table.desks["alice"], DEPOSITOR, OutPoint(sha256(b"deposit"), 3), DEADLINE)

    def exchange() -> None:
        for _ in range(2):
            for name in MEMBERS:
                exchange_all(table.desks[name], mail_of(server, table, name))

    exchange()
    for name in MEMBERS:
        table.seat(name).give_keys(outpoints_of(table.policy, name))
    exchange()
    for name in MEMBERS:
        agree(table.seat(name))
    for _ in range(4):
        table.sign()
        exchange()
    signatures = [table.seat(name).signatures() for name in MEMBERS]
    assert signatures[0] == signatures[1] == signatures[2]
    table.now = DEADLINE + 1.0
    assert exchange_all(table.desks["bob"], mail_of(server, table, "bob")) == {}


# ---- settlements -----------------------------------------------------------------------------------------------------


def look_at(own: Own, seat: Course) -> bool:
    assert isinstance(seat, Settling)
    seat.agree(messages_of(requested(seat.settlement(own))))
    return True


def test_a_payout_is_signed_over_http_and_the_chain_takes_it(tmp_path: Path) -> None:
    with EmbeddedChain() as chain:
        town = Town(tmp_path / "members", chain)
        own = town.presign_deposit()
        town.plays(own[1]["alice"], "confirm", "kickoff")
        server = open_server(tmp_path / "m", members=set(identities(town.policy)))
        proposed = begin_settlement(town.desks["carol"], town.wanted(own, Settles.PAYOUT), own, DEADLINE).proposed
        announce(town.desks["carol"], mail_of(server, town.table, "carol"), proposed)

        def take_part_in_it(name: str) -> dict[bytes, bytes]:
            desk, mail = town.desks[name], mail_of(server, town.table, name)
            assert find_proposals(desk, mail) == [proposed.ceremony]
            return attend(desk, mail, proposed.ceremony, Outpoints(), partial(look_at, own), 30.0)

        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(take_part_in_it, MEMBERS))
        assert found[0] == found[1] == found[2] and len(found[0]) == 4
        town.send(town.finished("bob", proposed.ceremony, own))
        server.close()


def test_files_of_a_settlement_go_by_mail(tmp_path: Path) -> None:
    with EmbeddedChain() as chain:
        town = Town(tmp_path / "members", chain)
        own = town.presign_deposit()
        server = open_server(tmp_path / "m", members=set(identities(town.policy)))
        id_ = begin_settlement(town.desks["bob"], town.wanted(own, Settles.CANCEL), own, DEADLINE).proposed.ceremony

        def exchange() -> None:
            for name in (*MEMBERS, *MEMBERS):
                exchange_all(town.desks[name], mail_of(server, town.table, name))

        exchange()
        town.agree(id_, own)
        for _ in range(2):
            town.sign(id_)
            exchange()
        assert town.settling("carol", id_).missing() is None
        assert town.files("carol", id_).senders(Round.PARTIALS, 1)
        assert town.finished("alice", id_, own) == town.finished("carol", id_, own)
        server.close()
