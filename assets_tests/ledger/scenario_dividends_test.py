"""Cash dividends: owed from the ex-date or booked when paid, by longs and shorts, never twice."""

from __future__ import annotations

import pytest

from assets_tests.ledger.scenario import check

LONG = """
    2024-01-08 deposit 10000.00 USD
    2024-01-08 buy 100 KO @ 50.00 as a
"""
HELD = """
    KO 100 cost 5000.00
      lot a 100 cost 5000.00 opened 2024-01-08
"""
SHORT = """
    2024-01-08 deposit 10000.00 USD
    2024-01-08 sell 100 KO @ 50.00 as a
"""
OWED = """
    KO -100 cost -5000.00
      lot a -100 cost -5000.00 opened 2024-01-08
"""
EX = "2024-01-10 dividend KO 0.50 USD paid 2024-01-25"
PAID = "2024-01-25 payment KO 50.00 USD ex 2024-01-10"
BROKER = "policy dividend_source=broker"


def test_from_the_ex_date_on_the_dividend_is_owed() -> None:
    check(f"""
        {LONG}
        {EX}
        ---
        {HELD}
        cash USD 5000.00
        dividends USD 50.00
        accruals 50.00
        flows 10000.00
    """)


def test_the_payment_settles_what_was_owed_and_is_no_second_income() -> None:
    check(f"""
        {LONG}
        {EX}
        {PAID}
        ---
        {HELD}
        cash USD 5050.00
        dividends USD 50.00
    """)


def test_a_short_owes_the_dividend_and_pays_it() -> None:
    check(f"""
        {SHORT}
        {EX}
        ---
        {OWED}
        cash USD 15000.00
        dividends USD -50.00
        accruals -50.00
    """)
    check(f"""
        {SHORT}
        {EX}
        2024-01-25 payment KO -50.00 USD ex 2024-01-10
        ---
        {OWED}
        cash USD 14950.00
        dividends USD -50.00
    """)


def test_what_was_paid_is_the_income_where_it_differs_from_what_was_owed() -> None:
    """A payment settles the dividend: two cents less were earned, nothing stays owed."""
    check(f"""
        {LONG}
        {EX}
        2024-01-25 payment KO 49.98 USD ex 2024-01-10
        ---
        {HELD}
        cash USD 5049.98
        dividends USD 49.98
    """)


def test_with_the_broker_as_the_source_the_ex_date_books_nothing() -> None:
    check(f"""
        {BROKER}
        {LONG}
        {EX}
        ---
        {HELD}
        cash USD 5000.00
    """)


def test_with_the_broker_as_the_source_the_payment_is_the_income() -> None:
    check(f"""
        {BROKER}
        {LONG}
        {EX}
        {PAID}
        ---
        {HELD}
        cash USD 5050.00
        dividends USD 50.00
    """)


def test_with_the_broker_as_the_source_a_short_pays_when_it_pays() -> None:
    check(f"""
        {BROKER}
        {SHORT}
        {EX}
        2024-01-25 payment KO -50.00 USD ex 2024-01-10
        ---
        {OWED}
        cash USD 14950.00
        dividends USD -50.00
    """)


@pytest.mark.parametrize("policy", ["policy", BROKER])
def test_a_payment_that_is_told_before_its_dividend_is_still_income_once(policy: str) -> None:
    check(f"""
        {policy}
        {LONG}
        2024-01-10 payment KO 50.00 USD ex 2024-01-10
        2024-01-10 dividend KO 0.50 USD
        ---
        {HELD}
        cash USD 5050.00
        dividends USD 50.00
    """)


def test_who_sells_on_the_ex_date_is_owed_and_who_buys_is_not() -> None:
    """The dividend is booked on what the session opened with: 100 shares."""
    check("""
        2024-01-08 deposit 20000.00 USD
        2024-01-08 buy 100 KO @ 50.00
        2024-01-10 dividend KO 0.50 USD
        2024-01-10 sell 100 KO @ 51.00
        2024-01-10 buy 300 KO @ 50.00 as b
        2024-01-25 payment KO 50.00 USD ex 2024-01-10
        ---
        KO 300 cost 15000.00
          lot b 300 cost 15000.00 opened 2024-01-10
        cash USD 5150.00
        realized KO 100.00
        dividends USD 50.00
    """)


def test_trades_of_the_ex_date_that_are_told_before_the_dividend_do_not_count() -> None:
    """Whoever tells the book first: it is the holding at the open that is owed."""
    check("""
        2024-01-08 deposit 20000.00 USD
        2024-01-08 buy 100 KO @ 50.00 as a
        2024-01-10 buy 200 KO @ 50.00 as b
        2024-01-10 dividend KO 0.50 USD
        ---
        KO 300 cost 15000.00
          lot a 100 cost 5000.00 opened 2024-01-08
          lot b 200 cost 10000.00 opened 2024-01-10
        cash USD 5000.00
        dividends USD 50.00
        accruals 50.00
    """)


def test_a_sale_between_ex_date_and_payment_leaves_the_dividend_owed() -> None:
    check(f"""
        {LONG}
        {EX}
        2024-01-12 sell 100 KO @ 50.00
        ---
        cash USD 10000.00
        dividends USD 50.00
        accruals 50.00
    """)


def test_all_lots_are_owed_and_a_dividend_touches_no_lot() -> None:
    """130 x 0.485 = 63.05."""
    check(f"""
        {LONG}
        2024-01-09 buy 30 KO @ 52.00 as b
        2024-01-10 dividend KO 0.485 USD
        ---
        KO 130 cost 6560.00
          lot a 100 cost 5000.00 opened 2024-01-08
          lot b 30 cost 1560.00 opened 2024-01-09
        cash USD 3440.00
        dividends USD 63.05
        accruals 63.05
    """)


def test_a_dividend_has_no_fraction_of_a_cent() -> None:
    """33 x 0.2525 = 8.3325."""
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 buy 33 KO @ 10.00 as a
        2024-01-10 dividend KO 0.2525 USD
        ---
        KO 33 cost 330.00
          lot a 33 cost 330.00 opened 2024-01-08
        cash USD 670.00
        dividends USD 8.33
        accruals 8.33
    """)


def test_two_dividends_of_one_ex_date_are_both_owed_and_settled_together() -> None:
    """A regular 0.50 and a special 1.00."""
    check(f"""
        {LONG}
        2024-01-10 dividend KO 0.50 USD
        2024-01-10 dividend KO 1.00 USD
        ---
        {HELD}
        cash USD 5000.00
        dividends USD 150.00
        accruals 150.00
    """)
    check(f"""
        {LONG}
        2024-01-10 dividend KO 0.50 USD
        2024-01-10 dividend KO 1.00 USD
        2024-01-25 payment KO 150.00 USD ex 2024-01-10
        ---
        {HELD}
        cash USD 5150.00
        dividends USD 150.00
    """)


def test_two_dividends_of_one_ex_date_may_be_paid_one_after_the_other() -> None:
    check(f"""
        {LONG}
        2024-01-10 dividend KO 0.50 USD
        2024-01-10 dividend KO 1.00 USD
        2024-01-25 payment KO 50.00 USD ex 2024-01-10
        2024-01-26 payment KO 100.00 USD ex 2024-01-10
        ---
        {HELD}
        cash USD 5150.00
        dividends USD 150.00
    """)


def test_two_dividends_of_one_ex_date_that_were_paid_before_are_income_once() -> None:
    """The broker pays 150.00 and only then both dividends are told."""
    check(f"""
        {LONG}
        2024-01-10 payment KO 150.00 USD ex 2024-01-10
        2024-01-10 dividend KO 0.50 USD
        2024-01-10 dividend KO 1.00 USD
        ---
        {HELD}
        cash USD 5150.00
        dividends USD 150.00
    """)
    check(f"""
        {LONG}
        2024-01-10 payment KO 50.00 USD ex 2024-01-10
        2024-01-10 payment KO 100.00 USD ex 2024-01-10
        2024-01-10 dividend KO 0.50 USD
        2024-01-10 dividend KO 1.00 USD
        ---
        {HELD}
        cash USD 5150.00
        dividends USD 150.00
    """)


def test_of_two_dividends_of_one_ex_date_the_one_not_paid_yet_stays_owed() -> None:
    check(f"""
        {LONG}
        2024-01-10 dividend KO 0.50 USD
        2024-01-10 dividend KO 1.00 USD
        2024-01-25 payment KO 50.00 USD ex 2024-01-10
        ---
        {HELD}
        cash USD 5050.00
        dividends USD 150.00
        accruals 100.00
    """)


def test_a_payment_settles_the_dividend_of_its_own_ex_date() -> None:
    check(f"""
        {LONG}
        2024-01-10 dividend KO 0.50 USD
        2024-01-17 dividend KO 0.60 USD
        2024-01-25 payment KO 60.00 USD ex 2024-01-17
        ---
        {HELD}
        cash USD 5060.00
        dividends USD 110.00
        accruals 50.00
    """)


def test_a_split_between_ex_date_and_payment_changes_nothing_that_is_owed() -> None:
    check(f"""
        {LONG}
        {EX}
        2024-01-15 split KO 2:1
        {PAID}
        ---
        KO 200 cost 5000.00
          lot a 200 cost 5000.00 opened 2024-01-08
        cash USD 5050.00
        dividends USD 50.00
    """)


def test_a_dividend_on_the_session_of_a_split_is_per_share_as_they_stand_then() -> None:
    """Told split first: 200 new shares are owed 0.25 each."""
    check(f"""
        {LONG}
        2024-01-10 split KO 2:1
        2024-01-10 dividend KO 0.25 USD
        ---
        KO 200 cost 5000.00
          lot a 200 cost 5000.00 opened 2024-01-08
        cash USD 5000.00
        dividends USD 50.00
        accruals 50.00
    """)


def test_a_dividend_owed_under_the_old_name_is_paid_under_the_new_one() -> None:
    check(f"""
        {LONG}
        {EX}
        2024-01-15 rename KO to COKE
        2024-01-25 payment COKE 50.00 USD ex 2024-01-10
        ---
        COKE 100 cost 5000.00
          lot a 100 cost 5000.00 opened 2024-01-08
        cash USD 5050.00
        dividends USD 50.00
    """)


def test_claims_of_two_issuers_stay_two_when_one_takes_the_name_of_the_other() -> None:
    """KO owes 50.00 and PEP 30.00 of the same ex-date; PEP is sold, and KO takes its name."""
    check(f"""
        {LONG}
        2024-01-08 buy 100 PEP @ 10.00
        2024-01-10 dividend KO 0.50 USD
        2024-01-10 dividend PEP 0.30 USD
        2024-01-10 sell 100 PEP @ 10.00
        2024-01-12 rename KO to PEP
        2024-01-25 payment PEP 80.00 USD ex 2024-01-10
        ---
        PEP 100 cost 5000.00
          lot a 100 cost 5000.00 opened 2024-01-08
        cash USD 5080.00
        dividends USD 80.00
        account dividends_receivable USD 0.00
    """)


def test_who_holds_nothing_is_owed_nothing() -> None:
    check("""
        2024-01-08 deposit 100.00 USD
        2024-01-10 dividend KO 0.50 USD
        ---
        cash USD 100.00
    """)


@pytest.mark.parametrize("policy", ["policy", BROKER])
def test_tax_withheld_is_an_expense_beside_the_gross_dividend(policy: str) -> None:
    """15 % of 50.00."""
    check(f"""
        {policy}
        {LONG}
        {EX}
        {PAID}
        2024-01-25 tax 7.50 USD on KO
        ---
        {HELD}
        cash USD 5042.50
        dividends USD 50.00
        taxes USD 7.50
    """)


def test_tax_that_is_refunded_is_negative() -> None:
    check(f"""
        {LONG}
        {EX}
        {PAID}
        2024-01-25 tax 15.00 USD on KO
        2024-06-25 tax -7.50 USD on KO
        ---
        {HELD}
        cash USD 5042.50
        dividends USD 50.00
        taxes USD 7.50
    """)


def test_equity_counts_what_is_owed() -> None:
    """On the ex-date the price falls by the dividend and equity stands still: 4950 + 5000 + 50."""
    check(f"""
        {LONG}
        {EX}
        2024-01-10 close KO 49.50 value 4950.00 cash 5000.00 accruals 50.00 equity 10000.00
        ---
        {HELD}
        cash USD 5000.00
        dividends USD 50.00
        accruals 50.00
    """)


def test_a_dividend_below_zero_is_refused() -> None:
    check(f"""
        {LONG}
        2024-01-10 dividend KO -0.50 USD
          refused: KO, -0.50
        ---
        {HELD}
        cash USD 5000.00
    """)


# A payment that is taken back


def test_a_payment_that_is_taken_back_is_owed_again_and_no_other_dividend_is_touched() -> None:
    """30 are paid and taken back while 31 of the next dividend are owed: 61 are owed then, and 61
    were earned."""
    check(f"""
        {LONG}
        2024-01-10 dividend KO 0.30 USD
        2024-01-25 payment KO 30.00 USD ex 2024-01-10
        2024-01-26 dividend KO 0.31 USD
        2024-01-29 payment KO -30.00 USD ex 2024-01-10 taken back
        ---
        {HELD}
        cash USD 5000.00
        dividends USD 61.00
        accruals 61.00
        flows 10000.00
    """)


def test_what_was_taken_back_is_settled_when_it_is_paid_again() -> None:
    check(f"""
        {LONG}
        {EX}
        2024-01-25 payment KO 49.98 USD ex 2024-01-10
        2024-01-26 payment KO -49.98 USD ex 2024-01-10 taken back
        2024-01-29 payment KO 50.00 USD ex 2024-01-10
        ---
        {HELD}
        cash USD 5050.00
        dividends USD 50.00
    """)


def test_a_short_that_gets_its_payment_back_owes_it_again() -> None:
    check(f"""
        {SHORT}
        {EX}
        2024-01-25 payment KO -50.00 USD ex 2024-01-10
        2024-01-26 payment KO 50.00 USD ex 2024-01-10 taken back
        ---
        {OWED}
        cash USD 15000.00
        dividends USD -50.00
        accruals -50.00
    """)


@pytest.mark.parametrize("policy", ["policy", BROKER])
def test_a_payment_that_nothing_was_owed_for_is_income_no_more(policy: str) -> None:
    check(f"""
        {policy}
        {LONG}
        2024-01-25 payment KO 50.00 USD ex 2024-01-25
        2024-01-26 payment KO -50.00 USD ex 2024-01-25 taken back
        ---
        {HELD}
        cash USD 5000.00
    """)
