"""A swap of L2 coins against Bitcoin between a user and an operator, hash and timelock on both sides.

    1  user      locks his L2 coins for the operator: hash of a secret that only he knows, expiry E (a Bitcoin height)
    2  operator  checks E, pays Bitcoin into an `Htlc` for the user: same hash, delay D
    3  user      checks the output and the time that is left, claims it with the secret: now it is public
    4  operator  reads the secret from the claim, takes the L2 coins
       else      the operator has his Bitcoin back after D, then the user his coins after E

The one who knows the secret locks first and longest. `D` runs from the block of the output. The user has to have his
claim confirmed before the refund is possible; the operator has to have seen the claim, buried, before `E`:

    claim:   height now + reaction <  height of the output + D
    fund:    height now + reaction + D + reaction + confirmations + margin <= E

Every step checks its rule and refuses with the numbers. The functions act for one party each and keep nothing: chain
and ledger hold all there is to know, so a party that restarts goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from btc_l2.bridge.htlc import Htlc, find_preimage, make_claim, make_refund
from btc_l2.bridge.ledger import L2Ledger, Lock, LockState
from btc_l2.chain.protocol import Chain, Coin
from taproot.errors import InvalidInput, Refused
from taproot.keys import SecretKey
from taproot.tx import OutPoint, Transaction, TxOut


@dataclass(frozen=True, slots=True)
class SwapTerms:
    """What user and operator agree on; amounts in L2 coins and sat, times in blocks."""

    coins: int
    htlc: Htlc
    user: str  # accounts on the L2
    operator: str
    expiry: int
    confirmations: int = 2
    reaction: int = 6
    margin: int = 6

    def __post_init__(self) -> None:
        """Raises InvalidInput for times in which somebody could not act."""
        if not 0 < self.confirmations < self.reaction or self.margin <= 0 or self.coins <= 0:
            raise InvalidInput("confirmations must be above 0 and below reaction, margin and coins above 0")
        if self.htlc.delay <= 2 * self.reaction + self.confirmations:
            raise InvalidInput(
                f"a delay of {self.htlc.delay} blocks; it must be more than two reactions and the confirmations "
                f"({2 * self.reaction + self.confirmations}): the user sees the output buried, then claims"
            )

    @property
    def least_expiry_after(self) -> int:
        """Blocks that the L2 lock must outlast the height at which the operator pays."""
        return self.reaction + self.htlc.delay + self.reaction + self.confirmations + self.margin


def lock_coins(terms: SwapTerms, ledger: L2Ledger) -> Lock:
    """Step 1, the user. Raises InvalidInput if no operator could accept the expiry."""
    needed = ledger.height() + terms.least_expiry_after
    if terms.expiry < needed:
        raise InvalidInput(f"an expiry at {terms.expiry} is too early, no operator may pay; choose {needed} or later")
    return ledger.lock(terms.user, terms.operator, terms.coins, terms.htlc.hash, terms.expiry)


def offer_bitcoin(terms: SwapTerms, ledger: L2Ledger, chain: Chain) -> TxOut:
    """Step 2, the operator: the output that he may pay now. Raises Refused for another or a too short lock."""
    lock = ledger.find_lock(terms.htlc.hash)
    agreed = (terms.user, terms.operator, terms.coins, terms.expiry, LockState.OPEN)
    if lock is None or (lock.sender, lock.recipient, lock.amount, lock.expiry, lock.state) != agreed:
        raise Refused("the user has not locked the agreed coins on the L2; pay nothing")
    needed = max(chain.tip().height, ledger.height()) + terms.least_expiry_after
    if lock.expiry < needed:
        raise Refused(f"the coins are locked until {lock.expiry}, safe is {needed} or later; pay nothing")
    return terms.htlc.output


def find_output(terms: SwapTerms, chain: Chain) -> Coin | None:
    """The unspent output with the agreed amount."""
    coins = chain.find_coins(terms.htlc.output.script_pubkey)
    return next((c for c in coins if c.output.value == terms.htlc.amount), None)


def claim_bitcoin(
    terms: SwapTerms, chain: Chain, secret: SecretKey, preimage: bytes, script_pubkey: bytes
) -> Transaction:
    """Step 3, the user: his claim, to be broadcast at once. Raises Refused where he would show the secret in vain."""
    coin = find_output(terms, chain)
    height = chain.tip().height
    if coin is None or height - coin.height + 1 < terms.confirmations:
        raise Refused(f"the operator's output is not {terms.confirmations} blocks deep yet; show no secret")
    end = coin.height + terms.htlc.delay
    if height + terms.reaction >= end:
        raise Refused(f"the operator can take it back from block {end} on, it is {height}; show no secret")
    return make_claim(terms.htlc, coin.outpoint, secret, preimage, script_pubkey, chain.estimate_fee())


def take_coins(terms: SwapTerms, ledger: L2Ledger, chain: Chain, at: OutPoint) -> Lock | None:
    """Step 4, the operator: his L2 coins, once the claim of his output `at` is in a block or waits for one.

    None while nobody has claimed. It does not wait for depth: the secret is public, and taking the coins twice is
    impossible.
    """
    preimage = _shown_preimage(terms, chain, at)
    lock = ledger.find_lock(terms.htlc.hash)
    if preimage is None or lock is None:
        return None
    return ledger.claim(lock.id, preimage) if lock.state is LockState.OPEN else lock


def refund_bitcoin(
    terms: SwapTerms, chain: Chain, at: OutPoint, secret: SecretKey, script_pubkey: bytes
) -> Transaction:
    """The operator's way back. Raises Refused before the delay is over."""
    coin = chain.utxo(at)
    if coin is None:
        raise Refused(f"{at} is spent or not confirmed; there is nothing to take back")
    end, height = coin.height + terms.htlc.delay, chain.tip().height
    if height + 1 < end:
        raise Refused(f"the output can be taken back from block {end} on, it is {height}; wait")
    return make_refund(terms.htlc, at, secret, script_pubkey, chain.estimate_fee())


def refund_coins(terms: SwapTerms, ledger: L2Ledger) -> Lock:
    """The user's way back. Raises Refused before the expiry."""
    lock = ledger.find_lock(terms.htlc.hash)
    if lock is None:
        raise Refused("no coins are locked under this hash")
    return ledger.refund(lock.id)


def _shown_preimage(terms: SwapTerms, chain: Chain, at: OutPoint) -> bytes | None:
    spend = chain.find_spend(at)
    waiting = [tx for tx in chain.mempool() if any(i.prevout == at for i in tx.inputs)]
    for tx in ([spend.tx] if spend else []) + waiting:
        for tx_in in tx.inputs:
            if tx_in.prevout == at and (found := find_preimage(terms.htlc, tx_in.witness)) is not None:
                return found
    return None
