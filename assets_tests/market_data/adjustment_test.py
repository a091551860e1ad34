"""Plan prices through corporate actions, worked by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from trading_assets.market_data.adjustment import adjusted_for_actions
from trading_assets.market_data.corporate_actions import CorporateActions
from trading_assets.model.corporate_actions import (
    CashMerger,
    CorporateAction,
    Delisting,
    Dividend,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.instrument import Price, PriceSnapshot

THURSDAY, FRIDAY, MONDAY, TUESDAY = (
    dt.date(2020, 8, 27),
    dt.date(2020, 8, 28),
    dt.date(2020, 8, 31),
    dt.date(2020, 9, 1),
)
BEFORE = {FRIDAY: THURSDAY, MONDAY: FRIDAY, THURSDAY: dt.date(2020, 8, 26)}


def price(symbol: str, close: str, session: dt.date = FRIDAY, reference: str = "") -> Price:
    return Price(
        symbol=symbol,
        price=Decimal(close),
        currency="USD",
        session=session,
        age_sessions=0,
        source="closes.csv",
        reference_price=Decimal(reference) if reference else None,
        volume=Decimal(1000),
    )


def adjusted(
    session: dt.date, prices: list[Price], *actions: CorporateAction, missing: tuple[str, ...] = ()
) -> PriceSnapshot:
    snapshot = PriceSnapshot(
        session=session, prices={one.symbol: one for one in prices}, missing=missing
    )
    by_symbol = CorporateActions(actions).by_symbol
    return adjusted_for_actions(
        snapshot, by_symbol, lambda one: BEFORE[one.session] if one.reference_price else None
    )


SPLIT = Split(symbol="AAPL", ex_date=MONDAY, new_shares=4, old_shares=1)


def test_before_the_ex_date_session_price_and_reference_are_divided() -> None:
    found = adjusted(MONDAY, [price("AAPL", "499.23", FRIDAY, "500.04")], SPLIT).prices["AAPL"]
    assert (found.price, found.reference_price) == (Decimal("124.8075"), Decimal("125.01"))
    assert (found.volume, found.session) == (Decimal(4000), FRIDAY)
    assert found.source == "closes.csv; split 4:1 of 2020-08-31"


def test_after_the_ex_date_only_the_reference_price_is_one_of_before() -> None:
    found = adjusted(TUESDAY, [price("AAPL", "129.04", MONDAY, "499.23")], SPLIT).prices["AAPL"]
    assert (found.price, found.reference_price) == (Decimal("129.04"), Decimal("124.8075"))
    assert (found.volume, found.source) == (Decimal(1000), "closes.csv")


def test_before_it_is_due_and_long_after_it_nothing_is_changed() -> None:
    early = price("AAPL", "500.04", THURSDAY, "506.09")
    assert adjusted(FRIDAY, [early], SPLIT).prices["AAPL"] is early
    late = price("AAPL", "129.04", MONDAY, "130")
    old = Split(symbol="AAPL", ex_date=THURSDAY, new_shares=4, old_shares=1)
    assert adjusted(TUESDAY, [late], old).prices["AAPL"] is late


def test_a_close_that_is_missing_on_the_ex_date_is_adjusted_as_long_as_it_is_the_latest() -> None:
    found = adjusted(TUESDAY, [price("AAPL", "499.23", FRIDAY, "500.04")], SPLIT).prices["AAPL"]
    assert found.price == Decimal("124.8075")


def test_a_reverse_split_and_a_stock_dividend_multiply_and_divide() -> None:
    reverse = Split(symbol="USO", ex_date=MONDAY, new_shares=1, old_shares=8)
    given = StockDividend(symbol="TR", ex_date=MONDAY, new_shares=1, old_shares=20)
    found = adjusted(MONDAY, [price("USO", "2.14"), price("TR", "42")], reverse, given).prices
    assert found["USO"].price == Decimal("17.12")
    assert found["TR"].price == Decimal(40)
    # 20 shares become 21.
    assert (found["USO"].volume, found["TR"].volume) == (Decimal(125), Decimal(1050))
    assert found["TR"].source == "closes.csv; stock dividend 1:20 of 2020-08-31"


def test_a_price_that_does_not_divide_evenly_is_kept_to_eight_decimals() -> None:
    split = Split(symbol="X", ex_date=MONDAY, new_shares=3, old_shares=1)
    assert adjusted(MONDAY, [price("X", "100")], split).prices["X"].price == Decimal("33.33333333")


def test_a_new_name_has_the_price_of_the_old_one() -> None:
    change = SymbolChange(symbol="FB", effective_date=MONDAY, new_symbol="META")
    found = adjusted(MONDAY, [price("FB", "196.64")], change, missing=("META", "NONE"))
    assert found.missing == ("FB", "NONE")
    assert found.prices["META"].price == Decimal("196.64")
    assert found.prices["META"].symbol == "META"
    assert found.prices["META"].source == "closes.csv; FB until 2020-08-31"


def test_a_later_close_of_the_new_name_stands() -> None:
    change = SymbolChange(symbol="FB", effective_date=MONDAY, new_symbol="META")
    prices = [price("FB", "196.64"), price("META", "200", MONDAY)]
    found = adjusted(TUESDAY, prices, change)
    assert (found.prices["META"].price, found.missing) == (Decimal(200), ("FB",))


def test_a_split_on_the_day_of_a_new_name_is_in_the_price_that_goes_over() -> None:
    split = Split(symbol="FB", ex_date=MONDAY, new_shares=2, old_shares=1)
    change = SymbolChange(symbol="FB", effective_date=MONDAY, new_symbol="META")
    found = adjusted(MONDAY, [price("FB", "196")], change, split, missing=("META",))
    assert found.prices["META"].price == Decimal(98)


def test_a_spin_off_divides_the_parents_price_and_loses_nothing() -> None:
    # 4 % of 125 goes to the fifth of a new share that each share is given: 25 for a whole one.
    spin_off = SpinOff(
        symbol="IBM",
        ex_date=MONDAY,
        new_symbol="KD",
        new_shares=1,
        old_shares=5,
        basis_fraction=Decimal("0.04"),
    )
    found = adjusted(MONDAY, [price("IBM", "125", FRIDAY, "120")], spin_off, missing=("KD",))
    assert found.prices["IBM"].price == Decimal(120)
    assert found.prices["IBM"].reference_price == Decimal("115.2")
    assert found.prices["KD"].price == Decimal(25)
    assert found.prices["KD"].source == "closes.csv of IBM; spin-off of KD of 2020-08-31"
    assert Decimal(5) * 120 + 25 == Decimal(5) * 125


def test_a_when_issued_close_of_the_new_shares_is_kept() -> None:
    spin_off = SpinOff(
        symbol="IBM",
        ex_date=MONDAY,
        new_symbol="KD",
        new_shares=1,
        old_shares=5,
        basis_fraction=Decimal("0.04"),
    )
    found = adjusted(MONDAY, [price("IBM", "125"), price("KD", "28")], spin_off)
    assert found.prices["KD"].price == Decimal(28)


def test_what_ceased_to_trade_has_no_price() -> None:
    merger = CashMerger(symbol="TIF", effective_date=MONDAY, price=Decimal("131.5"))
    delisting = Delisting(symbol="LEH", effective_date=MONDAY, price=Decimal(0))
    found = adjusted(MONDAY, [price("TIF", "131"), price("LEH", "3.65")], merger, delisting)
    assert (found.prices, found.missing) == ({}, ("TIF", "LEH"))


def test_a_cash_dividend_changes_no_price() -> None:
    dividend = Dividend(
        symbol="SPY", ex_date=MONDAY, amount_per_share=Decimal("1.34"), currency="USD"
    )
    spy = price("SPY", "350.58")
    assert adjusted(MONDAY, [spy], dividend).prices["SPY"] is spy
