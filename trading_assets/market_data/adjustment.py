"""Prices known before a session, in the shares that there are after its corporate actions.

Problem: on an ex-date the plan counts in new shares while the last close is a price of old ones. A
plan made with it would buy or sell a multiple of what is wanted.

Choice: whatever goes ex after the session of a close, up to the session that is planned, is applied
to that close and to the reference price beside it:

    split, stock dividend   price x old shares / new shares; the volume the other way round
    spin-off                the parent's price x (1 - basis fraction); the new symbol, where it has
                            no close of its own, takes the rest for each of its shares
    symbol change           the price goes over to the new name, unless that has a later close
    merger, delisting       there is no price any more
    cash dividend           nothing: what the price loses for it is for the market to say

The basis fraction is what the issuer publishes, from prices of the first sessions after the
spin-off: a plan in a backtest knows it a little early, as the book's cost allocation does.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from trading_assets.model.corporate_actions import (
    CashMerger,
    CorporateAction,
    Delisting,
    Dividend,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
    ex_date_of,
    share_ratio,
)
from trading_assets.model.instrument import Price, PriceSnapshot
from trading_assets.model.money import (
    ONE,
    QUANTITY_DECIMALS_MAX,
    rounded_price,
    truncate_quantity,
)


def adjusted_for_actions(
    snapshot: PriceSnapshot,
    actions: Mapping[str, Sequence[CorporateAction]],
    reference_session: Callable[[Price], dt.date | None],
) -> PriceSnapshot:
    """`snapshot` with every price in the shares that exist from the open of its session on.

    `actions` are those of each symbol, oldest first; later ones than the snapshot's session do not
    count. `reference_session` says which session a price's reference price is the close of. The
    `source` of an adjusted price names what was done to it. A price goes over to another symbol
    where that was asked for; prices and missing ones together stay those that were asked for.
    """
    asked = [*snapshot.prices, *snapshot.missing]
    due: list[CorporateAction] = []
    for symbol in asked:
        if symbol in actions:
            price = snapshot.prices.get(symbol)
            # What has no close yet may be given one by an action of another symbol.
            since = dt.date.min if price is None else reference_session(price) or price.session
            due += _between(actions[symbol], since, snapshot.session)
    if not due:
        return snapshot
    prices = dict(snapshot.prices)
    for action in sorted(due, key=ex_date_of):
        _apply(prices, action)
    return PriceSnapshot(
        session=snapshot.session,
        prices={symbol: prices[symbol] for symbol in asked if symbol in prices},
        missing=tuple(symbol for symbol in asked if symbol not in prices),
    )


def adjusted_start(
    close: Decimal,
    actions: Sequence[CorporateAction],
    after: dt.date,
    through: dt.date,
    close_before: Callable[[dt.date], Decimal | None],
) -> Decimal | None:
    """A close of session `after` in shares of `through`, with the dividends in between reinvested:
    times (1 - dividend / close before the ex-date) for each, times (1 - basis fraction) for what
    was spun off.

    `actions` are the symbol's, oldest first, splits of a day before its dividends; `close_before`
    is the last close before a session. None where the symbol ended or was renamed in between, or a
    dividend has no close before it.
    """
    split_on: tuple[dt.date, Decimal] = (dt.date.min, ONE)
    for action in _between(actions, after, through):
        if isinstance(action, Split | StockDividend):
            new, old = share_ratio(action)
            ratio = Decimal(old) / new
            same_day = split_on[1] if split_on[0] == action.ex_date else ONE
            split_on = (action.ex_date, same_day * ratio)
            close *= ratio
        elif isinstance(action, SpinOff):
            close *= ONE - action.basis_fraction
        elif isinstance(action, Dividend):
            before = close_before(action.ex_date)
            if before is None:
                return None
            if split_on[0] == action.ex_date:
                before *= split_on[1]
            close *= ONE - action.amount_per_share / before
        else:
            return None
    return rounded_price(close)


def _between(
    actions: Sequence[CorporateAction], after: dt.date, through: dt.date
) -> Sequence[CorporateAction]:
    start = bisect_right(actions, after, key=ex_date_of)
    return actions[start : bisect_right(actions, through, key=ex_date_of)]


def _apply(prices: dict[str, Price], action: CorporateAction) -> None:
    """Apply one action to what `prices` holds of its symbol, and of the one it leads to."""
    price = prices.get(action.symbol)
    if price is None:
        return
    is_stale = price.session < ex_date_of(action)
    if isinstance(action, Split | StockDividend):
        after, before = share_ratio(action)
        prices[action.symbol] = _scaled(price, action, Decimal(before), Decimal(after))
    elif isinstance(action, SpinOff):
        prices[action.symbol] = _scaled(price, action, ONE - action.basis_fraction, ONE)
        if is_stale and action.basis_fraction and action.new_symbol not in prices:
            prices[action.new_symbol] = _spun_off(price, action)
    elif isinstance(action, SymbolChange) and is_stale:
        del prices[action.symbol]
        known = prices.get(action.new_symbol)
        if known is None or known.session <= price.session:
            source = f"{price.source}; {action.symbol} until {action.effective_date}"
            prices[action.new_symbol] = replace(price, symbol=action.new_symbol, source=source)
    elif isinstance(action, CashMerger | Delisting) and is_stale:
        del prices[action.symbol]


def _scaled(
    price: Price, action: Split | StockDividend | SpinOff, numerator: Decimal, denominator: Decimal
) -> Price:
    """Prices from before `action` times the fraction: the reference price, and the price itself."""
    reference = price.reference_price
    if reference is not None:
        price = replace(price, reference_price=rounded_price(reference * numerator / denominator))
    if price.session >= action.ex_date:
        return price
    shares = price.volume
    if shares is not None and not isinstance(action, SpinOff):
        shares = truncate_quantity(shares * denominator / numerator, QUANTITY_DECIMALS_MAX)
    return replace(
        price,
        price=rounded_price(price.price * numerator / denominator),
        volume=shares,
        source=f"{price.source}; {_named(action)} of {action.ex_date}",
    )


def _spun_off(parent: Price, action: SpinOff) -> Price:
    """What the parent's price before the spin-off leaves for one new share."""
    share = action.basis_fraction * action.old_shares / action.new_shares
    return replace(
        parent,
        symbol=action.new_symbol,
        price=rounded_price(parent.price * share),
        reference_price=None,
        volume=None,
        source=f"{parent.source} of {parent.symbol}; {_named(action)} of {action.ex_date}",
    )


def _named(action: Split | StockDividend | SpinOff) -> str:
    if isinstance(action, SpinOff):
        return f"spin-off of {action.new_symbol}"
    kind = "split" if isinstance(action, Split) else "stock dividend"
    return f"{kind} {action.new_shares}:{action.old_shares}"
