"""A service of prices that answers in JSON over HTTP, asked for what changes nothing.

Every request has a time limit for the answer as a whole and waits for the rate limit; a 429 holds
all requests back for as long as `Retry-After` says. What brings no answer (429, 5xx, a time-out, a
broken connection, a page of HTML) is asked again a few times. A redirection is not followed: it
would take the key to another host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import requests
from pydantic import SecretStr

from trading_assets.alpaca_api.rate_limiter import RateLimiter
from trading_assets.alpaca_api.retries import until_answered
from trading_assets.alpaca_api.session import ApiSession
from trading_assets.alpaca_api.statistics import ApiMeter
from trading_assets.model.account import Known, Unknown

_SHOWN = 200
_TOO_MANY_REQUESTS = 429


class Refused(msgspec.Struct, frozen=True):
    """The service said no: HTTP status and, where it gave one, its reason."""

    status: int
    reason: str


class JsonService:
    """One service at `url`. `secret` is the name of a header and what it holds, which is shown
    nowhere."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        requests_per_minute: int,
        timeout_seconds: float,
        secret: tuple[str, SecretStr] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._secret = secret
        self._sleep = sleep
        self._limit = timeout_seconds
        limiter = RateLimiter(requests_per_minute, sleep=sleep)
        self._session = ApiSession(limiter, ApiMeter(), timeout_seconds)

    def get(self, path: str, params: Mapping[str, str]) -> Known[Any] | Refused | Unknown:
        """The answer to GET `path`, numbers as Decimal; asked again where none comes."""
        return until_answered(lambda: self._ask(path, params), self._sleep)

    def _ask(self, path: str, params: Mapping[str, str]) -> Known[Any] | Refused | Unknown:
        headers = {"Accept": "application/json"}
        if self._secret is not None:
            headers[self._secret[0]] = self._secret[1].get_secret_value()
        try:
            response = self._session.request(
                "GET",
                f"{self._url}{path}",
                params=dict(params),
                headers=headers,
                allow_redirects=False,
            )
        except requests.Timeout:
            return Unknown(f"{self.name} did not answer within {self._limit:g} s")
        except requests.RequestException as error:
            return Unknown(f"{self.name} cannot be reached ({type(error).__name__})")
        status = response.status_code
        if status == _TOO_MANY_REQUESTS:
            return Unknown(f"{self.name} refuses for too many requests (HTTP 429)")
        try:
            content = response.json()
        except ValueError:
            return Unknown(f"{self.name} sent a page instead of prices (HTTP {status})")
        if status >= 500 or 300 <= status < 400:
            return Unknown(f"{self.name} has an error (HTTP {status})")
        if status >= 400:
            return Refused(status, self._reason(content))
        return Known(content)

    def _reason(self, content: Any) -> str:
        """The service's own words, short, and without the secret should it repeat it."""
        said = content if isinstance(content, dict) else {}
        text = next((said[key] for key in ("message", "error") if said.get(key)), "")
        text = " ".join(str(text).split())
        if self._secret is not None and self._secret[1].get_secret_value():
            text = text.replace(self._secret[1].get_secret_value(), "***")
        return text[:_SHOWN]


def number(value: Any) -> float:
    """A number of an answer as a double; ValueError for anything else, a text included that does
    not spell one."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ValueError(f"{value!r:.50} is no number")
    return float(value)
