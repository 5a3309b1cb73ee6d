"""The project's Markdown pages: their links, the paths they name, the commands and output they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("taproot", "btc_l2", "challenger", "regtest", "guest", "tests", "bench", "docs", ".ci")
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*")
_RUN = re.compile(r"^<!-- run -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PRINTED = re.compile(r"^<!-- printed by: (.*?) -->\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """README, docs, and what lies beside the guests."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "guest" / "README.md"]


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links to nothing."""
    targets = (target for target in _LINK.findall(text) if "://" not in target)
    return [target for target in targets if not (page.parent / target).exists()]


def missing_paths(text: str) -> list[str]:
    """Paths in code marks that begin with a folder of the project and are not there."""
    named = (path for path in _CODE.findall(text) if _PATH.fullmatch(path))
    return [path for path in named if not (ROOT / path).exists()]


def commands(text: str) -> list[str]:
    """Lines of the blocks marked `<!-- run -->`."""
    return [line for block in _RUN.findall(text) for line in block.splitlines() if line]


def printed(text: str) -> Iterator[tuple[str, list[str]]]:
    """Commands marked `<!-- printed by: … -->` and the lines that the page shows of their output."""
    for command, block in _PRINTED.findall(text):
        yield command, [line for line in block.splitlines() if line != "…"]


def missing_lines(shown: list[str], output: str) -> list[str]:
    """Lines that the output does not have in this order; numbers may differ, words may not."""
    rest = iter(map(_without_numbers, output.splitlines()))
    return [line for line in shown if _without_numbers(line) not in rest]


def _without_numbers(line: str) -> str:
    return re.sub(r"0x[0-9a-f]+|\d[\d,.]*", "#", line).strip()
