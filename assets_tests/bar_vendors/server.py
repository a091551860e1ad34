"""What the stand-ins of services of bars have in common: HTTP on this machine, and faults."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from assets_tests.http_stand_in import HttpStandIn, send

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


class VendorStandIn(HttpStandIn):
    """A service of bars. `faults` befall the next requests, one each; `asked` are all requests so
    far. What `instead` holds is answered to every request.
    """

    retry_after = "1"

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.asked: list[Asked] = []
        self.instead: tuple[int, Any] | None = None
        self.silence_seconds = 1.0
        super().__init__()

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Status and content of what is answered to a request."""
        raise NotImplementedError

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Take a request down, then answer it or let a fault befall it."""
        url = urlsplit(request.path)
        asked = Asked(
            unquote(url.path), dict(parse_qsl(url.query)), dict(request.headers), request.path
        )
        self.asked.append(asked)
        fault = self.faults.popleft() if self.faults else None
        status, content = self.instead or self.answer(asked)
        body = json.dumps(content).encode()
        if fault is None:
            send(request, status, body)
        elif fault is Fault.TOO_MANY:
            send(request, 429, b'{"message": "Slow"}', headers={"Retry-After": self.retry_after})
        elif fault is Fault.SERVER_ERROR:
            send(request, 500, b'{"message": "Internal error"}')
        elif fault is Fault.HTML:
            send(request, 200, PAGE, "text/html")
        elif fault is Fault.ELSEWHERE:
            send(request, 302, b"{}", headers={"Location": f"{self.url}/elsewhere"})
        elif fault is Fault.SILENCE:
            time.sleep(self.silence_seconds)
            request.close_connection = True
        elif fault is Fault.EMPTY:
            send(request, 200, b"")
        else:
            request.send_response(status)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body[: len(body) // 2])
            request.close_connection = True
