"""Names of a program's addresses: the symbols of its file and, for Go, those that its own tables keep (`gosymbols`)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from btc_l2.zkvm.disasm import name_addresses
from btc_l2.zkvm.gosymbols import find_go_symbols
from btc_l2.zkvm.image import Image


@dataclass(frozen=True, slots=True)
class SymbolTable:
    """Addresses by name, names by address, and the named addresses in ascending order."""

    addresses: Mapping[str, int]
    names: Mapping[int, str]
    sorted: tuple[int, ...]

    @classmethod
    def of(cls, addresses: Mapping[str, int]) -> SymbolTable:
        """The table over names with their addresses; shown names are printable, whatever the file holds."""
        names = {address: _printable(name) for address, name in name_addresses(addresses).items()}
        return cls(addresses, names, tuple(sorted(names)))

    def start_of(self, address: int) -> int | None:
        """The named address that `address` belongs to: the closest one not above it; None if all are above."""
        found = bisect_right(self.sorted, address)
        return self.sorted[found - 1] if found else None

    def label(self, address: int) -> str:
        """`name`, `name+0x10`, or empty where nothing with a name stands before."""
        start = self.start_of(address)
        if start is None:
            return ""
        return self.names[start] + (f"+{address - start:#x}" if address > start else "")


def symbols_of(image: Image) -> SymbolTable:
    """The names of an image; a name of the file keeps its address where a Go function is called the same."""
    return SymbolTable.of({**find_go_symbols(image.segments(), image.endian), **image.symbols})


def _printable(name: str) -> str:
    """A name that does nothing to a terminal or a table."""
    return "".join(character if character.isprintable() else "?" for character in name)
