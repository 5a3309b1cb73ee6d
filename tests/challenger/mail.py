"""A coordinator in this process with members, and ways in which it cheats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from challenger.presign.coordinator.client import Mail
from challenger.presign.coordinator.mailbox import Limits, Mailbox
from challenger.presign.coordinator.server import CoordinatorServer, Desk, Serving
from challenger.presign.coordinator.wire import Answer, Page, Request
from taproot.hashes import sha256
from taproot.keys import SecretKey

COORDINATOR = SecretKey(sha256(b"coordinator"))
IDENTITIES = {name: SecretKey(sha256(b"identity " + name.encode())) for name in ("alice", "bob", "carol")}
MEMBERS = {bytes(key.x_only) for key in IDENTITIES.values()}
CEREMONY = sha256(b"a ceremony")

Twist = Callable[[Request, Answer], Answer]


class CheatingDesk(Desk):
    """Signs whatever `twist` makes of its honest answers."""

    twist: Twist | None = None

    def _decide(self, request: Request) -> Answer:
        answer = Desk._decide(self, request)
        return self.twist(request, answer) if self.twist else answer


def open_desk(
    path: Path, limits: Limits | None = None, serving: Serving | None = None, members: set[bytes] = MEMBERS
) -> CheatingDesk:
    limits = limits or Limits()
    return CheatingDesk(Mailbox(path, COORDINATOR, limits), COORDINATOR, members, serving or Serving(), limits)


def open_server(path: Path, port: int = 0, limits: Limits | None = None, serving: Serving | None = None,
                members: set[bytes] = MEMBERS) -> CoordinatorServer:  # fmt: skip
    return CoordinatorServer(open_desk(path, limits, serving, members), port=port).start()


def mail_of(server: CoordinatorServer, name: str) -> Mail:
    return Mail(server.url, COORDINATOR.x_only, IDENTITIES[name], MEMBERS, seconds=10.0)


def paged(change: Callable[[Page], Page]) -> Twist:
    """Changes the pages that are asked for."""

    def twist(request: Request, answer: Answer) -> Answer:
        if request.method != "GET" or answer.status != 200:
            return answer
        return Answer(200, change(Page.from_bytes(answer.body)).to_bytes())

    return twist
