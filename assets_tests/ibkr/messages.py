"""The messages that the stand-in sends, field by field as clients of server version 176 read them.

The layouts come from the parsers of ib_insync and ib_async; what a real gateway fills in although
nobody asked ("None" as the delta-neutral order type, "?" as the right) is filled in here too.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

from assets_tests.ibkr.listings import LONDON_HOURS, Bar, Listing
from assets_tests.ibkr.orders import GatewayExecution, GatewayOrder
from assets_tests.ibkr.wire import Field

SERVER_VERSION = 176
Message = list[Field]

_NO_DELTA_NEUTRAL = ["None", None]
_UNSET_DOUBLE = "1.7976931348623157E308"


def _of(*groups: Message) -> Message:
    return [field for group in groups for field in group]


def error(request_id: int, code: int, words: str) -> Message:
    """A refusal, a warning or a notice; -1 where it is about no request."""
    return [4, 2, request_id, code, words, ""]


def next_valid_id(order_id: int) -> Message:
    return [9, 1, order_id]


def managed_accounts(numbers: list[str]) -> Message:
    return [15, 1, ",".join(numbers)]


def current_time(moment: dt.datetime) -> Message:
    return [49, 1, int(moment.timestamp())]


def account_value(tag: str, value: str, currency: str, account: str) -> Message:
    return [6, 2, tag, value, currency, account]


def account_value_multi(
    request_id: int, account: str, tag: str, value: str, currency: str
) -> Message:
    return [73, 1, request_id, account, "", tag, value, currency]


def account_summary(request_id: int, account: str, tag: str, value: str, currency: str) -> Message:
    return [63, 1, request_id, account, tag, value, currency]


def position(account: str, listing: Listing, quantity: Decimal, average_cost: Decimal) -> Message:
    return _of(
        [61, 3, account],
        _contract(listing, listing.exchange),
        [quantity, average_cost],
    )


def portfolio_item(
    account: str,
    listing: Listing,
    quantity: Decimal,
    average_cost: Decimal,
    market_price: Decimal,
) -> Message:
    value = quantity * market_price
    return _of(
        [7, 8],
        _contract(listing, listing.exchange),
        [quantity, market_price, value, average_cost],
        [value - quantity * average_cost, 0, account],
    )


def _contract(listing: Listing, exchange: str) -> Message:
    return _of(
        [listing.con_id, listing.symbol, "STK", "", 0, "?", "", exchange, listing.currency],
        [listing.symbol, listing.symbol],
    )


def contract_details(request_id: int, listing: Listing, exchange: str) -> Message:
    identifiers = [("ISIN", listing.isin)] if listing.isin else []
    return _of(
        [10, request_id, listing.symbol, "STK", "", 0, "", exchange, listing.currency],
        [listing.symbol, listing.symbol, listing.symbol, listing.con_id, listing.min_tick, ""],
        ["ACTIVETIM,LMT,MKT,STP,STPLMT", f"SMART,{listing.exchange}", listing.price_magnifier],
        [0, listing.long_name, listing.exchange, "", "", "", "", listing.time_zone],
        [LONDON_HOURS, LONDON_HOURS, "", 0, len(identifiers)],
        [part for pair in identifiers for part in pair],
        [1, "", "", "26", "", listing.stock_type, "1", "1", "100"],
    )


def order_status(order: GatewayOrder) -> Message:
    return _of(
        [3, order.order_id, order.status, order.filled, order.remaining],
        [order.average_price, order.perm_id, 0, order.last_price, order.client_id, "", 0],
    )


def open_order(order: GatewayOrder) -> Message:
    return _of(
        [5, order.order_id],
        _contract(order.listing, order.exchange),
        [order.action, order.quantity, order.order_type, order.limit_price or 0],
        [order.stop_price or 0, order.time_in_force, "", order.account, "", 0, order.order_ref],
        [order.client_id, order.perm_id, 0, 0, 0, "", "", "", "", "", "", "", "", ""],
        ["", "", 0, "", -1, 0, "", "", "", "", "", 0, 0, 0, 0, "", 3, 0, 0, "", 0, 0],
        ["", 0, *_NO_DELTA_NEUTRAL, 0, "", "", "", "?", 0, 0, ""],
        [0, 0, "", "", "", "", "", 0, 0, 0, "", "", "", "", 0, "", "IB", 0, 0, "", 0, 0],
        [order.status, *[_UNSET_DOUBLE] * 9, "", "", "", "", "", 0, 0, 0],
        ["None", "", "", "", "", "", "", 0, "", "", "", "", 0, 0, 0, 0],
        ["", "", 0, "", "", "", "", ""],
    )


def completed_order(order: GatewayOrder) -> Message:
    """An order that is done: no order id, no client id, and as its quantity what did not trade."""
    return _of(
        [101],
        _contract(order.listing, order.exchange),
        [order.action, order.remaining, order.order_type, order.limit_price or 0],
        [order.stop_price or 0, order.time_in_force, "", order.account, "", 0, order.order_ref],
        [order.perm_id, 0, 0, 0, "", "", "", "", "", "", "", "", "", "", 0, "", -1],
        ["", "", "", "", "", 0, 0, 0, "", 3, 0, "", 0, *_NO_DELTA_NEUTRAL, 0, 0, 0, ""],
        [0, 0, "", "", "", 0, 0, 0, "", "", "", "", "", "IB", 0, 0, "", 0, order.status, 0, 0, 0],
        ["", "", "", 0, 0, "", order.filled, 0, 0, "Not an insider or substantial shareholder"],
        [0, 0, 0, _local(order.changed_at), order.completed_status, "", "", "", "", ""],
    )


def execution_details(request_id: int, execution: GatewayExecution) -> Message:
    order = execution.order
    return _of(
        [11, request_id, order.order_id],
        _contract(order.listing, order.listing.exchange),
        [execution.execution_id, _local(execution.executed_at), order.account],
        [order.listing.exchange, "BOT" if order.action == "BUY" else "SLD", execution.quantity],
        [execution.price, order.perm_id, order.client_id, 0, execution.cumulative],
        [execution.average_price, order.order_ref, "", "", "", 2],
    )


def commission_report(execution: GatewayExecution) -> Message:
    currency = execution.order.listing.currency
    return [59, 1, execution.execution_id, execution.commission, currency, _UNSET_DOUBLE, "", ""]


def historical_data(request_id: int, bars: list[Bar]) -> Message:
    rows: Message = []
    for bar in bars:
        prices = [bar.open, bar.high, bar.low, bar.close]
        rows += [f"{bar.day:%Y%m%d}", *prices, bar.volume, bar.close, 1]
    return [17, request_id, "", "", len(bars), *rows]


def tick_price(request_id: int, tick_type: int, price: Decimal, size: int) -> Message:
    return [1, 6, request_id, tick_type, price, size, 0]


def market_data_type(request_id: int, kind: int) -> Message:
    return [58, 1, request_id, kind]


def ending(number: int, *fields: Field) -> Message:
    """The message that ends an answer of several."""
    return [number, *fields]


def _local(moment: dt.datetime) -> str:
    """A moment in the zone in which the gateway was logged in."""
    return f"{moment.astimezone(ZoneInfo('Europe/London')):%Y%m%d %H:%M:%S} Europe/London"
