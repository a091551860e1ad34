"""Cash dividends: accrued when they go ex, settled when they are paid, income once.

Two events tell of the same dividend, and either can come first. The policy names the one that is
income; the other never adds to it.

    ex_date   The dividend is income on its ex-date and owed until it is paid. The payment settles
              what is owed; what it differs by is income too (or less of it). A payment that comes
              before its ex-date event, or without one, is income then, and the later event adds
              nothing.
    broker    The payment is income. The ex-date event is only noted.

Who is short on the ex-date owes the dividend: the same, with the signs turned.
"""

from __future__ import annotations

import datetime as dt

from msgspec.structs import replace

from trading_assets.errors import LedgerError
from trading_assets.ledger.accounts import Account, Posting
from trading_assets.ledger.general_ledger import Accrual, GeneralLedger
from trading_assets.model.corporate_actions import Dividend, DividendPayment
from trading_assets.model.money import ZERO, money
from trading_assets.model.policies import DividendSource


def book_dividend(ledger: GeneralLedger, session: dt.date, dividend: Dividend) -> None:
    """Accrue what was held at the open of the ex-date, unless it is paid already."""
    what = f"dividend of {dividend.symbol} ex {dividend.ex_date}"
    if dividend.amount_per_share < 0:
        raise LedgerError(f"{what}: {dividend.amount_per_share} per share; it must not be below 0.")
    if ledger.policy.dividend_source is DividendSource.BROKER:
        return
    if session != dividend.ex_date:
        raise LedgerError(
            f"{what} is recorded in session {session}: who is entitled is known at the open of the "
            "ex-date only. Record it in that session, or what arrives as its payment."
        )
    ledger.rate(dividend.currency)
    key = (dividend.symbol, dividend.ex_date)
    known = ledger.accruals.get(key)
    if known is not None and known.is_paid:
        del ledger.accruals[key]
        return
    shares = ledger.opening_quantity(dividend.symbol)
    amount = money(shares * dividend.amount_per_share)
    if not amount:
        return
    in_base = ledger.in_base(amount, dividend.currency)
    accrual = Accrual(
        symbol=dividend.symbol,
        ex_date=dividend.ex_date,
        currency=dividend.currency,
        amount=amount,
        base_amount=in_base,
        is_paid=False,
    )
    if known is not None:
        # A special dividend beside the regular one: both are owed.
        _require_same_currency(known, dividend.currency)
        accrual = replace(
            accrual, amount=amount + known.amount, base_amount=in_base + known.base_amount
        )
    symbol, currency = dividend.symbol, dividend.currency
    ledger.post(
        [
            Posting(Account.DIVIDENDS_RECEIVABLE, symbol, currency, amount, in_base),
            Posting(Account.DIVIDENDS, symbol, currency, -amount, -in_base),
        ]
    )
    ledger.accruals[key] = accrual
    ledger.count_dividend(dividend.symbol, in_base)
    if dividend.currency != ledger.currency:
        ledger.session_counter.accrued_at_rate += in_base


def book_dividend_payment(
    ledger: GeneralLedger, _session: dt.date, payment: DividendPayment
) -> None:
    """Cash against what is owed; what is not owed is income."""
    symbol, currency = payment.symbol, payment.currency
    amount = money(payment.amount)
    in_base = ledger.in_base(amount, currency)
    key = (symbol, payment.ex_date)
    owed = ledger.accruals.get(key)
    if owed is not None:
        _require_same_currency(owed, currency)
    income, base_income = amount, in_base
    entries: list[Posting] = []
    if owed is not None and not owed.is_paid:
        income = amount - owed.amount
        base_income = ledger.in_base(income, currency)
        # It was owed at the rate of its ex-date and comes at today's.
        settled = in_base - base_income
        gain = owed.base_amount - settled
        receivable = Account.DIVIDENDS_RECEIVABLE
        entries.append(Posting(receivable, symbol, currency, -owed.amount, -owed.base_amount))
        if gain:
            entries.append(Posting(Account.FX_GAIN, "", currency, ZERO, gain))
        if currency != ledger.currency:
            ledger.session_counter.accrued_at_rate -= settled
        del ledger.accruals[key]
    elif ledger.policy.dividend_source is DividendSource.EX_DATE:
        ledger.accruals[key] = Accrual(
            symbol=symbol,
            ex_date=payment.ex_date,
            currency=currency,
            amount=amount,
            base_amount=in_base,
            is_paid=True,
        )
    if income or base_income:
        entries.append(Posting(Account.DIVIDENDS, symbol, currency, -income, -base_income))
    ledger.settle(entries, currency, amount)
    ledger.session_counter.add_other_cash(currency, amount)
    ledger.count_dividend(symbol, base_income)


def _require_same_currency(accrual: Accrual, currency: str) -> None:
    if accrual.currency != currency:
        raise LedgerError(
            f"dividend of {accrual.symbol} ex {accrual.ex_date} is known in {accrual.currency} and "
            f"comes in {currency}: record it in {accrual.currency}, and a currency_conversion "
            "beside it."
        )
