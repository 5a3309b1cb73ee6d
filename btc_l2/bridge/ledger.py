"""The L2 side of a swap: hash-time locks on L2 coins, behind an interface; and a ledger in this process that plays it.

Expiries are heights of the Bitcoin chain as the L2 knows it, so that both sides of a swap count on one clock. A lock
can be claimed with its preimage below its expiry and refunded from it on: never both, never neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from taproot.errors import InvalidInput, Refused
from taproot.hashes import sha256

PREIMAGE_BYTES = 32


class LockState(Enum):
    """What became of a lock."""

    OPEN = "open"
    CLAIMED = "claimed"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Lock:
    """L2 coins that wait for a preimage or for their expiry; `preimage` is public once it was shown."""

    id: str
    sender: str
    recipient: str
    amount: int
    hash: bytes
    expiry: int
    state: LockState = LockState.OPEN
    preimage: bytes | None = None


class L2Ledger(Protocol):
    """What a swap needs of the L2."""

    def height(self) -> int:
        """The Bitcoin height that the L2 goes by."""

    def balance(self, account: str) -> int:
        """Coins that an account can spend; what it has locked is not among them."""

    def lock(self, sender: str, recipient: str, amount: int, digest: bytes, expiry: int) -> Lock:
        """Lock coins. Raises InvalidInput for impossible values, Refused if the sender has not got them."""

    def find_lock(self, digest: bytes) -> Lock | None:
        """The lock with this hash; there is one at most."""

    def claim(self, lock_id: str, preimage: bytes) -> Lock:
        """Pay to the recipient. Raises Refused for another preimage, from the expiry on, or if it is not open."""

    def refund(self, lock_id: str) -> Lock:
        """Pay back to the sender. Raises Refused before the expiry, or if it is not open."""


class LocalLedger:
    """`L2Ledger` in this process; `clock` tells the Bitcoin height. Coins are neither made nor lost after the start."""

    def __init__(self, balances: Mapping[str, int], clock: Callable[[], int]) -> None:
        self._balances = dict(balances)
        self._clock = clock
        self._locks: dict[str, Lock] = {}

    def height(self) -> int:
        """See `L2Ledger.height`."""
        return self._clock()

    def balance(self, account: str) -> int:
        """See `L2Ledger.balance`."""
        return self._balances.get(account, 0)

    def total(self) -> int:
        """All coins, locked ones among them."""
        return sum(self._balances.values()) + sum(
            lock.amount for lock in self._locks.values() if lock.state is LockState.OPEN
        )

    def lock(self, sender: str, recipient: str, amount: int, digest: bytes, expiry: int) -> Lock:
        """See `L2Ledger.lock`. A hash is used once: a preimage that is known already protects nothing."""
        if amount <= 0 or len(digest) != 32 or expiry <= self.height():
            raise InvalidInput(f"a lock of {amount} until {expiry}; it needs coins, a hash of 32 bytes, a later height")
        name = digest.hex()
        if name in self._locks:
            raise Refused("this hash was used before; take a new secret for every swap")
        if self.balance(sender) < amount:
            raise Refused(f"{sender} has {self.balance(sender)} coins, not {amount}; lock less")
        self._balances[sender] -= amount
        self._locks[name] = Lock(name, sender, recipient, amount, digest, expiry)
        return self._locks[name]

    def find_lock(self, digest: bytes) -> Lock | None:
        """See `L2Ledger.find_lock`."""
        return self._locks.get(digest.hex())

    def claim(self, lock_id: str, preimage: bytes) -> Lock:
        """See `L2Ledger.claim`."""
        lock = self._open(lock_id)
        if len(preimage) != PREIMAGE_BYTES or sha256(preimage) != lock.hash:
            raise Refused("these bytes are not the preimage of the lock's hash")
        if self.height() >= lock.expiry:
            raise Refused(f"the lock expired at {lock.expiry}; it is its sender's again")
        return self._end(replace(lock, state=LockState.CLAIMED, preimage=preimage), lock.recipient)

    def refund(self, lock_id: str) -> Lock:
        """See `L2Ledger.refund`."""
        lock = self._open(lock_id)
        if self.height() < lock.expiry:
            raise Refused(f"the lock expires at {lock.expiry}, it is {self.height()}; wait")
        return self._end(replace(lock, state=LockState.REFUNDED), lock.sender)

    def _open(self, lock_id: str) -> Lock:
        lock = self._locks.get(lock_id)
        if lock is None or lock.state is not LockState.OPEN:
            raise Refused(f"no open lock {lock_id[:16]!r}; it is {lock.state.value if lock else 'unknown'}")
        return lock

    def _end(self, ended: Lock, account: str) -> Lock:
        self._locks[ended.id] = ended
        self._balances[account] = self.balance(account) + ended.amount
        return ended
