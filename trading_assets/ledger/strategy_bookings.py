"""What becomes of the strategies' books when cash moves or an issuer acts: one function a kind.

Each is called after the ledger has booked the event and takes apart what it changed; the rules are
at the top of `strategies.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from trading_assets.ledger.accounts import Account
from trading_assets.ledger.attribution import Parts
from trading_assets.ledger.fold import Ledger
from trading_assets.ledger.strategy_state import NOBODY, Entitlement, StrategyState, added
from trading_assets.model.cash_events import (
    Adjustment,
    BorrowFee,
    CurrencyConversion,
    Fee,
    Interest,
    TaxWithheld,
)
from trading_assets.model.corporate_actions import (
    CashInLieu,
    CashMerger,
    Delisting,
    Dividend,
    DividendPayment,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.money import (
    CENT,
    QUANTITY_QUANTUM,
    ZERO,
    apportioned,
    in_proportion,
    money,
)
from trading_assets.model.target import UNATTRIBUTED


def leave(
    state: StrategyState, event: Interest | CurrencyConversion | Adjustment, ledger: Ledger
) -> None:
    """Nobody's: interest, exchange of currencies, corrections by hand."""
    if isinstance(event, Adjustment) and event.quantity:
        state.hold(event.symbol, {UNATTRIBUTED: event.quantity})
        if event.currency != ledger.currency:
            state.currencies[event.symbol] = event.currency
    state.share(ledger.postings, NOBODY)


def share_fee(state: StrategyState, fee: Fee, ledger: Ledger) -> None:
    """To those who traded the symbol in the session, else to those who hold it."""
    traded = state.traded(fee.symbol)
    stakes = traded if any(traded.values()) else state.sizes(fee.symbol)
    state.share(ledger.postings, stakes or NOBODY)


def share_borrow_fee(state: StrategyState, fee: BorrowFee, ledger: Ledger) -> None:
    """To those who are short."""
    held = state.holdings.get(fee.symbol, {})
    short = {name: -part for name, part in held.items() if part < 0}
    state.share(ledger.postings, short or NOBODY)


def share_tax(state: StrategyState, tax: TaxWithheld, ledger: Ledger) -> None:
    """To those who received the symbol's latest dividend, else to those who are long."""
    latest = [one.fair for one in state.entitlements if one.symbol == tax.symbol]
    stakes = latest[-1] if latest else state.holdings.get(tax.symbol, {})
    received = {name: part for name, part in stakes.items() if part > 0}
    state.share(ledger.postings, received or NOBODY)


def owe_dividend(state: StrategyState, dividend: Dividend, ledger: Ledger) -> None:
    """Note who is due what. What strategies owe each other is settled at once."""
    accrued = _receivable(ledger)
    held = state.opening(dividend.symbol)
    fair = {name: part * dividend.amount_per_share for name, part in held.items()}
    if not any(fair.values()):
        if not accrued:
            return
        fair = {UNATTRIBUTED: accrued}
    inside = not money(sum(fair.values(), ZERO))
    if inside:
        state.pay((), dividend.currency, fair)
    state.entitlements = [
        one for one in state.entitlements if not one.paid or one.symbol != dividend.symbol
    ]
    state.entitlements.append(
        Entitlement(
            symbol=dividend.symbol,
            ex_date=dividend.ex_date,
            currency=dividend.currency,
            fair=fair,
            owed=apportioned(accrued, fair, CENT) if accrued else {},
            paid=inside,
        )
    )


def pay_dividend(state: StrategyState, payment: DividendPayment, ledger: Ledger) -> None:
    """As it was due; a payment of a dividend that never went ex, by what is held now."""
    which = (payment.symbol, payment.ex_date)
    due = [one for one in state.entitlements if (one.symbol, one.ex_date) == which]
    if payment.takes_back:
        _take_back_dividend(state, payment, due, ledger)
        return
    settled = -_receivable(ledger)
    # A regular and a special dividend may share an ex-date: the one that is settled, else both.
    due = [one for one in due if sum(one.owed.values(), ZERO) == settled][:1] or due
    fair: Parts = {}
    for one in due:
        fair = added(fair, one.fair)
    if not any(fair.values()):
        state.share(ledger.postings, state.sizes(payment.symbol) or NOBODY)
        return
    state.pay(ledger.postings, payment.currency, fair)
    left = sum((sum(one.owed.values(), ZERO) for one in due), ZERO) - settled
    for one in due:
        one.owed, one.paid = {}, not left
    if left:
        due[0].owed = apportioned(left, fair, CENT)


def _take_back_dividend(
    state: StrategyState, payment: DividendPayment, due: list[Entitlement], ledger: Ledger
) -> None:
    """From whom it was due, and owed to them again; where that is known no more (a later dividend
    went ex), by what is held now."""
    due = [one for one in due if money(sum(one.fair.values(), ZERO)) == -payment.amount][:1] or due
    fair: Parts = {}
    for one in due:
        fair = added(fair, one.fair)
    again = _receivable(ledger)
    if any(fair.values()):
        back = {name: -part for name, part in fair.items()}
        state.pay(ledger.postings, payment.currency, back)
    else:
        stakes = state.sizes(payment.symbol) or NOBODY
        state.share(ledger.postings, stakes)
        fair = in_proportion(again, stakes, CENT)
    if not again:
        return
    owed = apportioned(again, fair, CENT)
    if due:
        due[0].owed, due[0].paid = added(due[0].owed, owed), False
        return
    state.entitlements.append(
        Entitlement(
            symbol=payment.symbol,
            ex_date=payment.ex_date,
            currency=payment.currency,
            fair=fair,
            owed=owed,
            paid=False,
        )
    )


def _receivable(ledger: Ledger) -> Decimal:
    """What was posted to dividends receivable."""
    postings = ledger.postings
    return sum((x.amount for x in postings if x.account is Account.DIVIDENDS_RECEIVABLE), ZERO)


def split(state: StrategyState, action: Split | StockDividend, ledger: Ledger) -> None:
    """Each book's shares by the ratio; what a fraction brings, by what each held."""
    symbol = action.symbol
    held, sizes = state.holdings.get(symbol), state.sizes(symbol)
    if not held:
        return
    grown = action.new_shares
    if isinstance(action, StockDividend):
        grown += action.old_shares
    fair = {name: part * grown / action.old_shares for name, part in held.items()}
    total = ledger.positions.get(symbol, ZERO)
    state.replace(symbol, apportioned(total, fair, QUANTITY_QUANTUM))
    if symbol in state.prices:
        state.prices[symbol] *= Decimal(action.old_shares) / grown
    state.share(ledger.postings, sizes)


def spin_off(state: StrategyState, action: SpinOff, ledger: Ledger) -> None:
    """The new shares by those of the parent; what a fraction brings, by what each held."""
    symbol, new = action.symbol, action.new_symbol
    held = state.holdings.get(symbol)
    if not held:
        return
    fair = {name: part * action.new_shares / action.old_shares for name, part in held.items()}
    before = sum(state.holdings.get(new, {}).values(), ZERO)
    given = ledger.positions.get(new, ZERO) - before
    state.hold(new, apportioned(given, fair, QUANTITY_QUANTUM))
    if symbol in state.currencies:
        state.currencies[new] = state.currencies[symbol]
    state.share(ledger.postings, state.sizes(symbol))


def rename(state: StrategyState, change: SymbolChange, _ledger: Ledger) -> None:
    """The same holdings, asks and dividends under another symbol."""
    old, new = change.symbol, change.new_symbol
    state.hold(new, state.holdings.pop(old, {}))
    by_symbol: tuple[dict[str, Any], ...] = (
        state.currencies,
        state.prices,
        state.asks,
        state.fills,
    )
    for known in by_symbol:
        if old in known:
            known[new] = known.pop(old)
    for one in state.entitlements:
        if one.symbol == old:
            one.symbol = new


def end(state: StrategyState, action: Delisting | CashMerger, ledger: Ledger) -> None:
    """Each book's shares end at the price."""
    held = state.holdings.pop(action.symbol, {})
    fair = {name: part * action.price for name, part in held.items()}
    if any(fair.values()):
        currency = state.currencies.get(action.symbol, ledger.currency)
        state.pay(ledger.postings, currency, fair)


def pay_in_lieu(state: StrategyState, paid: CashInLieu, ledger: Ledger) -> None:
    """What a fraction brought, and the fraction itself, by what each holds."""
    symbol = paid.symbol
    held = state.holdings.get(symbol)
    state.share(ledger.postings, state.sizes(symbol) or NOBODY)
    if held:
        total = ledger.positions.get(symbol, ZERO)
        state.replace(symbol, apportioned(total, held, QUANTITY_QUANTUM))


BOOKINGS: dict[type, Callable[[StrategyState, Any, Ledger], None]] = {
    Interest: leave,
    CurrencyConversion: leave,
    Adjustment: leave,
    Fee: share_fee,
    BorrowFee: share_borrow_fee,
    TaxWithheld: share_tax,
    Dividend: owe_dividend,
    DividendPayment: pay_dividend,
    Split: split,
    StockDividend: split,
    SpinOff: spin_off,
    SymbolChange: rename,
    Delisting: end,
    CashMerger: end,
    CashInLieu: pay_in_lieu,
}
"""What each kind of event does to the books; trading and flows are in `strategies.py`."""
