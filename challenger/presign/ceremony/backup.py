"""A backup of a home folder: one file, sealed with a passphrase. It holds the seed and all that was sent and received,
and no nonce: who is restored from it begins a new attempt, whatever left after the backup was made.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

from btc_l2.durable import make_folder, write_once
from challenger.keystore import SCRYPT_LOG2_N, seal, unseal
from challenger.presign.ceremony.card import PLAIN
from challenger.presign.ceremony.nonces import SUFFIX
from challenger.presign.ceremony.store import CEREMONIES, KEYSTORE, POLICY, RESTORED, ceremony_folders
from taproot.errors import InvalidInput, Refused, VerificationFailed

LABEL = "backup"
_MOST_BYTES = 1 << 30


def make_backup(home: Path, passphrase: bytes, log2_n: int = SCRYPT_LOG2_N) -> bytes:
    """The file's content. Raises InvalidInput if there is no keystore in the folder."""
    names = [KEYSTORE, *(name for name in (POLICY, PLAIN) if (home / name).exists())]
    if not (home / KEYSTORE).exists():
        raise InvalidInput(f"{home} holds no keystore; name the right folder with --home")
    for folder in ceremony_folders(home):
        kept = sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.suffix != SUFFIX)
        names += [str(path.relative_to(home)) for path in kept]
    files = {name: base64.b64encode((home / name).read_bytes()).decode() for name in names}
    return seal(zlib.compress(json.dumps(files).encode(), 6), passphrase, LABEL, log2_n)


def restore_backup(content: bytes, passphrase: bytes, home: Path) -> list[str]:
    """Write the files into a new home, the keystore last; returns their names.

    Raises Refused if there is a keystore, VerificationFailed for another kind of file or a wrong passphrase.
    """
    if (home / KEYSTORE).exists():
        raise Refused(f"{home} holds a keystore already; restore into an empty folder")
    files = _read(content, passphrase)
    for name in sorted(files, key=lambda name: name == KEYSTORE):
        make_folder((home / name).parent)
        if name.startswith(CEREMONIES):
            write_once((home / name).parent / RESTORED, b"")
        write_once(home / name, files[name])
    return sorted(files)


def _read(content: bytes, passphrase: bytes) -> dict[str, bytes]:
    label, plain = unseal(content, passphrase)
    if label != LABEL:
        raise VerificationFailed("this is no backup but a keystore; name the right file")
    opened = zlib.decompressobj()
    files = {name: base64.b64decode(text) for name, text in json.loads(opened.decompress(plain, _MOST_BYTES)).items()}
    for name in files:
        parts = Path(name).parts
        if name not in (KEYSTORE, POLICY, PLAIN) and (len(parts) != 3 or parts[0] != CEREMONIES or ".." in parts):
            raise VerificationFailed(f"the backup holds {name!r}, which belongs to no home folder")
    return files
