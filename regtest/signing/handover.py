"""What a signer gives to his own watchtower or operator: keystore, passphrase, bundles, in a folder that they share.

    keystore.json, passphrase        the party's, mode 0600
    deposits/NAME/                   what `signer combine` writes, `deposit.toml`, and where the operators will announce
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from btc_l2.durable import make_folder, replace_file
from challenger.keystore import read_private
from challenger.presign.bundle import Bundle
from challenger.presign.ceremony.agreement import Plan
from challenger.presign.ceremony.result import write_folder
from challenger.presign.ceremony.store import KEYSTORE
from challenger.watchtower.place import list_folder
from challenger.watchtower.program import DEPOSIT
from regtest.signing.board import Board
from regtest.signing.enrolment import PASSPHRASE
from taproot.errors import Unavailable

CLAIMS = "claims"  # kind of posts
DEPOSIT_FOLDER = "d1"


def hand_over(
    folder: Path, home: Path, plan: Plan, bundles: Mapping[str, Bundle], guest: str, start: int, board: Board
) -> None:
    """Write all of it; the deposit appears at once, when everything else is there. Again: nothing new.

    Raises Unavailable if a disk refuses.
    """
    deposits, making = folder / "deposits", folder / ".making"
    if (deposits / DEPOSIT_FOLDER).exists():
        return
    try:
        make_folder(deposits)
        for name in (KEYSTORE, PASSPHRASE):
            replace_file(folder / name, read_private(home / name))
        write_folder(making, plan, bundles)
        replace_file(making / DEPOSIT, f'guest = "{guest}"\nstart = {start}\n'.encode())
        for place in list_folder(making):
            _link(place.claim, board.place(CLAIMS, f"{plan.ceremony.hex()[:16]}.{place.claim.name}"))
        os.replace(making, deposits / DEPOSIT_FOLDER)
    except OSError as error:
        raise Unavailable(f"cannot write {error.filename}; {error.strerror}; name another folder") from error


def _link(path: Path, to: Path) -> None:
    """Announcements are signed: they may stand where everybody can write."""
    make_folder(to.parent)
    path.unlink(missing_ok=True)
    path.symlink_to(to)
