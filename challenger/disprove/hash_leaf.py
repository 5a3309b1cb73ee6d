"""The hash leaf: a signed node is not the BLAKE3 hash of its two signed children.

The operator signed three nodes, the parent, the child on the path, the child's sibling, and the side of the child: 1 if
it is the right one. The challenger opens them all, names one digit in which the parent differs from H(left, right),
and wins iff that digit differs. Only that digit of the hash is finished.

    witness (bottom → top):  digit index;  items of side, sibling, child, parent;  items of the prefix

A node is 64 digits: digit 8·w + i is nibble i (least significant first) of word w. A parent that is a root may be
signed with fewer; then only those are compared.

What the body does, with the openings' digits on the alt stack (parent lowest, side on top):

    pairs of child and sibling digits → message (2·n), exchanged where the side is 1
    parent digits and index → one digit p;  compression;  digit h of the hash at the index;  h ≠ p
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from taproot.gadgets import blake3, spread
from taproot.gadgets.bits import double, verify_below
from taproot.ots import Opening
from taproot.script import Op, Script, ScriptError, Stack, check_leaf, encode_number, join

HASH_HINT = "digit"  # name of the challenger's hint
NODE_DIGITS = 64


@dataclass(frozen=True, slots=True)
class HashLeaf:
    """The finished leaf script and its number of witness items."""

    script: Script
    items: int


def hash_leaf(parent: Opening, child: Opening, sibling: Opening, side: Opening | int, prefix: Script) -> HashLeaf:
    """A leaf that the challenger can spend iff `parent` is not the hash of `child` and `sibling`.

    `side` is opened too, or everybody knows it. `prefix` runs first and takes its items from the top of the witness.
    Raises ScriptError if the leaf cannot be spent.
    """
    openings = [parent, child, sibling, *([] if isinstance(side, int) else [side])]
    compared = parent.script.effect.alt_delta
    for opening, digits in zip(openings, (min(compared, NODE_DIGITS), NODE_DIGITS, NODE_DIGITS, 1), strict=False):
        if opening.script.effect.alt_delta != digits:
            raise ScriptError(f"a value of {opening.script.effect.alt_delta} digits where {digits} are needed")
    body = _body(side if isinstance(side, int) else None, None, compared)
    code = join([prefix, *(o.script for o in openings), body])
    items = 1 + sum(o.items for o in openings) - prefix.effect.delta
    return HashLeaf(check_leaf(code, items), items)


def hash_leaf_witness(
    hint: int,
    parent: Sequence[bytes],
    child: Sequence[bytes],
    sibling: Sequence[bytes],
    side: Sequence[bytes] = (),
    prefix: Sequence[bytes] = (),
) -> tuple[bytes, ...]:
    """The witness, bottom first; `hint` is the index of a digit in which the parent is false."""
    return (encode_number(hint), *side, *sibling, *child, *parent, *prefix)


def hash_body(parent: bytes | None = None, parent_digits: int = NODE_DIGITS) -> Script:
    """The body alone, for a leaf that has already opened its values.

    stack:  digit index  →  verdict        alt:  parent, child, sibling, side (digit 0 of each on top)  →  (nothing)

    With a constant `parent` (32 bytes) its digits are not expected on the alt stack.
    """
    return _body(None, parent, parent_digits)


@lru_cache(maxsize=16)
def _body(side: int | None, parent: bytes | None, compared: int) -> Script:
    arranged, message = _arrange() if side is None else _arrange_known(side)
    return join([arranged, _select_parent_digit(message, parent, compared), _compare(message)])


def _names(what: str, count: int = NODE_DIGITS) -> list[str]:
    return [f"{what}{i}" for i in range(count)]


def _halves() -> tuple[list[str], list[str]]:
    """Names of the message nibbles of the left and of the right child."""
    names = [n for word in blake3.message_names() for n in word]
    return names[:NODE_DIGITS], names[NODE_DIGITS:]


def _take(s: Stack, names: Sequence[str]) -> None:
    """Bring digits from the alt stack, digit 0 first, doubled."""
    for name in names:
        s.from_alt(name)
        s.run(double(), 1, [name])


@lru_cache(maxsize=2)
def _arrange_known(bit: int) -> tuple[Script, tuple[str, ...]]:
    """stack:  →  message        alt:  child, sibling  →  (nothing)"""
    left, right = _halves()
    order = (*left, *right) if bit else (*right, *left)
    s = Stack(alt=order[::-1])
    _take(s, order)
    return s.finish(*order), order


@lru_cache(maxsize=1)
def _arrange() -> tuple[Script, tuple[str, ...]]:
    """The sibling's nibbles below those of the child, then both blocks exchanged if the side is 1.

    Rolling up the lowest item of the upper block, NODE_DIGITS times, leaves everything as it was; rolling up the lowest
    of both exchanges the blocks. Above them lies the depth from which items are rolled.

    stack:  →  message, right nibbles below left ones        alt:  child, sibling, side  →  (nothing)
    """
    children, siblings = _names("child"), _names("sibling")
    s = Stack(alt=[*reversed(children), *reversed(siblings), "side"])
    s.from_alt()
    _take(s, siblings)
    _take(s, children)
    s.move("side")
    s.run(double() * 6, 1, ["depth"])
    s.push(NODE_DIGITS)
    s.op(Op.ADD, "depth")
    for _ in range(NODE_DIGITS):
        s.op(Op.DUP, "depth", "depth")
        s.roll_dynamic(2 * NODE_DIGITS, ["depth", "nibble"])
        s.op(Op.SWAP, "nibble", "depth")
    s.drop()
    left, right = _halves()
    s.rename(*right, *left)
    return s.finish(*right, *left), (*right, *left)


@lru_cache(maxsize=16)
def _select_parent_digit(message: tuple[str, ...], parent: bytes | None, compared: int) -> Script:
    """The challenger's digit of the parent; the other digits go, which frees room for the tables.

    stack:  index, message  →  message        alt:  parent  →  digit, index
    """
    digits = _names("parent", compared)
    s = Stack("index", *message, alt=[] if parent else digits[::-1])
    for i, name in enumerate(digits):
        if parent:
            s.push(parent[i // 2] >> 4 * (i % 2) & 15, name)
        else:
            s.from_alt(name)
    s.move("index")
    s.run(verify_below(compared), 1, ["index"])
    s.copy("index")
    s.push(compared)  # digit 0 is the deepest, with the index itself between
    s.op(Op.SWAP, "count", "index")
    s.op(Op.SUB, "depth")
    s.pick_dynamic(compared, "digit")
    s.to_alt()
    s.to_alt("index")
    s.drop_all(keep=len(message))
    return s.code()


@lru_cache(maxsize=3)
def _compare(message: tuple[str, ...]) -> Script:
    """Compress, finish the digit at the index, compare.

    stack:  message  →  verdict        alt:  digit, index  →  (nothing)
    """
    hashed = blake3.compression(message)
    s = Stack(*message, alt=["digit", "index"])
    s.run(hashed.script, len(message), hashed.stack)
    low, high = hashed.state[:8], hashed.state[8:]
    _push_depths(s, [name for word in high for name in word], "second")
    _push_depths(s, [name for word in low for name in word], "first")
    s.from_alt("index")
    _fetch(s, "first")
    _fetch(s, "second")
    s.op(Op.ADD, "sum")
    _add_bias_of_half(s)
    s.pick_dynamic(len(s.main) - 2, "xor")
    blake3.look_up(s, spread.SUM_AB, spread.BIAS_B, "hash digit")  # S(x) + S(0): the entry is 2·x + BIAS_AB
    s.from_alt("digit")
    s.run(double(), 1, ["digit"])
    s.push(spread.BIAS_AB)
    s.op(Op.ADD, "parent digit")
    s.op(Op.NUMNOTEQUAL, "verdict")
    s.to_alt()
    s.drop_all()
    s.from_alt("verdict")
    return s.finish("verdict")


def _push_depths(s: Stack, names: Sequence[str], which: str) -> None:
    """A table with one entry per digit, entry 0 on top: how many state items lie above the named one."""
    top = next(i for i in range(len(s.main) - 1, -1, -1) if not s.main[i].startswith(("first", "second")))
    depths = [top - s.main.index(name) for name in names]
    for i in reversed(range(NODE_DIGITS)):
        s.push(depths[i], f"{which}{i}")


def _fetch(s: Stack, which: str) -> None:
    """Copy the state nibble that the table says for the index.

    stack:  … tables of depths, index, …  →  …, nibble
    """
    s.copy("index")
    s.push(s.depth(f"{which}0") - 1)
    s.op(Op.ADD, "entry")
    s.pick_dynamic(s.depth(f"{which}{NODE_DIGITS - 1}") - 1, "depth")
    above_state = s.depth("second63")  # of the items now on the stack; all above the state but this number
    s.push(above_state)
    s.op(Op.ADD, "depth")
    s.pick_dynamic(above_state + spread.STATE - 1, f"nibble {which}")


def _add_bias_of_half(s: Stack) -> None:
    """Make the sum an index into XOR_B: digits below 32 are of roles a and c, the others of roles b and d.

    stack:  …, index, sum  →  …, index, place
    """
    above = s.depth("tables") - 1
    for_ac, for_bd = (above + spread.XOR_B - spread.BIAS[x] - spread.BIAS[y] for x, y in ("ac", "bd"))
    s.copy("index")
    s.push(NODE_DIGITS // 2)
    s.op(Op.LESSTHAN, "is ac")
    s.push(for_ac, "ac")
    s.push(for_bd, "bd")
    s.move("is ac")
    s.pick_dynamic(1, "chosen")
    s.op(Op.NIP)
    s.rename("ac", "chosen")
    s.op(Op.NIP)
    s.rename("sum", "chosen")
    s.op(Op.ADD, "place")
