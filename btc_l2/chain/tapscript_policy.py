"""Which tapscripts nodes relay: opcodes and pushes, read without running the script.

Consensus lets pass, relay does not: OP_SUCCESS and the reserved NOPs (Core's DISCOURAGE flags), pushes that are not
minimal (MINIMALDATA), and with Knots OP_IF, OP_NOTIF and pushes of more than 256 bytes. Source: BIP 342; Core
`script/interpreter.cpp`, `script/script.cpp` (`IsOpSuccess`, `CheckMinimalPush`).
"""

from __future__ import annotations

from collections.abc import Iterator

from btc_l2.chain.protocol import Rejected
from taproot.units import RELAYED_PUSH_SIZE

OP_PUSHDATA1, OP_PUSHDATA2, OP_PUSHDATA4 = 0x4C, 0x4D, 0x4E
OP_1NEGATE, OP_1 = 0x4F, 0x51
OP_SUCCESS = frozenset(
    [80, 98, *range(126, 130), *range(131, 135), 137, 138, 141, 142, *range(149, 154), *range(187, 255)]
)
DISCOURAGED = {
    **dict.fromkeys(OP_SUCCESS, "tapscript-op-success"),
    **dict.fromkeys((0xB0, *range(0xB3, 0xBA)), "tapscript-upgradable-nop"),
    0x63: "tapscript-op-if",
    0x64: "tapscript-op-notif",
}


def check_tapscript(number: int, script: bytes) -> None:
    """Raise Rejected if `script`, revealed by input `number`, is not relayed."""
    for at, opcode, data in _instructions(script):
        if data is None:
            if opcode in DISCOURAGED:
                raise Rejected(DISCOURAGED[opcode], f"input {number}: opcode {opcode:#04x} at byte {at}")
        elif len(data) > RELAYED_PUSH_SIZE:
            raise Rejected("tapscript-push-size", f"input {number}: push of {len(data)} B at byte {at}")
        elif opcode != minimal_push_opcode(data):
            raise Rejected("tapscript-push-not-minimal", f"input {number}: byte {at}")


def minimal_push_opcode(data: bytes) -> int:
    """The opcode of the shortest push of `data`."""
    size = len(data)
    if size == 1 and 1 <= data[0] <= 16:
        return OP_1 + data[0] - 1
    if data == b"\x81":
        return OP_1NEGATE
    if size < OP_PUSHDATA1:
        return size
    return OP_PUSHDATA1 if size <= 0xFF else OP_PUSHDATA2


def _instructions(script: bytes) -> Iterator[tuple[int, int, bytes | None]]:
    """(offset, opcode, pushed bytes or None); a push that runs over the end is left to consensus."""
    at, end = 0, len(script)
    while at < end:
        opcode = script[at]
        if opcode > OP_PUSHDATA4:
            yield at, opcode, None
            at += 1
            continue
        start = at + 1 + (0, 1, 2, 4)[max(0, opcode - OP_PUSHDATA1 + 1)]
        size = opcode if opcode < OP_PUSHDATA1 else int.from_bytes(script[at + 1 : start], "little")
        if start + size > end:
            return
        yield at, opcode, script[start : start + size]
        at = start + size
