"""Which module compiles which recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from guest.builder import c, golang, musl, rust
from guest.builder.recipe import Recipe, Toolchain, Tree


@dataclass(frozen=True, slots=True)
class Compiler:
    """What the builder asks of a compiler."""

    find_version: Callable[[Recipe, Tree], str | None]  # None where it is not installed
    compile_image: Callable[[Recipe, Tree, Path], None]
    advise: Callable[[Recipe], str]  # how to get it


GO = Compiler(golang.find_version, golang.compile_image, golang.advise)
RUST = Compiler(rust.find_version, rust.compile_image, rust.advise)
COMPILERS: Mapping[Toolchain, Compiler] = {
    "c": Compiler(c.find_version, c.compile_image, c.advise),
    "libc": Compiler(musl.find_version, musl.compile_image, musl.advise),
    "go": GO,
    "go-old": GO,
    "rust": RUST,
    "rust-std": RUST,
}


def find_version(recipe: Recipe, tree: Tree) -> str | None:
    """What the manifest calls the compiler; None where it, or a library that it needs, is not installed."""
    return COMPILERS[recipe.toolchain].find_version(recipe, tree)


def compile_image(recipe: Recipe, tree: Tree, target: Path) -> None:
    """Compile to an ELF file whose bytes know nothing of the folder."""
    COMPILERS[recipe.toolchain].compile_image(recipe, tree, target)


def advise(recipe: Recipe) -> str:
    """What to do where the compiler is missing."""
    return COMPILERS[recipe.toolchain].advise(recipe)
