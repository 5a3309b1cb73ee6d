"""One program, three computers: the machine, QEMU's user mode for MIPS, and the computer that the tests run on.

Linux programs are compared by what they print. Guests that decide about a claim are compared by their result: elsewhere
they are ordinary programs that tell it (`guest/examples/host.c`, `zkvm/native.go`, `rust/zkvm/native.rs`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from btc_l2.guests import Guest, find_guest, list_guests
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.linux import read_output
from guest.builder import c, golang, rust
from guest.builder.recipe import GUEST, NO_KERNEL, Recipe, Tree
from guest.builder.recipes import recipes
from regtest.node.oracles_install import find_oracle

TREE = Tree()
MOST_STEPS = 1 << 30
RECIPES = {recipe.name: recipe for recipe in recipes()}
PRINTING = [name for name, recipe in RECIPES.items() if recipe.linux and not recipe.boot]
DECIDING = [name for name in RECIPES if name not in PRINTING]
NOT_IN_ASSEMBLER = [name for name in DECIDING if not RECIPES[name].sources[-1].endswith(".S")]
RUST = [name for name in NOT_IN_ASSEMBLER if RECIPES[name].toolchain == "rust"]
WORDS_OF_BIG_ENDIAN = ("hashchain",)  # reads and writes words, so bytes differ where the order does
LESS = {  # long guests do less here: the count at the end of their statement
    "hashchain": 20, "sortproof": 200, "go-sha256": 20, "go-workload": 2, "aes": 3, "rust-orders": 500,
}  # fmt: skip
Compile = Callable[[Recipe, Path], None]


def statement_of(name: str) -> bytes:
    guest = find_guest(name)
    return guest.statement[:-4] + LESS[name].to_bytes(4, guest.endian) if name in LESS else guest.statement


def stdin_of(guest: Guest) -> bytes:
    return guest.statement[4:]


@cache
def printed_here(name: str) -> bytes:
    guest = find_guest(name)
    machine = guest.load_image().machine()
    run(machine, MOST_STEPS)
    assert machine.exit_code == 0
    return read_output(machine).stdout


def printed_there(*command: str | Path, stdin: bytes) -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def emulator(endian: str) -> Path:
    name = "qemu-mips" if endian == "big" else "qemu-mipsel"
    found = find_oracle(name)
    if found is None:
        pytest.skip(f"{name} is not here (make oracles)")
    return found


@pytest.mark.parametrize("name", PRINTING)
def test_linux_program_prints_the_same_in_the_machine_and_under_qemu(name: str, tmp_path: Path) -> None:
    guest, program = find_guest(name), tmp_path / name
    qemu = emulator(guest.endian)
    program.write_bytes(guest.read_elf())
    program.chmod(0o755)
    assert printed_there(qemu, program, stdin=stdin_of(guest)) == printed_here(name)


def require(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")


def call(*command: str | Path, settings: Mapping[str, str] | None = None, folder: Path = TREE.examples) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **(settings or {})})
    assert done.returncode == 0, done.stderr


def compile_c(recipe: Recipe, target: Path) -> None:
    """For this computer."""
    require("gcc")
    parts = [source for source in recipe.sources if source.endswith(".c") and source != "corpus/memory.c"]
    if recipe.toolchain == "libc":
        call("gcc", "-O1", "-pthread", "-o", target, *parts)
        return
    swap = ["-DSWAP_WORDS"] if recipe.name in WORDS_OF_BIG_ENDIAN else []
    call("gcc", "-O1", "-DHOSTED", *swap, "-I", ".", "-o", target, "host.c", *parts)


def compile_c_for_mips(recipe: Recipe, target: Path) -> None:
    """With Debian's C library, which QEMU can run."""
    compiler = c.COMPILER[recipe.endian]
    require(compiler)
    parts = [source for source in recipe.sources if source.endswith(".c") and source != "corpus/memory.c"]
    call(compiler, "-O1", "-static", "-DHOSTED", "-I", ".", "-o", target, "host.c", *parts)


def compile_go(recipe: Recipe, target: Path) -> None:
    """For this computer."""
    require("go")
    package = Path(recipe.sources[-1]).parent
    call("go", *golang.BUILD, "-o", target, f"./{package}", settings={"CGO_ENABLED": "0", "GOFLAGS": ""})


def compile_go_for_mips(recipe: Recipe, target: Path) -> None:
    require("go")
    package, settings = Path(recipe.sources[-1]).parent, golang.settings_of(recipe)
    call("go", *golang.BUILD, "-tags=hosted", "-o", target, f"./{package}", settings=settings)


def compile_rust(recipe: Recipe, target: Path) -> None:
    """For this computer."""
    require("cargo")
    package, folder = Path(recipe.sources[-1]).parts[1], TREE.tools / "native"
    settings = {"CARGO_TARGET_DIR": str(folder)}
    call("cargo", "build", "-q", "--locked", "-p", package, settings=settings, folder=TREE.examples / "rust")
    shutil.copy(folder / "debug" / package, target)


def compile_rust_for_mips(recipe: Recipe, target: Path) -> None:
    """With the standard library: what is a program for the bare machine is an ordinary one for Linux."""
    linux = Recipe(recipe.name, "", recipe.endian, recipe.sources, toolchain="rust-std")
    if rust.find_version(linux, TREE) is None:
        pytest.skip("Rust's sources or musl are not installed (guest/build --tools)")
    rust.compile_image(linux, TREE, target)
    target.chmod(0o755)


NATIVE: dict[str, Compile] = {
    "c": compile_c, "libc": compile_c, "go": compile_go, "rust": compile_rust, "rust-std": compile_rust,
}  # fmt: skip
FOREIGN: dict[str, Compile] = {"c": compile_c_for_mips, "go": compile_go_for_mips, "rust": compile_rust_for_mips}


@pytest.mark.parametrize("name", [name for name in PRINTING if name not in ("go-hello", "go-stress-old")])
def test_linux_program_prints_the_same_in_the_machine_and_on_this_computer(name: str, tmp_path: Path) -> None:
    recipe, program = RECIPES[name], tmp_path / name
    NATIVE[recipe.toolchain](recipe, program)
    assert printed_there(program, stdin=stdin_of(find_guest(name))) == printed_here(name)


def result_there(name: str, *command: str | Path) -> bytes:
    """What an ordinary program says; its claim is right, and with another one it must say so."""
    guest = find_guest(name)
    honest = guest.honest_claim(statement_of(name))
    with tempfile.NamedTemporaryFile() as blob:
        blob.write(guest.blob)
        blob.flush()
        settings = {**os.environ, "STATEMENT": statement_of(name).hex(), "BLOB": blob.name}
        runs = [
            subprocess.run(command, capture_output=True, text=True, timeout=60, env={**settings, "CLAIM": claim.hex()})
            for claim in (honest, honest[:127] + b"\1")
        ]
    assert [done.returncode for done in runs] == [0, 1], runs[0].stderr
    return bytes.fromhex(runs[0].stderr.split()[-1])


@pytest.mark.parametrize("name", NOT_IN_ASSEMBLER)
def test_guest_decides_the_same_in_the_machine_and_on_this_computer(name: str, tmp_path: Path) -> None:
    recipe, program = RECIPES[name], tmp_path / name
    NATIVE[recipe.toolchain](recipe, program)
    assert result_there(name, program) == find_guest(name).honest_claim(statement_of(name))[:32]


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.long] if name in RUST else []) for name in NOT_IN_ASSEMBLER
])  # fmt: skip
def test_guest_decides_the_same_in_the_machine_and_under_qemu(name: str, tmp_path: Path) -> None:
    recipe, program = RECIPES[name], tmp_path / name
    qemu = emulator(recipe.endian)
    FOREIGN[recipe.toolchain](recipe, program)
    assert result_there(name, qemu, program) == find_guest(name).honest_claim(statement_of(name))[:32]


def test_every_guest_is_compared() -> None:
    assert {guest.name for guest in list_guests()} == {*PRINTING, *DECIDING} == set(RECIPES)
    in_assembler = set(DECIDING) - set(NOT_IN_ASSEMBLER)
    assert in_assembler == {"fibonacci", "blobsum"}, "there is no such program for Linux"
    assert all(RECIPES[name].toolchain in (*NO_KERNEL, "go") for name in DECIDING) and GUEST.is_dir()
