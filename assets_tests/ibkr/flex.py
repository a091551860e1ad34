"""A stand-in for the Flex Web Service on 127.0.0.1: an account's cash transactions as a statement,
and with `tells_trades` its executions of the days before, without the orders' references, which
only a query of a single day has.

`waits` is how often a statement is not ready yet; `refusal` a code with which everything is
refused, `garbled` answers HTML, `status` another HTTP status than 200; `first_day` is where the
statement begins.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

from assets_tests.ibkr.account import CashTransaction, GatewayAccount
from assets_tests.ibkr.orders import GatewayExecution

NEW_YORK = ZoneInfo("America/New_York")
REFERENCE = "3141592653"


class FlexStandIn:
    """The running service; `requests` are the paths with their parameters, in order."""

    def __init__(self, account: GatewayAccount, token: str, query_id: str) -> None:
        self.account = account
        self.token, self.query_id = token, query_id
        self.waits = 0
        self.refusal = ""
        self.garbled = False
        self.status = 200
        self.first_day = dt.date(2019, 12, 1)
        self.tells_trades = False
        self.trade_fields: dict[str, str] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def answer(self, path: str, asked: dict[str, str]) -> str:
        """The body of the answer to one request."""
        self.requests.append((path, asked))
        if self.garbled:
            return "<html><body>Service unavailable</body>"
        if self.refusal:
            return _refused(self.refusal, "Token has expired.")
        if asked["t"] != self.token:
            return _refused("1015", "Token is invalid.")
        if path == "/SendRequest":
            if asked["q"] != self.query_id:
                return _refused("1014", "Query is invalid.")
            return (
                "<FlexStatementResponse><Status>Success</Status>"
                f"<ReferenceCode>{REFERENCE}</ReferenceCode>"
                "<Url>https://gdcdyn.example/GetStatement</Url></FlexStatementResponse>"
            )
        assert (path, asked["q"]) == ("/GetStatement", REFERENCE)
        if self.waits:
            self.waits -= 1
            return _refused("1019", "Statement generation in progress. Please try again shortly.")
        return self._statement()

    def _statement(self) -> str:
        number, now = self.account.number, self.account.now
        rows = "".join(_row(number, each) for each in self.account.cash_transactions)
        return (
            '<FlexQueryResponse queryName="cash" type="AF"><FlexStatements count="1">'
            f'<FlexStatement accountId="{number}" fromDate="{self.first_day:%Y%m%d}" '
            f'toDate="{now:%Y%m%d}" period="Last30CalendarDays">'
            f"{self._trades()}<CashTransactions>{rows}</CashTransactions></FlexStatement>"
            "</FlexStatements></FlexQueryResponse>"
        )

    def _trades(self) -> str:
        if not self.tells_trades:
            return ""
        today = self.account.now.astimezone(NEW_YORK).date()
        done = [
            each
            for each in self.account.executions
            if each.executed_at.astimezone(NEW_YORK).date() < today
        ]
        rows = [_trade(self.account.number, each) | self.trade_fields for each in done]
        orders = [row | {"levelOfDetail": "ORDER", "ibExecID": ""} for row in rows]
        return f"<Trades>{''.join(_element('Trade', row) for row in (*rows, *orders))}</Trades>"


def _refused(code: str, words: str) -> str:
    return (
        f"<FlexStatementResponse><Status>Warn</Status><ErrorCode>{code}</ErrorCode>"
        f"<ErrorMessage>{words}</ErrorMessage></FlexStatementResponse>"
    )


def _trade(number: str, each: GatewayExecution) -> dict[str, str]:
    order, listing = each.order, each.order.listing
    price, signed = listing.money(each.price), order.sign * each.quantity
    return {
        "accountId": number,
        "currency": listing.currency,
        "assetCategory": "STK",
        "symbol": listing.symbol,
        "conid": str(listing.con_id),
        "tradeID": f"{510_000_000 + each.order.perm_id % 1000}",
        "ibExecID": each.execution_id,
        "ibOrderID": str(order.perm_id),
        "orderReference": "",
        "dateTime": f"{each.executed_at.astimezone(NEW_YORK):%Y%m%d;%H%M%S}",
        "quantity": f"{signed}",
        "tradePrice": f"{price}",
        "proceeds": f"{-signed * price}",
        "ibCommission": f"{-each.commission}",
        "ibCommissionCurrency": listing.currency,
        "buySell": order.action,
        "levelOfDetail": "EXECUTION",
    }


def _row(number: str, each: CashTransaction) -> str:
    listing = each.listing
    fields = {
        "accountId": number,
        "currency": each.currency,
        "symbol": listing.symbol if listing else "",
        "conid": str(listing.con_id) if listing else "",
        "dateTime": f"{each.moved_at.astimezone(NEW_YORK):%Y%m%d;%H%M%S}",
        "amount": f"{each.amount}",
        "type": each.kind,
        "transactionID": each.transaction_id,
        "levelOfDetail": "DETAIL",
    }
    total = fields | {"levelOfDetail": "SUMMARY", "transactionID": ""}
    return "".join(_element("CashTransaction", row) for row in (fields, total))


def _element(name: str, fields: dict[str, str]) -> str:
    return f"<{name} {' '.join(f'{k}={quoteattr(v)}' for k, v in fields.items())}/>"


@contextmanager
def running_flex(
    account: GatewayAccount, token: str = "flex-token", query_id: str = "1234567"
) -> Iterator[FlexStandIn]:
    """Runs the service on a free port until the block is left."""
    stand_in = FlexStandIn(account, token, query_id)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            body = stand_in.answer(url.path, asked).encode()
            self.send_response(stand_in.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the address holds the token."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        try:
            yield stand_in
        finally:
            server.shutdown()
            thread.join()
