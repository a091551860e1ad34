"""The ledger on what really happened: raw prices, splits and dividends of 1998 to 2021.

Each expected number is computed here from the prices and actions alone, without the ledger, or is
one that somebody else published.
"""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from itertools import pairwise

import pytest

from assets_tests.golden.reference_market import (
    Bar,
    Security,
    total_return_at_the_close,
    total_return_of_adjusted_closes,
)
from assets_tests.ledger.scenario import imbalances
from trading_assets.ledger.fold import Ledger
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.corporate_actions import Dividend, DividendPayment, Split
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import AccountingPolicy, DividendSource, LotMethod

NANO_SHARE = Decimal("0.000000001")
LAST = dt.date(2021, 3, 31)


class Investor:
    """Feeds a ledger with one security's history and with what it buys and sells."""

    def __init__(
        self, security: Security, deposit: str, policy: AccountingPolicy | None = None
    ) -> None:
        self.security = security
        self.ledger = Ledger(policy or AccountingPolicy(), "USD")
        self.trades = 0
        first = security.bars[0].session
        flow = CashFlow(
            kind=CashFlowKind.DEPOSIT, amount=Decimal(deposit), currency="USD", reference="r"
        )
        self.ledger.apply_event(first, flow)

    @property
    def position(self) -> Decimal:
        return self.ledger.positions.get(self.security.symbol, Decimal(0))

    def trade(self, session: dt.date, quantity: Decimal, price: Decimal, fee: str = "0") -> None:
        """Buy (`quantity` > 0) or sell."""
        self.trades += 1
        fill = Fill(
            execution_id=f"t{self.trades}",
            client_order_id="",
            symbol=self.security.symbol,
            side=Side.BUY if quantity > 0 else Side.SELL,
            quantity=abs(quantity),
            price=price,
            commission=Decimal(fee),
            currency="USD",
            executed_at=dt.datetime.combine(session, dt.time(20), tzinfo=dt.UTC),
        )
        self.ledger.apply_event(session, fill)

    def open_session(self, session: dt.date, in_lieu: Decimal | None = None) -> None:
        """Book the split and the dividends of the session's open, and their payment."""
        symbol = self.security.symbol
        ratio = self.security.splits.get(session)
        if ratio is not None:
            split = Split(
                symbol=symbol,
                ex_date=session,
                new_shares=ratio.numerator,
                old_shares=ratio.denominator,
                cash_in_lieu_price=in_lieu,
            )
            self.ledger.apply_event(session, split)
        dividends = self.security.dividends.get(session, [])
        for amount in dividends:
            dividend = Dividend(
                symbol=symbol, ex_date=session, amount_per_share=amount, currency="USD"
            )
            self.ledger.apply_event(session, dividend)
        if dividends and self.position:
            cash = sum(
                (cents(self.position * amount) for amount in dividends), start=Decimal("0.00")
            )
            payment = DividendPayment(
                symbol=symbol, ex_date=session, amount=cash, currency="USD", reference="r"
            )
            self.ledger.apply_event(session, payment)

    def hold(self, bars: list[Bar]) -> None:
        """Hold through the sessions of `bars`."""
        for bar in bars:
            self.open_session(bar.session)

    def value(self, price: Decimal) -> Decimal:
        """Cash, what is owed, and the position at `price`."""
        return self.ledger.cash + self.ledger.accruals + self.position * price


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def spend(investor: Investor, session: dt.date, price: Decimal) -> None:
    """Put all cash into shares at `price`, to the last billionth of a share."""
    quantity = (investor.ledger.cash / price).quantize(NANO_SHARE, rounding=ROUND_DOWN)
    if quantity:
        investor.trade(session, quantity, price)


HISTORIES = [
    # Symbol, first session, and how many dividends and splits lie in between.
    ("AAPL", dt.date(2012, 1, 3), 35, 2),  # 7 for 1 in 2014, 4 for 1 in 2020
    ("AAPL", dt.date(1998, 1, 2), 35, 4),  # and twice 2 for 1
    ("IBM", dt.date(1998, 1, 2), 93, 1),
    ("BAC", dt.date(1998, 1, 2), 93, 1),
    ("SPY", dt.date(1998, 1, 2), 94, 0),
    ("QQQ", dt.date(1999, 3, 10), 66, 1),  # 24 of the dividends have the same ex-date
]


@pytest.mark.parametrize(("symbol", "first", "dividends", "splits"), HISTORIES)
@pytest.mark.parametrize("source", list(DividendSource))
def test_reinvested_at_the_close_raw_prices_give_the_total_return(
    market: dict[str, Security],
    symbol: str,
    first: dt.date,
    dividends: int,
    splits: int,
    source: DividendSource,
) -> None:
    security = market[symbol]
    bars = security.between(first, LAST)
    happened = [s for s in security.dividends if first < s <= LAST]
    assert sum(len(security.dividends[s]) for s in happened) == dividends
    assert len([s for s in security.splits if first < s <= LAST]) == splits

    investor = Investor(security, "10000000", AccountingPolicy(dividend_source=source))
    spend(investor, first, bars[0].close)
    for bar in bars[1:]:
        investor.open_session(bar.session)
        spend(investor, bar.session, bar.close)

    growth = float(investor.value(bars[-1].close)) / 10_000_000
    assert growth == pytest.approx(total_return_at_the_close(security, bars), rel=1e-6)
    assert not imbalances(investor.ledger)
    assert investor.ledger.accruals == 0


@pytest.mark.parametrize(("symbol", "first"), [(name, first) for name, first, _, _ in HISTORIES])
def test_reinvested_as_vendors_adjust_raw_prices_give_the_adjusted_series(
    market: dict[str, Security], symbol: str, first: dt.date
) -> None:
    """A vendor's factor puts the dividend into shares at the close before less the dividend."""
    security = market[symbol]
    bars = security.between(first, LAST)
    investor = Investor(security, "10000000")
    spend(investor, first, bars[0].close)
    for before, bar in pairwise(bars):
        investor.open_session(bar.session)
        dividend = sum(security.dividends.get(bar.session, []), Decimal(0))
        if dividend:
            assert bar.session not in security.splits
            spend(investor, bar.session, before.close - dividend)

    growth = float(investor.value(bars[-1].close)) / 10_000_000
    assert growth == pytest.approx(total_return_of_adjusted_closes(security, bars), rel=1e-6)


def test_apple_held_through_two_splits_is_one_lot_at_its_first_cost(
    market: dict[str, Security],
) -> None:
    """100 shares of 2012 are 2800 shares, and 100 x each dividend on what they were then.

    Before June 2014 a share of 2012 is one, then seven, from August 2020 on twenty-eight.
    """
    security = market["AAPL"]
    bars = security.between(dt.date(2012, 1, 3), LAST)
    investor = Investor(security, "100000")
    investor.trade(bars[0].session, Decimal(100), bars[0].close, fee="1.00")
    investor.hold(bars[1:])

    received = Decimal(0)
    for session, amounts in security.dividends.items():
        shares = 100 if session < dt.date(2014, 6, 9) else 700
        received += sum(amounts) * (shares if session < dt.date(2020, 8, 31) else 2800)
    ledger = investor.ledger
    (lot,) = ledger.lots("AAPL")
    assert lot.quantity == 2800
    assert lot.cost_basis == 100 * bars[0].close
    assert lot.opened == dt.date(2012, 1, 3)
    assert ledger.cash == 100000 - 100 * bars[0].close - 1 + received
    assert ledger.accounts["dividends", "USD"] == -received
    assert ledger.realized_pnl.get("AAPL", Decimal(0)) == 0


SHORTS = [
    # Symbol, sold and covered at the close, and the split in between.
    ("AAPL", dt.date(2020, 8, 3), dt.date(2020, 11, 30), Fraction(4)),
    ("AAPL", dt.date(2014, 5, 1), dt.date(2014, 12, 31), Fraction(7)),
    ("QQQ", dt.date(2000, 3, 1), dt.date(2000, 12, 29), Fraction(2)),
    ("EEM", dt.date(2008, 6, 2), dt.date(2008, 12, 31), Fraction(3)),
    ("USO", dt.date(2020, 4, 1), dt.date(2020, 6, 30), Fraction(1, 8)),
]


@pytest.mark.parametrize(("symbol", "sold", "covered", "ratio"), SHORTS)
@pytest.mark.parametrize("method", [LotMethod.FIFO, LotMethod.LIFO, LotMethod.AVERAGE_COST])
def test_a_short_through_a_split_owes_the_new_shares_and_every_dividend(
    market: dict[str, Security],
    symbol: str,
    sold: dt.date,
    covered: dt.date,
    ratio: Fraction,
    method: LotMethod,
) -> None:
    """800 sold short: 800 x price then - 800 x ratio x price now, less dividends per share."""
    security = market[symbol]
    (ex_date,) = [s for s in security.splits if sold < s <= covered]
    assert security.splits[ex_date] == ratio
    first, last = security.bar(sold), security.bar(covered)

    investor = Investor(security, "1000000", AccountingPolicy(short_lots=method))
    investor.trade(sold, Decimal(-800), first.close)
    bars = security.between(sold, covered)[1:]
    investor.hold(bars)
    assert investor.position == -800 * ratio
    investor.trade(covered, -investor.position, last.close)

    owed = Decimal(0)
    for session, amounts in security.dividends.items():
        if sold < session <= covered:
            shares = 800 if session < ex_date else int(800 * ratio)
            owed += shares * sum(amounts)
    gain = 800 * first.close - int(800 * ratio) * last.close
    ledger = investor.ledger
    assert ledger.positions == {}
    assert ledger.realized_pnl[symbol] == gain
    assert ledger.accounts.get(("dividends", "USD"), Decimal(0)) == owed
    assert ledger.cash == 1000000 + gain - owed


def test_a_short_pays_eight_years_of_dividends(market: dict[str, Security]) -> None:
    """SPY from 1998 to 2005: 33 dividends of 13.26 together, on 512 shares 6789.12."""
    security = market["SPY"]
    bars = security.between(dt.date(1998, 1, 5), dt.date(2005, 12, 30))
    investor = Investor(security, "100000")
    investor.trade(bars[0].session, Decimal(-512), bars[0].open)
    investor.hold(bars[1:])
    assert investor.ledger.cash == 100000 + 512 * Decimal("97.84") - Decimal("6789.12")
    assert investor.ledger.accounts["dividends", "USD"] == Decimal("6789.12")


class TestOilFund:
    """USO's reverse split of 1 for 8 on 2020-04-29, after a close of 2.13 the day before."""

    EX_DATE = dt.date(2020, 4, 29)

    @pytest.mark.parametrize(
        ("held", "left"), [("1000", 125), ("1003", 125), ("1007", 125), ("7", 0), ("-1003", -125)]
    )
    def test_cash_in_lieu_at_eight_times_the_close_before_conserves_value(
        self, market: dict[str, Security], held: str, left: int
    ) -> None:
        security = market["USO"]
        before = security.before(self.EX_DATE)
        investor = Investor(security, "100000")
        investor.trade(before.session, Decimal(held), before.close)
        worth = investor.value(before.close)
        investor.open_session(self.EX_DATE, in_lieu=8 * before.close)
        assert investor.position == left
        assert investor.value(8 * before.close) == worth == 100000
        assert not imbalances(investor.ledger)
        # Bought and paid out at the same price: neither gain nor loss.
        assert investor.ledger.realized_pnl.get("USO", Decimal(0)) == 0

    def test_fractions_are_kept_where_nobody_pays_for_them(
        self, market: dict[str, Security]
    ) -> None:
        security = market["USO"]
        before = security.before(self.EX_DATE)
        investor = Investor(security, "100000")
        investor.trade(before.session, Decimal(1003), before.close)
        investor.open_session(self.EX_DATE)
        assert investor.position == Decimal("125.375")
        assert investor.value(8 * before.close) == 100000


def test_many_dividends_of_one_ex_date_are_all_owed(market: dict[str, Security]) -> None:
    """QQQ's history has 24 dividends of 2011-03-23, 1.57 a share together."""
    security = market["QQQ"]
    ex_date = dt.date(2011, 3, 23)
    amounts = security.dividends[ex_date]
    assert (len(amounts), sum(amounts)) == (24, Decimal("1.57"))
    investor = Investor(security, "100000")
    before = security.before(ex_date)
    investor.trade(before.session, Decimal(100), before.close)
    investor.open_session(ex_date)
    assert investor.ledger.cash == 100000 - 100 * before.close + 157
    assert investor.ledger.accruals == 0


def test_published_equity_of_spy_bought_once_with_dividends_kept_as_cash(
    market: dict[str, Security],
) -> None:
    """QuantConnect/Lean, `DividendRegressionAlgorithm`: end equity 120,462.08, fees 2.56.

    100,000 on the close of 1998-01-02 (97.36): half of it less 0.25 % is 49,875.00, or 512 shares
    rounded down, bought at the next open (97.84) for max(1.00, 0.005 x 512) = 2.56.
    """
    security = market["SPY"]
    bars = security.between(dt.date(1998, 1, 1), dt.date(2005, 12, 31))
    quantity = int(Decimal("0.9975") * 50000 / bars[0].close)
    assert quantity == 512
    fee = max(Decimal(1), Decimal("0.005") * quantity)
    investor = Investor(security, "100000")
    investor.trade(bars[1].session, Decimal(quantity), bars[1].open, fee=str(fee))
    investor.hold(bars[2:])
    assert investor.ledger.fees == Decimal("2.56")
    assert investor.value(bars[-1].close) == Decimal("120462.08")
