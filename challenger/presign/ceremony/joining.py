"""Checks of what the others say they have in view; each names the party at fault. Shares are checked in `share`.

All functions are pure: they look at contributions whose senders' signatures have been checked, and at one's own plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from challenger.presign.ceremony.agreement import Messages
from challenger.presign.ceremony.contribution import Contribution, digest_of
from taproot.errors import Misbehaviour, VerificationFailed

Given = Mapping[str, Contribution]  # by sender


def check_heard(given: Contribution, earlier: Given) -> None:
    """He must have got the same files of the earlier round as I did.

    Raises VerificationFailed naming the file: either its sender made two, or he lies about it; nobody can tell yet.
    """
    heard = given.body.get("heard")
    mine = {name: c.digest.hex() for name, c in earlier.items()}
    if heard != mine:
        other = heard if isinstance(heard, dict) else {}
        name = next((n for n in sorted({*mine, *other}) if mine.get(n) != other.get(n)), "?")
        what = earlier[name].file_name if name in earlier else f"a file of {name}"
        raise VerificationFailed(
            f"{given.sender} got another {what} than you; ask him to `export` it and import it here: two different "
            f"files signed by {name} prove who is at fault"
        )


def check_graphs(given: Contribution, messages: Messages) -> None:
    """Raises Misbehaviour if the sender made other graphs from the same files."""
    if given.body.get("graphs") != {operator: digest.hex() for operator, digest in messages.graphs.items()}:
        raise Misbehaviour(given.sender, "made other graphs from the same files")
    check_messages(given, messages.of_round(given.round))


def check_messages(given: Contribution, messages: Sequence[bytes]) -> None:
    """Raises Misbehaviour if the sender has other messages in view."""
    if given.body.get("messages") != digest_of(messages).hex():
        raise Misbehaviour(given.sender, "signs other messages than those of the graphs")
