"""A proxy between a client and the stand-in that validates whatever passes, both ways.

    with running_alpaca() as alpaca, validating_proxy(alpaca, description) as proxy:
        ...                       # clients that ask `alpaca.trading_url` ask the proxy
    assert proxy.faults == []

Each request comes in and goes out over a socket of its own, as bytes; what is validated is what
was on the wire. Whatever is not as described is kept and answered with 500, so that nobody can
miss it. Market data has another description and does not pass here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
from openapi_core import OpenAPI
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assets_tests.alpaca.description import Exchange, faults_of
from assets_tests.alpaca.server import AlpacaStandIn, serving

METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]
# What belongs to one connection, and what the forwarding library decodes.
NOT_PASSED_ON = frozenset({"connection", "content-length", "content-encoding", "date", "server"})
TIMEOUT_SECONDS = 10.0


@dataclass
class ValidatingProxy:
    """Passes on to `target` (a URL), validates by `description`."""

    target: str
    description: OpenAPI
    faults: list[str] = field(default_factory=list)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path and status of each request that passed."""

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(routes=[Route("/{path:path}", self._pass, methods=METHODS)])

    async def _pass(self, request: Request) -> Response:
        sent = await request.body()
        answer = await run_in_threadpool(self._forwarded, request, sent)
        self.asked.append((request.method, request.url.path, answer.status_code))
        found = faults_of(self.description, self._exchange(request, sent, answer))
        if found:
            self.faults += found
            return JSONResponse({"message": "; ".join(found)}, 500)
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() not in NOT_PASSED_ON
        }
        return Response(answer.content, answer.status_code, headers)

    def _forwarded(self, request: Request, sent: bytes) -> requests.Response:
        query = f"?{request.url.query}" if request.url.query else ""
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        return requests.request(
            request.method,
            f"{self.target}{request.url.path}{query}",
            headers=headers,
            data=sent,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )

    def _exchange(self, request: Request, sent: bytes, answer: requests.Response) -> Exchange:
        names = request.query_params.keys()
        return Exchange(
            method=request.method,
            path=request.url.path,
            query={name: ",".join(request.query_params.getlist(name)) for name in names},
            sent=sent,
            status=answer.status_code,
            answer=answer.content,
            content_type=answer.headers.get("content-type", "application/json"),
        )


@contextmanager
def validating_proxy(alpaca: AlpacaStandIn, description: OpenAPI) -> Iterator[ValidatingProxy]:
    """Runs the proxy before `alpaca` until the block is left."""
    proxy = ValidatingProxy(alpaca.base_url, description)
    with serving(proxy.application(), "alpaca-proxy") as port:
        alpaca.trading_url = f"http://127.0.0.1:{port}"
        try:
            yield proxy
        finally:
            alpaca.trading_url = alpaca.base_url
