"""One-time codes: digits that can be signed once and opened in Script."""

from taproot.ots.choice import Choice, LamportBits
from taproot.ots.code import OneTimeCode, Opening, open_constant, open_signed
from taproot.ots.composition import Composition
from taproot.ots.winternitz import Winternitz

__all__ = [
    "Choice",
    "Composition",
    "LamportBits",
    "OneTimeCode",
    "Opening",
    "Winternitz",
    "open_constant",
    "open_signed",
]
