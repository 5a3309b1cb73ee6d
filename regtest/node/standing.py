"""A node that stays after the command that started it, known by a folder: for stories, and for looking at them later.

The folder holds `node.json` (what runs, where, which stories were played) and the chain; that of a container is in a
volume that is named after the folder. A private bitcoind is ended by RPC, a container by its name. Each story gets a
number before it begins, and with it keys of its own (`Plot.run`): no one-time key signs in two of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from btc_l2.chain.bitcoinlib_rpc import NodeRpc
from btc_l2.chain.rpc import RpcChain, connect, read_cookie
from btc_l2.durable import make_folder, replace_file
from regtest.node.backends import NODES, make_node
from regtest.node.bitcoind import STOP_LIMIT, Bitcoind, find_client
from taproot.errors import BtcL2Error, InvalidInput, Refused, TimedOut, Unavailable

Facts = dict[str, Any]
_PAUSE = 0.05
_CONTAINER = "container"


def start(folder: Path, backend: str) -> Facts:
    """Start it, on the chain that the folder has. Raises Refused if one runs already or the chain is of another back
    end, InvalidInput for an unknown one, Unavailable without a node."""
    if backend not in NODES:
        raise InvalidInput(f"no node of the kind {backend!r} stays; choose {', '.join(NODES)}")
    known = _read(folder)
    if known is not None and _answers(folder, known):
        raise Refused(f"a node of {folder} runs already on port {known['port']}; stop it with `regtest down` first")
    if known is not None and known["backend"] != backend:
        raise Refused(f"the chain of {folder} is that of {known['backend']}; go on with it, forget it with "
                      "`regtest down --forget`, or choose another --state")  # fmt: skip
    make_folder(folder)
    node = make_node(backend, folder / "node")
    node.start()
    facts = {"backend": backend, "version": node.version, "port": node.port, "up": True, "ask": _client(folder, node)}
    _write(folder, facts | {"played": known["played"] if known else []})
    return status(folder)


def stop(folder: Path, forget: bool = False) -> Facts:
    """Stop it; a chain that is not forgotten is there at the next start. Raises Unavailable if none was started."""
    facts = _known(folder)
    if facts["backend"] == _CONTAINER:
        _stop_container(folder, forget)
    elif _answers(folder, facts):
        NodeRpc("127.0.0.1", facts["port"], *read_cookie(_cookie(folder))).call("stop")
        _wait_for_end(_cookie(folder))
    if forget:
        shutil.rmtree(folder / "node", ignore_errors=True)
        for name in ("node.json", "lock"):
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it holds something else
            folder.rmdir()
    else:
        _write(folder, facts | {"up": False})
    return {"backend": facts["backend"], "up": False, "kept": not forget}


def status(folder: Path) -> Facts:
    """What runs: back end, height, mempool, the stories that were played. Raises Unavailable if nothing does."""
    facts = _known(folder)
    try:
        chain = _connect(folder, facts)
        return facts | {"height": chain.tip().height, "mempool": len(chain.mempool())}
    except BtcL2Error as error:
        raise Unavailable(f"the node of {folder} does not answer; {error}; start it with `regtest up`") from error


def is_up(folder: Path) -> bool:
    """Whether a node was started there and not stopped; it may have died."""
    facts = _read(folder)
    return facts is not None and bool(facts["up"])


def open_standing(folder: Path) -> RpcChain:
    """A connection to the node that stays. Raises Unavailable."""
    return _connect(folder, status(folder))


@contextlib.contextmanager
def record(folder: Path, story: str) -> Iterator[Facts]:
    """The entry of a story that is played now, with its number (`run`), to be filled; kept, however the story ends.

    Raises Refused if another story is under way, Unavailable without a node.
    """
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"a story is being played on the node of {folder}; wait for its end") from None
        known = status(folder)
        run, first = len(known["played"]) + 1, known["height"] + 1
        entry: Facts = {"run": run, "story": story, "judge": known["version"], "from": first}
        _keep(folder, entry)
        try:
            yield entry
        finally:
            _keep(folder, entry)


def _keep(folder: Path, entry: Mapping[str, Any]) -> None:
    facts = _known(folder)
    others = [other for other in facts["played"] if other["run"] != entry["run"]]
    _write(folder, facts | {"played": [*others, entry]})


def _client(folder: Path, node: Any) -> str:
    """How a person asks the node."""
    if isinstance(node, Bitcoind):
        return f"{find_client(node.binary)} -regtest -rpcport={node.port} -rpccookiefile={_cookie(folder)}"
    return str(node.client)


def _connect(folder: Path, facts: Mapping[str, Any]) -> RpcChain:
    if not facts["up"]:
        raise Unavailable("it was stopped")
    if facts["backend"] == _CONTAINER:
        node = _container(folder)
        node.attach()
        chain: RpcChain = node.chain()
        return chain
    return connect("regtest", port=facts["port"], cookie=_cookie(folder))


def _container(folder: Path) -> Any:
    from regtest.node.container import ContainerRun, NodeContainer, name_of

    return NodeContainer(ContainerRun(name=name_of(folder / "node")), keeps=True)


def _stop_container(folder: Path, forget: bool) -> None:
    node = _container(folder)
    node.stop()
    if forget:
        node.forget()


def _cookie(folder: Path) -> Path:
    return Bitcoind.cookie_of(folder / "node").resolve()


def _answers(folder: Path, facts: Mapping[str, Any]) -> bool:
    try:
        _connect(folder, facts).tip()
    except BtcL2Error:
        return False
    return True


def _wait_for_end(cookie: Path) -> None:
    """Until it has saved its state and given up its folder: it removes its cookie, then its lock. Raises TimedOut."""
    deadline = time.monotonic() + STOP_LIMIT
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


def _known(folder: Path) -> Facts:
    facts = _read(folder)
    if facts is None:
        raise Unavailable(f"no node was started in {folder}; start one with `regtest up`")
    return facts


def _read(folder: Path) -> Facts | None:
    try:
        facts: Facts = json.loads(_file(folder).read_text())
        return facts
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Unavailable(f"cannot read {_file(folder)}; {error}; delete it if its node is gone") from error


def _write(folder: Path, facts: Facts) -> None:
    try:
        replace_file(_file(folder), json.dumps(facts, indent=1).encode())
    except OSError as error:
        raise Unavailable(f"cannot write {_file(folder)}; {error.strerror}; free space and try again") from error
