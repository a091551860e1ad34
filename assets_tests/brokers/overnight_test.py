"""What the simulated account does before a session opens: rules 8 to 13, numbered as in
`simulated.py`, worked by hand, and what it keeps of them over a restart."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.model.account import CashActivity
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
from trading_assets.model.order import Side
from trading_assets.model.policies import CommissionPolicy, SimulationPolicy

FRIDAY = dt.date(2024, 3, 1)
MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (dt.date(2024, 3, day) for day in (4, 5, 6, 7))
BEGINNING = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
SPLIT = Split(symbol="AAA", ex_date=MONDAY, new_shares=4, old_shares=1)


def at(session: dt.date, hour: int) -> dt.datetime:
    return dt.datetime.combine(session, dt.time(hour), tzinfo=dt.UTC)


def snapshot(session: dt.date, **closes: str) -> PriceSnapshot:
    prices = {
        symbol: Price(
            symbol=symbol,
            price=Decimal(close),
            currency="USD",
            session=session,
            age_sessions=0,
            source="test",
        )
        for symbol, close in closes.items()
    }
    return PriceSnapshot(session=session, prices=prices)


class Account:
    """An account that trades by hand and goes from night to night; `reopened` at will."""

    def __init__(self, folder: Path, cash: str = "10000", **rules: Any) -> None:
        self.folder = folder
        self.rules = rules
        self.broker = self._open()
        self.broker.deposit("initial", FRIDAY, Decimal(cash))

    def _open(self) -> SimulatedBroker:
        return SimulatedBroker(
            self.folder / "account.sqlite",
            "SIM-1",
            "USD",
            SimulationPolicy(**{"margin_multiplier": 3} | self.rules),
            CommissionPolicy(),
        )

    def reopened(self) -> Account:
        """The same account in another process."""
        self.broker.close()
        self.broker = self._open()
        return self

    def day(self, session: dt.date, closes: dict[str, str], **trades: str) -> Account:
        """A session in which signed shares are traded at the close."""
        self.broker.begin_session(session, at(session, 21), snapshot(session, **closes))
        for symbol, quantity in trades.items():
            shares = Decimal(quantity)
            side = Side.BUY if shares > 0 else Side.SELL
            self.broker.place_by_hand(symbol, side, abs(shares))
        self.broker.end_session()
        return self

    def night(self, session: dt.date, *actions: CorporateAction) -> Account:
        """What is before `session`."""
        self.broker.pass_night(session, at(session, 14), actions)
        return self

    @property
    def positions(self) -> dict[str, Decimal]:
        return self.broker.positions().require()

    @property
    def cash(self) -> Decimal:
        return self.broker.account().require().cash

    @property
    def activities(self) -> list[tuple[str, Decimal]]:
        found = self.broker.cash_activities_since(BEGINNING).require()
        return [(activity.activity_id, activity.amount) for activity in found]


def split_with_cash(new: int, old: int, price: str | None) -> Split:
    return Split(
        symbol="AAA",
        ex_date=MONDAY,
        new_shares=new,
        old_shares=old,
        cash_in_lieu_price=None if price is None else Decimal(price),
    )


def dividend(amount: str, pay_date: dt.date | None = None, symbol: str = "AAA") -> Dividend:
    return Dividend(
        symbol=symbol,
        ex_date=MONDAY,
        amount_per_share=Decimal(amount),
        currency="USD",
        pay_date=pay_date,
    )


def spin_off(price: str | None = None) -> SpinOff:
    return SpinOff(
        symbol="AAA",
        ex_date=MONDAY,
        new_symbol="NEW",
        new_shares=1,
        old_shares=4,
        basis_fraction=Decimal("0.2"),
        cash_in_lieu_price=None if price is None else Decimal(price),
    )


@pytest.mark.parametrize(
    ("held", "action", "after", "cash"),
    [
        ("10", SPLIT, "40", "0"),
        ("-10", SPLIT, "-40", "0"),
        ("10", split_with_cash(1, 8, None), "1.25", "0"),
        ("10", split_with_cash(1, 8, "16"), "1", "4"),
        ("-10", split_with_cash(1, 8, "16"), "-1", "-4"),
        ("5", split_with_cash(1, 8, "16"), None, "10"),
        # A third of 10 shares, cut to nine decimals.
        ("10", split_with_cash(1, 3, None), "3.333333333", "0"),
        (
            "30",
            StockDividend(symbol="AAA", ex_date=MONDAY, new_shares=1, old_shares=20),
            "31.5",
            "0",
        ),
    ],
)
def test_rule_8_shares_are_multiplied_and_a_fraction_may_be_paid_out(
    tmp_path: Path, held: str, action: CorporateAction, after: str | None, cash: str
) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "2"}, AAA=held)
    before = account.cash
    account.night(MONDAY, action)
    assert account.positions == ({} if after is None else {"AAA": Decimal(after)})
    assert account.cash - before == Decimal(cash)
    assert account.activities == []


def test_rule_8_a_spin_off_gives_new_shares_and_pays_for_the_fraction(tmp_path: Path) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100"}, AAA="10")
    account.night(MONDAY, spin_off())
    assert account.positions == {"AAA": Decimal(10), "NEW": Decimal("2.5")}
    paid = Account(tmp_path / "paid").day(FRIDAY, {"AAA": "100"}, AAA="10")
    paid.night(MONDAY, spin_off("80"))
    assert paid.positions == {"AAA": Decimal(10), "NEW": Decimal(2)}
    assert paid.cash - account.cash == 40


def test_rule_8_only_what_was_given_is_paid_out_not_what_was_a_fraction_before(
    tmp_path: Path,
) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100", "NEW": "80"}, AAA="10", NEW="0.25")
    before = account.cash
    # 2.5 are given beside the quarter that was there, and half a share is paid.
    account.night(MONDAY, spin_off("80"))
    assert account.positions == {"AAA": Decimal(10), "NEW": Decimal("2.25")}
    assert account.cash - before == 40
    given = StockDividend(
        symbol="AAA",
        ex_date=TUESDAY,
        new_shares=1,
        old_shares=4,
        cash_in_lieu_price=Decimal(80),
    )
    # 2.5 are added to 10.
    account.day(MONDAY, {"AAA": "100", "NEW": "80"}).night(TUESDAY, given)
    assert account.positions["AAA"] == 12
    assert account.cash - before == 80


def test_rule_9_a_dividend_is_paid_on_what_was_held_at_the_open_of_its_ex_date(
    tmp_path: Path,
) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100"}, AAA="10")
    before = account.cash
    account.night(MONDAY, dividend("0.505", WEDNESDAY)).day(MONDAY, {"AAA": "100"}, AAA="-10")
    account.night(TUESDAY).day(TUESDAY, {"AAA": "100"})
    assert account.cash == before + 1000
    account.night(WEDNESDAY)
    assert account.cash == before + 1000 + Decimal("5.05")
    (paid,) = account.broker.cash_activities_since(at(TUESDAY, 14)).require()
    assert (paid.symbol, paid.ex_date, paid.occurred_at) == ("AAA", MONDAY, at(WEDNESDAY, 14))
    assert account.activities == [("dividend/AAA/2024-03-04", Decimal("5.05"))]
    assert account.broker.cash_activities_since(at(WEDNESDAY, 14)).require() == ()


def test_rule_9_without_a_pay_date_it_is_paid_on_the_ex_date_and_a_short_pays_it(
    tmp_path: Path,
) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100", "BBB": "50"}, AAA="10", BBB="-10")
    account.night(MONDAY, dividend("1"), dividend("0.5", symbol="BBB"), dividend("9", symbol="CCC"))
    assert account.activities == [
        ("dividend/AAA/2024-03-04", Decimal(10)),
        ("dividend/BBB/2024-03-04", Decimal(-5)),
    ]


def test_rule_9_a_pay_date_that_is_no_session_is_the_next_one(tmp_path: Path) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100"}, AAA="10")
    account.night(MONDAY, dividend("1", TUESDAY)).day(MONDAY, {"AAA": "100"})
    account.night(WEDNESDAY)
    assert account.activities == [("dividend/AAA/2024-03-04", Decimal(10))]


def test_rule_9_a_dividend_of_the_day_of_a_split_is_per_new_share(tmp_path: Path) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100"}, AAA="10")
    account.night(MONDAY, SPLIT, dividend("1"))
    assert account.activities == [("dividend/AAA/2024-03-04", Decimal(40))]
    assert account.positions == {"AAA": Decimal(40)}


def test_rule_10_a_new_name_takes_shares_and_dividends_owed_along(tmp_path: Path) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100"}, AAA="10")
    account.night(MONDAY, dividend("1", WEDNESDAY)).day(MONDAY, {"AAA": "100"})
    account.night(TUESDAY, SymbolChange(symbol="AAA", effective_date=TUESDAY, new_symbol="ZZZ"))
    assert account.positions == {"ZZZ": Decimal(10)}
    account.day(TUESDAY, {"ZZZ": "101"}).reopened().night(WEDNESDAY)
    (paid,) = account.broker.cash_activities_since(BEGINNING).require()
    assert (paid.symbol, paid.amount) == ("ZZZ", Decimal(10))


@pytest.mark.parametrize(
    ("held", "action", "cash"),
    [
        (
            "10",
            CashMerger(symbol="AAA", effective_date=MONDAY, price=Decimal("131.505")),
            "1315.05",
        ),
        ("-10", CashMerger(symbol="AAA", effective_date=MONDAY, price=Decimal(120)), "-1200"),
        ("10", Delisting(symbol="AAA", effective_date=MONDAY, price=Decimal(0)), "0"),
    ],
)
def test_rule_11_every_share_ends_at_the_price(
    tmp_path: Path, held: str, action: CorporateAction, cash: str
) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100"}, AAA=held)
    before = account.cash
    account.night(MONDAY, action)
    assert (account.positions, account.cash - before) == ({}, Decimal(cash))
    assert account.activities == []


def test_rule_12_cash_bears_interest_for_the_calendar_days_since_the_close(tmp_path: Path) -> None:
    # Three days from Friday to Monday on 10,000 at 3.6 %: a dollar a day.
    account = Account(tmp_path, credit_rate="0.036", debit_rate="0.5").day(FRIDAY, {"AAA": "100"})
    account.night(MONDAY)
    assert account.activities == [("interest/2024-03-04", Decimal("3.00"))]
    account.day(MONDAY, {"AAA": "100"}).night(TUESDAY)
    # On 10,003 for one day: 1.0003.
    assert account.activities[1] == ("interest/2024-03-05", Decimal("1.00"))
    assert account.cash == Decimal("10004.00")
    (first, _) = account.broker.cash_activities_since(BEGINNING).require()
    assert first.basis is not None
    assert (first.basis.balance, first.basis.start, first.basis.end) == (
        Decimal(10000),
        FRIDAY,
        MONDAY,
    )


def test_rule_12_borrowed_cash_costs_the_other_rate_by_the_named_day_count(tmp_path: Path) -> None:
    # 200 shares at 100 of 10,000: 10,000 are borrowed; 7.3 % of 365 days are 2 a day.
    account = Account(tmp_path, credit_rate="0.5", debit_rate="0.073", day_count="actual/365")
    account.day(FRIDAY, {"AAA": "100"}, AAA="200").night(MONDAY)
    assert account.activities == [("interest/2024-03-04", Decimal("-6.00"))]


def test_rule_12_borrowed_shares_cost_a_fee_on_their_value_at_the_close(tmp_path: Path) -> None:
    # 50 shares short at 120 are 6,000; 6 % of 360 days are 1 a day. The long position is free.
    account = Account(tmp_path, borrow_rate="0.06")
    account.day(FRIDAY, {"AAA": "120", "BBB": "10"}, AAA="-50", BBB="100").reopened().night(MONDAY)
    (fee,) = account.broker.cash_activities_since(BEGINNING).require()
    assert (fee.activity_id, fee.amount) == ("borrow_fee/AAA/2024-03-04", Decimal("-3.00"))
    assert fee.basis is not None
    assert fee.basis.balance == 6000


def test_rule_13_what_belongs_to_a_corporate_action_is_no_cash_activity(tmp_path: Path) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100", "BBB": "100"}, AAA="10", BBB="10")
    merger = CashMerger(symbol="BBB", effective_date=MONDAY, price=Decimal(120))
    before = account.cash
    account.night(MONDAY, split_with_cash(1, 8, "800"), merger)
    assert account.cash - before == 1200 + 200
    assert account.activities == []


# Once, and over a restart


def test_a_night_passes_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    account = Account(tmp_path, credit_rate="0.036").day(FRIDAY, {"AAA": "100"}, AAA="10")
    for _ in range(2):
        account.night(MONDAY, dividend("1"), SPLIT)
        account.reopened().night(MONDAY, dividend("1"), SPLIT)
        account.broker.begin_session(MONDAY, at(MONDAY, 21), snapshot(MONDAY, AAA="25"))
    assert account.positions == {"AAA": Decimal(40)}
    # 9,000 of cash at 3.6 % for three days.
    assert account.activities == [
        ("interest/2024-03-04", Decimal("2.70")),
        ("dividend/AAA/2024-03-04", Decimal(10)),
    ]
    assert account.cash == Decimal("9012.70")


def test_executions_before_and_after_a_split_are_read_in_their_order(tmp_path: Path) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100"}, AAA="10")
    account.night(MONDAY, SPLIT).day(MONDAY, {"AAA": "25"}, AAA="-4")
    account.night(TUESDAY, dividend("1")).day(TUESDAY, {"AAA": "26"}, AAA="-1")
    assert account.positions == {"AAA": Decimal(35)}
    cash, activities = account.cash, account.activities
    account.reopened()
    assert account.positions == {"AAA": Decimal(35)}
    assert (account.cash, account.activities) == (cash, activities)


def test_a_trade_by_hand_in_the_session_does_not_count_at_its_open(tmp_path: Path) -> None:
    """Whoever entered the session before its night was asked for trades after its actions."""
    account = Account(tmp_path, borrow_rate="0.06").day(FRIDAY, {"AAA": "100"}, AAA="10")
    account.broker.begin_session(MONDAY, at(MONDAY, 21), snapshot(MONDAY, AAA="25"))
    account.broker.place_by_hand("AAA", Side.BUY, Decimal(3))
    account.night(MONDAY, dividend("1"), SPLIT)
    assert account.positions == {"AAA": Decimal(43)}
    assert account.activities == [("dividend/AAA/2024-03-04", Decimal(10))]
    assert account.reopened().positions == {"AAA": Decimal(43)}


def test_without_a_close_shares_are_valued_at_the_last_one_in_new_shares(tmp_path: Path) -> None:
    """10 shares of 100 are 40 of 25, worth 1,000 as before."""
    account = Account(tmp_path, margin_multiplier=1).day(FRIDAY, {"AAA": "100"}, AAA="10")
    for process in range(2):
        account.night(MONDAY, SPLIT)
        account.broker.begin_session(MONDAY, at(MONDAY, 21), snapshot(MONDAY, BBB="90"))
        assert account.positions["AAA"] * account.broker._marks["AAA"] == 1000, process
        account.reopened()


def test_a_restart_takes_nights_back(tmp_path: Path) -> None:
    account = Account(tmp_path).day(FRIDAY, {"AAA": "100"}, AAA="10")
    account.night(MONDAY, dividend("1", TUESDAY), SPLIT).day(MONDAY, {"AAA": "25"})
    account.night(TUESDAY).day(TUESDAY, {"AAA": "25"})
    assert account.activities
    account.broker.restart_from(TUESDAY, revision=1)
    assert account.activities == []
    account.night(TUESDAY)
    assert account.activities == [("dividend/AAA/2024-03-04", Decimal(10))]
    account.broker.restart_from(MONDAY, revision=2)
    assert (account.positions, account.activities) == ({"AAA": Decimal(10)}, [])
    account.night(MONDAY, split_with_cash(2, 1, None))
    assert account.positions == {"AAA": Decimal(20)}


def test_an_activity_is_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    account = Account(tmp_path, credit_rate="0.036").day(FRIDAY, {"AAA": "100"}, AAA="10")
    account.night(MONDAY, dividend("1"))
    before: tuple[CashActivity, ...] = account.broker.cash_activities_since(BEGINNING).require()
    assert account.reopened().broker.cash_activities_since(BEGINNING).require() == before
    assert len(before) == 2
