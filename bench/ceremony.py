"""The signing ceremony by files, as one of n signers lives it: 2^32 steps, m operators, everybody else a challenger.

CPU time of one signer: keys, imports, graphs and review, nonces, parts, combining; graphs are made twice, by `review`
and by `combine`, as separate commands do. The others' work goes on in the same process and is not counted.
`python -m bench.ceremony N M …` measures other sizes.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from bench.figure import Figure, at_most, plain
from challenger.commit import GameId, public_keys
from challenger.cost import arities_of
from challenger.games import GameLibrary, constants_of
from challenger.keystore import KeySet
from challenger.presign.ceremony.agreement import Craft, Messages, Outpoints
from challenger.presign.ceremony.ceremony import Ceremony, begin
from challenger.presign.ceremony.contribution import Contribution
from challenger.presign.ceremony.reception import receive
from challenger.presign.ceremony.registered import Member, Registered
from challenger.presign.ceremony.result import make_bundles, write_folder
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.store import Files, ceremony_folders
from challenger.presign.review import grouped, holdings
from taproot.connectors.turn import Role
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.terms import Party, Terms
from taproot.tx import OutPoint

SIZES = ((2, 1), (3, 1), (5, 3))  # signers, operators
ASKED = (5, 3)
SECONDS, MIB, MB = 60, 2048, 50
T = TypeVar("T")


def measure() -> Iterator[Figure]:
    """The sizes of `SIZES`, in a process of its own."""
    for signers, operators in SIZES:
        yield from _figures(signers, operators, (signers, operators) == ASKED)


def _figures(signers: int, operators: int, is_asked: bool) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        run = _Run(Path(folder), signers, operators)
        run.play()
    what = f"{signers} signers, {operators} operators, {operators * (signers - 1)} games"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if is_asked:
        yield at_most(f"{what}: CPU of one signer", run.seconds, "s", SECONDS)
        yield at_most(f"{what}: peak memory", memory, "MiB", MIB)
        yield at_most(f"{what}: all bundles", run.bundle_bytes / 1e6, "MB", MB)
    else:
        yield plain(f"{what}: CPU of one signer", run.seconds, "s")
        yield plain(f"{what}: all bundles", run.bundle_bytes / 1e6, "MB")
    yield plain(f"{what}: signatures", run.signatures, "signatures")
    yield plain(f"{what}: files of one signer", run.sent_bytes / 1e6, "MB")


class _Run:
    """A ceremony; `seconds` is what the first signer spent."""

    def __init__(self, folder: Path, signers: int, operators: int) -> None:
        names = [f"s{k}" for k in range(signers)]
        keys = {name: KeySet.from_seed(sha256(name.encode())) for name in names}
        members = tuple(Member(Party(n, k.key.public_key), k.identity.x_only) for n, k in keys.items())
        terms = Terms(arities=arities_of(32, 4), exit_delay=20_000)
        policy = Registered(terms, members, tuple(names[:operators]), _program())
        craft = Craft(_keys, GameLibrary().scripts)
        self.desks = {
            n: Desk(folder / n, n, keys[n], policy, craft, folder / "nonces" / n, time.time) for n in names
        }
        self.me, self.folder, self.policy = names[0], folder, policy
        self.seconds, self.bundle_bytes, self.signatures, self.sent_bytes = 0.0, 0, 0, 0

    def play(self) -> None:
        depositor = Party("dora", SecretKey(sha256(b"dora")).public_key)
        proposed = begin(self.desks[self.me], depositor, OutPoint(sha256(b"d"), 0), int(time.time()) + 86_400).proposed
        self._share([proposed])
        self._share([self._mine(n, lambda n=n: self._seat(n).give_keys(self._outpoints(n))) for n in self.desks])  # type: ignore[misc]
        messages = self._counted(self._review)
        for name in self.desks:
            self._seat(name).agree(messages)
        while made := [c for n in self.desks for c in self._mine(n, lambda n=n: self._seat(n).sign())]:  # type: ignore[misc]
            self._share(made)
        self._counted(self._combine)
        self.sent_bytes = sum(len(c.to_bytes()) for c in self._seat(self.me).own_files())

    def _review(self) -> Messages:
        graphs = self._fresh().graphs()
        for graph in graphs.values():
            grouped(holdings(graph))
        return Messages.of(graphs)

    def _combine(self) -> None:
        seat = self._fresh()
        bundles = make_bundles(seat.proposals(), seat.graphs(), seat.signatures())
        manifest = write_folder(self.folder / "bundles", seat.plan, bundles)
        self.bundle_bytes = sum(row["bytes"] for row in manifest["operators"].values())
        self.signatures = sum(row["signatures"] for row in manifest["operators"].values())

    def _fresh(self) -> Ceremony:
        """The own seat, with a library that has built nothing yet, as a new command has."""
        desk = replace(self.desks[self.me], craft=Craft(_keys, GameLibrary().scripts))
        return Ceremony(desk, Files(next(iter(ceremony_folders(desk.home)))))

    def _seat(self, name: str) -> Ceremony:
        desk = self.desks[name]
        return Ceremony(desk, Files(next(iter(ceremony_folders(desk.home)))))

    def _share(self, files: Iterable[Contribution]) -> None:
        contents = [c.to_bytes() for c in files]
        for name, desk in self.desks.items():
            for content in contents:
                self._mine(name, lambda desk=desk, content=content: receive(desk, content))  # type: ignore[misc]

    def _mine(self, name: str, work: Callable[[], T]) -> T:
        return self._counted(work) if name == self.me else work()

    def _counted(self, work: Callable[[], T]) -> T:
        began = time.process_time()
        result = work()
        self.seconds += time.process_time() - began
        return result

    def _outpoints(self, name: str) -> Outpoints:
        def point(what: str) -> OutPoint:
            return OutPoint(sha256(f"{name} {what}".encode()), 0)

        bonds = {operator: point(operator) for operator in self.policy.operators if operator != name}
        is_operator = name in self.policy.operators
        return Outpoints((point("stake"),) if is_operator else (), point("ticket") if is_operator else None, bonds)


def _keys(seed: bytes, game: GameId, role: Role, terms: Terms) -> dict[str, bytes]:
    return public_keys(seed, game, role, terms.arities, terms.digest)


def _program() -> dict[str, bytes]:
    from btc_l2.guests import find_guest

    return constants_of(find_guest("hashchain").load_image())


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    for size in zip(numbers[::2], numbers[1::2], strict=True):
        for figure in _figures(*size, is_asked=True):
            print(figure)
