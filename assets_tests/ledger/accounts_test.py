"""Double entry: what does not balance is refused, in each currency and in base."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading_assets.errors import LedgerError
from trading_assets.ledger.accounts import Account, Accounts, Posting


def posting(
    account: Account, amount: str, base_amount: str | None = None, currency: str = "USD"
) -> Posting:
    return Posting(account, "", currency, Decimal(amount), Decimal(base_amount or amount))


def test_a_deposit_is_cash_against_capital() -> None:
    accounts = Accounts("USD")
    accounts.post([posting(Account.CASH, "100"), posting(Account.CAPITAL, "-100")])
    assert accounts.trial_balance() == {("capital", "USD"): -100, ("cash", "USD"): 100}
    assert accounts.cash_balances() == {"USD": 100}


def test_a_cent_that_is_missing_is_refused_and_nothing_is_posted() -> None:
    accounts = Accounts("USD")
    with pytest.raises(LedgerError, match=r"do not balance.*cash  100 USD; capital  -99\.99 USD"):
        accounts.post([posting(Account.CASH, "100"), posting(Account.CAPITAL, "-99.99")])
    assert accounts.trial_balance() == {}


def test_currencies_do_not_balance_each_other() -> None:
    """100 EUR against 110 USD needs the conversion account on both sides."""
    accounts = Accounts("USD")
    with pytest.raises(LedgerError, match="do not balance"):
        accounts.post(
            [posting(Account.CASH, "100", "110", "EUR"), posting(Account.CASH, "-110")],
        )
    accounts.post(
        [
            posting(Account.CASH, "100", "110", "EUR"),
            posting(Account.CONVERSION, "-100", "-110", "EUR"),
            posting(Account.CONVERSION, "110"),
            posting(Account.CASH, "-110"),
        ]
    )
    assert accounts.base_balance(Account.CASH, "", "EUR") == 110
    assert accounts.total(Account.CONVERSION) == 0


def test_foreign_amounts_that_balance_must_balance_in_base_too() -> None:
    accounts = Accounts("USD")
    with pytest.raises(LedgerError, match="do not balance"):
        accounts.post(
            [
                posting(Account.CASH, "-100", "-105", "EUR"),
                posting(Account.POSITIONS, "100", "110", "EUR"),
            ]
        )
    accounts.post(
        [
            posting(Account.CASH, "-100", "-105", "EUR"),
            posting(Account.POSITIONS, "100", "110", "EUR"),
            posting(Account.FX_GAIN, "0", "-5", "EUR"),
        ]
    )
    assert accounts.total(Account.FX_GAIN) == -5


def test_balances_given_and_taken_up_again_are_the_same() -> None:
    accounts = Accounts("USD")
    accounts.post(
        [
            posting(Account.CASH, "100", "110", "EUR"),
            posting(Account.CAPITAL, "-100", "-110", "EUR"),
        ]
    )
    again = Accounts("USD")
    again.restore(accounts.entries())
    assert again.trial_balance() == accounts.trial_balance()
    assert again.base_balance(Account.CAPITAL, "", "EUR") == -110
