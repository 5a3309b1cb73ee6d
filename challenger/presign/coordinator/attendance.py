"""A member's whole ceremony by mail: what his file ceremony sends is posted, what others posted is imported.

The rules are those of `challenger.presign.ceremony`: parameters are compared first, a person reviews before anything is
signed, the one at fault is named with evidence. The mailbox adds nothing to trust. Proposals are found in the lobby, a
log whose id follows from the registered policy; everything else of a ceremony is in the log of its own id.

Everything is idempotent: a file leaves again if it is not in the log, so a crash at any point is followed by the same
call once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from btc_l2.durable import make_folder, replace_file, write_once
from challenger.presign.ceremony.agreement import Outpoints
from challenger.presign.ceremony.ceremony import Ceremony
from challenger.presign.ceremony.contribution import PROPOSALS, Contribution, Round
from challenger.presign.ceremony.course import Course
from challenger.presign.ceremony.reception import open_course, receive
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.store import CEREMONIES, EVIDENCE, Files, ceremony_folders
from challenger.presign.coordinator.client import Log, Mail
from challenger.presign.coordinator.proof import CoordinatorFault
from challenger.presign.coordinator.wire import Envelope
from taproot.errors import InvalidInput, Misbehaviour, TimedOut, VerificationFailed
from taproot.hashes import sha256, tagged_hash

LOG = "mail.log"
LOBBY_ENTRIES = 500  # then the next lobby begins
Review = Callable[[Course], bool]  # looks at what is to be signed; calls `agree` and says yes, or says no


def lobby_of(policy: Registered, number: int = 0) -> bytes:
    """The log in which members of a policy find each other's proposals; the next one once it is full."""
    return tagged_hash("btc-l2/coordinator/lobby", policy.digest() + number.to_bytes(4))


def announce(desk: Desk, mail: Mail, proposed: Contribution) -> None:
    """Put a proposal into the last lobby, once."""
    lobbies = _lobbies(desk, mail)
    if all(envelope.content != proposed.to_bytes() for lobby in lobbies for envelope in lobby.entries):
        last, content = lobbies[-1], proposed.to_bytes()
        keep(desk, last.ceremony, _accusing(desk, lambda: mail.post(last, content)))


def find_proposals(desk: Desk, mail: Mail) -> list[bytes]:
    """Ids of the ceremonies in the lobbies, the oldest first; each proposal is taken in as a file would be.

    Raises Refused for a proposal that deviates from the registered policy.
    """
    found = []
    for envelope in (envelope for lobby in _lobbies(desk, mail) for envelope in lobby.entries):
        with suppress(TimedOut):  # one whose deadline is over concerns nobody any more
            found.append(_receive(desk, envelope)[1].ceremony)
    return found


def exchange_all(desk: Desk, mail: Mail) -> dict[bytes, int]:
    """Own files to the others and theirs here, for every ceremony that is not over; entries of each log by its id.

    What a person does is left to him: keys, review, signatures are the commands of the file ceremony.
    """
    for folder in ceremony_folders(desk.home):
        seat = _seat(desk, bytes.fromhex(folder.name))
        if seat.proposed.sender == desk.name and seat.deadline > desk.now():
            announce(desk, mail, seat.proposed)
    ids = dict.fromkeys(find_proposals(desk, mail))
    return {ceremony: exchange(desk, mail, ceremony).head.number for ceremony in ids}


def exchange(desk: Desk, mail: Mail, ceremony: bytes) -> Log:
    """Take in all messages of a ceremony, post all own files that are not there yet."""
    return _exchange(desk, mail, ceremony, fetch(desk, mail, ceremony))


def attend(
    desk: Desk, mail: Mail, ceremony: bytes, outpoints: Outpoints, review: Review, seconds: float = 3600.0
) -> dict[bytes, bytes]:
    """All signatures of a ceremony by message; its proposal has been taken in.

    `seconds` is how long he waits for the next message. Raises TimedOut naming those whose files are missing,
    Misbehaviour with the path of the evidence for a member or the coordinator at fault.
    """
    seat = _seat(desk, ceremony)
    if isinstance(seat, Ceremony) and seat.own(Round.KEYS, 0) is None:
        seat.give_keys(outpoints)
    log = fetch(desk, mail, ceremony)
    while True:
        log = _exchange(desk, mail, ceremony, log)
        seat = _seat(desk, ceremony)
        if seat.is_complete() and (seat.has_agreed() or review(seat)):
            if seat.sign():
                continue
            if seat.missing() is None:
                return seat.signatures()
        log = _wait(mail, seat, log, seconds)


def fetch(desk: Desk, mail: Mail, ceremony: bytes) -> Log:
    """The log from where he left off. A fault of the coordinator is written down before it is raised."""
    path = _log_path(desk, ceremony)
    log = Log.empty(ceremony)
    if path.exists():
        log = Log.from_bytes(ceremony, path.read_bytes(), mail.coordinator, mail.members)
    return _accusing(desk, lambda: mail.fetch(log))


def keep(desk: Desk, ceremony: bytes, log: Log) -> None:
    """Store what is known of a log, so that the coordinator cannot show another one after a restart."""
    path = _log_path(desk, ceremony)
    make_folder(path.parent)
    replace_file(path, log.to_bytes())


def _lobbies(desk: Desk, mail: Mail) -> list[Log]:
    """All lobbies up to the one that is not full."""
    lobbies: list[Log] = []
    while not lobbies or lobbies[-1].head.number >= LOBBY_ENTRIES:
        lobby = lobby_of(desk.policy, len(lobbies))
        lobbies.append(fetch(desk, mail, lobby))
        keep(desk, lobby, lobbies[-1])
    return lobbies


def _exchange(desk: Desk, mail: Mail, ceremony: bytes, log: Log) -> Log:
    """Take in all that is new, post all own files that are not there yet."""
    for envelope in log.entries:
        _receive(desk, envelope)
    posted = {envelope.content for envelope in log.entries}
    for own in _seat(desk, ceremony).own_files():
        if own.round not in PROPOSALS and own.to_bytes() not in posted:
            before = log
            log = _accusing(desk, partial(mail.post, before, own.to_bytes()))
            for envelope in log.entries[len(before.entries) :]:
                _receive(desk, envelope)
    keep(desk, ceremony, log)
    return log


def _receive(desk: Desk, envelope: Envelope) -> tuple[Course, Contribution, bool]:
    """Import a message; who posts what is no file of a ceremony is to blame for it."""
    try:
        return receive(desk, envelope.content)
    except (InvalidInput, VerificationFailed) as error:
        name = next((m.name for m in desk.policy.members if m.identity == envelope.sender), "somebody")
        path = desk.home / EVIDENCE / f"{name}.envelope.{sha256(envelope.content)[:4].hex()}.bin"
        make_folder(path.parent)
        write_once(path, envelope.to_bytes())
        raise Misbehaviour(name, f"posted what is no file of this ceremony ({error}); evidence: {path}") from error


def _wait(mail: Mail, seat: Course, log: Log, seconds: float) -> Log:
    number = log.head.number
    left = min(seconds, max(0.0, seat.deadline - seat.desk.now()))
    try:
        return _accusing(seat.desk, lambda: mail.wait(log, lambda known: known.head.number > number, left))
    except TimedOut as error:
        round_, attempt, names = seat.missing() or (seat.proposed.round, 0, ["nobody"])
        raise TimedOut(
            f"{error}; missing: {round_.value}.{attempt} of {', '.join(names)}, unless the coordinator holds it back; "
            "ask them for the files, or propose a new ceremony"
        ) from error


def _accusing(desk: Desk, act: Callable[[], Log]) -> Log:
    try:
        return act()
    except CoordinatorFault as fault:
        path = desk.home / EVIDENCE / f"coordinator.{sha256(fault.proof)[:4].hex()}.json"
        make_folder(path.parent)
        write_once(path, fault.proof)
        raise Misbehaviour(fault.party, f"{fault.evidence}; evidence: {path}") from fault


def _seat(desk: Desk, ceremony: bytes) -> Course:
    return open_course(desk, Files(desk.home / CEREMONIES / ceremony.hex()))


def _log_path(desk: Desk, ceremony: bytes) -> Path:
    return desk.home / "mail" / f"{ceremony.hex()}.{LOG}"


def identities(policy: Registered) -> Mapping[bytes, str]:
    """Identity key → name of all members: whom a coordinator of this policy serves."""
    return {bytes(member.identity): member.name for member in policy.members}
