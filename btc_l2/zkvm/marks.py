"""Marks of pages: a byte for each page of an arena, read and written by compiled code (`docs/translated.md`).

Program memory is the interpreter's to mark; the translated tier stores only where it reads WRITTEN.
"""

from __future__ import annotations

CLEAN = 0  # not written in this run
WRITTEN = 1
CODE = 2  # clean, and holds words that were translated
TOUCHED = 3  # holds such words, and the next step wants to write there
