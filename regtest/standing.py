"""A node that stays after the command that started it: a private bitcoind or a container, known by a folder.

The folder holds `node.json` (what runs, where) and the chain. A private bitcoind is its own process group leader and is
ended by RPC; a container is ended by its name.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from pathlib import Path
from typing import Any

from btc_l2.chain.bitcoinlib_rpc import NodeRpc
from btc_l2.chain.rpc import RpcChain, connect, read_cookie
from regtest.bitcoind import STOP_LIMIT, Bitcoind
from taproot.errors import BtcL2Error, InvalidInput, Refused, TimedOut, Unavailable

Facts = dict[str, Any]
_PAUSE = 0.05
BACKENDS = ("bitcoind", "container")


def start(folder: Path, backend: str) -> Facts:
    """Start it. Raises Refused if one runs already, InvalidInput for another back end, Unavailable without a node."""
    if backend not in BACKENDS:
        raise InvalidInput(f"no node of the kind {backend!r} stays; choose {' or '.join(BACKENDS)}")
    known = _read(folder)
    if known is not None and _answers(known):
        raise Refused(f"a node of {folder} runs already on port {known['port']}; stop it with `regtest down` first")
    folder.mkdir(parents=True, exist_ok=True)
    facts = _start_process(folder) if backend == "bitcoind" else _start_container(folder)
    _file(folder).write_text(json.dumps(facts))
    return facts | {"height": _connect(facts).tip().height}


def stop(folder: Path, forget: bool = False) -> Facts:
    """Stop it; a chain that is not forgotten is there at the next start. Raises Unavailable if none was started."""
    facts = _read(folder)
    if facts is None:
        raise Unavailable(f"no node was started in {folder}; start one with `regtest up`")
    if facts["backend"] == "container":
        from regtest.container import stop_container

        stop_container(facts["container"])
    elif _answers(facts):
        NodeRpc("127.0.0.1", facts["port"], *read_cookie(Path(facts["cookie"]))).call("stop")
        _wait_for_end(facts)
    _file(folder).unlink()
    if forget:
        shutil.rmtree(folder, ignore_errors=True)
    return {"backend": facts["backend"], "running": False, "kept": not forget and facts["backend"] == "bitcoind"}


def status(folder: Path) -> Facts:
    """What runs. Raises Unavailable if nothing does."""
    facts = _read(folder)
    if facts is None:
        raise Unavailable(f"no node was started in {folder}; start one with `regtest up`")
    try:
        chain = _connect(facts)
        return facts | {"running": True, "height": chain.tip().height, "mempool": len(chain.mempool())}
    except BtcL2Error as error:
        raise Unavailable(f"the node of {folder} does not answer; {error}; start it with `regtest up`") from error


def open_standing(folder: Path) -> RpcChain:
    """A connection to the node that stays. Raises Unavailable."""
    return _connect(status(folder))


def _start_process(folder: Path) -> Facts:
    node = Bitcoind(folder / "node")
    node.start()
    return {"backend": "bitcoind", "version": node.version, "port": node.port, "cookie": str(node.cookie.resolve())}


def _start_container(folder: Path) -> Facts:
    from regtest.container import NodeContainer

    node = NodeContainer()
    node.start()
    del folder
    return {
        "backend": "container", "version": node.version, "port": node.port, "container": node.name,
        "user": node.user, "password": node.password,
    }  # fmt: skip


def _connect(facts: Facts) -> RpcChain:
    if facts["backend"] == "container":
        return connect("regtest", port=facts["port"], user=facts["user"], password=facts["password"])
    return connect("regtest", port=facts["port"], cookie=Path(facts["cookie"]))


def _answers(facts: Facts) -> bool:
    try:
        _connect(facts).tip()
    except BtcL2Error:
        return False
    return True


def _wait_for_end(facts: Facts) -> None:
    """Until it has saved its state and given up its folder: it removes its cookie, then its lock. Raises TimedOut."""
    cookie, deadline = Path(facts["cookie"]), time.monotonic() + STOP_LIMIT
    while cookie.exists() or _is_locked(cookie.parent / ".lock"):
        if time.monotonic() > deadline:
            raise TimedOut(f"the node did not end within {STOP_LIMIT:.0f} s; look at {cookie.parent}/debug.log")
        time.sleep(_PAUSE)


def _is_locked(file: Path) -> bool:
    """Whether another process holds the lock of a file."""
    if not file.exists():
        return False
    with file.open("r+") as opened:
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _file(folder: Path) -> Path:
    return folder / "node.json"


def _read(folder: Path) -> Facts | None:
    try:
        facts: Facts = json.loads(_file(folder).read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Unavailable(f"cannot read {_file(folder)}; {error}; delete it if its node is gone") from error
    return facts
