"""The stand-in as ib_async and ib_insync see it, unmocked, with their own defaults."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.clients import until, with_client
from assets_tests.ibkr.faults import PLACE_ORDER, POSITIONS, Fault
from assets_tests.ibkr.funds import ISF, SXLK
from assets_tests.ibkr.invariants import violations
from assets_tests.ibkr.listings import Bar
from assets_tests.ibkr.server import GatewayStandIn
from trading_assets.brokers.ibkr_library import library


def sxlk() -> Any:
    return library().Stock("SXLK", "SMART", "USD", primaryExchange="LSEETF")


def market_order(quantity: float, ref: str = "a", **fields: Any) -> Any:
    return library().Order(
        action="BUY", totalQuantity=quantity, orderType="MKT", tif="DAY", orderRef=ref, **fields
    )


def test_login_synchronises_the_whole_account(gateway: GatewayStandIn) -> None:
    gateway.account.place_by_hand("SXLK", "BUY", "10")

    async def look(ib: Any) -> None:
        assert ib.managedAccounts() == ["DU1234567"]
        (position,) = ib.positions()
        assert (position.contract.symbol, position.position) == ("SXLK", 10.0)
        (held,) = ib.portfolio()
        assert (held.marketPrice, held.marketValue) == (62.5, 625.0)
        balances = {
            row.currency: row.value for row in ib.accountValues() if row.tag == "CashBalance"
        }
        # 100,000 - 10 x 62.50 - 1.70
        assert (balances["USD"], balances["GBP"]) == ("99373.3000", "20000.0000")
        (fill,) = ib.fills()
        assert (fill.execution.shares, fill.commissionReport.commission) == (10.0, 1.7)
        assert [trade.orderStatus.status for trade in ib.trades()] == ["Filled"]

    with_client(gateway, look)


def test_a_market_order_is_acknowledged_with_a_permanent_id_and_fills(
    gateway: GatewayStandIn,
) -> None:
    async def buy(ib: Any) -> Any:
        trade = ib.placeOrder(sxlk(), market_order(10))
        await until(lambda: trade.orderStatus.status == "Filled")
        return trade

    trade = with_client(gateway, buy)
    assert trade.order.permId == gateway.account.orders[0].perm_id
    assert [fill.execution.price for fill in trade.fills] == [62.5]
    assert trade.fills[0].commissionReport.currency == "USD"
    assert gateway.account.quantity("SXLK") == 10
    assert violations(gateway.account) == []


def test_an_order_in_parts_reports_cumulative_quantities(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    account.largest_execution["SXLK"] = Decimal(4)

    async def buy(ib: Any) -> Any:
        trade = ib.placeOrder(sxlk(), market_order(10))
        await until(lambda: trade.orderStatus.status == "Filled")
        return [(f.execution.shares, f.execution.cumQty) for f in trade.fills]

    assert with_client(gateway, buy) == [(4.0, 4.0), (4.0, 8.0), (2.0, 10.0)]


def test_contract_details_tell_the_listing_its_isin_and_pence(gateway: GatewayStandIn) -> None:
    async def ask(ib: Any) -> Any:
        (details,) = await ib.reqContractDetailsAsync(
            library().Stock("ISF", "SMART", "GBP", primaryExchange="LSEETF")
        )
        return details

    details = with_client(gateway, ask)
    assert (details.contract.conId, details.contract.currency) == (ISF.con_id, "GBP")
    assert details.priceMagnifier == 100
    assert [(each.tag, each.value) for each in details.secIdList] == [("ISIN", "IE0005042456")]


def test_an_unknown_contract_is_error_200(gateway: GatewayStandIn) -> None:
    async def ask(ib: Any) -> None:
        with pytest.raises(library().RequestError, match="200") as refused:
            await ib.reqContractDetailsAsync(library().Stock("NOPE", "SMART", "USD"))
        assert refused.value.code == 200

    with_client(gateway, ask)


def test_bars_snapshot_and_server_time(gateway: GatewayStandIn, account: GatewayAccount) -> None:
    account.market.quotes[SXLK.con_id] = (Decimal("62.48"), Decimal("62.52"))
    account.market.add_bars(
        SXLK.con_id,
        [
            Bar(
                dt.date(2024, 5, 31),
                Decimal(61),
                Decimal(63),
                Decimal("60.5"),
                Decimal("62.25"),
                1200,
            )
        ],
    )

    async def ask(ib: Any) -> None:
        (contract,) = await ib.qualifyContractsAsync(sxlk())
        (bar,) = await ib.reqHistoricalDataAsync(
            contract, "", "1 W", "1 day", "TRADES", useRTH=True, formatDate=1
        )
        assert (bar.date, bar.close, bar.volume) == (dt.date(2024, 5, 31), 62.25, 1200.0)
        (ticker,) = await ib.reqTickersAsync(contract)
        assert (ticker.bid, ticker.ask, ticker.last) == (62.48, 62.52, 62.5)
        assert await ib.reqCurrentTimeAsync() == account.now.replace(microsecond=0)

    with_client(gateway, ask)


def test_a_canceled_order_says_so_twice(gateway: GatewayStandIn, account: GatewayAccount) -> None:
    account.fills_by_itself = False

    async def cancel(ib: Any) -> Any:
        trade = ib.placeOrder(sxlk(), market_order(10))
        await until(lambda: trade.order.permId)
        ib.cancelOrder(trade.order)
        await until(lambda: account.orders[0].status == "Cancelled")
        await until(lambda: trade.orderStatus.status == "Cancelled")

    with_client(gateway, cancel)
    assert account.open_orders == []


@pytest.mark.parametrize(("quantity", "reason"), [(10_000, "Available funds"), (1.5, "Fractional")])
def test_a_refused_order_is_no_order(
    gateway: GatewayStandIn, account: GatewayAccount, quantity: float, reason: str
) -> None:
    async def buy(ib: Any) -> Any:
        trade = ib.placeOrder(sxlk(), market_order(quantity))
        return await until(lambda: [entry.message for entry in trade.log if entry.errorCode])

    (message,) = with_client(gateway, buy)
    assert reason in message
    assert account.orders == []


def test_a_preset_notice_makes_both_libraries_call_a_live_order_cancelled(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    account.preset_time_in_force = True
    account.fills_by_itself = False

    async def buy(ib: Any) -> list[str]:
        statuses: list[str] = []
        ib.orderStatusEvent += lambda trade: statuses.append(trade.orderStatus.status)
        ib.placeOrder(sxlk(), market_order(10))
        await until(lambda: "Cancelled" in statuses)
        return statuses

    assert "Cancelled" in with_client(gateway, buy)
    assert [order.status for order in account.open_orders] == ["Submitted"]


def test_a_client_id_that_is_taken_looks_like_a_gateway_that_is_slow(
    gateway: GatewayStandIn,
) -> None:
    gateway.taken_client_ids.add(7)

    async def look(ib: Any) -> None:
        raise AssertionError(f"logged in: {ib}")

    with pytest.raises(TimeoutError):
        with_client(gateway, look, timeout_seconds=0.3)
    assert gateway.logins == [7]


def test_a_disconnect_in_a_call_is_a_connection_error_and_the_order_stays_pending(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    gateway.faults.add(Fault("drop", POSITIONS, nth=2))
    gateway.faults.add(Fault("drop", PLACE_ORDER, "after"))

    async def ask(ib: Any) -> None:
        with pytest.raises(ConnectionError):
            await ib.reqPositionsAsync()

    async def buy(ib: Any) -> str:
        trade = ib.placeOrder(sxlk(), market_order(10))
        await until(lambda: not ib.isConnected())
        return str(trade.orderStatus.status)

    with_client(gateway, ask)
    assert with_client(gateway, buy) == "PendingSubmit"
    assert account.quantity("SXLK") == 10


def test_silence_on_the_first_positions_looks_like_an_empty_account(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    account.place_by_hand("SXLK", "BUY", "10")
    gateway.faults.add(Fault("silence", POSITIONS))

    async def look(ib: Any) -> Any:
        return ib.positions()

    assert with_client(gateway, look, timeout_seconds=0.3) == []


def test_order_ids_begin_anew_and_completed_orders_have_none(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    async def buy(ib: Any) -> tuple[int, list[tuple[int, str]]]:
        before = [(trade.order.orderId, trade.order.orderRef) for trade in ib.trades()]
        trade = ib.placeOrder(sxlk(), market_order(1, ref=f"ref-{len(account.orders)}"))
        await until(lambda: trade.orderStatus.status == "Filled")
        return trade.order.orderId, before

    gateway.next_order_id = 5
    first, _ = with_client(gateway, buy)
    gateway.next_order_id = 5
    second, before = with_client(gateway, buy)
    assert first == second
    assert before == [(0, "ref-0")]


def test_notices_of_connectivity_reach_the_client_and_nothing_is_answered_between(
    gateway: GatewayStandIn,
) -> None:
    async def look(ib: Any) -> list[int]:
        codes: list[int] = []
        ib.errorEvent += lambda _, code, *__: codes.append(code)
        gateway.lose_connectivity()
        await until(lambda: 1100 in codes)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ib.reqPositionsAsync(), 0.2)
        gateway.restore_connectivity(data_lost=True)
        await until(lambda: 1101 in codes)
        return codes

    assert with_client(gateway, look) == [1100, 1101]


def test_yesterdays_executions_are_not_told(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    account.place_by_hand("SXLK", "BUY", "10")
    account.next_day()

    async def look(ib: Any) -> tuple[list[Any], list[Any], int]:
        return ib.fills(), ib.trades(), len(ib.positions())

    assert with_client(gateway, look) == ([], [], 1)
