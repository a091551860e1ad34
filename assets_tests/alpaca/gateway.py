"""Between the socket and the account: who asks, how often, what goes wrong, what was asked."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from assets_tests.alpaca.faults import Fault, Faults
from assets_tests.alpaca.order_ask import FORBIDDEN, INVALID, RefusalError

Answer = tuple[int, object]
Endpoint = Callable[[Request], Awaitable[Response]]
# What the broker is asked: path parameters, query, body.
Handler = Callable[[Mapping[str, str], dict[str, str], dict[str, object]], Answer]


@dataclass
class RequestRecord:
    """One request as it came in, and what became of it (`status` None: no answer was sent)."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, object]
    at_seconds: float
    status: int | None = None
    answer: object = None
    raw: bytes = b""
    fault: Fault | None = None

    @property
    def client_order_id(self) -> str | None:
        """The client order id that it is about, if any."""
        value = self.body.get("client_order_id") or self.query.get("client_order_id")
        return None if value is None else str(value)


@dataclass
class RateLimit:
    """At most `limit` requests in each window (None: no limit), counted on the real clock."""

    limit: int | None = None
    window_seconds: float = 60.0
    now: Callable[[], float] = time.time
    _started: float = field(default=-math.inf, init=False)
    _used: int = field(default=0, init=False)

    def take(self) -> tuple[bool, dict[str, str]]:
        """Whether the request may pass, and the headers of its answer."""
        if self.limit is None:
            return True, {}
        now = self.now()
        if now >= self._started + self.window_seconds:
            self._started, self._used = now, 0
        self._used += 1
        resets = self._started + self.window_seconds
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self._used)),
            "X-RateLimit-Reset": str(math.ceil(resets)),
        }
        if self._used > self.limit:
            headers["Retry-After"] = str(max(1, math.ceil(resets - now)))
            return False, headers
        return True, headers


@dataclass
class Gateway:
    """What stands before every endpoint, in this order: credentials, rate limit, faults."""

    api_key: str
    secret_key: str
    faults: Faults
    rate_limit: RateLimit
    key_forbidden: bool = False
    requests: list[RequestRecord] = field(default_factory=list)

    def is_known(self, key: str, secret: str) -> bool:
        """Whether these are the account's credentials."""
        return key == self.api_key and secret == self.secret_key and not self.key_forbidden

    def posts(self, client_order_id: str) -> list[RequestRecord]:
        """Every POST of an order under this id, answered or not."""
        return [
            record
            for record in list(self.requests)
            if record.method == "POST" and record.client_order_id == client_order_id
        ]

    def endpoint(self, handler: Handler) -> Endpoint:
        """The handler with everything that stands before it."""

        async def answer(request: Request) -> Response:
            return await self._answer(request, handler)

        return answer

    async def _answer(self, request: Request, handler: Handler) -> Response:
        record = RequestRecord(
            request.method, request.url.path, _query(request), {}, time.monotonic()
        )
        record.raw = await request.body()
        self.requests.append(record)
        headers: dict[str, str] = {}
        try:
            record.body = _read(record.raw)
            self._check_credentials(request)
            passes, headers = self.rate_limit.take()
            if not passes:
                raise RefusalError(429, 42910000, "rate limit exceeded")
            fault = record.fault = self.faults.strike(record.method, record.path)
            if fault is None or fault.stage == "after":
                status, body = self._handle(request, record, handler, fault)
            if fault is not None:
                return await self._fail(request, record, fault)
        except RefusalError as refusal:
            if record.fault is not None:
                return await self._fail(request, record, record.fault)
            status, body = refusal.status, refusal.body
        record.status, record.answer = status, body
        return _response(status, body, headers)

    def _handle(
        self, request: Request, record: RequestRecord, handler: Handler, fault: Fault | None
    ) -> Answer:
        status, body = handler(request.path_params, record.query, record.body)
        if fault is not None and isinstance(body, dict) and "client_order_id" in body:
            self.faults.hide(str(body["id"]), fault.hidden_reads)
        return status, body

    def _check_credentials(self, request: Request) -> None:
        key = request.headers.get("APCA-API-KEY-ID", "")
        secret = request.headers.get("APCA-API-SECRET-KEY", "")
        if key != self.api_key or secret != self.secret_key:
            raise RefusalError(401, None, "unauthorized.")
        if self.key_forbidden:
            raise RefusalError(403, FORBIDDEN, "forbidden.")

    async def _fail(self, request: Request, record: RequestRecord, fault: Fault) -> Response:
        if fault.kind == "status":
            record.status = fault.status
            kind = "text/html" if fault.html else "application/json"
            return Response(fault.content(), fault.status, media_type=kind)
        if fault.kind == "rate_limit":
            record.status = 429
            seconds = fault.retry_after_seconds
            headers = {
                "Retry-After": str(seconds),
                "X-RateLimit-Limit": "200",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(math.ceil(time.time() + seconds)),
            }
            return _response(429, {"code": 42910000, "message": "rate limit exceeded"}, headers)
        if fault.kind == "drop":
            request.scope["state"]["transport"].abort()
        while (await request.receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)
        return Response(status_code=500)


def _query(request: Request) -> dict[str, str]:
    """Parameters by name; one that is given several times is joined by commas."""
    names = request.query_params.keys()
    return {name: ",".join(request.query_params.getlist(name)) for name in names}


def _read(raw: bytes) -> dict[str, object]:
    if not raw:
        return {}
    try:
        body: Any = json.loads(raw, parse_float=Decimal)
    except ValueError:
        raise RefusalError(400, INVALID, "request body format is invalid") from None
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise RefusalError(400, INVALID, "request body format is invalid")
    return body


def _response(status: int, body: object, headers: dict[str, str]) -> Response:
    if status == 204:
        return Response(status_code=204, headers=headers)
    return Response(json.dumps(body), status, headers, "application/json")
