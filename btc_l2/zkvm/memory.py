"""Memory of 2^32 bytes: sparse pages, copied on write, with the state tree above them.

A page (4 KiB) is the unit of copying and hashing, a region (64 MiB, the size of a map slot) the unit of sharing: a copy
of a memory shares all regions, a region that is written gets its own table of pages, a page that is written its
own words. Nodes are computed when asked for and kept as long as what is below them does not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from btc_l2.zkvm.blobs import Blobs
from btc_l2.zkvm.layout import LEAF_WORDS, PAGE_BYTES, PAGE_LEVEL, REGION_LEVEL, REGION_PAGES
from btc_l2.zkvm.page import ZERO_PAGE, Page, Region, fold_pages, page_nodes
from btc_l2.zkvm.tree import ZERO_NODES, hash_pair


class Memory:
    """Words by address. `blobs` finds the pages of a mapped node by its root; it raises Unavailable if it cannot."""

    __slots__ = ("_own_pages", "_own_regions", "blobs", "changed", "nodes", "regions")

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.regions: dict[int, Region] = {}  # written or read content
        self.nodes: dict[int, bytes] = {}  # mapped nodes by region: they stand in place of a content
        self._own_regions: set[int] = set()  # regions and pages that no copy shares
        self._own_pages: set[int] = set()
        self.changed: set[int] | None = None  # pages that were replaced since `track`; copies do not track

    def track(self) -> None:
        """From now on `changed` names every page that is written or replaced (a mapped node is no page)."""
        self.share()
        self.changed = set()

    def copy(self) -> Memory:
        """Another memory with the same content; what either writes later the other does not see."""
        self.share()
        twin = Memory(self.blobs)
        twin.regions, twin.nodes = dict(self.regions), dict(self.nodes)
        return twin

    def share(self) -> None:
        """Treat every page as seen by others from now on: the next write copies it."""
        self._own_regions.clear()
        self._own_pages.clear()

    def load(self, address: int) -> int:
        """Word at an aligned address."""
        return int(self.page(address // PAGE_BYTES).words[address % PAGE_BYTES // 4])

    def store(self, address: int, value: int) -> None:
        """Set the word at an aligned address."""
        self._writable_page(address // PAGE_BYTES).words[address % PAGE_BYTES // 4] = value

    def page(self, number: int) -> Page:
        """Page by number (address / 4096), only to read."""
        return self.region_pages(number // REGION_PAGES).get(number % REGION_PAGES, ZERO_PAGE)

    def region_pages(self, region: int) -> Mapping[int, Page]:
        """Pages of 64 MiB by their number within; Unavailable if a mapped blob is missing."""
        if region in self.nodes:
            return self.blobs.pages(self.nodes[region])
        return self.regions[region].pages if region in self.regions else {}

    @property
    def page_count(self) -> int:
        """Number of all pages that exist, mapped ones excepted."""
        return sum(len(content.pages) for region, content in self.regions.items() if region not in self.nodes)

    def page_numbers(self) -> list[int]:
        """Numbers of all pages that exist, mapped ones excepted, ascending."""
        return sorted(
            region * REGION_PAGES + number
            for region, content in self.regions.items()
            if region not in self.nodes
            for number in content.pages
        )

    def put_pages(self, numbers: Sequence[int], pages: Iterable[Page]) -> None:
        """Replace whole pages; the pages count as shared."""
        region, table = -1, dict[int, Page]()
        for number, page in zip(numbers, pages, strict=True):
            if number // REGION_PAGES != region:
                region = number // REGION_PAGES
                table = self._writable_region(region).pages
            table[number % REGION_PAGES] = page
        self._own_pages.difference_update(numbers)
        if self.changed is not None:
            self.changed.update(numbers)

    def map_node(self, region: int, root: bytes) -> None:
        """Make `root` the node of 64 MiB; its content is then the blob with this root."""
        self.nodes[region] = root
        self.regions.pop(region, None)
        self._own_regions.discard(region)
        self._own_pages = {number for number in self._own_pages if number // REGION_PAGES != region}

    def node(self, level: int, index: int) -> bytes:
        """Node of the tree; below a mapped node only if its blob is there."""
        if level > REGION_LEVEL:
            return self._high_node(level, index)
        if level == REGION_LEVEL:
            return self._region_root(index)
        if level >= PAGE_LEVEL:
            return self._node_over_pages(level, index)
        return self._node_in_page(level, index)

    def _high_node(self, level: int, index: int) -> bytes:
        height = level - REGION_LEVEL
        below = range(index << height, index + 1 << height)
        if not any(region in self.regions or region in self.nodes for region in below):
            return ZERO_NODES[level]
        return hash_pair(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))

    def _region_root(self, index: int) -> bytes:
        if index in self.nodes:
            return self.nodes[index]
        region = self.regions.get(index)
        if region is None:
            return ZERO_NODES[REGION_LEVEL]
        if region.root is None:
            region.root = fold_pages(region.pages, REGION_LEVEL)
        return region.root

    def _node_over_pages(self, level: int, index: int) -> bytes:
        height, in_region = level - PAGE_LEVEL, REGION_LEVEL - level
        pages = self.region_pages(index >> in_region)
        first = (index & (1 << in_region) - 1) << height
        below = range(first, first + (1 << height))
        chosen = (
            {n: pages[n] for n in below if n in pages} if len(below) < len(pages)
            else {n: page for n, page in pages.items() if n in below}
        )  # fmt: skip
        return fold_pages(chosen, level)

    def _node_in_page(self, level: int, index: int) -> bytes:
        page = self.page(index >> PAGE_LEVEL - level)
        within = index & (1 << PAGE_LEVEL - level) - 1
        if level == 0:
            return page.words[within * LEAF_WORDS : (within + 1) * LEAF_WORDS].tobytes()
        row = 1 << PAGE_LEVEL - level | within
        return page_nodes(page)[row : row + 1].tobytes()

    def _writable_region(self, index: int) -> Region:
        if index not in self._own_regions:
            self.regions[index] = Region(dict(self.region_pages(index)))
            if self.nodes.pop(index, None) and self.changed is not None:
                self.changed.update(index * REGION_PAGES + number for number in self.regions[index].pages)
            self._own_regions.add(index)
        region = self.regions[index]
        region.root = None
        return region

    def _writable_page(self, number: int) -> Page:
        pages = self._writable_region(number // REGION_PAGES).pages
        within = number % REGION_PAGES
        if number not in self._own_pages:
            pages[within] = Page(pages.get(within, ZERO_PAGE).words.copy())
            self._own_pages.add(number)
            if self.changed is not None:
                self.changed.add(number)
        page = pages[within]
        page.root = None
        return page
