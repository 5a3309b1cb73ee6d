"""Rust: rustc of the stable channel with the source of its libraries, which are compiled for the machine.

`mips-mti-none-elf` (big endian, soft float, no operating system) gets `core` and `alloc`, `mips-unknown-linux-musl`
(soft float as well) the whole standard library, linked with the C library of `guest/builder/musl.py`. No release of
Rust brings compiled libraries for either; RUSTC_BOOTSTRAP=1 lets cargo's build-std, which is not stable, do it.
"""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from guest.builder.process import compile_with, find_line
from guest.builder.recipe import Recipe, Tree

BARE, LINUX = "mips-mti-none-elf", "mips-unknown-linux-musl"
STANDARD = {BARE: ("-Zbuild-std=core,alloc",), LINUX: ("-Zbuild-std=std,panic_abort", "-Zbuild-std-features=")}
LINKED_BY_RUST = ("gcc_eh", "unwind")  # asked for by std, not needed where a panic aborts
LINKED = ("-Wl,--build-id=none", "-s")
EMPTY_ARCHIVE = b"!<arch>\n"


def find_version(recipe: Recipe, tree: Tree) -> str | None:
    """Version of rustc; None without the source of its libraries, and for std without the C library."""
    version = find_line("rustc", "--version")
    if version is None or not (_sysroot() / "lib/rustlib/src/rust/library/Cargo.lock").is_file():
        return None
    if recipe.toolchain == "rust-std" and not (_library(tree) / "libc.a").is_file():
        return None
    return version


def compile_image(recipe: Recipe, tree: Tree, target: Path) -> None:
    """Build one package of the workspace examples/rust."""
    triple = LINUX if recipe.toolchain == "rust-std" else BARE
    package = Path(recipe.sources[-1]).parts[1]
    made = _build(tree, tree.examples / "rust", package, triple)
    shutil.copyfile(made / package, target)


def build_soft_float(tree: Tree) -> Path:
    """A static library with the arithmetic that compilers call where there is no floating-point unit."""
    return _build(tree, tree.guest / "softfloat", "softfloat", BARE) / "libsoftfloat.a"


def advise(recipe: Recipe) -> str:
    """How to get what lacks."""
    tools = "; guest/build --tools" if recipe.toolchain == "rust-std" else ""
    return f"rustup component add rust-src{tools}"


def _build(tree: Tree, workspace: Path, package: str, triple: str) -> Path:
    """Folder of the results."""
    linker = "mips-linux-gnu-gcc" if triple == LINUX else "rust-lld"
    settings = {
        "RUSTC_BOOTSTRAP": "1",
        "CARGO_TARGET_DIR": str(tree.tools / workspace.name),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join((*_remap(workspace), *_link(tree, triple))),
        f"CARGO_TARGET_{triple.upper().replace('-', '_')}_LINKER": linker,
    }
    command = ("cargo", "build", "--quiet", "--locked", "--release", "--target", triple, *STANDARD[triple])
    compile_with(*command, "-p", package, folder=workspace, settings=settings)
    return tree.tools / workspace.name / triple / "release"


def _remap(workspace: Path) -> tuple[str, ...]:
    """Paths in messages of panics are those of no computer."""
    cargo = Path(shutil.which("cargo") or "").parents[1]
    places = {_sysroot() / "lib/rustlib/src/rust": "/rust", cargo: "/cargo", workspace: "/guest"}
    return tuple(f"--remap-path-prefix={path}={name}" for path, name in places.items())


def _link(tree: Tree, triple: str) -> tuple[str, ...]:
    if triple == BARE:
        return (f"-Clink-arg=-T{tree.examples / 'guest.ld'}",)
    folder = _library(tree)
    for name in LINKED_BY_RUST:
        (folder / f"lib{name}.a").write_bytes(EMPTY_ARCHIVE)
    return (
        "-Ctarget-feature=+crt-static", "-Crelocation-model=static", "-Clink-self-contained=no", f"-L{folder}",
        *(f"-Clink-arg={word}" for word in ("-nostdlib", "-static", folder / "crt1.o", "-lc", *LINKED)),
    )  # fmt: skip


def _library(tree: Tree) -> Path:
    return tree.tools / "musl" / "lib"


@cache
def _sysroot() -> Path:
    return Path(find_line("rustc", "--print", "sysroot") or "")
