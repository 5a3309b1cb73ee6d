"""The opcodes that the project's tapscripts use, each with its effect on the stacks.

Sources: BIP 342 and Bitcoin Core's interpreter. OP_IF/OP_NOTIF are left out on purpose: some nodes do not relay them in
tapscript, and a script without branches has one stack depth at every point, known when it is built.
"""

from __future__ import annotations

from enum import IntEnum


class Op(IntEnum):
    """Opcode bytes; the names are Bitcoin's without the OP_ prefix (digits spelled out at the front)."""

    RETURN = 0x6A
    VERIFY = 0x69
    TOALTSTACK = 0x6B
    FROMALTSTACK = 0x6C
    TWODROP = 0x6D
    TWODUP = 0x6E
    THREEDUP = 0x6F
    TWOOVER = 0x70
    TWOROT = 0x71
    TWOSWAP = 0x72
    DEPTH = 0x74
    DROP = 0x75
    DUP = 0x76
    NIP = 0x77
    OVER = 0x78
    PICK = 0x79
    ROLL = 0x7A
    ROT = 0x7B
    SWAP = 0x7C
    TUCK = 0x7D
    SIZE = 0x82
    EQUAL = 0x87
    EQUALVERIFY = 0x88
    ONEADD = 0x8B
    ONESUB = 0x8C
    NEGATE = 0x8F
    ABS = 0x90
    NOT = 0x91
    ZERONOTEQUAL = 0x92
    ADD = 0x93
    SUB = 0x94
    BOOLAND = 0x9A
    BOOLOR = 0x9B
    NUMEQUAL = 0x9C
    NUMEQUALVERIFY = 0x9D
    NUMNOTEQUAL = 0x9E
    LESSTHAN = 0x9F
    GREATERTHAN = 0xA0
    LESSTHANOREQUAL = 0xA1
    GREATERTHANOREQUAL = 0xA2
    MIN = 0xA3
    MAX = 0xA4
    WITHIN = 0xA5
    SHA256 = 0xA8
    HASH160 = 0xA9
    CHECKSIG = 0xAC
    CHECKSIGVERIFY = 0xAD
    CHECKLOCKTIMEVERIFY = 0xB1
    CHECKSEQUENCEVERIFY = 0xB2
    CHECKSIGADD = 0xBA


# opcode → (items of the main stack it looks at, items it leaves in their place)
MAIN_EFFECT: dict[Op, tuple[int, int]] = {
    Op.RETURN: (0, 0),
    Op.VERIFY: (1, 0),
    Op.TOALTSTACK: (1, 0),
    Op.FROMALTSTACK: (0, 1),
    Op.TWODROP: (2, 0),
    Op.TWODUP: (2, 4),
    Op.THREEDUP: (3, 6),
    Op.TWOOVER: (4, 6),
    Op.TWOROT: (6, 6),
    Op.TWOSWAP: (4, 4),
    Op.DEPTH: (0, 1),
    Op.DROP: (1, 0),
    Op.DUP: (1, 2),
    Op.NIP: (2, 1),
    Op.OVER: (2, 3),
    Op.ROT: (3, 3),
    Op.SWAP: (2, 2),
    Op.TUCK: (2, 3),
    Op.SIZE: (1, 2),
    Op.EQUAL: (2, 1),
    Op.EQUALVERIFY: (2, 0),
    Op.ONEADD: (1, 1),
    Op.ONESUB: (1, 1),
    Op.NEGATE: (1, 1),
    Op.ABS: (1, 1),
    Op.NOT: (1, 1),
    Op.ZERONOTEQUAL: (1, 1),
    Op.ADD: (2, 1),
    Op.SUB: (2, 1),
    Op.BOOLAND: (2, 1),
    Op.BOOLOR: (2, 1),
    Op.NUMEQUAL: (2, 1),
    Op.NUMEQUALVERIFY: (2, 0),
    Op.NUMNOTEQUAL: (2, 1),
    Op.LESSTHAN: (2, 1),
    Op.GREATERTHAN: (2, 1),
    Op.LESSTHANOREQUAL: (2, 1),
    Op.GREATERTHANOREQUAL: (2, 1),
    Op.MIN: (2, 1),
    Op.MAX: (2, 1),
    Op.WITHIN: (3, 1),
    Op.SHA256: (1, 1),
    Op.HASH160: (1, 1),
    Op.CHECKSIG: (2, 1),
    Op.CHECKSIGVERIFY: (2, 0),
    Op.CHECKLOCKTIMEVERIFY: (1, 1),
    Op.CHECKSEQUENCEVERIFY: (1, 1),
    Op.CHECKSIGADD: (3, 1),
}

# opcode → change of the alt stack
ALT_EFFECT: dict[Op, int] = {Op.TOALTSTACK: 1, Op.FROMALTSTACK: -1}
