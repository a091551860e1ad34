"""What the stand-ins of services of bars have in common: HTTP on this machine, and faults."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


class Fault(Enum):
    """What may happen to one request in place of its answer."""

    TOO_MANY = "429 with Retry-After"
    SERVER_ERROR = "500 in JSON"
    HTML = "a page instead of JSON, with status 200"
    SILENCE = "no answer"
    DROPPED = "the connection is cut in the middle of the answer"
    ELSEWHERE = "a redirection to another host"
    EMPTY = "an answer without a byte"


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    line: str


class VendorStandIn:
    """The server, on a free port of 127.0.0.1, for as long as the block lasts.

    `faults` befall the next requests, one each; `asked` are all requests so far. What
    `instead` holds is answered to every request.
    """

    retry_after = "1"

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.asked: list[Asked] = []
        self.instead: tuple[int, Any] | None = None
        self.silence_seconds = 1.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Status and content of what is answered to a request."""
        raise NotImplementedError

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in._serve(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        url = urlsplit(request.path)
        asked = Asked(
            unquote(url.path), dict(parse_qsl(url.query)), dict(request.headers), request.path
        )
        self.asked.append(asked)
        fault = self.faults.popleft() if self.faults else None
        status, content = self.instead or self.answer(asked)
        body = json.dumps(content).encode()
        if fault is None:
            _send(request, status, body)
        elif fault is Fault.TOO_MANY:
            _send(request, 429, b'{"message": "Slow"}', {"Retry-After": self.retry_after})
        elif fault is Fault.SERVER_ERROR:
            _send(request, 500, b'{"message": "Internal error"}')
        elif fault is Fault.HTML:
            _send(request, 200, PAGE, {"Content-Type": "text/html"})
        elif fault is Fault.ELSEWHERE:
            _send(request, 302, b"{}", {"Location": f"{self.url}/elsewhere"})
        elif fault is Fault.SILENCE:
            time.sleep(self.silence_seconds)
            request.close_connection = True
        elif fault is Fault.EMPTY:
            _send(request, 200, b"")
        else:
            request.send_response(status)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body[: len(body) // 2])
            request.close_connection = True


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    headers: Mapping[str, str] | None = None,
) -> None:
    request.send_response(status)
    for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
