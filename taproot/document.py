"""JSON documents of a fixed structure: missing and unknown fields are told, nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taproot.errors import InvalidInput


def check_fields(values: Mapping[str, Any], known: set[str], what: str) -> None:
    if not isinstance(values, Mapping):
        raise InvalidInput(f"{what} must be a JSON object")
    wrong = sorted(known ^ set(values))
    if wrong:
        raise InvalidInput(f"{what}: missing or unknown field {wrong[0]!r}")


def as_tuple(value: object, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidInput(f"{name} must be a list")
    return tuple(value)
