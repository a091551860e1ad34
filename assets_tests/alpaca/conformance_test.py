"""What alpaca-py asks and what the stand-in answers, against the public OpenAPI description.
Here the stand-in's own record of both is judged, in `validating_proxy_test.py` what was on the
wire.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.enums import Sort
from alpaca.trading.enums import AssetStatus, OrderSide, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)
from openapi_core import OpenAPI

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clients import Trader, refusal
from assets_tests.alpaca.description import Exchange, faults_of, public_description
from assets_tests.alpaca.gateway import RateLimit, RequestRecord
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.alpaca.trading_endpoints import TradingEndpoints


@pytest.fixture(scope="module")
def description() -> OpenAPI:
    """The public description of the trading API."""
    return public_description()


@pytest.fixture
def margin() -> Iterator[AlpacaStandIn]:
    """A margin account, so that short sales are among what is answered."""
    with running_alpaca(BrokerAccount(multiplier=2)) as running:
        running.account.list_asset("AAPL", "190.00")
        running.account.list_asset("MSFT", "410.00")
        yield running


def recorded_faults(description: OpenAPI, record: RequestRecord) -> list[str]:
    """What in a request and its answer is not as described."""
    answer = b"" if record.status == 204 else json.dumps(record.answer).encode()
    return faults_of(
        description,
        Exchange(record.method, record.path, record.query, record.raw, record.status or 0, answer),
    )


def read_everything(trader: Trader) -> None:
    """Each GET once, with every parameter that alpaca-py has for it."""
    client, since = trader.client, dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
    client.get_account()
    client.get_account_configurations()
    client.get_all_assets(GetAssetsRequest(status=AssetStatus.ACTIVE))
    client.get_asset("AAPL")
    client.get_all_positions()
    client.get_open_position("AAPL")
    client.get_clock()
    client.get_calendar(GetCalendarRequest(start=dt.date(2024, 6, 3), end=dt.date(2024, 6, 7)))
    client.get_portfolio_history(GetPortfolioHistoryRequest(period="1M", timeframe="1D"))
    client.get_portfolio_history(GetPortfolioHistoryRequest(cashflow_types="ALL"))
    client.get_orders(
        GetOrdersRequest(
            status=QueryOrderStatus.ALL,
            limit=500,
            after=since,
            until=since + dt.timedelta(days=90),
            direction=Sort.ASC,
            side=OrderSide.BUY,
            symbols=["AAPL", "MSFT"],
        )
    )
    client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True))
    trader.get("/account/activities", {"direction": "asc", "page_size": 100})
    trader.get("/account/activities", {"activity_types": "DIV,FEE", "after": since.isoformat()})
    trader.get("/account/activities/FILL", {"until": "2030-01-01T00:00:00Z"})
    query = {"ca_types": "dividend,split", "since": "2024-06-01", "until": "2024-06-30"}
    trader.get("/corporate_actions/announcements", query)


def trade(alpaca: AlpacaStandIn, trader: Trader) -> None:
    """Orders of each kind through each fate."""
    account, client = alpaca.account, trader.client
    common: dict[str, Any] = {"symbol": "AAPL", "side": OrderSide.BUY}
    day, gtc = TimeInForce.DAY, TimeInForce.GTC
    trader.submit(MarketOrderRequest(qty=10, time_in_force=day, client_order_id="a", **common))
    trader.submit(MarketOrderRequest(notional=250.5, time_in_force=day, **common))
    limit = {"qty": 4, "limit_price": 180.25}
    resting = trader.submit(LimitOrderRequest(time_in_force=gtc, **limit, **common))
    replaced = client.replace_order_by_id(resting.id, ReplaceOrderRequest(qty=5, limit_price=181))
    assert not isinstance(replaced, dict)
    client.get_order_by_id(replaced.id, GetOrderByIdRequest(nested=True))
    client.cancel_order_by_id(replaced.id)
    trader.submit(StopOrderRequest(qty=1, stop_price=210, time_in_force=gtc, **common))
    stops = {"stop_price": 210, "limit_price": 211.5}
    trader.submit(StopLimitOrderRequest(qty=1, time_in_force=gtc, **stops, **common))
    trader.submit(
        LimitOrderRequest(
            qty=2,
            limit_price=190,
            time_in_force=gtc,
            order_class="bracket",
            take_profit=TakeProfitRequest(limit_price=205),
            stop_loss=StopLossRequest(stop_price=175, limit_price=174),
            **common,
        )
    )
    account.largest_execution["MSFT"] = Decimal(3)
    trader.ask("MSFT", "sell", "5", client_order_id="short")
    account.match()
    account.reject_next("AAPL")
    trader.ask("AAPL", "buy", "1")
    account.pay_dividend("AAPL", "0.24")
    account.book_cash("FEE", "-0.02")
    account.announce("dividend", "AAPL", dt.date(2024, 6, 10), cash="0.24")
    trader.order("a")


def be_refused(alpaca: AlpacaStandIn, trader: Trader) -> None:
    """One answer of each status."""
    refusal(lambda: trader.ask("AAPL", "buy", "1", client_order_id="a"))
    refusal(lambda: trader.ask("AAPL", "buy", "100000"))
    refusal(lambda: trader.ask("AAPL", "sell", "1", client_order_id="wash"))
    refusal(lambda: trader.ask("AAPL", "buy", "1", client_order_id="x" * 129))
    refusal(lambda: trader.order("never"))
    refusal(lambda: trader.client.get_open_position("ZZZZ"))
    alpaca.gateway.key_forbidden = True
    refusal(trader.account)
    alpaca.gateway.key_forbidden = False


def close(trader: Trader) -> None:
    """Everything that ends a session."""
    trader.client.cancel_orders()
    trader.client.close_position("MSFT", ClosePositionRequest(qty="2"))
    trader.client.close_all_positions(cancel_orders=True)
    configuration = trader.client.get_account_configurations()
    trader.client.patch("/account/configurations", {"suspend_trade": True})
    assert configuration


def test_every_request_and_answer_is_as_described(
    description: OpenAPI, margin: AlpacaStandIn
) -> None:
    trader = Trader(margin)
    trade(margin, trader)
    read_everything(trader)
    be_refused(margin, trader)
    close(trader)

    # Sent on purpose: longer than the description allows.
    too_long = [record for record in margin.requests if len(record.client_order_id or "") > 128]
    found = [
        fault
        for record in margin.requests
        for fault in recorded_faults(description, record)
        if not (record in too_long and fault.startswith("request"))
    ]
    assert found == [], "\n".join(found)
    assert len(too_long) == 1
    asked = {(record.method, _template(record.path)) for record in margin.requests}
    served = {(method, _template(path)) for method, path, _ in _routes(margin)}
    assert served - asked == set()


def test_rate_limited_answers_are_as_described(description: OpenAPI) -> None:
    with running_alpaca(rate_limit=RateLimit(0)) as alpaca:
        assert refusal(Trader(alpaca).account)[0] == 429

        assert recorded_faults(description, alpaca.requests[0]) == []


def test_the_check_sees_a_request_or_an_answer_that_is_not_as_described(
    description: OpenAPI, margin: AlpacaStandIn
) -> None:
    trader = Trader(margin)
    trader.ask("AAPL", "buy", "1")
    (record,) = margin.requests
    assert recorded_faults(description, record) == []
    assert isinstance(record.answer, dict)

    record.answer["status"] = "flying"
    assert len(recorded_faults(description, record)) == 1
    record.raw = json.dumps({"symbol": "AAPL", "side": "hold", "type": "market"}).encode()
    assert len(recorded_faults(description, record)) == 2


def _routes(alpaca: AlpacaStandIn) -> list[tuple[str, str, Any]]:
    return TradingEndpoints(alpaca.account, alpaca.faults).routes()


def _template(path: str) -> str:
    """The path with what varies left out."""
    parts = path.split("/")
    families = {"orders", "positions", "assets", "activities"}
    places = range(1, len(parts))
    return "/".join("*" if parts[place - 1] in families else parts[place] for place in places)
