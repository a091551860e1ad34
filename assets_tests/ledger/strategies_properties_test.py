"""Whatever happens, the strategies' books add up to the account after every close, to the cent."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_DOWN, Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.ledger.strategy_account import Account
from trading_assets.ledger.history import BookFold, FoldState
from trading_assets.model.cash_events import (
    Adjustment,
    BorrowFee,
    Fee,
    FeeKind,
    Interest,
    TaxWithheld,
)
from trading_assets.model.corporate_actions import (
    CashInLieu,
    CashMerger,
    Dividend,
    DividendPayment,
    Split,
    StockDividend,
)
from trading_assets.model.events import AnyEvent
from trading_assets.model.policies import AccountingPolicy, DividendSource, LotMethod

SYMBOLS = ("SPY", "QQQ", "IWM")
STRATEGIES = ("a", "b", "c")

PRICES = st.decimals("0.01", "900", places=4)
MONEY = st.decimals("-5000", "5000", places=2)
WEIGHTS = st.decimals("-0.6", "0.6", places=4)
SHARES = st.decimals("-50", "50", places=9).filter(bool)
RATIOS = st.integers(1, 9)


@st.composite
def openings(draw: st.DrawFn, account: Account) -> list[AnyEvent]:
    """What happens before a session's trading: issuers act, cash moves."""
    symbol, session = draw(st.sampled_from(SYMBOLS)), account.session
    price = draw(st.none() | PRICES)
    new, old = draw(RATIOS), draw(RATIOS)
    amount = draw(st.decimals("0.01", "90", places=2))
    earlier = session - dt.timedelta(days=draw(st.integers(0, 3)))
    possible: list[AnyEvent] = [
        Dividend(symbol=symbol, ex_date=session, amount_per_share=amount / 7, currency="USD"),
        DividendPayment(
            symbol=symbol, ex_date=earlier, amount=amount, currency="USD", reference="d"
        ),
        Split(
            symbol=symbol,
            ex_date=session,
            new_shares=new,
            old_shares=old,
            cash_in_lieu_price=price,
        ),
        StockDividend(
            symbol=symbol,
            ex_date=session,
            new_shares=new,
            old_shares=old,
            cash_in_lieu_price=price,
        ),
        CashInLieu(
            symbol=symbol, quantity=Decimal(0), amount=amount, currency="USD", reference="c"
        ),
        CashMerger(symbol=symbol, effective_date=session, price=amount),
        Interest(amount=draw(MONEY), currency="USD", reference="i"),
        TaxWithheld(amount=amount, currency="USD", reference="t", symbol=symbol),
        BorrowFee(symbol=symbol, amount=amount, currency="USD", reference="b"),
        Fee(kind=FeeKind.EXCHANGE, amount=amount, currency="USD", reference="f", symbol=symbol),
        Adjustment(
            symbol=symbol,
            quantity=draw(SHARES),
            price=amount,
            cash=draw(MONEY),
            currency="USD",
            reason="statement",
        ),
    ]
    # An adjustment counts as a trade, before which issuers' acts are booked.
    chosen = draw(st.lists(st.integers(0, len(possible) - 1), max_size=4, unique=True))
    return [possible[place] for place in sorted(chosen)]


def trade(draw: st.DataObject, account: Account) -> None:
    """Plan, fill some of it in parts, and trade something outside the plan."""
    prices = {symbol: str(draw.draw(PRICES)) for symbol in SYMBOLS}
    targets = {
        symbol: ", ".join(f"{name} {draw.draw(WEIGHTS)}" for name in STRATEGIES)
        for symbol in draw.draw(st.sets(st.sampled_from(SYMBOLS)))
    }
    account.plan(prices, targets)
    planned = account.fold.planned
    assert planned is not None
    for order in planned.plan.orders:
        signed = order.side.sign * order.quantity
        name = account.order(order.symbol, str(signed))
        left = signed
        for tenths in draw.draw(st.lists(st.integers(1, 5), max_size=2)):
            part = (signed * tenths / 10).quantize(Decimal("1e-9"), ROUND_DOWN)
            if part:
                cost = draw.draw(st.decimals("0", "3", places=2))
                account.fill(name, order.symbol, str(part), prices[order.symbol], str(cost))
                left -= part
        if left == signed:
            account.reject(name)
    if draw.draw(st.booleans()):
        symbol = draw.draw(st.sampled_from(SYMBOLS))
        account.fill("", symbol, str(draw.draw(SHARES)), prices[symbol], "0.07")


@settings(max_examples=150, deadline=None)
@given(
    st.data(),
    st.sampled_from(["a 0.5, b 0.3, c 0.1", "a 1", "a 0.9, b 0.9"]),
    st.sampled_from(list(DividendSource)),
    st.sampled_from([LotMethod.FIFO, LotMethod.AVERAGE_COST]),
    st.booleans(),
)
def test_books_add_up_to_the_account_after_every_close(
    data: st.DataObject,
    shares: str,
    dividends: DividendSource,
    lots: LotMethod,
    in_basis: bool,
) -> None:
    """Also when they go on from a checkpoint taken between any two sessions."""
    policy = AccountingPolicy(
        long_lots=lots, dividend_source=dividends, commission_in_basis=in_basis
    )
    account = Account(shares, policy)
    account.deposit("10000")
    for _ in range(data.draw(st.integers(1, 4))):
        amount = data.draw(MONEY)
        if amount:
            account.deposit(str(amount))
        account.tell(*data.draw(openings(account)))
        trade(data, account)
        # `close` asserts that shares, values, cash, equity, flows and fees add up.
        account.close({symbol: str(data.draw(PRICES)) for symbol in SYMBOLS})
        assert all(
            sum(held.values()) == account.fold.ledger.positions.get(symbol, 0)
            for symbol, held in account.closed[-1].strategies.holdings.items()
        )
        if data.draw(st.booleans()):
            kept = msgspec.json.encode(account.fold.state())
            state = msgspec.json.decode(kept, type=FoldState)
            account.fold = BookFold.from_state(state, policy, "USD")
    # The books of the whole log are those that went on from checkpoints, to the last character.
    again = BookFold(policy, "USD", account.shares)
    for record in account.records:
        again.apply(record)
    assert msgspec.json.encode(again.strategies.state()) == msgspec.json.encode(
        account.fold.strategies.state()
    )
