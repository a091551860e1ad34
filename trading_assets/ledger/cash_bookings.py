"""Bookings of cash: flows, fees, taxes, interest, borrow fees, and exchange of currencies."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from trading_assets.errors import LedgerError
from trading_assets.ledger.accounts import Account, Posting
from trading_assets.ledger.general_ledger import GeneralLedger
from trading_assets.model.cash_events import (
    BorrowFee,
    CashFlow,
    CashFlowKind,
    CurrencyConversion,
    Fee,
    FxRate,
    Interest,
    TaxWithheld,
)
from trading_assets.model.currency import MINOR_UNITS
from trading_assets.model.money import money


def book_cash_flow(ledger: GeneralLedger, _session: dt.date, flow: CashFlow) -> None:
    """Money from or to the owner."""
    if (flow.amount > 0) is not (flow.kind is CashFlowKind.DEPOSIT) or not flow.amount:
        raise LedgerError(
            f"{flow.kind.value} {flow.reference!r} of {flow.amount}: a deposit must be above "
            "0, a withdrawal below 0. Record it again with the right sign."
        )
    amount = money(flow.amount)
    in_base = ledger.in_base(amount, flow.currency)
    capital = Posting(Account.CAPITAL, "", flow.currency, -amount, -in_base)
    ledger.settle([capital], flow.currency, amount)
    ledger.session_counter.flows += in_base
    ledger.session_counter.add_cash_flow(flow.currency, amount)


def book_fee(ledger: GeneralLedger, _session: dt.date, fee: Fee) -> None:
    """A fee beside the commission in a fill, or a rebate."""
    in_base = _pay(ledger, Account.FEES, fee.symbol, fee.currency, fee.amount)
    ledger.session_counter.fees += in_base
    if fee.symbol:
        ledger.counter(fee.symbol).fees += in_base


def book_tax_withheld(ledger: GeneralLedger, _session: dt.date, tax: TaxWithheld) -> None:
    """Tax taken at the source, or given back."""
    in_base = _pay(ledger, Account.TAXES, tax.symbol, tax.currency, tax.amount)
    ledger.session_counter.taxes += in_base
    if tax.symbol:
        ledger.counter(tax.symbol).taxes += in_base


def book_borrow_fee(ledger: GeneralLedger, _session: dt.date, fee: BorrowFee) -> None:
    """The price of shares borrowed to be short."""
    in_base = _pay(ledger, Account.BORROW_FEES, fee.symbol, fee.currency, fee.amount)
    ledger.session_counter.borrow_fees += in_base
    ledger.counter(fee.symbol).borrow_fees += in_base


def book_interest(ledger: GeneralLedger, _session: dt.date, interest: Interest) -> None:
    """Interest received on cash, or paid on cash that is borrowed."""
    in_base = _pay(ledger, Account.INTEREST, "", interest.currency, -interest.amount)
    ledger.session_counter.interest -= in_base


def _pay(
    ledger: GeneralLedger, account: Account, symbol: str, currency: str, cost: Decimal
) -> Decimal:
    """Cash against `account`: `cost` > 0 is paid, < 0 received. Returns it in base."""
    amount = money(cost)
    in_base = ledger.in_base(amount, currency)
    if amount:
        ledger.settle([Posting(account, symbol, currency, amount, in_base)], currency, -amount)
    ledger.session_counter.add_other_cash(currency, -amount)
    return in_base


def book_fx_rate(ledger: GeneralLedger, _session: dt.date, rate: FxRate) -> None:
    """The rate at which events in that currency are translated from here on."""
    if rate.rate <= 0 or rate.currency == ledger.currency:
        raise LedgerError(
            f"exchange rate of {rate.currency} is {rate.rate}: it must be above 0 and of another "
            f"currency than {ledger.currency}, in {ledger.currency} for one unit."
        )
    if rate.currency in MINOR_UNITS:
        raise LedgerError(
            f"exchange rate of {rate.currency}: a minor unit has none. Give that of "
            f"{MINOR_UNITS[rate.currency]}, and its amounts divided by 100."
        )
    ledger.rates[rate.currency] = rate.rate


def book_currency_conversion(
    ledger: GeneralLedger, _session: dt.date, conversion: CurrencyConversion
) -> None:
    """Cash of one currency for another: worth, in base, what the base side of it is, or else what
    was bought is at today's rate."""
    sold, bought = money(conversion.sold_amount), money(conversion.bought_amount)
    from_currency, to_currency = conversion.sold_currency, conversion.bought_currency
    if sold <= 0 or bought <= 0 or from_currency == to_currency:
        raise LedgerError(
            f"conversion {conversion.reference!r} of {sold} {from_currency} to {bought} "
            f"{to_currency}: both amounts must be above 0, and the currencies different."
        )
    worth = sold if from_currency == ledger.currency else ledger.in_base(bought, to_currency)
    for currency in (from_currency, to_currency):
        if currency in MINOR_UNITS:
            ledger.rate(currency)
    given = Posting(Account.CONVERSION, "", from_currency, sold, worth)
    taken = Posting(Account.CONVERSION, "", to_currency, -bought, -worth)
    ledger.settle([given], from_currency, -sold)
    ledger.settle([taken], to_currency, bought)
    for currency, amount in ((from_currency, sold), (to_currency, bought)):
        if currency != ledger.currency:
            # The first rate that is known of a currency may be the one it was bought at.
            ledger.rates.setdefault(currency, worth / amount)
    ledger.session_counter.add_other_cash(from_currency, -sold)
    ledger.session_counter.add_other_cash(to_currency, bought)
