"""`btc-l2` itself: errors as one line with their exit code, `version`, `doctor`."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from btc_l2 import guests
from btc_l2.cli import doctor, main
from taproot.errors import Refused
from tests.cli.conftest import Command


def test_version_is_that_of_the_package(btc_l2: Command) -> None:
    answer = btc_l2("version")
    assert (answer.code, answer.stdout.strip()) == (0, metadata.version("btc-l2"))
    assert btc_l2("version", "--json").json()["version"] == metadata.version("btc-l2")


def test_start_loads_neither_numba_nor_a_bitcoin_library() -> None:
    heavy = ("numba", "numpy", "pbk", "coincurve", "rich.table")
    program = f"import sys, btc_l2.cli.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [("nonsense",), ("vm", "run"), ("vm", "run", "fibonacci", "--max-steps", "-1")])
def test_wrong_usage_ends_with_code_2_and_says_nothing_on_stdout(btc_l2: Command, arguments: tuple[str, ...]) -> None:
    answer = btc_l2(*arguments)
    assert (answer.code, answer.stdout) == (2, "") and answer.stderr


def test_project_error_is_one_line_with_its_exit_code(btc_l2: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise Refused("mainnet is refused; this is a prototype;\nuse regtest")

    monkeypatch.setattr(main, "_narrowed", lambda _names: lambda _: refuse())
    answer = btc_l2("version")
    assert (answer.code, answer.stdout) == (6, "")
    assert answer.stderr == "error: mainnet is refused; this is a prototype; use regtest\n"


def test_unexpected_error_ends_with_code_1_and_without_a_traceback(
    btc_l2: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "_narrowed", lambda _names: lambda _: [][0])
    answer = btc_l2("version")
    assert answer.code == 1 and answer.stderr.count("\n") == 1
    assert "IndexError" in answer.stderr and "Traceback" not in answer.stderr


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_narrowed", lambda _names: lambda _: [][0])
    monkeypatch.setenv("BTCL2_DEBUG", "1")
    with pytest.raises(IndexError):
        main.run(["version"])


def test_interrupt_ends_with_code_130(btc_l2: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "_narrowed", lambda _names: interrupt)
    assert btc_l2("version").code == 130


def test_doctor_finds_all_that_is_required_here(btc_l2: Command) -> None:
    answer = btc_l2("doctor", "--json")
    findings = {row["check"]: row for row in answer.json()}
    assert answer.code == 0, answer.stderr
    assert findings["libbitcoinkernel"]["state"] == findings["MuSig2"]["state"] == findings["guests"]["state"] == "ok"
    assert {"python", "coincurve", "bitcoind", "mips-linux-gnu-gcc"} <= findings.keys()


def test_doctor_says_what_to_do_about_a_missing_requirement(
    btc_l2: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(guests, "_FOLDERS", (tmp_path,))
    answer = btc_l2("doctor", "--json")
    row = next(row for row in answer.json() if row["check"] == "guests")
    assert answer.code == 3 and "guests" in answer.stderr
    assert row["state"] == "missing" and "make guests" in row["advice"]


def test_doctor_does_not_fail_for_what_is_optional(btc_l2: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("BITCOIND", raising=False)
    answer = btc_l2("doctor", "--json")
    absent = {row["check"] for row in answer.json() if row["state"] == "absent"}
    assert answer.code == 0 and absent == {"bitcoind", *doctor.COMPILERS}


def test_doctor_names_a_bitcoind_that_cannot_be_run(btc_l2: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITCOIND", "/nowhere/bitcoind")
    row = next(row for row in btc_l2("doctor", "--json").json() if row["check"] == "bitcoind")
    assert (row["state"], row["detail"]) == ("absent", "cannot run /nowhere/bitcoind")
