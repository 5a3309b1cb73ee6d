"""Build Bitcoin Core's bitcoind from the source package of py-bitcoinkernel: `make bitcoind-core`.

The package carries the whole source tree of the Core version whose validation code judges the scripts here (`pbk` is
built from it), under the hash that `requirements.lock` pins. Needed are cmake, make and a C++20 compiler of the system;
Boost's headers and libevent come from the distribution's packages, unpacked into the cache where the system does not
have them. Nothing is installed. The program stays in .cache/bitcoind-core/bin; later runs find it there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from regtest.node.knots_install import DEFAULT_FOLDER
from regtest.node.program import run_program
from taproot.errors import Unavailable

ROOT = Path(__file__).resolve().parents[2]
CORE_FOLDER = DEFAULT_FOLDER.parent / "bitcoind-core"
PACKAGE = "py-bitcoinkernel"
TREE_IN_PACKAGE = "depend/bitcoin/"
DEB_PACKAGES = ("libboost-dev", "libevent-dev")
SYSTEM_HEADERS = (Path("/usr/include/boost/multi_index_container.hpp"), Path("/usr/include/event2/event.h"))
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release", "CMAKE_CXX_FLAGS_RELEASE": "-O1", "CMAKE_C_FLAGS_RELEASE": "-O1",
    **dict.fromkeys(
        ("BUILD_GUI", "BUILD_TESTS", "BUILD_BENCH", "BUILD_BITCOIN_BIN", "BUILD_TX", "BUILD_UTIL", "BUILD_CLI",
         "ENABLE_WALLET", "ENABLE_IPC", "ENABLE_EXTERNAL_SIGNER", "WITH_CCACHE", "WITH_EMBEDDED_ASMAP", "INSTALL_MAN"),
        "OFF",
    ),
}  # fmt: skip
# What Core's build asks for, answered with the unpacked static libraries
LIBEVENT_CONFIG = """\
set(Libevent_VERSION 2.1.12)
file(GLOB _folder "${CMAKE_CURRENT_LIST_DIR}/usr/lib/*-linux-*")
file(GLOB _headers "${CMAKE_CURRENT_LIST_DIR}/usr/include/*-linux-*")
foreach(part core extra pthreads)
  if(NOT TARGET libevent::${part})
    add_library(libevent::${part} STATIC IMPORTED GLOBAL)
    set_target_properties(libevent::${part} PROPERTIES
      IMPORTED_LOCATION "${_folder}/libevent_${part}.a"
      INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_LIST_DIR}/usr/include;${_headers}")
  endif()
endforeach()
"""
_ELSE = "or set BITCOIND_CORE to a bitcoind of Bitcoin Core"


def core_program(folder: Path = CORE_FOLDER) -> Path:
    """Where the built bitcoind is; it need not exist."""
    return folder / "bin" / "bitcoind"


def build(folder: Path = CORE_FOLDER, jobs: int = 1) -> Path:
    """Build Core's bitcoind in `folder`, if it is not there yet, and return its path. Ten minutes on one core.

    Raises Unavailable where a tool, a package or the network is missing, with what to do.
    """
    program = core_program(folder)
    if program.exists():
        return program
    _check_tools()
    folder.mkdir(parents=True, exist_ok=True)
    _unpack_tree(_download_source(folder / "src"), folder / "tree")
    configure = ["cmake", "-S", str(folder / "tree"), "-B", str(folder / "build")]
    _run([*configure, *(f"-D{k}={v}" for k, v in (OPTIONS | _libraries(folder)).items())])
    _run(["nice", "-n", "15", "cmake", "--build", str(folder / "build"), "--target", "bitcoind", "-j", str(jobs)])
    _keep_program(folder)
    return program


def locked_source(lock: str) -> str:
    """The lines of requirements.lock that pin the package: version and hashes, its source package's among them."""
    found = re.search(rf"^{PACKAGE}==(?:.*\\\n)+.*$", lock, re.MULTILINE)
    if found is None:
        raise Unavailable(f"requirements.lock does not pin {PACKAGE}: run `make lock`")
    return found[0]


def real_packages(depends: str) -> list[str]:
    """Names of the packages that a list of `apt-cache depends` says are depended on."""
    return re.findall(r"^ *Depends: ([a-z0-9][a-z0-9.+-]+)$", depends, re.MULTILINE)


def _check_tools() -> None:
    missing = [tool for tool in ("cmake", "c++", "make", "nice") if shutil.which(tool) is None]
    if missing:
        raise Unavailable(f"{' and '.join(missing)} not found: on Debian `apt-get install cmake g++ make`, {_ELSE}")


def _download_source(folder: Path) -> Path:
    """The source package, its hash checked by pip."""
    folder.mkdir(exist_ok=True)
    pinned = folder / "pinned.txt"
    pinned.write_text(locked_source((ROOT / "requirements.lock").read_text()) + "\n")
    pip = [str(ROOT / ".cache" / "uv" / "bin" / "python"), "-m", "pip", "download", "-q", "--no-deps"]
    _run([*pip, "--require-hashes", "--no-binary", PACKAGE, "-d", str(folder), "-r", str(pinned)])
    return next(folder.glob("*.tar.gz"))


def _unpack_tree(package: Path, folder: Path) -> None:
    with tarfile.open(package) as archive:
        for member in archive.getmembers():
            inside = member.name.partition("/")[2]
            if inside.startswith(TREE_IN_PACKAGE):
                member.name = inside.removeprefix(TREE_IN_PACKAGE)
                archive.extract(member, folder, filter="data")


def _libraries(folder: Path) -> dict[str, str]:
    """Options that name Boost and libevent; none where the system has both."""
    if all(header.exists() for header in SYSTEM_HEADERS):
        return {}
    deps = folder / "deps"
    if not (deps / "usr").exists():
        _unpack_libraries(folder / "src", deps)
    (deps / "LibeventConfig.cmake").write_text(LIBEVENT_CONFIG)
    return {"CMAKE_PREFIX_PATH": str(deps / "usr"), "Libevent_DIR": str(deps)}


def _unpack_libraries(packages: Path, deps: Path) -> None:
    missing = [tool for tool in ("apt-get", "apt-cache", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise Unavailable(f"{' and '.join(missing)} not found: install Boost and libevent with their headers, {_ELSE}")
    boost, event = DEB_PACKAGES
    names = [*real_packages(_run(["apt-cache", "depends", boost])), event]
    _run(["apt-get", "-q", "download", *names], packages)
    for package in packages.glob("*.deb"):
        _run(["dpkg-deb", "-x", str(package), str(deps)])


def _keep_program(folder: Path) -> None:
    """Move the program to bin/ and drop what made it."""
    core_program(folder).parent.mkdir(exist_ok=True)
    shutil.move(folder / "build" / "bin" / "bitcoind", core_program(folder))
    for name in ("src", "tree", "deps", "build"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C", "BITCOIN_GENBUILD_NO_GIT": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        said = [line for line in lines if re.match(r"(E:|ERROR|CMake Error|.*error:)", line)] or lines[-1:]
        raise Unavailable(f"{command[0]} failed while building Bitcoin Core: {' '.join(said[:2])}; try again, {_ELSE}")
    return done.stdout


def main() -> Iterator[str]:
    """Build into the project's cache; the path of bitcoind."""
    options = argparse.ArgumentParser(description="build Bitcoin Core's bitcoind")
    options.add_argument("--jobs", type=int, default=1)
    jobs = options.parse_args().jobs
    print("bitcoind-core: building Bitcoin Core, once; some ten minutes of one core", file=sys.stderr)
    yield str(build(jobs=jobs))


if __name__ == "__main__":
    sys.exit(run_program(main))
