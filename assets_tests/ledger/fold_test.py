"""The ledger's fold: scenarios of buying, selling, shorting, flipping, adjusting and closing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.errors import LedgerError
from trading_assets.ledger.fold import Ledger
from trading_assets.model.cash_events import Adjustment, CashFlow, CashFlowKind
from trading_assets.model.events import AnyEvent, BookRestated, BrokerStatement, Mark, SessionClosed
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import AccountingPolicy, LotMethod

MONDAY = dt.date(2024, 1, 8)
TUESDAY = dt.date(2024, 1, 9)
NOON = dt.datetime(2024, 1, 8, 17, tzinfo=dt.UTC)


def deposit(amount: str) -> CashFlow:
    return CashFlow(
        kind=CashFlowKind.DEPOSIT, amount=Decimal(amount), currency="USD", reference="start"
    )


def fill(side: Side, quantity: str, price: str, commission: str = "0", symbol: str = "SPY") -> Fill:
    return Fill(
        execution_id=f"{side.value}-{symbol}-{quantity}-{price}",
        client_order_id="",
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        commission=Decimal(commission),
        currency="USD",
        executed_at=NOON,
    )


def buy(quantity: str, price: str, commission: str = "0", symbol: str = "SPY") -> Fill:
    return fill(Side.BUY, quantity, price, commission, symbol)


def sell(quantity: str, price: str, commission: str = "0", symbol: str = "SPY") -> Fill:
    return fill(Side.SELL, quantity, price, commission, symbol)


def adjustment(quantity: str, price: str, cash: str, symbol: str = "SPY") -> Adjustment:
    return Adjustment(
        symbol=symbol,
        quantity=Decimal(quantity),
        price=Decimal(price),
        cash=Decimal(cash),
        currency="USD",
        reason="statement of the broker",
    )


def close(cash: str, market_value: str, prices: Mapping[str, str]) -> SessionClosed:
    return SessionClosed(
        cash_balances=None,
        fx_rates={},
        accruals=Decimal(0),
        marks={
            symbol: Mark(price=Decimal(price), session=MONDAY, source="test")
            for symbol, price in prices.items()
        },
        cash=Decimal(cash),
        market_value=Decimal(market_value),
        equity=Decimal(cash) + Decimal(market_value),
        statement=BrokerStatement(account_number="A1", positions={}, cash=Decimal(cash)),
    )


def book(*events: AnyEvent, policy: AccountingPolicy | None = None) -> Ledger:
    ledger = Ledger(policy or AccountingPolicy(), "USD")
    for event in events:
        ledger.apply_event(MONDAY, event)
    return ledger


def balance(ledger: Ledger) -> Decimal:
    """The ledger's equation; 0 when nothing was lost."""
    cost = sum(ledger.cost_bases.values(), Decimal(0))
    realized = sum(ledger.realized_pnl.values(), Decimal(0))
    return ledger.cash + cost - realized - ledger.flows + ledger.fees


THREE_LOTS = (buy("4", "100"), buy("5", "111.11"), buy("6", "122.22"))


def test_sale_of_seven_realizes_against_the_oldest_lots() -> None:
    """Cost 400.00 + 3/5 of 555.55; proceeds 7 x 130."""
    ledger = book(deposit("10000"), *THREE_LOTS, sell("7", "130"))
    assert ledger.positions == {"SPY": Decimal(8)}
    assert ledger.realized_pnl == {"SPY": Decimal("176.67")}
    assert ledger.cost_basis("SPY") == Decimal("955.54")
    assert ledger.cash == Decimal("10000") - Decimal("1688.87") + Decimal(910)


def test_sale_of_sixteen_of_fifteen_closes_the_long_and_opens_a_short_of_one() -> None:
    ledger = book(deposit("10000"), *THREE_LOTS, sell("16", "130"))
    (short,) = ledger.lots("SPY")
    assert (short.quantity, short.cost_basis) == (Decimal(-1), Decimal("-130.00"))
    assert short.lot_id == "sell-SPY-16-130"
    assert short.opened == MONDAY
    assert short.opened_at == NOON
    assert ledger.realized_pnl == {"SPY": Decimal("261.13")}


def test_crossing_zero_splits_the_rounded_notional_so_that_parts_add_up() -> None:
    """6 x 0.335 = 2.01 is paid; closing 3 is 1.005, to even 1.00; opening 3 gets 1.01."""
    ledger = book(deposit("10"), buy("3", "0.10"), sell("6", "0.335"))
    assert ledger.cost_basis("SPY") == Decimal("-1.01")
    assert ledger.realized_pnl == {"SPY": Decimal("0.70")}
    assert ledger.cash == Decimal("11.71")


@pytest.mark.parametrize(
    ("method", "realized", "left"), [("lifo", "25.00", "-250.00"), ("fifo", "-25.00", "-300.00")]
)
def test_short_covered_in_part_follows_the_policy_for_shorts(
    method: str, realized: str, left: str
) -> None:
    """Short 10 @ 50 and 10 @ 60, cover 15 @ 55 for 825."""
    ledger = book(
        deposit("10000"),
        sell("10", "50"),
        sell("10", "60"),
        buy("15", "55"),
        policy=AccountingPolicy(short_lots=LotMethod(method)),
    )
    assert ledger.positions == {"SPY": Decimal(-5)}
    assert ledger.realized_pnl == {"SPY": Decimal(realized)}
    assert ledger.cost_basis("SPY") == Decimal(left)


def test_lifo_for_longs_when_asked_for() -> None:
    ledger = book(*THREE_LOTS, sell("7", "130"), policy=AccountingPolicy(long_lots=LotMethod.LIFO))
    assert ledger.realized_pnl == {"SPY": Decimal("65.57")}


def test_commission_is_a_fee_and_not_in_the_cost_basis() -> None:
    ledger = book(deposit("1000"), buy("1", "100", commission="1.005"))
    assert ledger.cost_basis("SPY") == Decimal("100.00")
    assert ledger.fees == Decimal("1.00")
    assert ledger.cash == Decimal("899.00")


def test_a_closed_position_leaves_no_entry_but_its_realized_profit() -> None:
    ledger = book(buy("2", "10"), sell("2", "12"))
    assert ledger.positions == {}
    assert ledger.lots("SPY") == ()
    assert ledger.cost_bases == {}
    assert ledger.realized_pnl == {"SPY": Decimal("4.00")}


def test_adjusted_shares_enter_at_their_price_as_a_flow_in_kind() -> None:
    ledger = book(adjustment("10", "20", "5.50"))
    assert ledger.positions == {"SPY": Decimal(10)}
    assert ledger.cost_basis("SPY") == Decimal("200.00")
    assert ledger.cash == Decimal("5.50")
    assert ledger.flows == Decimal("205.50")
    activity = ledger.activity(MONDAY)
    assert activity.flows_in_kind == Decimal("200.00")
    (spy,) = activity.instruments
    assert spy.traded == 0
    assert spy.bought == Decimal("200.00")
    assert spy.adjusted_quantity == 10


def test_adjustment_that_only_moves_cash_touches_no_position() -> None:
    ledger = book(adjustment("0", "0", "-3.21", symbol=""))
    assert ledger.positions == {}
    assert (ledger.cash, ledger.flows) == (Decimal("-3.21"), Decimal("-3.21"))


def test_close_hands_out_the_sessions_activity_and_starts_anew() -> None:
    ledger = book(
        deposit("1000"),
        buy("4", "100", "1"),
        sell("1", "110", "1"),
        close("708", "315", {"SPY": "105"}),
    )
    activity = ledger.last_activity
    assert activity is not None
    (spy,) = activity.instruments
    assert activity.session == MONDAY
    assert activity.flows == 1000
    assert activity.fees == 2
    assert spy.bought == 400
    assert spy.sold == 110
    assert spy.traded == 510
    assert spy.realized_pnl == 10
    assert spy.commission == 2
    assert spy.filled_quantity == 3
    assert ledger.last_close is not None
    assert ledger.last_close.values == {"SPY": Decimal("315.00")}
    assert ledger.last_close.equity == Decimal(1023)
    assert ledger.marks["SPY"].price == Decimal(105)
    assert ledger.previous_close is None
    assert ledger.activity(TUESDAY).instruments == ()
    assert ledger.activity(TUESDAY).flows == 0
    assert ledger.flows == 1000


def test_event_after_its_sessions_close_counts_in_the_next() -> None:
    ledger = book(deposit("1000"), close("1000", "0", {}), deposit("50"))
    ledger.apply_event(TUESDAY, close("1050", "0", {}))
    assert ledger.last_activity is not None
    assert ledger.last_activity.flows == Decimal(50)
    assert ledger.previous_close is not None
    assert ledger.previous_close.equity == Decimal(1000)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (close("999", "0", {}), "states cash 999, the book has 1000"),
        (close("1000", "1", {}), "states market value 1, the book has 0"),
        (
            CashFlow(
                kind=CashFlowKind.WITHDRAWAL, amount=Decimal(5), currency="USD", reference="w"
            ),
            "withdrawal below 0",
        ),
        (deposit("-5"), "a deposit must be above 0"),
        (deposit("0"), "a deposit must be above 0"),
        (buy("0", "10"), "quantity must be above 0"),
        (buy("1", "-10"), "price and commission not below 0"),
        (adjustment("1", "10", "0", symbol=""), "need a symbol"),
    ],
)
def test_event_that_cannot_be_booked_raises_and_changes_nothing(
    event: AnyEvent, message: str
) -> None:
    ledger = book(deposit("1000"))
    with pytest.raises(LedgerError, match=message):
        ledger.apply_event(MONDAY, event)
    assert ledger.cash == ledger.flows == 1000
    assert ledger.positions == {}


def test_close_needs_a_mark_for_every_position() -> None:
    ledger = book(deposit("1000"), buy("1", "10", symbol="IWM"), buy("1", "10", symbol="EEM"))
    with pytest.raises(LedgerError, match="no mark for EEM, IWM"):
        ledger.apply_event(MONDAY, close("980", "20", {"SPY": "1"}))


def test_a_session_closes_once() -> None:
    ledger = book(close("0", "0", {}))
    with pytest.raises(LedgerError, match="2024-01-08 is closed already"):
        ledger.apply_event(MONDAY, close("0", "0", {}))


def test_a_foreign_currency_without_a_rate_is_refused_with_the_remedy() -> None:
    ledger = Ledger(AccountingPolicy(), "EUR")
    with pytest.raises(LedgerError, match=r"no exchange rate of USD to EUR.*Record an fx_rate"):
        ledger.apply_event(MONDAY, buy("1", "10"))
    assert ledger.positions == {}


def test_events_of_other_folds_are_ignored() -> None:
    ledger = book(BookRestated(from_session=MONDAY, revision=1, reason="test"))
    assert balance(ledger) == 0


FILLS = st.builds(
    fill,
    side=st.sampled_from(Side),
    quantity=st.integers(1, 10**7).map(lambda n: str(Decimal(n) / 1000)),
    price=st.integers(0, 10**6).map(lambda n: str(Decimal(n) / 1000)),
    commission=st.integers(0, 300).map(lambda n: str(Decimal(n) / 100)),
    symbol=st.sampled_from(["SPY", "IWM"]),
)
ADJUSTMENTS = st.builds(
    adjustment,
    quantity=st.integers(-9999, 9999).map(lambda n: str(Decimal(n) / 10)),
    price=st.integers(0, 10**6).map(lambda n: str(Decimal(n) / 1000)),
    cash=st.integers(-9999, 9999).map(lambda n: str(Decimal(n) / 100)),
    symbol=st.sampled_from(["SPY", "IWM"]),
)


@given(
    events=st.lists(st.one_of(FILLS, FILLS, ADJUSTMENTS), max_size=40),
    policy=st.builds(
        AccountingPolicy,
        long_lots=st.sampled_from(LotMethod),
        short_lots=st.sampled_from(LotMethod),
    ),
)
def test_lots_add_up_to_positions_and_the_equation_holds_after_every_event(
    events: list[AnyEvent], policy: AccountingPolicy
) -> None:
    ledger = book(deposit("100000"), policy=policy)
    for event in events:
        ledger.apply_event(MONDAY, event)
        for symbol, held in ledger.positions.items():
            lots = ledger.lots(symbol)
            assert sum(lot.quantity for lot in lots) == held != 0
            assert {lot.quantity > 0 for lot in lots} == {held > 0}
        assert balance(ledger) == 0
    realized = sum(i.realized_pnl for i in ledger.activity(MONDAY).instruments)
    assert realized == sum(ledger.realized_pnl.values())
