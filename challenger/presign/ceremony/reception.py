"""Where files come in: the ceremony they belong to, of whatever kind, is opened or found."""

from __future__ import annotations

from challenger.presign.ceremony.accord import Accord
from challenger.presign.ceremony.agreement import Plan
from challenger.presign.ceremony.ceremony import Ceremony
from challenger.presign.ceremony.contribution import PROPOSALS, Contribution, Round
from challenger.presign.ceremony.course import Course, folder_of, open_folder
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.settling import Settling
from challenger.presign.ceremony.store import Files
from taproot.errors import InvalidInput, Refused


def open_course(desk: Desk, files: Files) -> Course:
    """The ceremony of a folder. Raises InvalidInput if it holds no proposal."""
    return Settling(desk, files) if files.senders(Round.SETTLE) else Ceremony(desk, files)


def receive(desk: Desk, content: bytes) -> tuple[Course, Contribution, bool]:
    """Take in a file: the ceremony it belongs to, what it is, whether it is new.

    Parameters are compared before anything else. Raises Refused for another policy than the registered one,
    VerificationFailed for a signature that does not check, Misbehaviour for what its sender is to blame for,
    InvalidInput for a file of no ceremony that is known here, TimedOut after the deadline.
    """
    given = Contribution.from_bytes(content)
    if given.round in PROPOSALS:
        _compare_policy(desk, given)
    given.verify(desk.policy.member(given.sender).identity)
    if given.policy != desk.policy.digest():
        raise Refused(f"{given.file_name} of {given.sender} follows another policy than the registered one; "
                      "a deviation cannot be overridden")  # fmt: skip
    if given.round in PROPOSALS:
        known = (folder_of(desk, given) / given.file_name).exists()
        return open_course(desk, open_folder(desk, given, _plan_of(given).deadline)), given, not known
    if not folder_of(desk, given).is_dir():
        raise InvalidInput(f"{given.file_name} belongs to ceremony {given.ceremony.hex()[:8]}, not known here; "
                           "import its proposal first")  # fmt: skip
    course = open_course(desk, Files(folder_of(desk, given)))
    return course, given, course.take(given)


def _plan_of(proposed: Contribution) -> Plan | Accord:
    return Accord.of(proposed) if proposed.round is Round.SETTLE else Plan.of(proposed)


def _compare_policy(desk: Desk, given: Contribution) -> None:
    differences = desk.policy.differences(_plan_of(given).policy)
    if differences:
        raise Refused("the proposal deviates from the registered policy, which cannot be overridden; "
                      + "; ".join(differences[:5]))  # fmt: skip
