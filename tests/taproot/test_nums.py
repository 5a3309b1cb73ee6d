"""Keys without an owner: the point H, and how anyone checks a key made from it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taproot.errors import InvalidInput, VerificationFailed
from taproot.keys import SecretKey
from taproot.nums import H, nums_key, nums_scalar, verify_nums
from taproot.secp256k1 import GROUP_ORDER
from tests.taproot import bip327_reference as reference


def test_h_is_the_point_of_bip341() -> None:
    assert H.hex() == "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0"


@settings(max_examples=20)
@given(st.integers(0, GROUP_ORDER - 1))
def test_nums_key_is_h_plus_r_times_g_and_verifies(r: int) -> None:
    scalar = r.to_bytes(32, "big")
    point = reference.add(reference.lift_x(int.from_bytes(H, "big")), reference.multiply(reference.G, r))
    assert nums_key(scalar) == reference.xbytes(point)
    verify_nums(nums_key(scalar), scalar)


def test_key_with_an_owner_or_another_r_does_not_verify() -> None:
    scalar = nums_scalar(b"assertion 1")
    with pytest.raises(VerificationFailed):
        verify_nums(SecretKey.generate().x_only, scalar)
    with pytest.raises(VerificationFailed):
        verify_nums(nums_key(nums_scalar(b"assertion 2")), scalar)


def test_scalar_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidInput):
        nums_key(GROUP_ORDER.to_bytes(32, "big"))
