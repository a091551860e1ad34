"""alpaca-py's clients, and the three things that can come of asking one.

Problem: alpaca-py retries 429 and 504 by itself on every verb, which can place an order twice;
raises from `APIError.code` when a gateway answers with HTML; and keeps the secret in plain sight.
Choice: its retry is off, its session is replaced (`session.py`), and every call goes through
`AlpacaApi.ask`, which gives back the answer, the broker's refusal, or why neither is known. What
it raises never leaves here, for a `requests` exception carries the headers and so the secret.

Reads that fail for want of an answer are asked again a few times; nothing else ever is. The
libraries are imported where something is asked: a portfolio elsewhere does not wait for them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from pydantic import SecretStr

from trading_assets.alpaca_api.rate_limiter import RateLimiter
from trading_assets.alpaca_api.retries import until_answered
from trading_assets.alpaca_api.statistics import ApiMeter, ApiStatistics
from trading_assets.model.account import Known, Unknown

if TYPE_CHECKING:
    from alpaca.common.rest import RESTClient
    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.trading.client import TradingClient

T = TypeVar("T")
Client = TypeVar("Client", bound="RESTClient")

API_REQUESTS = "api_requests"
"""The folder below an installation's state in which its requests are counted."""
_SHOWN = 300
_UNAUTHORIZED, _FORBIDDEN, _REQUEST_TIMEOUT, _TOO_MANY_REQUESTS = 401, 403, 408, 429
_KEYS_REFUSED = frozenset({"forbidden", "unauthorized", "request is not authorized"})
_NO_WORD_OF_THE_BROKER = frozenset({_UNAUTHORIZED, _REQUEST_TIMEOUT, _TOO_MANY_REQUESTS})


class AlpacaAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Where and as whom to ask. `paper` chooses between Alpaca's two trading hosts; a URL that is
    given takes the place of theirs. The secrets show themselves to nobody by accident."""

    key: SecretStr
    secret: SecretStr
    paper: bool
    trading_url: str | None = None
    stream_url: str | None = None
    data_url: str | None = None

    @property
    def fingerprint(self) -> str:
        """Tells accounts apart without naming them."""
        return _digest(f"{self.paper} {self.key.get_secret_value()}")

    @property
    def key_digest(self) -> str:
        """Tells keys apart without naming them, whichever host they are used at: a key has one
        limit of requests, also where only prices are asked for."""
        return _digest(self.key.get_secret_value())


class Refusal(msgspec.Struct, frozen=True):
    """The service said no, in its own words: HTTP status, its code if it gave one, and why."""

    status: int
    code: int | None
    message: str


Reply = Known[T] | Refusal | Unknown


class AlpacaApi:
    """One account's access, with one rate limit and one set of statistics.

    All that have the same key and `requests_folder` keep to the limit together.
    """

    def __init__(
        self,
        access: AlpacaAccess,
        requests_per_minute: int,
        timeout_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        requests_folder: Path | None = None,
    ) -> None:
        self.access = access
        # Requests for prices are counted with those of the account: it is the same key.
        file = None if requests_folder is None else requests_folder / f"{access.key_digest}.json"
        self._limiter = RateLimiter(requests_per_minute, file=file)
        self._meter = ApiMeter()
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"AlpacaApi({'paper' if self.access.paper else 'live'})"

    def trading(self) -> TradingClient:
        """A client for orders and the account, whose answers are raw."""
        from alpaca.trading.client import TradingClient

        key, secret = self._keys()
        return self._prepared(
            TradingClient(
                key,
                secret,
                paper=self.access.paper,
                raw_data=True,
                url_override=self.access.trading_url,
            )
        )

    def stock_data(self) -> StockHistoricalDataClient:
        """A client for prices, whose answers are raw."""
        from alpaca.data.historical.stock import StockHistoricalDataClient

        key, secret = self._keys()
        url = self.access.data_url
        return self._prepared(
            StockHistoricalDataClient(key, secret, raw_data=True, url_override=url)
        )

    def statistics(self) -> ApiStatistics:
        """How this access was used so far."""
        return self._meter.statistics()

    def read(self, what: str, request: Callable[[], Any]) -> Reply[Any]:
        """Ask for something that changes nothing; asked again where no answer comes."""
        return until_answered(lambda: self.ask(what, request), self._sleep, self._meter.retried)

    def ask(self, what: str, request: Callable[[], Any]) -> Reply[Any]:
        """Make one request, once. `what` names it in the reason of an Unknown."""
        import requests
        from alpaca.common.exceptions import APIError

        try:
            return Known(request())
        except APIError as error:
            return self._refused(what, error.status_code, str(error))
        except requests.Timeout:
            return Unknown(f"{what}: no answer within {self._timeout_seconds:g} s")
        except requests.RequestException as error:
            return Unknown(f"{what}: {type(error).__name__}: {self._shown(str(error))}")
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            # What alpaca-py makes of an answer that is not what it expects.
            return Unknown(f"{what}: the answer cannot be read ({self._shown(str(error))})")

    def fetch(
        self,
        client: RESTClient,
        what: str,
        path: str,
        row: type[T],
        fields: dict[str, str] | None = None,
    ) -> Known[T] | Unknown:
        """GET `path` as records of type `row`; Unknown where it is refused or cannot be read."""
        return self.record(what, self.read(what, lambda: client.get(path, fields)), row)

    def record(self, what: str, reply: Reply[Any], row: type[T]) -> Known[T] | Unknown:
        """A reply as records of type `row`; Unknown where it is a refusal or does not fit them."""
        if isinstance(reply, Unknown):
            return reply
        if isinstance(reply, Refusal):
            return Unknown(f"{what}: HTTP {reply.status}: {reply.message}")
        try:
            return Known(msgspec.convert(reply.value, row, strict=False))
        except msgspec.ValidationError as error:
            return Unknown(f"{what}: the answer cannot be read ({self._shown(str(error))})")

    def _refused(self, what: str, status: int | None, text: str) -> Refusal | Unknown:
        """A 4xx answer in JSON is the broker's word; anything else says nothing of the request.

        Nor does a refusal of the keys, which is said in the same way as one of an order.
        """
        body = _json_object(text)
        message, code = body.get("message"), body.get("code")
        is_said = status is not None and 400 <= status < 500 and isinstance(message, str)
        if (
            not is_said
            or status in _NO_WORD_OF_THE_BROKER
            or (status == _FORBIDDEN and code is None)
            or str(message).rstrip(".").lower() in _KEYS_REFUSED
        ):
            said = message if isinstance(message, str) else text
            return Unknown(f"{what}: HTTP {status}: {self._shown(said)}")
        assert status is not None
        reason = body.get("reject_reason")
        said = f"{message} ({reason})" if isinstance(reason, str) and reason else str(message)
        return Refusal(status, code if isinstance(code, int) else None, self._shown(said))

    def _shown(self, text: str) -> str:
        """`text` from outside, short, and without the keys should it repeat them."""
        for secret in (self.access.key, self.access.secret):
            if secret.get_secret_value():
                text = text.replace(secret.get_secret_value(), "***")
        text = " ".join(text.split())
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

    def _keys(self) -> tuple[str, str]:
        return self.access.key.get_secret_value(), self.access.secret.get_secret_value()

    def _prepared(self, client: Client) -> Client:
        from trading_assets.alpaca_api.session import ApiSession

        # alpaca-py has no setting for either: a retry count of 0 counts as not given.
        client._retry = 0
        client._session = ApiSession(self._limiter, self._meter, self._timeout_seconds)
        return client


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
