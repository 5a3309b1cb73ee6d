"""`btc-l2 doctor`: what of the environment is there, what is missing, what to do about it.

Each check answers in one line. Only a *required* thing that is missing makes the command fail (exit code 3):
bitcoind and compilers serve parts that have an embedded replacement.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from btc_l2.cli.output import print_rows
from taproot.errors import BtcL2Error, Unavailable

OLDEST, NEWEST = (3, 11), (3, 13)  # pyproject: the wheels of coincurve and py-bitcoinkernel end here
COMPILERS = {  # program → Debian package
    "mips-linux-gnu-gcc": "gcc-mips-linux-gnu",
    "mipsel-linux-gnu-gcc": "gcc-mipsel-linux-gnu",
    "go": "golang",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Outcome of one check: `advice` is empty where all is well."""

    name: str
    required: bool
    detail: str
    advice: str = ""

    @property
    def state(self) -> str:
        """ok, missing (makes the command fail) or absent (something optional)."""
        if not self.advice:
            return "ok"
        return "missing" if self.required else "absent"


def examine(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Check Python, packages, libraries, images and the optional tools; exit code 3 if a required one lacks."""
    findings = collect_findings()
    columns = ("check", "state", "detail", "advice")
    print_rows(columns, [(f.name, f.state, f.detail, f.advice) for f in findings], as_json)
    missing = [finding.name for finding in findings if finding.state == "missing"]
    if missing:
        raise Unavailable(f"required and missing: {', '.join(missing)}; see the advice of each line")


def collect_findings() -> list[Finding]:
    """All checks, in the order in which they are shown."""
    findings = [_check_python(), *_check_packages(), _check_cache()]
    for name, look in (("libbitcoinkernel", _open_kernel), ("MuSig2", _find_musig2), ("guests", _verify_guests)):
        findings.append(_attempt(name, look))
    return [*findings, _check_bitcoind(), *(_check_compiler(name) for name in COMPILERS)]


def _check_python() -> Finding:
    advice = "" if OLDEST <= sys.version_info[:2] <= NEWEST else "use Python 3.11, 3.12 or 3.13"
    return Finding("python", True, platform.python_version(), advice)


def _check_packages() -> list[Finding]:
    requirements = metadata.requires("btc-l2") or []
    return [_check_package(re.split(r"[^\w.-]", text, maxsplit=1)[0]) for text in requirements]


def _check_package(name: str) -> Finding:
    try:
        return Finding(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, True, "not installed", "run `make setup`")


def _check_cache() -> Finding:
    """Where numba keeps compiled code; without a writable place each start compiles again (seconds)."""
    import btc_l2.zkvm

    given = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(given) if given else Path(next(iter(btc_l2.zkvm.__path__))) / "__pycache__"
    writable = os.access(folder if folder.is_dir() else folder.parent, os.W_OK)
    return Finding(
        "numba cache", False, str(folder), "" if writable else "not writable; set NUMBA_CACHE_DIR to a folder"
    )


def _attempt(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except (ImportError, OSError) as error:
        return Finding(name, True, type(error).__name__, f"{error}; run `make setup`")
    except BtcL2Error as error:
        return Finding(name, True, "does not check", str(error))


def _open_kernel() -> str:
    from btc_l2.chain.kernel import accepts

    if not accepts(bytes([0x51]), []):  # OP_1
        raise Unavailable("the script interpreter refuses OP_1; the wheel is broken; run `make setup`")
    return "judges scripts"


def _find_musig2() -> str:
    from taproot.secp256k1 import lib

    if not hasattr(lib, "secp256k1_musig_partial_sign"):
        raise Unavailable("coincurve was built without MuSig2; another version is installed; run `make setup`")
    return "in libsecp256k1"


def _verify_guests() -> str:
    from btc_l2.guests import list_guests

    guests = list_guests()
    for guest in guests:
        guest.read_elf()
    return ", ".join(guest.name for guest in guests)


def _check_bitcoind() -> Finding:
    path = os.environ.get("BITCOIND") or shutil.which("bitcoind")
    if path and os.access(path, os.X_OK):
        return Finding("bitcoind", False, path)
    return Finding(
        "bitcoind",
        False,
        f"cannot run {path}" if path else "not found",
        "optional, the embedded chain serves; `make bitcoind`, or put one on PATH or in BITCOIND",
    )


def _check_compiler(name: str) -> Finding:
    path = shutil.which(name)
    advice = f"only for `make guests`: apt-get install {COMPILERS[name]}"
    return Finding(name, False, path or "not found", "" if path else advice)
