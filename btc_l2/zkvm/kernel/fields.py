"""Fields of an instruction word and typed constants for the compiled arms."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from btc_l2.zkvm import isa
from btc_l2.zkvm.jit import inlined

U32: TypeAlias = NDArray[np.uint32]
U64: TypeAlias = NDArray[np.uint64]
U8: TypeAlias = NDArray[np.uint8]

RS = np.uint32(isa.RS)
RT = np.uint32(isa.RT)
RD = np.uint32(isa.RD)
SA = np.uint32(isa.SA)

N0, N1, N2, N3, N4, N8 = (np.uint32(k) for k in (0, 1, 2, 3, 4, 8))
N5, N6, N11, N12, N16, N21, N24, N26, N30, N31, N32 = (np.uint32(k) for k in (5, 6, 11, 12, 16, 21, 24, 26, 30, 31, 32))
ONES = np.uint32(0xFFFF_FFFF)
SIGN = np.uint32(0x8000_0000)
BYTE = np.uint32(0xFF)
HALF = np.uint32(0xFFFF)
LOW32 = np.uint64(0xFFFF_FFFF)
SHIFT32 = np.uint64(32)


@inlined
def rs(i: np.uint32) -> np.uint32:
    """Bits 25 to 21."""
    return np.uint32(i >> N21) & N31


@inlined
def rt(i: np.uint32) -> np.uint32:
    """Bits 20 to 16."""
    return np.uint32(i >> N16) & N31


@inlined
def rd(i: np.uint32) -> np.uint32:
    """Bits 15 to 11."""
    return np.uint32(i >> N11) & N31


@inlined
def sa(i: np.uint32) -> np.uint32:
    """Bits 10 to 6."""
    return np.uint32(i >> N6) & N31


@inlined
def uimm(i: np.uint32) -> np.uint32:
    """Bits 15 to 0, zero-extended."""
    return np.uint32(i & HALF)


@inlined
def simm(i: np.uint32) -> np.uint32:
    """Bits 15 to 0, sign-extended."""
    return np.uint32(np.int32(np.int16(i & HALF)))


@inlined
def put(r: U32, k: np.uint32, value: np.uint32) -> bool:
    """Write a register; $0 stays zero."""
    r[k] = value
    r[N0] = N0
    return True
