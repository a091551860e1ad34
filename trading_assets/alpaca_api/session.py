"""The HTTP session that alpaca-py is given: time limits, rate limit, statistics, exact numbers.

alpaca-py makes its requests through one `requests.Session` and sets no time limit. This session
adds what has to hold for every request, whichever of the library's functions makes it:

- it waits for the rate limit before, and is measured after;
- connecting, each wait for bytes, and the answer as a whole have a time limit;
- numbers in the answer are read as Decimal, never through a float.

Nothing is retried here.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import requests
import urllib3

from trading_assets.alpaca_api.rate_limiter import RateLimiter
from trading_assets.alpaca_api.statistics import ApiMeter

CONNECT_SECONDS_MAX = 5.0
HOLD_SECONDS_DEFAULT = 5.0
HOLD_SECONDS_MAX = 60.0
_OK, _TOO_MANY_REQUESTS = 200, 429


class ApiSession(requests.Session):
    """A session whose every request is limited in time and number, and counted in `meter`."""

    def __init__(self, limiter: RateLimiter, meter: ApiMeter, timeout_seconds: float) -> None:
        super().__init__()
        self._limiter = limiter
        self._meter = meter
        self._timeout_seconds = timeout_seconds

    def request(  # type: ignore[override]
        self, method: str, url: str, **options: Any
    ) -> requests.Response:
        """One request, answered within the time limit or failed with a requests exception."""
        self._meter.waited(self._limiter.acquire())
        started = time.monotonic()
        limit = self._timeout_seconds
        options["timeout"] = (min(limit, CONNECT_SECONDS_MAX), limit)
        try:
            response = super().request(method, url, stream=True, **options)
            _read(response, started + limit)
        except requests.RequestException as error:
            self._meter.called(time.monotonic() - started, _kind(error))
            raise
        failed = "" if response.status_code < 400 else str(response.status_code)
        self._meter.called(time.monotonic() - started, failed)
        if response.status_code == _TOO_MANY_REQUESTS:
            self._limiter.hold(_hold_seconds(response.headers))
        # alpaca-py reads the answer with json() and no arguments.
        response.json = partial(  # type: ignore[method-assign]
            response.json, parse_float=Decimal, parse_constant=_refuse_constant
        )
        return response


def _read(response: requests.Response, deadline: float) -> None:
    """Read the body; a server that sends it byte by byte is given up at the deadline."""
    content = b""
    try:
        while part := response.raw.read1(decode_content=True):
            content += part
            if time.monotonic() > deadline:
                raise requests.ReadTimeout("the answer took longer than the time limit")
    except urllib3.exceptions.TimeoutError:
        response.close()
        raise requests.ReadTimeout("the answer stopped and did not go on") from None
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        # requests' own exceptions are OSErrors too: the deadline above comes through here.
        response.close()
        if isinstance(error, requests.RequestException):
            raise
        raise requests.ConnectionError(f"the answer broke off: {type(error).__name__}") from None
    expected = response.headers.get("Content-Length", "")
    encoded = "Content-Encoding" in response.headers
    if expected.isdigit() and not encoded and len(content) < int(expected):
        raise requests.ConnectionError("the answer broke off before its end")
    if response.status_code == _OK and not content:
        # A head that broke off looks like this too.
        raise requests.ConnectionError("the answer is empty")
    response._content = content
    response._content_consumed = True  # type: ignore[attr-defined]
    # Without one it would be guessed from the text, which takes longer than reading it.
    response.encoding = response.encoding or "utf-8"


def _kind(error: requests.RequestException) -> str:
    return "timeout" if isinstance(error, requests.Timeout) else "connection"


def _hold_seconds(headers: Mapping[str, str]) -> float:
    """How long the broker wants to be left alone: Retry-After in seconds, else the moment in
    X-RateLimit-Reset (Unix time), else a few seconds; never more than a minute."""
    after, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    seconds = HOLD_SECONDS_DEFAULT
    if after.isdigit():
        seconds = float(after)
    elif reset.isdigit():
        seconds = float(reset) - time.time()
    return min(max(seconds, 0.0), HOLD_SECONDS_MAX)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
