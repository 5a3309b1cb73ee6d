"""Plain leaves of the access game: the leaf the operator opened lies elsewhere, or holds something else, than he
claimed.

They stand on the turn after `X.open`, where the operator showed the leaf's address and its content before (and after).
The challenger points at one digit; the leaf compares that digit only. Bodies start with the hints on the main stack
and the opened digits on the alt stack; they end with one item, true iff the digits differ. One more stands beside the
hash leaves: the side on which the path goes at an edge is not that of the address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from challenger.commit import ADDRESS_DIGITS, ROOT_DIGITS
from challenger.disprove.claim import GROUPS
from challenger.disprove.place import HALF, digit, group_of, needs_half, push_expected_address, push_word_index
from challenger.game.kinds import Access
from challenger.game.plan import Plan
from taproot.gadgets.bits import nibble_bit
from taproot.script import Op, Script, Stack

ADDRESS = "path.address"
PRE = "path.bottom.pre"
POST = "path.bottom.post"
SIDE = "path.side"
STATUS_WORD = 5


@dataclass(frozen=True, slots=True)
class PlainLeaf:
    """A leaf before its keys are known: `opens` in the order in which they are checked, then `body`."""

    name: str
    proves: str
    hints: tuple[str, ...]
    opens: tuple[str, ...]
    body: Script


def _length(message: str) -> int:
    if message in (ADDRESS, SIDE):
        return ADDRESS_DIGITS if message == ADDRESS else 1
    group = message.removeprefix("step.")
    return sum(n for _, n in GROUPS[group]) if group in GROUPS else ROOT_DIGITS


def open_on_main(hints: Sequence[str], opens: Sequence[str]) -> Stack:
    """A stack with the hints below and all digits, moved from the alt stack, above (the last opened lowest)."""
    alt = [f"{m}.{i}" for m in opens for i in reversed(range(_length(m)))]
    s = Stack(*hints, alt=alt)
    while s.alt:
        s.from_alt()
    return s


def _finish(s: Stack) -> Script:
    """Keep the top item only."""
    s.to_alt()
    s.drop_all()
    s.from_alt("verdict")
    return s.finish("verdict")


def _check_range(s: Stack, limit: int) -> None:
    """stack:  i  →  i      with 0 ≤ i < limit"""
    name = s.main[-1]
    s.op(Op.DUP, name, name)
    s.push(0)
    s.push(limit)
    s.op(Op.WITHIN, "ok")
    s.op(Op.VERIFY)


def _pick_digit(s: Stack, first: str, count: int) -> None:
    """Replace an index (proven to be 0…count − 1) by the digit of that index; digit 0 is `first`, lowest.

    stack:  i  →  d_i
    """
    s.push(s.depth(first) - 1, "depth")
    s.op(Op.SWAP, "depth", "i")
    s.op(Op.SUB, "at")
    assert s.depth(first) >= count
    s.pick_dynamic(s.depth(first) - 1, "d")


def _differ(s: Stack) -> Script:
    """stack:  x y  →  (x ≠ y)"""
    s.op(Op.NUMNOTEQUAL, "verdict")
    return _finish(s)


def _times_eight_plus(s: Stack, addend: str) -> None:
    """stack:  w  →  8·w + addend"""
    for _ in range(3):
        s.op(Op.DUP, "w", "w")
        s.op(Op.ADD, "w")
    s.copy(addend)
    s.op(Op.ADD, "i")


def _half_hint(place: str | int) -> tuple[str, ...]:
    return (HALF,) if isinstance(place, str) and needs_half(place) else ()


def _place_message(place: str | int) -> tuple[str, ...]:
    if isinstance(place, int):
        return ()
    word = {"rs": "instruction", "rt": "instruction"}.get(place, place)
    return (f"step.{group_of(word)}",)


def _unique(*messages: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(messages))


def address_leaf(access: Access) -> PlainLeaf:
    """The leaf that was opened does not lie where the claim calls for."""
    hints, opens = _half_hint(access.place), (ADDRESS, *_place_message(access.place))
    s = open_on_main(hints, opens)
    push_expected_address(s, access.place)
    s.push(1, "same")
    for i in range(ADDRESS_DIGITS, 0, -1):
        s.move(f"e{i}")
        s.copy(f"{ADDRESS}.{i - 1}")
        s.op(Op.NUMEQUAL, "eq")
        s.op(Op.BOOLAND, "same")
    s.op(Op.NOT, "verdict")
    return PlainLeaf("address", f"{access.kind}: the opened leaf is not the claimed one", hints, opens, _finish(s))


def _word_leaf(access: Access, name: str, side: str, value: str) -> PlainLeaf:
    """Digit `p` of the addressed word of the opened leaf is not that digit of the claimed word."""
    assert isinstance(access.place, str)
    hints = ("p", *_half_hint(access.place))
    opens = _unique(side, *_place_message(access.place), f"step.{group_of(value)}")
    s = open_on_main(hints, opens)
    push_word_index(s, access.place)
    s.move("p")
    _check_range(s, 8)
    s.op(Op.SWAP, "p", "w")
    _times_eight_plus(s, "p")
    _pick_digit(s, f"{side}.0", ROOT_DIGITS)
    s.move("p")
    _pick_digit(s, digit(value, 0), 8)
    proves = f"{access.kind}: the opened leaf does not hold the claimed `{value}`"
    return PlainLeaf(name, proves, hints, opens, _differ(s))


def _others_leaf(access: Access) -> PlainLeaf:
    """A word that the write does not touch differs between the leaf before and the leaf after."""
    assert isinstance(access.place, str)
    hints = ("w", "p", *_half_hint(access.place))
    opens = (PRE, POST, *_place_message(access.place))
    s = open_on_main(hints, opens)
    push_word_index(s, access.place)
    s.copy("w")
    s.op(Op.NUMNOTEQUAL, "elsewhere")
    s.op(Op.VERIFY)
    s.move("p")
    _check_range(s, 8)
    s.move("w")
    _check_range(s, 8)
    _times_eight_plus(s, "p")
    s.copy("i")
    _pick_digit(s, f"{PRE}.0", ROOT_DIGITS)
    s.move("i")
    _pick_digit(s, f"{POST}.0", ROOT_DIGITS)
    return PlainLeaf("others", f"{access.kind}: another word of the leaf changed", hints, opens, _differ(s))


def _leaf_leaf(access: Access, name: str, side: str, value: str) -> PlainLeaf:
    """Digit `i` of the whole opened leaf is not that digit of the claimed one."""
    s = open_on_main(("i",), (side, value))
    s.move("i")
    _check_range(s, ROOT_DIGITS)
    s.copy("i")
    _pick_digit(s, f"{side}.0", ROOT_DIGITS)
    s.move("i")
    _pick_digit(s, f"{value}.0", ROOT_DIGITS)
    proves = f"{access.kind}: the opened leaf is not the claimed `{value}`"
    return PlainLeaf(name, proves, ("i",), (side, value), _differ(s))


def _status_leaf(access: Access) -> PlainLeaf:
    """Digit `p` of STATUS in the opened leaf is not that of a clean exit (0x8000_0000)."""
    s = open_on_main(("p",), (PRE,))
    s.move("p")
    _check_range(s, 8)
    s.op(Op.DUP, "p", "p")
    s.push(8 * STATUS_WORD)
    s.op(Op.ADD, "i")
    _pick_digit(s, f"{PRE}.0", ROOT_DIGITS)
    s.move("p")
    s.push(7)
    s.op(Op.NUMEQUAL, "v")
    for _ in range(3):
        s.op(Op.DUP, "v", "v")
        s.op(Op.ADD, "v")
    return PlainLeaf("status", f"{access.kind}: the machine did not exit with code 0", ("p",), (PRE,), _differ(s))


def content_leaves(access: Access) -> tuple[PlainLeaf, ...]:
    """The leaves that compare what was opened with what the claim says."""
    if access.content == "word":
        return (_word_leaf(access, "word", PRE, access.value),)
    if access.content == "status":
        return (_status_leaf(access),)
    if access.content == "leaf":
        return (_leaf_leaf(access, "leaf", PRE, access.value),)
    if access.content == "swap":
        old = () if access.old is None else (_leaf_leaf(access, "before", PRE, access.old),)
        return (*old, _leaf_leaf(access, "after", POST, access.value))
    old = () if access.old is None else (_word_leaf(access, "before", PRE, access.old),)
    return (*old, _word_leaf(access, "after", POST, access.value), _others_leaf(access))


@lru_cache(maxsize=64)
def plain_leaves(access: Access) -> tuple[PlainLeaf, ...]:
    """All plain leaves of an access."""
    return (address_leaf(access), *content_leaves(access))


@lru_cache(maxsize=256)
def side_leaf(plan: Plan, edge: int) -> PlainLeaf:
    """The child of an edge is said to be on the other side than the bit of the address says."""
    digit_of, bit = divmod(plan.path_bit(edge), 4)
    opens = (ADDRESS, SIDE)
    s = open_on_main((), opens)
    s.copy(f"{ADDRESS}.{digit_of - 1}")
    s.run(nibble_bit(bit), 1, ["bit"])
    s.copy(f"{SIDE}.0")
    proves = f"{plan.name} path: below depth {edge} it goes to the other side than the address says"
    return PlainLeaf(f"side.{edge}", proves, (), opens, _differ(s))
