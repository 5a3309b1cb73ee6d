"""BIP327 (MuSig2) in plain integers: slow, readable, a second opinion on libsecp256k1.

Here secret nonces are bytes, as the BIP's vectors need them; in the library they are opaque. Points are affine
pairs, None is the point at infinity. Names are those of the BIP. For tests only: nothing runs in constant time.
"""

from __future__ import annotations

from dataclasses import dataclass

from taproot.hashes import tagged_hash

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
Point = tuple[int, int] | None
INFINITY: Point = None


class InvalidContribution(Exception):
    """A signer (None: the aggregator) sent something that cannot be."""

    def __init__(self, signer: int | None, contrib: str) -> None:
        super().__init__(f"{contrib} of signer {signer}")
        self.signer, self.contrib = signer, contrib


# --- the group


def add(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if a[1] != b[1]:
            return INFINITY
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(point: Point, scalar: int) -> Point:
    result = INFINITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def total(points: list[Point]) -> Point:
    result = INFINITY
    for point in points:
        result = add(result, point)
    return result


def negate(point: Point) -> Point:
    return None if point is None else (point[0], P - point[1])


def has_even_y(point: Point) -> bool:
    assert point is not None
    return point[1] % 2 == 0


def lift_x(x: int) -> Point:
    """The point with this x and an even y. Raises ValueError if there is none."""
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if x >= P or y * y % P != square:
        raise ValueError("x is not on the curve")
    return x, y if y % 2 == 0 else P - y


def cpoint(data: bytes) -> Point:
    if len(data) != 33 or data[0] not in (2, 3):
        raise ValueError("not a compressed point")
    point = lift_x(int.from_bytes(data[1:], "big"))
    return point if data[0] == 2 else negate(point)


def cpoint_ext(data: bytes) -> Point:
    return INFINITY if data == bytes(33) else cpoint(data)


def xbytes(point: Point) -> bytes:
    assert point is not None
    return point[0].to_bytes(32, "big")


def cbytes(point: Point) -> bytes:
    return bytes([2 if has_even_y(point) else 3]) + xbytes(point)


def cbytes_ext(point: Point) -> bytes:
    return bytes(33) if point is None else cbytes(point)


def scalar_of_hash(tag: str, data: bytes) -> int:
    return int.from_bytes(tagged_hash(tag, data), "big") % N


# --- key aggregation


@dataclass(frozen=True)
class KeyAggContext:
    Q: Point
    gacc: int = 1
    tacc: int = 0


def individual_pk(secret: bytes) -> bytes:
    scalar = int.from_bytes(secret, "big")
    if not 0 < scalar < N:
        raise ValueError("secret key out of range")
    return cbytes(multiply(G, scalar))


def key_agg_coefficient(pubkeys: list[bytes], key: bytes) -> int:
    second = next((other for other in pubkeys if other != pubkeys[0]), bytes(33))
    if key == second:
        return 1
    return scalar_of_hash("KeyAgg coefficient", tagged_hash("KeyAgg list", b"".join(pubkeys)) + key)


def key_agg(pubkeys: list[bytes]) -> KeyAggContext:
    terms = []
    for signer, key in enumerate(pubkeys):
        try:
            terms.append(multiply(cpoint(key), key_agg_coefficient(pubkeys, key)))
        except ValueError as error:
            raise InvalidContribution(signer, "pubkey") from error
    aggregate = total(terms)
    assert aggregate is not None
    return KeyAggContext(aggregate)


def apply_tweak(context: KeyAggContext, tweak: bytes, is_xonly: bool) -> KeyAggContext:
    g = N - 1 if is_xonly and not has_even_y(context.Q) else 1
    t = int.from_bytes(tweak, "big")
    if len(tweak) != 32 or t >= N:
        raise ValueError("tweak out of range")
    key = add(multiply(context.Q, g), multiply(G, t))
    if key is None:
        raise ValueError("tweak cancels the key")
    return KeyAggContext(key, g * context.gacc % N, (t + g * context.tacc) % N)


def key_agg_and_tweak(pubkeys: list[bytes], tweaks: list[bytes], is_xonly: list[bool]) -> KeyAggContext:
    context = key_agg(pubkeys)
    for tweak, mode in zip(tweaks, is_xonly, strict=True):
        context = apply_tweak(context, tweak, mode)
    return context


# --- nonces


def _with_length(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size, "big") + data


def nonce_gen(
    rand_: bytes, sk: bytes | None, pk: bytes, aggpk: bytes | None, msg: bytes | None, extra: bytes | None
) -> tuple[bytes, bytes]:
    """Secret nonce (97 bytes: k1, k2, pk) and public nonce (66)."""
    rand = rand_
    if sk is not None:
        rand = bytes(a ^ b for a, b in zip(sk, tagged_hash("MuSig/aux", rand_), strict=True))
    message = b"\x00" if msg is None else b"\x01" + _with_length(msg, 8)
    body = rand + _with_length(pk, 1) + _with_length(aggpk or b"", 1) + message + _with_length(extra or b"", 4)
    k = [scalar_of_hash("MuSig/nonce", body + bytes([i])) for i in (0, 1)]
    assert all(k)
    return b"".join(s.to_bytes(32, "big") for s in k) + pk, b"".join(cbytes(multiply(G, s)) for s in k)


def nonce_agg(pubnonces: list[bytes]) -> bytes:
    halves = []
    for j in (0, 1):
        points = []
        for signer, nonce in enumerate(pubnonces):
            try:
                points.append(cpoint(nonce[33 * j : 33 * j + 33]))
            except ValueError as error:
                raise InvalidContribution(signer, "pubnonce") from error
        halves.append(cbytes_ext(total(points)))
    return b"".join(halves)


# --- signing


@dataclass(frozen=True)
class SessionContext:
    aggnonce: bytes
    pubkeys: list[bytes]
    tweaks: list[bytes]
    is_xonly: list[bool]
    msg: bytes


@dataclass(frozen=True)
class SessionValues:
    key: KeyAggContext
    b: int
    R: Point
    e: int


def session_values(session: SessionContext) -> SessionValues:
    key = key_agg_and_tweak(session.pubkeys, session.tweaks, session.is_xonly)
    b = scalar_of_hash("MuSig/noncecoef", session.aggnonce + xbytes(key.Q) + session.msg)
    try:
        r1, r2 = cpoint_ext(session.aggnonce[:33]), cpoint_ext(session.aggnonce[33:])
    except ValueError as error:
        raise InvalidContribution(None, "aggnonce") from error
    final = add(r1, multiply(r2, b)) or G
    return SessionValues(
        key, b, final, scalar_of_hash("BIP0340/challenge", xbytes(final) + xbytes(key.Q) + session.msg)
    )


def sign(secnonce: bytes, sk: bytes, session: SessionContext) -> bytes:
    values = session_values(session)
    k1, k2 = int.from_bytes(secnonce[:32], "big"), int.from_bytes(secnonce[32:64], "big")
    if not 0 < k1 < N:
        raise ValueError("first secnonce value is out of range.")
    if not 0 < k2 < N:
        raise ValueError("second secnonce value is out of range.")
    pk = individual_pk(sk)
    if pk != secnonce[64:]:
        raise ValueError("Public key does not match nonce_gen argument")
    if pk not in session.pubkeys:
        raise ValueError("The signer's pubkey must be included in the list of pubkeys.")
    sign_of_nonce = 1 if has_even_y(values.R) else N - 1
    g = (1 if has_even_y(values.key.Q) else N - 1) * values.key.gacc
    d = g * int.from_bytes(sk, "big") % N
    a = key_agg_coefficient(session.pubkeys, pk)
    return ((sign_of_nonce * (k1 + values.b * k2) + values.e * a * d) % N).to_bytes(32, "big")


def partial_sig_verify(psig: bytes, pubnonces: list[bytes], session: SessionContext, signer: int) -> bool:
    """Whether a partial signature checks; the session's aggregated nonce is that of `pubnonces`."""
    values = session_values(session)
    s = int.from_bytes(psig, "big")
    if s >= N:
        return False
    nonce = pubnonces[signer]
    used = add(cpoint(nonce[:33]), multiply(cpoint(nonce[33:]), values.b))
    used = used if has_even_y(values.R) else negate(used)
    g = (1 if has_even_y(values.key.Q) else N - 1) * values.key.gacc % N
    pk = session.pubkeys[signer]
    share = values.e * key_agg_coefficient(session.pubkeys, pk) * g % N
    return multiply(G, s) == add(used, multiply(cpoint(pk), share))


def partial_sig_agg(psigs: list[bytes], session: SessionContext) -> bytes:
    values = session_values(session)
    s = 0
    for signer, psig in enumerate(psigs):
        part = int.from_bytes(psig, "big")
        if part >= N:
            raise InvalidContribution(signer, "psig")
        s += part
    g = 1 if has_even_y(values.key.Q) else N - 1
    return xbytes(values.R) + ((s + values.e * g * values.key.tacc) % N).to_bytes(32, "big")


def deterministic_sign(
    sk: bytes,
    aggothernonce: bytes,
    pubkeys: list[bytes],
    tweaks: list[bytes],
    is_xonly: list[bool],
    msg: bytes,
    rand: bytes | None,
) -> tuple[bytes, bytes]:
    """Public nonce and partial signature of the last signer, who needs no randomness (BIP327 "DeterministicSign")."""
    secret = sk
    if rand is not None:
        secret = bytes(a ^ b for a, b in zip(sk, tagged_hash("MuSig/aux", rand), strict=True))
    aggpk = xbytes(key_agg_and_tweak(pubkeys, tweaks, is_xonly).Q)
    body = secret + aggothernonce + aggpk + _with_length(msg, 8)
    k = [scalar_of_hash("MuSig/deterministic/nonce", body + bytes([i])) for i in (0, 1)]
    pubnonce = b"".join(cbytes(multiply(G, s)) for s in k)
    secnonce = b"".join(s.to_bytes(32, "big") for s in k) + individual_pk(sk)
    try:
        aggnonce = nonce_agg([pubnonce, aggothernonce])
    except InvalidContribution as error:
        raise InvalidContribution(None, "aggothernonce") from error
    return pubnonce, sign(secnonce, sk, SessionContext(aggnonce, pubkeys, tweaks, is_xonly, msg))
