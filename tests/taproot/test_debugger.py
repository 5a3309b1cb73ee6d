"""Walking through a script: values, names, failures; the notes of the builder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_l2.chain.kernel import accepts
from taproot.debugger import Failed, Item, Moment, unknown_items, walk, witness_items
from taproot.hashes import hash160
from taproot.script import Op, Script, Stack, encode_number, script
from taproot.script.origin import notes_of, recording


def last(leaf: Script, items: list[Item]) -> Moment:
    return list(walk(leaf, items))[-1]


def test_a_walk_shows_every_opcode_with_the_stack_before_it() -> None:
    moments = list(walk(script(Op.ADD, 5, Op.NUMEQUAL), witness_items([b"\x02", b"\x03"])))
    assert [m.opcode for m in moments] == ["ADD", "5", "NUMEQUAL", "end"]
    assert [str(i) for i in moments[0].main] == ["w0=2", "w1=3"]
    assert moments[2].main[0] == Item("add(w0,w1)", b"\x05")
    assert moments[-1].main[-1].value == b"\x01"


def test_names_follow_the_items() -> None:
    leaf = script(Op.SWAP, Op.DUP, Op.ROT, 2, Op.PICK, 3, Op.ROLL)
    end = last(leaf, [Item("a"), Item("b")])
    assert [i.name for i in end.main] == ["a", "b", "a", "a"]


def test_a_failing_opcode_is_named_with_its_items() -> None:
    with pytest.raises(Failed, match="EQUALVERIFY of w0=1, w1=2"):
        last(script(Op.EQUALVERIFY), witness_items([b"\x01", b"\x02"]))


@pytest.mark.parametrize("leaf", [script(Op.FROMALTSTACK), script(Op.ADD), script(7, Op.PICK)])
def test_a_stack_that_is_too_small_fails(leaf: Script) -> None:
    with pytest.raises(Failed):
        last(leaf, unknown_items(1))


def test_what_nobody_knows_has_no_value() -> None:
    end = last(script(Op.DUP, Op.HASH160, bytes(20), Op.EQUAL), unknown_items(1))
    assert [i.value for i in end.main] == [None, None]


NUMERIC = [
    Op.ADD, Op.SUB, Op.BOOLAND, Op.BOOLOR, Op.NUMEQUAL, Op.NUMNOTEQUAL, Op.LESSTHAN, Op.GREATERTHAN,
    Op.LESSTHANOREQUAL, Op.GREATERTHANOREQUAL, Op.MIN, Op.MAX,
]  # fmt: skip


@given(st.sampled_from(NUMERIC), st.integers(-(1 << 20), 1 << 20), st.integers(-(1 << 20), 1 << 20))
def test_arithmetic_is_that_of_the_node(op: Op, a: int, b: int) -> None:
    value = last(script(op), witness_items([encode_number(a), encode_number(b)])).main[-1].value
    assert value is not None
    judged = script(op, value, Op.EQUAL)
    assert accepts(judged.code, [encode_number(a), encode_number(b)])


def test_a_hash_is_that_of_the_node() -> None:
    end = last(script(Op.HASH160), witness_items([b"preimage"]))
    assert end.main[-1].value == hash160(b"preimage")


def double(s: Stack) -> None:
    """stack:  x  →  2x"""
    s.op(Op.DUP, "x", "again")
    s.op(Op.ADD, "twice")


def test_notes_say_who_wrote_a_part_and_what_lay_on_the_stack() -> None:
    import tests.taproot.test_debugger as here

    with recording(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("taproot.script.origin._PACKAGES", (here.__name__,))
        s = Stack("x")
        double(s)
        leaf = s.finish("twice")
    notes = notes_of(leaf)
    assert notes[0].function == "test_debugger.double" and notes[0].effect == "x → 2x"
    assert notes[1].names == ("x", "again")


def test_without_recording_a_script_carries_nothing() -> None:
    s = Stack("x")
    double(s)
    assert s.finish("twice").origin is None
