"""Bookings of trades: fills, and adjustments by a person."""

from __future__ import annotations

import datetime as dt

from trading_assets.errors import LedgerError
from trading_assets.ledger.accounts import Account, Posting
from trading_assets.ledger.general_ledger import GeneralLedger, ShareMove
from trading_assets.ledger.lots import closing_method, require_choice
from trading_assets.model.cash_events import Adjustment
from trading_assets.model.money import ZERO, money
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import LotMethod

# Looked up once: attributes of an enum cost more than those of a module.
_BUY = Side.BUY
_FEES = Account.FEES


def book_fill(ledger: GeneralLedger, session: dt.date, fill: Fill) -> None:
    """Shares against cash; commission is an expense, or part of the basis where the policy says."""
    if fill.quantity <= ZERO or fill.price < ZERO or fill.commission < ZERO:
        raise LedgerError(
            f"fill {fill.execution_id} of {fill.symbol}: quantity {fill.quantity}, price "
            f"{fill.price}, commission {fill.commission}: the quantity must be above 0, "
            "price and commission not below 0. The direction belongs in `side`."
        )
    symbol, currency = fill.symbol, fill.currency
    ledger.require_currency(symbol, currency, "fill")
    quantity = fill.quantity if fill.side is _BUY else -fill.quantity
    if fill.lots:
        _require_lots(ledger, fill)
    ledger.note_trade(symbol)
    commission = money(fill.commission)
    in_basis = ledger.policy.commission_in_basis
    value, base_value, entries = ledger.move_shares(
        ShareMove(
            session=session,
            symbol=symbol,
            currency=currency,
            quantity=quantity,
            price=fill.price,
            lot_id=fill.execution_id,
            at=fill.executed_at,
            commission=commission if in_basis else ZERO,
            choice=fill.lots,
        )
    )
    is_base = currency == ledger.currency
    base_commission = commission if is_base else ledger.in_base(commission, currency)
    if commission and not in_basis:
        entries.append(Posting(_FEES, symbol, currency, commission, base_commission))
    ledger.settle(entries, currency, -value - commission)
    counter = ledger.counters[symbol]
    counter.traded += abs(base_value)
    counter.filled += quantity
    if commission:
        counter.commission += base_commission
        ledger.session_counter.fees += base_commission


def _require_lots(ledger: GeneralLedger, fill: Fill) -> None:
    """LedgerError unless the lots that a fill names are those it may close."""
    held = ledger.held(fill.symbol)
    quantity = fill.side.sign * fill.quantity
    if not held or (held > 0) is (quantity > 0):
        raise LedgerError(
            f"fill {fill.execution_id} names lots of {fill.symbol}, but it closes nothing: "
            f"{held} shares are held. Record it without lots."
        )
    method = closing_method(ledger.policy, held)
    if method is not LotMethod.SPECIFIC:
        raise LedgerError(
            f"fill {fill.execution_id} names lots of {fill.symbol}, but the portfolio's lot method "
            f"is {method.value}. Set it to `specific`, or record the fill without lots."
        )
    closing = fill.quantity if fill.quantity <= abs(held) else abs(held)
    require_choice(ledger.holdings[fill.symbol].lots, closing, fill.lots)


def book_adjustment(ledger: GeneralLedger, session: dt.date, adjustment: Adjustment) -> None:
    """Shares and cash that come or go without a trade count as a flow at their value."""
    if adjustment.price < 0 or (adjustment.quantity and not adjustment.symbol):
        raise LedgerError(
            f"adjustment of {adjustment.quantity} {adjustment.symbol!r} at "
            f"{adjustment.price}: shares need a symbol and a price not below 0."
        )
    symbol, currency = adjustment.symbol, adjustment.currency
    ledger.require_currency(symbol, currency, "adjustment")
    counted = ledger.session_counter
    if adjustment.quantity:
        ledger.note_trade(symbol)
        _value, _base_value, entries = ledger.move_shares(
            ShareMove(
                session=session,
                symbol=symbol,
                currency=currency,
                quantity=adjustment.quantity,
                price=adjustment.price,
                lot_id=f"adjustment {session}",
            )
        )
        amount = -sum((entry.amount for entry in entries), ZERO)
        in_base = -sum((entry.base_amount for entry in entries), ZERO)
        ledger.post([*entries, Posting(Account.CAPITAL, "", currency, amount, in_base)])
        ledger.counters[symbol].adjusted += adjustment.quantity
        counted.flows -= in_base
        counted.flows_in_kind -= in_base
    cash = money(adjustment.cash)
    if cash:
        in_base = ledger.in_base(cash, currency)
        ledger.settle([Posting(Account.CAPITAL, "", currency, -cash, -in_base)], currency, cash)
        counted.flows += in_base
        counted.add_cash_flow(currency, cash)
