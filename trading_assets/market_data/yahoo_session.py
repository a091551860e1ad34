"""The HTTP session that yfinance talks to Yahoo through, and what it saw.

yfinance reports a page of HTML, an error of the server and a block alike, as JSON that cannot be
read. The session remembers status and kind of the last answer about prices, so that the error can
say which it was, and the answer, of which yfinance drops what it has no use for. With a relay,
requests to every host go to that address instead, the host in front of the path: for networks that
reach Yahoo through a gateway of their own.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from curl_cffi import requests

PRICES_PATH = "/v8/finance/chart/"


class YahooSession(requests.Session[Any]):
    """A browser-like session; `relay` is a base URL, None to ask Yahoo itself."""

    def __init__(self, relay: str | None = None) -> None:
        super().__init__(impersonate="chrome")
        self._relay = relay
        self.status: int | None = None
        self.content_type = ""
        self.content = b""

    def request(self, method: Any, url: str, *args: Any, **options: Any) -> Any:
        """As curl_cffi's, by way of the relay; about prices it is remembered."""
        if PRICES_PATH in url:
            self.status, self.content_type, self.content = None, "", b""
        if self._relay is not None:
            parts = urlsplit(url)
            query = f"?{parts.query}" if parts.query else ""
            there = f"{self._relay.rstrip('/')}/{parts.netloc}{parts.path}{query}"
        else:
            there = url
        response = super().request(method, there, *args, **options)
        if PRICES_PATH in url:
            self.status = response.status_code
            self.content_type = str(response.headers.get("Content-Type", ""))
            self.content = bytes(response.content)
        return response
