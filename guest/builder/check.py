"""Images against the manifest, sources against the manifest, and a second compilation against the images."""

from __future__ import annotations

import sys
import tomllib
from typing import Any

from btc_l2.guests import list_guests, read_kernel
from guest.builder.manifest import make_elf
from guest.builder.recipe import Recipe, Tree, hash_sources
from guest.builder.recipes import kernels, recipes
from guest.builder.toolchains import advise, find_version
from taproot.errors import Unavailable, VerificationFailed


def check(tree: Tree) -> None:
    """VerificationFailed for a difference, Unavailable where a compiler is missing or another one is installed."""
    guests = {guest.name: guest for guest in list_guests()}
    rows = tomllib.loads(tree.manifest.read_text())
    if set(guests) != {recipe.name for recipe in recipes()}:
        raise VerificationFailed("the manifest names other guests than guest/builder; run `make guests`")
    lacks: dict[str, list[str]] = {}
    for recipe in kernels():
        lack = check_image(recipe, tree, rows["kernel"][recipe.endian], read_kernel(recipe.endian))
        lacks.setdefault(lack, []).append(recipe.name)
    for recipe in recipes():
        if recipe.statement != guests[recipe.name].statement:
            raise VerificationFailed(f"{recipe.name} has another statement in the manifest; run `make guests`")
        lack = check_image(recipe, tree, rows[recipe.name], guests[recipe.name].read_elf())
        lacks.setdefault(lack, []).append(recipe.name)
    if missing := "; ".join(f"{lack} ({', '.join(names)})" for lack, names in lacks.items() if lack):
        raise Unavailable(f"images match the manifest, but were not compiled again; {missing}")


def check_image(recipe: Recipe, tree: Tree, row: dict[str, Any], committed: bytes) -> str:
    """Empty if all is well, else which compiler lacks; VerificationFailed for a difference."""
    if hash_sources(recipe, tree) != row["sources_sha256"]:
        raise VerificationFailed(f"{recipe.name} is older than its sources; run `make guests` and commit")
    version = find_version(recipe, tree)
    if version != row["compiler"]:
        return f"{row['compiler']} is needed, found {version or 'none'}; {advise(recipe)}"
    if make_elf(recipe, tree, read_kernel(recipe.endian))[0] != committed:
        raise VerificationFailed(f"{recipe.name} compiles to other bytes than the committed image; run `make guests`")
    print(f"checked {recipe.name}", file=sys.stderr)
    return ""
