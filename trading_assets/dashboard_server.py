"""The dashboard in a browser: one page on 127.0.0.1, read-only.

A page of another site could ask for it through a name that is made to point here (DNS rebinding):
requests that name another host are refused. Nothing but GET and HEAD is answered.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from trading_assets.dashboard import read_dashboard, sources_in
from trading_assets.errors import TradingAssetsError
from trading_assets.reporting.dashboard_content import DashboardContent
from trading_assets.reporting.dashboard_page import CONTENT_SECURITY_POLICY, dashboard_page
from trading_assets.settings import Directories, PortfolioSettings

ADDRESS = "127.0.0.1"
REFRESH_SECONDS = 60
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Refresh": str(REFRESH_SECONDS),
}


def live_page(places: Directories, portfolios: tuple[PortfolioSettings, ...]) -> str:
    """The page as it is now; a portfolio that cannot be read is named with the reason."""

    def content(settings: PortfolioSettings) -> DashboardContent | str:
        try:
            with sources_in(places, settings) as sources:
                return read_dashboard(settings, sources, dt.datetime.now(dt.UTC))
        except TradingAssetsError as error:
            return f"{settings.name} ({settings.id}): {error}"

    return dashboard_page([content(settings) for settings in portfolios])


def dashboard_server(port: int, page: Callable[[], str]) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 (any free port where `port` is 0) that answers with `page`; it does not
    serve yet. Raises OSError where the port is taken."""

    class Handler(_Handler):
        content = staticmethod(page)

    return ThreadingHTTPServer((ADDRESS, port), Handler)


class _Handler(BaseHTTPRequestHandler):
    content: Callable[[], str]
    server_version = "trading-assets"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        if not self._is_asked_by_address():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "This page is read at 127.0.0.1 only")
            return
        if self.path.partition("?")[0] not in ("/", "/index.html"):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = self.content().encode()
        self.send_response(HTTPStatus.OK)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _is_asked_by_address(self) -> bool:
        _, port = self.connection.getsockname()[:2]
        return self.headers.get_all("Host") in ([f"{ADDRESS}:{port}"], [f"localhost:{port}"])

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""
