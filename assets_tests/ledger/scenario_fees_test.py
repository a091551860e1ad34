"""Commission as an expense or as part of cost and proceeds, and fees that are no commission."""

from __future__ import annotations

import pytest

from assets_tests.ledger.scenario import check

IN_BASIS = "policy commission_in_basis=yes"


def test_commission_is_an_expense_and_not_in_the_cost() -> None:
    check("""
        2024-01-08 deposit 2000.00 USD
        2024-01-08 buy 100 SPY @ 10.00 commission 1.00
        2024-01-09 sell 100 SPY @ 11.00 commission 1.50
        ---
        cash USD 2097.50
        realized SPY 100.00
        fees 2.50
        round trip trade-1: long 100 SPY 2024-01-08 @ 10.00 to 2024-01-09 @ 11.00 pnl 100.00 \
return 0.1 days 1
    """)


def test_commission_in_the_basis_is_cost_when_bought_and_less_proceeds_when_sold() -> None:
    """1098.50 - 1001.00: the same cash as above, the same profit after fees.
    97.50 / 1001.00 = 0.0974025974..."""
    check(f"""
        {IN_BASIS}
        2024-01-08 deposit 2000.00 USD
        2024-01-08 buy 100 SPY @ 10.00 commission 1.00
        2024-01-09 sell 100 SPY @ 11.00 commission 1.50
        ---
        cash USD 2097.50
        realized SPY 97.50
        round trip trade-1: long 100 SPY 2024-01-08 @ 10.01 to 2024-01-09 @ 10.985 pnl 97.50 \
return 0.0974026 days 1
    """)


def test_the_basis_of_a_part_has_its_part_of_the_commission() -> None:
    """31.00 for 3 shares: 10.33 for one; 12.00 - 0.50 - 10.33."""
    check(f"""
        {IN_BASIS}
        2024-01-08 deposit 100.00 USD
        2024-01-08 buy 3 SPY @ 10.00 commission 1.00 as a
        2024-01-09 sell 1 SPY @ 12.00 commission 0.50
        ---
        SPY 2 cost 20.67
          lot a 2 cost 20.67 opened 2024-01-08
        cash USD 80.50
        realized SPY 1.17
    """)


def test_a_short_has_received_its_proceeds_less_commission() -> None:
    """498.00 received; covering half of it for 225.00 + 2.00."""
    check(f"""
        {IN_BASIS}
        2024-01-08 deposit 1000.00 USD
        2024-01-08 sell 10 GME @ 50.00 commission 2.00 as a
        2024-01-09 buy 5 GME @ 45.00 commission 2.00
        ---
        GME -5 cost -249.00
          lot a -5 cost -249.00 opened 2024-01-08
        cash USD 1271.00
        realized GME 22.00
    """)


def test_commission_of_a_trade_across_zero_belongs_to_both_its_parts() -> None:
    """Of 3.00, two thirds close (120 - 2 - 100 = 18) and a third opens (60 - 1 = 59)."""
    check(f"""
        {IN_BASIS}
        2024-01-08 deposit 1000.00 USD
        2024-01-08 buy 10 SPY @ 10.00
        2024-01-09 sell 15 SPY @ 12.00 commission 3.00 as b
        ---
        SPY -5 cost -59.00
          lot b -5 cost -59.00 opened 2024-01-09
        cash USD 1077.00
        realized SPY 18.00
    """)


def test_commission_across_zero_loses_no_cent() -> None:
    """1.00 over 3 shares: 0.33 to the one that closes, 0.67 to the two that open."""
    check(f"""
        {IN_BASIS}
        2024-01-08 deposit 100.00 USD
        2024-01-08 buy 1 SPY @ 10.00
        2024-01-09 sell 3 SPY @ 12.00 commission 1.00 as b
        ---
        SPY -2 cost -23.33
          lot b -2 cost -23.33 opened 2024-01-09
        cash USD 125.00
        realized SPY 1.67
    """)


def test_commission_across_zero_is_one_expense_where_it_is_an_expense() -> None:
    check("""
        2024-01-08 deposit 100.00 USD
        2024-01-08 buy 1 SPY @ 10.00
        2024-01-09 sell 3 SPY @ 12.00 commission 1.00 as b
        ---
        SPY -2 cost -24.00
          lot b -2 cost -24.00 opened 2024-01-09
        cash USD 125.00
        realized SPY 2.00
        fees 1.00
    """)


def test_a_split_leaves_commission_in_the_basis() -> None:
    check(f"""
        {IN_BASIS}
        2024-01-08 deposit 2000.00 USD
        2024-01-08 buy 10 SPY @ 100.00 commission 1.00 as a
        2024-01-09 split SPY 4:1
        ---
        SPY 40 cost 1001.00
          lot a 40 cost 1001.00 opened 2024-01-08
        cash USD 999.00
    """)


@pytest.mark.parametrize("policy", ["policy", IN_BASIS])
def test_a_fee_beside_a_trade_is_an_expense_whatever_the_basis(policy: str) -> None:
    check(f"""
        {policy}
        2024-01-08 deposit 1000.00 USD
        2024-01-08 buy 10 SPY @ 10.00 as a
        2024-01-08 fee 0.03 USD on SPY
        2024-01-09 fee 25.00 USD
        ---
        SPY 10 cost 100.00
          lot a 10 cost 100.00 opened 2024-01-08
        cash USD 874.97
        fees 25.03
    """)


def test_a_rebate_is_a_negative_fee() -> None:
    check("""
        2024-01-08 deposit 100.00 USD
        2024-01-08 fee 2.00 USD
        2024-01-09 fee -0.75 USD
        ---
        cash USD 98.75
        fees 1.25
    """)


def test_commission_has_no_fraction_of_a_cent() -> None:
    """0.125 is to the even cent 0.12."""
    check("""
        2024-01-08 deposit 2000.00 USD
        2024-01-08 buy 100 SPY @ 10.00 commission 0.125 as a
        ---
        SPY 100 cost 1000.00
          lot a 100 cost 1000.00 opened 2024-01-08
        cash USD 999.88
        fees 0.12
    """)
