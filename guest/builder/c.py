"""C and assembler without an operating system: Debian's cross compilers, no library, own linker scripts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from guest.builder.process import compile_with, find_line
from guest.builder.recipe import Recipe, Tree

COMPILER = {"big": "mips-linux-gnu-gcc", "little": "mipsel-linux-gnu-gcc"}
TARGET = (
    "-march=mips32r2", "-mabi=32", "-msoft-float", "-mno-abicalls", "-fno-pic", "-G0", "-ffreestanding", "-nostdlib",
)  # fmt: skip
COMPILE = (
    *TARGET, "-Wall", "-Wextra", "-Werror", "-mno-branch-likely", "-fno-tree-loop-distribute-patterns",
    "-fno-asynchronous-unwind-tables", "-ffile-prefix-map=.=guest", "-I", ".",
)  # fmt: skip
LINK = (*TARGET, "-static", "-Wl,--build-id=none", "-Wl,-z,max-page-size=4096")
SMALL = ("-Os", "-mno-check-zero-division")


def find_version(recipe: Recipe, tree: Tree) -> str | None:
    """First line of the compiler's `--version`."""
    return find_line(COMPILER[recipe.endian], "--version")


def compile_image(recipe: Recipe, tree: Tree, target: Path) -> None:
    """Compile each source, link with the recipe's own script; names are relative, so the bytes know no folder."""
    compiler = COMPILER[recipe.endian]
    parts = [source for source in recipe.sources if source.endswith((".c", ".S"))]
    script = next(source for source in recipe.sources if source.endswith(".ld"))
    with tempfile.TemporaryDirectory() as folder:
        objects = [Path(folder) / f"{Path(part).stem}.o" for part in parts]
        for part, made in zip(parts, objects, strict=True):
            compile_with(compiler, *recipe.optimize, *COMPILE, "-c", "-o", made, part, folder=tree.examples)
        compile_with(compiler, *LINK, "-T", script, "-o", target, *objects, folder=tree.examples)


def advise(recipe: Recipe) -> str:
    """How to get the compiler."""
    return f"apt-get install {COMPILER[recipe.endian].replace('mips', 'gcc-mips', 1).removesuffix('-gcc')}"
