"""The operator's claim about one step as signed digits, and as the stack that every relation leaf starts on.

Each value is cut into nibbles, least significant first; the one-time code guarantees digits of 0…15. The digits come in
three groups, one checksum each. All of them lie on the main stack when a relation's body starts, bottom → top:

    words   instruction a b old new result address (8 nibbles each), dest (2)      58 items
    before  pc npc hi lo heap status ll tls (8 nibbles each)                       64 items
    after   pc' npc' hi' lo' heap' status' ll' tls'                                64 items

Nibble i of a word `w` is the item `w.i`. What the values mean: `docs/spec/machine.md`, "The claim about a step".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.outcome import Control
from taproot.gadgets.u32 import NIBBLES, digits_of, nibble, word_of

CONTROL = ("pc", "npc", "hi", "lo", "heap", "status", "ll", "tls")
_WORDS = ("instruction", "a", "b", "old", "new", "result", "address")

GROUPS: dict[str, tuple[tuple[str, int], ...]] = {
    "words": (*((word, NIBBLES) for word in _WORDS), ("dest", 2)),
    "before": tuple((word, NIBBLES) for word in CONTROL),
    "after": tuple((f"{word}'", NIBBLES) for word in CONTROL),
}

CLAIM_LAYOUT: tuple[str, ...] = tuple(
    nibble(word, i) for words in GROUPS.values() for word, count in words for i in range(count)
)


def claim_digits(claim: StepClaim) -> dict[str, tuple[int, ...]]:
    """The digits of each group, in the order of `CLAIM_LAYOUT`."""
    words = [digit for word in _WORDS for digit in digits_of(getattr(claim, word))]
    return {
        "words": (*words, *digits_of(claim.dest, 2)),
        "before": _join(digits_of(word) for word in claim.before),
        "after": _join(digits_of(word) for word in claim.after),
    }


def claim_from_digits(digits: Mapping[str, tuple[int, ...]], key: bytes = b"") -> StepClaim:
    """The claim that the digits of the three groups mean; `key` is signed apart."""
    words, before, after = (
        _split(digits[group], [count for _, count in words]) for group, words in GROUPS.items()
    )
    instruction, a, b, old, new, result, address, dest = words
    return StepClaim(
        before=Control(*before), instruction=instruction, a=a, b=b, address=address, old=old, new=new, dest=dest,
        result=result, after=Control(*after), key=key,
    )  # fmt: skip


def _join(words: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(digit for word in words for digit in word)


def _split(digits: tuple[int, ...], counts: Iterable[int]) -> tuple[int, ...]:
    values: list[int] = []
    at = 0
    for count in counts:
        values.append(word_of(digits[at : at + count]))
        at += count
    return tuple(values)
