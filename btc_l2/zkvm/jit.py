"""The door to numba: machine code for the hash and for the kernel, kept on disk between runs.

Only `hashing` and the files of `kernel/` import this module, and these are imported when first used, so that
`import btc_l2.zkvm` stays light. numba's own cache looks at the file of an entry point only, not at the files whose
functions it inlines: so the cache folder carries a fingerprint of all of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.extending import intrinsic

from btc_l2.zkvm import llvm

F = TypeVar("F", bound=Callable[..., object])

_FOLDER = Path(__file__).resolve().parent
_SOURCES = (
    *sorted((_FOLDER / "kernel").glob("*.py")),
    *(_FOLDER / name for name in ("hashing.py", "jit.py", "layout.py", "llvm.py", "marks.py", "observe.py", "warm.py")),
)
# No reference counts: the arms get their arrays from the caller and make none (with counts: a tenth of the speed).
_OPTIONS = {"nogil": True, "boundscheck": False, "_nrt": False}


def compiled(function: F) -> F:
    """Entry point: compiled on the first call, cached on disk, runs without the interpreter lock."""
    return cast(F, numba.njit(cache=True, **_OPTIONS)(function))


def inlined(function: F) -> F:
    """Part of an entry point: its code is copied into each caller."""
    return cast(F, numba.njit(forceinline=True, **_OPTIONS)(function))


@intrinsic  # type: ignore[untyped-decorator]
def call_native(_typing: Any, address: Any, registers: Any, memory: Any, budget: Any) -> Any:
    """Inside compiled code: call native code of the translated tier; all arguments and the result are int64."""
    word = numba.types.int64

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return llvm.call_address(builder, values[0], list(values[1:]))

    return word(word, word, word, word), generate


def has_cache() -> bool:
    """Whether something is compiled already; a folder that nobody may write never has anything."""
    return any(Path(numba.config.CACHE_DIR).rglob("*.nbi"))


def _cache_folder() -> str:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()
    parent = os.environ.get("NUMBA_CACHE_DIR") or str(_FOLDER / "__pycache__")
    return str(Path(parent) / f"zkvm-{digest[:16]}")


numba.config.CACHE_DIR = _cache_folder()  # if it cannot be written, numba falls back to the user's folder
