"""Positions and cash in other currencies: gains of price and of exchange, apart and together.

The rule: an amount is worth in the portfolio's currency what it was worth on the day it was booked.
What a lot or a balance is worth more when it goes than when it came is an exchange gain.
"""

from __future__ import annotations

from assets_tests.ledger.scenario import check

EUROS = """
    2024-01-08 deposit 10000.00 USD
    2024-01-08 rate EUR 1.10
    2024-01-08 convert 5500.00 USD to 5000.00 EUR
    2024-01-08 buy 100 SAP @ 50.00 EUR as a
"""


def test_a_foreign_lot_costs_its_money_at_the_rate_of_its_day() -> None:
    check(f"""
        {EUROS}
        2024-01-09 rate EUR 1.20
        ---
        SAP 100 cost 5000.00
          lot a 100 cost 5000.00 base 5500.00 opened 2024-01-08
        cash USD 4500.00
        total cash 4500.00
        flows 10000.00
    """)


def test_gains_of_price_and_exchange_apart_and_together() -> None:
    """Price: 1000 EUR, at the sale's rate 1200 USD. Exchange: 5000 EUR x (1.20 - 1.10) = 500 USD.
    Together 7200 - 5500 = 1700, and cash is 4500 + 6000 x 1.20 = 11700."""
    check(f"""
        {EUROS}
        2024-01-18 rate EUR 1.20
        2024-01-18 sell 100 SAP @ 60.00 EUR
        ---
        cash USD 4500.00
        cash EUR 6000.00
        total cash 11700.00
        realized SAP 1000.00
        fx gain 500.00
        flows 10000.00
        round trip a: long 100 SAP 2024-01-08 @ 50.00 to 2024-01-18 @ 60.00 \
pnl 1000.00 base 1700.00 return 0.2 days 10
    """)


def test_a_gain_of_price_can_be_a_loss_together() -> None:
    """Price: 500 EUR at 0.90 = 450. Exchange: 5000 x (0.90 - 1.10) = -1000.
    Together 4950 - 5500."""
    check(f"""
        {EUROS}
        2024-01-18 rate EUR 0.90
        2024-01-18 sell 100 SAP @ 55.00 EUR
        ---
        cash USD 4500.00
        cash EUR 5500.00
        total cash 9450.00
        realized SAP 500.00
        fx gain -1000.00
        round trip a: long 100 SAP 2024-01-08 @ 50.00 to 2024-01-18 @ 55.00 \
pnl 500.00 base -550.00 return 0.1 days 10
    """)


def test_a_foreign_short_gains_where_the_currency_falls() -> None:
    """Sold for 5000 EUR = 5500 USD, covered for 4500 EUR at 1.20 = 5400 USD: 100 together, of
    which price 500 EUR x 1.20 = 600 and exchange -5000 x 0.10 = -500. The 5000 EUR of proceeds
    gained 500, of which the 4500 that were spent realized 450; 500 EUR stay, carried at 1.10."""
    check("""
        2024-01-08 deposit 10000.00 USD
        2024-01-08 rate EUR 1.10
        2024-01-08 sell 100 SAP @ 50.00 EUR as a
        2024-01-18 rate EUR 1.20
        2024-01-18 buy 100 SAP @ 45.00 EUR
        ---
        cash USD 10000.00
        cash EUR 500.00
        total cash 10600.00
        realized SAP 500.00
        fx gain -50.00
        round trip a: short 100 SAP 2024-01-08 @ 50.00 to 2024-01-18 @ 45.00 \
pnl 500.00 base 100.00 return 0.1 days 10
    """)


def test_what_is_bought_with_borrowed_euros_has_no_exchange_gain() -> None:
    """The lot gains 500, the debt of 5000 EUR loses 500 when it is repaid: 1000 EUR are left,
    1200 USD, all of it of price."""
    check("""
        2024-01-08 deposit 10000.00 USD
        2024-01-08 rate EUR 1.10
        2024-01-08 buy 100 SAP @ 50.00 EUR as a
        2024-01-18 rate EUR 1.20
        2024-01-18 sell 100 SAP @ 60.00 EUR
        ---
        cash USD 10000.00
        cash EUR 1000.00
        total cash 11200.00
        realized SAP 1000.00
    """)


def test_a_part_of_a_foreign_lot_takes_its_part_of_both_costs() -> None:
    """3 shares for 100.00 EUR = 120.00 USD; one of them 33.33 EUR and 40.00 USD."""
    check("""
        2024-01-08 deposit 200.00 USD
        2024-01-08 rate EUR 1.20
        2024-01-08 convert 120.00 USD to 100.00 EUR
        2024-01-08 buy 3 SAP @ 33.33333333 EUR as a
        2024-01-09 sell 1 SAP @ 40.00 EUR
        ---
        SAP 2 cost 66.67
          lot a 2 cost 66.67 base 80.00 opened 2024-01-08
        cash USD 80.00
        cash EUR 40.00
        total cash 128.00
        realized SAP 6.67
    """)


def test_cash_gains_when_its_rate_rises_and_the_gain_is_realized_when_it_goes() -> None:
    check("""
        2024-01-08 deposit 100.00 USD
        2024-01-08 rate EUR 1.10
        2024-01-08 deposit 1000.00 EUR
        2024-01-18 rate EUR 1.20
        ---
        cash USD 100.00
        cash EUR 1000.00
        total cash 1300.00
        flows 1200.00
    """)
    check("""
        2024-01-08 deposit 100.00 USD
        2024-01-08 rate EUR 1.10
        2024-01-08 deposit 1000.00 EUR
        2024-01-18 rate EUR 1.20
        2024-01-18 convert 1000.00 EUR to 1200.00 USD
        ---
        cash USD 1300.00
        total cash 1300.00
        fx gain 100.00
        flows 1200.00
    """)


def test_a_conversion_at_a_worse_rate_than_the_session_s_loses_the_difference() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 rate EUR 1.10
        2024-01-08 convert 1000.00 USD to 900.00 EUR     ; worth 990.00
        2024-01-09 convert 900.00 EUR to 985.00 USD
        ---
        cash USD 985.00
        total cash 985.00
        fx gain -15.00
        flows 1000.00
    """)


def test_a_withdrawal_of_euros_is_a_flow_at_the_rate_of_its_day() -> None:
    check("""
        2024-01-08 rate EUR 1.10
        2024-01-08 deposit 1000.00 EUR
        2024-01-18 rate EUR 1.20
        2024-01-18 withdrawal 1000.00 EUR
        ---
        flows -100.00
        total cash 0
        fx gain 100.00
    """)


def test_a_foreign_dividend_is_owed_and_paid_in_its_currency() -> None:
    """100 EUR owed at 1.10, paid at 1.20. The claim gained 10 USD on the way."""
    check(f"""
        {EUROS}
        2024-01-10 dividend SAP 1.00 EUR
        ---
        SAP 100 cost 5000.00
          lot a 100 cost 5000.00 base 5500.00 opened 2024-01-08
        cash USD 4500.00
        dividends EUR 100.00
        accruals 110.00
    """)
    check(f"""
        {EUROS}
        2024-01-10 dividend SAP 1.00 EUR
        2024-01-18 rate EUR 1.20
        2024-01-18 payment SAP 100.00 EUR ex 2024-01-10
        2024-01-18 tax 26.00 EUR on SAP
        ---
        SAP 100 cost 5000.00
          lot a 100 cost 5000.00 base 5500.00 opened 2024-01-08
        cash USD 4500.00
        cash EUR 74.00
        total cash 4588.80
        dividends EUR 100.00
        taxes EUR 26.00
        fx gain 10.00
    """)


def test_a_claim_is_worth_the_rate_of_the_day_as_cash_is() -> None:
    check(f"""
        {EUROS}
        2024-01-10 dividend SAP 1.00 EUR
        2024-01-18 rate EUR 1.20
        2024-01-18 close SAP 52.00 rates EUR 1.20 value 6240.00 cash 4500.00 \
accruals 120.00 equity 10860.00
        ---
        SAP 100 cost 5000.00
          lot a 100 cost 5000.00 base 5500.00 opened 2024-01-08
        cash USD 4500.00
        dividends EUR 100.00
        accruals 120.00
    """)


def test_a_share_may_pay_its_dividend_in_another_currency() -> None:
    """London's HSBC pays dollars."""
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 rate GBP 1.25
        2024-01-08 convert 750.00 USD to 600.00 GBP
        2024-01-08 buy 100 HSBA @ 6.00 GBP as a
        2024-01-10 dividend HSBA 0.10 USD
        2024-01-18 payment HSBA 10.00 USD ex 2024-01-10
        ---
        HSBA 100 cost 600.00
          lot a 100 cost 600.00 base 750.00 opened 2024-01-08
        cash USD 260.00
        dividends USD 10.00
    """)


def test_fees_are_in_the_portfolio_s_currency_at_the_rate_of_their_day() -> None:
    """2.00 EUR at 1.10 and 1.00 EUR at 1.20."""
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 rate EUR 1.10
        2024-01-08 convert 110.00 USD to 100.00 EUR
        2024-01-08 buy 1 SAP @ 50.00 EUR commission 2.00 as a
        2024-01-09 rate EUR 1.20
        2024-01-09 fee 1.00 EUR
        ---
        SAP 1 cost 50.00
          lot a 1 cost 50.00 base 55.00 opened 2024-01-08
        cash USD 890.00
        cash EUR 47.00
        total cash 946.40
        fees 3.40
        fx gain 0.10
    """)


def test_a_foreign_split_and_a_foreign_merger() -> None:
    """60 x 100 = 6000 EUR at 1.20; the halves of the split carry 5500 USD on."""
    check(f"""
        {EUROS}
        2024-01-10 split SAP 2:1
        2024-01-18 rate EUR 1.20
        2024-01-18 merger SAP @ 30.00
        ---
        cash USD 4500.00
        cash EUR 6000.00
        total cash 11700.00
        realized SAP 1000.00
        fx gain 500.00
    """)


def test_a_foreign_spin_off_moves_both_costs() -> None:
    check(f"""
        {EUROS}
        2024-01-10 spin-off NEW 1:4 of SAP basis 0.2
        ---
        SAP 100 cost 4000.00
          lot a 100 cost 4000.00 base 4400.00 opened 2024-01-08
        NEW 25 cost 1000.00
          lot a 25 cost 1000.00 base 1100.00 opened 2024-01-08
        cash USD 4500.00
    """)


def test_cash_in_lieu_comes_in_the_currency_of_the_shares() -> None:
    """5 at 3:2: 7.5 for 250 EUR; the half cost 16.67 and brings 20.00."""
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 rate EUR 1.20
        2024-01-08 convert 300.00 USD to 250.00 EUR
        2024-01-08 buy 5 SAP @ 50.00 EUR as a
        2024-01-10 split SAP 3:2 in lieu 40.00
        ---
        SAP 7 cost 233.33
          lot a 7 cost 233.33 base 280.00 opened 2024-01-08
        cash USD 700.00
        cash EUR 20.00
        realized SAP 3.33
    """)


def test_two_currencies_beside_the_portfolio_s_own() -> None:
    check("""
        policy currency=CHF
        2024-01-08 deposit 10000.00 CHF
        2024-01-08 rate EUR 0.95
        2024-01-08 rate USD 0.85
        2024-01-08 convert 950.00 CHF to 1000.00 EUR
        2024-01-08 convert 500.00 EUR to 550.00 USD      ; 475.00 CHF for 467.50
        2024-01-08 buy 10 KO @ 55.00 USD as a
        ---
        KO 10 cost 550.00
          lot a 10 cost 550.00 base 467.50 opened 2024-01-08
        cash CHF 9050.00
        cash EUR 500.00
        total cash 9525.00
        fx gain -7.50
        flows 10000.00
    """)


def test_what_was_bought_in_one_currency_is_not_sold_in_another() -> None:
    """A listing elsewhere is another instrument; the lot's cost could not be compared."""
    check(f"""
        {EUROS}
        2024-01-09 sell 100 SAP @ 60.00 USD
          refused: SAP, EUR, USD
        ---
        SAP 100 cost 5000.00
          lot a 100 cost 5000.00 base 5500.00 opened 2024-01-08
        cash USD 4500.00
    """)


def test_a_symbol_keeps_its_currency_when_nothing_of_it_is_held() -> None:
    """Realized profit is told by symbol, in its currency: euros and dollars do not add up."""
    check(f"""
        {EUROS}
        2024-01-09 sell 100 SAP @ 60.00 EUR
        2024-01-10 buy 1 SAP @ 60.00 USD
          refused: SAP, EUR, USD
        ---
        cash USD 4500.00
        cash EUR 6000.00
        realized SAP 1000.00
    """)


def test_pence_are_turned_into_pounds_before_they_reach_the_books() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 rate GBP 1.25
        2024-01-08 buy 100 VOD @ 72.50 GBX
          refused: VOD, GBX, GBP
        2024-01-08 buy 100 VOD @ 0.725 GBP as a
        ---
        VOD 100 cost 72.50
          lot a 100 cost 72.50 base 90.62 opened 2024-01-08
        cash USD 1000.00
        cash GBP -72.50
        total cash 909.38
    """)
