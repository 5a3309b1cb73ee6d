"""`btc-l2 vm translate`: native code of a guest's hot blocks into the user's cache (`docs/translated.md`)."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from btc_l2.cli.options import AsJson
from btc_l2.cli.output import note, print_document
from taproot.errors import Unavailable

GuestArgument = Annotated[str, typer.Argument(metavar="GUEST", help="A guest of the project.")]
Tier = Annotated[
    bool | None,
    typer.Option(
        "--tier/--no-tier",
        help="Translate the guest in the background and go over to native code, or interpret only; by default native "
        "code is used if `vm translate` has made it.",
    ),
]


def translate_guest(guest: GuestArgument, as_json: AsJson = False) -> None:
    """Translate a guest of the project into native code, kept for later runs; says so if it is there already."""
    from btc_l2.guests import find_guest
    from btc_l2.translation import cache_folder, find_hot_list, guest_key, use_tier
    from btc_l2.zkvm import llvm

    found = find_guest(guest)
    hot = find_hot_list(found)
    if not llvm.is_supported():
        raise Unavailable("there is no translated tier for this processor; it is written for x86-64; go on without it")
    if not hot:
        raise Unavailable(f"{guest} has no hot list; nothing says what is worth translating; run guest/profile {guest}")
    start = time.perf_counter()
    use_tier(found, wait=True)
    key = guest_key(found.load_image(), hot)
    print_document(
        {
            "guest": guest,
            "hot_addresses": len(hot),
            "seconds": round(time.perf_counter() - start, 3),
            "file": str(cache_folder() / f"{key.hex()}.tier"),
        },
        as_json,
    )


def choose_tier(image: str, wanted: bool | None) -> None:
    """Before a run of IMAGE: use its tier if it is a guest of the project that has one."""
    from btc_l2.guests import find_guest, list_guests
    from btc_l2.translation import use_cached_tier, use_tier

    if wanted is False or image not in {guest.name for guest in list_guests()}:
        return
    if wanted is None:
        use_cached_tier(find_guest(image))
    elif not use_tier(find_guest(image)):
        note("translating in the background; the interpreter begins")
