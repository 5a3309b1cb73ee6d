"""Each guest accepts the claim that Python computes too, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.guests import CLAIM_BYTES, claim_of_result, find_guest
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import SLOTS
from btc_l2.zkvm.outcome import SYSCALL
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from tests.guest import oracles

SEED = bytes(range(1, 33))
MOST_STEPS = 1 << 28
CLAIM_BITS = 8 * CLAIM_BYTES


@dataclass(frozen=True, slots=True)
class Case:
    """A guest on an input small enough for many runs."""

    image: Image
    result: bytes

    def run(self, claim: bytes) -> Machine:
        machine = self.image.machine(claim)
        run(machine, MOST_STEPS)
        return machine


def number(value: int, name: str) -> bytes:
    return value.to_bytes(4, find_guest(name).endian)


def make_case(name: str, head: bytes, count: int) -> Case:
    statement = head + number(count, name)
    oracle: Callable[[bytes], bytes] = getattr(oracles, name)
    return Case(find_guest(name).load_image(statement), oracle(statement))


def flip(claim: bytes, bit: int) -> bytes:
    return (int.from_bytes(claim, "big") ^ 1 << bit).to_bytes(CLAIM_BYTES, "big")


CASES = {
    "hashchain": ("hashchain", SEED, 50),
    "hashchain of no round": ("hashchain", SEED, 0),
    "sortproof": ("sortproof", SEED[:16], 300),
    "sortproof of one record": ("sortproof", SEED[:16], 1),
    "sortproof of two records": ("sortproof", SEED[:16], 2),
    "fibonacci": ("fibonacci", b"", 100),
    "fibonacci of no number": ("fibonacci", b"", 0),
}


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return make_case(*request.param)


@pytest.fixture(scope="module")
def small() -> Case:
    return make_case("fibonacci", b"", 3)


def test_guest_accepts_the_claim_that_python_computes(case: Case) -> None:
    assert case.run(claim_of_result(case.result)).exit_code == 0


@pytest.mark.parametrize("bit", [0, 7, 767, 768, 799, 1000, 1023])
def test_guest_rejects_a_claim_with_one_wrong_bit(case: Case, bit: int) -> None:
    assert case.run(flip(claim_of_result(case.result), bit)).exit_code == 1


@given(bit=st.integers(0, CLAIM_BITS - 1))
@settings(max_examples=150, deadline=None)
def test_fibonacci_rejects_every_single_bit_flip(small: Case, bit: int) -> None:
    assert small.run(flip(claim_of_result(small.result), bit)).exit_code == 1


@given(claim=st.binary(min_size=CLAIM_BYTES, max_size=CLAIM_BYTES))
@settings(max_examples=100, deadline=None)
def test_fibonacci_accepts_a_claim_iff_it_is_the_honest_one(small: Case, claim: bytes) -> None:
    assert small.run(claim).exit_code == (0 if claim == claim_of_result(small.result) else 1)


@given(n=st.integers(0, 400))
@settings(max_examples=25, deadline=None)
def test_fibonacci_computes_what_python_computes(n: int) -> None:
    case = make_case("fibonacci", b"", n)
    assert case.run(claim_of_result(case.result)).exit_code == 0


@given(seed=st.binary(min_size=32, max_size=32), rounds=st.integers(0, 40))
@settings(max_examples=25, deadline=None)
def test_hashchain_computes_what_hashlib_computes(seed: bytes, rounds: int) -> None:
    case = make_case("hashchain", seed, rounds)
    assert case.run(claim_of_result(case.result)).exit_code == 0


@given(seed=st.binary(min_size=16, max_size=16).filter(any), count=st.integers(1, 120))
@settings(max_examples=25, deadline=None)
def test_sortproof_computes_what_python_computes(seed: bytes, count: int) -> None:
    case = make_case("sortproof", seed, count)
    assert case.run(claim_of_result(case.result)).exit_code == 0


@pytest.mark.parametrize(
    ("seed", "count"),
    [(SEED[:16], 0), (SEED[:16], (1 << 23) + 1), (bytes(16), 5)],
    ids=["no record", "too many records", "seed of zeros"],
)
def test_sortproof_refuses_inputs_that_it_cannot_sort(seed: bytes, count: int) -> None:
    image = find_guest("sortproof").load_image(seed + number(count, "sortproof"))
    machine = image.machine(bytes(CLAIM_BYTES))
    run(machine, MOST_STEPS)
    assert machine.exit_code == 2


def test_guests_do_the_same_in_the_readable_step(case: Case) -> None:
    fast = case.run(claim_of_result(case.result))
    slow = case.image.machine(claim_of_result(case.result))
    for _ in range(400_000):
        if slow.exited:
            break
        step(slow)
    assert slow.root() == fast.root()


def run_blobsum(blob: bytes, known: bytes, slot: int, words: int, claim: bytes) -> Machine:
    head = blob_root(blob, "big") + number(slot, "blobsum") + number(words, "blobsum")
    machine = find_guest("blobsum").load_image(head).machine(claim, {blob_root(blob, "big"): known})
    run(machine, MOST_STEPS)
    return machine


@given(blob=st.binary(max_size=600), slot=st.integers(0, SLOTS - 1), words=st.integers(0, 200))
@settings(max_examples=25, deadline=None)
def test_blobsum_adds_up_the_words_of_the_mapped_blob(blob: bytes, slot: int, words: int) -> None:
    statement = blob_root(blob, "big") + slot.to_bytes(4, "big") + words.to_bytes(4, "big")
    claim = claim_of_result(oracles.blobsum(statement, blob))
    assert run_blobsum(blob, blob, slot, words, claim).exit_code == 0
    assert run_blobsum(blob, blob, slot, words, flip(claim, 1023 - slot)).exit_code == 1


@pytest.mark.parametrize("slot", [SLOTS, SLOTS + 1, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_blobsum_traps_on_a_slot_that_does_not_exist(slot: int) -> None:
    assert run_blobsum(b"blob", b"blob", slot, 1, bytes(CLAIM_BYTES)).trap == SYSCALL
