"""A signer's process is killed at every point of a settlement at which a file is on its way to the disk; he is restored
from backups and old copies. Never two signatures with one nonce, never two files of one name, always the transaction.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.kernel import find_bad_input
from challenger.presign.ceremony.accord import Own, Settles, Wanted, messages_of, requested
from challenger.presign.ceremony.backup import make_backup, restore_backup
from challenger.presign.ceremony.contribution import Round
from challenger.presign.ceremony.reception import open_course, receive
from challenger.presign.ceremony.settling import Settling, begin_settlement
from challenger.presign.ceremony.store import Files, ceremony_folders
from tests.challenger.settlers import SALT, Town
from tests.challenger.signers import DEADLINE, Table
from tests.challenger.test_ceremony_crash import (
    CHEAP,
    MOST_ROUNDS,
    ORDER,
    PASSPHRASE,
    VICTIM,
    Stick,
    check_diary,
    diary,  # noqa: F401
    fast,  # noqa: F401
    make_home,
    sweep,
)

OPERATOR = "alice"


@cache
def deposit() -> tuple[Own, Wanted]:
    """Bundles of a vault whose operator has kicked off, and the payout of it: four inputs."""
    with EmbeddedChain() as chain:
        town = Town(Path(tempfile.mkdtemp()), chain, count=2)
        own = town.presign_deposit()
        town.plays(own[1][OPERATOR], "confirm", "kickoff")
        return own, town.wanted(own, Settles.PAYOUT)


def start(folder: Path) -> tuple[Table, Stick]:
    own, wanted = deposit()
    table, stick = Table(folder, 2), Stick(folder / "stick")
    stick.put([begin_settlement(table.desks["alice"], wanted, own, DEADLINE, SALT).proposed])
    return table, stick


def seat_of(table: Table, name: str) -> Settling:
    (folder,) = ceremony_folders(table.desks[name].home)
    seat = open_course(table.desks[name], Files(folder))
    assert isinstance(seat, Settling)
    return seat


def act(table: Table, name: str, stick: Stick, resume: bool = False) -> None:
    """One visit of a signer: import all, do what is next, leave all own files."""
    contents = stick.files()
    for content in sorted(contents, key=lambda content: b'"round":"settle"' not in content):
        receive(table.desks[name], content)
    seat = seat_of(table, name)
    if seat.has_agreed():
        seat.sign(resume=resume)
    else:
        seat.agree(messages_of(requested(seat.settlement(deposit()[0]))))
    stick.put(seat.own_files())


def is_over(table: Table) -> bool:
    return all(seat_of(table, name).missing() is None for name in table.desks)


def play(table: Table, stick: Stick, resume: bool = False) -> None:
    """Visits until everybody has the transaction, which libbitcoinkernel accepts."""
    for _ in range(MOST_ROUNDS):
        for name in ORDER:
            act(table, name, stick, resume)
        if is_over(table):
            break
    graph = deposit()[0][1][OPERATOR].graph
    made = {seat_of(table, name).finish(graph).serialize() for name in table.desks}
    prevouts = [graph.output(name)[1] for name in deposit()[1].seen.sources]
    assert len(made) == 1 and len(prevouts) == 4
    assert find_bad_input(made.pop(), [(out.value, out.script_pubkey) for out in prevouts]) is None


def test_a_signer_killed_at_some_points_goes_on_and_uses_no_nonce_twice(fast: Path, diary: Path) -> None:  # noqa: F811
    assert sweep(fast, diary, (start, play), first=1, stride=4) >= 18


@pytest.mark.long
def test_a_signer_killed_at_every_point_goes_on_and_uses_no_nonce_twice(fast: Path, diary: Path) -> None:  # noqa: F811
    assert sweep(fast, diary, (start, play), first=0, stride=1) >= 72


@pytest.mark.parametrize(("backed_up_after", "lost_after"), [(0, 1), (1, 1), (0, 2), (1, 2)])
def test_restored_from_an_old_backup_a_signer_signs_with_fresh_nonces(
    fast: Path, diary: Path, backed_up_after: int, lost_after: int  # noqa: F811
) -> None:
    table, stick = start(fast)
    make_home(table)
    backup = b""
    for visit in range(lost_after + 1):
        for name in reversed(ORDER):
            act(table, name, stick)
        if visit == backed_up_after:
            backup = make_backup(table.desks[VICTIM].home, PASSPHRASE, CHEAP)
    shutil.rmtree(table.desks[VICTIM].home)
    restore_backup(backup, PASSPHRASE, table.desks[VICTIM].home)
    act(table, VICTIM, stick, resume=True)
    play(table, stick, resume=True)
    check_diary(diary)


def test_an_old_copy_of_the_home_has_no_nonce_left(fast: Path, diary: Path) -> None:  # noqa: F811
    table, stick = start(fast)
    home, copy = table.desks[VICTIM].home, fast / "copy"
    while not list(home.rglob("nonces.1.half")):
        act(table, VICTIM, stick)
    shutil.copytree(home, copy)
    play(table, stick)
    shutil.rmtree(home)
    shutil.copytree(copy, home)
    assert [c.file_name for c in seat_of(table, VICTIM).sign()] == ["nonces.2.bob.json"]
    check_diary(diary)


def test_a_settlement_again_after_its_end_sends_nothing(fast: Path) -> None:  # noqa: F811
    table, stick = start(fast)
    play(table, stick)
    for name in table.desks:
        seat = seat_of(table, name)
        assert not seat.sign() and not seat.sign(again=True)
        assert seat.files.attempts(Round.NONCES) == 1
