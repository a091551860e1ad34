"""The REST endpoints of the trading API: from a request to the account and back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.activities import moment, page
from assets_tests.alpaca.answers import (
    account_answer,
    configuration_answer,
    portfolio_history,
    position_answer,
)
from assets_tests.alpaca.clock import FIRST, LAST, calendar_days
from assets_tests.alpaca.faults import Faults
from assets_tests.alpaca.gateway import Answer, Handler
from assets_tests.alpaca.order_ask import INVALID, RefusalError
from assets_tests.alpaca.orders import BrokerOrder, text

NOT_FOUND = 40410000
Params = Mapping[str, str]
Query = dict[str, str]
Body = dict[str, object]


class TradingEndpoints:
    """The trading API."""

    def __init__(self, account: BrokerAccount, faults: Faults) -> None:
        self.account = account
        self.faults = faults

    def routes(self) -> list[tuple[str, str, Handler]]:
        """(method, path, handler) of every endpoint."""
        return [
            ("GET", "/v2/account", self.get_account),
            ("GET", "/v2/account/configurations", self.get_configuration),
            ("PATCH", "/v2/account/configurations", self.set_configuration),
            ("GET", "/v2/account/activities", self.get_activities),
            ("GET", "/v2/account/activities/{activity_type}", self.get_activities),
            ("GET", "/v2/account/portfolio/history", self.get_history),
            ("GET", "/v2/positions", self.get_positions),
            ("DELETE", "/v2/positions", self.close_positions),
            ("GET", "/v2/positions/{symbol}", self.get_position),
            ("DELETE", "/v2/positions/{symbol}", self.close_position),
            ("GET", "/v2/assets", self.get_assets),
            ("GET", "/v2/assets/{symbol}", self.get_asset),
            ("POST", "/v2/orders", self.post_order),
            ("GET", "/v2/orders", self.get_orders),
            ("DELETE", "/v2/orders", self.cancel_orders),
            ("GET", "/v2/orders:by_client_order_id", self.get_order_by_client_id),
            ("GET", "/v2/orders/{order_id}", self.get_order),
            ("PATCH", "/v2/orders/{order_id}", self.replace_order),
            ("DELETE", "/v2/orders/{order_id}", self.cancel_order),
            ("GET", "/v2/clock", self.get_clock),
            ("GET", "/v2/calendar", self.get_calendar),
            ("GET", "/v2/corporate_actions/announcements", self.get_announcements),
        ]

    def get_account(self, _params: Params, _query: Query, _body: Body) -> Answer:
        with self.account.lock:
            return 200, account_answer(self.account)

    def get_configuration(self, _params: Params, _query: Query, _body: Body) -> Answer:
        return 200, configuration_answer(self.account)

    def set_configuration(self, _params: Params, _query: Query, body: Body) -> Answer:
        with self.account.lock:
            if body.get("suspend_trade") is not None:
                self.account.trading_blocked = bool(body["suspend_trade"])
            if body.get("no_shorting") is not None:
                allowed = not body["no_shorting"] and self.account.multiplier > 1
                self.account.shorting_enabled = allowed
            return 200, configuration_answer(self.account)

    def get_activities(self, params: Params, query: Query, _body: Body) -> Answer:
        if "activity_type" in params:
            query = {**query, "activity_types": params["activity_type"]}
        with self.account.lock:
            rows = page(self.account.activities, query)
        if self.faults.duplicate_activities:
            rows = [copy for row in rows for copy in (row, row)]
        return 200, rows

    def get_history(self, _params: Params, query: Query, _body: Body) -> Answer:
        with self.account.lock:
            return 200, portfolio_history(self.account, query)

    def get_positions(self, _params: Params, _query: Query, _body: Body) -> Answer:
        with self.account.lock:
            symbols = sorted(self.account.holdings.positions)
            return 200, [position_answer(self.account, symbol) for symbol in symbols]

    def get_position(self, params: Params, _query: Query, _body: Body) -> Answer:
        with self.account.lock:
            return 200, position_answer(self.account, self._held(params["symbol"]))

    def close_position(self, params: Params, query: Query, _body: Body) -> Answer:
        with self.account.lock:
            symbol = self._held(params["symbol"])
            order = self._close(symbol, query.get("qty"), query.get("percentage"))
            answer = order.answer()
            self.account.settle(order)
            return 200, answer

    def close_positions(self, _params: Params, query: Query, _body: Body) -> Answer:
        with self.account.lock:
            if query.get("cancel_orders", "").lower() == "true":
                self._cancel_all()
            answers: list[object] = []
            for symbol in sorted(self.account.holdings.positions):
                try:
                    order = self._close(symbol, None, None)
                except RefusalError as refusal:
                    status = refusal.status
                    answers.append({"symbol": symbol, "status": status, "body": refusal.body})
                    continue
                answers.append({"symbol": symbol, "status": 200, "body": order.answer()})
                self.account.settle(order)
            return 207, answers

    def get_assets(self, _params: Params, query: Query, _body: Body) -> Answer:
        assets = [asset.answer() for asset in self.account.market.assets.values()]
        for name in ("status", "exchange"):
            if query.get(name):
                assets = [asset for asset in assets if asset[name] == query[name]]
        return 200, assets

    def get_asset(self, params: Params, _query: Query, _body: Body) -> Answer:
        asset = self.account.market.find(params["symbol"])
        if asset is None:
            raise RefusalError(404, NOT_FOUND, f"asset not found for {params['symbol']}")
        return 200, asset.answer()

    def post_order(self, _params: Params, _query: Query, body: Body) -> Answer:
        with self.account.lock:
            order = self.account.submit(body)
            # The answer is written before anything happens to the order.
            answer = order.answer()
            self.account.settle(order)
            return 200, answer

    def get_orders(self, _params: Params, query: Query, _body: Body) -> Answer:
        with self.account.lock:
            return 200, self._orders(query)

    def get_order(self, params: Params, query: Query, _body: Body) -> Answer:
        with self.account.lock:
            order = self._order(params["order_id"])
            if self.faults.is_hidden(order.id):
                raise RefusalError(404, NOT_FOUND, f"order not found for {order.id}")
            return 200, order.answer(nested=_is_true(query.get("nested", "true")))

    def get_order_by_client_id(self, _params: Params, query: Query, _body: Body) -> Answer:
        client_id = query.get("client_order_id", "")
        with self.account.lock:
            order = self.account.by_client_id.get(client_id)
            if order is None or self.faults.is_hidden(order.id):
                raise RefusalError(404, NOT_FOUND, f"order not found for {client_id}")
            return 200, order.answer()

    def replace_order(self, params: Params, _query: Query, body: Body) -> Answer:
        with self.account.lock:
            return 200, self.account.replace(self._order(params["order_id"]), body).answer()

    def cancel_order(self, params: Params, _query: Query, _body: Body) -> Answer:
        with self.account.lock:
            self.account.cancel(self._order(params["order_id"]))
            return 204, None

    def cancel_orders(self, _params: Params, _query: Query, _body: Body) -> Answer:
        with self.account.lock:
            return 207, self._cancel_all()

    def get_clock(self, _params: Params, _query: Query, _body: Body) -> Answer:
        with self.account.lock:
            return 200, self.account.clock.answer()

    def get_calendar(self, _params: Params, query: Query, _body: Body) -> Answer:
        start = moment(query["start"]).date() if query.get("start") else FIRST
        end = moment(query["end"]).date() if query.get("end") else LAST
        return 200, calendar_days(start, end)

    def get_announcements(self, _params: Params, query: Query, _body: Body) -> Answer:
        for name in ("ca_types", "since", "until"):
            if not query.get(name):
                raise RefusalError(422, INVALID, f"{name} is required")
        since, until = moment(query["since"]).date(), moment(query["until"]).date()
        if until - since > dt.timedelta(days=90):
            raise RefusalError(422, INVALID, "the date range is limited to 90 days")
        kinds = query["ca_types"].lower().split(",")
        field = query.get("date_type", "ex_date")
        return 200, [
            announcement
            for announcement in self.account.announcements
            if announcement["ca_type"] in kinds
            and since.isoformat() <= str(announcement[field]) <= until.isoformat()
            and query.get("symbol") in (None, announcement["initiating_symbol"])
        ]

    def _orders(self, query: Query) -> list[object]:
        status, nested = query.get("status", "open"), _is_true(query.get("nested", ""))
        limit = int(query.get("limit", "50"))
        if not 1 <= limit <= 500:
            raise RefusalError(422, INVALID, "limit must be between 1 and 500")
        symbols = query["symbols"].split(",") if query.get("symbols") else None
        after, until = query.get("after"), query.get("until")
        chosen = [
            order
            for order in self.account.orders.values()
            if (status == "all" or order.is_open == (status == "open"))
            and (symbols is None or order.symbol in symbols)
            and query.get("side") in (None, order.side)
            and (not after or order.created_at > moment(after))
            and (not until or order.created_at < moment(until))
            and not (nested and order.parent is not None)
            and not self.faults.is_hidden(order.id)
        ]
        chosen.sort(key=lambda order: order.created_at)
        ids = [order.id for order in chosen]
        if query.get("after_order_id") in ids:
            chosen = chosen[ids.index(query["after_order_id"]) + 1 :]
        if query.get("before_order_id") in ids:
            chosen = chosen[: ids.index(query["before_order_id"])]
        if query.get("direction", "desc") == "desc":
            chosen.reverse()
        return [order.answer(nested) for order in chosen[:limit]]

    def _order(self, order_id: str) -> BrokerOrder:
        order = self.account.orders.get(order_id)
        if order is None:
            raise RefusalError(404, NOT_FOUND, f"order not found for {order_id}")
        return order

    def _held(self, symbol_or_id: str) -> str:
        asset = self.account.market.find(symbol_or_id)
        if asset is None or asset.symbol not in self.account.holdings.positions:
            raise RefusalError(404, NOT_FOUND, "position does not exist")
        return asset.symbol

    def _close(self, symbol: str, quantity: str | None, percentage: str | None) -> BrokerOrder:
        held = self.account.quantity(symbol)
        shares = abs(held)
        if quantity is not None:
            shares = Decimal(quantity)
        elif percentage is not None:
            shares = (shares * Decimal(percentage) / 100).quantize(Decimal("0.000000001"))
        side = "sell" if held > 0 else "buy"
        body = {"symbol": symbol, "side": side, "qty": text(shares)}
        return self.account.submit(body | {"type": "market", "time_in_force": "day"})

    def _cancel_all(self) -> list[object]:
        answers: list[object] = []
        for order in list(self.account.orders.values()):
            # Canceling an entry or a leg has canceled the other legs on the way.
            if order.is_open:
                self.account.cancel(order)
                answers.append({"id": order.id, "status": 200})
        return answers


def _is_true(given: str) -> bool:
    return given.lower() == "true"
