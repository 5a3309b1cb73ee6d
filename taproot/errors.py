"""The errors of the project: each names who is at fault and carries the exit code of the command line.

A message is one line: what is wrong, why, what to do. `assert` is for our own impossible states only.
"""

from __future__ import annotations


class BtcL2Error(Exception):
    """Base of all errors that a person should read; `exit_code` is what the command line returns."""

    exit_code = 1


class InvalidInput(BtcL2Error):
    """The caller gave something that cannot be used (file, amount, parameter)."""

    exit_code = 2


class Unavailable(BtcL2Error):
    """Something of the environment is missing: node, port, disk, library module."""

    exit_code = 3


class VerificationFailed(BtcL2Error):
    """A proof, signature, bundle or image does not check."""

    exit_code = 4


class Misbehaviour(BtcL2Error):
    """A peer broke the protocol; `party` is its name, `evidence` what shows it."""

    exit_code = 5

    def __init__(self, party: str, evidence: str) -> None:
        super().__init__(f"{party} misbehaved: {evidence}")
        self.party = party
        self.evidence = evidence


class Refused(BtcL2Error):
    """Policy or person said no (mainnet, a second value for a one-time key, non-standard transaction)."""

    exit_code = 6


class TimedOut(BtcL2Error):
    """Waiting ended without the awaited event."""

    exit_code = 7
