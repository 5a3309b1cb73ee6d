"""C with a library: musl from Debian's source package, built for soft float, for static Linux programs.

Debian's own C library for MIPS uses a floating-point unit, which the machine has not. The arithmetic of `double`, which
GCC then calls for, is in no Debian package for soft float either; it comes from Rust's compiler-builtins, built as a
library with nothing else in it (`guest/softfloat`).
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from guest.builder import c, rust
from guest.builder.process import compile_with
from guest.builder.recipe import Recipe, Tree
from taproot.errors import Unavailable, VerificationFailed

RELEASE, SUITE = "1.2.3", "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ARCHIVE = f"musl_{RELEASE}.orig.tar.gz"
SHA256 = "7d5b0b6062521e4627e099e4c9dc8248d32a30285e959b7eecaa780cf8cfd4a4"  # of the archive, musl.libc.org and Debian
COMPILE = (
    "-Os", "-march=mips32r2", "-msoft-float", "-mno-branch-likely", "-fno-asynchronous-unwind-tables", "-Wall",
    "-Wextra", "-Werror", "-ffile-prefix-map=.=guest", "-I", ".", "-nostdinc", "-nostdlib", "-static",
    "-Wl,--build-id=none", "-Wl,--gc-sections", "-s",
)  # fmt: skip


def find_version(recipe: Recipe, tree: Tree) -> str | None:
    """Versions of compiler, library and soft float; None where one of them is missing."""
    gcc, rustc = c.find_version(recipe, tree), rust.find_version(recipe, tree)
    if gcc is None or rustc is None or not (library(tree) / "libc.a").is_file():
        return None
    return f"{gcc}, musl {RELEASE}, compiler-builtins of {rustc}"


def library(tree: Tree) -> Path:
    """Folder of the C library's archives and start files."""
    return tree.tools / "musl" / "lib"


def compile_image(recipe: Recipe, tree: Tree, target: Path) -> None:
    """Compile and link in one call of the compiler."""
    parts = [source for source in recipe.sources if source.endswith(".c")]
    folder = library(tree)
    compile_with(
        c.COMPILER[recipe.endian], *COMPILE, "-isystem", folder.parent / "include", "-o", target,
        folder / "crt1.o", folder / "crti.o", *parts, folder / "libc.a", rust.build_soft_float(tree), folder / "libc.a",
        folder / "crtn.o", folder=tree.examples,
    )  # fmt: skip


def advise(recipe: Recipe) -> str:
    """How to get what lacks."""
    return f"guest/build --tools; it needs {c.advise(recipe)} and rustup"


def install(tree: Tree) -> None:
    """Fetch the source package and build the library, unless it is there."""
    if (library(tree) / "libc.a").is_file():
        return
    print(f"building musl {RELEASE}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as scratch:
        archive = _download(Path(scratch))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            raise VerificationFailed(f"{ARCHIVE} is not the release; its SHA-256 differs; try another mirror")
        with tarfile.open(archive) as packed:
            packed.extractall(scratch, filter="data")
        _make(Path(scratch) / f"musl-{RELEASE}", tree.tools / "musl")


def _make(source: Path, target: Path) -> None:
    settings = {
        "CC": c.COMPILER["big"], "CROSS_COMPILE": "mips-linux-gnu-",
        "CFLAGS": f"-Os -march=mips32r2 -msoft-float -mno-branch-likely -ffile-prefix-map={source}=musl",
    }  # fmt: skip
    options = ("--target=mips-linux-muslsf", f"--prefix={target}", "--disable-shared", "--disable-gcc-wrapper")
    compile_with("./configure", *options, folder=source, settings=settings)
    compile_with("make", "-j2", "install", folder=source)


def _download(folder: Path) -> Path:
    """The archive, by apt with lists of its own, from the system's mirror: its sources stay as they are."""
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "source.list").write_text(f"deb-src [signed-by={KEYRING}] {_mirror()} {SUITE} main\n")
    apt = (
        "apt-get", "-q", "-o", f"Dir::Etc::sourcelist={folder}/source.list", "-o", "Dir::Etc::sourceparts=-",
        "-o", f"Dir::State::Lists={folder}/lists", "-o", "APT::Sandbox::User=root",
    )  # fmt: skip
    _ask_apt(*apt, "update", folder=folder)
    _ask_apt(*apt, "source", "--download-only", f"musl={RELEASE}-1", folder=folder)
    return folder / ARCHIVE


def _mirror() -> str:
    """The Debian mirror that the system is set up with."""
    sites = _ask_apt("apt-get", "indextargets", "--no-release-info", "--format", "$(SITE)").splitlines()
    found = [site for site in sites if site.rstrip("/").endswith("/debian")]
    if not found:
        raise Unavailable("apt has no Debian mirror; musl's source is taken from there; add one to its sources")
    return found[0]


def _ask_apt(*command: str, folder: Path | None = None) -> str:
    if shutil.which(command[0]) is None:
        raise Unavailable(f"apt-get is missing; it fetches {ARCHIVE}; build on Debian or take the committed images")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"apt-get fails; {done.stderr.strip()}; is there a network?")
    return done.stdout
