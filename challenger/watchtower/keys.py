"""The party's secrets for the daemon: a keystore of the ceremony, or a plain key file (test networks).

A plain key file has two lines of 64 hexadecimal digits: the signing key and the seed of the one-time keys. Both kinds
must be readable by their owner only.
"""

from __future__ import annotations

from pathlib import Path

from challenger.agents.player import Secrets
from challenger.keystore import open_keystore, read_private
from challenger.watchtower.settings import Resolved
from taproot.errors import InvalidInput, Unavailable
from taproot.keys import SecretKey


def secrets_of(found: Resolved) -> Secrets:
    """Those that the settings name; raises as `read_secrets`."""
    s = found.settings
    return read_secrets(found.path(s.key_file), found.path(s.passphrase_file) if s.passphrase_file else None)


def read_secrets(path: Path, passphrase_file: Path | None) -> Secrets:
    """Raises Refused for a file that others can read, InvalidInput or VerificationFailed for a bad one."""
    content = read_private(path)
    if not content.lstrip().startswith(b"{"):
        return _plain(path, content)
    if passphrase_file is None:
        raise Unavailable(f"{path} is encrypted; name the file with its passphrase in passphrase_file")
    _, keys = open_keystore(path, read_private(passphrase_file).rstrip(b"\n"))
    return Secrets(keys.key, keys.one_time)


def _plain(path: Path, content: bytes) -> Secrets:
    lines = content.split()
    try:
        key, seed = (bytes.fromhex(line.decode()) for line in lines)
    except ValueError:
        raise InvalidInput(f"{path} is no key file; it has two lines of hex: key, seed of the one-time keys") from None
    if len(key) != 32 or len(seed) != 32:
        raise InvalidInput(f"{path}: key and seed have 32 bytes each, not {len(key)} and {len(seed)}")
    return Secrets(SecretKey(key), seed)
