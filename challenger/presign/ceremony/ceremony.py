"""One member's side of a signing ceremony by files: what he takes in, what he sends next, what he has at the end.

    propose → keys → (review) → nonces → partials, confirm-nonces → confirm-partials → bundle

docs/spec/ceremony.md is normative; the stages of signing are in `signing`, the files' format in `contribution`.
"""

from __future__ import annotations

import json
from pathlib import Path

from challenger.presign.ceremony.agreement import (
    Messages,
    Outpoints,
    Plan,
    check_keys,
    encode_games,
    make_keys,
    make_proposals,
    own_keys,
    propose,
)
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.evidence import KEYS, TWO_FILES
from challenger.presign.ceremony.seat import Desk, Seat
from challenger.presign.ceremony.signing import CONFIRM, FIRST, Signing
from challenger.presign.ceremony.store import AGREED, CEREMONIES, RESTORED, SIGNATURES, Files
from challenger.presign.proposal import Proposal
from challenger.presign.vetting import vetted
from taproot.errors import InvalidInput, Misbehaviour, Refused, TimedOut
from taproot.graph import Graph
from taproot.terms import Party
from taproot.tx import OutPoint


def begin(desk: Desk, depositor: Party, deposit: OutPoint, deadline: int, salt: str | None = None) -> Ceremony:
    """Propose a new ceremony. Raises InvalidInput for a depositor who is a member, TimedOut if the deadline is past."""
    desk.check()
    body = propose(desk.policy, depositor, deposit, deadline, salt)
    made = Contribution.make(desk.keys.identity, desk.name, Round.PROPOSE, 0, desk.policy.digest(), body)
    return _open(desk, made)


def receive(desk: Desk, content: bytes) -> tuple[Ceremony, Contribution, bool]:
    """Take in a file: the ceremony it belongs to, what it is, whether it is new.

    Parameters are compared before anything else. Raises Refused for another policy than the registered one,
    VerificationFailed for a signature that does not check, Misbehaviour for what its sender is to blame for,
    InvalidInput for a file of no ceremony that is known here, TimedOut after the deadline.
    """
    given = Contribution.from_bytes(content)
    if given.round is Round.PROPOSE:
        _compare_policy(desk, given)
    given.verify(desk.policy.member(given.sender).identity)
    if given.policy != desk.policy.digest():
        raise Refused(f"{given.file_name} of {given.sender} follows another policy than the registered one; "
                      "a deviation cannot be overridden")  # fmt: skip
    if given.round is Round.PROPOSE:
        known = (_folder(desk, given) / given.file_name).exists()
        return _open(desk, given), given, not known
    if not _folder(desk, given).is_dir():
        raise InvalidInput(f"{given.file_name} belongs to ceremony {given.ceremony.hex()[:8]}, not known here; "
                           "import its proposal first")  # fmt: skip
    ceremony = Ceremony(desk, Files(_folder(desk, given)))
    return ceremony, given, ceremony.take(given)


def _compare_policy(desk: Desk, given: Contribution) -> None:
    differences = desk.policy.differences(Plan.of(given).policy)
    if differences:
        raise Refused("the proposal deviates from the registered policy, which cannot be overridden; "
                      + "; ".join(differences[:5]))  # fmt: skip


def _folder(desk: Desk, given: Contribution) -> Path:
    return desk.home / CEREMONIES / given.ceremony.hex()


def _open(desk: Desk, proposed: Contribution) -> Ceremony:
    if Plan.of(proposed).deadline <= desk.now():
        raise TimedOut("the deadline of this ceremony is over; let somebody propose a new one")
    Files(_folder(desk, proposed)).add(proposed)
    return Ceremony(desk, Files(_folder(desk, proposed)))


class Ceremony(Seat):
    """A ceremony in its folder."""

    def __init__(self, desk: Desk, files: Files) -> None:
        """Raises as `Seat`, InvalidInput for a proposal of another structure."""
        super().__init__(desk, files)
        self.plan = Plan.of(self.proposed)

    def take(self, given: Contribution) -> bool:
        """Keep a file of this ceremony whose signature was checked; says whether it is new."""
        known = self.files.find(given.round, given.attempt, given.sender)
        if known is not None and known.digest == given.digest:
            return False
        if known is not None:
            with self.accusing(TWO_FILES, [known, given]):
                raise Misbehaviour(given.sender, f"signed two different files {given.file_name}")
        self._check_time()
        if given.round is Round.KEYS:
            with self.accusing(KEYS, [self.proposed, given]):
                check_keys(self.plan, self.desk.craft, given)
            self._check_own(given)
        self.files.add(given)
        return True

    def give_keys(self, outpoints: Outpoints) -> Contribution:
        """Own one-time keys and outpoints; the same file if it was made before. Raises InvalidInput for wrong ones."""
        self._check_time()
        body = make_keys(self.plan, self.desk.craft, self.desk.keys.one_time, self.desk.name, outpoints)
        return self.send(Round.KEYS, 0, body)

    def agree(self, messages: Messages) -> None:
        """Keep the person's consent to these graphs; from now on nonces and parts for them leave. Once."""
        self._check_time()
        self.files.write(AGREED, json.dumps(messages.to_json()).encode())

    def sign(self, again: bool = False, resume: bool = False) -> list[Contribution]:
        """Everything that can be sent now and was not yet: nonces, parts of signatures.

        `again` begins a new attempt of the stage that is under way; `resume` says, after a restore, that all files
        which exist were imported, the own ones too. Raises Refused before the review, Misbehaviour naming the one at
        fault, TimedOut after the deadline.
        """
        self._check_time()
        signing = self._signing()
        self._check_restored(resume)
        sent: list[Contribution] = []
        while made := signing.advance(again and not sent):
            sent.append(made)
        return sent

    def own_files(self) -> list[Contribution]:
        """All that was sent, for another medium."""
        return self.files.sent_by(self.desk.name)

    def proposals(self) -> dict[str, Proposal]:
        """A proposal per operator. Raises Unavailable naming those whose keys are missing."""
        self.need(Round.KEYS, 0)
        return make_proposals(self.plan, self.files.of(Round.KEYS))

    def graphs(self) -> dict[str, Graph]:
        """The graph of each operator, made here.

        Raises as `proposals`, InvalidInput if no graph can be made, Refused as `check_relayable`.
        """
        return {op: vetted(p.build_graph(self.desk.craft.build_games)) for op, p in self.proposals().items()}

    def has_agreed(self) -> bool:
        """Whether the member has said yes after his review."""
        return self.files.read(AGREED) is not None

    def signatures(self) -> dict[bytes, bytes]:
        """All signatures by message. Raises Unavailable naming what is missing, Misbehaviour for a wrong part."""
        signing = self._signing()
        made: dict[bytes, bytes] = {}
        for stage in (FIRST, CONFIRM):
            joined = signing.join(stage)
            if joined is None:
                signing.need(stage.nonces)
                signing.need(stage.partials)
            made |= joined or {}
        return made

    def missing(self) -> tuple[Round, int, list[str]] | None:
        """The round that is under way, its attempt, those whose files are not here; None if nothing is missing."""
        if absent := self.absent(Round.KEYS, 0):
            return Round.KEYS, 0, absent
        first_is_signed = self.files.read(SIGNATURES) is not None
        for stage in (CONFIRM,) if first_is_signed else (FIRST, CONFIRM):
            attempt = max(self.files.attempts(stage.nonces), 1)
            for round_ in (stage.nonces, stage.partials):
                if absent := self.absent(round_, attempt):
                    return round_, attempt, absent
        return None

    def _signing(self) -> Signing:
        content = self.files.read(AGREED)
        if content is None:
            raise Refused("nothing is signed before you have looked at it; run `btc-l2 signer review` first")
        return Signing(self.desk, self.files, Messages.from_json(json.loads(content)))

    def _check_own(self, given: Contribution) -> None:
        """Keys in the own name must be the own ones: they can come back after a restore, not from somebody else."""
        if given.sender == self.desk.name:
            made = own_keys(self.plan, self.desk.craft, self.desk.keys.one_time, self.desk.name)
            if encode_games(made) != given.body["keys"]:
                raise Refused("keys in your own name that are not yours; your keystore is another one")

    def _check_time(self) -> None:
        if self.desk.now() > self.plan.deadline:
            round_, _, names = self.missing() or (Round.PROPOSE, 0, ["nobody"])
            raise TimedOut(f"the deadline of this ceremony is over, missing: {round_.value} of {', '.join(names)}; "
                           "propose a new one")  # fmt: skip

    def _check_restored(self, resume: bool) -> None:
        if self.files.read(RESTORED) is None:
            return
        if not resume:
            raise Refused("this folder came from a backup; import every file of the ceremony that exists, yours too, "
                          "then sign with --resume")  # fmt: skip
        self.files.forget(RESTORED)
