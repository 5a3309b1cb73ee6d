"""Go: the compiler that is installed, and an older release that Go's own toolchain switch fetches as a module."""

from __future__ import annotations

from pathlib import Path

from guest.builder.process import compile_with, find_line
from guest.builder.recipe import Recipe, Tree

BUILD = ("build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")
OLD_RELEASE = "go1.22.12"  # its runtime still makes the calls of 32-bit time
GOARCH = {"big": "mips", "little": "mipsle"}


def settings_of(recipe: Recipe) -> dict[str, str]:
    """Environment of the compiler: static, soft float, nothing from the network."""
    return {
        "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": GOARCH[recipe.endian], "GOMIPS": "softfloat", "GOFLAGS": "",
        "GOWORK": "off", "GOPROXY": "off", "GOTOOLCHAIN": OLD_RELEASE if recipe.toolchain == "go-old" else "local",
    }  # fmt: skip


def find_version(recipe: Recipe, tree: Tree) -> str | None:
    """Version of Go, such as go1.26.8."""
    return find_line("go", "env", "GOVERSION", settings=settings_of(recipe))


def compile_image(recipe: Recipe, tree: Tree, target: Path) -> None:
    """Build the package that the last source belongs to; the older release gets a go.mod that it accepts."""
    package = Path(recipe.sources[-1]).parent
    module = ("-modfile=old.mod",) if recipe.toolchain == "go-old" else ()
    compile_with(
        "go", *BUILD, *module, "-o", target, f"./{package}", folder=tree.examples, settings=settings_of(recipe)
    )


def advise(recipe: Recipe) -> str:
    """How to get the compiler."""
    return f"GOTOOLCHAIN={OLD_RELEASE} go version" if recipe.toolchain == "go-old" else "install Go"
