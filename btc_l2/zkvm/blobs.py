"""Big data that the guest maps by its root (SYSCALL 2): content by BLAKE3 tree root.

A blob is up to 64 MiB; zero bytes fill it up. Its root is the level-21 node over its bytes as words in the guest's
order, so the same bytes have one root for big-endian and another for little-endian guests.
"""

from __future__ import annotations

from collections.abc import Mapping

from btc_l2.zkvm.layout import REGION_BYTES, REGION_LEVEL
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.page import Page, fold_pages, pages_of_bytes
from btc_l2.zkvm.tree import ZERO_NODES
from taproot.errors import InvalidInput, Unavailable, VerificationFailed


def blob_root(data: bytes, endian: Endian) -> bytes:
    """Root by which a guest of this byte order maps `data`; InvalidInput for more than 64 MiB."""
    return fold_pages(_pages(data, endian), REGION_LEVEL)


class Blobs:
    """Pages of blobs by root; each blob is checked against its root when it is first needed."""

    def __init__(self, contents: Mapping[bytes, bytes], endian: Endian) -> None:
        self._contents = contents
        self._endian = endian
        self._pages: dict[bytes, Mapping[int, Page]] = {ZERO_NODES[REGION_LEVEL]: {}}

    def pages(self, root: bytes) -> Mapping[int, Page]:
        """Pages of a blob by their number; Unavailable if nobody gave it, VerificationFailed if it is another."""
        if root not in self._pages:
            self._pages[root] = self._read(root)
        return self._pages[root]

    def _read(self, root: bytes) -> Mapping[int, Page]:
        if root not in self._contents:
            raise Unavailable(
                f"the guest reads a blob that is not here; its root is {root.hex()} ({self._endian} endian); give its "
                "file (--blob FILE, or `btc-l2 vm blob add FILE` once)"
            )
        pages = _pages(self._contents[root], self._endian)
        if fold_pages(pages, REGION_LEVEL) != root:
            raise VerificationFailed(f"a blob is not what it is called; its root is not {root.hex()}; fetch it again")
        return pages


def _pages(data: bytes, endian: Endian) -> dict[int, Page]:
    if len(data) > REGION_BYTES:
        raise InvalidInput(f"a blob has {len(data)} bytes; a map slot holds {REGION_BYTES}; split it")
    return pages_of_bytes(data, endian)
