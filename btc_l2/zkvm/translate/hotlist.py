"""A hot list as text: hexadecimal distances between ascending addresses, the first from 0; `#` begins a remark."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from btc_l2.zkvm.layout import PROGRAM_END
from taproot.errors import InvalidInput

_PER_LINE = 24


def write_hot_list(addresses: Sequence[int], remarks: Sequence[str]) -> str:
    """The text of a list of addresses, which need not be in order."""
    distances = [f"{after - before:x}" for before, after in pairwise([0, *sorted(addresses)])]
    lines = [" ".join(distances[k : k + _PER_LINE]) for k in range(0, len(distances), _PER_LINE)]
    return "\n".join([*(f"# {remark}" for remark in remarks), *lines, ""])


def read_hot_list(text: str) -> list[int]:
    """The addresses of a text, ascending; InvalidInput if it is none."""
    addresses, address = [], 0
    for line in text.splitlines():
        for distance in line.split("#")[0].split():
            try:
                address += int(distance, 16)
            except ValueError as error:
                raise InvalidInput(f"{distance!r} in a hot list is no distance; write hexadecimal digits") from error
            addresses.append(address)
    if addresses and not 0 <= addresses[0] <= address < PROGRAM_END:
        raise InvalidInput(f"a hot list reaches up to {address:#x}; that is no program memory; profile the guest again")
    return addresses
