"""Step witnesses: each of the three writes follows from claim, leaf and path alone; false claims lead elsewhere."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.decode import operand_registers
from btc_l2.zkvm.layout import CONTROL_LEAF, G0, G1, REGION_BYTES, REGION_LEVEL, register_leaf
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import step
from btc_l2.zkvm.tree import root_from_path
from btc_l2.zkvm.witness import apply_claim, step_witness
from tests.zkvm.programs import CODE, DATA, encode, machine_with, random_machine


def with_word(leaf: bytes, word: int, value: int) -> bytes:
    return leaf[: 4 * word] + value.to_bytes(4, "little") + leaf[4 * word + 4 :]


def word_of(leaf: bytes, word: int) -> int:
    return int.from_bytes(leaf[4 * word : 4 * word + 4], "little")


def assert_follows(machine: Machine) -> None:
    """Check the witness of the next step as a verifier does who knows leaves and paths, but no machine."""
    witness = step_witness(machine)
    claim = witness.claim
    control = b"".join(word.to_bytes(4, "little") for word in claim.before)
    assert root_from_path(control, CONTROL_LEAF, machine.siblings(CONTROL_LEAF)) == witness.pre
    for register, value in zip(operand_registers(claim.instruction), (claim.a, claim.b), strict=True):
        assert word_of(machine.leaf(register_leaf(register)), register % 8) == value
    after = b"".join(word.to_bytes(4, "little") for word in claim.after)
    assert root_from_path(after, CONTROL_LEAF, machine.siblings(CONTROL_LEAF)) == witness.r1
    middle = machine.copy()
    middle.write_leaf(CONTROL_LEAF, after)
    index = register_leaf(claim.dest)
    written = with_word(middle.leaf(index), claim.dest % 8, claim.result)
    assert root_from_path(written, index, middle.siblings(index)) == witness.r2
    middle.write_leaf(index, written)
    assert_memory_write(middle, claim, witness.r2, witness.post)


def assert_memory_write(middle: Machine, claim: StepClaim, r2: bytes, post: bytes) -> None:
    if claim.key:
        index = claim.address // REGION_BYTES
        siblings = middle.siblings(index, REGION_LEVEL)
        assert root_from_path(claim.key, index, siblings, REGION_LEVEL) == post
        return
    index = claim.address // 32
    leaf, word = middle.leaf(index), claim.address // 4 % 8
    assert word_of(leaf, word) == claim.old
    assert root_from_path(leaf, index, middle.siblings(index)) == r2
    assert root_from_path(with_word(leaf, word, claim.new), index, middle.siblings(index)) == post


@pytest.mark.parametrize("seed", range(4))
def test_every_step_of_a_program_has_a_witness_that_follows(seed: int) -> None:
    rnd = random.Random(seed)
    machine = random_machine(rnd, 60, rnd.choice(("big", "little")))
    for _ in range(60):
        assert_follows(machine)
        before = step_witness(machine)
        assert step(machine) == before.claim
        assert machine.root() == before.post


def test_the_witness_does_not_change_the_machine() -> None:
    machine = machine_with([encode("SW", rs=4, rt=5)], {4: DATA, 5: 1})
    before = machine.root()
    step_witness(machine)
    assert (machine.root(), machine.load_word(DATA)) == (before, 0)


def test_map_writes_the_node_of_the_slot() -> None:
    blob = b"claim" * 99
    root = blob_root(blob, "big")
    key = {8 + k: word_of(root, k) for k in range(8)}
    machine = machine_with([encode("SYSCALL_MAP")], {4: 3, **key})
    assert_follows(machine)
    claim = step_witness(machine).claim
    assert (claim.a, claim.address, claim.key, claim.old, claim.new) == (3, 0xCC00_0000, machine.leaf(G1), 0, 0)


@pytest.mark.parametrize("status", [0x8000_0000, 0xC000_000A])
def test_a_stopped_machine_has_a_witness_that_changes_nothing(status: int) -> None:
    machine = machine_with([encode("SYSCALL_MAP")], {4: 3}, status=status)
    witness = step_witness(machine)
    assert witness.pre == witness.r1 == witness.r2 == witness.post
    assert witness.claim.key == b""
    assert_follows(machine)


LIES = {
    "after": lambda c: replace(c, after=c.after._replace(hi=c.after.hi ^ 1)),
    "result": lambda c: replace(c, result=c.result ^ 1),
    "dest": lambda c: replace(c, dest=c.dest ^ 1),
    "new": lambda c: replace(c, new=c.new ^ 1),
    "address": lambda c: replace(c, address=c.address + 4),
    "map": lambda c: replace(c, key=bytes(31) + b"\1"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_false_claim_has_other_roots_from_its_first_false_write_on(lie: object) -> None:
    assert callable(lie)
    machine = machine_with([encode("SC", rs=4, rt=5)], {4: DATA, 5: 7}, ll=DATA | 1)
    machine.store_word(DATA, 3)
    true = step_witness(machine)
    roots = apply_claim(machine, lie(true.claim))
    truth = (true.r1, true.r2, true.post)
    first = next(k for k in range(3) if roots[k] != truth[k])
    assert roots[first:] != truth[first:]
    assert roots[2] != truth[2]
    assert step_witness(machine) == true


def test_a_false_claim_about_what_was_read_keeps_the_true_roots() -> None:
    machine = machine_with([encode("ADDU", rs=4, rt=5, rd=6)], {4: 1, 5: 2})
    true = step_witness(machine)
    lie = replace(true.claim, a=9, b=9, instruction=0, old=5)
    assert apply_claim(machine, lie) == (true.r1, true.r2, true.post)


@pytest.mark.parametrize("leaf", [G0, G0 + 1, G0 + 2, G0 + 3, CONTROL_LEAF])
def test_a_memory_write_aimed_at_the_reserved_page_undoes_the_step_in_the_roots(leaf: int) -> None:
    """Nothing stops a liar from writing an old word back there; relations bar the address, the tree does not."""
    machine = machine_with([encode("ADDIU", rs=0, rt=8, low=5)], {8: 4})
    true = step_witness(machine).claim
    old = machine.load_word(leaf * 32)
    b = apply_claim(machine, replace(true, address=leaf * 32, old=old, new=old))[2]
    expected = machine.copy()
    step(expected)
    expected.store_word(leaf * 32, old)
    assert b == expected.root()


def test_a_false_map_over_program_memory_has_roots_too() -> None:
    machine = machine_with([encode("ADDIU", rs=0, rt=8, low=5)])
    true = step_witness(machine)
    r1, r2, b = apply_claim(machine, replace(true.claim, address=CODE, key=b"\7" * 32))
    assert (r1, r2) == (true.r1, true.r2)
    expected = machine.copy()
    step(expected)
    assert b == root_from_path(b"\7" * 32, 0, expected.siblings(0, REGION_LEVEL), REGION_LEVEL)
