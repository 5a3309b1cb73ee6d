"""What is computed: `docs/costs.md`; `isa.md`, `instructions.md` and `spends.md` of the specification; the pictures.

`make docs` writes them; `make check` calls this with `--check`, which says what is stale and returns 1.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from btc_l2.cli.drawing import draw_deposit, draw_turn
from btc_l2.zkvm import isa
from btc_l2.zkvm.instructions import SEMANTICS
from btc_l2.zkvm.isa import INSTRUCTIONS, REMAINDERS, Instruction
from btc_l2.zkvm.partition import WORDS, count_words, partition
from btc_l2.zkvm.reference import REFERENCE
from challenger import cost
from challenger.cost import Cost, MoveCost, arities_of, compute_cost
from challenger.disprove.relations import relation_names, rows_without_leaf
from challenger.game.kinds import CHAINS
from challenger.model.spends import spends_page
from challenger.sample import sample_graph
from taproot.terms import Terms

DOCS = Path(__file__).resolve().parent
STEPS_LOG2, ARITY, CHALLENGERS = 32, 4, 5
MOST_WEIGHT = 400_000  # MAX_STANDARD_TX_WEIGHT, Bitcoin Core policy/policy.h
MOST_V3 = 10_000  # TRUC_MAX_VSIZE, BIP 431
MOST_STACK = 1_000  # MAX_STACK_SIZE, main and alt stack together, BIP 342
RELATION_TURNS = ("verdict", "verdict_map")
_ACCESS = "|".join(sorted(map(re.escape, CHAINS), key=len, reverse=True))

COST_PAGE = """\
# What a dispute costs on chain

*Computed by `docs/generate.py` (`make docs`) from `challenger/cost.py`; `make check` fails when it is stale.*

A graph for 2^{steps_log2} steps, arity {arity}, {challengers} challengers is built, every transaction gets its heaviest
witness and is weighed. The children that pay fees (about 155 vB for each version 3 move) are not counted. The same
figures for other parameters: `btc-l2 cost --steps-log2 28 --arity 2`.

{ways}

{limits}

## Moves

`X` stands for every access ({accesses}), `r` for a round, `#` for a number. A range goes over all transactions of
the row, the variants with and without a stake included. Relation leaves one by one:
[spec/instructions.md](spec/instructions.md).

{moves}
"""

ISA_PAGE = """\
# Instruction set

*Computed by `docs/generate.py` (`make docs`) from `btc_l2/zkvm/isa.py`, `btc_l2/zkvm/reference.py` and the functions
in `btc_l2/zkvm/instructions/`; `make check` fails when it is stale. Part of the specification
[machine.md](machine.md): what holds for every instruction (order of questions, control, traps, the cases that the
manual leaves open) is said there.*

{rows} rows and two remainders share out all 2^32 words: {known:,} words are instructions, {other:,} are SYSCALL with
another code (trap 8), {reserved:,} are reserved (trap 10). `btc_l2/zkvm/partition.py` proves it by counting.

- *Encoding*: bits 31 … 0 from left to right; digits are fixed, the rest are fields. A field of zeros is one that the
  manual fixes to zero. Fields with an asterisk are ignored.
- *Operation*: `rs`, `rt`, `rd` are the registers of these fields (`base` is `rs`); `:=` writes. Writes to $0 are none.
- *Reads*, *writes*: beside PC and NPC, which every instruction reads and writes. `memory` is the one word at
  `(base + offset) & ~3`. Register leaves hold eight registers each: at most two are read, at most one is written.
- *Traps*: causes of machine.md, "State". An instruction that traps writes STATUS and nothing else.
- *Manual*: page of "MIPS32 Architecture For Programmers, Volume II-A: The MIPS32 Instruction Set" (MD00086, Revision
  2.62), section 3.2, alphabetical list of instructions.

{groups}

## Opcode maps

As in appendix A of the manual. `·` is reserved (trap 10), and so is a word with another value in a fixed field.

{maps}
"""

INSTRUCTION_PAGE = """\
# Instructions

*Computed by `docs/generate.py` (`make docs`) from `btc_l2/zkvm/isa.py`; `make check` fails when it is stale.*

{decided} of {total} rows have a relation leaf: the script to which a false claim about such a step loses.{told}
What an instruction does: the function of its name in `btc_l2/zkvm/instructions/<group>.py`; its relation: the
function of the same name in `challenger/disprove/<group>.py`. The last column is the size of the transaction that
kills a claim with this leaf where no stake is left. Encoding and operation of each: [isa.md](isa.md).

{rows}

States without an instruction have relations of their own: {others}. `SYSCALL_OTHER` is SYSCALL with a code above 3,
`RESERVED` every word that no row matches.
"""


def main(arguments: Sequence[str]) -> int:
    """Write or compare the pages; 1 if `--check` found a stale one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is not current")
    check = parser.parse_args(arguments).check
    stale = {path: text for path, text in pages().items() if not path.is_file() or path.read_text() != text}
    for path, text in stale.items():
        shown = path.relative_to(DOCS.parent)
        print(f"{shown} is stale; run `make docs`" if check else f"wrote {shown}", file=sys.stderr)
        if not check:
            path.write_text(text)
    return 1 if check and stale else 0


def pages() -> dict[Path, str]:
    """Every computed page with the text that it should have."""
    weighed = compute_cost(arities_of(STEPS_LOG2, ARITY), CHALLENGERS)
    return {
        DOCS / "costs.md": cost_page(weighed),
        DOCS / "spec" / "isa.md": isa_page(),
        DOCS / "spec" / "instructions.md": instruction_page(weighed),
        DOCS / "spec" / "spends.md": spends_page(sample_graph(Terms())),
        DOCS / "pictures" / "graph.svg": draw_deposit(STEPS_LOG2, ARITY),
        DOCS / "pictures" / "verdict.svg": draw_turn("verdict", STEPS_LOG2, ARITY),
    }


def cost_page(weighed: Cost) -> str:
    """What a dispute costs on chain, per path and per move."""
    ways = [
        _way_row("undisputed: kickoff, take1", weighed.undisputed),
        _way_row("a relation leaf decides: kickoff … step, the heaviest relation", weighed.relation),
        _way_row("worst: an access is searched down to the heaviest hash leaf", weighed.worst),
    ]
    limits = [
        ("weight of any transaction, WU", f"{weighed.heaviest:,}", f"{MOST_WEIGHT:,}"),
        ("version 3 transaction, vB", f"{weighed.largest_v3:,}", f"{MOST_V3:,}"),
        ("stack items while a leaf runs", f"{max(row.peak_stack for row in weighed.moves):,}", f"{MOST_STACK:,}"),
    ]
    return COST_PAGE.format(
        steps_log2=STEPS_LOG2,
        arity=ARITY,
        challengers=CHALLENGERS,
        accesses=", ".join(CHAINS),
        ways=table(("way a claim ends", "transactions", "vB"), ways),
        limits=table(("limit", "most", "allowed"), limits),
        moves=table(("move", "leaf", "transactions", "vB", "most items", "peak stack"), _families(weighed.moves)),
    )


def isa_page() -> str:
    """Encoding, assembler form, operation, traps and source of every instruction."""
    parts = partition()
    reserved, other = count_words(parts["RESERVED"]), count_words(parts["SYSCALL_OTHER"])
    rows: dict[str, list[Instruction]] = {}
    for row in (*INSTRUCTIONS, *REMAINDERS):
        rows.setdefault(row.group, []).append(row)
    head = ("instruction", "encoding", "assembly", "operation", "reads", "writes", "traps", "manual")
    return ISA_PAGE.format(
        rows=len(INSTRUCTIONS),
        known=WORDS - reserved - other,
        other=other,
        reserved=reserved,
        groups="\n\n".join(
            f"## {_GROUPS.get(group, group.capitalize())}\n\n" + table(head, map(_isa_row, members))
            for group, members in rows.items()
        ),
        maps="\n\n".join(_opcode_map(*row) for row in _MAPS),
    )


def instruction_page(weighed: Cost) -> str:
    """The instruction table, with the size of each kill by relation."""
    moves = [row for row in weighed.moves if row.name.endswith("@bare") and _disproof_turn(row) in RELATION_TURNS]
    sizes = {row.leaf: row.vbytes for row in reversed(moves)}  # SYSCALL_MAP stands on both turns: the ordinary one
    rows, missing = (*INSTRUCTIONS, *REMAINDERS), rows_without_leaf()
    others = [name for name in relation_names() if name not in {row.name for row in rows}]
    return INSTRUCTION_PAGE.format(
        total=len(rows),
        decided=len(rows) - len(missing),
        told=f" Rows without one yet: {', '.join(missing)}." if missing else "",
        rows=table(
            ("instruction", "operands", "group", "memory", "mask", "match", "kill, vB"),
            [_instruction_row(row, sizes) for row in rows],
        ),
        others=", ".join(f"`{name}` ({sizes[name]:,} vB)" for name in others),
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _way_row(what: str, way: cost.Path) -> tuple[str, ...]:
    return what, str(way.transactions), f"{way.vbytes:,}"


def _instruction_row(row: Instruction, sizes: Mapping[str, int]) -> tuple[str, ...]:
    operands = f"`{row.operands}`" if row.operands else ""
    kill = f"{sizes[row.name]:,}" if row.name in sizes else "no leaf yet"
    pattern = ("", "") if row.name == "RESERVED" else (f"`{row.mask:08x}`", f"`{row.match:08x}`")
    return f"`{row.name}`", operands, row.group, "" if row.access == "none" else row.access, *pattern, kill


_GROUPS = {
    "shift": "Shifts", "branch": "Branches and jumps", "move": "Moves", "trap": "Traps", "compare": "Comparisons",
    "muldiv": "Multiply and divide", "bitfield": "Bit fields", "memory": "Loads and stores",
    "unaligned": "Loads and stores of unaligned words",
}  # fmt: skip
_MAPS = (  # title, what the words of the map fix, shift of the field that chooses, its bits
    ("Opcode (bits 31–26)", None, 26, 6),
    ("SPECIAL: function (bits 5–0)", isa.SPECIAL, 0, 6),
    ("REGIMM: rt (bits 20–16)", isa.REGIMM, 16, 5),
    ("SPECIAL2: function (bits 5–0)", isa.SPECIAL2, 0, 6),
    ("SPECIAL3: function (bits 5–0)", isa.SPECIAL3, 0, 6),
)
_CLASSES = {isa.SPECIAL: "SPECIAL", isa.REGIMM: "REGIMM", isa.SPECIAL2: "SPECIAL2", isa.SPECIAL3: "SPECIAL3"}


def _opcode_map(title: str, opcode: int | None, shift: int, bits: int) -> str:
    """Eight columns, one per value of the field's low bits."""
    cells = dict.fromkeys(range(1 << bits), "·")
    for row in (*INSTRUCTIONS, *REMAINDERS[:1]):
        if opcode is None and row.match >> 26 in _CLASSES:
            cells[row.match >> 26] = f"*{_CLASSES[row.match >> 26]}*"
        elif opcode is None or row.match >> 26 == opcode:
            code = row.match >> shift & (1 << bits) - 1
            names = [*(name for name in cells[code].split(" ") if name != "·"), row.name.split("_")[0]]
            cells[code] = " ".join(dict.fromkeys(names))
    rows = [(f"{high:02x}", *(cells[high | low] for low in range(8))) for high in range(0, 1 << bits, 8)]
    return f"### {title}\n\n" + table(("", *(f"+{low}" for low in range(8))), rows)


def _isa_row(row: Instruction) -> tuple[str, ...]:
    known = REFERENCE[row.name]
    told = " ".join((SEMANTICS[row.name].__doc__ or "").split()).replace("|", "\\|")
    encoding = "every other word" if row.name == "RESERVED" else f"`{_encoding(row)}`"
    reads, writes = (", ".join(_shown(part) for part in parts) for parts in (known.reads, known.writes))
    traps = ", ".join(map(str, known.traps))
    return f"`{row.name}`", encoding, f"`{_assembly(row)}`", told, reads, writes, traps, known.title


def _shown(part: str) -> str:
    return part if part in ("memory", "slot") else f"`{part}`"


def _assembly(row: Instruction) -> str:
    """As the manual writes it."""
    if row.name == "RESERVED":
        return ".word word"
    forms = {"imm": "immediate", "uimm": "immediate", "target": "offset", "jump": "target", "extsize": "size",
             "inssize": "size", "trapcode": "code", "hwr_ulr": "$29", "c0_userlocal": "$4, 2"}  # fmt: skip
    operands = ", ".join(forms.get(kind, kind) for kind in row.operands.split(","))
    if row.name in ("BREAK", "SYNC") or "trapcode" in row.operands:
        operands = re.sub(r"(, )?(code|sa)$", r"[\1\2]", operands).replace("sa", "stype")
    if row.name.startswith("SYSCALL") and row.name != "SYSCALL_OTHER":
        operands = str(row.match >> 6)
    return f"{row.mnemonic} {operands}"


def _encoding(row: Instruction) -> str:
    """Fixed bits as digits, fields by their names; the pieces are those of the row's format."""
    pieces = []
    for name, high, low in _format(row):
        mask = (1 << high - low + 1) - 1
        fixed = row.mask >> low & mask
        assert fixed in (0, mask), "a field is fixed or free"
        pieces.append(f"{row.match >> low & mask:0{high - low + 1}b}" if fixed else name)
    return " ".join(pieces)


def _format(row: Instruction) -> list[tuple[str, int, int]]:
    """Fields of a row (name, highest and lowest bit), from the left."""
    top: list[tuple[str, int, int]] = [("opcode", 31, 26)]
    function = [("function", 5, 0)]
    first, second = ("base" if "base" in row.operands else "rs"), ("hint*" if row.name == "PREF" else "rt")
    if row.operands == "jump":
        return [*top, ("target", 25, 0)]
    if row.operands == "code":
        return [*top, ("code" + "*" * (row.name == "BREAK"), 25, 6), *function]
    top += [(first, 25, 21), (second, 20, 16)]
    if row.mask & isa.FUNCTION == 0:
        return [*top, ("offset" if row.operands.endswith(("(base)", "target")) else "immediate", 15, 0)]
    if "trapcode" in row.operands:
        return [*top, ("code*", 15, 6), *function]
    third = {"EXT": "size−1", "INS": "pos+size−1"}.get(row.name, "rd")
    fourth = {"EXT": "pos", "INS": "pos", "SYNC": "stype*", "JR": "hint*", "JALR": "hint*"}.get(row.name, "sa")
    return [*top, (third, 15, 11), (fourth, 10, 6), *function]


def _families(moves: Iterable[MoveCost]) -> list[tuple[str, ...]]:
    """One row for all transactions that differ in numbers, access and variant only."""
    found: dict[tuple[str, str], list[MoveCost]] = {}
    for row in moves:
        found.setdefault(_family(row), []).append(row)
    return [(f"`{move}`", leaf, *_range(rows)) for (move, leaf), rows in found.items()]


def _range(rows: Sequence[MoveCost]) -> tuple[str, ...]:
    low, high = min(row.vbytes for row in rows), max(row.vbytes for row in rows)
    items, peak = max(row.items for row in rows), max(row.peak_stack for row in rows)
    return str(len(rows)), f"{low:,}" if low == high else f"{low:,} … {high:,}", str(items or ""), str(peak or "")


def _family(row: MoveCost) -> tuple[str, str]:
    name = re.sub(r"^p\d+/", "", row.name).partition("@")[0]
    name = re.sub(r"\b(reveal|choose|search)\.\d+", r"\1.r", name)
    name = re.sub(rf"(^|\.)(?:{_ACCESS})(?=\.|$)", r"\1X", name)
    name = re.sub(r"\b(stake|pick_claim|cut|show|p)\d+", r"\1#", name).replace(".p#", ".#")
    turn = _disproof_turn(row)
    if not turn:
        return name, ""
    return name, "a relation" if turn in RELATION_TURNS else row.leaf.partition(".")[0]


def _disproof_turn(row: MoveCost) -> str:
    """The turn on which a disproof stands; empty for other transactions."""
    return row.name.partition("@")[0].partition("/disprove.")[2]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
