"""The door to numba: machine code for the hash and for the kernel, kept in the cache between runs.

Only `hashing` and the `kernel` files import this module, and these are imported when first used, so that
`import btc_l2.zkvm` stays light.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Entry point: compiled on the first call, cached on disk, runs without the interpreter lock."""
    return cast(F, numba.njit(cache=True, nogil=True, boundscheck=False)(function))


def inlined(function: F) -> F:
    """Part of an entry point: its code is copied into each caller."""
    return cast(F, numba.njit(forceinline=True, nogil=True, boundscheck=False)(function))
