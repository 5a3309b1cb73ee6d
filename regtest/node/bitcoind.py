"""A private bitcoind on regtest: found, started on free ports, stopped cleanly.

The binary is `BITCOIND`, else `bitcoind` in PATH, else what `make bitcoind` has fetched. The node relays standard
transactions only, listens for nobody but us, and has no wallet. Knots is told to apply Bitcoin Core's policy and to
fill blocks to their full weight.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from btc_l2.chain.rpc import RpcChain, connect
from regtest.node.core_build import core_program
from regtest.node.knots_install import DEFAULT_FOLDER
from taproot.errors import TimedOut, Unavailable

START_LIMIT = 60.0  # seconds until RPC answers
STOP_LIMIT = 60.0
_PAUSE = 0.02
COMMON_OPTIONS = (
    "-regtest",
    "-server=1",
    "-listen=0",
    "-dnsseed=0",
    "-fixedseeds=0",
    "-natpmp=0",
    "-disablewallet=1",
    "-acceptnonstdtxn=0",
    "-minrelaytxfee=0.00001",
    "-rpcbind=127.0.0.1",
    "-rpcallowip=127.0.0.1",
    "-printtoconsole=0",
)
KNOTS_OPTIONS = ("-corepolicy=1", "-mempooltruc=enforce", "-blockmaxsize=3990000", "-blockmaxweight=3990000")


def find_bitcoind() -> Path:
    """Path of a bitcoind. Raises Unavailable, saying how to get one."""
    named = os.environ.get("BITCOIND")
    if named:
        path = shutil.which(named)
        if path is None:
            raise Unavailable(f"BITCOIND is {named}, which cannot be run: set it to a bitcoind or unset it")
        return Path(path)
    in_path = shutil.which("bitcoind")
    fetched = DEFAULT_FOLDER / "bin" / "bitcoind"
    if in_path:
        return Path(in_path)
    if fetched.exists():
        return fetched
    raise Unavailable("no bitcoind found: run `make bitcoind`, install one, or set BITCOIND to its path")


def find_core() -> Path:
    """Path of Bitcoin Core's bitcoind: what `BITCOIND_CORE` names, else what `make bitcoind-core` has built.

    Raises Unavailable, saying how to get one.
    """
    named = os.environ.get("BITCOIND_CORE")
    path = shutil.which(named or core_program())
    if path is None:
        what = f"BITCOIND_CORE is {named}, which cannot be run" if named else "no bitcoind of Bitcoin Core found"
        raise Unavailable(f"{what}: run `make bitcoind-core` or set BITCOIND_CORE to a path")
    return Path(path)


def find_client(binary: Path) -> str:
    """A bitcoin-cli to ask the node with: what lies beside its program, else what `make bitcoind` has fetched."""
    near = [folder / "bitcoin-cli" for folder in (binary.resolve().parent, DEFAULT_FOLDER.resolve() / "bin")]
    return next((str(path) for path in near if path.exists()), "bitcoin-cli")


def find_version(binary: Path) -> str:
    """First line of `--version`; Unavailable if the binary does not run."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{binary} does not run: {error}; set BITCOIND to a bitcoind that does") from error
    return done.stdout.splitlines()[0]


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running(ABC):
    """What `with` starts and stops."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Until it answers."""

    @abstractmethod
    def stop(self) -> None:
        """A second call does nothing."""


class Bitcoind(Running):
    """One node. Without a folder, it lives in a temporary one that goes with `stop`."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        binary: Path | None = None,
        port: int | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.binary = binary or find_bitcoind()
        self.version = find_version(self.binary)
        self.port = port or free_port()
        self._temporary = tempfile.TemporaryDirectory(prefix="btcl2-node-") if folder is None else None
        self.folder = Path(self._temporary.name) if self._temporary else Path(folder or "")
        self._options = tuple(options)
        self._process: subprocess.Popen[str] | None = None

    @property
    def is_knots(self) -> bool:
        """Whether this is Bitcoin Knots rather than Core."""
        return "Knots" in self.version

    @property
    def cookie(self) -> Path:
        """The file with the RPC login."""
        return self.cookie_of(self.folder)

    @staticmethod
    def cookie_of(folder: Path) -> Path:
        """Where the node of a folder writes its login."""
        return folder / "regtest" / ".cookie"

    def start(self) -> None:
        """Start and wait until RPC answers. Raises Unavailable with the node's own words, or TimedOut."""
        _check_port(self.port)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cookie.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            self._command(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            self._wait_for_cookie()
            self.chain()
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """Let the node save its state and end; a second call does nothing."""
        self._end()
        if self._temporary:
            self._temporary.cleanup()

    def restart(self) -> None:
        """Stop and start again on the same folder."""
        self._end()
        self.start()

    def chain(self) -> RpcChain:
        """A new connection to it."""
        return connect("regtest", port=self.port, cookie=self.cookie)

    def _command(self) -> list[str]:
        own = [f"-datadir={self.folder}", f"-rpcport={self.port}"]
        knots = KNOTS_OPTIONS if self.is_knots else ()
        return [str(self.binary), *COMMON_OPTIONS, *knots, *own, *self._options]

    def _wait_for_cookie(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_LIMIT
        while not self.cookie.exists():
            if self._process.poll() is not None:
                raise Unavailable(f"bitcoind did not start: {self._last_words()}")
            if time.monotonic() > deadline:
                raise TimedOut(f"bitcoind did not open its RPC within {START_LIMIT:.0f} s, see {self.folder}")
            time.sleep(_PAUSE)

    def _last_words(self) -> str:
        assert self._process is not None and self._process.stderr is not None
        lines = [line for line in self._process.stderr.read().splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self._process.returncode}"

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Unavailable(f"port {port} is in use: stop what listens there or choose another port") from error
