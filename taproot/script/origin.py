"""Where each part of a script comes from: notes taken while it is built, for people who read or debug it.

Taking notes costs time and memory, so it is done only inside `recording()`. That must begin before the modules that
build scripts are imported, because some fragments are made once, at import, or kept: those have no notes else. A note
names the function that wrote the part, as `file.function`, what its docstring says after `stack:`, and, where the part
was written on a named stack, the names of the items there before it, bottom first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from types import CodeType, FrameType
from typing import Protocol

_PACKAGES = ("taproot.", "challenger.")
_OURS = "taproot.script."  # the functions that join parts: the one that called them is meant


@dataclass(frozen=True, slots=True)
class Note:
    """What is known about the part of a script that begins here."""

    function: str
    effect: str  # `before → after` of the function, empty where its docstring does not say
    names: tuple[str, ...] | None = None  # items of the main stack before the part, bottom first


class Part(Protocol):
    """A script, as far as it matters here."""

    @property
    def code(self) -> bytes:
        """Its bytes."""

    @property
    def origin(self) -> Origin | None:
        """How it was put together, if that was recorded."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who joined which parts. A part that is one opcode or push has no parts."""

    note: Note | None
    parts: Sequence[Part]


class _Recorder:
    on = False


@contextmanager
def recording() -> Iterator[None]:
    """Take notes inside this block."""
    before, _Recorder.on = _Recorder.on, True
    try:
        yield
    finally:
        _Recorder.on = before


def is_recording() -> bool:
    """Whether notes are taken."""
    return _Recorder.on


def origin_of(parts: Sequence[Part], names: Sequence[str] | None = None) -> Origin | None:
    """The origin of parts that are being joined now; None while nobody records."""
    return Origin(_note(names), parts) if _Recorder.on else None


def notes_of(script: Part) -> dict[int, Note]:
    """The notes of a script by offset (bytes)."""
    found: dict[int, Note] = {}
    _collect(script, 0, found)
    return found


def _collect(script: Part, at: int, found: dict[int, Note]) -> None:
    """Inner functions win over outer ones; only outer ones know names."""
    if script.origin is None or not script.code:
        return
    inner = at
    for part in script.origin.parts:
        _collect(part, inner, found)
        if script.origin.note is not None and part.code:
            found.setdefault(inner, replace(script.origin.note, names=None))
        inner += len(part.code)
    if script.origin.note is not None:
        first = found.setdefault(at, script.origin.note)
        if script.origin.note.names is not None:
            found[at] = replace(first, names=script.origin.note.names)


def _note(names: Sequence[str] | None) -> Note | None:
    """About what is being joined: by the nearest caller, or one in the same file whose docstring shows the stack."""
    found: CodeType | None = None
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        frame = frame.f_back
        if not module.startswith(_PACKAGES) or module.startswith(_OURS) or code.co_name.startswith("<"):
            continue
        if found is not None and found.co_filename != code.co_filename:
            break
        if found is None or _effect(code):
            found = code
        if _effect(code):
            break
    if found is None:
        return None
    return Note(_title(found), _effect(found), None if names is None else tuple(names))


@cache
def _title(code: CodeType) -> str:
    file = code.co_filename.replace("\\", "/").rpartition("/")[2].removesuffix(".py")
    return f"{file}.{code.co_name}"


@cache
def _effect(code: CodeType) -> str:
    """The text after `stack:` in the docstring of a function."""
    doc = code.co_consts[0] if code.co_consts and isinstance(code.co_consts[0], str) else ""
    for line in doc.splitlines():
        if line.strip().startswith("stack:"):
            text, _, _remark = line.strip().removeprefix("stack:").strip().partition(" " * 4)
            return " ".join(text.split())
    return ""
