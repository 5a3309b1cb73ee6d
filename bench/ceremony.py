"""The signing ceremony by files, as one of n signers lives it: 2^32 steps, m operators, everybody else a challenger.

CPU time of one signer: keys, imports, graphs and review, nonces, parts, combining; graphs are made twice, by `review`
and by `combine`, as separate commands do. The others are the shortest code that answers with valid files: they look at
nothing, and their time is not counted. `python -m bench.ceremony N M` measures one size in this process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.figure import Figure, at_most, plain
from challenger.commit import GameId, public_keys
from challenger.cost import arities_of
from challenger.games import GameLibrary, constants_of
from challenger.keystore import KeySet
from challenger.presign.ceremony.agreement import Craft, Messages, Outpoints, make_keys
from challenger.presign.ceremony.ceremony import Ceremony, begin
from challenger.presign.ceremony.contribution import Contribution, Round, digest_of, pack
from challenger.presign.ceremony.reception import receive
from challenger.presign.ceremony.registered import Member, Registered
from challenger.presign.ceremony.result import make_bundles, write_folder
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.share import join_nonces
from challenger.presign.ceremony.store import Files, ceremony_folders
from challenger.presign.review import grouped, holdings
from taproot.connectors.turn import Role
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.musig2 import SecretNonce, Session
from taproot.parties import Party
from taproot.secp256k1 import ffi
from taproot.terms import Terms
from taproot.tx import OutPoint

SIZES = ((2, 1), (3, 1), (5, 3))  # signers, operators
ASKED = (5, 3)
SECONDS, MIB, MB = 60, 2048, 50
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one signer of a ceremony needs and makes."""

    signers: int
    operators: int
    seconds: float  # of the processor
    by_step: dict[str, float]
    mebibytes: float
    signatures: int
    bundle_bytes: int  # of all operators
    sent_bytes: dict[str, int]  # own files by round

    @property
    def title(self) -> str:
        """The size in words."""
        operators = "1 operator" if self.operators == 1 else f"{self.operators} operators"
        games = self.operators * (self.signers - 1)
        return f"{self.signers} signers, {operators}, {games} {'game' if games == 1 else 'games'}"


def measure() -> Iterator[Figure]:
    """The sizes of `SIZES`."""
    for signers, operators in SIZES:
        found = measure_apart(signers, operators)
        yield from figures(found, (signers, operators) == ASKED)


def measure_apart(signers: int, operators: int) -> Measured:
    """One size in a process of its own: the peak of memory is its own."""
    command = [sys.executable, "-m", "bench.ceremony", str(signers), str(operators)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Measured(**json.loads(done.stdout))


def figures(found: Measured, is_asked: bool) -> Iterator[Figure]:
    """The lines of a size, with what is asked of it."""
    rows = (
        ("CPU of one signer", found.seconds, "s", SECONDS),
        ("peak memory", found.mebibytes, "MiB", MIB),
        ("all bundles", found.bundle_bytes / 1e6, "MB", MB),
    )
    for what, number, unit, bound in rows:
        title = f"{found.title}: {what}"
        yield at_most(title, number, unit, bound) if is_asked else plain(title, number, unit)
    yield plain(f"{found.title}: signatures", found.signatures, "signatures")
    yield plain(f"{found.title}: files of one signer", sum(found.sent_bytes.values()) / 1e6, "MB")


class _Run:
    """A ceremony; `seconds` is what the first signer spent, by what he did."""

    def __init__(self, folder: Path, signers: int, operators: int) -> None:
        names = [f"s{k}" for k in range(signers)]
        self.keys = {name: KeySet.from_seed(sha256(name.encode())) for name in names}
        members = tuple(Member(Party(n, k.key.public_key), k.identity.x_only) for n, k in self.keys.items())
        terms = Terms(arities=arities_of(32, 4), exit_delay=20_000)
        self.policy = Registered(terms, members, tuple(names[:operators]), _program())
        self.me, self.others, self.folder = names[0], names[1:], folder
        self.home = folder / self.me
        self.seconds: dict[str, float] = defaultdict(float)

    def play(self) -> Measured:
        depositor = Party("dora", SecretKey(sha256(b"dora")).public_key)
        at = OutPoint(sha256(b"d"), 0)
        begin(self._desk(), depositor, at, int(time.time()) + 86_400)
        self._counted("keys", lambda: self._seat().give_keys(self._outpoints(self.me)))
        self._receive("imports", [self._other_keys(name) for name in self.others])
        messages = self._counted("review", self._review)
        self._seat().agree(messages)
        self._counted("nonces", lambda: self._seat().sign())
        while (waiting := self._seat().missing()) is not None:
            round_, attempt, names = waiting
            self._receive("imports", self._answers(round_, attempt, names, messages))
            self._counted("parts", lambda: self._seat().sign())
        rows = self._counted("combine", self._combine)["operators"].values()
        sent = {c.round.value: len(c.to_bytes()) for c in self._seat().own_files()}
        return Measured(
            1 + len(self.others), len(self.policy.operators), sum(self.seconds.values()), dict(self.seconds),
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, sum(row["signatures"] for row in rows),
            sum(row["bytes"] for row in rows), sent,
        )  # fmt: skip

    def _review(self) -> Messages:
        graphs = self._seat().graphs()
        for graph in graphs.values():
            grouped(holdings(graph))
        return Messages.of(graphs)

    def _combine(self) -> dict[str, Any]:
        seat = self._seat()
        bundles = make_bundles(seat.proposals(), seat.graphs(), seat.signatures())
        return write_folder(self.folder / "bundles", seat.plan, bundles)

    def _desk(self) -> Desk:
        """A library that has built nothing yet, as a new command has."""
        craft = Craft(_keys, GameLibrary().scripts)
        return Desk(self.home, self.me, self.keys[self.me], self.policy, craft, self.folder / "nonces", time.time)

    def _seat(self) -> Ceremony:
        return Ceremony(self._desk(), Files(next(iter(ceremony_folders(self.home)))))

    def _receive(self, what: str, given: Sequence[Contribution]) -> None:
        for content in [c.to_bytes() for c in given]:
            self._counted(what, lambda content=content: receive(self._desk(), content))  # type: ignore[misc]

    def _counted(self, what: str, work: Callable[[], T]) -> T:
        began = time.process_time()
        result = work()
        self.seconds[what] += time.process_time() - began
        return result

    # ---- the others ------------------------------------------------------------------------------------

    def _other_keys(self, name: str) -> Contribution:
        seat = self._seat()
        body = make_keys(seat.plan, seat.desk.craft, self.keys[name].one_time, name, self._outpoints(name))
        return self._signed(name, Round.KEYS, 0, body)

    def _answers(self, round_: Round, attempt: int, names: Sequence[str], messages: Messages) -> list[Contribution]:
        """Files of a round by the others; their nonces are kept until their parts are asked for."""
        signed = messages.of_round(round_)
        if round_ in (Round.NONCES, Round.CONFIRM_NONCES):
            self._nonces = {name: self._make_nonce(name) for name in names}
            graphs = {operator: digest.hex() for operator, digest in messages.graphs.items()}
            head = {"graphs": graphs, "heard": self._seat().heard(Round.KEYS, 0), "messages": digest_of(signed).hex()}
            bodies = {n: {**head, "nonces": pack([made.public] * len(signed))} for n, made in self._nonces.items()}
        else:
            nonces = Round.NONCES if round_ is Round.PARTIALS else Round.CONFIRM_NONCES
            head = {"heard": self._seat().heard(nonces, attempt), "messages": digest_of(signed).hex()}
            bodies = {n: {**head, "partials": pack(parts)} for n, parts in self._parts(nonces, attempt, signed).items()}
        return [self._signed(name, round_, attempt, body) for name, body in bodies.items()]

    def _make_nonce(self, name: str) -> SecretNonce:
        """One for all messages, which gives his key away: here nobody owns anything, and it is as quick as can be."""
        return SecretNonce.generate(self.keys[name].key, bytes(32), self.policy.n_of_n().aggregate)

    def _parts(self, nonces: Round, attempt: int, signed: Sequence[bytes]) -> dict[str, list[bytes]]:
        cosigners = self.policy.n_of_n()
        joined = join_nonces(self._seat().files.of(nonces, attempt), len(signed), cosigners)
        sessions = [Session(cosigners.aggregate, j, message) for j, message in zip(joined, signed, strict=True)]
        return {
            name: [s.partial_sign(_copied(made, s.message), self.keys[name].key) for s in sessions]
            for name, made in self._nonces.items()
        }

    def _signed(self, name: str, round_: Round, attempt: int, body: dict[str, Any]) -> Contribution:
        ceremony, policy = self._seat().plan.ceremony, self.policy.digest()
        return Contribution.make(self.keys[name].identity, name, round_, attempt, policy, body, ceremony)

    def _outpoints(self, name: str) -> Outpoints:
        def point(what: str) -> OutPoint:
            return OutPoint(sha256(f"{name} {what}".encode()), 0)

        bonds = {operator: point(operator) for operator in self.policy.operators if operator != name}
        is_operator = name in self.policy.operators
        return Outpoints((point("stake"),) if is_operator else (), point("ticket") if is_operator else None, bonds)


def _keys(seed: bytes, game: GameId, role: Role, terms: Terms) -> dict[str, bytes]:
    return public_keys(seed, game, role, terms.arities, terms.digest)


def _copied(nonce: SecretNonce, message: bytes) -> SecretNonce:
    opaque = ffi.new("secp256k1_musig_secnonce *", nonce._cell[0][0])
    return SecretNonce(opaque, nonce.public, message, nonce.output_key)


def _program() -> dict[str, bytes]:
    from btc_l2.guests import find_guest

    return constants_of(find_guest("hashchain").load_image())


def measure_here(signers: int, operators: int) -> Measured:
    """One size in this process."""
    with tempfile.TemporaryDirectory() as folder:
        return _Run(Path(folder), signers, operators).play()


if __name__ == "__main__":
    print(json.dumps(asdict(measure_here(int(sys.argv[1]), int(sys.argv[2])))))
