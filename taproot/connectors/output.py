"""What every output of the presigned graph has: a value, a NUMS internal key, leaves by name, and who signs each leaf.

An internal key is `H + r*G`; r is a hash of the output's name and of what the output belongs to, so that anyone can
recompute it: the deposit's outpoint, or for outputs that stand before any deposit (deposit, stake, bond, ticket) the
n-of-n key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from taproot.connectors.turn import Leaf, make_leaf
from taproot.errors import InvalidInput
from taproot.keys import XOnlyKey
from taproot.musig2 import KeyAgg
from taproot.nums import nums_key, nums_scalar
from taproot.script import Op, script
from taproot.terms import N_OF_N, Parties, Terms
from taproot.tree import LeafHash, TapTree
from taproot.tx import OutPoint, TxOut, p2tr_script
from taproot.units import Sats


@dataclass(frozen=True, slots=True)
class Contract:
    """Terms, parties and their n-of-n key: what every output is made from."""

    terms: Terms
    parties: Parties
    aggregate: KeyAgg

    @classmethod
    def make(cls, terms: Terms, parties: Parties) -> Contract:
        """Aggregate the n-of-n key once."""
        return cls(terms, parties, parties.aggregate())

    def key(self, name: str) -> XOnlyKey:
        """The x-only key of a party, or of all (`N_OF_N`). Raises InvalidInput for an unknown name."""
        return self.aggregate.output_key if name == N_OF_N else self.parties.party(name).x_only

    @property
    def standing(self) -> bytes:
        """What outputs that stand before any deposit belong to."""
        return b"standing/" + self.aggregate.output_key + b"/"


@dataclass(frozen=True, slots=True)
class SpendPath:
    """A leaf with the parties whose signatures it checks, first checked first, and its delay (CSV, blocks)."""

    leaf: Leaf
    parties: tuple[str, ...]
    delay: int = 0


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

    stack:  signature  →  true
    """
    return signed_by(contract, N_OF_N, N_OF_N, "all signers and the operator agreed")


def signed_by(contract: Contract, leaf: str, party: str, proves: str) -> SpendPath:
    """A leaf for one key.

    stack:  signature  →  true
    """
    return SpendPath(make_leaf(leaf, script(contract.key(party), Op.CHECKSIG), 1, proves), (party,))


def signed_by_both(contract: Contract, leaf: str, first: str, second: str, proves: str) -> SpendPath:
    """A leaf for two keys.

    stack:  signature of second, signature of first  →  true
    """
    body = script(contract.key(first), Op.CHECKSIGVERIFY, contract.key(second), Op.CHECKSIG)
    return SpendPath(make_leaf(leaf, body, 2, proves), (first, second))


def signed_after(contract: Contract, leaf: str, party: str, delay: int, proves: str) -> SpendPath:
    """A leaf for one key once the output is `delay` blocks old (BIP112).

    stack:  signature  →  true
    """
    body = script(delay, Op.CHECKSEQUENCEVERIFY, Op.DROP, contract.key(party), Op.CHECKSIG)
    return SpendPath(make_leaf(leaf, body, 1, proves), (party,), delay)


def payout_script(contract: Contract, party: str) -> bytes:
    """Script that pays to a party's own key by the key path, without a script tree (BIP341, BIP86)."""
    output_key, _parity = contract.key(party).taproot_output_key()
    return p2tr_script(output_key)
