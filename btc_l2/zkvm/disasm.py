"""Instruction words as text, in the way of GNU objdump for MIPS (`-M no-aliases,reg-names=numeric`).

Registers are `$0` … `$31`, immediates decimal where they are signed and hexadecimal where they are not, branch targets
absolute addresses. What the machine does not know is `.word`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from btc_l2.zkvm.decode import decode, immediate, rd, rs, rt, sa, signed_immediate
from btc_l2.zkvm.outcome import MASK, signed

# Text of each operand of the instruction table, from the word and its address.
_OPERANDS: dict[str, Callable[[int, int], str]] = {
    "rs": lambda word, _: f"${rs(word)}",
    "rt": lambda word, _: f"${rt(word)}",
    "rd": lambda word, _: f"${rd(word)}",
    "sa": lambda word, _: f"{sa(word):#x}",
    "imm": lambda word, _: str(signed(signed_immediate(word))),
    "uimm": lambda word, _: f"{immediate(word):#x}",
    "offset(base)": lambda word, _: f"{signed(signed_immediate(word))}(${rs(word)})",
    "hint": lambda word, _: f"{rt(word):#x}",
    "target": lambda word, address: f"{_branch_target(word, address):#x}",
    "jump": lambda word, address: f"{address + 4 & 0xF000_0000 | (word & 0x03FF_FFFF) << 2:#x}",
    "pos": lambda word, _: f"{sa(word):#x}",
    "extsize": lambda word, _: f"{rd(word) + 1:#x}",
    "inssize": lambda word, _: f"{max(rd(word) - sa(word) + 1, 0):#x}",
    "code": lambda word, _: f"{word >> 6 & 0xFFFFF:#x}",
    "trapcode": lambda word, _: f"{word >> 6 & 0x3FF:#x}",
    "hwr_ulr": lambda _, __: "$29",
    "c0_userlocal": lambda _, __: "$4,2",
    "word": lambda word, _: f"{word:#x}",
}


def disassemble(word: int, address: int = 0, symbols: Mapping[int, str] | None = None) -> str:
    """One line without a line end: mnemonic, tab, operands. `symbols` by address name jump and branch targets."""
    row = decode(word)
    if row.name == "RESERVED":
        return f".word\t{word:#x}"
    operands = ",".join(_OPERANDS[kind](word, address) for kind in _kinds(row.name, row.operands, word))
    label = _label(row.operands, operands, symbols or {})
    return f"{row.mnemonic}\t{operands}{label}" if operands else row.mnemonic


def name_addresses(symbols: Mapping[str, int]) -> dict[int, str]:
    """Symbols by address, for `disassemble`; the first name by alphabet where several stand at one address."""
    names: dict[int, str] = {}
    for name, address in sorted(symbols.items()):
        names.setdefault(address, name)
    return names


def _kinds(name: str, operands: str, word: int) -> list[str]:
    """Operand kinds that are printed: codes and barrier kinds of zero are left out."""
    kinds = operands.split(",")
    return [
        kind
        for kind in kinds
        if not (kind in ("code", "trapcode") and not word >> 6 & (0x3FF if kind == "trapcode" else 0xFFFFF))
        and not (name == "SYNC" and not sa(word))
    ]


def _branch_target(word: int, address: int) -> int:
    return address + 4 + (signed_immediate(word) << 2) & MASK


def _label(kinds: str, operands: str, symbols: Mapping[int, str]) -> str:
    if not kinds.endswith(("target", "jump")):
        return ""
    name = symbols.get(int(operands.rsplit(",", 1)[-1], 16))
    return f" <{name}>" if name else ""
