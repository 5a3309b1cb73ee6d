"""Guests in Rust: without an operating system they decide about claims, with the standard library they print."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_l2.guests import claim_of_result, find_guest
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.linux import read_output, stdin_statement
from btc_l2.zkvm.state import Machine
from tests.guest import oracles

MOST_STEPS = 1 << 28
SEED = bytes(range(1, 33))
LINES = b"to be or\nnot to be\n"
STD_OUTPUT = """\
words [("be", 2), ("to", 2), ("not", 1), ("or", 1)]
squares 30
order [10, 20, 30]
turns abcabcabcabcabc
timeout true
root 1.414213562
file Err(NotFound)
"""


def finish(name: str, statement: bytes, claim: bytes, blobs: dict[bytes, bytes] | None = None) -> Machine:
    machine = find_guest(name).load_image(statement).machine(claim, blobs or {})
    run(machine, MOST_STEPS)
    assert machine.trap is None
    return machine


@pytest.mark.parametrize("count", [0, 1, 300, 2000])
def test_order_book_accepts_the_claim_that_python_computes_and_no_other(count: int) -> None:
    statement = SEED + count.to_bytes(4, "big")
    claim = claim_of_result(oracles.rust_orders(statement))
    assert finish("rust-orders", statement, claim).exit_code == 0
    for wrong in (claim[:31] + bytes([claim[31] ^ 1]) + claim[32:], claim[:127] + b"\1"):
        assert finish("rust-orders", statement, wrong).exit_code == 1


def test_order_book_refuses_more_orders_than_it_can_hold() -> None:
    assert finish("rust-orders", SEED + ((1 << 20) + 1).to_bytes(4, "big"), bytes(128)).exit_code == 2


@given(text=st.text("abAB1 .,\n", max_size=120))
@settings(max_examples=15, deadline=None)
def test_words_of_a_blob_are_those_that_python_counts(text: str) -> None:
    blob = text.encode()
    root = blob_root(blob, "big")
    statement = root + len(blob).to_bytes(4, "big")
    claim = claim_of_result(oracles.rust_words(statement, blob))
    assert finish("rust-words", statement, claim, {root: blob}).exit_code == 0


@pytest.mark.parametrize(("blob", "length", "code"), [(b"\xff\xfe", 2, 3), (b"a", (1 << 26) + 1, 2)])
def test_words_refuses_what_is_no_text_or_too_long(blob: bytes, length: int, code: int) -> None:
    root = blob_root(blob, "big")
    assert finish("rust-words", root + length.to_bytes(4, "big"), bytes(128), {root: blob}).exit_code == code


def test_program_with_the_standard_library_has_threads_channels_locks_and_time() -> None:
    machine = finish("rust-library", stdin_statement(LINES, "big"), bytes(128))
    output = read_output(machine)
    assert (machine.exit_code, output.stdout.decode(), output.stderr) == (0, STD_OUTPUT, b"")
