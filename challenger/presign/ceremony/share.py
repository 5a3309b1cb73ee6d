"""What a member contributes to the signatures of a stage: nonces and parts, or a plain signer's whole signatures.

    member          round of nonces                 round of parts
    MuSig2 signer   66 bytes for each message       32 bytes for each message
    plain signer    nothing, and that is checked    64 bytes for each message (BIP 340, no randomness: the same file)

Making, checking and joining of shares; each check names the party at fault. docs/spec/ceremony.md, "Plain signers".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from challenger.keystore import KeySet
from challenger.presign.ceremony.contribution import Contribution, unpack
from challenger.presign.ceremony.joining import check_heard
from taproot.cosigners import Cosigners
from taproot.errors import InvalidInput, Misbehaviour, Unavailable, VerificationFailed
from taproot.keys import SecretKey, XOnlyKey, is_valid_schnorr, sign_schnorr
from taproot.musig2 import PUBLIC_NONCE_BYTES, SecretNonce, Session, aggregate_nonces

Given = Mapping[str, Contribution]  # by sender


def make_parts(
    cosigners: Cosigners, key: SecretKey, messages: Sequence[bytes], joined: Sequence[bytes],
    nonces: Sequence[SecretNonce],
) -> list[bytes]:  # fmt: skip
    """Own parts of the MuSig2 signatures."""
    parts = zip(nonces, joined, messages, strict=True)
    with _joinable():
        return [Session(cosigners.aggregate, j, message).partial_sign(nonce, key) for nonce, j, message in parts]


def make_signatures(
    own: XOnlyKey, keys: KeySet, messages: Sequence[bytes], elsewhere: Mapping[bytes, bytes]
) -> list[bytes]:
    """A plain signer's signatures. `elsewhere` has them by message if his key is not that of his keystore.

    Raises Unavailable where one is missing, VerificationFailed for one that does not check.
    """
    if own == keys.plain.x_only:
        return [sign_schnorr(keys.plain, message, bytes(32)) for message in messages]
    if missing := [message for message in messages if message not in elsewhere]:
        raise Unavailable(
            f"{len(missing)} of {len(messages)} signatures of your key {own.hex()[:16]} are missing, which is not in "
            "this keystore; `btc-l2 signer export --psbt` writes what it has to sign, `sign --psbt` takes it in"
        )
    if not all(is_valid_schnorr(own, message, elsewhere[message]) for message in messages):
        raise VerificationFailed(f"a signature is not of your key {own.hex()[:16]}; sign the PSBTs again")
    return [elsewhere[message] for message in messages]


def check_nonces(given: Contribution, count: int, cosigners: Cosigners) -> None:
    """Raises Misbehaviour for a wrong number of nonces (a plain signer sends none) or what is no point."""
    for nonce in _nonces_of(given, count, cosigners):
        aggregate_nonces([nonce], [given.sender])


def join_nonces(given: Given, count: int, cosigners: Cosigners) -> list[bytes]:
    """The aggregated nonce of each message, empty where all are plain; everybody's nonces are checked on the way.

    Raises Misbehaviour as `check_nonces`.
    """
    rows = {name: _nonces_of(given[name], count, cosigners) for name in cosigners.names}
    return [cosigners.join_nonces({n: rows[n][k] for n in cosigners.aggregated}) for k in range(count)]


def join_shares(
    messages: Sequence[bytes], nonces: Given, joined: Sequence[bytes], shares: Given, cosigners: Cosigners
) -> dict[bytes, bytes]:
    """The presigned signature of each message; `joined` as `join_nonces` makes it of the nonces.

    Raises Misbehaviour naming the first party whose share is wrong.
    """
    count = len(messages)
    own = {name: _nonces_of(nonces[name], count, cosigners) for name in cosigners.aggregated}
    rows = {name: _shares_of(shares[name], count, cosigners) for name in cosigners.names}
    with _joinable():
        return {
            message: cosigners.join(
                message, joined[k],
                {name: row[k] for name, row in own.items()}, {name: row[k] for name, row in rows.items()},
            )
            for k, message in enumerate(messages)
        }  # fmt: skip


def check_shares(messages: Sequence[bytes], nonces: Given, given: Contribution, cosigners: Cosigners) -> None:
    """Raises Misbehaviour if one of the sender's shares is wrong: what evidence is checked by."""
    check_heard(given, nonces)
    count, sender = len(messages), given.sender
    own = _nonces_of(nonces[sender], count, cosigners) or [b""] * count
    joined = join_nonces(nonces, count, cosigners)
    with _joinable():
        parts = _shares_of(given, count, cosigners)
        for message, joint, nonce, share in zip(messages, joined, own, parts, strict=True):
            cosigners.check_share(sender, message, joint, nonce, share)


def _nonces_of(given: Contribution, count: int, cosigners: Cosigners) -> list[bytes]:
    text = given.body.get("nonces")
    if given.sender in cosigners.plain:
        if text != "":
            raise Misbehaviour(given.sender, "sends nonces although he signs without MuSig2")
        return []
    return unpack(text, PUBLIC_NONCE_BYTES, count, given.sender)


def _shares_of(given: Contribution, count: int, cosigners: Cosigners) -> list[bytes]:
    return unpack(given.body.get("partials"), cosigners.share_bytes(given.sender), count, given.sender)


@contextmanager
def _joinable() -> Iterator[None]:
    """Nonces that cancel each other make no session: nobody honest's do, and nobody can tell whose it was."""
    try:
        yield
    except InvalidInput as error:
        raise VerificationFailed(f"the nonces cannot be joined ({error}); begin a new attempt") from error
