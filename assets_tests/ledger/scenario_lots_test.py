"""Which lots a trade closes: every method, long and short, across zero, and to the last cent.

The lots 4 @ 100.00, 5 @ 111.11 and 6 @ 122.22, and what is sold of them, are those of beancount's
booking tests (`beancount/parser/booking_full_test.py`), told as trades.
"""

from __future__ import annotations

import pytest

from assets_tests.ledger.scenario import check

THREE_LOTS = """
    2015-10-01 deposit 10000.00 USD
    2015-10-01 buy 4 HOOL @ 100.00 as a     ; 400.00
    2015-10-02 buy 5 HOOL @ 111.11 as b     ; 555.55
    2015-10-03 buy 6 HOOL @ 122.22 as c     ; 733.32, together 1688.87: cash 8311.13
"""
A, B, C = (
    "lot a 4 cost 400.00 opened 2015-10-01",
    "lot b 5 cost 555.55 opened 2015-10-02",
    "lot c 6 cost 733.32 opened 2015-10-03",
)


@pytest.mark.parametrize(
    ("method", "sold", "cash", "realized", "left"),
    [
        # Proceeds at 130.00 less the cost of the lots taken.
        ("fifo", 2, "8571.13", "60.00", "HOOL 13 cost 1488.87|"
         + f"lot a 2 cost 200.00 opened 2015-10-01|{B}|{C}"),  # 260 - 2/4 of 400
        ("fifo", 4, "8831.13", "120.00", f"HOOL 11 cost 1288.87|{B}|{C}"),  # 520 - 400
        ("fifo", 7, "9221.13", "176.67", "HOOL 8 cost 955.54|"
         + f"lot b 2 cost 222.22 opened 2015-10-02|{C}"),  # 910 - 400 - 3/5 of 555.55 = 333.33
        ("fifo", 9, "9481.13", "214.45", f"HOOL 6 cost 733.32|{C}"),  # 1170 - 955.55
        ("fifo", 12, "9871.13", "237.79", "HOOL 3 cost 366.66|"
         + "lot c 3 cost 366.66 opened 2015-10-03"),
        ("fifo", 15, "10261.13", "261.13", ""),  # 1950 - 1688.87
        ("lifo", 2, "8571.13", "15.56", f"HOOL 13 cost 1444.43|{A}|{B}|"
         + "lot c 4 cost 488.88 opened 2015-10-03"),  # 260 - 244.44
        ("lifo", 6, "9091.13", "46.68", f"HOOL 9 cost 955.55|{A}|{B}"),  # 780 - 733.32
        ("lifo", 7, "9221.13", "65.57", f"HOOL 8 cost 844.44|{A}|"
         + "lot b 4 cost 444.44 opened 2015-10-02"),  # 910 - 733.32 - 111.11
        ("lifo", 11, "9741.13", "141.13", f"HOOL 4 cost 400.00|{A}"),  # 1430 - 1288.87
        ("lifo", 12, "9871.13", "171.13", "HOOL 3 cost 300.00|"
         + "lot a 3 cost 300.00 opened 2015-10-01"),
        ("lifo", 15, "10261.13", "261.13", ""),
        ("hifo", 7, "9221.13", "65.57", f"HOOL 8 cost 844.44|{A}|"
         + "lot b 4 cost 444.44 opened 2015-10-02"),  # the newest are the dearest here
    ],
)  # fmt: skip
def test_sale_takes_the_lots_of_the_method(
    method: str, sold: int, cash: str, realized: str, left: str
) -> None:
    lots = left.replace("|", "\n")
    check(f"""
        policy long_lots={method}
        {THREE_LOTS}
        2015-10-22 sell {sold} HOOL @ 130.00
        ---
        {lots}
        cash USD {cash}
        realized HOOL {realized}
    """)


@pytest.mark.parametrize("method", ["fifo", "lifo", "hifo"])
def test_sale_of_sixteen_of_fifteen_closes_the_long_and_opens_a_short_of_one(method: str) -> None:
    """Proceeds 16 x 130 = 2080: 1950 close lots that cost 1688.87, 130 open the short."""
    check(f"""
        policy long_lots={method}
        {THREE_LOTS}
        2015-10-22 sell 16 HOOL @ 130.00 as d
        ---
        HOOL -1 cost -130.00
          lot d -1 cost -130.00 opened 2015-10-22
        cash USD 10391.13
        realized HOOL 261.13
    """)


def test_two_sales_in_one_session_go_on_where_the_first_left_the_lots() -> None:
    """40 of the first lot, then its last 10 and 25 of the second."""
    check("""
        2016-01-15 deposit 20000.00 USD
        2016-01-15 buy 50 HOOL @ 115.00 as a
        2016-01-16 buy 50 HOOL @ 116.00 as b
        2016-05-02 sell 40 HOOL @ 120.00       ; 4800 - 4600 = 200
        2016-05-02 sell 35 HOOL @ 120.00       ; 4200 - 1150 - 2900 = 150
        ---
        HOOL 25 cost 2900.00
          lot b 25 cost 2900.00 opened 2016-01-16
        cash USD 17450.00                      ; 20000 - 5750 - 5800 + 4800 + 4200
        realized HOOL 350.00
        round trip a: long 40 HOOL 2016-01-15 @ 115.00 to 2016-05-02 @ 120.00 pnl 200.00 \
return 0.04347826 days 108
        round trip a: long 10 HOOL 2016-01-15 @ 115.00 to 2016-05-02 @ 120.00 pnl 50.00 \
return 0.04347826 days 108
        round trip b: long 25 HOOL 2016-01-16 @ 116.00 to 2016-05-02 @ 120.00 pnl 100.00 \
return 0.03448276 days 107
    """)


def test_hifo_takes_the_dearest_lot_first_wherever_it_stands() -> None:
    check("""
        policy long_lots=hifo
        2016-01-15 deposit 20000.00 USD
        2016-01-15 buy 50 HOOL @ 115.00 as a
        2016-01-16 buy 50 HOOL @ 116.00 as b
        2016-01-17 buy 50 HOOL @ 114.00 as c
        2016-05-02 sell 40 HOOL @ 120.00       ; 40 of b: 4800 - 4640 = 160
        2016-05-02 sell 35 HOOL @ 120.00       ; 10 of b, 25 of a: 4200 - 1160 - 2875 = 165
        2016-05-02 sell 30 HOOL @ 120.00       ; 25 of a, 5 of c: 3600 - 2875 - 570 = 155
        ---
        HOOL 45 cost 5130.00
          lot c 45 cost 5130.00 opened 2016-01-17
        cash USD 15350.00                      ; 20000 - 17250 + 12600
        realized HOOL 480.00
    """)


def test_hifo_between_equals_takes_the_oldest() -> None:
    check("""
        policy long_lots=hifo
        2024-01-08 deposit 2000.00 USD
        2024-01-08 buy 10 SPY @ 40.00 as cheap
        2024-01-09 buy 10 SPY @ 50.00 as older
        2024-01-10 buy 10 SPY @ 50.00 as newer
        2024-01-11 sell 15 SPY @ 60.00         ; 900 - 500 - 250
        ---
        SPY 15 cost 650.00
          lot cheap 10 cost 400.00 opened 2024-01-08
          lot newer 5 cost 250.00 opened 2024-01-10
        cash USD 1500.00
        realized SPY 150.00
    """)


def test_hifo_compares_the_cost_of_a_share_and_commission_can_be_part_of_it() -> None:
    """10 @ 50.00 cost 50.00 each, 1 @ 49.50 with 1.00 commission costs 50.50."""
    check("""
        policy long_lots=hifo commission_in_basis=yes
        2024-01-08 deposit 1000.00 USD
        2024-01-08 buy 10 SPY @ 50.00 as a
        2024-01-09 buy 1 SPY @ 49.50 commission 1.00 as b
        2024-01-10 sell 1 SPY @ 51.00
        ---
        SPY 10 cost 500.00
          lot a 10 cost 500.00 opened 2024-01-08
        cash USD 500.50
        realized SPY 0.50
    """)


def test_hifo_of_a_short_closes_what_was_sold_lowest() -> None:
    """Cover 15 @ 48 = 720: 10 sold at 45 and 5 sold at 50 brought 450 + 250."""
    check("""
        policy short_lots=hifo
        2024-01-08 deposit 1000.00 USD
        2024-01-08 sell 10 GME @ 50.00 as a
        2024-01-09 sell 10 GME @ 45.00 as b
        2024-01-10 sell 10 GME @ 55.00 as c
        2024-01-11 buy 15 GME @ 48.00
        ---
        GME -15 cost -800.00
          lot a -5 cost -250.00 opened 2024-01-08
          lot c -10 cost -550.00 opened 2024-01-10
        cash USD 1780.00
        realized GME -20.00
    """)


@pytest.mark.parametrize(
    ("policy", "realized", "left"),
    [
        ("policy", "25.00", "a -5 cost -250.00 opened 2024-01-08"),
        ("policy short_lots=lifo", "25.00", "a -5 cost -250.00 opened 2024-01-08"),
        ("policy short_lots=fifo", "-25.00", "b -5 cost -300.00 opened 2024-01-09"),
    ],
    ids=["default", "lifo", "fifo"],
)
def test_cover_of_a_part_follows_the_method_of_shorts(
    policy: str, realized: str, left: str
) -> None:
    """Short 10 @ 50 and 10 @ 60, cover 15 @ 55 for 825; newest first it brought 600 + 250."""
    check(f"""
        {policy}
        2024-01-08 deposit 1000.00 USD
        2024-01-08 sell 10 GME @ 50.00 as a
        2024-01-09 sell 10 GME @ 60.00 as b
        2024-01-10 buy 15 GME @ 55.00
        ---
        GME -5 cost {left.split()[3]}
          lot {left}
        cash USD 1275.00
        realized GME {realized}
    """)


def test_longs_and_shorts_each_follow_their_own_method() -> None:
    check("""
        policy long_lots=lifo short_lots=fifo
        2024-01-08 deposit 1000.00 USD
        2024-01-08 buy 1 SPY @ 10.00 as a
        2024-01-09 buy 1 SPY @ 11.00 as b
        2024-01-09 sell 1 GME @ 20.00 as c
        2024-01-10 sell 1 GME @ 22.00 as d
        2024-01-11 sell 1 SPY @ 15.00          ; closes b: 4.00
        2024-01-11 buy 1 GME @ 15.00           ; closes c: 5.00
        ---
        SPY 1 cost 10.00
          lot a 1 cost 10.00 opened 2024-01-08
        GME -1 cost -22.00
          lot d -1 cost -22.00 opened 2024-01-10
        cash USD 1021.00
        realized SPY 4.00
        realized GME 5.00
    """)


def test_cover_of_more_than_is_short_opens_a_long_of_the_rest() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 sell 10 GME @ 50.00
        2024-01-09 buy 15 GME @ 45.00 as a     ; 450 close what brought 500, 225 open
        ---
        GME 5 cost 225.00
          lot a 5 cost 225.00 opened 2024-01-09
        cash USD 825.00
        realized GME 50.00
        round trip trade-1: short 10 GME 2024-01-08 @ 50.00 to 2024-01-09 @ 45.00 pnl 50.00 \
return 0.1 days 1
    """)


def test_the_two_parts_of_a_trade_across_zero_add_up_to_its_money() -> None:
    """6 x 0.335 = 2.01 arrive. Half of it, 1.005, is to the even cent 1.00; 1.01 opens."""
    check("""
        2024-01-08 deposit 10.00 USD
        2024-01-08 buy 3 PENNY @ 0.10
        2024-01-09 sell 6 PENNY @ 0.335 as s
        ---
        PENNY -3 cost -1.01
          lot s -3 cost -1.01 opened 2024-01-09
        cash USD 11.71
        realized PENNY 0.70
    """)


def test_cents_that_do_not_divide_are_all_found_again() -> None:
    """100.00 over 3 shares: 33.33; of the 66.67 left 33.335, to even 33.34; the last 33.33."""
    bought = """
        2024-01-08 deposit 100.00 USD
        2024-01-08 buy 3 SPY @ 33.33333333 as a
        2024-01-09 sell 1 SPY @ 40.00
    """
    check(f"""
        {bought}
        ---
        SPY 2 cost 66.67
          lot a 2 cost 66.67 opened 2024-01-08
        cash USD 40.00
        realized SPY 6.67
    """)
    check(f"""
        {bought}
        2024-01-10 sell 1 SPY @ 40.00
        ---
        SPY 1 cost 33.33
          lot a 1 cost 33.33 opened 2024-01-08
        cash USD 80.00
        realized SPY 13.33
    """)
    check(f"""
        {bought}
        2024-01-10 sell 1 SPY @ 40.00
        2024-01-11 sell 1 SPY @ 40.00
        ---
        cash USD 120.00
        realized SPY 20.00
    """)


def test_fractions_of_a_share_to_nine_decimals() -> None:
    """0.123456789 x 410.25 = 50.6481...; of it 0.023456789 cost 50.65 x 0.19 = 9.6234..."""
    check("""
        2024-01-08 deposit 100.00 USD
        2024-01-08 buy 0.123456789 SPY @ 410.25 as a      ; 50.65
        2024-01-09 sell 0.023456789 SPY @ 420.00          ; 9.851851 is 9.85, cost 9.62
        ---
        SPY 0.1 cost 41.03
          lot a 0.1 cost 41.03 opened 2024-01-08
        cash USD 59.20
        realized SPY 0.23
    """)


def test_a_fill_that_is_told_late_takes_its_place_by_its_day() -> None:
    """The oldest lot is the one that was opened first, not the one that was told first."""
    check("""
        2015-10-01 deposit 10000.00 USD
        2015-10-02 buy 5 HOOL @ 111.11 as b
        2015-10-01 buy 4 HOOL @ 100.00 as a
        2015-10-03 buy 6 HOOL @ 122.22 as c
        2015-10-22 sell 7 HOOL @ 130.00
        ---
        HOOL 8 cost 955.54
          lot b 2 cost 222.22 opened 2015-10-02
          lot c 6 cost 733.32 opened 2015-10-03
        cash USD 9221.13
        realized HOOL 176.67
    """)


def test_a_position_that_was_closed_begins_anew() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 buy 10 SPY @ 10.00 as a
        2024-01-09 sell 10 SPY @ 11.00
        2024-01-10 buy 10 SPY @ 12.00 as b
        ---
        SPY 10 cost 120.00
          lot b 10 cost 120.00 opened 2024-01-10
        cash USD 890.00
        realized SPY 10.00
    """)


def test_round_trips_of_one_sale_are_one_for_each_lot() -> None:
    """b: 3 x 130 = 390 less 333.33; 56.67 / 333.33 = 0.170011700..."""
    check(f"""
        {THREE_LOTS}
        2015-10-22 sell 7 HOOL @ 130.00
        ---
        HOOL 8 cost 955.54
          lot b 2 cost 222.22 opened 2015-10-02
          {C}
        cash USD 9221.13
        realized HOOL 176.67
        round trip a: long 4 HOOL 2015-10-01 @ 100.00 to 2015-10-22 @ 130.00 pnl 120.00 \
return 0.3 days 21
        round trip b: long 3 HOOL 2015-10-02 @ 111.11 to 2015-10-22 @ 130.00 pnl 56.67 \
return 0.1700117 days 20
    """)


def test_a_round_trip_within_a_session_lasts_no_days() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 sell 10 GME @ 50.00 as a
        2024-01-08 buy 10 GME @ 55.00
        ---
        cash USD 950.00
        realized GME -50.00
        round trip a: short 10 GME 2024-01-08 @ 50.00 to 2024-01-08 @ 55.00 pnl -50.00 \
return -0.1 days 0
    """)


def test_an_open_position_is_no_round_trip() -> None:
    check(f"""
        {THREE_LOTS}
        ---
        HOOL 15 cost 1688.87
          {A}
          {B}
          {C}
        cash USD 8311.13
        no round trips
    """)


class TestSpecificLots:
    """The trade names the lots that it closes."""

    def test_the_named_lots_are_closed_and_no_other(self) -> None:
        """910.00 less 3/6 of 733.32 and all of 400.00."""
        check(f"""
            policy long_lots=specific
            {THREE_LOTS}
            2015-10-22 sell 7 HOOL @ 130.00 closing c:3 a:4
            ---
            HOOL 8 cost 922.21
              {B}
              lot c 3 cost 366.66 opened 2015-10-03
            cash USD 9221.13
            realized HOOL 143.34
        """)

    def test_a_short_is_covered_by_name_too(self) -> None:
        check("""
            policy short_lots=specific
            2024-01-08 deposit 1000.00 USD
            2024-01-08 sell 10 GME @ 50.00 as a
            2024-01-09 sell 10 GME @ 60.00 as b
            2024-01-10 buy 6 GME @ 55.00 closing a:6
            ---
            GME -14 cost -800.00
              lot a -4 cost -200.00 opened 2024-01-08
              lot b -10 cost -600.00 opened 2024-01-09
            cash USD 1770.00
            realized GME -30.00
        """)

    def test_across_zero_the_named_lots_close_and_the_rest_opens(self) -> None:
        check("""
            policy long_lots=specific
            2024-01-08 deposit 1000.00 USD
            2024-01-08 buy 10 SPY @ 10.00 as a
            2024-01-09 sell 15 SPY @ 12.00 as b closing a:10
            ---
            SPY -5 cost -60.00
              lot b -5 cost -60.00 opened 2024-01-09
            cash USD 1080.00
            realized SPY 20.00
        """)

    @pytest.mark.parametrize(
        ("trade", "words"),
        [
            ("sell 7 HOOL @ 130.00 closing a:4 z:3", "z"),  # no such lot
            ("sell 7 HOOL @ 130.00 closing a:7", "a, 4, 7"),  # it holds 4
            ("sell 7 HOOL @ 130.00 closing a:4 b:2", "6, 7"),  # one share is not named
            ("sell 7 HOOL @ 130.00 closing a:4 b:4", "8, 7"),  # one too many
            ("sell 7 HOOL @ 130.00 closing a:4 b:5 c:-2", "-2"),
            ("sell 6 HOOL @ 130.00 closing a:3 a:3", "a"),  # 4 are there, 6 are asked of it
            ("sell 16 HOOL @ 130.00 closing a:4 b:5", "9, 15"),  # a flip closes all of them
        ],
    )
    def test_a_choice_that_does_not_fit_is_refused(self, trade: str, words: str) -> None:
        check(f"""
            policy long_lots=specific
            {THREE_LOTS}
            2015-10-22 {trade}
              refused: {words}
            ---
            HOOL 15 cost 1688.87
              {A}
              {B}
              {C}
            cash USD 8311.13
            no round trips
        """)

    def test_a_trade_that_closes_nothing_names_nothing(self) -> None:
        check(f"""
            policy long_lots=specific
            {THREE_LOTS}
            2015-10-22 buy 1 HOOL @ 130.00 closing a:1
              refused: HOOL
            ---
            HOOL 15 cost 1688.87
              {A}
              {B}
              {C}
            cash USD 8311.13
        """)

    def test_a_sale_that_names_none_takes_the_oldest(self) -> None:
        """26 CFR 1.1012-1(c)(1): what is not identified is the earliest acquired. (beancount's
        strict booking calls it ambiguous.)"""
        check(f"""
            policy long_lots=specific
            {THREE_LOTS}
            2015-10-22 sell 7 HOOL @ 130.00
            ---
            HOOL 8 cost 955.54
              lot b 2 cost 222.22 opened 2015-10-02
              {C}
            cash USD 9221.13
            realized HOOL 176.67
        """)

    def test_part_of_the_only_lot_needs_no_name(self) -> None:
        check("""
            policy long_lots=specific
            2016-04-15 deposit 2000.00 USD
            2016-04-15 buy 10 HOOL @ 115.00 as a
            2016-05-02 sell 5 HOOL @ 120.00
            ---
            HOOL 5 cost 575.00
              lot a 5 cost 575.00 opened 2016-04-15
            cash USD 1450.00
            realized HOOL 25.00
        """)

    def test_names_are_refused_where_the_method_chooses(self) -> None:
        """A choice that is ignored would leave the client's tax lots other than instructed."""
        check(f"""
            policy long_lots=fifo
            {THREE_LOTS}
            2015-10-22 sell 6 HOOL @ 130.00 closing c:6
              refused: HOOL
            ---
            HOOL 15 cost 1688.87
              {A}
              {B}
              {C}
            cash USD 8311.13
        """)


class TestAverageCost:
    """One pool, which keeps the name and the day of the trade that opened the position."""

    def test_a_sale_takes_its_share_of_the_pool(self) -> None:
        """7/15 of 1688.87 is 788.1393..."""
        check(f"""
            policy long_lots=average_cost
            {THREE_LOTS}
            2015-10-22 sell 7 HOOL @ 130.00
            ---
            HOOL 8 cost 900.73
              lot a 8 cost 900.73 opened 2015-10-01
            cash USD 9221.13
            realized HOOL 121.86
        """)

    def test_purchases_after_a_sale_move_the_average(self) -> None:
        check("""
            policy long_lots=average_cost
            2024-01-08 deposit 10000.00 USD
            2024-01-08 buy 10 SPY @ 100.00 as a
            2024-01-09 buy 10 SPY @ 110.00        ; 20 cost 2100, 105.00 each
            2024-01-10 sell 5 SPY @ 120.00        ; 600 - 525 = 75
            2024-01-11 buy 5 SPY @ 120.00         ; 20 cost 1575 + 600 = 2175, 108.75 each
            2024-01-12 sell 4 SPY @ 120.00        ; 480 - 435 = 45
            ---
            SPY 16 cost 1740.00
              lot a 16 cost 1740.00 opened 2024-01-08
            cash USD 8380.00                      ; 10000 - 1000 - 1100 + 600 - 600 + 480
            realized SPY 120.00
        """)

    def test_a_short_has_an_average_too(self) -> None:
        check("""
            policy short_lots=average_cost
            2024-01-08 deposit 1000.00 USD
            2024-01-08 sell 10 GME @ 50.00 as a
            2024-01-09 sell 10 GME @ 60.00        ; 20 brought 1100, 55.00 each
            2024-01-10 buy 5 GME @ 54.00          ; 275 - 270
            ---
            GME -15 cost -825.00
              lot a -15 cost -825.00 opened 2024-01-08
            cash USD 1830.00
            realized GME 5.00
        """)

    def test_across_zero_the_pool_ends_and_another_begins(self) -> None:
        check("""
            policy long_lots=average_cost short_lots=average_cost
            2024-01-08 deposit 1000.00 USD
            2024-01-08 buy 10 SPY @ 10.00 as a
            2024-01-09 buy 10 SPY @ 11.00 as b    ; 20 cost 210
            2024-01-10 sell 25 SPY @ 12.00 as c   ; 240 - 210 = 30, and 5 short for 60
            2024-01-11 sell 5 SPY @ 10.00 as d    ; 10 short for 110
            ---
            SPY -10 cost -110.00
              lot c -10 cost -110.00 opened 2024-01-10
            cash USD 1140.00
            realized SPY 30.00
        """)

    def test_the_pool_loses_no_cent(self) -> None:
        """100.00 over 3 shares as above, in a pool of 33.33 and 66.67."""
        check("""
            policy long_lots=average_cost
            2024-01-08 deposit 100.00 USD
            2024-01-08 buy 1 SPY @ 33.33
            2024-01-09 buy 2 SPY @ 33.335
            2024-01-10 sell 1 SPY @ 40.00         ; cost 33.33, left 66.67
            2024-01-11 sell 1 SPY @ 40.00         ; cost 33.335, to even 33.34, left 33.33
            2024-01-12 sell 1 SPY @ 40.00
            ---
            cash USD 120.00
            realized SPY 20.00
        """)


def test_a_book_may_hold_hundreds_of_lots_of_one_symbol() -> None:
    """300 lots of 1 share at 1.00, 2.00, ... 300.00; 299 sold oldest first leave the dearest."""
    buys = "\n".join(f"2024-01-08 buy 1 SPY @ {n}.00" for n in range(1, 301))
    check(f"""
        2024-01-08 deposit 50000.00 USD
        {buys}
        2024-01-09 sell 299 SPY @ 200.00          ; 59800 - 299 x 300 / 2 = 44850
        ---
        SPY 1 cost 300.00
          lot trade-300 1 cost 300.00 opened 2024-01-08
        cash USD 64650.00                         ; 50000 - 45150 + 59800
        realized SPY 14950.00
    """)
