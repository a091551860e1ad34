"""Bookings of corporate actions other than cash dividends.

Each is booked on the shares held at the open of its session, before anything is traded in it. What
only renames or divides shares moves cost between accounts and realizes nothing; cash in lieu of a
fraction, a merger for cash and a delisting close lots as a sale (or a buy-back of a short) does.
Cash in lieu that the broker tells of comes when it comes, also within a session.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from decimal import Decimal

from msgspec.structs import replace

from trading_assets.errors import LedgerError
from trading_assets.ledger.accounts import Account, Posting
from trading_assets.ledger.dividends import rename_claims
from trading_assets.ledger.general_ledger import GeneralLedger, Holding, ShareMove
from trading_assets.ledger.lots import add_lot, closing_method, scaled_lots, spun_off_lots
from trading_assets.model.corporate_actions import (
    CashInLieu,
    CashMerger,
    Delisting,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.lot import Lot
from trading_assets.model.money import PRICE_QUANTUM, ZERO, money, truncate_quantity


def book_split(ledger: GeneralLedger, session: dt.date, split: Split) -> None:
    """Other quantities at the same cost; a fraction may be paid out."""
    what = f"split of {split.symbol} {split.new_shares}:{split.old_shares}"
    _require_ratio(what, split.new_shares, split.old_shares, split.cash_in_lieu_price)
    _require_untraded(ledger, split.symbol, what)
    holding = _scaled(ledger, session, split.symbol, split.new_shares, split.old_shares)
    if holding is not None:
        _pay_fraction(ledger, session, holding, holding.quantity, split.cash_in_lieu_price)


def book_stock_dividend(ledger: GeneralLedger, session: dt.date, given: StockDividend) -> None:
    """More shares at the same cost: a split of (old + new) for old."""
    what = f"stock dividend of {given.symbol} {given.new_shares} for {given.old_shares}"
    _require_ratio(what, given.new_shares, given.old_shares, given.cash_in_lieu_price)
    _require_untraded(ledger, given.symbol, what)
    before = ledger.held(given.symbol)
    new_shares = given.old_shares + given.new_shares
    holding = _scaled(ledger, session, given.symbol, new_shares, given.old_shares)
    if holding is not None:
        added = holding.quantity - before
        _pay_fraction(ledger, session, holding, added, given.cash_in_lieu_price)


def book_spin_off(ledger: GeneralLedger, session: dt.date, spin_off: SpinOff) -> None:
    """New shares that take part of the parent's cost along, lot by lot."""
    symbol, child = spin_off.symbol, spin_off.new_symbol
    what = f"spin-off of {child} from {symbol}"
    _require_ratio(what, spin_off.new_shares, spin_off.old_shares, spin_off.cash_in_lieu_price)
    if not 0 <= spin_off.basis_fraction <= 1 or child == symbol:
        raise LedgerError(
            f"{what}: basis fraction {spin_off.basis_fraction}: it must lie in 0 to 1, and the new "
            "symbol must be another one."
        )
    _require_untraded(ledger, symbol, what)
    parent = ledger.holdings.get(symbol)
    if parent is None:
        return
    held = ledger.holdings.get(child)
    if held is not None and (
        held.currency != parent.currency or (held.quantity > 0) is not (parent.quantity > 0)
    ):
        raise LedgerError(
            f"{what}: {held.quantity} {child} are held in {held.currency}, the other way round or "
            f"in another currency than {symbol}. Close them, or book the new shares by an "
            "adjustment."
        )
    ledger.require_currency(child, parent.currency, what)
    ratio = (spin_off.new_shares, spin_off.old_shares)
    parents, children = spun_off_lots(tuple(parent.lots), child, ratio, spin_off.basis_fraction)
    if not children:
        return
    parent.lots = deque(parents)
    if held is None:
        held = ledger.open_holding(child, parent.currency)
    _take_in(ledger, held, children)
    _transfer_cost(ledger, parent, child, children)
    given = sum((lot.quantity for lot in children), ZERO)
    _pay_fraction(ledger, session, held, given, spin_off.cash_in_lieu_price)


def book_symbol_change(ledger: GeneralLedger, _session: dt.date, change: SymbolChange) -> None:
    """The same shares, lots and dividends owed, under another name."""
    symbol, new_symbol = change.symbol, change.new_symbol
    what = f"symbol change of {symbol} to {new_symbol}"
    _require_untraded(ledger, symbol, what)
    if ledger.held(new_symbol) or symbol == new_symbol:
        raise LedgerError(
            f"{what}: {ledger.held(new_symbol)} shares of {new_symbol} are held already. A symbol "
            "names one instrument: correct the symbol of the one or the other first."
        )
    known = ledger.holdings.get(symbol)
    if known is not None:
        ledger.require_currency(new_symbol, known.currency, what)
    rename_claims(ledger, symbol, new_symbol)
    holding = ledger.holdings.pop(symbol, None)
    if holding is None:
        return
    renamed = ledger.open_holding(new_symbol, holding.currency)
    lots = [replace(lot, symbol=new_symbol) for lot in holding.lots]
    _take_in(ledger, renamed, lots)
    ledger.counter(symbol).converted -= holding.quantity
    # For the day's result the shares change names at the value they had at the last close.
    value = ledger.last_values.get(symbol)
    _transfer_cost(ledger, holding, new_symbol, lots, value)
    mark = ledger.marks.pop(symbol, None)
    if mark is not None:
        ledger.marks[new_symbol] = mark


def book_delisting(ledger: GeneralLedger, session: dt.date, delisting: Delisting) -> None:
    """Every share ends at the price, which may be 0."""
    _close_out(ledger, session, delisting.symbol, delisting.price, "delisting")


def book_cash_merger(ledger: GeneralLedger, session: dt.date, merger: CashMerger) -> None:
    """Every share is paid out; who is short pays."""
    _close_out(ledger, session, merger.symbol, merger.price, "merger for cash")


def book_cash_in_lieu(ledger: GeneralLedger, session: dt.date, paid: CashInLieu) -> None:
    """The fraction is sold for what was paid; all of it is a gain where the shares are gone."""
    symbol, currency, quantity = paid.symbol, paid.currency, paid.quantity
    what = f"cash in lieu of {quantity} {symbol}"
    ledger.require_currency(symbol, currency, "cash in lieu")
    held, amount = ledger.held(symbol), money(paid.amount)
    if quantity:
        is_closing = (quantity > 0) is (held > 0) and abs(quantity) <= abs(held)
        if not is_closing or (amount and (amount > 0) is not (quantity > 0)):
            raise LedgerError(
                f"{what} for {amount}: {held} are held. A long position is paid for a part of it, "
                "a short one pays. Record it for 0 shares where they are gone already."
            )
        _sell(ledger, session, ledger.holdings[symbol], quantity, amount / quantity)
        return
    in_base = ledger.in_base(amount, currency)
    gain = Posting(Account.REALIZED_PNL, symbol, currency, -amount, -in_base)
    ledger.settle([gain], currency, amount)
    ledger.session_counter.add_other_cash(currency, amount)
    counter = ledger.counter(symbol)
    counter.realized += in_base
    if in_base > 0:
        counter.sold += in_base
    else:
        counter.bought -= in_base


def _close_out(
    ledger: GeneralLedger, session: dt.date, symbol: str, price: Decimal, what: str
) -> None:
    if price < 0:
        raise LedgerError(f"{what} of {symbol} at {price} per share; it must not be below 0.")
    _require_untraded(ledger, symbol, f"{what} of {symbol}")
    holding = ledger.holdings.get(symbol)
    if holding is not None:
        _sell(ledger, session, holding, holding.quantity, price)


def _scaled(
    ledger: GeneralLedger, session: dt.date, symbol: str, new_shares: int, old_shares: int
) -> Holding | None:
    """The holding with every `old_shares` made `new_shares`; None where nothing is held then."""
    holding = ledger.holdings.get(symbol)
    if holding is None:
        return None
    lots = scaled_lots(tuple(holding.lots), new_shares, old_shares)
    if not lots:
        # Less than the smallest quantity there is: what it cost is lost.
        _sell(ledger, session, holding, holding.quantity, ZERO)
        return None
    total = sum((lot.quantity for lot in lots), ZERO)
    ledger.counter(symbol).converted += total - holding.quantity
    holding.lots, holding.quantity = deque(lots), total
    mark = ledger.marks.get(symbol)
    if mark is not None:
        price = (mark.price * old_shares / new_shares).quantize(PRICE_QUANTUM)
        ledger.marks[symbol] = replace(mark, price=price)
    return holding


def _pay_fraction(
    ledger: GeneralLedger,
    session: dt.date,
    holding: Holding,
    given: Decimal,
    price: Decimal | None,
) -> None:
    """Pay out what is not a whole share of what was `given` (signed); nothing without a price."""
    fraction = given - truncate_quantity(given, 0)
    if fraction and price is not None:
        _sell(ledger, session, holding, fraction, price)


def _sell(
    ledger: GeneralLedger, session: dt.date, holding: Holding, quantity: Decimal, price: Decimal
) -> None:
    """Close `quantity` (signed as held) for cash at `price`, without a trade."""
    symbol, currency = holding.symbol, holding.currency
    value, _base_value, entries = ledger.move_shares(
        ShareMove(
            session=session,
            symbol=symbol,
            currency=currency,
            quantity=-quantity,
            price=price,
            lot_id="",
        )
    )
    ledger.settle(entries, currency, -value)
    ledger.session_counter.add_other_cash(currency, -value)
    ledger.counter(symbol).converted -= quantity


def _take_in(ledger: GeneralLedger, holding: Holding, lots: list[Lot]) -> None:
    """Add `lots` to those of a holding, all of one sign, oldest first."""
    quantity = sum((lot.quantity for lot in lots), ZERO)
    method = closing_method(ledger.policy, quantity)
    together = sorted([*holding.lots, *lots], key=lambda lot: lot.opened)
    holding.lots = deque()
    for lot in together:
        add_lot(holding.lots, lot, method)
    holding.quantity += quantity
    ledger.counter(holding.symbol).converted += quantity


def _transfer_cost(
    ledger: GeneralLedger,
    source: Holding,
    new_symbol: str,
    lots: list[Lot],
    value: Decimal | None = None,
) -> None:
    """Move what `lots` cost from one symbol to another, and for the day's result `value` (base
    money), or the cost where that is None."""
    symbol, currency = source.symbol, source.currency
    cost = sum((lot.cost_basis for lot in lots), ZERO)
    base_cost = sum((lot.base_cost_basis for lot in lots), ZERO)
    ledger.post(
        [
            Posting(Account.POSITIONS, symbol, currency, -cost, -base_cost),
            Posting(Account.POSITIONS, new_symbol, currency, cost, base_cost),
        ]
    )
    moved = base_cost if value is None else value
    before, after = ledger.counter(symbol), ledger.counter(new_symbol)
    if moved > 0:
        before.sold += moved
        after.bought += moved
    else:
        before.bought -= moved
        after.sold -= moved


def _require_ratio(what: str, new_shares: int, old_shares: int, price: Decimal | None) -> None:
    if new_shares <= 0 or old_shares <= 0 or (price is not None and price < 0):
        raise LedgerError(
            f"{what} (cash in lieu {price}): both numbers of shares must be above 0 and the price "
            "not below 0."
        )


def _require_untraded(ledger: GeneralLedger, symbol: str, what: str) -> None:
    if ledger.is_traded(symbol):
        raise LedgerError(
            f"{what}: {symbol} was traded in this session before it was booked. Record corporate "
            "actions at the open, before the session's fills."
        )
