"""A signer's process is killed at every point at which a file is on its way to the disk, power lost or not; he is
restored from every backup. Never two signatures with one nonce, never two files of one name, always all signatures.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from btc_l2 import durable
from challenger.keystore import create_keystore
from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.backup import make_backup, restore_backup
from challenger.presign.ceremony.ceremony import Ceremony
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.reception import receive
from challenger.presign.ceremony.store import CEREMONIES, KEYSTORE, Files, ceremony_folders
from taproot.keys import SecretKey
from taproot.musig2 import SecretNonce, Session
from tests.challenger.signers import Table, outpoints_of

VICTIM = "bob"
ORDER = ("bob", "alice")  # the victim's nonces wait for the other's
KILLED = 9
PASSPHRASE = b"correct horse"
CHEAP = 14
MOST_ROUNDS = 12


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: tens of thousands of fsyncs are asked for."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = memory / f"btc-l2-test-{os.getpid()}-{tmp_path.name}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def diary(fast: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every use of a secret nonce, also one whose signature never left: public nonce, joined nonce, message."""
    path, sign = fast / "diary", Session.partial_sign
    joined: dict[int, bytes] = {}
    begin = Session.__init__

    def remember(self: Session, keyagg: object, aggregate_nonce: bytes, message: bytes) -> None:
        begin(self, keyagg, aggregate_nonce, message)  # type: ignore[arg-type]
        joined[id(self)] = aggregate_nonce

    def noted(self: Session, nonce: SecretNonce, secret: SecretKey) -> bytes:
        with path.open("a") as file:
            file.write(f"{nonce.public.hex()} {joined[id(self)].hex()} {self.message.hex()}\n")
        return sign(self, nonce, secret)

    monkeypatch.setattr(Session, "__init__", remember)
    monkeypatch.setattr(Session, "partial_sign", noted)
    return path


def check_diary(path: Path) -> None:
    """No secret nonce has met two joined nonces or two messages."""
    used = defaultdict(set)
    for line in path.read_text().splitlines():
        public, *with_ = line.split()
        used[public].add(tuple(with_))
    assert used and all(len(uses) == 1 for uses in used.values())


class Stick:
    """What goes from hand to hand; a file that left once never leaves with another content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def put(self, files: Sequence[Contribution]) -> None:
        for given in files:
            path = self.folder / given.file_name
            assert not path.exists() or path.read_bytes() == given.to_bytes(), f"two files {given.file_name}"
            path.write_bytes(given.to_bytes())

    def files(self) -> list[bytes]:
        paths = sorted(self.folder.iterdir(), key=lambda path: not path.name.startswith("propose"))
        return [path.read_bytes() for path in paths]


def act(table: Table, name: str, stick: Stick, resume: bool = False) -> None:
    """One visit of a signer: import all, do what is next, leave all own files."""
    for content in stick.files():
        receive(table.desks[name], content)
    (folder,) = ceremony_folders(table.desks[name].home)
    seat = Ceremony(table.desks[name], Files(folder))
    if seat.own(Round.KEYS, 0) is None:
        seat.give_keys(outpoints_of(table.policy, name))
    elif not seat.has_agreed():
        if not seat.absent(Round.KEYS, 0):
            seat.agree(Messages.of(seat.graphs()))
    else:
        seat.sign(resume=resume)
    stick.put(seat.own_files())


def play(table: Table, stick: Stick, resume: bool = False) -> None:
    """Visits until everybody has all signatures."""
    for _ in range(MOST_ROUNDS):
        for name in ORDER:
            act(table, name, stick, resume)
        if all(table.seat(name).missing() is None for name in table.desks):
            break
    found = [table.seat(name).signatures() for name in table.desks]
    seat = table.seat(VICTIM)
    for operator, graph in seat.graphs().items():
        graph.verify({r.key: found[0][r.message] for r in graph.requests()})
        assert operator in table.policy.operators
    assert all(signatures == found[0] for signatures in found)


def start(folder: Path, plain: Sequence[str] = ()) -> tuple[Table, Stick]:
    table, stick = Table(folder, 2, plain=plain), Stick(folder / "stick")
    table.propose()
    (proposal,) = (table.desks["alice"].home / CEREMONIES).rglob("propose.*.json")
    stick.put([Contribution.from_bytes(proposal.read_bytes())])
    shutil.rmtree(table.desks[VICTIM].home)
    return table, stick


GoOn = Callable[[Table, Stick], None]  # to the end, with what lies there
Course = tuple[Callable[[Path], tuple[Table, Stick]], GoOn]  # how a ceremony begins in a folder, how it goes on


class Killer:
    """Ends the process at the `at`-th point; with the power, what no fsync of the folder has made sure is undone."""

    def __init__(self, home: Path, at: int, power: bool) -> None:
        self.home, self.left, self.power, self.kept = home, at, power, b""

    def __call__(self, what: str, path: Path) -> None:
        if not path.is_relative_to(self.home):
            return
        if what == "removing":
            self.kept = path.read_bytes()
        self.left -= 1
        if self.left < 0:
            self._end(what, path)

    def _end(self, what: str, path: Path) -> None:
        if self.power and what == "linked":
            path.unlink()
        if self.power and what == "removed":
            path.write_bytes(self.kept)
        os._exit(KILLED)


def killed_at(table: Table, stick: Stick, go_on: GoOn, point: int, power: bool) -> bool:
    """Play with the victim killed at a point, then go on without; False if the play has no such point."""
    child = os.fork()
    if child == 0:
        durable.steps.append(Killer(table.desks[VICTIM].home.parent, point, power))
        try:
            go_on(table, stick)
        finally:
            os._exit(0)
    was_killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
    go_on(table, stick)
    return was_killed


def points_of_a_play(folder: Path) -> int:
    table, stick = start(folder)
    seen: list[str] = []
    home = table.desks[VICTIM].home.parent
    durable.steps.append(lambda what, path: seen.append(what) if path.is_relative_to(home) else None)
    try:
        play(table, stick)
    finally:
        durable.steps.pop()
    return len(seen)


def sweep(fast: Path, diary: Path, course: Course, first: int, stride: int) -> int:
    """How many times the victim was killed, at every `stride`-th point; the diary is checked after each."""
    begin, go_on = course
    count = 0
    for point in range(first, 10_000, stride):
        for power in (False, True):
            folder = fast / f"{point}.{power}"
            folder.mkdir()
            killed = killed_at(*begin(folder), go_on, point, power)
            check_diary(diary)
            shutil.rmtree(folder)
            if not killed:
                return count
            count += 1
    raise AssertionError("a play has an end")


def test_a_signer_killed_at_some_points_goes_on_and_uses_no_nonce_twice(fast: Path, diary: Path) -> None:
    assert sweep(fast, diary, (start, play), first=3, stride=9) >= 20


def test_a_plain_signer_killed_at_some_points_goes_on_and_sends_no_file_twice(fast: Path, diary: Path) -> None:
    """He has no nonce to lose: less is written, and nobody has to begin a new attempt for him."""
    assert sweep(fast, diary, (partial(start, plain=(VICTIM,)), play), first=2, stride=9) >= 10


@pytest.mark.long
@pytest.mark.parametrize("first", range(4))
def test_a_signer_killed_at_every_point_goes_on_and_uses_no_nonce_twice(fast: Path, diary: Path, first: int) -> None:
    assert sweep(fast, diary, (start, play), first, stride=4) >= 40


def test_killed_between_taking_the_nonces_and_writing_the_parts_begins_a_new_attempt(fast: Path, diary: Path) -> None:
    table, stick = start(fast)
    child = os.fork()
    if child == 0:

        def kill(what: str, path: Path) -> None:
            if what == "created" and path.name == f"partials.1.{VICTIM}.json":
                os._exit(KILLED)

        durable.steps.append(kill)
        play(table, stick)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
    play(table, stick)
    check_diary(diary)
    assert (stick.folder / f"nonces.2.{VICTIM}.json").exists() and not (stick.folder / "partials.1.bob.json").exists()


# ---- backups ---------------------------------------------------------------------------------------------------------


def visits(table: Table, stick: Stick) -> Iterator[int]:
    """The victim's visits one by one, the other's before each."""
    for visit in range(MOST_ROUNDS):
        for name in reversed(ORDER):
            act(table, name, stick)
        yield visit
        if all(table.seat(name).missing() is None for name in table.desks):
            return


def make_home(table: Table) -> None:
    """A backup needs a keystore; the table's keys are not those in it."""
    home = table.desks[VICTIM].home
    durable.make_folder(home)
    create_keystore(home / KEYSTORE, PASSPHRASE, VICTIM, CHEAP)


def lose_and_restore(table: Table, stick: Stick, backed_up_after: int, lost_after: int) -> None:
    """The victim's machine is lost after some visits and comes back from a backup made after others."""
    make_home(table)
    backup = b""
    for visit in visits(table, stick):
        if visit == backed_up_after:
            backup = make_backup(table.desks[VICTIM].home, PASSPHRASE, CHEAP)
        if visit == lost_after:
            break
    shutil.rmtree(table.desks[VICTIM].home)
    restore_backup(backup, PASSPHRASE, table.desks[VICTIM].home)


@pytest.mark.parametrize(
    ("backed_up_after", "lost_after"), [(b, lost) for b in range(3) for lost in range(1, 4) if b <= lost]
)
def test_restored_from_an_old_backup_a_signer_signs_with_fresh_nonces(
    fast: Path, diary: Path, backed_up_after: int, lost_after: int
) -> None:
    table, stick = start(fast)
    lose_and_restore(table, stick, backed_up_after, lost_after)
    act(table, VICTIM, stick, resume=True)
    play(table, stick, resume=True)
    check_diary(diary)


@pytest.mark.parametrize(("backed_up_after", "lost_after"), [(0, 1), (1, 3)])
def test_restored_from_an_old_backup_a_plain_signer_sends_the_same_files_again(
    fast: Path, diary: Path, backed_up_after: int, lost_after: int
) -> None:
    table, stick = start(fast, plain=(VICTIM,))
    lose_and_restore(table, stick, backed_up_after, lost_after)
    play(table, stick, resume=True)
    check_diary(diary)
    assert not list(stick.folder.glob("nonces.2.*"))


def test_an_old_copy_of_the_home_has_no_nonce_left(fast: Path, diary: Path) -> None:
    table, stick = start(fast)
    home, copy = table.desks[VICTIM].home, fast / "copy"
    while not list(home.rglob("nonces.1.half")):
        for name in ORDER:
            if not list(home.rglob("nonces.1.half")):
                act(table, name, stick)
    shutil.copytree(home, copy)
    play(table, stick)
    shutil.rmtree(home)
    shutil.copytree(copy, home)
    assert [c.file_name for c in table.seat(VICTIM).sign()] == ["nonces.2.bob.json"]
    check_diary(diary)


def test_a_copy_of_the_home_that_signs_first_leaves_none_for_the_other(fast: Path, diary: Path) -> None:
    table, stick = start(fast)
    for name in ORDER * 3:
        act(table, name, stick)
    home, other = table.desks[VICTIM].home, fast / "other"
    shutil.copytree(home, other)
    act(table, VICTIM, stick)
    first = {p.name for p in stick.folder.iterdir()}
    assert "partials.1.bob.json" in first
    shutil.rmtree(home)
    shutil.copytree(other, home)
    again = [c.file_name for c in table.seat(VICTIM).sign()]
    assert again == ["nonces.2.bob.json"]
    check_diary(diary)


def test_a_backup_holds_no_nonce(fast: Path) -> None:
    table, stick = start(fast)
    make_home(table)
    restored = fast / "restored"
    for visit, _ in enumerate(visits(table, stick)):
        restore_backup(make_backup(table.desks[VICTIM].home, PASSPHRASE, CHEAP), PASSPHRASE, restored / str(visit))
    assert not list(restored.rglob("*.half")) and list(restored.rglob("nonces.1.bob.json"))
