"""The coordinator's HTTP server: the standard library's, with limits on everything that a stranger can use up.

    POST /v1/CEREMONY           an envelope → 200, page without entries: the head of the log with it
    GET  /v1/CEREMONY/AFTER     → 200, page of the entries after the first AFTER; 404 if there are not so many

Each request bears the signature of a registered identity key (`wire.Request`), else 401 without a signature of ours;
every other answer is signed. 400 not understood, 409 counter used (body: the last one), 413 too large, 422 refused by
the log's rules, 429 too often, 503 disk or too many connections. One connection has one thread; one on which no answer
was finished for `Serving.seconds` is closed, however busily it drips. It listens on loopback unless told otherwise in
so many words.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from challenger.presign.coordinator.mailbox import Limits, Mailbox
from challenger.presign.coordinator.wire import ID_BYTES, Answer, Envelope, Page, Request
from taproot.errors import BtcL2Error, InvalidInput, Refused, Unavailable
from taproot.keys import SecretKey

ANSWER_HEADER = "X-Btc-L2-Signature"


@dataclass(frozen=True, slots=True)
class Serving:
    """Limits of the server; the mailbox has its own."""

    connections: int = 32
    seconds: float = 20.0  # of a connection from one answer to the next
    requests_per_second: float = 100.0  # of one member
    burst: int = 400
    public: bool = False  # whether it may listen beyond loopback

    def check_address(self, host: str) -> None:
        """Raises Refused for an address beyond loopback unless that was asked for."""
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = host == "localhost"
        if not loopback and not self.public:
            raise Refused(f"{host} is not loopback; put a tunnel in front, or say --public to open the port to others")


@dataclass(slots=True)
class _Bucket:
    """A member's allowance of requests; refills with time."""

    left: float
    since: float

    def take(self, now: float, rate: float, most: int) -> bool:
        self.left = min(float(most), self.left + (now - self.since) * rate)
        self.since = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(slots=True)
class Desk:
    """What the server decides about a request, apart from sockets."""

    mailbox: Mailbox
    key: SecretKey
    members: Collection[bytes]  # x-only identity keys
    serving: Serving
    limits: Limits
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[bytes, _Bucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, header: str, method: str, path: str, body: bytes) -> Answer:
        """The answer; signed unless the request is of no member."""
        try:
            request = Request.from_header(header, method, path, body)
            if request.key not in self.members:
                raise InvalidInput("this key is not registered here")
        except InvalidInput as error:
            return Answer(401, str(error).encode())
        return self._decide(request).signed(request.digest(), self.key)

    def _decide(self, request: Request) -> Answer:
        with self._lock:
            now = self.clock()
            bucket = self._buckets.setdefault(request.key, _Bucket(float(self.serving.burst), now))
            if not bucket.take(now, self.serving.requests_per_second, self.serving.burst):
                return Answer(429, b"too many requests; wait a second")
        last = self.mailbox.count(request.key, request.counter)
        if last is not None:
            return Answer(409, str(last).encode())
        try:
            return self._serve(request)
        except InvalidInput as error:
            return Answer(400, str(error).encode())
        except Unavailable as error:
            return Answer(503, str(error).encode())
        except BtcL2Error as error:
            return Answer(422, str(error).encode())

    def _serve(self, request: Request) -> Answer:
        ceremony, after = read_path(request.path)
        if request.method == "POST" and after is None:
            envelope = Envelope.from_bytes(request.body)
            if (envelope.ceremony, envelope.sender) != (ceremony, request.key):
                raise InvalidInput("the envelope is of another ceremony or sender than the request")
            return Answer(200, Page(self.mailbox.post(request.body), ()).to_bytes())
        if request.method == "GET" and after is not None and not request.body:
            page = self.mailbox.page(ceremony, after)
            return Answer(404, b"the log has fewer entries") if page is None else Answer(200, page.to_bytes())
        raise InvalidInput(f"{request.method} {request.path} means nothing here")


def read_path(path: str) -> tuple[bytes, int | None]:
    """Ceremony and number of `/v1/CEREMONY[/AFTER]`. Raises InvalidInput for anything else."""
    parts = path.split("/")
    try:
        if parts[:2] != ["", "v1"] or len(parts) not in (3, 4) or len(parts[2]) != 2 * ID_BYTES:
            raise ValueError(path)
        after = parts[3] if len(parts) == 4 else None
        if after is not None and not (after.isascii() and after.isdigit() and len(after) <= 10):
            raise ValueError(path)
        return bytes.fromhex(parts[2]), None if after is None else int(after)
    except ValueError as error:
        raise InvalidInput("the path is /v1/CEREMONY or /v1/CEREMONY/AFTER") from error


class CoordinatorServer(ThreadingHTTPServer):
    """Listens; `desk` decides. `start` runs it in a thread of its own, `close` ends it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, desk: Desk, host: str = "127.0.0.1", port: int = 0) -> None:
        """Raises Refused beyond loopback unless `public`, Unavailable if the address cannot be had."""
        desk.serving.check_address(host)
        self.desk = desk
        self._places = threading.BoundedSemaphore(desk.serving.connections)
        self._since: dict[Any, float] = {}  # connection → when it was opened or answered last
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise Unavailable(f"cannot listen on {host}:{port} ({error.strerror}); choose another port") from error

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def server_bind(self) -> None:
        """Bind without asking the name service who we are, which can take minutes."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def start(self) -> CoordinatorServer:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def close(self) -> None:
        """Stop listening, end what `start` began, close the mailbox."""
        self.shutdown()
        self.server_close()
        self.desk.mailbox.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread per connection while there are places; else the connection is closed at once."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self.note(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give the place back at the end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._since.pop(request, None)
            self._places.release()

    def note(self, connection: Any) -> None:
        """Its time begins anew."""
        self._since[connection] = time.monotonic()

    def service_actions(self) -> None:
        """End connections whose time is over; `serve_forever` calls this all the time."""
        latest = time.monotonic() - self.desk.serving.seconds
        for connection in [c for c, since in list(self._since.items()) if since < latest]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are no news; what a person must know is an answer."""


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads within the limits, asks the desk, writes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written one after the other: 40 ms each time otherwise
    wbufsize = -1
    server: CoordinatorServer
    server_version, sys_version = "btc-l2", ""

    def do_GET(self) -> None:
        """See the module."""
        self._serve()

    def do_POST(self) -> None:
        """See the module."""
        self._serve()

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not (length.isascii() and length.isdigit() and len(length) < 12):
            self._write(Answer(400, b"give the body's length"))
        elif int(length) > self.server.desk.limits.envelope_bytes:
            self._write(Answer(413, b"too large"))
        else:
            body = self._read(int(length))
            if body is None:
                self.close_connection = True
                return
            authorization = self.headers.get("Authorization", "")
            self._write(self.server.desk.answer(authorization, self.command, self.path, body))

    def _read(self, length: int) -> bytes | None:
        """The body; None if the connection ends before it is whole."""
        parts, left = [], length
        while left:
            part = self.rfile.read1(min(left, 1 << 16))
            if not part:
                return None
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _write(self, answer: Answer) -> None:
        if answer.status in (400, 401, 413):
            self.close_connection = True
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Content-Type", "application/octet-stream")
        if answer.signature:
            self.send_header(ANSWER_HEADER, answer.signature.hex())
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
        self.server.note(self.connection)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the log of a mailbox is the mailbox."""
