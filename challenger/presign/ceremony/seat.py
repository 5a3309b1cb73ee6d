"""A member's seat in one ceremony: his desk, the folder, the proposal, and what all rounds need.

Everything that leaves was written to the folder before, once; asked again, the very same file leaves again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from btc_l2.durable import make_folder, write_once
from challenger.keystore import KeySet
from challenger.presign.ceremony.agreement import Craft
from challenger.presign.ceremony.card import is_own
from challenger.presign.ceremony.contribution import PROPOSALS, Contribution, Round
from challenger.presign.ceremony.evidence import make_evidence
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.store import EVIDENCE, Files
from taproot.errors import InvalidInput, Misbehaviour, Refused, Unavailable
from taproot.hashes import sha256


@dataclass(frozen=True, slots=True)
class Desk:
    """What a member works with: his home, name, keys, policy, the games' craft, a clock (Unix seconds).

    `outside` is the folder for the outer halves of nonces, not below `home`; needed for signing only. `elsewhere` has
    signatures by message of a plain signer whose key is not in his keystore.
    """

    home: Path
    name: str
    keys: KeySet
    policy: Registered
    craft: Craft
    outside: Path | None
    now: Callable[[], float]
    elsewhere: Mapping[bytes, bytes] = field(default_factory=dict)

    def check(self) -> None:
        """Raises Refused if the registered policy has other keys in this name."""
        if not is_own(self.policy.member(self.name), self.keys):
            raise Refused(f"the registered policy has other keys in the name of {self.name}; this is not his keystore")


class Seat:
    """The folder of a ceremony and the member who works in it."""

    def __init__(self, desk: Desk, files: Files) -> None:
        """Raises InvalidInput if the folder holds no proposal, Refused if it is of another policy."""
        desk.check()
        self.desk, self.files = desk, files
        proposed = next((given for round_ in PROPOSALS for given in files.of(round_).values()), None)
        if proposed is None:
            raise InvalidInput(f"{files.folder} holds no proposal; import it first")
        self.proposed = proposed
        if proposed.policy != desk.policy.digest():
            raise Refused(f"{files.folder} follows another policy than the registered one, which cannot be overridden")

    def send(self, round_: Round, attempt: int, body: dict[str, Any]) -> Contribution:
        """Sign and keep a file; it is on the disk when this returns, and may leave."""
        desk = self.desk
        ceremony, policy = self.proposed.ceremony, desk.policy.digest()
        made = Contribution.make(desk.keys.identity, desk.name, round_, attempt, policy, body, ceremony)
        self.files.add(made)
        return made

    def own(self, round_: Round, attempt: int) -> Contribution | None:
        """The own file of a round, if it was made."""
        return self.files.find(round_, attempt, self.desk.name)

    def heard(self, round_: Round, attempt: int) -> dict[str, str]:
        """Digests of all files of a round by sender: what the next round's file binds."""
        return {name: c.digest.hex() for name, c in self.files.of(round_, attempt).items()}

    def absent(self, round_: Round, attempt: int) -> list[str]:
        """Those whose file of a round is not here."""
        here = self.files.senders(round_, attempt)
        return [name for name in self.desk.policy.names if name not in here]

    def need(self, round_: Round, attempt: int) -> None:
        """Raises Unavailable naming those whose file of a round is not here."""
        if absent := self.absent(round_, attempt):
            what = f"{round_.value} (attempt {attempt})" if attempt else round_.value
            raise Unavailable(f"{what} of {', '.join(absent)} not here yet; import the files, or ask for them")

    @contextmanager
    def accusing(self, kind: str, files: Sequence[Contribution], messages: Sequence[bytes] = ()) -> Iterator[None]:
        """Write down what proves a misbehaviour; the error names the file."""
        try:
            yield
        except Misbehaviour as found:
            content = make_evidence(kind, found, self.desk.policy, files, messages)
            path = self.desk.home / EVIDENCE / f"{found.party}.{kind}.{sha256(content)[:4].hex()}.json"
            make_folder(path.parent)
            write_once(path, content)
            raise Misbehaviour(found.party, f"{found.evidence}; evidence: {path}") from found
