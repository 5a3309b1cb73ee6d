"""Programs from Debian packages, unpacked into a folder with nothing but apt's tools.

A private apt configuration (own lists, own empty package status) resolves packages and all their libraries from one
suite, on the mirror that the system itself is set up with; the packages are unpacked, not installed, and a wrapper
starts each program with the unpacked loader and libraries. The system's own sources and packages stay as they are, and
no root is needed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from taproot.errors import Unavailable

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CACHE = Path(__file__).resolve().parents[2] / ".cache"


@dataclass(frozen=True, slots=True)
class Programs:
    """What to take from Debian: programs of packages, and what to do where that does not work."""

    packages: tuple[str, ...]
    suite: str
    names: tuple[str, ...]  # in usr/bin of the packages; the first one must answer --version
    otherwise: str  # advice: "or …"


def unpack(programs: Programs, folder: Path) -> Path:
    """Fill `folder` with bin/ and lib/ and return the path of the first program, which runs.

    Raises Unavailable where apt, its Debian mirror or the network is missing.
    """
    _check_tools(programs)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="apt-") as scratch:
        packages = _download(programs, Path(scratch), find_mirror(_apt_targets(programs), programs))
        root = Path(scratch, "root")
        for package in packages:
            _run(["dpkg-deb", "-x", str(package), str(root)], programs)
        _keep_needed(programs, root, folder)
    for name in programs.names:
        _write_wrapper(programs, folder, name)
    first = folder / "bin" / programs.names[0]
    _run([str(first), "--version"], programs)
    return first


def find_mirror(targets: Iterable[str], programs: Programs) -> str:
    """The Debian mirror among lines `release component site` of apt's index targets."""
    sites = [line.split(" ", 2) for line in targets if line.count(" ") == 2]
    found = [site for _, component, site in sites if component == "main" and site.rstrip("/").endswith("/debian")]
    if not found:
        raise Unavailable(
            f"apt has no Debian mirror to take {programs.packages[0]} from: add one to its sources, "
            f"{programs.otherwise}"
        )
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


def _check_tools(programs: Programs) -> None:
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise Unavailable(
            f"{' and '.join(missing)} not found: this works on Debian, elsewhere install {programs.names[0]} "
            f"{programs.otherwise}"
        )
    if not KEYRING.exists():
        raise Unavailable(f"{KEYRING} is missing: install debian-archive-keyring {programs.otherwise}")


def _apt_targets(programs: Programs) -> list[str]:
    command = ["apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(COMPONENT) $(SITE)"]
    return _run([*command, "Created-By: Packages"], programs).splitlines()


def _download(programs: Programs, scratch: Path, mirror: str) -> list[Path]:
    for name in ("state/lists/partial", "cache/archives/partial", "sources"):
        Path(scratch, name).mkdir(parents=True)
    Path(scratch, "status").touch()
    source = {"Types": "deb", "URIs": mirror, "Suites": programs.suite, "Components": "main", "Targets": "Packages"}
    source["Signed-By"] = str(KEYRING)
    text = "".join(f"{key}: {value}\n" for key, value in source.items())
    Path(scratch, "sources", "programs.sources").write_text(text)
    configuration = Path(scratch, "apt.conf")
    configuration.write_text(apt_configuration(scratch) + "\n")
    apt = ["apt-get", "-q", "-c", str(configuration)]
    _run([*apt, "update"], programs)
    _run([*apt, "install", "-y", "--download-only", "--no-install-recommends", *programs.packages], programs)
    return sorted(Path(scratch, "cache", "archives").glob("*.deb"))


def _keep_needed(programs: Programs, root: Path, folder: Path) -> None:
    """Move programs and shared libraries to bin/ and lib/, drop the rest."""
    for name in ("bin", "lib"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    for program in programs.names:
        shutil.move(root / "usr" / "bin" / program, folder / "bin" / f"{program}.bin")
    for place in ("lib", "usr/lib", "lib64", "usr/lib64"):  # until Debian 13 not all libraries stand in usr/lib
        for library in (*root.glob(f"{place}/*-linux-gnu*/*.so*"), *root.glob(f"{place}/ld-linux*")):
            if library.is_file():
                shutil.copy(library, folder / "lib" / library.name)


def _write_wrapper(programs: Programs, folder: Path, name: str) -> None:
    loaders = sorted((folder / "lib").glob("ld-linux*"))
    if not loaders:
        raise Unavailable(f"no loader among the unpacked libraries of {programs.packages[0]}: {programs.otherwise}")
    here = '"$(dirname "$(readlink -f "$0")")"'
    libraries = f"{here}/../lib"
    start = f'exec {libraries}/{shlex.quote(loaders[0].name)} --library-path {libraries} {here}/{name}.bin "$@"'
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{start}\n")
    path.chmod(0o755)


def _run(command: Sequence[str], programs: Programs) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("E:")]
        said = said or (done.stderr or done.stdout).splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise Unavailable(
            f"{command[0]} failed while fetching {programs.packages[0]}: {said[0]}; try again, {programs.otherwise}"
        )
    return done.stdout
