"""Scripts: building all leaves of a game, sizes of the large ones, how long the judge takes over a hash leaf."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench.figure import Figure, at_most, plain, timed
from btc_l2.chain.kernel import accepts
from challenger.cost import arities_of
from challenger.disprove.hash_leaf import hash_leaf, hash_leaf_witness
from challenger.disprove.relations import relation, relation_names
from challenger.sample import sample_game, sample_parties
from taproot.gadgets.blake3 import compression, message_names
from taproot.hashes import sha256
from taproot.ots import Composition, Opening, open_signed
from taproot.script import Script

NODE = Composition(64)  # hexadecimal digits of a tree node
RIGHT = 1  # the side of the child
PUBLISHED_BLAKE3 = 70_291  # bytes; BitVMX CPU 0.7.3, the shortest published script for 64 bytes


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    parties = sample_parties(2)
    build = partial(sample_game, arities_of(32, 4), parties, parties.challengers[0])
    game, first = timed(build)
    _, again = timed(build)
    codes = {spec.tap.code for spec in game.leaves.values()}
    yield at_most("all leaves of one game for 2^32 steps, first time in a process", first, "s", 3)
    yield plain("the same for a second game", again, "s")
    yield plain("leaves of a game", len(game.leaves), "leaves")
    yield plain("different ones", len(codes), "scripts")
    yield plain("bytes of all different ones", sum(map(len, codes)) / 1e6, "MB")
    hashes = [len(spec.tap.code) for (turn, _), spec in game.leaves.items() if ".hash" in turn]
    yield at_most("longest hash leaf", max(hashes), "B", 60_000)
    peak = max(spec.tap.items + spec.tap.script.effect.peak for spec in game.leaves.values())
    yield at_most("highest stack", peak, "items", 1_000)
    names = tuple(digit for word in message_names() for digit in word)
    size = len(compression(names).script)
    asked = f"< {PUBLISHED_BLAKE3:,} B, the shortest published"
    yield Figure("BLAKE3 of 64 bytes in Script", f"{size:,} B", asked, size < PUBLISHED_BLAKE3)
    yield from _hash_leaf()
    bodies = [len(relation(name).body) for name in relation_names()]
    yield plain(f"largest of {len(bodies)} relation bodies", max(bodies), "B")


def _hash_leaf() -> Iterator[Figure]:
    """A hash leaf against a false parent: size, and the time that libbitcoinkernel takes to accept it."""
    leaf = hash_leaf(_opening("parent"), _opening("child"), _opening("sibling"), RIGHT, Script())
    items = hash_leaf_witness(0, _signed("parent"), _signed("child"), _signed("sibling"), ())
    accepted, seconds = timed(lambda: accepts(leaf.script.code, items))
    if not accepted:
        raise AssertionError("the hash leaf refuses a false parent")
    yield plain("hash leaf with a known side, tables not shared", len(leaf.script.code), "B")
    yield plain("its witness", sum(map(len, items)), "B")
    yield plain("libbitcoinkernel judges it in", seconds * 1000, "ms")


def _opening(name: str) -> Opening:
    return open_signed(NODE, NODE.public(sha256(name.encode())))


def _signed(name: str) -> tuple[bytes, ...]:
    """Any node: the hash of two equal nodes is another one."""
    return NODE.to_open(NODE.sign(sha256(name.encode()), (3,) * NODE.digits))
