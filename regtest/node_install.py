"""Fetch a bitcoind into a folder with nothing but apt's tools: `make bitcoind`.

Debian 12 has no bitcoind; Debian unstable has Bitcoin Knots. A private apt configuration (own lists, own empty
package status) resolves the package and all its libraries from unstable, on the mirror that the system itself is set
up with; the packages are unpacked, not installed, and a wrapper starts the binary with the unpacked loader and
libraries. The system's own sources and packages stay as they are, and no root is needed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from taproot.errors import BtcL2Error, Unavailable

PACKAGE = "bitcoin-knots"
SUITE = "unstable"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PROGRAMS = ("bitcoind", "bitcoin-cli")
DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "bitcoind"
_ELSE = "or set BITCOIND to a bitcoind of your own"


def install(folder: Path = DEFAULT_FOLDER) -> Path:
    """Fill `folder` with bin/ and lib/ and return the path of a bitcoind that runs. About 27 MB of download.

    Raises Unavailable where apt, its Debian mirror or the network is missing.
    """
    _check_tools()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="apt-") as scratch:
        packages = _download(Path(scratch), find_mirror(_apt_targets()))
        root = Path(scratch, "root")
        for package in packages:
            _run(["dpkg-deb", "-x", str(package), str(root)])
        _keep_needed(root, folder)
    for program in PROGRAMS:
        _write_wrapper(folder, program)
    _run([str(folder / "bin" / "bitcoind"), "--version"])
    return folder / "bin" / "bitcoind"


def find_mirror(targets: Iterable[str]) -> str:
    """The Debian mirror among lines `release component site` of apt's index targets."""
    sites = [line.split(" ", 2) for line in targets if line.count(" ") == 2]
    found = [site for _, component, site in sites if component == "main" and site.rstrip("/").endswith("/debian")]
    if not found:
        raise Unavailable(f"apt has no Debian mirror to take {PACKAGE} from: add one to its sources, {_ELSE}")
    return found[0]


def apt_configuration(scratch: Path) -> str:
    """Options that keep apt inside `scratch`: own lists, cache and sources, nothing counted as installed."""
    return "\n".join(
        [
            f'Dir::State "{scratch}/state";',
            f'Dir::State::status "{scratch}/status";',
            f'Dir::Cache "{scratch}/cache";',
            'Dir::Etc::sourcelist "/dev/null";',
            f'Dir::Etc::sourceparts "{scratch}/sources";',
            'Dir::Etc::preferences "/dev/null";',
            'Dir::Etc::preferencesparts "/dev/null";',
            'APT::Sandbox::User "root";',
            'APT::Install-Recommends "false";',
            'Debug::NoLocking "true";',
            'Acquire::Languages "none";',
            'Acquire::Retries "3";',
        ]
    )


def _check_tools() -> None:
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise Unavailable(
            f"{' and '.join(missing)} not found: this works on Debian, elsewhere install bitcoind {_ELSE}"
        )
    if not KEYRING.exists():
        raise Unavailable(f"{KEYRING} is missing: install debian-archive-keyring {_ELSE}")


def _apt_targets() -> list[str]:
    command = ["apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(COMPONENT) $(SITE)"]
    return _run([*command, "Created-By: Packages"]).splitlines()


def _download(scratch: Path, mirror: str) -> list[Path]:
    for name in ("state/lists/partial", "cache/archives/partial", "sources"):
        Path(scratch, name).mkdir(parents=True)
    Path(scratch, "status").touch()
    source = {"Types": "deb", "URIs": mirror, "Suites": SUITE, "Components": "main", "Targets": "Packages"}
    source["Signed-By"] = str(KEYRING)
    text = "".join(f"{key}: {value}\n" for key, value in source.items())
    Path(scratch, "sources", "node.sources").write_text(text)
    configuration = Path(scratch, "apt.conf")
    configuration.write_text(apt_configuration(scratch) + "\n")
    apt = ["apt-get", "-q", "-c", str(configuration)]
    _run([*apt, "update"])
    _run([*apt, "install", "-y", "--download-only", "--no-install-recommends", PACKAGE])
    return sorted(Path(scratch, "cache", "archives").glob("*.deb"))


def _keep_needed(root: Path, folder: Path) -> None:
    """Move programs and shared libraries to bin/ and lib/, drop the rest."""
    for name in ("bin", "lib"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    for program in PROGRAMS:
        shutil.move(root / "usr" / "bin" / program, folder / "bin" / f"{program}.bin")
    for library in root.glob("usr/lib/*-linux-gnu*/*.so*"):
        shutil.copy(library, folder / "lib" / library.name)


def _write_wrapper(folder: Path, program: str) -> None:
    loaders = sorted((folder / "lib").glob("ld-linux*"))
    if not loaders:
        raise Unavailable(f"no loader among the unpacked libraries of {PACKAGE}: set BITCOIND to your own bitcoind")
    here = '"$(dirname "$(readlink -f "$0")")"'
    libraries = f"{here}/../lib"
    start = f'exec {libraries}/{shlex.quote(loaders[0].name)} --library-path {libraries} {here}/{program}.bin "$@"'
    path = folder / "bin" / program
    path.write_text(f"#!/bin/sh\n{start}\n")
    path.chmod(0o755)


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("E:")]
        said = said or (done.stderr or done.stdout).splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise Unavailable(f"{command[0]} failed while fetching {PACKAGE}: {said[0]}; try again, {_ELSE}")
    return done.stdout


def main() -> int:
    """Install into the project's cache; stdout gets the path of bitcoind."""
    try:
        print("bitcoind: fetching Bitcoin Knots from Debian unstable", file=sys.stderr)
        print(install())
    except BtcL2Error as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
