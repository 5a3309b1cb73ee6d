"""What the specification says that an instruction reads, writes and traps with, against what it does.

Reading is tested by interference: a value that is not named as a source may be anything without a difference, and one
that is named makes a difference somewhere. Leaves of the state tree likewise, on whole machines.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from btc_l2.zkvm.accesses import Accesses, accesses_of, leaf_name
from btc_l2.zkvm.decode import rd, rt
from btc_l2.zkvm.instructions import SEMANTICS
from btc_l2.zkvm.isa import BY_NAME, SYSCALL_WORDS
from btc_l2.zkvm.layout import CONTROL_LEAF, G0, LEAF_BYTES, LEAF_WORDS, RESERVED_PAGE, SLOT_BASE
from btc_l2.zkvm.outcome import TRAPPED, Control, Endian, Outcome, Situation
from btc_l2.zkvm.partition import partition
from btc_l2.zkvm.reference import REFERENCE
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.step import compute_claim, step
from tests.zkvm.programs import CODE, DATA, machine_with, random_value

NAMES = tuple(REFERENCE)
PARTS = partition()
TRIES = 150
CONTROL_FIELDS = {"HI": "hi", "LO": "lo", "LL": "ll", "TLS": "tls", "STATUS": "status"}
SOURCES = {"rs": "a", "$4": "a", "rt": "b", "memory": "memory", "G1": "key"}


def random_word(rnd: random.Random, name: str) -> int:
    cube = rnd.choice(PARTS[name])
    return rnd.getrandbits(32) & ~cube.mask | cube.match


def random_situation(rnd: random.Random, name: str) -> Situation:
    """Values that reach every branch: small differences, allowed and forbidden addresses, standing links."""
    word = random_word(rnd, name)
    offset = (word & 0xFFFF ^ 0x8000) - 0x8000
    a = rnd.choice([random_value(rnd), DATA + 4 * rnd.randrange(4) - offset, rnd.randrange(16), offset]) & 0xFFFF_FFFF
    ll = rnd.choice([0, a + offset & 0xFFFF_FFFF | 1, random_value(rnd)])
    control = Control(CODE, CODE + 4, random_value(rnd), random_value(rnd), 7, 0, ll, random_value(rnd))
    b = rnd.choice([a, random_value(rnd), 0, a + 1 & 0xFFFF_FFFF])
    return Situation(word, a, b, control, random_value(rnd), rnd.choice(("big", "little")), rnd.randbytes(32))


def vary(rnd: random.Random, s: Situation, source: str) -> Situation:
    """The same situation with another value of one source."""
    value = rnd.choice([random_value(rnd), rnd.randrange(16)])
    if source in CONTROL_FIELDS:
        return replace(s, control=s.control._replace(**{CONTROL_FIELDS[source]: value}))
    field = SOURCES[source]
    return replace(s, **{field: rnd.randbytes(32) if field == "key" else value})  # type: ignore[arg-type]


def difference(outcome: Outcome, source: str) -> Outcome:
    """What of an outcome is told apart: a control word that is only kept is no effect of reading it."""
    field = CONTROL_FIELDS.get(source)
    return replace(outcome, control=outcome.control._replace(**{field: 0})) if field else outcome


def depends(name: str, source: str) -> bool:
    """Whether some pair of situations that differ in a source has different outcomes."""
    rnd = random.Random(f"{name} {source}")
    for _ in range(TRIES):
        s = random_situation(rnd, name)
        other = vary(rnd, s, source)
        first, second = SEMANTICS[name](s), SEMANTICS[name](other)
        field = CONTROL_FIELDS.get(source)
        if difference(first, source) != difference(second, source):
            return True
        if field and any(
            getattr(out.control, field) != getattr(given.control, field)
            for out, given in ((first, s), (second, other))
        ) and getattr(first.control, field) != getattr(second.control, field):
            return True  # the new value follows from the old one
    return False


@pytest.mark.parametrize("name", NAMES)
def test_an_instruction_depends_on_its_sources_and_on_nothing_else(name: str) -> None:
    sources = [s for s in (*SOURCES, *CONTROL_FIELDS) if s not in ("STATUS", "$4" if name[:7] != "SYSCALL" else "rs")]
    assert {source for source in sources if depends(name, source)} == set(REFERENCE[name].reads)


@pytest.mark.parametrize("name", NAMES)
def test_an_instruction_writes_its_targets_and_traps_with_its_causes_and_no_others(name: str) -> None:
    rnd, written, traps = random.Random(name), set[str](), set[int]()
    for _ in range(4 * TRIES):
        s = random_situation(rnd, name)
        outcome = SEMANTICS[name](s)
        if outcome.control.status & TRAPPED == TRAPPED:
            traps.add(outcome.control.status & 0xFF)
            assert outcome == Outcome(s.control._replace(status=outcome.control.status))
            continue
        if outcome.dest:
            fields = {"rd": rd(s.word), "rt": rt(s.word), "$26": 26, "$31": 31}
            named = [target for target in REFERENCE[name].writes if fields.get(target) == outcome.dest]
            assert len(named) == 1
            written.add(named[0])
        if outcome.store is not None:
            written.add("memory")
        if outcome.key:
            written.add("slot")
        written |= {t for t, f in CONTROL_FIELDS.items() if getattr(outcome.control, f) != getattr(s.control, f)}
        assert outcome.control.heap == s.control.heap
    assert (written, traps) == (set(REFERENCE[name].writes), set(REFERENCE[name].traps))


@pytest.mark.parametrize("name", NAMES)
def test_at_most_two_register_leaves_are_read_one_is_written_and_one_memory_leaf(name: str) -> None:
    reads, writes = REFERENCE[name].reads, REFERENCE[name].writes
    assert sum(source in ("rs", "rt", "$4", "G1") for source in reads) <= 2
    assert sum(target in ("rd", "rt", "$26", "$31") for target in writes) <= 1
    assert sum(target in ("memory", "slot") for target in writes) <= 1


def random_machine(rnd: random.Random, name: str, endian: Endian) -> Machine:
    """A machine about to make a step of the row, whose address is mostly an allowed one."""
    word = random_word(rnd, name)
    registers = {k: random_value(rnd) for k in range(1, 32)}
    if BY_NAME[name].access in ("load", "store"):
        offset = (word & 0xFFFF ^ 0x8000) - 0x8000
        registers[word >> 21 & 31] = DATA + rnd.randrange(64) - offset & 0xFFFF_FFFF
    if word in SYSCALL_WORDS:
        registers[4] = rnd.randrange(18)
    registers.pop(0, None)
    machine = machine_with([word], registers, endian, hi=random_value(rnd), lo=random_value(rnd), tls=random_value(rnd))
    for k in range(-2, 18):
        machine.store_word(DATA + 4 * k, random_value(rnd))
    if rnd.random() < 0.5:
        machine.control = machine.control._replace(ll=(DATA + rnd.randrange(64)) & ~3 | 1)
    return machine


def leaves(machine: Machine) -> dict[int, bytes]:
    """Every leaf of the pages that exist, the reserved page included."""
    machine.root()
    return {
        number * 128 + k: row.tobytes()
        for number in machine.memory.page_numbers()
        for k, row in enumerate(machine.memory.page(number).words.reshape(-1, LEAF_WORDS))
    }


def scramble(rnd: random.Random, machine: Machine, kept: frozenset[int]) -> Machine:
    """Another content in every leaf of code, data and registers that is not kept; $0 stays zero."""
    twin = machine.copy()
    for first in (CODE, DATA - 64, RESERVED_PAGE):
        for index in range(first // LEAF_BYTES, first // LEAF_BYTES + (4 if first == RESERVED_PAGE else 8)):
            if index not in kept:
                content = bytearray(rnd.randbytes(LEAF_BYTES))
                content[:4] = bytes(4) if index == G0 else content[:4]
                twin.write_leaf(index, bytes(content))
    return twin


def check_limits(accesses: Accesses) -> None:
    assert len(accesses.registers_read) <= 2
    assert len(accesses.memory_read) <= 1
    assert len(accesses.register_written) <= 1
    assert len(accesses.memory_written) + len(accesses.node_written) <= 1


def check_step(name: str, seed: object, endian: Endian) -> None:
    rnd = random.Random(f"{name} {seed} {endian}")
    machine = random_machine(rnd, name, endian)
    before = leaves(machine)
    accesses = accesses_of(compute_claim(machine))
    check_limits(accesses)
    twin = scramble(rnd, machine, accesses.read)
    claim = step(machine)
    assert compute_claim(twin) == claim, "the step depends on a leaf that it does not name"
    slots = [region * 2**21 for region in machine.memory.nodes]
    assert tuple(slots) == accesses.node_written
    after = leaves(machine)
    changed = {index for index in before.keys() | after.keys() if before.get(index) != after.get(index)}
    changed -= {index for index in changed if not any(before.get(index, b"")) and not any(after.get(index, b""))}
    assert changed <= accesses.written
    assert CONTROL_LEAF in changed or claim.before == claim.after


@pytest.mark.parametrize("name", NAMES)
def test_a_step_reads_and_writes_the_leaves_that_it_names_and_no_others(name: str) -> None:
    for seed in range(4):
        check_step(name, seed, "big")
        check_step(name, seed, "little")


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_many_steps_read_and_write_the_leaves_that_they_name(name: str) -> None:
    for seed in range(4, 150):
        check_step(name, seed, "big" if seed % 2 else "little")


def test_a_stopped_machine_writes_nothing() -> None:
    machine = machine_with([0x0000_008C], {4: 1}, status=0x8000_0000)
    accesses = accesses_of(step(machine))
    assert not accesses.register_written and not accesses.memory_written and not accesses.node_written


def test_leaves_are_named_as_in_the_specification() -> None:
    assert [leaf_name(G0 + k) for k in range(5)] == ["G0", "G1", "G2", "G3", "C"]
    assert leaf_name(SLOT_BASE // LEAF_BYTES) == "0xc0000000"
    assert np.dtype(np.uint32).itemsize * LEAF_WORDS == LEAF_BYTES
