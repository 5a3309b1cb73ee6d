"""Signers of scenarios who may die: those of a ceremony by files, and those who sign live, with nonces in memory.

A settlement is signed live: a call to a signer has a point before and one after. What was begun is given up by all and
begun again with fresh nonces; whoever did not die is the same object as before, with whatever it still has. Every use
of a secret nonce is noted, also of one whose signature never left.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import regtest.cooperation as cooperation
import regtest.scenarios.cooperative_cancel as cooperative_cancel
import regtest.scenarios.signer_offline as signer_offline
import regtest.scenarios.signer_restarts as signer_restarts
from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.contribution import Contribution, Round
from challenger.presign.ceremony.reception import receive
from challenger.presign.session import run_ceremony
from challenger.presign.settlement import LiveSigner, sign_settlement
from challenger.presign.signer import Signer
from regtest.ceremony import Table
from regtest.crashes.points import MOST_LIVES, Died, Watch
from regtest.eve import Eve
from regtest.outcome import expect
from regtest.story import Stage
from regtest.trouble import Offline
from taproot.keys import SecretKey
from taproot.musig2 import SecretNonce, Session
from taproot.presigned import Graph
from taproot.tx import Transaction

T = TypeVar("T")
CALLS = ("digest", "public_nonces", "partial_signatures", "see_signatures")


class MortalSigner:
    """Passes every call on to a signer who may die before it, or with an answer that never leaves."""

    def __init__(self, signer: Any, watch: Watch) -> None:
        self._signer, self._watch = signer, watch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._signer, name)
        return self._watched(name, found) if name in CALLS else found

    def _watched(self, name: str, call: Callable[..., T]) -> Callable[..., T]:
        def called(*given: Any) -> T:
            with self._watch.acting(self._signer.name):
                self._watch.reach("call before", name)
                answer = call(*given)
                self._watch.reach("call after", name)
            return answer

        return called


def sign_mortally(
    watch: Watch, run: Callable[[Sequence[Any]], T], signers: Sequence[Any], revive: Callable[[Any], Any]
) -> T:
    """Begun again by all whenever somebody died."""
    for _ in range(MOST_LIVES):
        try:
            return run([MortalSigner(s, watch) for s in signers])
        except Died as died:
            watch.bury(died.party)
            signers = [_anew(revive(s) if s.name == died.party else s) for s in signers]
    raise AssertionError("the signers do not come to an end")


def _anew(signer: Any) -> Any:
    """Who goes away at a call of a ceremony counts the calls of each ceremony."""
    return Offline(signer._signer, signer._at) if isinstance(signer, Offline) else signer


def _live_signer(dead: LiveSigner) -> LiveSigner:
    return LiveSigner(dead.name, dead._secret, dead.graph, dead._approve)


def _signer(scene: Stage | Eve, dead: Any) -> Any:
    """A new process of the same signer: he makes the graph again and has no nonce."""
    assert isinstance(scene, Eve)
    found = next(s for s in signer_restarts.make_signers(scene) if s.name == dead.name)
    return Offline(found, dead._at) if isinstance(dead, Offline) else found


def mortal_table(watch: Watch) -> Callable[[Eve, Path], Table]:
    """A table at which each member is a process of his own."""

    class MortalTable(Table):
        """See `Table`."""

        def __init__(self, eve: Eve, folder: Path) -> None:
            watch.homes.update({party.name: (folder / party.name,) for party in eve.cast.parties.cosigners})
            super().__init__(eve, folder)

        def make(self, round_: Round, names: Sequence[str]) -> list[Contribution]:
            """See `Table.make`."""
            make = super().make
            return [c for n in names for c in watch.live(n, lambda n=n: make(round_, [n]))]  # type: ignore[misc]

        def pass_on(self, files: Iterable[Contribution]) -> None:
            """See `Table.pass_on`."""
            for given in files:
                for name, desk in self.desks.items():
                    watch.live(name, lambda d=desk, g=given: receive(d, g.to_bytes()))  # type: ignore[misc]

        def agree(self) -> None:
            """See `Table.agree`."""
            for name in self.desks:
                watch.live(name, lambda name=name: self._agree(name))  # type: ignore[misc]

        def _agree(self, name: str) -> None:
            seat = self.seat(name)
            seat.agree(Messages.of(seat.graphs()))

    return MortalTable


@contextlib.contextmanager
def mortal_signers(watch: Watch, scenes: Sequence[Stage | Eve]) -> Iterator[None]:
    """The scenarios' signers may die while the block runs; `scenes` are there when somebody signs."""

    def settle(settlement: Graph, signers: Sequence[LiveSigner]) -> Transaction:
        return sign_mortally(watch, lambda s: sign_settlement(settlement, s), signers, _live_signer)

    def ceremony(graph: Graph, signers: Sequence[Signer]) -> Any:
        return sign_mortally(watch, lambda s: run_ceremony(graph, s), signers, lambda s: _signer(scenes[0], s))

    places: list[tuple[Any, str, Any]] = [
        (signer_offline, "Table", mortal_table(watch)), (signer_restarts, "run_ceremony", ceremony),
        (cooperation, "sign_settlement", settle), (cooperative_cancel, "sign_settlement", settle),
    ]  # fmt: skip
    kept = [getattr(module, name) for module, name, _ in places]
    for module, name, mortal in places:
        setattr(module, name, mortal)
    try:
        yield
    finally:
        for (module, name, _), before in zip(places, kept, strict=True):
            setattr(module, name, before)


@dataclass(slots=True)
class Diary:
    """Uses of secret nonces by public nonce: with which joined nonce, for which message."""

    uses: dict[bytes, set[tuple[bytes, bytes]]] = field(default_factory=lambda: defaultdict(set))

    def check(self) -> int:
        """Raises VerificationFailed for a nonce of two uses; how many nonces signed."""
        twice = [public.hex()[:16] for public, uses in self.uses.items() if len(uses) > 1]
        expect(not twice, f"nonces {', '.join(twice)} were used twice")
        return len(self.uses)


@contextlib.contextmanager
def noting_nonces() -> Iterator[Diary]:
    """Every `Session.partial_sign` while the block runs."""
    diary, begin, sign = Diary(), Session.__init__, Session.partial_sign
    joined: dict[int, bytes] = {}

    def remember(self: Session, keyagg: Any, aggregate_nonce: bytes, message: bytes) -> None:
        begin(self, keyagg, aggregate_nonce, message)
        joined[id(self)] = aggregate_nonce

    def noted(self: Session, nonce: SecretNonce, secret: SecretKey) -> bytes:
        diary.uses[nonce.public].add((joined[id(self)], self.message))
        return sign(self, nonce, secret)

    Session.__init__ = remember  # type: ignore[method-assign]
    Session.partial_sign = noted  # type: ignore[method-assign]
    try:
        yield diary
    finally:
        Session.__init__ = begin  # type: ignore[method-assign]
        Session.partial_sign = sign  # type: ignore[method-assign]
