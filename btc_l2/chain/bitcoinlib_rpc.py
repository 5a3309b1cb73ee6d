"""Door to python-bitcoinlib's JSON-RPC plumbing (`bitcoin.rpc.RawProxy`).

A proxy of that library keeps one connection and does not survive its end, and a node closes idle ones; so each call
opens its own. Amounts arrive as Decimal. Errors become ours: no node is Unavailable, an answer that says no is
`NodeError` with bitcoind's code.
"""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bitcoin.rpc import JSONRPCError, RawProxy

from taproot.errors import BtcL2Error, InvalidInput, Unavailable

IN_WARMUP = -28  # RPC_IN_WARMUP: the node loads its blocks
NO_JSON = -342  # the library's own code: the answer was an error page
WARMUP_LIMIT = 60.0  # seconds to wait for a node that starts
WARMUP_PAUSE = 0.05
CALL_LIMIT = 300  # seconds for one call


class NodeError(BtcL2Error):
    """The node answered a call with an error; `code` as in bitcoind's `rpc/protocol.h`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"the node says: {message} (code {code})")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class NodeRpc:
    """Where a node listens and how to log in; `call` is everything it does."""

    host: str
    port: int
    user: str
    password: str

    def __post_init__(self) -> None:
        if quote(self.user + self.password, safe="") != self.user + self.password:
            raise InvalidInput("the RPC login has characters that a URL cannot hold: use the node's cookie file")

    def call(self, method: str, *params: Any) -> Any:
        """The result of one RPC. Waits while the node warms up. Raises NodeError or Unavailable."""
        deadline = time.monotonic() + WARMUP_LIMIT
        while True:
            try:
                return self._call_once(method, params)
            except NodeError as error:
                if error.code != IN_WARMUP:
                    raise
                if time.monotonic() > deadline:
                    raise Unavailable(f"{self} still warms up ({error.message}): wait and try again") from error
                time.sleep(WARMUP_PAUSE)

    def __str__(self) -> str:
        return f"the node at {self.host}:{self.port}"

    def _call_once(self, method: str, params: tuple[Any, ...]) -> Any:
        url = f"http://{self.user}:{self.password}@{self.host}:{self.port}"
        proxy = RawProxy(service_url=url, timeout=CALL_LIMIT)
        try:
            return getattr(proxy, method)(*params)
        except JSONRPCError as error:
            raise self._translate(error.error) from error
        except (ValueError, ArithmeticError, RecursionError) as error:  # its JSON, numbers as Decimal
            raise Unavailable(f"{self} answers with no JSON-RPC ({error!r}): is it a bitcoind?") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise Unavailable(f"{self} does not answer ({reason}): {HOW_TO_GET_A_NODE}") from error
        finally:
            proxy.close()

    def _translate(self, error: dict[str, Any]) -> BtcL2Error:
        code, message = int(error["code"]), str(error["message"])
        if code != NO_JSON:
            return NodeError(code, message)
        if "'401 " in message:
            return Unavailable(f"{self} refuses the login: give its cookie file or the right user and password")
        return Unavailable(f"{self} answers with no JSON-RPC ({message}): is it a bitcoind, is it overloaded?")


HOW_TO_GET_A_NODE = "start bitcoind, or fetch one with `make bitcoind`, or use the embedded chain"
