"""HKDF-SHA256: the vectors of RFC 5869 (appendix A.1 to A.3), and names that cannot be confused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taproot.errors import InvalidInput
from taproot.kdf import derive, hkdf_expand, hkdf_extract

SEED = bytes(range(32))
RFC_5869 = [
    (
        b"\x0b" * 22,
        bytes(range(13)),
        bytes(range(0xF0, 0xFA)),
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(80)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        b"\x0b" * 22,
        b"",
        b"",
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]
names = st.lists(st.binary(max_size=4), min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize(("key", "salt", "info", "extracted", "expanded"), RFC_5869)
def test_vectors_of_the_rfc(key: bytes, salt: bytes, info: bytes, extracted: str, expanded: str) -> None:
    assert hkdf_extract(salt, key).hex() == extracted
    assert hkdf_expand(bytes.fromhex(extracted), info, len(expanded) // 2).hex() == expanded


@given(names, names)
def test_secrets_are_equal_only_if_their_names_are(a: tuple[bytes, ...], b: tuple[bytes, ...]) -> None:
    assert (derive(SEED, *a) == derive(SEED, *b)) == (a == b)


def test_name_parts_cannot_run_into_each_other() -> None:
    assert derive(SEED, "ab", "c") != derive(SEED, "a", "bc")
    assert derive(SEED, "ab") == derive(SEED, b"ab")


def test_another_seed_gives_another_secret_and_length_is_as_asked() -> None:
    assert derive(SEED, "x") != derive(SEED[::-1], "x")
    assert len(derive(SEED, "x", length=100)) == 100
    assert derive(SEED, "x", length=100)[:32] == derive(SEED, "x")


@pytest.mark.parametrize("length", [0, -1, 8161])
def test_impossible_lengths_are_refused(length: int) -> None:
    assert len(derive(SEED, "x", length=8160)) == 8160
    with pytest.raises(InvalidInput):
        derive(SEED, "x", length=length)


def test_short_seeds_and_missing_names_are_refused() -> None:
    with pytest.raises(InvalidInput):
        derive(b"short", "x")
    with pytest.raises(InvalidInput):
        derive(SEED)
