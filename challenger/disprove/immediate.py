"""The immediate of an instruction word: bits 15…0, sign-extended where the instruction says so."""

from __future__ import annotations

from taproot.gadgets.u32 import NIBBLES, Word, negative, nibble, select, sign_extension
from taproot.script import Stack

COUNT = 4  # nibbles of an immediate
SIGN = nibble("instruction", COUNT - 1)
IMMEDIATE = Word(tuple(nibble("instruction", i) for i in range(COUNT)), keep=True)
EXTENSION = "extension"
EXTENDED = Word((*IMMEDIATE.items, *[EXTENSION] * (NIBBLES - COUNT)), keep=True)  # after `push_extension`


def push_sign_weight(s: Stack, name: str) -> None:
    """What turns the unsigned immediate into the signed one.

    stack:  →  −65536 if its sign bit is set, else 0
    """
    s.push(-(1 << 4 * COUNT))
    s.push(0)
    negative(s, SIGN, "sign")
    select(s, name)


def push_extension(s: Stack) -> None:
    """The nibble that stands four times above the immediate in its sign extension.

    stack:  →  15 if its sign bit is set, else 0
    """
    sign_extension(s, SIGN, EXTENSION)
