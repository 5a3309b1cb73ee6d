"""The n-of-n: which keys a leaf checks so that all cosigners have signed, in which order, and who stands behind each.

    MuSig2 signer   one key of the aggregate (BIP 327), two rounds; his share of a signature is a part of 32 bytes
    plain signer    a key of his own in every leaf (BIP 340 only: an HSM, a hardware signer), one round; his share is a
                    whole signature of 64 bytes

    leaf            <aggregate> CHECKSIGVERIFY <plain key> CHECKSIGVERIFY … <plain key> CHECKSIG

The aggregate comes first, if anybody has a part in it, then the plain keys in the order of their bytes. One *presigned
signature* of a message is the signatures of all these keys, 64 bytes each, in this order. Where nobody is plain that is
the MuSig2 signature alone.

A plain key signs in the n-of-n only. With the key of a party's live signatures his part of a move, which everybody has
beforehand, would be his live signature of that move, too: the same key, the same message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taproot.errors import InvalidInput, Misbehaviour
from taproot.keys import XOnlyKey, is_valid_schnorr
from taproot.musig2 import PARTIAL_SIGNATURE_BYTES, KeyAgg, Session, aggregate_nonces
from taproot.sighash import SighashType, append_hash_type

SIGNATURE_BYTES = 64
KEY_VBYTES = 25  # of a further key in a leaf: 34 bytes of script, 65 or 66 of witness, four to a vbyte


@dataclass(frozen=True, slots=True)
class Cosigners:
    """All cosigners; `names` in the order of the parties, `plain` by name in the order in which leaves check them."""

    names: tuple[str, ...]
    musig2: KeyAgg | None
    plain: Mapping[str, XOnlyKey]

    @classmethod
    def make(cls, names: Sequence[str], musig2: Mapping[str, bytes], plain: Mapping[str, XOnlyKey]) -> Cosigners:
        """`musig2`: compressed keys (33 bytes) in the order of aggregation. Raises InvalidInput for no key at all."""
        if not names or {*musig2, *plain} != set(names):
            raise InvalidInput(f"{len(names)} cosigners with {len(musig2) + len(plain)} keys; each needs one")
        aggregate = KeyAgg(list(musig2.values()), list(musig2)) if musig2 else None
        return cls(tuple(names), aggregate, dict(sorted(plain.items(), key=lambda item: item[1])))

    @property
    def keys(self) -> tuple[XOnlyKey, ...]:
        """What a leaf checks, the first one first."""
        return (*(() if self.musig2 is None else (self.musig2.output_key,)), *self.plain.values())

    @property
    def domain(self) -> bytes:
        """The keys one after the other: what outputs that stand before any deposit belong to."""
        return b"".join(self.keys)

    @property
    def aggregate(self) -> KeyAgg:
        """The MuSig2 signers' aggregation. Raises InvalidInput if all are plain."""
        if self.musig2 is None:
            raise InvalidInput("all cosigners are plain signers; there is no aggregate and no nonce")
        return self.musig2

    @property
    def aggregated(self) -> tuple[str, ...]:
        """The MuSig2 signers, in the order of aggregation."""
        return () if self.musig2 is None else self.musig2.parties

    @property
    def extra_keys(self) -> int:
        """Keys that a leaf checks besides the first: what plain signers cost."""
        return len(self.keys) - 1

    @property
    def signature_bytes(self) -> int:
        """Length of one presigned signature."""
        return SIGNATURE_BYTES * len(self.keys)

    def share_bytes(self, name: str) -> int:
        """Length of what a cosigner contributes to a signature."""
        return SIGNATURE_BYTES if name in self.plain else PARTIAL_SIGNATURE_BYTES

    def split(self, signature: bytes) -> tuple[bytes, ...]:
        """A presigned signature as one of 64 bytes per key. Raises InvalidInput for another length."""
        if len(signature) != self.signature_bytes:
            raise InvalidInput(f"{len(signature)} bytes of presigned signature; {len(self.keys)} keys need "
                               f"{self.signature_bytes}")  # fmt: skip
        return tuple(signature[i : i + SIGNATURE_BYTES] for i in range(0, len(signature), SIGNATURE_BYTES))

    def witness(self, signature: bytes, sighash: SighashType) -> tuple[bytes, ...]:
        """The witness items of a presigned signature, first checked first. Raises InvalidInput as `split`."""
        return tuple(append_hash_type(part, sighash) for part in self.split(signature))

    def is_valid(self, message: bytes, signature: bytes) -> bool:
        """Whether each key has signed the message (32 bytes)."""
        if len(signature) != self.signature_bytes:
            return False
        pairs = zip(self.keys, self.split(signature), strict=True)
        return all(is_valid_schnorr(key, message, part) for key, part in pairs)

    def join_nonces(self, nonces: Mapping[str, bytes]) -> bytes:
        """The aggregated nonce (66 bytes) of the MuSig2 signers' nonces; empty where all are plain.

        Raises Misbehaviour naming the first whose nonce is not two points.
        """
        names = self.aggregated
        return aggregate_nonces([nonces[name] for name in names], names) if names else b""

    def check_share(self, name: str, message: bytes, joined: bytes, nonce: bytes, share: bytes) -> None:
        """One cosigner's share; `nonce` is his own (a plain signer's is not looked at). Raises Misbehaviour."""
        if name in self.plain:
            if not is_valid_schnorr(self.plain[name], message, share):
                raise Misbehaviour(name, f"signature {share.hex()} does not check")
            return
        aggregate = self.aggregate
        key = aggregate.public_keys[aggregate.parties.index(name)]
        Session(aggregate, joined, message).verify_partial(share, nonce, key)

    def join(self, message: bytes, joined: bytes, nonces: Mapping[str, bytes], shares: Mapping[str, bytes]) -> bytes:
        """The presigned signature from everybody's share. Raises Misbehaviour naming the first whose share is wrong.

        MuSig2 parts are looked at one by one only if the whole is wrong.
        """
        parts = [] if self.musig2 is None else [self._join_parts(message, joined, nonces, shares)]
        for name in self.plain:
            self.check_share(name, message, joined, b"", shares[name])
            parts.append(shares[name])
        return b"".join(parts)

    def _join_parts(
        self, message: bytes, joined: bytes, nonces: Mapping[str, bytes], shares: Mapping[str, bytes]
    ) -> bytes:
        aggregate = self.aggregate
        signature = Session(aggregate, joined, message).aggregate([shares[name] for name in aggregate.parties])
        if not is_valid_schnorr(aggregate.output_key, message, signature):
            for name in aggregate.parties:
                self.check_share(name, message, joined, nonces[name], shares[name])
            raise AssertionError("valid parts make a valid signature")
        return signature
