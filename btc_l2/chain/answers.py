"""Answers of a node that are not what its RPC documents: named as such, instead of a crash somewhere in the middle.

A node is trusted to follow the chain; that it is a node at all, of a version that answers so, and not something else on
its port, is not taken for granted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from taproot.errors import Unavailable

_NOT_UNDERSTOOD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
_C = TypeVar("_C")


def understood(cls: type[_C]) -> type[_C]:
    """Class decorator: constructor and public methods raise Unavailable where an answer has another shape."""
    for name, method in list(vars(cls).items()):
        if callable(method) and (name == "__init__" or not name.startswith("_")):
            setattr(cls, name, _guarded(name, method))
    return cls


def _guarded(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *given: Any, **named: Any) -> Any:
        try:
            return method(self, *given, **named)
        except _NOT_UNDERSTOOD as error:
            what = " ".join(repr(error).split())[:200]
            raise Unavailable(
                f"{self._rpc} answers {name.strip('_')} with something else than a node does ({what}); "
                "use Bitcoin Core 28 or later"
            ) from error

    return call
