"""Linux programs on the command line: guests that have the micro kernel, and files that get it with `--linux`."""

from __future__ import annotations

from pathlib import Path

import pytest

from btc_l2.guests import find_guest
from tests.cli.conftest import Command

GREETING = f'hello from {find_guest("go-hello").compiler}, linux\nread 10 bytes: "chancellor"\n'


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    path = tmp_path / "hello"
    path.write_bytes(find_guest("go-hello").read_elf())
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text"
    path.write_bytes(b"\xffx")
    return path


def test_run_tells_what_a_go_guest_prints(btc_l2: Command) -> None:
    told = btc_l2("vm", "run", "go-hello", "--json").json()
    assert (told["exit_code"], told["stdout"], told["stderr"]) == (0, GREETING, "0 arguments\n")
    assert told["steps"] == find_guest("go-hello").steps


def test_run_tells_people_what_a_go_guest_prints_and_nothing_where_it_prints_nothing(btc_l2: Command) -> None:
    assert GREETING in btc_l2("vm", "run", "go-hello").stdout
    assert "stdout" not in btc_l2("vm", "run", "go-sha256", "--statement", "00" * 36).stdout


def test_run_gives_a_linux_program_the_kernel_and_its_stdin(btc_l2: Command, hello: Path, text: Path) -> None:
    told = btc_l2("vm", "run", "--linux", hello, "--stdin", text, "--json").json()
    assert (told["exit_code"], told["stdout"]) == (0, f'{GREETING.splitlines()[0]}\nread 2 bytes: "\\xffx"\n')
    assert btc_l2("vm", "run", "go-hello", "--stdin", text, "--json").json()["stdout"] == told["stdout"]


def test_linux_program_without_the_kernel_traps(btc_l2: Command, hello: Path) -> None:
    told = btc_l2("vm", "run", hello, "--json").json()
    assert (told["exit_code"], told["stdout"]) == (None, "") and told["trap"] is not None


@pytest.mark.parametrize("options", [("--linux", "--raw", "0x10000", "--endian", "big"), ("--linux", "--stdin", "/no")])
def test_run_refuses_options_that_exclude_each_other_and_files_that_are_not_there(
    btc_l2: Command, hello: Path, options: tuple[str, ...]
) -> None:
    assert btc_l2("vm", "run", hello, *options).code in (2, 3)


@pytest.mark.long
def test_false_claim_about_a_go_program_is_disproved_at_one_instruction(btc_l2: Command) -> None:
    told = btc_l2("demo", "fraud", "--guest", "go-sha256", "--json").json()
    assert (told["outcome"], told["winner"], told["judge"]) == ("disproved", "alice", "libbitcoinkernel")
    assert 0 <= told["first_false_step"] < told["steps"] == find_guest("go-sha256").steps


def test_stdin_is_refused_where_no_linux_program_reads_it(btc_l2: Command, hello: Path, text: Path) -> None:
    for arguments in (("fibonacci",), (hello,), ("--linux", hello, "--statement", "00")):
        answer = btc_l2("vm", "run", *arguments, "--stdin", text)
        assert answer.code == 2 and "--stdin" in answer.stderr


def test_root_step_and_disassembly_know_linux_programs(btc_l2: Command, hello: Path) -> None:
    root = btc_l2("vm", "root", "--linux", hello).stdout.strip()
    step = btc_l2("vm", "step", "--linux", hello, "--json").json()
    assert step["root_before"] == root and step["pc"] >= 0x8000_0000
    assert btc_l2("vm", "disasm", "--linux", hello, "--count", "1", "--json").json()[0]["symbol"] == "kernel._start"
