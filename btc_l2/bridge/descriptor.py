"""Output descriptors of the bridge's own outputs: what a wallet imports to watch a deposit and to take it back.

    deposit   tr(INTERNAL,{pk(ALL),and_v(v:pk(DEPOSITOR),older(DELAY))})#checksum
              with plain signers and_v(v:pk(ALL),pk(PLAIN)) in the place of pk(ALL), or and_v in and_v for more of them
    swap      tr(INTERNAL,{and_v(v:pk(CLAIMER),sha256(HASH)),and_v(v:pk(FUNDER),older(DELAY))})#checksum

Sources: BIP 380 (checksum), BIP 386 (`tr`), BIP 379 (miniscript in Tapscript). Keys are x-only, 64 hexadecimal digits.
Only these forms are read; in each the checksum has to be there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from taproot.connectors.output import check_script
from taproot.errors import InvalidInput
from taproot.keys import XOnlyKey
from taproot.script import Op, script
from taproot.tree import TapTree
from taproot.units import SEQUENCE_LOCKTIME_MASK

CHECKSUM_LENGTH = 8
MOST_KEYS = 48  # of the n-of-n; `taproot.terms` allows no more
MOST_CHARACTERS = 400 + 80 * MOST_KEYS
N_OF_N, REFUND, CLAIM = "n-of-n", "refund", "claim"

# BIP 380, "Checksum"
_INPUT = "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ "
_OUTPUT = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0xF5DEE51989, 0xA9FDCA3312, 0x1BAB10E32D, 0x3706B1677A, 0x644D626FFD)

_KEYS = re.compile(r"[0-9a-f]{64}")
_KEY, _DELAY = r"([0-9a-f]{64})", r"([1-9][0-9]{0,4})"
_ALL = r"((?:and_v\(v:pk\([0-9a-f]{64}\),){0,47}pk\([0-9a-f]{64}\)\){0,47})"
_DEPOSIT = re.compile(rf"tr\({_KEY},\{{{_ALL},and_v\(v:pk\({_KEY}\),older\({_DELAY}\)\)\}}\)")
_SWAP = re.compile(
    rf"tr\({_KEY},\{{and_v\(v:pk\({_KEY}\),sha256\({_KEY}\)\),and_v\(v:pk\({_KEY}\),older\({_DELAY}\)\)\}}\)"
)


@dataclass(frozen=True, slots=True)
class DepositDescriptor:
    """The output that a depositor pays: all together, or he alone after `delay` blocks."""

    internal_key: XOnlyKey
    all_keys: tuple[XOnlyKey, ...]  # of the n-of-n (`taproot.cosigners`), the one that is checked first in front
    depositor: XOnlyKey
    delay: int

    def __post_init__(self) -> None:
        """Raises InvalidInput for a delay that BIP 68 cannot count in blocks, or no key of all."""
        _check_delay(self.delay)
        if not 0 < len(self.all_keys) <= MOST_KEYS:
            raise InvalidInput(f"an n-of-n of {len(self.all_keys)} keys; 1 to {MOST_KEYS} can stand in a deposit")

    def __str__(self) -> str:
        body = f"tr({self.internal_key},{{{_together(self.all_keys)},{_after(self.depositor, self.delay)}}})"
        return add_checksum(body)

    @classmethod
    def from_str(cls, text: str) -> DepositDescriptor:
        """Inverse of `str`. Raises InvalidInput for a wrong checksum, another form, a key that is no point."""
        internal, everybody, depositor, delay = _read(_DEPOSIT, text, "a deposit")
        made = cls(_key(internal), tuple(map(_key, _KEYS.findall(everybody))), _key(depositor), int(delay))
        if str(made) != text:
            raise InvalidInput("the brackets of the descriptor do not close; copy it again, whole")
        return made

    def tree(self) -> TapTree:
        """Leaves `n-of-n` and `refund`."""
        leaves = {N_OF_N: check_script(self.all_keys).code, REFUND: refund_script(self.depositor, self.delay)}
        return TapTree.build(self.internal_key, leaves)


@dataclass(frozen=True, slots=True)
class SwapDescriptor:
    """The Bitcoin side of a swap: the claimer with the preimage, or the funder after `delay` blocks."""

    internal_key: XOnlyKey
    claimer: XOnlyKey
    hash: bytes
    funder: XOnlyKey
    delay: int

    def __post_init__(self) -> None:
        """Raises InvalidInput for a hash not of 32 bytes or a delay that BIP 68 cannot count in blocks."""
        _check_delay(self.delay)
        if len(self.hash) != 32:
            raise InvalidInput(f"a hash of SHA256 has 32 bytes, not {len(self.hash)}")

    def __str__(self) -> str:
        claim = f"and_v(v:pk({self.claimer}),sha256({self.hash.hex()}))"
        return add_checksum(f"tr({self.internal_key},{{{claim},{_after(self.funder, self.delay)}}})")

    @classmethod
    def from_str(cls, text: str) -> SwapDescriptor:
        """Inverse of `str`. Raises InvalidInput as `DepositDescriptor.from_str`."""
        internal, claimer, digest, funder, delay = _read(_SWAP, text, "a swap")
        return cls(_key(internal), _key(claimer), bytes.fromhex(digest), _key(funder), int(delay))

    def tree(self) -> TapTree:
        """Leaves `claim` and `refund`. The preimage must have 32 bytes: no ledger may take another length."""
        claim = script(
            self.claimer, Op.CHECKSIGVERIFY, Op.SIZE, 32, Op.EQUALVERIFY, Op.SHA256, self.hash, Op.EQUAL
        )
        return TapTree.build(self.internal_key, {CLAIM: claim.code, REFUND: refund_script(self.funder, self.delay)})


def refund_script(key: XOnlyKey, delay: int) -> bytes:
    """`and_v(v:pk(key),older(delay))` in Tapscript.

    stack:  signature  →  true
    """
    return script(key, Op.CHECKSIGVERIFY, delay, Op.CHECKSEQUENCEVERIFY).code


def compute_checksum(body: str) -> str:
    """Eight characters over a descriptor without `#`. Raises InvalidInput for a character that none may have."""
    state = 1
    pending: list[int] = []  # upper parts of up to three characters, hashed together
    for character in body:
        position = _INPUT.find(character)
        if position < 0:
            raise InvalidInput(f"a descriptor cannot hold the character {character!r}")
        state = _step(state, position & 31)
        pending.append(position >> 5)
        if len(pending) == 3:
            state = _step(state, pending[0] * 9 + pending[1] * 3 + pending[2])
            pending = []
    if pending:
        state = _step(state, pending[0] if len(pending) == 1 else pending[0] * 3 + pending[1])
    for _ in range(CHECKSUM_LENGTH):
        state = _step(state, 0)
    state ^= 1
    return "".join(_OUTPUT[(state >> (5 * (7 - k))) & 31] for k in range(CHECKSUM_LENGTH))


def add_checksum(body: str) -> str:
    """`body#checksum`."""
    return f"{body}#{compute_checksum(body)}"


def _step(state: int, value: int) -> int:
    top = state >> 35
    state = ((state & 0x7FFFFFFFF) << 5) ^ value
    for k, generator in enumerate(_GENERATOR):
        if (top >> k) & 1:
            state ^= generator
    return state


def _read(form: re.Pattern[str], text: str, what: str) -> tuple[str, ...]:
    if len(text) > MOST_CHARACTERS:
        raise InvalidInput(f"a descriptor of {len(text)} characters; {what} has {MOST_CHARACTERS} at most")
    body, mark, checksum = text.rpartition("#")
    if not mark or checksum != compute_checksum(body):
        raise InvalidInput("the descriptor's checksum is missing or wrong; copy it again, whole")
    found = form.fullmatch(body)
    if found is None:
        raise InvalidInput(f"not the descriptor of {what}; docs/spec/bridge.md has its form")
    return found.groups()


def _after(key: XOnlyKey, delay: int) -> str:
    return f"and_v(v:pk({key}),older({delay}))"


def _together(keys: Sequence[XOnlyKey]) -> str:
    """`and_v(v:pk(K1),and_v(v:pk(K2),pk(K3)))`."""
    return "".join(f"and_v(v:pk({key})," for key in keys[:-1]) + f"pk({keys[-1]})" + ")" * (len(keys) - 1)


def _key(digits: str) -> XOnlyKey:
    return XOnlyKey(bytes.fromhex(digits))


def _check_delay(delay: int) -> None:
    if not 0 < delay <= SEQUENCE_LOCKTIME_MASK:
        raise InvalidInput(f"a delay of {delay} blocks; 1 to {SEQUENCE_LOCKTIME_MASK} can be counted (BIP 68)")
