"""The stand-in's answers to requests that change nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from assets_tests.ibkr import messages
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.listings import Listing, asked_contract
from assets_tests.ibkr.messages import Message
from assets_tests.ibkr.orders import GatewayOrder
from assets_tests.ibkr.wire import Cursor

Handler = Callable[[int, list[str]], list[Message]]
BID, ASK, LAST, CLOSE = 1, 2, 4, 9
NO_CONTRACT = "No security definition has been found for the request"
NO_BARS = "Historical Market Data Service error message:HMDS query returned no data"


class Answers:
    """Answers by message number; a request that is in no table is a mistake of the test."""

    def __init__(self, account: GatewayAccount) -> None:
        self.account = account
        self._handlers: dict[int, Handler] = {
            1: self._snapshot,
            5: self._own_open_orders,
            6: self._account_updates,
            7: self._executions,
            9: self._contract_details,
            16: self._all_open_orders,
            20: self._bars,
            49: self._server_time,
            61: self._positions,
            62: self._account_summary,
            76: self._account_values,
            99: self._completed_orders,
        }
        self._silent = {2, 14, 15, 25, 59, 63, 64, 77}

    def to(
        self, client_id: int, number: int, fields: list[str], next_order_id: int
    ) -> list[Message]:
        """The messages that answer a request."""
        if number in self._silent:
            return []
        if number == 8:
            return [messages.next_valid_id(next_order_id)]
        assert number in self._handlers, f"the stand-in does not know request {fields}"
        with self.account.lock:
            return self._handlers[number](client_id, fields)

    def _snapshot(self, _: int, fields: list[str]) -> list[Message]:
        request_id = int(fields[2])
        found = self._found(fields, 3)
        if len(found) != 1:
            return [messages.error(request_id, 200, NO_CONTRACT)]
        con_id, market = found[0].con_id, self.account.market
        answer = [messages.market_data_type(request_id, market.data_type)]
        if con_id in market.quotes:
            bid, ask = market.quotes[con_id]
            answer += [
                messages.tick_price(request_id, BID, bid, 100),
                messages.tick_price(request_id, ASK, ask, 100),
            ]
        if con_id in market.last:
            answer.append(messages.tick_price(request_id, LAST, market.last[con_id], 100))
        return [*answer, messages.ending(57, 1, request_id)]

    def _own_open_orders(self, client_id: int, _: list[str]) -> list[Message]:
        mine = [order for order in self.account.open_orders if order.client_id == client_id]
        return self._open_orders(mine)

    def _all_open_orders(self, _: int, __: list[str]) -> list[Message]:
        return self._open_orders(self.account.open_orders)

    def _open_orders(self, orders: list[GatewayOrder]) -> list[Message]:
        told = [
            message
            for order in orders
            for message in (messages.open_order(order), messages.order_status(order))
        ]
        return [*told, messages.ending(53, 1)]

    def _completed_orders(self, _: int, __: list[str]) -> list[Message]:
        told = [messages.completed_order(order) for order in self.account.completed_today]
        return [*told, messages.ending(102)]

    def _executions(self, _: int, fields: list[str]) -> list[Message]:
        request_id = int(fields[2])
        told: list[Message] = []
        for each in self.account.executions_today:
            told.append(messages.execution_details(request_id, each))
            if not self.account.commission_waits:
                told.append(messages.commission_report(each))
        return [*told, messages.ending(55, 1, request_id)]

    def _account_updates(self, _: int, fields: list[str]) -> list[Message]:
        number = fields[3] or self.account.number
        told = [messages.account_value(*row, number) for row in self.account.values()]
        local = f"{self.account.now:%H:%M}"
        return [
            *told,
            *self.account.portfolio_messages(),
            messages.ending(8, 1, local),
            messages.ending(54, 1, number),
        ]

    def _account_values(self, _: int, fields: list[str]) -> list[Message]:
        request_id, number = int(fields[2]), fields[3]
        told = [
            messages.account_value_multi(request_id, number, *row) for row in self.account.values()
        ]
        return [*told, messages.ending(74, 1, request_id)]

    def _account_summary(self, _: int, fields: list[str]) -> list[Message]:
        request_id, tags = int(fields[2]), fields[4].split(",")
        ledger = "$LEDGER:ALL" in tags
        told = [
            messages.account_summary(request_id, self.account.number, tag, value, currency)
            for tag, value, currency in self.account.values()
            if tag in tags or (ledger and tag in ("CashBalance", "ExchangeRate"))
        ]
        return [*told, messages.ending(64, 1, request_id)]

    def _positions(self, _: int, __: list[str]) -> list[Message]:
        return [*self.account.position_messages(), messages.ending(62, 1)]

    def _contract_details(self, _: int, fields: list[str]) -> list[Message]:
        request_id = int(fields[2])
        found = self._found(fields, 3, security_id=16)
        if not found:
            return [messages.error(request_id, 200, NO_CONTRACT)]
        asked = asked_contract(Cursor(fields, 3))
        told = [
            messages.contract_details(request_id, each, asked.exchange or each.exchange)
            for each in found
        ]
        return [*told, messages.ending(52, 1, request_id)]

    def _bars(self, _: int, fields: list[str]) -> list[Message]:
        request_id = int(fields[1])
        found = self._found(fields, 2)
        if len(found) != 1:
            return [messages.error(request_id, 200, NO_CONTRACT)]
        days, unit = fields[17].split()
        last_day = self.account.now.date()
        span = int(days) * {"D": 1, "W": 7, "M": 30, "Y": 365}[unit]
        bars = self.account.market.bars_until(found[0].con_id, last_day, span)
        if not bars:
            return [messages.error(request_id, 162, NO_BARS)]
        return [messages.historical_data(request_id, bars)]

    def _server_time(self, _: int, __: list[str]) -> list[Message]:
        return [messages.current_time(self.account.now)]

    def _found(
        self, fields: list[str], place: int, security_id: int | None = None
    ) -> list[Listing]:
        asked = asked_contract(Cursor(fields, place))
        if security_id is not None and fields[security_id]:
            kind, value = fields[security_id], fields[security_id + 1]
            asked = dataclasses.replace(asked, sec_id_type=kind, sec_id=value)
        return list(self.account.market.matching(asked))
