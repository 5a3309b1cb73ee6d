"""A hundred deposits at once through one coordinator over HTTP: three members, two rounds of messages each.

Each message is an envelope with a content as large as nonces of 500 signatures; each member posts and fetches with one
connection, all verify everything. What is asked: nothing is lost, every log the same for all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench.figure import Figure, plain, timed
from challenger.presign.coordinator.client import Log, Mail
from challenger.presign.coordinator.mailbox import Limits, Mailbox
from challenger.presign.coordinator.server import CoordinatorServer, Desk, Serving
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.musig2 import PUBLIC_NONCE_BYTES

DEPOSITS, SIGNATURES = 100, 500
NAMES = ("alice", "bob", "carol")
ROUNDS = (b"nonces", b"parts")
SECONDS = 120.0  # a member waits for the others


def measure() -> Iterator[Figure]:
    """All messages, and seconds."""
    key = SecretKey.generate()
    identities = {name: SecretKey.generate() for name in NAMES}
    members = {bytes(identity.x_only) for identity in identities.values()}
    with tempfile.TemporaryDirectory(prefix="btcl2-bench-") as folder:
        mailbox = Mailbox(Path(folder) / "mail.sqlite", key, Limits())
        server = CoordinatorServer(Desk(mailbox, key, members, Serving(), Limits())).start()

        def take_part(identity: SecretKey) -> dict[bytes, Log]:
            return _take_part(Mail(server.url, key.x_only, identity, members))

        with ThreadPoolExecutor(len(NAMES)) as pool:
            logs, seconds = timed(lambda: list(pool.map(take_part, identities.values())))
        server.close()
    wanted = len(NAMES) * len(ROUNDS)
    whole = sum(len({log[c].head.hash for log in logs}) == 1 and logs[0][c].head.number == wanted for c in logs[0])
    what = f"deposits at once, {len(NAMES)} members: logs complete and the same for all"
    yield Figure(what, str(whole), f"= {DEPOSITS}", whole == DEPOSITS)
    yield plain("  messages, each signed, chained, on disk before it was confirmed", wanted * DEPOSITS, "")
    yield plain("  in all", seconds, "s")


def _take_part(mail: Mail) -> dict[bytes, Log]:
    logs = {sha256(f"deposit {k}".encode()): Log.empty(sha256(f"deposit {k}".encode())) for k in range(DEPOSITS)}
    for number, what in enumerate(ROUNDS, 1):
        content = what + bytes(SIGNATURES * PUBLIC_NONCE_BYTES)
        logs = {ceremony: mail.post(log, content) for ceremony, log in logs.items()}
        is_enough = partial(_has, number * len(NAMES))
        logs = {ceremony: mail.wait(log, is_enough, SECONDS) for ceremony, log in logs.items()}
    return logs


def _has(number: int, log: Log) -> bool:
    return log.head.number >= number
