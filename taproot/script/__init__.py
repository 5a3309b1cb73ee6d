"""Tapscripts with a known effect on the stacks: opcodes, joining, a symbolic stack."""

from taproot.script.opcodes import Op
from taproot.script.script import (
    MAX_STACK_ITEMS,
    Effect,
    Script,
    ScriptError,
    check_leaf,
    data,
    decode_number,
    disassemble,
    encode_number,
    join,
    number,
    pick_within,
    roll_within,
    script,
)
from taproot.script.stack import Stack, drop_many

__all__ = [
    "MAX_STACK_ITEMS",
    "Effect",
    "Op",
    "Script",
    "ScriptError",
    "Stack",
    "check_leaf",
    "data",
    "decode_number",
    "disassemble",
    "drop_many",
    "encode_number",
    "join",
    "number",
    "pick_within",
    "roll_within",
    "script",
]
