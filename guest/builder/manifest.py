"""Images and MANIFEST.toml: compile everything, run each guest once, write down what is seen."""

from __future__ import annotations

import hashlib
import json
import lzma
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from btc_l2.guests import MOST_STEPS
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.elf import find_symbol, parse_elf
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.linux import RESULT, boot_linux, linux_image
from guest.builder.recipe import Recipe, Tree, hash_sources
from guest.builder.recipes import kernels, recipes
from guest.builder.toolchains import advise, compile_image, find_version
from taproot.errors import Unavailable

Fields = Mapping[str, str | int]


def build(tree: Tree) -> None:
    """Compile everything, run each guest once, write the manifest.

    Unavailable where a compiler is missing; then nothing is written.
    """
    tables = ["# Written by guest/build; fields: btc_l2/guests.py."]
    built: dict[str, bytes] = {}
    for recipe, version in find_versions(tree):
        kernel = built.get(f"kernel-{recipe.endian}", b"")
        data, boot_steps = make_elf(recipe, tree, kernel)
        built[recipe.name] = data
        write_image(recipe, tree, data)
        fields = describe_image(recipe, tree, data, version)
        if recipe in kernels():
            tables.append(format_table(f"kernel.{recipe.endian}", fields))
        else:
            tables.append(format_table(recipe.name, {**fields, **describe_run(recipe, data, kernel, boot_steps)}))
        print(f"built {recipe.name}", file=sys.stderr)
    tree.manifest.write_text("\n\n".join(tables) + "\n")


def find_versions(tree: Tree) -> list[tuple[Recipe, str]]:
    """Each recipe with its compiler's version."""
    found = [(recipe, find_version(recipe, tree)) for recipe in (*kernels(), *recipes())]
    for recipe, version in found:
        if version is None:
            raise Unavailable(f"the compiler of {recipe.name} is missing; all are built at once; {advise(recipe)}")
    return [(recipe, version) for recipe, version in found if version is not None]


def make_elf(recipe: Recipe, tree: Tree, kernel: bytes) -> tuple[bytes, int]:
    """Compile; where the recipe says so, run up to the end of the boot. The ELF file, and the steps of the boot."""
    with tempfile.TemporaryDirectory() as folder:
        compile_image(recipe, tree, Path(folder) / "elf")
        data = (Path(folder) / "elf").read_bytes()
    if not recipe.boot:
        return data, 0
    booted = boot_linux(linux_image(data, kernel, (recipe.name,)))
    return booted.image.to_elf(), booted.steps


def write_image(recipe: Recipe, tree: Tree, data: bytes) -> None:
    """Write the ELF file, compressed if its name says so."""
    packed = lzma.compress(data, preset=9 | lzma.PRESET_EXTREME) if recipe.image.endswith(".xz") else data
    path = tree.guest / recipe.image
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(packed)


def describe_image(recipe: Recipe, tree: Tree, data: bytes, compiler: str) -> Fields:
    """What the manifest says of every image."""
    return {
        "description": recipe.description,
        "image": recipe.image,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "endian": recipe.endian,
        "sources": " ".join(recipe.sources),
        "sources_sha256": hash_sources(recipe, tree),
        "compiler": compiler,
    }


def describe_run(recipe: Recipe, data: bytes, kernel: bytes, boot_steps: int) -> Fields:
    """What the manifest says of a guest besides: run it with a zero claim and note what is seen."""
    if recipe.linux and not recipe.boot:
        image = linux_image(data, kernel, (recipe.name,), statement=recipe.statement)
    else:
        image = Image.from_elf(data, recipe.statement)
    blobs = {blob_root(recipe.blob, image.endian): recipe.blob}
    return {
        "kernel": recipe.linux,
        "entry": parse_elf(data).entry,
        "result_address": RESULT if recipe.linux else find_symbol(data, "result"),
        "root": image.root().hex(),
        "statement": recipe.statement.hex(),
        "blob": recipe.blob.hex(),
        "steps": run(image.machine(blobs=blobs), MOST_STEPS),
        "boot_steps": boot_steps,
    }


def format_table(name: str, fields: Fields) -> str:
    """A table of TOML."""
    return f"[{name}]\n" + "\n".join(f"{field} = {json.dumps(value)}" for field, value in fields.items())
