"""Claims about steps for the tests of the relation leaves: honest ones, falsified ones, and the kernel's verdict."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from btc_l2.chain.kernel import accepts
from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.isa import BY_NAME
from btc_l2.zkvm.outcome import Control, Endian
from challenger.disprove.claim import CONTROL, claim_digits
from challenger.disprove.relations import relation
from challenger.game.semantics import BAD_FETCH, EXITED, complete_claim, row_name
from taproot.script import Op, encode_number

MASK = 0xFFFF_FFFF
KEY = bytes(range(32))
EDGES = (
    0, 1, 2, 3, 4, 7, 8, 0xF, 0x10, 0x1F, 0x20, 0xFF, 0x7FFF, 0x8000, 0xFFFC, 0xFFFF, 0x1_0000, 0x0FFF_FFFC,
    0x0FFF_FFFF, 0x1000_0000, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xBFFF_FFFC, 0xBFFF_FFFF, 0xC000_0000,
    0xFFFE_FFFC, 0xFFFE_FFFF, 0xFFFF_0000, 0xFFFF_8000, 0xFFFF_EFFC, 0xFFFF_EFFF, 0xFFFF_F000, 0xFFFF_FFFC,
    0xFFFF_FFFE, 0xFFFF_FFFF,
)  # fmt: skip

words = st.one_of(
    st.sampled_from(EDGES),
    st.integers(0, MASK),
    st.builds(lambda edge, d: edge + d & MASK, st.sampled_from(EDGES), st.integers(-70_000, 70_000)),
)
fetchable = st.one_of(
    st.sampled_from((0x1_0000, 0x8000_0000, 0xFFFF_EFFC)),
    st.integers(0x1_0000, 0xFFFF_EFFF).map(lambda pc: pc & ~3),
)
bits = st.integers(0, 31).map(lambda i: 1 << i)
lies = st.one_of(bits, st.integers(1, MASK))  # what a value is changed by (exclusive or)


@st.composite
def honest_claims(draw: st.DrawFn, name: str, endian: Endian = "big") -> StepClaim:
    """A true claim of the relation `name`, boundaries included."""
    claim = draw(_free_values(name))
    honest = complete_claim(replace(claim, key=KEY if name == "SYSCALL_MAP" else b""), endian)
    return replace(honest, key=b"")  # the relation does not see the key


@st.composite
def consequences_of_other_values(draw: st.DrawFn, name: str, endian: Endian = "big") -> StepClaim:
    """A claim whose results follow from other operands, or another word of the same row, than it names."""
    claim = draw(_free_values(name))
    other = draw(_free_values(name, near=claim))
    result = complete_claim(replace(other, key=KEY if name == "SYSCALL_MAP" else b""), endian)
    new = claim.old if result.new == result.old else result.new
    given = {name: getattr(claim, name) for name in ("before", "instruction", "a", "b", "old")}
    return replace(result, **given, new=new, key=b"")


@st.composite
def any_claims(draw: st.DrawFn, name: str) -> StepClaim:
    """A claim of the relation `name` in which all else is arbitrary."""
    claim = draw(_free_values(name))
    return replace(
        claim,
        after=Control(*(draw(words) for _ in CONTROL)),
        dest=draw(st.integers(0, 255)),
        result=draw(words),
        address=draw(words),
        new=draw(words),
    )


def falsified(claim: StepClaim, value: str, change: int) -> StepClaim:
    """The claim with one value changed: a control word after the step, dest, result, address or new."""
    if value in CONTROL:
        return replace(claim, after=claim.after._replace(**{value: getattr(claim.after, value) ^ change}))
    limit = 255 if value == "dest" else MASK
    return replace(claim, **{value: getattr(claim, value) ^ (change & limit or 1)})


def is_false(claim: StepClaim, endian: Endian = "big") -> bool:
    """Whether a claim contradicts the reference machine."""
    key = KEY if row_name(claim) == "SYSCALL_MAP" else b""
    return replace(complete_claim(replace(claim, key=key), endian), key=b"") != claim


def verdict(name: str, claim: StepClaim, endian: Endian = "big") -> bool | None:
    """What the kernel says: True if the leaf wins, False if the claim is right, None if the script fails."""
    body = relation(name, endian == "big").body.code
    witness = [encode_number(digit) for digits in claim_digits(claim).values() for digit in digits]
    if accepts(body, witness):
        return True
    return False if accepts(body + bytes([Op.NOT]), witness) else None


@st.composite
def _free_values(draw: st.DrawFn, name: str, near: StepClaim | None = None) -> StepClaim:
    """What a step is given, for a state and a word that belong to the relation; the rest is zero."""
    if near is not None:
        return draw(_one_changed(name, near))
    pc, status = draw(fetchable), 0
    if name == EXITED:
        pc, status = draw(words), draw(words.filter(bool))
    if name == BAD_FETCH:
        pc = draw(st.one_of(st.sampled_from((0, 0xFFFC, 0xFFFF_F000, MASK, 0x1_0002)), words.map(lambda w: w | 1)))
    instruction = draw(_words_of(name))
    offset = (instruction & 0xFFFF ^ 0x8000) - 0x8000
    a = draw(st.one_of(words, words.map(lambda target: target - offset & MASK)))
    if name == "SYSCALL_MAP":
        a = draw(st.one_of(st.integers(0, 17), words))
    b = draw(st.one_of(words, st.sampled_from((a, -a & MASK, offset & MASK))))
    link = draw(st.one_of(words, st.just((a + offset & MASK & ~3) | 1)))
    npc = draw(st.one_of(st.just(pc + 4 & MASK), words))
    hi, lo, heap, tls = (draw(words) for _ in range(4))
    before = Control(pc, npc, hi, lo, heap, status, link, tls)
    return StepClaim(before, instruction, a, b, 0, draw(words), 0, 0, 0, before)


@st.composite
def _one_changed(draw: st.DrawFn, name: str, claim: StepClaim) -> StepClaim:
    value = draw(st.sampled_from(("a", "b", "old", "instruction", "npc", "hi", "lo", "ll", "tls")))
    change = draw(lies)
    if value in CONTROL:
        return replace(claim, before=claim.before._replace(**{value: getattr(claim.before, value) ^ change}))
    changed = replace(claim, **{value: getattr(claim, value) ^ change})
    return changed if row_name(changed) == name else replace(claim, a=claim.a ^ change)


def _words_of(name: str) -> st.SearchStrategy[int]:
    """Instruction words of a row."""
    row = BY_NAME.get(name)
    if row is None:
        return words
    own = words.map(lambda w: w & ~row.mask & MASK | row.match)
    return own.filter(lambda w: _row_of(w) == name) if name in ("SYSCALL_OTHER", "RESERVED") else own


def _row_of(word: int) -> str:
    claim = StepClaim(Control(pc=0x1_0000), word, 0, 0, 0, 0, 0, 0, 0, Control())
    return row_name(claim)
