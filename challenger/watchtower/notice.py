"""Waiting for a block: by the node's ZMQ messages where it sends them, else by looking again; the door to pyzmq.

A message says only that it is worth looking: nothing is believed, so a lost one costs at most one pause. pyzmq is an
optional part of the installation (`pip install btc-l2[zmq]`).
"""

from __future__ import annotations

import logging
import threading
from typing import Any

log = logging.getLogger(__name__)
TOPIC = b"hashblock"


class Notices:
    """`wait` returns early when the node announces a block, or when `stop` is called from another thread."""

    def __init__(self, source: str | None) -> None:
        """`source` is a ZMQ endpoint, None to wait for the time only."""
        self._stopped = threading.Event()
        self._socket = _subscribe(source) if source else None

    @property
    def by_zmq(self) -> bool:
        """Whether blocks are announced."""
        return self._socket is not None

    def wait(self, seconds: float) -> bool:
        """Wait for a block or for the time; False once `stop` was called."""
        if self._socket is None:
            return not self._stopped.wait(seconds)
        left = int(seconds * 1000)
        while left > 0 and not self._stopped.is_set():
            step = min(left, 200)  # ms: so soon a stop is noticed
            if self._socket.poll(step):
                _drain(self._socket)
                break
            left -= step
        return not self._stopped.is_set()

    def stop(self) -> None:
        """End the waiting, now and for ever."""
        self._stopped.set()

    def close(self) -> None:
        """Give the connection back."""
        if self._socket is not None:
            self._socket.close(linger=0)


def _subscribe(source: str) -> Any:
    try:
        import zmq
    except ImportError:
        log.warning("notice.polling reason=pyzmq is not installed; the node would announce blocks at %s", source)
        return None
    socket: Any = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, TOPIC)
    socket.connect(source)
    return socket


def _drain(socket: Any) -> None:
    """Many blocks at once are one reason to look."""
    while socket.poll(0):
        socket.recv_multipart()
