"""The Bitcoin side of a swap: a Taproot output for funder and claimer, with a hash and a relative delay.

    key path   both together (MuSig2, BIP 327): nothing of the swap is seen on the chain
    claim      claimer's signature and the preimage (32 bytes) of the hash
    refund     funder's signature, `delay` blocks after the output confirmed (BIP 68, 112)

All spends pay their own fee and signal replacement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from btc_l2.bridge.descriptor import CLAIM, REFUND, SwapDescriptor
from taproot.errors import InvalidInput, Refused
from taproot.hashes import sha256
from taproot.keys import SecretKey, sign_schnorr, verify_schnorr, x_only_of
from taproot.musig2 import KeyAgg, SecretNonce, Session, aggregate_nonces
from taproot.sighash import SighashCache
from taproot.tree import TapTree
from taproot.tx import OutPoint, Transaction, TxIn, TxOut, Witness
from taproot.units import SEQUENCE_RBF, Sats, dust_limit

_VERSION = 2


@dataclass(frozen=True, slots=True)
class Htlc:
    """`funder` and `claimer` are compressed keys (33 bytes), `hash` SHA256 of the preimage, `amount` in sat."""

    funder: bytes
    claimer: bytes
    hash: bytes
    delay: int
    amount: Sats

    def __post_init__(self) -> None:
        """Raises InvalidInput for one key on both sides, and as `SwapDescriptor` does."""
        if self.funder[1:] == self.claimer[1:]:
            raise InvalidInput("funder and claimer have one key; each needs his own")
        _ = self.descriptor

    @property
    def aggregate(self) -> KeyAgg:
        """The internal key: both keys in the order of their bytes."""
        return KeyAgg(sorted((self.funder, self.claimer)))

    @property
    def descriptor(self) -> SwapDescriptor:
        """What a wallet imports."""
        keys = x_only_of(self.claimer), x_only_of(self.funder)
        return SwapDescriptor(self.aggregate.output_key, keys[0], self.hash, keys[1], self.delay)

    @property
    def tree(self) -> TapTree:
        """Leaves `claim` and `refund`."""
        return self.descriptor.tree()

    @property
    def output(self) -> TxOut:
        """What the funder pays."""
        return TxOut(self.amount, self.tree.script_pubkey)


def make_claim(
    htlc: Htlc, at: OutPoint, secret: SecretKey, preimage: bytes, script_pubkey: bytes, fee_rate: float
) -> Transaction:
    """The claimer's spend; it makes the preimage public. Raises InvalidInput for another preimage or key."""
    if len(preimage) != 32 or sha256(preimage) != htlc.hash:
        raise InvalidInput("these bytes are not the preimage of the output's hash")
    _check_key(secret, htlc.claimer, "claimer")
    tree = htlc.tree
    draft = _spend(htlc, at, SEQUENCE_RBF, script_pubkey, fee_rate, tree.witness(CLAIM, [preimage, bytes(64)]))
    signature = _sign_leaf(htlc, draft, tree, CLAIM, secret)
    return draft.with_witness(0, tree.witness(CLAIM, [preimage, signature]))


def make_refund(htlc: Htlc, at: OutPoint, secret: SecretKey, script_pubkey: bytes, fee_rate: float) -> Transaction:
    """The funder's spend; the chain takes it `delay` blocks after the output. Raises InvalidInput for another key."""
    _check_key(secret, htlc.funder, "funder")
    tree = htlc.tree
    draft = _spend(htlc, at, htlc.delay, script_pubkey, fee_rate, tree.witness(REFUND, [bytes(64)]))
    return draft.with_witness(0, tree.witness(REFUND, [_sign_leaf(htlc, draft, tree, REFUND, secret)]))


def plan_together(htlc: Htlc, at: OutPoint, script_pubkey: bytes, fee_rate: float) -> Transaction:
    """The spend of both by the key path, without signature."""
    return _spend(htlc, at, SEQUENCE_RBF, script_pubkey, fee_rate, (bytes(64),)).with_witness(0, ())


def sign_together(htlc: Htlc, tx: Transaction, secrets: Mapping[str, SecretKey]) -> Transaction:
    """Both rounds of MuSig2 for the key path, `secrets` by role (`funder`, `claimer`), both in this process."""
    keyagg = htlc.aggregate.taproot_tweaked(htlc.tree.merkle_root)
    message = SighashCache(tx, [htlc.output]).key_path(0)
    keys = sorted(secrets.values(), key=lambda secret: secret.public_key)
    nonces = [SecretNonce.generate(secret, message, keyagg) for secret in keys]
    session = Session(keyagg, aggregate_nonces([n.public for n in nonces]), message)
    parts = [session.partial_sign(nonce, secret) for nonce, secret in zip(nonces, keys, strict=True)]
    signature = session.aggregate(parts)
    verify_schnorr(htlc.tree.output_key, message, signature)
    return tx.with_witness(0, [signature])


def find_preimage(htlc: Htlc, witness: Witness) -> bytes | None:
    """The preimage in the witness of a claim, None for another spend."""
    if len(witness) == 4 and witness[2] == htlc.tree.script(CLAIM) and sha256(witness[0]) == htlc.hash:
        return witness[0]
    return None


def _spend(
    htlc: Htlc, at: OutPoint, sequence: int, script_pubkey: bytes, fee_rate: float, witness: Witness
) -> Transaction:
    """Without a true signature: all of the output, less the fee for this witness, to one script."""
    draft = Transaction(_VERSION, (TxIn(at, sequence),), (TxOut(htlc.amount, script_pubkey),))
    value = htlc.amount - ceil(draft.with_witness(0, witness).vbytes * fee_rate)
    if value < dust_limit(script_pubkey):
        raise Refused(f"at {fee_rate} sat/vB {value} of {htlc.amount} sat are left; wait for lower fees")
    return Transaction(_VERSION, draft.inputs, (TxOut(Sats(value), script_pubkey),))


def _sign_leaf(htlc: Htlc, tx: Transaction, tree: TapTree, leaf: str, secret: SecretKey) -> bytes:
    return sign_schnorr(secret, SighashCache(tx, [htlc.output]).script_path(0, tree.leaf_hash(leaf)))


def _check_key(secret: SecretKey, public_key: bytes, role: str) -> None:
    if secret.public_key != public_key:
        raise InvalidInput(f"the key is not the {role}'s; give the key of this swap")
