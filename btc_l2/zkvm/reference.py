"""The instruction table's reference: what each row reads, writes and may trap with, and its title in the manual.

Titles are those of the pages of "MIPS32 Architecture For Programmers, Volume II-A: The MIPS32 Instruction Set"
(MD00086, Revision 2.62), section 3.2, alphabetical list of instructions. `docs/spec/isa.md` is computed from this; the
tests compare it with what the readable step does. Every instruction also reads and writes PC and NPC.
"""

from __future__ import annotations

from dataclasses import dataclass

# Sources and targets: registers by field or number; words of leaf C; `memory`: the word at the address; `G1`: the
# leaf with the root of a blob; `slot`: the node of 64 MiB.


@dataclass(frozen=True, slots=True)
class Reference:
    """One row's sources, targets and causes of traps, beyond PC, NPC and STATUS."""

    title: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    traps: tuple[int, ...]


_TITLES = """
SLL Shift Word Left Logical|SRL Shift Word Right Logical|ROTR Rotate Word Right|SRA Shift Word Right Arithmetic
SLLV Shift Word Left Logical Variable|SRLV Shift Word Right Logical Variable|ROTRV Rotate Word Right Variable
SRAV Shift Word Right Arithmetic Variable|JR Jump Register|JALR Jump and Link Register
MOVZ Move Conditional on Zero|MOVN Move Conditional on Not Zero
SYSCALL_ENTER System Call|SYSCALL_HALT System Call|SYSCALL_MAP System Call|SYSCALL_NOP System Call
SYSCALL_OTHER System Call|BREAK Breakpoint|SYNC Synchronize Shared Memory
MFHI Move From HI Register|MTHI Move to HI Register|MFLO Move From LO Register|MTLO Move to LO Register
MULT Multiply Word|MULTU Multiply Unsigned Word|DIV Divide Word|DIVU Divide Unsigned Word
ADD Add Word|ADDU Add Unsigned Word|SUB Subtract Word|SUBU Subtract Unsigned Word
AND And|OR Or|XOR Exclusive OR|NOR Not Or|SLT Set on Less Than|SLTU Set on Less Than Unsigned
TGE Trap if Greater or Equal|TGEU Trap if Greater or Equal Unsigned|TLT Trap if Less Than
TLTU Trap if Less Than Unsigned|TEQ Trap if Equal|TNE Trap if Not Equal
BLTZ Branch on Less Than Zero|BGEZ Branch on Greater Than or Equal to Zero
TGEI Trap if Greater or Equal Immediate|TGEIU Trap if Greater or Equal Immediate Unsigned
TLTI Trap if Less Than Immediate|TLTIU Trap if Less Than Immediate Unsigned
TEQI Trap if Equal Immediate|TNEI Trap if Not Equal Immediate
BLTZAL Branch on Less Than Zero and Link|BGEZAL Branch on Greater Than or Equal to Zero and Link
SYNCI Synchronize Caches to Make Instruction Writes Effective|J Jump|JAL Jump and Link
BEQ Branch on Equal|BNE Branch on Not Equal|BLEZ Branch on Less Than or Equal to Zero|BGTZ Branch on Greater Than Zero
ADDI Add Immediate Word|ADDIU Add Immediate Unsigned Word|SLTI Set on Less Than Immediate
SLTIU Set on Less Than Immediate Unsigned|ANDI And Immediate|ORI Or Immediate|XORI Exclusive OR Immediate
LUI Load Upper Immediate|MTC0_USERLOCAL Move to Coprocessor 0
MADD Multiply and Add Word to Hi,Lo|MADDU Multiply and Add Unsigned Word to Hi,Lo|MUL Multiply Word to GPR
MSUB Multiply and Subtract Word to Hi,Lo|MSUBU Multiply and Subtract Unsigned Word to Hi,Lo
CLZ Count Leading Zeros in Word|CLO Count Leading Ones in Word|EXT Extract Bit Field|INS Insert Bit Field
WSBH Word Swap Bytes Within Halfwords|SEB Sign-Extend Byte|SEH Sign-Extend Halfword|RDHWR Read Hardware Register
LB Load Byte|LH Load Halfword|LWL Load Word Left|LW Load Word|LBU Load Byte Unsigned|LHU Load Halfword Unsigned
LWR Load Word Right|SB Store Byte|SH Store Halfword|SWL Store Word Left|SW Store Word|SWR Store Word Right
LL Load Linked Word|PREF Prefetch|SC Store Conditional Word|RESERVED (Reserved Instruction exception)
"""

# rows: sources → targets, causes of traps
_EFFECTS = """
SLL SRL ROTR SRA WSBH SEB SEH: rt → rd
SLLV SRLV ROTRV SRAV ADDU SUBU AND OR XOR NOR SLT SLTU MUL MOVZ MOVN: rs rt → rd
ADD SUB: rs rt → rd, 12
CLZ CLO JALR: rs → rd
JR BLTZ BGEZ BLEZ BGTZ: rs →
BLTZAL BGEZAL: rs → $31
JAL: → $31
J SYNC SYNCI PREF SYSCALL_NOP: →
BEQ BNE: rs rt →
SYSCALL_ENTER: → $26 LL
SYSCALL_HALT: $4 → STATUS
SYSCALL_MAP: $4 G1 → slot, 8
SYSCALL_OTHER: →, 8
BREAK: →, 9
RESERVED: →, 10
TGE TGEU TLT TLTU TEQ TNE: rs rt →, 13
TGEI TGEIU TLTI TLTIU TEQI TNEI: rs →, 13
MFHI: HI → rd
MFLO: LO → rd
MTHI: rs → HI
MTLO: rs → LO
MULT MULTU DIV DIVU: rs rt → HI LO
MADD MADDU MSUB MSUBU: rs rt HI LO → HI LO
ADDI: rs → rt, 12
ADDIU SLTI SLTIU ANDI ORI XORI: rs → rt
LUI: → rt
MTC0_USERLOCAL: rt → TLS
RDHWR: TLS → rt
EXT: rs → rt, 10
INS: rs rt → rt, 10
LB LH LW LBU LHU: rs memory → rt, 4
LWL LWR: rs rt memory → rt, 4
SB SH SWL SWR: rs rt memory → memory, 5
SW: rs rt → memory, 5
LL: rs memory → rt LL, 4
SC: rs rt LL → rt memory LL, 5
"""


def _parse_titles() -> dict[str, str]:
    entries = [entry for line in _TITLES.strip().splitlines() for entry in line.split("|")]
    return {name: title for name, _, title in (entry.partition(" ") for entry in entries)}


def _parse_effects() -> dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]]:
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]] = {}
    for line in _EFFECTS.strip().splitlines():
        names, _, effect = line.partition(":")
        sources, _, rest = effect.partition("→")
        targets, _, causes = rest.partition(",")
        value = (tuple(sources.split()), tuple(targets.split()), tuple(int(cause) for cause in causes.split()))
        found |= dict.fromkeys(names.split(), value)
    return found


REFERENCE = {
    name: Reference(_parse_titles()[name], reads, writes, traps)
    for name, (reads, writes, traps) in _parse_effects().items()
}
