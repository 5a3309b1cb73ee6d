"""What a signer's machine with a node has seen, for signers whose machines have none.

    check.SIGNER.json   format, ceremony, agreed, signer, height, block, depth, signature
    digest              tagged hash "btc-l2/check" of everything but the signature, as JSON with sorted keys, no blanks

It says: at this height and block every standing output of the graphs with this `agreed` digest was there, as agreed and
`depth` blocks deep, and no doubt stood. Nobody must believe it; it binds its signer's name, not the chain.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from btc_l2.durable import replace_file
from challenger.presign.ceremony.contribution import canonical
from taproot.errors import InvalidInput, VerificationFailed
from taproot.hashes import tagged_hash
from taproot.keys import SecretKey, XOnlyKey, is_valid_schnorr, sign_schnorr
from taproot.parties import is_name

FORMAT = "btc-l2 check 1"
PATTERN = "check.*.json"
MOST_BYTES = 4096
_NUMBERS, _HASHES = ("height", "depth"), ("ceremony", "agreed", "block")


@dataclass(frozen=True, slots=True)
class Statement:
    """`ceremony`, `agreed` and `block` in hexadecimal, the block as nodes show it."""

    ceremony: str
    agreed: str
    signer: str
    height: int
    block: str
    depth: int
    signature: str = ""

    @property
    def file_name(self) -> str:
        """`check.SIGNER.json`."""
        return PATTERN.replace("*", self.signer)

    @property
    def digest(self) -> bytes:
        """What is signed."""
        return tagged_hash("btc-l2/check", canonical({k: v for k, v in self.to_json().items() if k != "signature"}))

    def signed(self, identity: SecretKey) -> Statement:
        """With the signature of the signer's identity key."""
        signature = sign_schnorr(identity, self.digest, bytes(32)).hex()
        return Statement(**{**asdict(self), "signature": signature})

    def verify(self, identity: XOnlyKey) -> None:
        """Raises VerificationFailed unless this identity key signed it."""
        if not is_valid_schnorr(identity, self.digest, bytes.fromhex(self.signature)):
            raise VerificationFailed(f"{self.file_name} is not signed by {self.signer}'s identity key; ask him for it")

    def to_json(self) -> dict[str, Any]:
        """The file's document."""
        return {"format": FORMAT, **asdict(self)}

    def to_bytes(self) -> bytes:
        """The file's content."""
        return canonical(self.to_json()) + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> Statement:
        """Raises InvalidInput for anything but what `to_bytes` gives; the signature is not checked."""
        try:
            document = json.loads(content) if len(content) <= MOST_BYTES else None
            if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
                raise ValueError("another format")
            made = cls(**document)
            sizes = {_digits(getattr(made, name)) for name in _HASHES}, _digits(made.signature)
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidInput(f"no file of format {FORMAT!r}: {error!r}") from error
        numbers = all(type(getattr(made, name)) is int and getattr(made, name) >= 0 for name in _NUMBERS)
        if sizes != ({64}, 128) or not numbers or not is_name(made.signer):
            raise InvalidInput(f"no file of format {FORMAT!r}: a field of another kind")
        return made


def _digits(text: str) -> int:
    """Length of hexadecimal as we write it. Raises ValueError, TypeError for anything else."""
    if bytes.fromhex(text).hex() != text:
        raise ValueError("hexadecimal in another form")
    return len(text)


def keep_statement(folder: Path, given: Statement) -> bool:
    """Put a checked one into a ceremony's folder; says whether it is newer than what is there."""
    known = {s.signer: s for s in statements(folder)}.get(given.signer)
    if known is not None and known.height >= given.height:
        return False
    replace_file(folder / given.file_name, given.to_bytes())
    return True


def statements(folder: Path) -> Iterator[Statement]:
    """Those of a ceremony's folder, by name."""
    for path in sorted(folder.glob(PATTERN)):
        yield Statement.from_bytes(path.read_bytes())
