"""Spin-offs, symbol changes, delistings and mergers for cash, long and short."""

from __future__ import annotations

import pytest

from assets_tests.ledger.scenario import check

TWO_LOTS = """
    2024-01-08 deposit 10000.00 USD
    2024-01-08 buy 100 GE @ 50.00 as a
    2024-01-09 buy 20 GE @ 60.00 as b
"""
STILL_HELD = """
    GE 120 cost 6200.00
      lot a 100 cost 5000.00 opened 2024-01-08
      lot b 20 cost 1200.00 opened 2024-01-09
    cash USD 3800.00
"""


class TestSpinOff:
    """Part of each lot's cost moves to the new shares, which keep its day."""

    def test_each_lot_gives_its_part_of_the_cost_to_new_shares(self) -> None:
        check(f"""
            {TWO_LOTS}
            2024-01-10 spin-off GEV 1:4 of GE basis 0.2
            ---
            GE 120 cost 4960.00
              lot a 100 cost 4000.00 opened 2024-01-08
              lot b 20 cost 960.00 opened 2024-01-09
            GEV 30 cost 1240.00
              lot a 25 cost 1000.00 opened 2024-01-08
              lot b 5 cost 240.00 opened 2024-01-09
            cash USD 3800.00
            no round trips
        """)

    def test_a_sale_of_the_new_shares_is_a_round_trip_from_the_first_day(self) -> None:
        """25 @ 40.00 and 5 @ 48.00, sold at 50: 250 + 10."""
        check(f"""
            {TWO_LOTS}
            2024-01-10 spin-off GEV 1:4 of GE basis 0.2
            2024-01-18 sell 30 GEV @ 50.00
            ---
            GE 120 cost 4960.00
              lot a 100 cost 4000.00 opened 2024-01-08
              lot b 20 cost 960.00 opened 2024-01-09
            cash USD 5300.00
            realized GEV 260.00
            round trip a: long 25 GEV 2024-01-08 @ 40.00 to 2024-01-18 @ 50.00 pnl 250.00 \
return 0.25 days 10
            round trip b: long 5 GEV 2024-01-09 @ 48.00 to 2024-01-18 @ 50.00 pnl 10.00 \
return 0.04166667 days 9
        """)

    def test_the_cost_is_allocated_to_the_cent_and_none_is_lost(self) -> None:
        """1/3 of 1000.01 to four places: 0.3333 x 1000.01 = 333.303333."""
        check("""
            2024-01-08 deposit 2000.00 USD
            2024-01-08 buy 10 GE @ 100.001 as a
            2024-01-10 spin-off GEV 1:2 of GE basis 0.3333
            ---
            GE 10 cost 666.71
              lot a 10 cost 666.71 opened 2024-01-08
            GEV 5 cost 333.30
              lot a 5 cost 333.30 opened 2024-01-08
            cash USD 999.99
        """)

    def test_the_fraction_of_new_shares_is_sold(self) -> None:
        """50 give 12.5 for 600.00: half a share cost 24.00 and brings 22.50."""
        check("""
            2024-01-08 deposit 5000.00 USD
            2024-01-08 buy 50 GE @ 60.00 as a
            2024-01-10 spin-off GEV 1:4 of GE basis 0.2 in lieu 45.00
            ---
            GE 50 cost 2400.00
              lot a 50 cost 2400.00 opened 2024-01-08
            GEV 12 cost 576.00
              lot a 12 cost 576.00 opened 2024-01-08
            cash USD 2022.50
            realized GEV -1.50
        """)

    def test_who_gets_less_than_one_new_share_gets_cash(self) -> None:
        """3 give 0.75 at 45.00 = 33.75 for a fifth of 180.00."""
        check("""
            2024-01-08 deposit 200.00 USD
            2024-01-08 buy 3 GE @ 60.00 as a
            2024-01-10 spin-off GEV 1:4 of GE basis 0.2 in lieu 45.00
            ---
            GE 3 cost 144.00
              lot a 3 cost 144.00 opened 2024-01-08
            cash USD 53.75
            realized GEV -2.25
        """)

    def test_a_short_owes_the_new_shares_too(self) -> None:
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-08 sell 100 GE @ 50.00 as a
            2024-01-10 spin-off GEV 1:4 of GE basis 0.2
            2024-01-11 buy 25 GEV @ 30.00        ; 1000 - 750
            ---
            GE -100 cost -4000.00
              lot a -100 cost -4000.00 opened 2024-01-08
            cash USD 5250.00
            realized GEV 250.00
        """)

    def test_new_shares_stand_among_older_ones_by_their_day(self) -> None:
        """GEV bought on the 9th is younger than what comes of GE bought on the 8th."""
        check("""
            2024-01-08 deposit 10000.00 USD
            2024-01-08 buy 100 GE @ 50.00 as a
            2024-01-09 buy 10 GEV @ 42.00 as n
            2024-01-10 spin-off GEV 1:4 of GE basis 0.2
            2024-01-11 sell 30 GEV @ 50.00       ; 1500 - 1000 - half of 420
            ---
            GE 100 cost 4000.00
              lot a 100 cost 4000.00 opened 2024-01-08
            GEV 5 cost 210.00
              lot n 5 cost 210.00 opened 2024-01-09
            cash USD 6080.00
            realized GEV 290.00
        """)

    def test_only_the_fraction_of_what_is_given_is_paid_out(self) -> None:
        """10.5 GEV are held; 9 GE give 2.25, of which 2 are shares and a quarter is 10.00:
        a quarter of 2.25 cost 90.00 / 9 = 10.00."""
        check("""
            2024-01-08 deposit 2000.00 USD
            2024-01-08 buy 9 GE @ 50.00 as a
            2024-01-09 buy 10.5 GEV @ 40.00 as n
            2024-01-10 spin-off GEV 1:4 of GE basis 0.2 in lieu 40.00
            ---
            GE 9 cost 360.00
              lot a 9 cost 360.00 opened 2024-01-08
            GEV 12.5 cost 500.00
              lot a 2 cost 80.00 opened 2024-01-08
              lot n 10.5 cost 420.00 opened 2024-01-09
            cash USD 1140.00
        """)

    def test_an_average_cost_pool_takes_the_new_shares_in(self) -> None:
        """25 of 1000.00 join 10 of 420.00; the pool has the day of the oldest."""
        check("""
            policy long_lots=average_cost
            2024-01-08 deposit 10000.00 USD
            2024-01-08 buy 100 GE @ 50.00 as a
            2024-01-09 buy 10 GEV @ 42.00 as n
            2024-01-10 spin-off GEV 1:4 of GE basis 0.2
            ---
            GE 100 cost 4000.00
              lot a 100 cost 4000.00 opened 2024-01-08
            GEV 35 cost 1420.00
              lot a 35 cost 1420.00 opened 2024-01-08
            cash USD 4580.00
        """)

    def test_a_fraction_of_nothing_leaves_the_cost_where_it_is(self) -> None:
        """New shares that cost nothing: a round trip without a return."""
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-08 buy 10 GE @ 50.00 as a
            2024-01-10 spin-off GEV 1:10 of GE basis 0
            2024-01-11 sell 1 GEV @ 5.00
            ---
            GE 10 cost 500.00
              lot a 10 cost 500.00 opened 2024-01-08
            cash USD 505.00
            realized GEV 5.00
            round trip a: long 1 GEV 2024-01-08 @ 0 to 2024-01-11 @ 5.00 pnl 5.00 \
return undefined days 3
        """)

    @pytest.mark.parametrize(
        ("terms", "words"),
        [
            ("GEV 1:4 of GE basis 1.2", "GE, 1.2"),
            ("GEV 1:4 of GE basis -0.1", "GE, -0.1"),
            ("GEV 0:4 of GE basis 0.2", "GE"),
            ("GEV 1:0 of GE basis 0.2", "GE"),
            ("GE 1:4 of GE basis 0.2", "GE"),
        ],
    )
    def test_terms_that_cannot_be_are_refused(self, terms: str, words: str) -> None:
        check(f"""
            {TWO_LOTS}
            2024-01-10 spin-off {terms}
              refused: {words}
            ---
            {STILL_HELD}
        """)

    def test_a_spin_off_of_what_is_not_held_changes_nothing(self) -> None:
        check("""
            2024-01-08 deposit 100.00 USD
            2024-01-10 spin-off GEV 1:4 of GE basis 0.2
            ---
            cash USD 100.00
        """)


class TestSymbolChange:
    """The shares are called otherwise, nothing else changes."""

    def test_lots_keep_cost_name_and_day(self) -> None:
        check("""
            2022-06-01 deposit 10000.00 USD
            2022-06-01 buy 10 FB @ 190.00 as a
            2022-06-02 buy 5 FB @ 200.00 as b
            2022-06-09 rename FB to META
            2022-06-10 sell 10 META @ 195.00
            ---
            META 5 cost 1000.00
              lot b 5 cost 1000.00 opened 2022-06-02
            cash USD 9050.00
            realized META 50.00
        """)

    def test_a_short_is_called_otherwise_too(self) -> None:
        check("""
            2022-06-01 deposit 10000.00 USD
            2022-06-01 sell 10 FB @ 190.00 as a
            2022-06-09 rename FB to META
            ---
            META -10 cost -1900.00
              lot a -10 cost -1900.00 opened 2022-06-01
            cash USD 11900.00
        """)

    def test_the_old_name_may_belong_to_another_issuer_afterwards(self) -> None:
        check("""
            2022-06-01 deposit 10000.00 USD
            2022-06-01 buy 10 FB @ 190.00 as a
            2022-06-09 rename FB to META
            2022-06-10 buy 10 FB @ 20.00 as b
            ---
            META 10 cost 1900.00
              lot a 10 cost 1900.00 opened 2022-06-01
            FB 10 cost 200.00
              lot b 10 cost 200.00 opened 2022-06-10
            cash USD 7900.00
        """)

    def test_a_name_that_is_held_already_is_refused(self) -> None:
        """Two instruments would become one."""
        check("""
            2022-06-01 deposit 10000.00 USD
            2022-06-01 buy 10 FB @ 190.00 as a
            2022-06-01 buy 10 META @ 20.00 as b
            2022-06-09 rename FB to META
              refused: FB, META
            ---
            FB 10 cost 1900.00
              lot a 10 cost 1900.00 opened 2022-06-01
            META 10 cost 200.00
              lot b 10 cost 200.00 opened 2022-06-01
            cash USD 7900.00
        """)

    def test_its_own_name_is_refused(self) -> None:
        check("""
            2022-06-01 deposit 10000.00 USD
            2022-06-01 buy 10 FB @ 190.00 as a
            2022-06-09 rename FB to FB
              refused: FB
            ---
            FB 10 cost 1900.00
              lot a 10 cost 1900.00 opened 2022-06-01
            cash USD 8100.00
        """)

    def test_what_is_not_held_changes_nothing(self) -> None:
        check("""
            2022-06-01 deposit 100.00 USD
            2022-06-09 rename FB to META
            ---
            cash USD 100.00
        """)


class TestDelisting:
    """Every share ends at the price, which may be nothing."""

    def test_worthless_shares_are_a_loss_of_all_they_cost(self) -> None:
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-08 buy 10 WRECK @ 50.00 as a
            2024-01-09 buy 10 WRECK @ 30.00 as b
            2024-01-10 delist WRECK @ 0
            ---
            cash USD 200.00
            realized WRECK -800.00
            round trip a: long 10 WRECK 2024-01-08 @ 50.00 to 2024-01-10 @ 0 pnl -500.00 \
return -1 days 2
            round trip b: long 10 WRECK 2024-01-09 @ 30.00 to 2024-01-10 @ 0 pnl -300.00 \
return -1 days 1
        """)

    def test_a_price_is_paid(self) -> None:
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-08 buy 10 WRECK @ 50.00
            2024-01-10 delist WRECK @ 1.2345      ; 12.345 is to the even cent 12.34
            ---
            cash USD 512.34
            realized WRECK -487.66
        """)

    def test_a_short_of_worthless_shares_keeps_all_it_received(self) -> None:
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-08 sell 10 WRECK @ 50.00 as a
            2024-01-10 delist WRECK @ 0
            ---
            cash USD 1500.00
            realized WRECK 500.00
            round trip a: short 10 WRECK 2024-01-08 @ 50.00 to 2024-01-10 @ 0 pnl 500.00 \
return 1 days 2
        """)

    def test_every_lot_goes_whatever_the_method(self) -> None:
        check("""
            policy long_lots=specific
            2024-01-08 deposit 1000.00 USD
            2024-01-08 buy 10 WRECK @ 50.00
            2024-01-09 buy 10 WRECK @ 30.00
            2024-01-10 delist WRECK @ 1.00
            ---
            cash USD 220.00
            realized WRECK -780.00
        """)

    def test_what_is_not_held_changes_nothing(self) -> None:
        check("""
            2024-01-08 deposit 100.00 USD
            2024-01-10 delist WRECK @ 0
            2024-01-10 merger TWTR @ 54.20
            ---
            cash USD 100.00
        """)


class TestCashMerger:
    """Every share is taken over for money."""

    def test_a_long_is_paid_for_every_lot(self) -> None:
        check("""
            2022-10-03 deposit 10000.00 USD
            2022-10-03 buy 100 TWTR @ 43.00 as a
            2022-10-04 buy 50 TWTR @ 52.00 as b
            2022-10-28 merger TWTR @ 54.20
            ---
            cash USD 11230.00                     ; 10000 - 4300 - 2600 + 8130
            realized TWTR 1230.00
            round trip a: long 100 TWTR 2022-10-03 @ 43.00 to 2022-10-28 @ 54.20 pnl 1120.00 \
return 0.26046512 days 25
            round trip b: long 50 TWTR 2022-10-04 @ 52.00 to 2022-10-28 @ 54.20 pnl 110.00 \
return 0.04230769 days 24
        """)

    def test_a_short_pays_it(self) -> None:
        check("""
            2022-10-03 deposit 10000.00 USD
            2022-10-03 sell 100 TWTR @ 43.00
            2022-10-28 merger TWTR @ 54.20
            ---
            cash USD 8880.00
            realized TWTR -1120.00
        """)

    def test_a_dividend_that_is_owed_outlives_the_shares(self) -> None:
        check("""
            2022-10-03 deposit 10000.00 USD
            2022-10-03 buy 100 TWTR @ 43.00
            2022-10-20 dividend TWTR 0.10 USD
            2022-10-28 merger TWTR @ 54.20
            ---
            cash USD 11120.00
            realized TWTR 1120.00
            dividends USD 10.00
            accruals 10.00
        """)


@pytest.mark.parametrize("action", ["delist", "merger"])
def test_a_price_below_zero_is_refused(action: str) -> None:
    check(f"""
        {TWO_LOTS}
        2024-01-10 {action} GE @ -1.00
          refused: GE, -1
        ---
        {STILL_HELD}
    """)
