"""What every output of the presigned graph has: a value, a NUMS internal key, leaves by name, and who signs each leaf.

An internal key is `H + r*G`; r is a hash of the output's name and of what the output belongs to, so that anyone can
recompute it: the deposit's outpoint, or for outputs that stand before any deposit (deposit, stake, bond, ticket) the
keys of the n-of-n (`taproot.cosigners`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from taproot.connectors.turn import Leaf, make_leaf
from taproot.cosigners import Cosigners
from taproot.errors import InvalidInput
from taproot.keys import XOnlyKey
from taproot.musig2 import KeyAgg
from taproot.nums import nums_key, nums_scalar
from taproot.parties import N_OF_N, Parties
from taproot.script import Op, Script, join, script
from taproot.terms import Terms
from taproot.tree import LeafHash, TapTree
from taproot.tx import OutPoint, TxOut, p2tr_script
from taproot.units import Sats


@dataclass(frozen=True, slots=True)
class Contract:
    """Terms, parties and the keys of their n-of-n: what every output is made from."""

    terms: Terms
    parties: Parties
    cosigners: Cosigners

    @classmethod
    def make(cls, terms: Terms, parties: Parties) -> Contract:
        """Aggregate the n-of-n once. Raises InvalidInput for more plain signers than the terms bear."""
        cosigners = parties.n_of_n()
        terms.check_keys(cosigners.extra_keys)
        return cls(terms, parties, cosigners)

    @property
    def aggregate(self) -> KeyAgg:
        """The MuSig2 signers' aggregation. Raises InvalidInput if all cosigners are plain."""
        return self.cosigners.aggregate

    def key(self, name: str) -> XOnlyKey:
        """The x-only key of a party. Raises InvalidInput for an unknown name."""
        return self.parties.party(name).x_only

    def keys(self, name: str) -> tuple[XOnlyKey, ...]:
        """What a leaf checks for a party, or for all (`N_OF_N`), first checked first."""
        return self.cosigners.keys if name == N_OF_N else (self.key(name),)

    @property
    def standing(self) -> bytes:
        """What outputs that stand before any deposit belong to."""
        return b"standing/" + self.cosigners.domain + b"/"


@dataclass(frozen=True, slots=True)
class SpendPath:
    """A leaf with the parties whose signatures it checks, first checked first, and its delay (CSV, blocks)."""

    leaf: Leaf
    parties: tuple[str, ...]
    delay: int = 0
    extra_keys: int = 0  # signatures beyond one per party: those of an n-of-n with plain signers

    @property
    def signatures(self) -> int:
        """Witness items that are signatures."""
        return len(self.parties) + self.extra_keys


@dataclass(frozen=True, slots=True)
class Output:
    """An output of the graph. `paths` are by leaf name; `r` proves that the internal key is nobody's."""

    name: str
    value: Sats
    r: bytes
    tree: TapTree
    paths: Mapping[str, SpendPath]

    @property
    def tx_out(self) -> TxOut:
        """Value and script."""
        return TxOut(self.value, self.tree.script_pubkey)

    def path(self, leaf: str) -> SpendPath:
        """The way to spend by that leaf. Raises InvalidInput if the output has no such leaf."""
        if leaf not in self.paths:
            raise InvalidInput(f"output {self.name} has no leaf {leaf!r}; it has {', '.join(self.paths)}")
        return self.paths[leaf]


def belonging_to(deposit: OutPoint) -> bytes:
    """What the outputs of one deposit belong to."""
    return b"deposit/" + deposit.serialize() + b"/"


def make_output(
    name: str, value: int, owner: bytes, paths: tuple[SpendPath, ...], weights: Mapping[str, float] | None = None
) -> Output:
    """An output whose leaves are those of `paths`. Raises InvalidInput for two leaves of one name, or too many."""
    by_name = {path.leaf.name: path for path in paths}
    if len(by_name) != len(paths):
        raise InvalidInput(f"output {name} has two leaves of the same name")
    r = nums_scalar(owner + name.encode())
    hashes = {leaf: LeafHash(path.leaf.hash) for leaf, path in by_name.items()}
    return Output(name, Sats(value), r, TapTree.build(nums_key(r), hashes, weights), by_name)


def signed_by_all(contract: Contract) -> SpendPath:
    """The leaf `n-of-n`.

    stack:  signatures of all, that of the first key on top  →  true
    """
    return _signed(contract, N_OF_N, (N_OF_N,), "all signers and the operator agreed")


def signed_by(contract: Contract, leaf: str, party: str, proves: str) -> SpendPath:
    """A leaf for one key.

    stack:  signature  →  true
    """
    return _signed(contract, leaf, (party,), proves)


def signed_by_both(contract: Contract, leaf: str, first: str, second: str, proves: str) -> SpendPath:
    """A leaf for two parties, one of which may be all.

    stack:  signatures of second, signatures of first  →  true
    """
    return _signed(contract, leaf, (first, second), proves)


def signed_after(contract: Contract, leaf: str, party: str, delay: int, proves: str) -> SpendPath:
    """A leaf for one key once the output is `delay` blocks old (BIP112).

    stack:  signature  →  true
    """
    body = script(delay, Op.CHECKSEQUENCEVERIFY, Op.DROP, contract.key(party), Op.CHECKSIG)
    return SpendPath(make_leaf(leaf, body, 1, proves), (party,), delay)


def payout_script(contract: Contract, party: str) -> bytes:
    """Script that pays to a party's own key by the key path, without a script tree (BIP341, BIP86)."""
    return _payout(contract.key(party))


@lru_cache(maxsize=256)
def _payout(key: XOnlyKey) -> bytes:
    output_key, _parity = key.taproot_output_key()
    return p2tr_script(output_key)


def check_script(keys: Sequence[bytes]) -> Script:
    """`<k1> CHECKSIGVERIFY … <kn> CHECKSIG`, the miniscript `and_v(v:pk(k1),…pk(kn))` (BIP 379).

    stack:  signature n … signature 1  →  true
    """
    return join([*(script(key, Op.CHECKSIGVERIFY) for key in keys[:-1]), script(keys[-1], Op.CHECKSIG)])


def _signed(contract: Contract, leaf: str, parties: tuple[str, ...], proves: str) -> SpendPath:
    keys = [key for party in parties for key in contract.keys(party)]
    return SpendPath(
        make_leaf(leaf, check_script(keys), len(keys), proves), parties, extra_keys=len(keys) - len(parties)
    )
