"""A session's result: where the change in equity came from, to the cent."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trading_assets.analytics.pnl import daily_result, position_values
from trading_assets.errors import LedgerError
from trading_assets.ledger.activity import BookClose, market_values
from trading_assets.ledger.fold import Ledger
from trading_assets.model.cash_events import Adjustment, CashFlow, CashFlowKind
from trading_assets.model.events import AnyEvent, BrokerStatement, Mark, SessionClosed
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import AccountingPolicy
from trading_assets.model.result import DailyResult

MONDAY = dt.date(2024, 1, 8)
TUESDAY = dt.date(2024, 1, 9)
WEDNESDAY = dt.date(2024, 1, 10)


def flow(amount: str) -> CashFlow:
    value = Decimal(amount)
    kind = CashFlowKind.DEPOSIT if value > 0 else CashFlowKind.WITHDRAWAL
    return CashFlow(kind=kind, amount=value, currency="USD", reference="r")


def trade(quantity: str, price: str, fee: str = "0", symbol: str = "SPY") -> Fill:
    """A fill of signed shares."""
    signed = Decimal(quantity)
    return Fill(
        execution_id="x",
        client_order_id="",
        symbol=symbol,
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=abs(signed),
        price=Decimal(price),
        commission=Decimal(fee),
        currency="USD",
        executed_at=dt.datetime(2024, 1, 8, tzinfo=dt.UTC),
    )


def marks(**prices: str) -> dict[str, Mark]:
    return {
        symbol: Mark(price=Decimal(price), session=MONDAY, source="test")
        for symbol, price in prices.items()
    }


def result(
    ledger: Ledger, session: dt.date, events: list[AnyEvent], prices: dict[str, Mark]
) -> DailyResult:
    """The result of a session in which `events` happened and that closed at `prices`."""
    for event in events:
        ledger.apply_event(session, event)
    value = sum(market_values(ledger.positions, prices).values(), Decimal(0))
    ledger.apply_event(
        session,
        SessionClosed(
            cash_balances=None,
            fx_rates={},
            accruals=Decimal(0),
            marks=prices,
            cash=ledger.cash,
            market_value=value,
            equity=value + ledger.cash,
            statement=BrokerStatement(account_number="", positions={}, cash=ledger.cash),
            benchmark=Decimal(400),
        ),
    )
    assert ledger.last_activity is not None
    assert ledger.last_close is not None
    return daily_result(ledger.previous_close, ledger.last_activity, ledger.last_close)


def new_ledger() -> Ledger:
    return Ledger(AccountingPolicy(), "USD")


def test_first_session_earns_on_its_deposit() -> None:
    """1,000 in, 4 @ 100 with a dollar of fee, close at 105: 20 earned less 1."""
    day = result(new_ledger(), MONDAY, [flow("1000"), trade("4", "100", "1")], marks(SPY="105"))
    assert day.opening_equity == 0
    assert day.flows == 1000
    assert day.pnl == 20
    assert day.fees == 1
    assert day.closing_equity == 1019
    assert day.cash == 599
    assert day.market_value == 420
    assert day.traded == 400
    assert day.daily_return == Decimal("0.019")
    assert day.turnover == Decimal(400) / Decimal(2038)
    assert day.benchmark == 400


def test_second_session_splits_profit_by_instrument_and_realized_part() -> None:
    """Held 4 @ 100, closed at 105. Sold 3 @ 110 and shorted 2 IWM @ 50, closes 107 and 51.

    SPY: 107 - 420 + 330 = 17, of which 3 x 10 realized; IWM: -102 + 100 = -2.
    """
    ledger = new_ledger()
    result(ledger, MONDAY, [flow("1000"), trade("4", "100")], marks(SPY="105"))
    events: list[AnyEvent] = [trade("-3", "110", "0.50"), trade("-2", "50", "0.25", "IWM")]
    day = result(ledger, TUESDAY, events, marks(SPY="107", IWM="51"))
    iwm, spy = day.instruments
    assert (spy.symbol, iwm.symbol) == ("SPY", "IWM")
    assert spy.pnl == 17
    assert spy.realized_pnl == 30
    assert spy.commission == Decimal("0.50")
    assert iwm.pnl == -2
    assert iwm.closing_value == -102
    assert day.pnl == 15
    assert day.fees == Decimal("0.75")
    assert day.closing_equity - day.opening_equity == Decimal("14.25")
    assert day.daily_return == Decimal("14.25") / 1020


def test_flows_are_no_performance() -> None:
    """100 in cash, 50 more at the start, nothing earned."""
    ledger = new_ledger()
    result(ledger, MONDAY, [flow("100")], {})
    day = result(ledger, TUESDAY, [flow("50")], {})
    assert day.daily_return == 0
    assert day.closing_equity == 150
    assert day.turnover == 0


def test_return_on_money_that_came_at_the_start_of_the_day() -> None:
    """100 held, 50 comes in and buys 15 @ 10; at 11 the 150 are 165: 10 %."""
    ledger = new_ledger()
    result(ledger, MONDAY, [flow("100")], {})
    day = result(ledger, TUESDAY, [flow("50"), trade("15", "10")], marks(SPY="11"))
    assert day.daily_return == Decimal("0.1")


def test_money_that_leaves_earns_until_the_end_of_the_day() -> None:
    """100 buys 10 @ 10; the next day they are sold @ 11 and 60 leaves: 10 earned on 100."""
    ledger = new_ledger()
    result(ledger, MONDAY, [flow("100"), trade("10", "10")], marks(SPY="10"))
    day = result(ledger, TUESDAY, [trade("-10", "11"), flow("-60")], {})
    assert day.daily_return == Decimal("0.1")
    assert day.closing_equity == 50


def test_without_a_positive_base_return_and_turnover_are_undefined() -> None:
    empty = result(new_ledger(), MONDAY, [], {})
    assert empty.daily_return is None
    assert empty.turnover is None
    ledger = new_ledger()
    result(ledger, MONDAY, [flow("100")], {})
    left = result(ledger, TUESDAY, [flow("-100")], {})
    assert left.daily_return == 0
    assert left.identity_gap == 0
    assert result(ledger, WEDNESDAY, [], {}).daily_return is None


def test_adjusted_shares_are_a_flow_and_their_later_move_is_profit() -> None:
    """10 shares come in at 20 and close at 21: 200 flow, 10 profit, nothing traded."""
    change = Adjustment(
        symbol="SPY",
        quantity=Decimal(10),
        price=Decimal(20),
        cash=Decimal(0),
        currency="USD",
        reason="r",
    )
    day = result(new_ledger(), MONDAY, [change], marks(SPY="21"))
    assert day.flows == 200
    assert day.pnl == 10
    assert day.traded == 0


def test_arguments_that_do_not_belong_together_are_refused() -> None:
    ledger = new_ledger()
    result(ledger, MONDAY, [flow("100")], {})
    assert ledger.last_activity is not None
    assert ledger.last_close is not None
    wrong = replace(ledger.last_close, equity=Decimal(101))
    with pytest.raises(LedgerError, match=r"equity moved by 1\.00 that"):
        daily_result(None, ledger.last_activity, wrong)


def closed_with(
    positions: dict[str, str], prices: dict[str, Mark], cash: str, rates: dict[str, Decimal]
) -> BookClose:
    held = {symbol: Decimal(shares) for symbol, shares in positions.items()}
    values = market_values(held, prices, rates)
    return BookClose(
        session=MONDAY,
        positions=held,
        values=values,
        marks=prices,
        cash=Decimal(cash),
        equity=sum(values.values(), Decimal(cash)),
        benchmark=None,
    )


def test_positions_are_valued_once_each_and_weighed_by_equity() -> None:
    """3 for 100.00 at 40.005 is 120.015, to even 120.02; short 2 for -50 at 24 is -48."""
    prices = marks(SPY="40.005", IWM="24")
    close = closed_with({"SPY": "3", "IWM": "-2"}, prices, "927.98", {})
    iwm, spy = position_values(close, {"SPY": Decimal("100.00"), "IWM": Decimal("-50.00")})
    assert spy.market_value == Decimal("120.02")
    assert spy.average_cost == Decimal("33.333333")
    assert spy.unrealized_pnl == Decimal("20.02")
    assert spy.weight == Decimal("0.12002")
    assert spy.mark_session == MONDAY
    assert iwm.market_value == -48
    assert iwm.average_cost == 25
    assert iwm.unrealized_pnl == 2
    assert iwm.weight == Decimal("-0.048")


def test_a_position_in_another_currency_is_valued_at_its_rate_and_rounded_once() -> None:
    """3 at 40.005 EUR, 1.1 USD each: 132.0165, to the cent 132.02."""
    close = closed_with({"SAP": "3"}, marks(SAP="40.005"), "0", {"SAP": Decimal("1.1")})
    (sap,) = position_values(close, {"SAP": Decimal("120.00")})
    assert sap.market_value == Decimal("132.02")
    assert sap.unrealized_pnl == Decimal("12.02")


def test_weights_of_no_equity_are_not_divided() -> None:
    close = closed_with({"SPY": "1"}, marks(SPY="1"), "-1", {})
    (value,) = position_values(close, {"SPY": Decimal(1)})
    assert value.weight == 0


def test_no_positions_have_no_values_and_a_missing_mark_is_named() -> None:
    assert position_values(closed_with({}, {}, "0", {}), {}) == ()
    with pytest.raises(LedgerError, match="no mark for SPY"):
        market_values({"SPY": Decimal(1)}, {})


TRADES = st.builds(
    trade,
    quantity=st.integers(-(10**6), 10**6).filter(bool).map(lambda n: str(Decimal(n) / 1000)),
    price=st.integers(1, 10**6).map(lambda n: str(Decimal(n) / 1000)),
    fee=st.integers(0, 300).map(lambda n: str(Decimal(n) / 100)),
    symbol=st.sampled_from(["SPY", "IWM"]),
)
FLOWS = st.integers(-(10**6), 10**6).filter(bool).map(lambda n: flow(str(Decimal(n) / 100)))
CLOSES = st.tuples(st.integers(1, 10**6), st.integers(1, 10**6))


@given(st.lists(st.tuples(st.lists(st.one_of(TRADES, FLOWS), max_size=6), CLOSES), max_size=6))
def test_the_identity_is_exact_over_any_sessions(
    sessions: list[tuple[list[AnyEvent], tuple[int, int]]],
) -> None:
    ledger = new_ledger()
    total = Decimal(0)
    for number, (events, (spy, iwm)) in enumerate(sessions):
        prices = marks(SPY=str(Decimal(spy) / 1000), IWM=str(Decimal(iwm) / 1000))
        day = result(ledger, MONDAY + dt.timedelta(number), events, prices)
        assert day.identity_gap == 0
        assert day.closing_equity == day.cash + day.market_value
        assert day.pnl == sum(one.pnl for one in day.instruments)
        assert day.fees == sum(one.commission for one in day.instruments)
        total += day.pnl - day.fees + day.flows
        assert day.closing_equity == total
