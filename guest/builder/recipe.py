"""What an image is made of. Everything else in the manifest is measured."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from btc_l2.zkvm.outcome import Endian

GUEST = Path(__file__).resolve().parents[1]

Toolchain = Literal["c", "libc", "go", "go-old", "rust", "rust-std"]
NO_KERNEL: tuple[Toolchain, ...] = ("c", "rust")  # programs without an operating system


@dataclass(frozen=True, slots=True)
class Tree:
    """Where sources, images and unpacked tools stand."""

    guest: Path = GUEST

    @property
    def examples(self) -> Path:
        """Sources of the guests; those of recipes are relative to it."""
        return self.guest / "examples"

    @property
    def manifest(self) -> Path:
        """What the images are, for `btc_l2/guests.py`."""
        return self.guest / "MANIFEST.toml"

    @property
    def tools(self) -> Path:
        """C library and compiled Rust libraries; not committed."""
        return GUEST.parent / ".cache" / "guest"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image. Sources are relative to examples/, the last one is the program's main file."""

    name: str
    description: str
    endian: Endian
    sources: tuple[str, ...]
    statement: bytes = b""
    blob: bytes = b""
    toolchain: Toolchain = "c"
    optimize: tuple[str, ...] = ("-O2",)  # C only
    boot: bool = False  # the image is taken at the end-of-boot mark

    @property
    def linux(self) -> bool:
        """Whether it is a Linux program, which needs the micro kernel."""
        return self.toolchain not in NO_KERNEL

    @property
    def image(self) -> str:
        """Path of the image, relative to guest/; only the small ones of the C compiler are not compressed."""
        return f"images/{self.name}.elf" + ("" if self.toolchain == "c" else ".xz")


def hash_sources(recipe: Recipe, tree: Tree) -> str:
    """SHA-256 over the SHA-256 of each source, in order: tells a stale image where no compiler is."""
    digests = (hashlib.sha256((tree.examples / source).read_bytes()).digest() for source in recipe.sources)
    return hashlib.sha256(b"".join(digests)).hexdigest()
