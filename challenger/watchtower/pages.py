"""The tower's pages over HTTP: `/metrics` for Prometheus, `/healthz` for whoever restarts things, `/status` for people.

Only what the tower has written into `Pages.show` is read, from another thread: a request never touches store or node.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from challenger.watchtower.metrics import CONTENT_TYPE
from taproot.errors import Unavailable

log = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(slots=True)
class Pages:
    """What the pages say. Healthy: the last round did not fail and is no older than `patience` seconds."""

    patience: float
    _metrics: bytes = b""
    _status: dict[str, Any] = field(default_factory=dict)
    _error: str = "no round yet"
    _shown: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def show(self, metrics: bytes, status: dict[str, Any], error: str) -> None:
        """After each round."""
        with self._lock:
            self._metrics, self._status, self._error, self._shown = metrics, status, error, time.monotonic()

    def find(self, path: str) -> tuple[int, str, bytes] | None:
        """Status code, content type, body of a page."""
        with self._lock:
            age = time.monotonic() - self._shown
            why = self._error or ("" if age <= self.patience else f"no round for {age:.0f} s")
            if path == "/metrics":
                return 200, CONTENT_TYPE, self._metrics
            if path == "/status":
                return 200, "application/json", json.dumps(self._status).encode()
            if path == "/healthz":
                body = json.dumps({"healthy": not why, "reason": why}).encode()
                return (503 if why else 200), "application/json", body
        return None


class _Handler(BaseHTTPRequestHandler):
    pages: Pages

    def do_GET(self) -> None:  # the name is http.server's
        """Answer with a page, or 404."""
        code, kind, body = self.pages.find(self.path.partition("?")[0]) or (404, "text/plain", b"no such page\n")
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # http.server's signature
        """Requests are no news."""


class PageServer:
    """Serves pages from a thread until `close`; the port is known after the start (0 takes a free one)."""

    def __init__(self, pages: Pages, host: str, port: int) -> None:
        """Raises Unavailable if the port is taken. A host beyond the loopback interface is a warning."""
        if host not in LOOPBACK:
            log.warning("http.open host=%s reason=anybody who reaches it can read heights, names and alarms", host)
        handler = type("Handler", (_Handler,), {"pages": pages})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise Unavailable(f"cannot listen at {host}:{port}; {error.strerror}; choose another port") from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="pages", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
