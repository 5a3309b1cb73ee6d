"""The coordinator: what it keeps, whom it serves, what it limits, and how each of its frauds is found and proven."""

from __future__ import annotations

import http.client
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from challenger.presign.coordinator.client import CoordinatorFault, Log, Mail, open_connection
from challenger.presign.coordinator.mailbox import Limits, Mailbox
from challenger.presign.coordinator.proof import Said, prove_page, verify_proof
from challenger.presign.coordinator.server import CoordinatorServer, Serving
from challenger.presign.coordinator.wire import Answer, Envelope, Head, Page, Request, log_path, page_path
from taproot.errors import InvalidInput, Refused, TimedOut, Unavailable, VerificationFailed
from taproot.hashes import sha256
from taproot.keys import SecretKey
from tests.challenger.mail import CEREMONY, COORDINATOR, IDENTITIES, MEMBERS, CheatingDesk, mail_of, open_server, paged

DEPOSITS = 100
ONE = Envelope.make(IDENTITIES["alice"], CEREMONY, 1, Head.of_nothing(CEREMONY), b"one")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CoordinatorServer]:
    started = open_server(tmp_path / "mail.sqlite")
    yield started
    started.close()


def desk(server: CoordinatorServer) -> CheatingDesk:
    assert isinstance(server.desk, CheatingDesk)
    return server.desk


def contents(log: Log) -> list[bytes]:
    return [envelope.content for envelope in log.entries]


# ---- what it is for --------------------------------------------------------------------------------------------------


def test_everybody_gets_all_messages_in_one_order(server: CoordinatorServer) -> None:
    alice, bob = mail_of(server, "alice"), mail_of(server, "bob")
    first = alice.post(Log.empty(CEREMONY), b"one")
    second = bob.post(Log.empty(CEREMONY), b"two")
    assert contents(alice.fetch(first)) == contents(second) == [b"one", b"two"]
    assert [e.sequence for e in second.entries] == [1, 1] and second.head.number == 2


def test_logs_of_two_ceremonies_know_nothing_of_each_other(server: CoordinatorServer) -> None:
    alice = mail_of(server, "alice")
    alice.post(Log.empty(CEREMONY), b"one")
    assert contents(alice.post(Log.empty(sha256(b"other")), b"two")) == [b"two"]


def test_a_hundred_deposits_at_once_lose_nothing(server: CoordinatorServer) -> None:
    """Three members, each with a connection of his own, two rounds in each of 100 ceremonies."""
    ids = [sha256(f"deposit {k}".encode()) for k in range(DEPOSITS)]

    def take_part(name: str) -> dict[bytes, Log]:
        mail = mail_of(server, name)
        logs = {c: mail.post(Log.empty(c), f"{name} nonces".encode()) for c in ids}
        for ceremony in ids:
            logs[ceremony] = mail.wait(logs[ceremony], lambda log: len(log.entries) >= 3, 60.0)
        logs = {c: mail.post(log, f"{name} partials".encode()) for c, log in logs.items()}
        return {c: mail.wait(log, lambda log: len(log.entries) >= 6, 60.0) for c, log in logs.items()}

    with ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(take_part, IDENTITIES))
    wanted = sorted(f"{name} {what}".encode() for name in IDENTITIES for what in ("nonces", "partials"))
    for ceremony in ids:
        assert all(sorted(contents(logs[ceremony])) == wanted for logs in seen)
        assert all(logs[ceremony].head.is_same(seen[0][ceremony].head) for logs in seen)


def test_a_killed_coordinator_goes_on_where_it_was(tmp_path: Path) -> None:
    """Nothing is closed: the second process finds what a crash would leave."""
    first = open_server(tmp_path / "mail.sqlite")
    alice = mail_of(first, "alice")
    log = alice.post(Log.empty(CEREMONY), b"one")
    port = first.server_address[1]
    first.shutdown()
    first.server_close()
    second = open_server(tmp_path / "mail.sqlite", port=int(port))
    assert contents(alice.post(log, b"two")) == [b"one", b"two"]
    assert contents(mail_of(second, "bob").fetch(Log.empty(CEREMONY))) == [b"one", b"two"]
    second.close()


def test_a_member_who_restarts_goes_on_with_his_log_and_a_fresh_counter(server: CoordinatorServer) -> None:
    alice = mail_of(server, "alice")
    stored = alice.post(Log.empty(CEREMONY), b"one").to_bytes()
    again = Log.from_bytes(CEREMONY, stored, COORDINATOR.x_only, MEMBERS)
    assert contents(mail_of(server, "alice").post(again, b"two")) == [b"one", b"two"]
    with pytest.raises(VerificationFailed, match="damaged"):
        Log.from_bytes(CEREMONY, stored[:150] + b"\x00" + stored[151:], COORDINATOR.x_only, MEMBERS)


def test_a_lost_answer_to_a_post_leaves_one_entry(server: CoordinatorServer) -> None:
    envelope = Envelope.make(IDENTITIES["alice"], CEREMONY, 1, Head.of_nothing(CEREMONY), b"one").to_bytes()
    first = server.desk.mailbox.post(envelope)
    assert server.desk.mailbox.post(envelope).is_same(first)
    with pytest.raises(Refused, match="already with another content"):
        server.desk.mailbox.post(
            Envelope.make(IDENTITIES["alice"], CEREMONY, 1, Head.of_nothing(CEREMONY), b"two").to_bytes()
        )


def test_entries_are_neither_changed_nor_removed(server: CoordinatorServer, tmp_path: Path) -> None:
    mail_of(server, "alice").post(Log.empty(CEREMONY), b"one")
    with sqlite3.connect(tmp_path / "mail.sqlite") as other:
        for sql in ("DELETE FROM entries", "UPDATE entries SET number = 7"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                other.execute(sql)


def test_silence_ends_in_time(server: CoordinatorServer) -> None:
    alice = mail_of(server, "alice")
    with pytest.raises(TimedOut, match="no news"):
        alice.wait(Log.empty(CEREMONY), lambda log: bool(log.entries), 0.1)


def test_no_coordinator_is_said_in_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = open_connection(f"http://127.0.0.1:{port}", 1.0)
    assert nobody.port == port
    mail = Mail(f"http://127.0.0.1:{port}", COORDINATOR.x_only, IDENTITIES["alice"], MEMBERS, sleep=lambda _: None)
    with pytest.raises(Unavailable, match="go on by files"):
        mail.fetch(Log.empty(CEREMONY))
    with pytest.raises(InvalidInput, match="no address"):
        open_connection("ftp://example", 1.0)


def test_an_answer_that_drips_is_not_waited_for() -> None:
    """A coordinator that sends a byte now and then, for ever."""
    stop = threading.Event()

    def drip(listening: socket.socket) -> None:
        while not stop.is_set():
            try:
                raw, _ = listening.accept()
                raw.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not stop.wait(0.02):
                    raw.sendall(b"x")
            except OSError:
                continue

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        mail = Mail(f"http://127.0.0.1:{listening.getsockname()[1]}", COORDINATOR.x_only, IDENTITIES["alice"], MEMBERS,
                    seconds=0.1, sleep=lambda _: None)  # fmt: skip
        with pytest.raises(Unavailable, match="go on by files"):
            mail.fetch(Log.empty(CEREMONY))
        stop.set()
        thread.join(10)


# ---- whom it serves --------------------------------------------------------------------------------------------------


def exchange(server: CoordinatorServer, request: Request, header: str) -> tuple[int, bytes]:
    host, port = server.server_address[:2]
    connection = http.client.HTTPConnection(str(host), int(port), timeout=5)
    connection.request(request.method, request.path, request.body or None, {"Authorization": header})
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def asked(name: str = "alice", counter: int = 1, body: bytes = b"") -> Request:
    method, path = ("POST", log_path(CEREMONY)) if body else ("GET", page_path(CEREMONY, 0))
    return Request(bytes(IDENTITIES[name].x_only), counter, method, path, body)


def test_a_stranger_is_not_served(server: CoordinatorServer) -> None:
    stranger = SecretKey(sha256(b"stranger"))
    request = replace(asked(), key=bytes(stranger.x_only))
    assert exchange(server, request, request.authorize(stranger)) == (401, b"this key is not registered here")
    assert exchange(server, asked(), "")[0] == 401
    assert exchange(server, asked(), asked().authorize(stranger))[0] == 401


@pytest.mark.parametrize(
    "change", [{"counter": 2}, {"path": page_path(CEREMONY, 1)}, {"method": "POST"}, {"body": b"x"}]
)
def test_a_signature_holds_for_one_request_only(server: CoordinatorServer, change: dict[str, object]) -> None:
    honest = asked().authorize(IDENTITIES["alice"])
    other = replace(asked(), **change)  # type: ignore[arg-type]
    header = honest.replace(" 1 ", f" {other.counter} ")
    assert exchange(server, other, header)[0] == 401
    assert exchange(server, asked(), honest)[0] == 200


def test_a_request_is_not_served_twice(server: CoordinatorServer) -> None:
    header = asked(counter=5).authorize(IDENTITIES["alice"])
    assert exchange(server, asked(counter=5), header)[0] == 200
    assert exchange(server, asked(counter=5), header) == (409, b"5")
    assert exchange(server, asked("bob", 1), asked("bob", 1).authorize(IDENTITIES["bob"]))[0] == 200


def test_counters_of_what_was_posted_survive_a_restart(tmp_path: Path) -> None:
    server = open_server(tmp_path / "m")
    body = Envelope.make(IDENTITIES["alice"], CEREMONY, 1, Head.of_nothing(CEREMONY), b"one").to_bytes()
    posted = asked(counter=9, body=body)
    header = posted.authorize(IDENTITIES["alice"])
    assert exchange(server, posted, header)[0] == 200
    server.close()
    again = open_server(tmp_path / "m")
    assert exchange(again, posted, header) == (409, b"9")
    again.close()


def test_nobody_posts_in_the_name_of_another(server: CoordinatorServer) -> None:
    body = Envelope.make(IDENTITIES["bob"], CEREMONY, 1, Head.of_nothing(CEREMONY), b"one").to_bytes()
    request = asked(body=body)
    status, said = exchange(server, request, request.authorize(IDENTITIES["alice"]))
    assert (status, b"another ceremony or sender" in said) == (400, True)


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (Envelope.make(IDENTITIES["alice"], CEREMONY, 2, Head.of_nothing(CEREMONY), b""), "one is missing"),
        (Envelope.make(IDENTITIES["alice"], CEREMONY, 1, Head(0, bytes(32)), b""), "not this one"),
        (Envelope.make(IDENTITIES["alice"], CEREMONY, 1, Head(7, bytes(32)), b""), "not this one"),
        (replace(ONE, content=b"x"), "signed"),
    ],
)
def test_an_envelope_that_breaks_the_rules_is_refused(
    server: CoordinatorServer, envelope: Envelope, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        server.desk.mailbox.post(envelope.to_bytes())
    assert server.desk.mailbox.page(CEREMONY, 0) == Page(Head.of_nothing(CEREMONY).signed(CEREMONY, COORDINATOR), ())


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/00", f"/v2/{CEREMONY.hex()}", f"/v1/{CEREMONY.hex()}/-1",
                                  f"/v1/{CEREMONY.hex()}/1/2", f"/v1/{CEREMONY.hex()}/²",
                                  f"/v1/{'zz' * 32}"])  # fmt: skip
def test_other_paths_mean_nothing(server: CoordinatorServer, path: str) -> None:
    request = replace(asked(), path=path)
    answer = server.desk.answer(request.authorize(IDENTITIES["alice"]), request.method, request.path, b"")
    assert answer.status == 400


# ---- limits ----------------------------------------------------------------------------------------------------------


def post(mailbox: Mailbox, name: str, sequence: int, content: bytes, ceremony: bytes = CEREMONY) -> None:
    mailbox.post(Envelope.make(IDENTITIES[name], ceremony, sequence, Head.of_nothing(ceremony), content).to_bytes())


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(ceremony_entries=1), "no more fit"),
        (Limits(sender_entries=1), "this sender has 1 entries"),
        (Limits(ceremony_bytes=500), "no more fit"),
        (Limits(envelope_bytes=300), "300 at most"),
    ],
)
def test_a_log_beyond_its_limits_takes_nothing(tmp_path: Path, limits: Limits, reason: str) -> None:
    mailbox = Mailbox(tmp_path / "m", COORDINATOR, limits)
    post(mailbox, "alice", 1, b"x")
    with pytest.raises(Refused, match=reason):
        post(mailbox, "alice", 2, bytes(300))
    page = mailbox.page(CEREMONY, 0)
    assert page is not None and len(page.entries) == 1


def test_there_are_no_more_ceremonies_than_allowed(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "m", COORDINATOR, Limits(ceremonies=1))
    post(mailbox, "alice", 1, b"x")
    post(mailbox, "bob", 1, b"x")
    with pytest.raises(Refused, match="1 ceremonies"):
        post(mailbox, "alice", 1, b"x", sha256(b"another"))
    with pytest.raises(InvalidInput, match="room for one envelope"):
        Limits(envelope_bytes=10)


def test_long_logs_come_in_pages(tmp_path: Path) -> None:
    server = open_server(tmp_path / "m", limits=Limits(page_bytes=900))
    alice, log = mail_of(server, "alice"), Log.empty(CEREMONY)
    for k in range(6):
        log = alice.post(log, bytes([k]) * 300)
    page = server.desk.mailbox.page(CEREMONY, 0)
    assert page is not None and len(page.entries) == 1
    assert contents(mail_of(server, "bob").fetch(Log.empty(CEREMONY))) == contents(log)
    server.close()


def test_too_many_requests_are_answered_so(tmp_path: Path) -> None:
    server = open_server(tmp_path / "m", serving=Serving(requests_per_second=0.001, burst=2))
    alice = IDENTITIES["alice"]
    said = [exchange(server, asked(counter=k), asked(counter=k).authorize(alice))[0] for k in (1, 2, 3)]
    assert said == [200, 200, 429]
    assert exchange(server, asked("bob"), asked("bob").authorize(IDENTITIES["bob"]))[0] == 200
    server.close()


def test_a_body_too_large_is_not_read(tmp_path: Path) -> None:
    server = open_server(tmp_path / "m", limits=Limits(envelope_bytes=1000))
    with socket.create_connection(server.server_address[:2], timeout=5) as raw:  # type: ignore[arg-type]
        raw.sendall(b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    with socket.create_connection(server.server_address[:2], timeout=5) as raw:  # type: ignore[arg-type]
        raw.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    server.close()


def test_a_connection_that_drips_is_ended_and_makes_room(tmp_path: Path) -> None:
    server = open_server(tmp_path / "m", serving=Serving(connections=2, seconds=0.3))
    stop = threading.Event()

    def drip(raw: socket.socket) -> None:
        try:
            while not stop.wait(0.05):
                raw.sendall(b"G")
        except OSError:
            pass

    held = [socket.create_connection(server.server_address[:2]) for _ in range(2)]  # type: ignore[arg-type]
    threads = [threading.Thread(target=drip, args=(raw,)) for raw in held]
    for thread in threads:
        thread.start()
    assert contents(mail_of(server, "alice").fetch(Log.empty(CEREMONY))) == []
    deadline = time.monotonic() + 10
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(thread.is_alive() for thread in threads)
    stop.set()
    server.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_it_listens_on_loopback_only_unless_told_so(host: str) -> None:
    with pytest.raises(Refused, match="--public"):
        Serving().check_address(host)
    Serving(public=True).check_address(host)
    for inside in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        Serving().check_address(inside)


# ---- frauds ----------------------------------------------------------------------------------------------------------


def proven(fault: CoordinatorFault) -> str:
    """What a third party learns from the proof."""
    found = verify_proof(fault.proof, COORDINATOR.x_only, MEMBERS)
    with pytest.raises((VerificationFailed, InvalidInput)):
        verify_proof(fault.proof, SecretKey(sha256(b"another coordinator")).x_only, MEMBERS)
    return found.evidence


def altered(page: Page) -> Page:
    entry = Envelope.from_bytes(page.entries[0])
    return Page(page.head, (replace(entry, content=b"changed").to_bytes(), *page.entries[1:]))


def rechained(entries: tuple[bytes, ...]) -> Page:
    head = Head.of_nothing(CEREMONY)
    for entry in entries:
        head = head.after(entry)
    return Page(head.signed(CEREMONY, COORDINATOR), entries)


def foreign(page: Page) -> Page:
    made = Envelope.make(SecretKey(sha256(b"stranger")), CEREMONY, 1, Head.of_nothing(CEREMONY), b"x")
    return rechained((*page.entries, made.to_bytes()))


FRAUDS = {
    "alters": (altered, "do not lead to its head"),
    "alters and chains anew": (lambda page: rechained(altered(page).entries), "is not signed by"),
    "leaves out": (lambda page: Page(page.head, page.entries[1:]), "do not lead to its head"),
    "replays": (lambda page: rechained((*page.entries, page.entries[0])), "stands twice or too early"),
    "puts in": (foreign, "who is no member"),
    "swaps": (lambda page: Page(page.head, page.entries[::-1]), "do not lead to its head"),
    "signs no head": (lambda page: Page(replace(page.head, signature=bytes(64)), page.entries), "head is not signed"),
    "cuts": (lambda page: Page(page.head, (*page.entries, b"")), "ends within an entry"),
}  # fmt: skip


@pytest.mark.parametrize("fraud", FRAUDS)
def test_a_false_page_is_found_and_proven(server: CoordinatorServer, fraud: str) -> None:
    change, reason = FRAUDS[fraud]
    mail_of(server, "alice").post(Log.empty(CEREMONY), b"one")
    mail_of(server, "bob").post(Log.empty(CEREMONY), b"two")
    desk(server).twist = paged(change)
    with pytest.raises(CoordinatorFault, match=reason) as found:
        mail_of(server, "carol").fetch(Log.empty(CEREMONY))
    assert reason in proven(found.value)


def test_a_second_log_is_found_with_the_first_envelope_that_passes(server: CoordinatorServer, tmp_path: Path) -> None:
    """Alice and bob get different logs; alice's next envelope, shown to bob, carries the head that she was given."""
    other = Mailbox(tmp_path / "other", COORDINATOR, Limits())
    for_alice = server.desk.mailbox
    alice, bob = mail_of(server, "alice"), mail_of(server, "bob")
    post(for_alice, "carol", 1, b"to alice")
    post(other, "carol", 1, b"to bob")
    seen_by_alice = alice.fetch(Log.empty(CEREMONY))
    desk(server).mailbox = other
    seen_by_bob = bob.fetch(Log.empty(CEREMONY))
    assert contents(seen_by_alice) != contents(seen_by_bob)
    said = Envelope.make(IDENTITIES["alice"], CEREMONY, 1, seen_by_alice.head, b"hello").to_bytes()
    desk(server).twist = paged(lambda page: Page(
        Head(1, seen_by_bob.head.hash).after(said).signed(CEREMONY, COORDINATOR), (said,)))  # fmt: skip
    with pytest.raises(CoordinatorFault, match="signed two different logs") as found:
        bob.fetch(seen_by_bob)
    assert "two different logs" in proven(found.value)


def test_a_log_exchanged_after_a_receipt_is_found(server: CoordinatorServer, tmp_path: Path) -> None:
    alice = mail_of(server, "alice")
    other = Mailbox(tmp_path / "other", COORDINATOR, Limits())
    post(other, "bob", 1, b"instead")

    def exchange_log(request: Request, answer: Answer) -> Answer:
        if request.method == "POST":
            desk(server).mailbox = other
        return answer

    desk(server).twist = exchange_log
    with pytest.raises(CoordinatorFault, match="two different logs") as found:
        alice.post(Log.empty(CEREMONY), b"one")
    proven(found.value)


def test_forgotten_entries_are_found(server: CoordinatorServer, tmp_path: Path) -> None:
    alice = mail_of(server, "alice")
    log = alice.post(Log.empty(CEREMONY), b"one")
    desk(server).mailbox = Mailbox(tmp_path / "empty", COORDINATOR, Limits())
    with pytest.raises(CoordinatorFault, match="has forgotten") as found:
        alice.fetch(log)
    proven(found.value)


def test_a_replayed_answer_is_not_used(server: CoordinatorServer) -> None:
    alice = mail_of(server, "alice")
    old = Answer(200, Page(Head.of_nothing(CEREMONY), ()).to_bytes()).signed(asked(counter=7).digest(), COORDINATOR)
    mail_of(server, "bob").post(Log.empty(CEREMONY), b"one")
    server.desk.answer = lambda *_: old  # type: ignore[method-assign,assignment]
    with pytest.raises(VerificationFailed, match="replayed"):
        alice.fetch(Log.empty(CEREMONY))


def test_what_keeps_the_rules_proves_nothing(server: CoordinatorServer) -> None:
    mail_of(server, "alice").post(Log.empty(CEREMONY), b"one")
    desk(server).twist = paged(altered)
    with pytest.raises(CoordinatorFault) as found:
        mail_of(server, "bob").fetch(Log.empty(CEREMONY))
    honest = found.value.proof
    request = asked()
    page = server.desk.mailbox.page(CEREMONY, 0)
    assert page is not None
    said = Said(request, Answer(200, page.to_bytes()).signed(request.digest(), COORDINATOR))
    nothing = prove_page(bytes(COORDINATOR.x_only), CEREMONY, Head.of_nothing(CEREMONY), (), said, "lies")
    with pytest.raises(VerificationFailed, match="proves nothing"):
        verify_proof(nothing.proof, COORDINATOR.x_only, MEMBERS)
    for broken in (b"", b"{}", b"[]", honest.replace(b"page", b"pagf"), honest[:-2]):
        with pytest.raises(InvalidInput):
            verify_proof(broken, COORDINATOR.x_only, MEMBERS)
