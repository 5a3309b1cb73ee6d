"""Text of the command line → values: numbers, registers, bytes from a file or in hex."""

from __future__ import annotations

import re
from pathlib import Path

from taproot.errors import InvalidInput, Unavailable

U32 = (1 << 32) - 1
# Names of the o32 ABI by register number (MIPS ABI supplement, table 3-1).
REGISTER_NAMES = (
    "zero", "at", "v0", "v1", "a0", "a1", "a2", "a3", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7",
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "t8", "t9", "k0", "k1", "gp", "sp", "fp", "ra",
)  # fmt: skip
CONTROL_NAMES = ("pc", "npc", "hi", "lo", "ll", "tls")


def parse_u32(text: str, what: str) -> int:
    """A decimal or 0x number from 0 to 2^32 − 1."""
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= U32:
        raise InvalidInput(f"{what} {text!r} is not a number of 32 bits; give decimal or 0x…")
    return value


def parse_register(text: str) -> tuple[str, int]:
    """`NAME=VALUE` → name and value; names as in `parse_register_name`."""
    name, _, value = text.partition("=")
    return parse_register_name(name), parse_u32(value, f"value of {name}")


def parse_bytes(text: str, what: str) -> bytes:
    """The content of the file of this name, else `text` as hex (`0x` and blanks allowed)."""
    path = Path(text)
    if len(text) < 256 and path.is_file():
        return read_file(path)
    digits = re.sub(r"\s", "", text).removeprefix("0x")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise InvalidInput(f"{what} {text[:40]!r} is neither a file nor hex; give one of them") from None


def read_file(path: Path) -> bytes:
    """Content of a file that the user named."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unavailable(f"cannot read {path}; {error.strerror}; check name and permission") from error


def parse_register_name(name: str) -> str:
    """`$4`, `r4` and `a0` → `4`; names of control words as they are."""
    plain = name.lower().removeprefix("$")
    if plain in CONTROL_NAMES:
        return plain
    if plain in REGISTER_NAMES:
        return str(REGISTER_NAMES.index(plain))
    number = plain.removeprefix("r")
    if number.isdigit() and int(number) < 32:
        return str(int(number))
    raise InvalidInput(f"no register is called {name!r}; use $0 … $31, a0, sp, … or {', '.join(CONTROL_NAMES)}")
