"""How one signer's work grows with signers and operators; each size in a process of its own, some minutes in all.

A long section: measured only when it is named (`python -m bench growth --write`).
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.ceremony import ASKED, MB, MIB, SECONDS, Measured, measure_apart
from bench.figure import Figure

SIGNERS, OPERATORS = (2, 3, 5, 8, 11, 15), (1, 2, 3)
ROUNDS = ("keys", "nonces", "partials")  # those of `confirm` are for one message


def measure() -> Iterator[Figure]:
    """A line per size."""
    for signers in SIGNERS:
        for operators in OPERATORS:
            if operators <= signers:
                yield _line(measure_apart(signers, operators))


def _line(found: Measured) -> Figure:
    """What is asked is asked of one size."""
    megabytes = found.bundle_bytes / 1e6
    sent = " + ".join(f"{found.sent_bytes[name] / 1e6:.2f}" for name in ROUNDS)
    value = (f"{found.seconds:.1f} s, {found.mebibytes:.0f} MiB, {found.signatures:,} signatures, "
             f"bundles {megabytes:.2f} MB, sent {sent} MB")  # fmt: skip
    if (found.signers, found.operators) != ASKED:
        return Figure(found.title, value)
    met = found.seconds <= SECONDS and found.mebibytes <= MIB and megabytes <= MB
    return Figure(found.title, value, f"≤ {SECONDS} s, ≤ {MIB:,} MiB, ≤ {MB} MB", met)
