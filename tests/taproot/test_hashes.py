"""Hash functions: published vectors, and our RIPEMD160 against OpenSSL's where it exists."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taproot.hashes import hash160, hash256, sha256, tagged_hash
from taproot.ripemd160 import ripemd160

# "RIPEMD-160: A Strengthened Version of RIPEMD", appendix B
RIPEMD160 = {
    b"": "9c1185a5c5e9fc54612808977ee8f548b2258d31",
    b"abc": "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",
    b"abcdefghijklmnopqrstuvwxyz": "f71c27109c692c1b56bbdceb5b9d2865b3708dbc",
    b"1234567890" * 8: "9b752e45573d4b39f4dbd3323cab82bf63326bfb",
}


@pytest.mark.parametrize("message", RIPEMD160)
def test_portable_ripemd160_gives_the_published_hashes(message: bytes) -> None:
    assert ripemd160(message).hex() == RIPEMD160[message]


@given(st.binary(max_size=200))
def test_portable_ripemd160_equals_openssl(message: bytes) -> None:
    try:
        theirs = hashlib.new("ripemd160", message)
    except ValueError:
        pytest.skip("OpenSSL without RIPEMD160")
    assert ripemd160(message) == theirs.digest()


@given(st.binary(max_size=100))
def test_hash160_is_ripemd160_of_sha256(message: bytes) -> None:
    assert hash160(message) == ripemd160(sha256(message))
    assert hash256(message) == sha256(sha256(message))


def test_tagged_hash_is_the_definition_of_bip340() -> None:
    tag = hashlib.sha256(b"TapLeaf").digest()
    assert tagged_hash("TapLeaf", b"x") == sha256(tag + tag + b"x") != tagged_hash("TapBranch", b"x")
