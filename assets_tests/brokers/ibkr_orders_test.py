"""What the gateway says of an order, as the broker's answer."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading_assets.brokers.ibkr_contracts import Instrument
from trading_assets.brokers.ibkr_library import library
from trading_assets.brokers.ibkr_orders import open_order
from trading_assets.model.order import OrderStatus

SXLK = Instrument(
    symbol="SXLK.L",
    name="SPDR S&P U.S. Technology Select Sector UCITS ETF",
    con_id=1,
    broker_symbol="SXLK",
    currency="USD",
    primary_exchange="LSEETF",
    price_magnifier=1,
    price_step=Decimal("0.01"),
    isin="IE00BWBXM948",
)


@pytest.mark.parametrize(
    ("filled", "status"),
    [
        (0.0, OrderStatus.ACCEPTED),
        (4.0, OrderStatus.PARTIALLY_FILLED),
        # The last execution was told after the list of open orders and before its end.
        (10.0, OrderStatus.FILLED),
    ],
)
def test_an_order_listed_as_open_is_what_was_traded_of_it(
    filled: float, status: OrderStatus
) -> None:
    ib = library()
    order = ib.Order(action="BUY", totalQuantity=10, orderType="MKT", tif="DAY", orderRef="a")
    trade = ib.Trade(order=order, orderStatus=ib.OrderStatus(status="Submitted", filled=filled))
    answer = open_order(trade, SXLK).require()
    assert (answer.status, answer.filled_quantity) == (status, Decimal(str(filled)))
