"""What every `btc-l2 signer` command starts from: home folder, passphrase, keys, registered policy, a person's answer.

A secret never stands on the command line: the passphrase comes from a file that only its owner can read, from a file
descriptor, or from the terminal.
"""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from btc_l2.cli.output import note
from btc_l2.durable import make_folder, replace_file
from challenger.games import GameLibrary, craft_of
from challenger.keystore import KeySet, open_keystore, read_private
from challenger.presign.ceremony.contribution import Contribution
from challenger.presign.ceremony.nonces import check_outside
from challenger.presign.ceremony.registered import Registered
from challenger.presign.ceremony.seat import Desk
from challenger.presign.ceremony.store import KEYSTORE, POLICY, read_document
from taproot.errors import InvalidInput, Refused, Unavailable

LEAST_ACCEPTED = 8  # digits of a digest that stand for a person's yes
CRAFT = craft_of(GameLibrary())


def home_of(given: Path | None) -> Path:
    """`--home`, else BTCL2_HOME, else ~/.btc-l2."""
    return given or Path(os.environ.get("BTCL2_HOME") or Path.home() / ".btc-l2")


def outside_of(given: Path | None, home: Path) -> Path:
    """Where outer halves of nonces lie: `--nonces`, else BTCL2_NONCES, else memory (XDG_RUNTIME_DIR, /dev/shm).

    Raises Unavailable if this system has no folder in memory that is known here.
    """
    named = given or (Path(os.environ["BTCL2_NONCES"]) if os.environ.get("BTCL2_NONCES") else None)
    if named is None:
        found = [Path(p) for p in (os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm") if p and os.access(p, os.W_OK)]
        if not found:
            raise Unavailable("this system has no folder in memory; name one outside of the home with --nonces, "
                              "on a medium of which no copies are made")  # fmt: skip
        named = found[0] / f"btc-l2-nonces-{os.getuid()}"
    return check_outside(named, home)


def read_passphrase(file: Path | None, descriptor: int | None, twice: bool = False) -> bytes:
    """From a file (0600), a descriptor, or the terminal. Raises Refused if nobody can be asked, InvalidInput if empty.

    `twice`: a new one, which the person types once more.
    """
    file = file or (Path(os.environ["BTCL2_PASSPHRASE_FILE"]) if os.environ.get("BTCL2_PASSPHRASE_FILE") else None)
    if descriptor is not None:
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            given = stream.read()
    elif file is not None:
        given = read_private(file)
    elif sys.stdin.isatty():
        given = getpass.getpass("passphrase: ").encode()
        if twice and getpass.getpass("once more: ").encode() != given:
            raise InvalidInput("the two passphrases differ; nothing was made")
    else:
        raise Refused("no terminal to ask for the passphrase; use --passphrase-file or --passphrase-fd")
    passphrase = given.rstrip(b"\r\n")
    if not passphrase:
        raise InvalidInput("the passphrase is empty; give one")
    return passphrase


def open_keys(home: Path, passphrase: bytes) -> tuple[str, KeySet]:
    """Name and keys of this home."""
    if not (home / KEYSTORE).exists():
        raise InvalidInput(f"{home} holds no keystore; run `btc-l2 signer init`, or name the right folder with --home")
    return open_keystore(home / KEYSTORE, passphrase)


def read_policy(home: Path) -> Registered:
    """The registered policy."""
    return Registered.from_json(read_document(home / POLICY, "registered policy; run `btc-l2 signer register`"))


def open_desk(home: Path, passphrase: bytes, outside: Path | None = None) -> Desk:
    """Everything that a ceremony needs; `outside` for signing only."""
    name, keys = open_keys(home, passphrase)
    desk = Desk(home, name, keys, read_policy(home), CRAFT, outside, time.time)
    desk.check()
    return desk


def ask(question: str, digest: bytes, accept: str | None) -> None:
    """A person's yes; everything else is no. `accept` are the first digits of the digest. Raises Refused for no."""
    if accept is not None:
        if len(accept) < LEAST_ACCEPTED or not digest.hex().startswith(accept.lower()):
            raise Refused(f"--accept {accept} are not the first {LEAST_ACCEPTED} or more digits of what is shown")
        return
    if not sys.stdin.isatty():
        raise Refused(f"no terminal to ask; look at it, then give --accept and the first {LEAST_ACCEPTED} digits")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("you said no; nothing was changed")


def hand_out(files: Iterable[Contribution], folder: Path) -> list[str]:
    """Write files for the others; returns their names."""
    make_folder(folder)
    names = []
    for given in files:
        try:
            replace_file(folder / given.file_name, given.to_bytes())
        except OSError as error:
            raise Unavailable(
                f"cannot write {folder / given.file_name}; {error.strerror}; `export` writes it again elsewhere"
            ) from error
        names.append(given.file_name)
    note(f"written to {folder}: {', '.join(names) or 'nothing'}")
    return names
