"""The two stages of signing: everything but `confirm`, then `confirm`; in each, nonces, then parts of signatures.

A stage has attempts. An attempt's nonces sign once; if one member's are lost (a crash, a reboot, a restored backup), he
begins the next attempt and all others follow with fresh ones. Parts for `confirm` leave only when all signatures of the
first stage have been checked and are on the disk; its nonces may leave before, they sign nothing. A settlement has no
`confirm`: its ceremony ends with the first stage.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.contribution import MOST_ATTEMPTS, Contribution, Round, digest_of, pack
from challenger.presign.ceremony.evidence import GRAPHS, NONCES, PARTIALS
from challenger.presign.ceremony.joining import check_graphs, check_heard, check_messages
from challenger.presign.ceremony.nonces import NonceHalves, Slot, check_outside, make_nonces
from challenger.presign.ceremony.seat import Desk, Seat
from challenger.presign.ceremony.share import (
    check_nonces,
    check_shares,
    join_nonces,
    join_shares,
    make_parts,
    make_signatures,
)
from challenger.presign.ceremony.store import AGREED, SIGNATURES, Files, ceremony_folders
from taproot.errors import Misbehaviour, Refused, VerificationFailed
from taproot.musig2 import SecretNonce

Joined = dict[bytes, bytes]  # message → signature


@dataclass(frozen=True, slots=True)
class Stage:
    """The two rounds of a stage."""

    nonces: Round
    partials: Round


FIRST, CONFIRM = Stage(Round.NONCES, Round.PARTIALS), Stage(Round.CONFIRM_NONCES, Round.CONFIRM_PARTIALS)


class Signing(Seat):
    """Signing the messages that the member has agreed to."""

    def __init__(self, desk: Desk, files: Files, messages: Messages) -> None:
        """Raises Misbehaviour naming a member who made other graphs, VerificationFailed where files were exchanged."""
        super().__init__(desk, files)
        self._messages = messages
        self._cosigners = desk.policy.n_of_n()
        self._halves = NonceHalves(files.folder, _outside(desk), self.proposed.ceremony, desk.keys.nonce)
        self._check_graphs()

    def advance(self, again: bool = False) -> Contribution | None:
        """The next own file, None if others have to send first; `again`: a new attempt of the stage under way."""
        stage = self._under_way()
        if stage is None:
            return None
        if again:
            return self._send_nonces(stage, self.files.attempts(stage.nonces) + 1)
        if stage is CONFIRM:
            return None if self.join(CONFIRM) is not None else self._advance(CONFIRM)
        if self.join(FIRST) is not None:
            return self.advance()
        made = self._advance(FIRST)
        waits = self.own(FIRST.partials, self.files.attempts(FIRST.nonces)) is not None and self._messages.confirm
        return self._advance(CONFIRM, may_sign=False) if made is None and waits else made

    def pending(self) -> tuple[bytes, ...]:
        """The messages of the stage under way, if the own part of it has not left yet."""
        stage = self._under_way()
        if stage is FIRST and self.join(FIRST) is not None:
            stage = self._under_way()
        if stage is None or self.own(stage.partials, self.files.attempts(stage.nonces)) is not None:
            return ()
        return tuple(self._messages.of_round(stage.nonces))

    def _under_way(self) -> Stage | None:
        """The stage whose signatures are not all here; None where there is no `confirm` to come."""
        if self.files.read(SIGNATURES) is None:
            return FIRST
        return CONFIRM if self._messages.confirm else None

    def join(self, stage: Stage) -> Joined | None:
        """The signatures of a stage, None while files are missing; those of the first are kept.

        Raises Misbehaviour for a wrong part in the newest attempt.
        """
        signed = self._messages.of_round(stage.nonces)
        kept = self.files.read(SIGNATURES) if stage is FIRST else None
        if kept is not None:
            size = self._cosigners.signature_bytes
            parts = [kept[i : i + size] for i in range(0, len(kept), size)]
            return dict(zip(signed, parts, strict=True))
        newest = self.files.attempts(stage.nonces)
        for attempt in range(newest, 0, -1):
            joined = self._join_attempt(stage, attempt, is_newest=attempt == newest)
            if joined is not None and stage is FIRST:
                self.files.write(SIGNATURES, b"".join(joined[m] for m in signed))
            if joined is not None:
                return joined
        return None

    def need(self, round_: Round, attempt: int = 0) -> None:
        """As for every seat; without an attempt the newest one."""
        nonces = FIRST.nonces if round_ in (FIRST.nonces, FIRST.partials) else CONFIRM.nonces
        super().need(round_, attempt or max(self.files.attempts(nonces), 1))

    def _advance(self, stage: Stage, may_sign: bool = True) -> Contribution | None:
        attempt = self.files.attempts(stage.nonces)
        if not attempt or self.own(stage.nonces, attempt) is None:
            return self._send_nonces(stage, max(attempt, 1))
        if self.own(stage.partials, attempt) is not None:
            return None
        if not self._is_plain and not self._halves.is_there(self._slot(stage, attempt)):
            return self._send_nonces(stage, attempt + 1)
        if not may_sign or self.absent(stage.nonces, attempt):
            return None
        return self._send_partials(stage, attempt)

    def _slot(self, stage: Stage, attempt: int) -> Slot:
        return Slot(stage.nonces, attempt, digest_of(self._messages.of_round(stage.nonces)))

    def _send_nonces(self, stage: Stage, attempt: int) -> Contribution:
        if attempt > MOST_ATTEMPTS:
            raise Refused(f"{MOST_ATTEMPTS} attempts failed; settle who delays and propose a new ceremony")
        slot, signed = self._slot(stage, attempt), self._messages.of_round(stage.nonces)
        made = [] if self._is_plain else self._make_nonces(self._halves.open(slot), signed)
        body = {
            "graphs": {operator: digest.hex() for operator, digest in self._messages.graphs.items()},
            "heard": self.heard(Round.KEYS, 0), "messages": slot.messages.hex(),
            "nonces": pack([nonce.public for nonce in made]),
        }  # fmt: skip
        return self.send(stage.nonces, attempt, body)

    def _send_partials(self, stage: Stage, attempt: int) -> Contribution:
        """All checks come before the nonces are taken; after that they exist in this call only."""
        slot, signed = self._slot(stage, attempt), self._messages.of_round(stage.nonces)
        given, joined = self._join_nonces(stage, attempt)
        if self._is_plain:
            self._check_confirmed_nowhere()
            own_key, desk = self._cosigners.plain[self.desk.name], self.desk
            parts = make_signatures(own_key, desk.keys, signed, desk.elsewhere)
        else:
            own = self._make_nonces(self._halves.take(slot), signed)
            if pack([n.public for n in own]) != given[self.desk.name].body["nonces"]:
                raise Refused("the nonces at hand are not those that were sent; sign again to begin a new attempt")
            parts = make_parts(self._cosigners, self.desk.keys.key, signed, joined, own)
        heard = self.heard(stage.nonces, attempt)
        body = {"heard": heard, "messages": slot.messages.hex(), "partials": pack(parts)}
        return self.send(stage.partials, attempt, body)

    def _check_confirmed_nowhere(self) -> None:
        """A plain signer's signature of `confirm` is good in every ceremony of the deposit, a MuSig2 part is not."""
        mine = {m.hex() for m in self._messages.confirm}
        for folder in ceremony_folders(self.desk.home):
            files, last = Files(folder), CONFIRM.partials
            agreed = files.read(AGREED)
            attempts = range(1, files.attempts(last) + 1)
            if folder == self.files.folder or agreed is None or not mine & set(json.loads(agreed)["confirm"]):
                continue
            if any(self.desk.name in files.senders(last, attempt) for attempt in attempts):
                raise Refused(
                    f"the others have your signature of `confirm` from ceremony {folder.name[:8]}; a second graph of "
                    "the deposit could stand before you hold its signatures; finish the first, or let it be refunded"
                )

    @property
    def _is_plain(self) -> bool:
        return self.desk.name in self._cosigners.plain

    def _make_nonces(self, seed: bytes, signed: Sequence[bytes]) -> list[SecretNonce]:
        return make_nonces(seed, self.desk.keys.key, signed, self._cosigners.aggregate)

    def _join_nonces(self, stage: Stage, attempt: int) -> tuple[dict[str, Contribution], list[bytes]]:
        """Everybody's files, and the joined nonces; looked at one by one only if they cannot be joined."""
        signed, given = self._messages.of_round(stage.nonces), self.files.of(stage.nonces, attempt)
        try:
            return given, join_nonces(given, len(signed), self._cosigners)
        except Misbehaviour as found:
            guilty = given[found.party]
            with self.accusing(NONCES, [guilty], signed):
                check_nonces(guilty, len(signed), self._cosigners)
            raise

    def _join_attempt(self, stage: Stage, attempt: int, is_newest: bool) -> Joined | None:
        """The signatures of an attempt; a failed one that was given up for another is passed over."""
        if self.absent(stage.nonces, attempt) or self.absent(stage.partials, attempt):
            return None
        try:
            return self._join_files(stage, attempt)
        except (Misbehaviour, VerificationFailed):
            if is_newest:
                raise
            return None

    def _join_files(self, stage: Stage, attempt: int) -> Joined:
        (given, joined), parts = self._join_nonces(stage, attempt), self.files.of(stage.partials, attempt)
        signed = self._messages.of_round(stage.nonces)
        for contribution in parts.values():
            check_heard(contribution, given)
        try:
            return join_shares(signed, given, joined, parts, self._cosigners)
        except Misbehaviour as found:
            guilty = parts[found.party]
            with self.accusing(PARTIALS, [*given.values(), guilty], signed):
                check_shares(signed, given, guilty, self._cosigners)
            raise

    def _check_graphs(self) -> None:
        """Everybody's nonces and parts are for the graphs that I made from the same files."""
        keys = self.files.of(Round.KEYS)
        for stage in (FIRST, CONFIRM):
            for attempt in range(1, self.files.attempts(stage.nonces) + 1):
                for nonces in self.files.of(stage.nonces, attempt).values():
                    self._check_sender(keys, nonces, self.files.find(stage.partials, attempt, nonces.sender))

    def _check_sender(self, keys: dict[str, Contribution], nonces: Contribution, parts: Contribution | None) -> None:
        check_heard(nonces, keys)
        with self.accusing(GRAPHS, [self.proposed, *keys.values(), nonces]):
            check_graphs(nonces, self._messages)
        if parts is not None:
            with self.accusing(GRAPHS, [self.proposed, *keys.values(), nonces, parts]):
                check_messages(parts, self._messages.of_round(parts.round))



def _outside(desk: Desk) -> Path | None:
    return None if desk.outside is None else check_outside(desk.outside, desk.home)
