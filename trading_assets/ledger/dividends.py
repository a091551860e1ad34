"""Cash dividends: accrued when they go ex, settled when they are paid, income once.

Two events tell of the same dividend, and either can come first. The policy names the one that is
income; the other never adds to it.

    ex_date   The dividend is income on its ex-date and owed until it is paid. The payment settles
              what is owed; what it differs by is income too (or less of it). A payment that comes
              before its ex-date event, or without one, is income then, and of the later event only
              what exceeds it is income and owed.
    broker    The payment is income. The ex-date event is only noted.

A payment that the broker takes back undoes one: what it settled is owed again, what was income only
because it was paid is none.

Who is short on the ex-date owes the dividend: the same, with the signs turned.
"""

from __future__ import annotations

import datetime as dt

from msgspec.structs import replace

from trading_assets.errors import LedgerError
from trading_assets.ledger.accounts import Account, Posting
from trading_assets.ledger.general_ledger import Claim, DividendClaims, GeneralLedger
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
    symbol, currency = dividend.symbol, dividend.currency
    ledger.rate(currency, f"{what}: ")
    claims = _claims(ledger, symbol, dividend.ex_date, currency)
    amount = money(ledger.opening_quantity(symbol) * dividend.amount_per_share)
    # What was paid early was income then and is owed no more.
    covered = claims.paid if abs(claims.paid) < abs(amount) else amount
    if claims.paid and (claims.paid > 0) is (amount > 0):
        claims = replace(claims, paid=claims.paid - covered)
        amount -= covered
    in_base = ledger.in_base(amount, currency)
    if amount:
        claims = replace(claims, owed=(*claims.owed, Claim(amount, in_base)))
        ledger.post(
            [
                Posting(Account.DIVIDENDS_RECEIVABLE, symbol, currency, amount, in_base),
                Posting(Account.DIVIDENDS, symbol, currency, -amount, -in_base),
            ]
        )
        ledger.count_dividend(symbol, in_base)
        if currency != ledger.currency:
            ledger.session_counter.accrued_at_rate += in_base
    _keep(ledger, claims)


def book_dividend_payment(
    ledger: GeneralLedger, _session: dt.date, payment: DividendPayment
) -> None:
    """Cash against what is owed; what is not owed is income.

    A payment of exactly one of several dividends owed settles that one, any other all of them. One
    that takes another back restores what that settled.
    """
    if payment.takes_back:
        _take_back(ledger, payment)
        return
    symbol, currency = payment.symbol, payment.currency
    what = f"dividend payment of {symbol} ex {payment.ex_date}: "
    ledger.rate(currency, what)
    amount = money(payment.amount)
    in_base = ledger.in_base(amount, currency)
    claims = _claims(ledger, symbol, payment.ex_date, currency)
    alone = next((claim for claim in claims.owed if claim.amount == amount), None)
    settled = claims.owed if alone is None else (alone,)
    owed = sum((claim.amount for claim in settled), ZERO)
    base_owed = sum((claim.base_amount for claim in settled), ZERO)
    income = amount - owed
    base_income = ledger.in_base(income, currency)
    entries: list[Posting] = []
    if settled:
        # It was owed at the rate of its ex-date and comes at today's.
        today = in_base - base_income
        receivable = Account.DIVIDENDS_RECEIVABLE
        entries.append(Posting(receivable, symbol, currency, -owed, -base_owed))
        if base_owed != today:
            entries.append(Posting(Account.FX_GAIN, "", currency, ZERO, base_owed - today))
        if currency != ledger.currency:
            ledger.session_counter.accrued_at_rate -= today
        left = list(claims.owed)
        for claim in settled:
            left.remove(claim)
        claims = replace(claims, owed=tuple(left))
    elif ledger.policy.dividend_source is DividendSource.EX_DATE:
        claims = replace(claims, paid=claims.paid + amount)
    if income or base_income:
        entries.append(Posting(Account.DIVIDENDS, symbol, currency, -income, -base_income))
    ledger.settle(entries, currency, amount)
    ledger.session_counter.add_other_cash(currency, amount)
    ledger.count_dividend(symbol, base_income)
    _keep(ledger, claims)


def _take_back(ledger: GeneralLedger, payment: DividendPayment) -> None:
    """Undo a payment, whose sign is the opposite of this amount's.

    Of what was not owed when it was paid, `paid` still says how much: that much is income no more.
    The rest is owed again, at today's rate. With the broker as the source all of it was income.
    """
    symbol, currency = payment.symbol, payment.currency
    ledger.rate(currency, f"dividend payment of {symbol} ex {payment.ex_date}: ")
    claims = _claims(ledger, symbol, payment.ex_date, currency)
    undone = -money(payment.amount)
    income = undone
    if ledger.policy.dividend_source is DividendSource.EX_DATE:
        is_early = (claims.paid > 0) is (undone > 0)
        income = min(claims.paid, undone, key=abs) if is_early else ZERO
        claims = replace(claims, paid=claims.paid - income)
    owed, base_income = undone - income, ledger.in_base(income, currency)
    base_owed = ledger.in_base(undone, currency) - base_income
    entries: list[Posting] = []
    if owed:
        claims = replace(claims, owed=(*claims.owed, Claim(owed, base_owed)))
        entries.append(Posting(Account.DIVIDENDS_RECEIVABLE, symbol, currency, owed, base_owed))
        if currency != ledger.currency:
            ledger.session_counter.accrued_at_rate += base_owed
    if income or base_income:
        entries.append(Posting(Account.DIVIDENDS, symbol, currency, income, base_income))
    ledger.settle(entries, currency, -undone)
    ledger.session_counter.add_other_cash(currency, -undone)
    ledger.count_dividend(symbol, -base_income)
    _keep(ledger, claims)


def rename_claims(ledger: GeneralLedger, symbol: str, new_symbol: str) -> None:
    """What is owed for `symbol` is owed for `new_symbol`, beside what is owed for that already."""
    for claims in [one for one in ledger.dividends.values() if one.symbol == symbol]:
        beside = _claims(ledger, new_symbol, claims.ex_date, claims.currency)
        amount, in_base, currency = claims.amount, claims.base_amount, claims.currency
        if claims.owed:
            receivable = Account.DIVIDENDS_RECEIVABLE
            ledger.post(
                [
                    Posting(receivable, symbol, currency, -amount, -in_base),
                    Posting(receivable, new_symbol, currency, amount, in_base),
                ]
            )
        _keep(ledger, replace(claims, owed=(), paid=ZERO))
        joined = replace(beside, owed=(*beside.owed, *claims.owed), paid=beside.paid + claims.paid)
        _keep(ledger, joined)


def _claims(ledger: GeneralLedger, symbol: str, ex_date: dt.date, currency: str) -> DividendClaims:
    """What is known of the dividends of a symbol and ex-date, nothing as yet included."""
    known = ledger.dividends.get((symbol, ex_date))
    if known is None:
        return DividendClaims(symbol=symbol, ex_date=ex_date, currency=currency)
    if known.currency != currency:
        raise LedgerError(
            f"dividend of {symbol} ex {ex_date} is known in {known.currency} and comes in "
            f"{currency}: record it in {known.currency}, and a currency_conversion beside it."
        )
    return known


def _keep(ledger: GeneralLedger, claims: DividendClaims) -> None:
    """Remember claims for as long as something is owed or was paid early."""
    key = (claims.symbol, claims.ex_date)
    if claims.owed or claims.paid:
        ledger.dividends[key] = claims
    else:
        ledger.dividends.pop(key, None)
