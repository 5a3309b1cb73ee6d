"""`btc-l2 coordinator …`: signing ceremonies over HTTP by a mailbox that nobody has to trust (docs/coordinator.md).

`run` is the mailbox. `exchange` is a member's side: it carries the files of `btc-l2 signer` back and forth, so that
propose, keys, review and signatures stay the commands that they are. `verify` checks evidence against a coordinator.
"""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from btc_l2.cli.output import note, print_document, print_rows
from btc_l2.cli.signer_options import AsJson, Home, PassphraseFd, PassphraseFile
from taproot.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from taproot.keys import SecretKey, XOnlyKey

app = typer.Typer(help="Signing ceremonies over HTTP, by a mailbox that is not trusted.", no_args_is_help=True)

PORT = 8745
_PAUSE = 0.2  # seconds
KEY_FILE, MAIL_FILE = "coordinator.key", "mail.sqlite"
Policy = Annotated[Path, typer.Option("--policy", help="The registered policy; its members are served.")]


@app.command("run")
def run(
    policy: Policy,
    folder: Annotated[Path, typer.Option(help="Where key and messages are kept; made if it is not there.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = PORT,
    public: Annotated[bool, typer.Option("--public", help="Allow an address beyond loopback.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the policy, if it is not there yet.")] = 0,
    key_out: Annotated[Path | None, typer.Option(help="Write its key there, for the members.")] = None,
    as_json: AsJson = False,
) -> None:
    """Serve until interrupted; killed at any time, it goes on where it was."""
    from btc_l2.durable import make_folder
    from challenger.presign.ceremony.registered import Registered
    from challenger.presign.ceremony.store import read_document
    from challenger.presign.coordinator.attendance import identities
    from challenger.presign.coordinator.mailbox import Limits, Mailbox
    from challenger.presign.coordinator.server import CoordinatorServer, Desk, Serving

    serving, limits = Serving(public=public), Limits()
    serving.check_address(host)
    _wait_for(policy, wait)
    members = identities(Registered.from_json(read_document(policy, "policy")))
    make_folder(folder)
    key = _open_key(folder / KEY_FILE)
    if key_out is not None:
        _write_key(key_out, key)
    mailbox = Mailbox(folder / MAIL_FILE, key, limits)
    server = CoordinatorServer(Desk(mailbox, key, members, serving, limits), host, port).start()
    print_document({"url": server.url, "key": key.x_only.hex()}, as_json)
    note(f"serving {len(members)} members; give them address and key; ends with Ctrl-C")
    _wait_for_the_end()
    server.close()


@app.command("exchange")
def exchange(
    url: Annotated[str, typer.Option(help="Address of the coordinator, http://HOST:PORT.")],
    key: Annotated[str, typer.Option(help="Its key, which you got from whoever runs it.")],
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Post own ceremony files, take in those of the others; who is at fault is named, with evidence (exit code 5)."""
    from btc_l2.cli.signer_desk import home_of, open_desk, read_passphrase
    from btc_l2.durable import locked
    from challenger.presign.coordinator.attendance import exchange_all, identities
    from challenger.presign.coordinator.client import Mail

    desk = open_desk(home_of(home), read_passphrase(passphrase_file, passphrase_fd))
    mail = Mail(url, _read_key(key), desk.keys.identity, set(identities(desk.policy)))
    with locked(desk.home):
        found = exchange_all(desk, mail)
    mail.close()
    print_rows(("ceremony", "messages"), [(c.hex(), str(number)) for c, number in found.items()], as_json)


@app.command("verify")
def verify(
    evidence: Annotated[Path, typer.Argument(help="File that accuses a coordinator.")],
    key: Annotated[str, typer.Option(help="The coordinator's key.")],
    policy: Policy,
    as_json: AsJson = False,
) -> None:
    """Say what evidence proves to anybody; exit code 4 if it proves nothing."""
    from btc_l2.cli.arguments import read_file
    from challenger.presign.ceremony.registered import Registered
    from challenger.presign.ceremony.store import read_document
    from challenger.presign.coordinator.attendance import identities
    from challenger.presign.coordinator.proof import verify_proof

    members = set(identities(Registered.from_json(read_document(policy, "policy"))))
    found = verify_proof(read_file(evidence), _read_key(key), members)
    print_document({"party": found.party, "what": found.evidence}, as_json)


def _wait_for(file: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def _write_key(path: Path, key: SecretKey) -> None:
    """For the members: the public part. Raises Refused if another coordinator's is there."""
    from btc_l2.durable import make_folder, write_once

    make_folder(path.parent)
    try:
        write_once(path, key.x_only.hex().encode())
    except OSError as error:
        raise Unavailable(f"cannot write {path}; {error.strerror}; name another place") from error


def _read_key(text: str) -> XOnlyKey:
    from taproot.keys import XOnlyKey

    try:
        return XOnlyKey(bytes.fromhex(text))
    except ValueError as error:
        raise InvalidInput(f"the coordinator's key has 64 hexadecimal digits: {error}") from error


def _open_key(path: Path) -> SecretKey:
    """The coordinator's key, made on the first start; it guards no coins, so it lies in a file (0600) as it is."""
    from btc_l2.durable import write_once
    from challenger.keystore import read_private
    from taproot.keys import SecretKey

    if not path.exists():
        try:
            write_once(path, SecretKey.generate().to_bytes().hex().encode() + b"\n")
        except OSError as error:
            raise Unavailable(f"cannot write {path}; {error.strerror}; choose another folder") from error
    try:
        return SecretKey(bytes.fromhex(read_private(path).decode().strip()))
    except ValueError as error:
        raise InvalidInput(f"{path} holds no key; restore it, or remove it and tell all members the new key") from error


def _wait_for_the_end() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
