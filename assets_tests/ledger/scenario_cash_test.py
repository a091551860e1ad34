"""Deposits, withdrawals, interest, borrow fees, taxes, adjustments; closes; what is refused."""

from __future__ import annotations

import pytest

from assets_tests.ledger.scenario import check

HOLDING = """
    2024-01-08 deposit 1000.00 USD
    2024-01-08 buy 10 SPY @ 50.00 as a
"""
HELD = """
    SPY 10 cost 500.00
      lot a 10 cost 500.00 opened 2024-01-08
    cash USD 500.00
"""


def test_deposits_and_withdrawals_are_flows_and_no_profit() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-09 deposit 0.01 USD
        2024-01-10 withdrawal 400.00 USD
        ---
        cash USD 600.01
        flows 600.01
        account capital USD -600.01
    """)


def test_a_withdrawal_may_leave_the_account_in_debit() -> None:
    check("""
        2024-01-08 deposit 100.00 USD
        2024-01-10 withdrawal 150.00 USD
        ---
        cash USD -50.00
        total cash -50.00
    """)


def test_interest_is_received_on_credit_and_paid_on_debit() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-31 interest 3.25 USD
        2024-02-29 interest -7.10 USD
        ---
        cash USD 996.15
        interest USD -3.85
        flows 1000.00
    """)


def test_a_borrow_fee_is_an_expense_of_being_short() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 sell 10 GME @ 50.00 as a
        2024-01-31 borrow fee 4.17 USD on GME
        ---
        GME -10 cost -500.00
          lot a -10 cost -500.00 opened 2024-01-08
        cash USD 1495.83
        borrow fees USD 4.17
    """)


def test_tax_on_interest_belongs_to_no_instrument() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-31 interest 3.00 USD
        2024-01-31 tax 0.75 USD
        ---
        cash USD 1002.25
        interest USD 3.00
        taxes USD 0.75
    """)


class TestAdjustment:
    """Shares and money that a person brings in or takes out, with a reason."""

    def test_shares_that_are_transferred_in_are_a_flow_in_kind(self) -> None:
        ledger = check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-09 adjust 5 SPY @ 100.00 USD because transferred from another custodian
            ---
            SPY 5 cost 500.00
              lot adjustment 2024-01-09 5 cost 500.00 opened 2024-01-09
            cash USD 1000.00
            flows 1500.00
        """)
        (lot,) = ledger.lots("SPY")
        assert lot.opened_at is None

    def test_shares_that_are_taken_out_close_lots_at_the_price(self) -> None:
        """Three of ten leave at 60: 180 - 150."""
        check(f"""
            {HOLDING}
            2024-01-09 adjust -3 SPY @ 60.00 USD because delivered to the client
            ---
            SPY 7 cost 350.00
              lot a 7 cost 350.00 opened 2024-01-08
            cash USD 500.00
            realized SPY 30.00
            flows 820.00
        """)

    def test_money_alone(self) -> None:
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-09 adjust USD cash -0.02 because the broker's statement rounds otherwise
            ---
            cash USD 999.98
            flows 999.98
        """)

    def test_shares_and_money_together(self) -> None:
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-09 adjust 5 SPY @ 100.00 USD cash -12.00 because transferred, less its fee
            ---
            SPY 5 cost 500.00
              lot adjustment 2024-01-09 5 cost 500.00 opened 2024-01-09
            cash USD 988.00
            flows 1488.00
        """)

    def test_shares_at_no_price_have_no_cost_and_no_return(self) -> None:
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-09 adjust 5 SPY @ 0 USD because a gift
            2024-01-10 sell 5 SPY @ 10.00
            ---
            cash USD 1050.00
            realized SPY 50.00
            flows 1000.00
            round trip adjustment 2024-01-09: long 5 SPY 2024-01-09 @ 0 to 2024-01-10 @ 10.00 \
pnl 50.00 return undefined days 1
        """)

    @pytest.mark.parametrize(
        ("adjustment", "words"),
        [
            ("adjust 5 @ 100.00 USD because x", "5"),
            ("adjust 5 SPY @ -1.00 USD because x", "SPY, -1"),
            ("adjust 5 VOD @ 72.50 GBX because x", "GBX"),
        ],
    )
    def test_what_cannot_be_is_refused(self, adjustment: str, words: str) -> None:
        check(f"""
            {HOLDING}
            2024-01-09 {adjustment}
              refused: {words}
            ---
            {HELD}
        """)


class TestClose:
    """A close states what the book is worth; a book that is worth something else refuses it."""

    def test_the_close_of_longs_shorts_and_cash(self) -> None:
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-08 buy 10 SPY @ 50.00 as a
            2024-01-08 sell 4 GME @ 20.00 commission 1.00 as b
            2024-01-08 close SPY 51.00 GME 22.50 value 420.00 cash 579.00 equity 999.00
            ---
            SPY 10 cost 500.00
              lot a 10 cost 500.00 opened 2024-01-08
            GME -4 cost -80.00
              lot b -4 cost -80.00 opened 2024-01-08
            cash USD 579.00
            fees 1.00
        """)

    def test_each_position_is_valued_to_the_cent(self) -> None:
        """3 x 0.335 = 1.005 is 1.00 twice, though together they would be 2.01."""
        check("""
            2024-01-08 deposit 10.00 USD
            2024-01-08 buy 3 AA @ 1.00 as a
            2024-01-08 buy 3 BB @ 1.00 as b
            2024-01-08 close AA 0.335 BB 0.335 value 2.00 cash 4.00 equity 6.00
            ---
            AA 3 cost 3.00
              lot a 3 cost 3.00 opened 2024-01-08
            BB 3 cost 3.00
              lot b 3 cost 3.00 opened 2024-01-08
            cash USD 4.00
        """)

    @pytest.mark.parametrize(
        ("close", "words"),
        [
            ("SPY 51.00 value 510.00 cash 499.99 equity 1009.99", "499.99, 500"),
            ("SPY 51.00 value 511.00 cash 500.00 equity 1011.00", "511, 510"),
            ("SPY 51.00 value 510.00 cash 500.00 equity 1010.01", "1010.01, 1010"),
            ("SPY 51.00 value 510.00 cash 500.00 accruals 1.00 equity 1011.00", "1"),
            ("value 0.00 cash 500.00 equity 500.00", "SPY"),
            ("SPY 51.00 value 510.00 cash 500.00 of USD 499.00 equity 1010.00", "499, 500"),
        ],
        ids=["cash", "value", "equity", "accruals", "mark", "balance"],
    )
    def test_a_close_that_states_another_book_is_refused(self, close: str, words: str) -> None:
        check(f"""
            {HOLDING}
            2024-01-08 close {close}
              refused: {words}
            ---
            {HELD}
        """)

    def test_sessions_close_once_and_in_order(self) -> None:
        check(f"""
            {HOLDING}
            2024-01-09 close SPY 51.00 value 510.00 cash 500.00 equity 1010.00
            2024-01-09 close SPY 51.00 value 510.00 cash 500.00 equity 1010.00
              refused: 2024-01-09
            2024-01-08 close SPY 51.00 value 510.00 cash 500.00 equity 1010.00
              refused: 2024-01-08, 2024-01-09
            ---
            {HELD}
        """)


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        ("buy 0 SPY @ 50.00", "SPY, 0"),
        ("buy -1 SPY @ 50.00", "SPY, -1"),
        ("sell 1 SPY @ -50.00", "SPY, -50"),
        ("buy 1 SPY @ 50.00 commission -1.00", "SPY, -1"),
        ("deposit -5.00 USD", "-5"),
        ("deposit 0.00 USD", "0"),
        ("withdrawal -5.00 USD", "5"),
        ("buy 100 VOD @ 72.50 GBX", "VOD, GBX, GBP"),
        ("deposit 100.00 GBX", "GBX, GBP"),
        ("deposit 100.00 EUR", "EUR, rate"),
        ("buy 1 SAP @ 50.00 EUR", "SAP, EUR, rate"),
        ("fee 1.00 EUR", "EUR, rate"),
        ("tax 1.00 EUR", "EUR, rate"),
        ("interest 1.00 EUR", "EUR, rate"),
        ("borrow fee 1.00 EUR on GME", "EUR, rate"),
        ("payment SPY 1.00 EUR ex 2024-01-08", "EUR, rate"),
        ("dividend SPY 1.00 EUR", "EUR, rate"),
        ("convert 10.00 EUR to 9.00 GBP", "GBP, rate"),
        ("convert 10.00 USD to 10.00 USD", "USD"),
        ("convert -10.00 USD to 9.00 EUR", "-10"),
        ("convert 10.00 USD to 0.00 EUR", "0"),
        ("rate EUR 0", "EUR, 0"),
        ("rate EUR -1.10", "EUR, -1.1"),
        ("rate GBX 0.0125", "GBX, GBP"),
        ("rate USD 1.10", "USD"),
    ],
)
def test_a_fact_that_cannot_be_booked_is_refused_and_changes_nothing(fact: str, words: str) -> None:
    check(f"""
        {HOLDING}
        2024-01-09 {fact}
          refused: {words}
        ---
        {HELD}
        flows 1000.00
        no round trips
    """)


def test_a_refusal_does_not_move_the_ledger_to_another_session() -> None:
    """A fact of Wednesday is refused; Tuesday's dividend is owed on what Tuesday opened with."""
    check("""
        2024-01-08 deposit 20000.00 USD
        2024-01-08 buy 100 KO @ 50.00 as a
        2024-01-09 buy 200 KO @ 50.00 as b
        2024-01-10 buy 0 KO @ 50.00
          refused: KO
        2024-01-09 dividend KO 0.50 USD
        ---
        KO 300 cost 15000.00
          lot a 100 cost 5000.00 opened 2024-01-08
          lot b 200 cost 10000.00 opened 2024-01-09
        cash USD 5000.00
        dividends USD 50.00
        accruals 50.00
    """)


def test_the_ledger_goes_on_after_a_refusal() -> None:
    check(f"""
        {HOLDING}
        2024-01-09 buy 0 SPY @ 50.00
          refused: SPY
        2024-01-09 sell 10 SPY @ 52.00
        ---
        cash USD 1020.00
        realized SPY 20.00
    """)
