"""A session's result where income, corporate actions and a second currency take part."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from trading_assets.analytics.pnl import daily_result
from trading_assets.ledger.fold import Ledger
from trading_assets.model.cash_events import (
    BorrowFee,
    CashFlow,
    CashFlowKind,
    CurrencyConversion,
    Fee,
    FeeKind,
    FxRate,
    Interest,
    TaxWithheld,
)
from trading_assets.model.corporate_actions import Dividend, DividendPayment, SpinOff, Split
from trading_assets.model.events import AnyEvent, BrokerStatement, Mark, SessionClosed
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import AccountingPolicy
from trading_assets.model.result import DailyResult

MONDAY = dt.date(2024, 1, 8)
TUESDAY = MONDAY + dt.timedelta(1)
WEDNESDAY = MONDAY + dt.timedelta(2)
NOON = dt.datetime(2024, 1, 8, 17, tzinfo=dt.UTC)


def euros(rate: str) -> FxRate:
    return FxRate(currency="EUR", rate=Decimal(rate), as_of=NOON)


def deposit(amount: str, currency: str = "USD") -> CashFlow:
    return CashFlow(
        kind=CashFlowKind.DEPOSIT, amount=Decimal(amount), currency=currency, reference="d"
    )


def trade(symbol: str, quantity: str, price: str, currency: str, commission: str = "0") -> Fill:
    shares = Decimal(quantity)
    return Fill(
        execution_id=f"{symbol}-{quantity}-{price}",
        client_order_id="",
        symbol=symbol,
        side=Side.BUY if shares > 0 else Side.SELL,
        quantity=abs(shares),
        price=Decimal(price),
        commission=Decimal(commission),
        currency=currency,
        executed_at=NOON,
    )


def close_of(ledger: Ledger, session: dt.date, rate: str, prices: Mapping[str, str]) -> DailyResult:
    """Close a session at `prices` and a rate of the euro; its result."""
    marks = {
        symbol: Mark(price=Decimal(price), session=session, source="test")
        for symbol, price in prices.items()
    }
    value = ledger.valued(marks, {"EUR": Decimal(rate)})
    ledger.apply_event(
        session,
        SessionClosed(
            marks=marks,
            cash=value.cash,
            market_value=value.market_value,
            equity=value.equity,
            statement=BrokerStatement(account_number="", positions={}, cash=value.cash),
            cash_balances=ledger.cash_balances,
            fx_rates={"EUR": Decimal(rate)},
            accruals=value.accruals,
        ),
    )
    assert ledger.last_activity is not None
    assert ledger.last_close is not None
    return daily_result(ledger.previous_close, ledger.last_activity, ledger.last_close)


def test_price_and_exchange_gains_of_a_foreign_share_are_told_apart() -> None:
    """10 bought at 100 EUR when a euro is 1.10, on a balance of 1,000 EUR that came at 1.00.

    The cash has gained 1,000 x 0.10 = 100.00 by then. At the close the share stands at 110 EUR and
    the euro at 1.20: worth 1,320.00, bought for 1,100.00, so the share earned 220.00. Sold on
    Tuesday at 110 EUR and 1.20, nothing more: price gain 100 EUR = 120.00, the rest, 1,000 EUR x
    0.10, is exchange gain.
    """
    ledger = Ledger(AccountingPolicy(), "USD")
    for event in (euros("1.00"), deposit("1000", "EUR"), euros("1.10")):
        ledger.apply_event(MONDAY, event)
    ledger.apply_event(MONDAY, trade("SAP", "10", "100", "EUR"))
    day = close_of(ledger, MONDAY, "1.20", {"SAP": "110"})
    assert [day.flows, day.pnl, day.fx_pnl] == [1000, 320, 100]
    assert day.closing_equity == 1320
    assert ledger.realized_fx_gain == 100

    ledger.apply_event(TUESDAY, trade("SAP", "-10", "110", "EUR"))
    assert ledger.realized_pnl == {"SAP": 100}
    assert ledger.realized_fx_gain == 200
    day = close_of(ledger, TUESDAY, "1.20", {"SAP": "110"})
    assert [day.pnl, day.fx_pnl, day.realized_pnl] == [0, 0, 220]
    assert ledger.cash_balances == {"EUR": 1100}
    assert day.cash == 1320


def test_a_dividend_is_income_when_it_goes_ex_and_cash_when_it_is_paid() -> None:
    """100 shares, 0.82 each, 15 % withheld on payment; the share falls by the dividend."""
    ledger = Ledger(AccountingPolicy(), "USD")
    ledger.apply_event(MONDAY, deposit("10000"))
    ledger.apply_event(MONDAY, trade("AAPL", "100", "100", "USD"))
    close_of(ledger, MONDAY, "1", {"AAPL": "100"})

    dividend = Dividend(
        symbol="AAPL", ex_date=TUESDAY, amount_per_share=Decimal("0.82"), currency="USD"
    )
    ledger.apply_event(TUESDAY, dividend)
    day = close_of(ledger, TUESDAY, "1", {"AAPL": "99.18"})
    assert [day.pnl, day.dividends, day.accruals, day.cash] == [0, 82, 82, 0]
    assert day.closing_equity == 10000

    payment = DividendPayment(
        symbol="AAPL", ex_date=TUESDAY, amount=Decimal(82), currency="USD", reference="p"
    )
    tax = TaxWithheld(amount=Decimal("12.30"), currency="USD", reference="t", symbol="AAPL")
    ledger.apply_event(WEDNESDAY, payment)
    ledger.apply_event(WEDNESDAY, tax)
    day = close_of(ledger, WEDNESDAY, "1", {"AAPL": "99.18"})
    assert [day.dividends, day.accruals] == [0, 0]
    assert day.taxes == day.fees == Decimal("12.30")
    assert day.cash == Decimal("69.70")


SHARES = st.integers(-(10**5), 10**5).filter(bool).map(lambda n: str(Decimal(n) / 100))
PRICES = st.integers(1, 10**5).map(lambda n: str(Decimal(n) / 100))
MONEY = st.integers(-(10**6), 10**6).filter(bool).map(lambda n: Decimal(n) / 100)
RATES = st.integers(50, 200).map(lambda n: str(Decimal(n) / 100))
CURRENCIES = st.sampled_from(["USD", "EUR"])
LISTED = {"SPY": "USD", "SAP": "EUR"}
SYMBOLS = st.sampled_from(sorted(LISTED))


def _flow(amount: Decimal, currency: str) -> CashFlow:
    kind = CashFlowKind.DEPOSIT if amount > 0 else CashFlowKind.WITHDRAWAL
    return CashFlow(kind=kind, amount=amount, currency=currency, reference="f")


Declared = tuple[str, Decimal, str]
"""A dividend's symbol, amount per share and currency."""

AT_THE_OPEN: st.SearchStrategy[Split | SpinOff | Declared] = st.one_of(
    st.builds(
        lambda symbol, new, old, price: Split(
            symbol=symbol,
            ex_date=MONDAY,
            new_shares=new,
            old_shares=old,
            cash_in_lieu_price=None if price is None else Decimal(price),
        ),
        SYMBOLS,
        st.integers(1, 9),
        st.integers(1, 9),
        st.none() | PRICES,
    ),
    st.builds(
        lambda symbol, fraction: SpinOff(
            symbol=symbol,
            ex_date=MONDAY,
            new_symbol=f"{symbol}X",
            new_shares=1,
            old_shares=3,
            basis_fraction=Decimal(fraction) / 100,
        ),
        SYMBOLS,
        st.integers(0, 100),
    ),
    st.builds(
        lambda symbol, amount, currency: (symbol, Decimal(amount) / 100, currency),
        SYMBOLS,
        st.integers(0, 500),
        CURRENCIES,
    ),
)
DURING = st.one_of(
    st.builds(
        lambda symbol, shares, price, cents: trade(
            symbol, shares, price, LISTED[symbol], str(Decimal(cents) / 100)
        ),
        SYMBOLS,
        SHARES,
        PRICES,
        st.integers(0, 500),
    ),
    st.builds(_flow, MONEY, CURRENCIES),
    st.builds(
        lambda amount, currency: Fee(
            kind=FeeKind.OTHER, amount=amount, currency=currency, reference="x", symbol="SPY"
        ),
        MONEY,
        CURRENCIES,
    ),
    st.builds(
        lambda amount, currency: Interest(amount=amount, currency=currency, reference="i"),
        MONEY,
        CURRENCIES,
    ),
    st.builds(
        lambda amount: BorrowFee(symbol="SAP", amount=amount, currency="EUR", reference="b"), MONEY
    ),
    st.builds(euros, RATES),
    st.builds(
        lambda one, other, forth: CurrencyConversion(
            sold_currency="USD" if forth else "EUR",
            sold_amount=abs(one),
            bought_currency="EUR" if forth else "USD",
            bought_amount=abs(other),
            reference="c",
        ),
        MONEY,
        MONEY,
        st.booleans(),
    ),
)


Session = tuple[list[Split | SpinOff | Declared], list[AnyEvent], tuple[str, str, str, str, str]]
"""What happens at the open and during a session; prices of four symbols and the euro's rate."""


@settings(max_examples=120)
@given(
    st.lists(
        st.tuples(
            st.lists(AT_THE_OPEN, max_size=2),
            st.lists(DURING, max_size=5),
            st.tuples(PRICES, PRICES, PRICES, PRICES, RATES),
        ),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_the_identity_is_exact_whatever_happened_in_two_currencies(
    sessions: list[Session],
    in_basis: bool,
) -> None:
    """daily_result refuses a gap of a cent; it adds up what its parts say, from flows alone."""
    ledger = Ledger(AccountingPolicy(commission_in_basis=in_basis), "USD")
    ledger.apply_event(MONDAY, euros("1.1"))
    total = Decimal(0)
    owed: list[tuple[dt.date, str, Decimal, str]] = []
    for number, (opening, during, (spy, sap, spyx, sapx, rate)) in enumerate(sessions):
        session = MONDAY + dt.timedelta(number)
        for ex_date, name, amount, currency in owed:
            payment = DividendPayment(
                symbol=name, ex_date=ex_date, amount=amount, currency=currency, reference="p"
            )
            ledger.apply_event(session, payment)
        owed = []
        for event in opening:
            if isinstance(event, Split | SpinOff):
                child = ledger.positions.get(f"{event.symbol}X", Decimal(0))
                same_side = child * ledger.positions.get(event.symbol, Decimal(0)) >= 0
                if isinstance(event, Split) or same_side:
                    ledger.apply_event(session, event)
            elif not owed:
                name, per_share, currency = event
                shares = ledger.positions.get(name, Decimal(0))
                ledger.apply_event(
                    session,
                    Dividend(
                        symbol=name,
                        ex_date=session,
                        amount_per_share=per_share,
                        currency=currency,
                    ),
                )
                if shares:
                    owed.append((session, name, shares * per_share, currency))
        for traded in during:
            ledger.apply_event(session, traded)
        prices = {"SPY": spy, "SAP": sap, "SPYX": spyx, "SAPX": sapx}
        day = close_of(ledger, session, rate, prices)
        total += day.pnl + day.flows - day.fees
        assert day.closing_equity == total
        assert not any(
            sum(held for (_, name), held in ledger.accounts.items() if name == currency)
            for currency in ("USD", "EUR")
        )
        for name, held in ledger.positions.items():
            assert sum(lot.quantity for lot in ledger.lots(name)) == held
            assert sum(lot.cost_basis for lot in ledger.lots(name)) == ledger.cost_basis(name)
            assert sum(lot.base_cost_basis for lot in ledger.lots(name)) == ledger.cost_bases[name]
