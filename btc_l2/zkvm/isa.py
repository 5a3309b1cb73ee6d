"""The instruction table: every 32-bit word that the machine knows, by name.

An instruction is the set of words with `word & mask == match`. The rows of `INSTRUCTIONS` are disjoint; what is left
over belongs to two remainders: SYSCALL with a code above 3 (trap 8) and RESERVED (trap 10). Encodings are those of
the "MIPS32 Architecture For Programmers, Volume II-A, Revision 2.62", chapter 3; opcode names as in its appendix A.
The choices of the machine (which fields must be zero, which are hints) are in `docs/spec/machine.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal[
    "arithmetic", "logic", "shift", "compare", "move", "muldiv", "branch", "memory", "unaligned", "bitfield", "system",
    "trap",
]  # fmt: skip
Access = Literal["none", "load", "store", "map"]  # what the step does with memory

# Fields of an instruction word
OPCODE = 0xFC00_0000
RS = 0x03E0_0000
RT = 0x001F_0000
RD = 0x0000_F800
SA = 0x0000_07C0
FUNCTION = 0x0000_003F

SPECIAL, REGIMM, COP0, SPECIAL2, SPECIAL3 = 0x00, 0x01, 0x10, 0x1C, 0x1F

SYSCALL_WORDS = (0x0C, 0x4C, 0x8C, 0xCC)  # codes 0 to 3: these read $4 in place of rs


@dataclass(frozen=True, slots=True)
class Instruction:
    """One row: the words with `word & mask == match`, the file that says what they do, their assembly operands."""

    name: str
    mask: int
    match: int
    group: Group
    operands: str  # as GNU prints them: rd rs rt registers, sa imm uimm code fields, target, offset(base)
    access: Access = "none"

    @property
    def mnemonic(self) -> str:
        """Name in assembly: SYSCALL_HALT is `syscall`, MTC0_USERLOCAL `mtc0`."""
        return self.name.split("_")[0].lower()


def _special(function: int, name: str, zero: int, group: Group, operands: str) -> Instruction:
    return Instruction(name, OPCODE | FUNCTION | zero, function, group, operands)


def _special2(function: int, name: str, zero: int, group: Group, operands: str) -> Instruction:
    return Instruction(name, OPCODE | FUNCTION | zero, SPECIAL2 << 26 | function, group, operands)


def _regimm(rt: int, name: str, group: Group, operands: str) -> Instruction:
    return Instruction(name, OPCODE | RT, REGIMM << 26 | rt << 16, group, operands)


def _immediate(opcode: int, name: str, group: Group, operands: str, zero: int = 0) -> Instruction:
    return Instruction(name, OPCODE | zero, opcode << 26, group, operands)


def _memory(opcode: int, name: str, access: Access, group: Group = "memory") -> Instruction:
    return Instruction(name, OPCODE, opcode << 26, group, "rt,offset(base)", access)


def _bshfl(sa: int, name: str) -> Instruction:
    return Instruction(name, OPCODE | RS | SA | FUNCTION, SPECIAL3 << 26 | sa << 6 | 0x20, "bitfield", "rd,rt")


def _syscall(code: int, name: str, access: Access = "none") -> Instruction:
    return Instruction(name, 0xFFFF_FFFF, SYSCALL_WORDS[code], "system", "code", access)


INSTRUCTIONS: tuple[Instruction, ...] = (
    # SPECIAL
    Instruction("SLL", OPCODE | RS | FUNCTION, 0x00, "shift", "rd,rt,sa"),
    Instruction("SRL", OPCODE | RS | FUNCTION, 0x02, "shift", "rd,rt,sa"),
    Instruction("ROTR", OPCODE | RS | FUNCTION, 1 << 21 | 0x02, "shift", "rd,rt,sa"),
    Instruction("SRA", OPCODE | RS | FUNCTION, 0x03, "shift", "rd,rt,sa"),
    Instruction("SLLV", OPCODE | SA | FUNCTION, 0x04, "shift", "rd,rt,rs"),
    Instruction("SRLV", OPCODE | SA | FUNCTION, 0x06, "shift", "rd,rt,rs"),
    Instruction("ROTRV", OPCODE | SA | FUNCTION, 1 << 6 | 0x06, "shift", "rd,rt,rs"),
    Instruction("SRAV", OPCODE | SA | FUNCTION, 0x07, "shift", "rd,rt,rs"),
    _special(0x08, "JR", RT | RD, "branch", "rs"),  # sa is a hint: JR.HB
    _special(0x09, "JALR", RT, "branch", "rd,rs"),  # likewise
    _special(0x0A, "MOVZ", SA, "move", "rd,rs,rt"),
    _special(0x0B, "MOVN", SA, "move", "rd,rs,rt"),
    _syscall(0, "SYSCALL_ENTER"),
    _syscall(1, "SYSCALL_HALT"),
    _syscall(2, "SYSCALL_MAP", "map"),
    _syscall(3, "SYSCALL_NOP"),
    _special(0x0D, "BREAK", 0, "trap", "code"),
    _special(0x0F, "SYNC", RS | RT | RD, "system", "sa"),
    _special(0x10, "MFHI", RS | RT | SA, "move", "rd"),
    _special(0x11, "MTHI", RT | RD | SA, "move", "rs"),
    _special(0x12, "MFLO", RS | RT | SA, "move", "rd"),
    _special(0x13, "MTLO", RT | RD | SA, "move", "rs"),
    _special(0x18, "MULT", RD | SA, "muldiv", "rs,rt"),
    _special(0x19, "MULTU", RD | SA, "muldiv", "rs,rt"),
    _special(0x1A, "DIV", RD | SA, "muldiv", "rs,rt"),
    _special(0x1B, "DIVU", RD | SA, "muldiv", "rs,rt"),
    _special(0x20, "ADD", SA, "arithmetic", "rd,rs,rt"),
    _special(0x21, "ADDU", SA, "arithmetic", "rd,rs,rt"),
    _special(0x22, "SUB", SA, "arithmetic", "rd,rs,rt"),
    _special(0x23, "SUBU", SA, "arithmetic", "rd,rs,rt"),
    _special(0x24, "AND", SA, "logic", "rd,rs,rt"),
    _special(0x25, "OR", SA, "logic", "rd,rs,rt"),
    _special(0x26, "XOR", SA, "logic", "rd,rs,rt"),
    _special(0x27, "NOR", SA, "logic", "rd,rs,rt"),
    _special(0x2A, "SLT", SA, "compare", "rd,rs,rt"),
    _special(0x2B, "SLTU", SA, "compare", "rd,rs,rt"),
    _special(0x30, "TGE", 0, "trap", "rs,rt,trapcode"),
    _special(0x31, "TGEU", 0, "trap", "rs,rt,trapcode"),
    _special(0x32, "TLT", 0, "trap", "rs,rt,trapcode"),
    _special(0x33, "TLTU", 0, "trap", "rs,rt,trapcode"),
    _special(0x34, "TEQ", 0, "trap", "rs,rt,trapcode"),
    _special(0x36, "TNE", 0, "trap", "rs,rt,trapcode"),
    # REGIMM
    _regimm(0x00, "BLTZ", "branch", "rs,target"),
    _regimm(0x01, "BGEZ", "branch", "rs,target"),
    _regimm(0x08, "TGEI", "trap", "rs,imm"),
    _regimm(0x09, "TGEIU", "trap", "rs,imm"),
    _regimm(0x0A, "TLTI", "trap", "rs,imm"),
    _regimm(0x0B, "TLTIU", "trap", "rs,imm"),
    _regimm(0x0C, "TEQI", "trap", "rs,imm"),
    _regimm(0x0E, "TNEI", "trap", "rs,imm"),
    _regimm(0x10, "BLTZAL", "branch", "rs,target"),
    _regimm(0x11, "BGEZAL", "branch", "rs,target"),
    _regimm(0x1F, "SYNCI", "system", "offset(base)"),
    # Opcodes of their own
    _immediate(0x02, "J", "branch", "jump"),
    _immediate(0x03, "JAL", "branch", "jump"),
    _immediate(0x04, "BEQ", "branch", "rs,rt,target"),
    _immediate(0x05, "BNE", "branch", "rs,rt,target"),
    _immediate(0x06, "BLEZ", "branch", "rs,target", RT),
    _immediate(0x07, "BGTZ", "branch", "rs,target", RT),
    _immediate(0x08, "ADDI", "arithmetic", "rt,rs,imm"),
    _immediate(0x09, "ADDIU", "arithmetic", "rt,rs,imm"),
    _immediate(0x0A, "SLTI", "compare", "rt,rs,imm"),
    _immediate(0x0B, "SLTIU", "compare", "rt,rs,imm"),
    _immediate(0x0C, "ANDI", "logic", "rt,rs,uimm"),
    _immediate(0x0D, "ORI", "logic", "rt,rs,uimm"),
    _immediate(0x0E, "XORI", "logic", "rt,rs,uimm"),
    _immediate(0x0F, "LUI", "logic", "rt,uimm", RS),
    # COP0: only MTC0 rt, $4, 2 (UserLocal)
    Instruction("MTC0_USERLOCAL", 0xFFE0_FFFF, COP0 << 26 | 4 << 21 | 4 << 11 | 2, "system", "rt,c0_userlocal"),
    # SPECIAL2
    _special2(0x00, "MADD", RD | SA, "muldiv", "rs,rt"),
    _special2(0x01, "MADDU", RD | SA, "muldiv", "rs,rt"),
    _special2(0x02, "MUL", SA, "muldiv", "rd,rs,rt"),
    _special2(0x04, "MSUB", RD | SA, "muldiv", "rs,rt"),
    _special2(0x05, "MSUBU", RD | SA, "muldiv", "rs,rt"),
    _special2(0x20, "CLZ", SA, "bitfield", "rd,rs"),
    _special2(0x21, "CLO", SA, "bitfield", "rd,rs"),
    # SPECIAL3
    Instruction("EXT", OPCODE | FUNCTION, SPECIAL3 << 26 | 0x00, "bitfield", "rt,rs,pos,extsize"),
    Instruction("INS", OPCODE | FUNCTION, SPECIAL3 << 26 | 0x04, "bitfield", "rt,rs,pos,inssize"),
    _bshfl(0x02, "WSBH"),
    _bshfl(0x10, "SEB"),
    _bshfl(0x18, "SEH"),
    Instruction("RDHWR", OPCODE | RS | RD | SA | FUNCTION, SPECIAL3 << 26 | 29 << 11 | 0x3B, "system", "rt,hwr_ulr"),
    # Loads and stores
    _memory(0x20, "LB", "load"),
    _memory(0x21, "LH", "load"),
    _memory(0x22, "LWL", "load", "unaligned"),
    _memory(0x23, "LW", "load"),
    _memory(0x24, "LBU", "load"),
    _memory(0x25, "LHU", "load"),
    _memory(0x26, "LWR", "load", "unaligned"),
    _memory(0x28, "SB", "store"),
    _memory(0x29, "SH", "store"),
    _memory(0x2A, "SWL", "store", "unaligned"),
    _memory(0x2B, "SW", "store"),
    _memory(0x2E, "SWR", "store", "unaligned"),
    _memory(0x30, "LL", "load"),
    _immediate(0x33, "PREF", "system", "hint,offset(base)"),
    _memory(0x38, "SC", "store"),
)

# What no row above matches: codes of SYSCALL above 3, then every other word.
SYSCALL_OTHER = Instruction("SYSCALL_OTHER", OPCODE | FUNCTION, 0x0C, "system", "code")
RESERVED = Instruction("RESERVED", 0, 0, "trap", "word")
REMAINDERS = (SYSCALL_OTHER, RESERVED)

BY_NAME = {row.name: row for row in (*INSTRUCTIONS, *REMAINDERS)}
