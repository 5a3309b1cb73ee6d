"""The refund kit: a file with which a depositor takes his coins back, alone, on a machine that knows nobody of us.

It is JSON (docs/spec/bridge.md, "Refund kit"). Who made it is not trusted: `RefundKit.from_json` takes the few facts it
rests on (cosigners' keys, depositor's key, delay, amount, outpoint), computes everything else anew and compares. With
the internal key's scalar r it is shown that nobody can spend the deposit past its leaves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from btc_l2.bridge.descriptor import REFUND, DepositDescriptor
from btc_l2.chain.kernel import verify_spend
from taproot.address import checked_network, encode_address
from taproot.connectors.output import Contract
from taproot.errors import BtcL2Error, InvalidInput, Refused, Unavailable, VerificationFailed
from taproot.keys import SecretKey, XOnlyKey, sign_schnorr
from taproot.musig2 import KeyAgg
from taproot.nums import nums_key, nums_scalar
from taproot.parties import Parties
from taproot.sighash import SighashCache
from taproot.terms import Terms
from taproot.tree import TapTree
from taproot.tx import OutPoint, Transaction, TxIn, TxOut, p2tr_script
from taproot.units import MAX_MONEY, Sats, dust_limit

FORMAT = "btc-l2 refund kit 1"
MOST_BYTES = 1 << 16
MOST_FEE_RATE = 1000  # sat/vB
_VERSION = 2


@dataclass(frozen=True, slots=True)
class RefundKit:
    """The facts; `outpoint` is None until the deposit is paid."""

    network: str
    cosigners: tuple[bytes, ...]  # compressed keys of the MuSig2 signers, in the order of their aggregation
    depositor: XOnlyKey
    delay: int
    amount: Sats
    outpoint: OutPoint | None = None
    plain: tuple[XOnlyKey, ...] = ()  # keys of those who sign without MuSig2, in the order in which they are checked

    def __post_init__(self) -> None:
        """Raises Refused for mainnet, InvalidInput for another network, an amount out of range, keys out of order."""
        checked_network(self.network)
        if not 0 < self.amount <= MAX_MONEY:
            raise InvalidInput(f"a deposit of {self.amount} sat; give more than 0, at most 21 million bitcoin")
        in_order = all(list(keys) == sorted(set(keys)) for keys in (self.cosigners, self.plain))
        if not (self.cosigners or self.plain) or not in_order:
            raise InvalidInput("the cosigners' keys must be different and in the order of their bytes (BIP 327)")

    @property
    def nums_r(self) -> bytes:
        """The internal key is H + r·G."""
        return nums_scalar(b"standing/" + b"".join(self.all_keys) + b"/deposit")

    @property
    def all_keys(self) -> tuple[XOnlyKey, ...]:
        """The keys of the n-of-n (`taproot.cosigners`)."""
        return (*((KeyAgg(self.cosigners).output_key,) if self.cosigners else ()), *self.plain)

    @property
    def descriptor(self) -> DepositDescriptor:
        """What a wallet imports."""
        return DepositDescriptor(nums_key(self.nums_r), self.all_keys, self.depositor, self.delay)

    @property
    def address(self) -> str:
        """Where the depositor pays."""
        return encode_address(self.descriptor.tree().script_pubkey, self.network)

    @property
    def output(self) -> TxOut:
        """The deposit as it stands in its transaction."""
        return TxOut(self.amount, self.descriptor.tree().script_pubkey)

    def to_json(self) -> dict[str, Any]:
        """The file's content, facts and what follows from them."""
        tree = self.descriptor.tree()
        return {
            "format": FORMAT,
            "network": self.network,
            "cosigners": [key.hex() for key in self.cosigners],
            **({"plain": [key.hex() for key in self.plain]} if self.plain else {}),
            "depositor": self.depositor.hex(),
            "refund_delay": self.delay,
            "amount": int(self.amount),
            "outpoint": None if self.outpoint is None else str(self.outpoint),
            "nums_r": self.nums_r.hex(),
            "descriptor": str(self.descriptor),
            "address": encode_address(tree.script_pubkey, self.network),
            "script_pubkey": tree.script_pubkey.hex(),
            "refund_script": tree.script(REFUND).hex(),
            "control_block": tree.control_block(REFUND).hex(),
            "how_to_sign": _how_to_sign(self.delay),
        }

    @classmethod
    def from_json(cls, values: object) -> RefundKit:
        """Read the facts and compare all the rest. Raises Refused for mainnet, VerificationFailed for anything that
        is not as it should be, naming the field."""
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise VerificationFailed(f"not a file of format {FORMAT!r}; name the right file")
        try:
            kit = _facts(values)
            expected = kit.to_json()
        except Refused:
            raise
        except (BtcL2Error, KeyError, TypeError, ValueError, AttributeError) as error:
            raise VerificationFailed(f"the refund kit is damaged ({error!r}); get it again") from error
        if wrong := sorted(n for n in {*expected, *values} if not _same(expected.get(n), values.get(n))):
            raise VerificationFailed(f"{wrong[0]} does not follow from the kit's keys; do not pay to its address")
        return kit

    @classmethod
    def load(cls, path: Path) -> RefundKit:
        """Raises Unavailable if the file cannot be read, else as `from_json`."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Unavailable(f"cannot read {path}; {error.strerror}; check name and permission") from error
        return cls.parse(content)

    @classmethod
    def parse(cls, content: bytes) -> RefundKit:
        """From the file's bytes. Raises as `from_json`."""
        try:
            values = json.loads(content) if len(content) <= MOST_BYTES else None
        except (ValueError, RecursionError):
            values = None
        return cls.from_json(values)


def kit_of(contract: Contract, outpoint: OutPoint | None = None) -> RefundKit:
    """The kit of a deposit under these terms."""
    return make_kit(contract.terms, contract.parties, outpoint)


def make_kit(terms: Terms, parties: Parties, outpoint: OutPoint | None = None) -> RefundKit:
    """The kit of the depositor among `parties`."""
    keys = tuple(p.public_key for p in parties.cosigners if p.plain_key is None)
    plain = tuple(parties.n_of_n().plain.values())
    depositor = parties.depositor.x_only
    return RefundKit(terms.network, keys, depositor, terms.refund_delay, terms.deposit, outpoint, plain)


def own_script(kit: RefundKit) -> bytes:
    """The depositor's own key, without a script tree (BIP 86): where a refund goes if he names no address."""
    output_key, _parity = kit.depositor.taproot_output_key()
    return p2tr_script(output_key)


def make_refund(kit: RefundKit, secret: SecretKey, script_pubkey: bytes, fee_rate: float) -> Transaction:
    """The signed refund, checked by libbitcoinkernel; the chain takes it `delay` blocks after the deposit.

    Raises InvalidInput for a kit without outpoint or a fee rate out of range, Refused for another key or where the fee
    would leave dust.
    """
    if kit.outpoint is None:
        raise InvalidInput("the kit does not say where the deposit is; pay it, then `btc-l2 bridge status` writes it")
    if secret.x_only != kit.depositor:
        raise Refused(f"the key is not the depositor's ({kit.depositor.hex()}); give the key file of this deposit")
    if not 0 < fee_rate <= MOST_FEE_RATE:
        raise InvalidInput(f"a fee rate of {fee_rate} sat/vB; choose one above 0, at most {MOST_FEE_RATE}")
    spent, tree = kit.output, kit.descriptor.tree()
    draft = Transaction(_VERSION, (TxIn(kit.outpoint, kit.delay),), (TxOut(spent.value, script_pubkey),))
    size = _with_signature(draft, tree, bytes(64)).vbytes
    value = spent.value - ceil(size * fee_rate)
    if value < dust_limit(script_pubkey):
        raise Refused(f"a refund at {fee_rate} sat/vB leaves {value} of {spent.value} sat; wait for lower fees")
    tx = Transaction(_VERSION, draft.inputs, (TxOut(Sats(value), script_pubkey),))
    message = SighashCache(tx, [spent]).script_path(0, tree.leaf_hash(REFUND))
    signed = _with_signature(tx, tree, sign_schnorr(secret, message))
    verify_refund(kit, signed)
    return signed


def verify_refund(kit: RefundKit, tx: Transaction) -> None:
    """Raises VerificationFailed unless the transaction spends the kit's deposit by Bitcoin's rules."""
    if [i.prevout for i in tx.inputs] != [kit.outpoint]:
        raise VerificationFailed("the transaction does not spend the kit's deposit alone")
    if not verify_spend(tx.serialize(), 0, [(kit.amount, kit.output.script_pubkey)]):
        raise VerificationFailed("libbitcoinkernel does not accept the refund's signature or script")


def _facts(values: Mapping[str, Any]) -> RefundKit:
    at = values["outpoint"]
    delay, amount = values["refund_delay"], values["amount"]
    if type(delay) is not int or type(amount) is not int:
        raise InvalidInput("refund_delay and amount must be whole numbers")
    return RefundKit(
        network=str(values["network"]),
        cosigners=tuple(bytes.fromhex(key) for key in values["cosigners"]),
        depositor=XOnlyKey(bytes.fromhex(values["depositor"])),
        delay=delay,
        amount=Sats(amount),
        outpoint=None if at is None else OutPoint.from_str(at),
        plain=tuple(XOnlyKey(bytes.fromhex(key)) for key in values.get("plain", [])),
    )


def _same(expected: object, given: object) -> bool:
    return type(expected) is type(given) and expected == given


def _with_signature(tx: Transaction, tree: TapTree, signature: bytes) -> Transaction:
    return tx.with_witness(0, tree.witness(REFUND, [signature]))


def _how_to_sign(delay: int) -> list[str]:
    return [
        f"wait until the deposit has {delay} confirmations; nobody can prolong that",
        f"make a transaction of version 2 that spends only the outpoint, with sequence number {delay} (BIP 68)",
        "sign it with the depositor's key: BIP 341 signature hash, SIGHASH_DEFAULT, script path of refund_script",
        "witness: signature, refund_script, control_block; then broadcast it on any node",
        "or: btc-l2 bridge refund --kit FILE --key-file FILE; or a wallet that knows miniscript descriptors",
    ]
