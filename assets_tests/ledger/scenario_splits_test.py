"""Splits, reverse splits and stock dividends: shares change, cost and value do not."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from assets_tests.ledger.scenario import check, imbalances, parse
from trading_assets.ledger.fold import Ledger


def test_a_split_of_four_for_one_then_a_sale_at_the_new_price() -> None:
    """40000 for 400 shares: 100.00 each; 150 x (130 - 100) = 4500."""
    check("""
        2020-08-03 deposit 100000.00 USD
        2020-08-03 buy 100 AAPL @ 400.00 commission 1.00 as a
        2020-08-31 split AAPL 4:1
        2020-09-01 sell 150 AAPL @ 130.00
        ---
        AAPL 250 cost 25000.00
          lot a 250 cost 25000.00 opened 2020-08-03
        cash USD 79499.00
        realized AAPL 4500.00
        fees 1.00
        round trip a: long 150 AAPL 2020-08-03 @ 100.00 to 2020-09-01 @ 130.00 pnl 4500.00 \
return 0.3 days 29
    """)


@pytest.mark.parametrize(
    ("ratio", "a", "b", "total"),
    [
        ("2:1", "20", "10", "30"),
        ("3:2", "15", "7.5", "22.5"),
        ("7:1", "70", "35", "105"),
        ("1:8", "1.25", "0.625", "1.875"),
        ("1:5", "2", "1", "3"),
        ("21:20", "10.5", "5.25", "15.75"),
        ("1:1", "10", "5", "15"),
    ],
)
def test_every_lot_is_multiplied_and_keeps_its_cost_and_day(
    ratio: str, a: str, b: str, total: str
) -> None:
    check(f"""
        2024-01-08 deposit 2000.00 USD
        2024-01-08 buy 10 SPY @ 90.00 as a
        2024-01-09 buy 5 SPY @ 96.00 as b
        2024-01-10 split SPY {ratio}
        ---
        SPY {total} cost 1380.00
          lot a {a} cost 900.00 opened 2024-01-08
          lot b {b} cost 480.00 opened 2024-01-09
        cash USD 620.00
        no round trips
    """)


@pytest.mark.parametrize(
    ("ratio", "position"), [("4:1", "-400"), ("3:2", "-150"), ("1:8", "-12.5")]
)
def test_a_short_owes_the_new_shares_for_the_same_money(ratio: str, position: str) -> None:
    check(f"""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 sell 100 GME @ 40.00 as a
        2024-01-10 split GME {ratio}
        ---
        GME {position} cost -4000.00
          lot a {position} cost -4000.00 opened 2024-01-08
        cash USD 5000.00
    """)


def test_a_short_through_a_split_gains_what_it_would_have_gained() -> None:
    """Sold at 40, covered at 9.50 after 4:1, that is 38 before: 100 x 2."""
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 sell 100 GME @ 40.00 as a
        2024-01-10 split GME 4:1
        2024-01-11 buy 400 GME @ 9.50
        ---
        cash USD 1200.00
        realized GME 200.00
        round trip a: short 400 GME 2024-01-08 @ 10.00 to 2024-01-11 @ 9.50 pnl 200.00 \
return 0.05 days 3
    """)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_close_values_new_shares_at_the_new_price_as_the_old_at_the_old(side: str) -> None:
    sign = 1 if side == "buy" else -1
    value, cash = sign * 1500, 5000 - sign * 1000
    ledger = check(f"""
        2024-01-08 deposit 5000.00 USD
        2024-01-08 {side} 10 SPY @ 100.00 as a
        2024-01-09 close SPY 150.00 value {value}.00 cash {cash}.00 equity {value + cash}.00
        2024-01-10 split SPY 3:2
        2024-01-10 close SPY 100.00 value {value}.00 cash {cash}.00 equity {value + cash}.00
        ---
        SPY {sign * 15} cost {sign * 1000}.00
          lot a {sign * 15} cost {sign * 1000}.00 opened 2024-01-08
        cash USD {cash}.00
    """)
    assert ledger.positions == {"SPY": Decimal(sign * 15)}


class TestCashInLieu:
    """Whole shares of the position stay, its fraction is sold at the price given."""

    def test_the_fraction_of_a_split_is_sold(self) -> None:
        """5 at 3:2 are 7.5 for 480: half a share cost 32 and brings 35."""
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-08 buy 5 SPY @ 96.00 as a
            2024-01-10 split SPY 3:2 in lieu 70.00
            ---
            SPY 7 cost 448.00
              lot a 7 cost 448.00 opened 2024-01-08
            cash USD 555.00
            realized SPY 3.00
            round trip a: long 0.5 SPY 2024-01-08 @ 64.00 to 2024-01-10 @ 70.00 pnl 3.00 \
return 0.09375 days 2
        """)

    def test_odd_lots_of_a_reverse_split_are_sold(self) -> None:
        """20 at 1:8 are 2.5 for 60: the half cost 12 and brings 8."""
        check("""
            2024-01-08 deposit 100.00 USD
            2024-01-08 buy 20 USO @ 3.00 as a
            2024-01-10 split USO 1:8 in lieu 16.00
            ---
            USO 2 cost 48.00
              lot a 2 cost 48.00 opened 2024-01-08
            cash USD 48.00
            realized USO -4.00
        """)

    def test_who_holds_less_than_one_new_share_holds_none(self) -> None:
        """5 at 1:8 are 0.625 x 16.00 = 10.00 for what cost 15.00."""
        check("""
            2024-01-08 deposit 100.00 USD
            2024-01-08 buy 5 USO @ 3.00 as a
            2024-01-10 split USO 1:8 in lieu 16.00
            ---
            cash USD 95.00
            realized USO -5.00
        """)

    def test_a_short_buys_its_fraction_back(self) -> None:
        """-2.5 for 60 received: the half had brought 12 and is bought for 8."""
        check("""
            2024-01-08 deposit 100.00 USD
            2024-01-08 sell 20 USO @ 3.00 as a
            2024-01-10 split USO 1:8 in lieu 16.00
            ---
            USO -2 cost -48.00
              lot a -2 cost -48.00 opened 2024-01-08
            cash USD 152.00
            realized USO 4.00
        """)

    def test_nothing_is_sold_where_nothing_is_left_over(self) -> None:
        check("""
            2024-01-08 deposit 100.00 USD
            2024-01-08 buy 16 USO @ 3.00 as a
            2024-01-10 split USO 1:8 in lieu 16.00
            ---
            USO 2 cost 48.00
              lot a 2 cost 48.00 opened 2024-01-08
            cash USD 52.00
            no round trips
        """)

    def test_the_position_is_what_is_made_whole_not_each_lot(self) -> None:
        """Lots of 5 and 3 at 1:2 are 2.5 and 1.5: 4 whole shares, nothing is sold."""
        check("""
            2024-01-08 deposit 100.00 USD
            2024-01-08 buy 5 USO @ 3.00 as a
            2024-01-09 buy 3 USO @ 4.00 as b
            2024-01-10 split USO 1:2 in lieu 7.00
            ---
            USO 4 cost 27.00
              lot a 2.5 cost 15.00 opened 2024-01-08
              lot b 1.5 cost 12.00 opened 2024-01-09
            cash USD 73.00
            no round trips
        """)

    def test_the_fraction_comes_off_the_lot_that_a_sale_would_take(self) -> None:
        """Lots of 10 and 5 at 3:2: 22.5; FIFO takes half a share of the older, 15 for 900."""
        check("""
            2024-01-08 deposit 2000.00 USD
            2024-01-08 buy 10 SPY @ 90.00 as a
            2024-01-09 buy 5 SPY @ 96.00 as b
            2024-01-10 split SPY 3:2 in lieu 70.00
            ---
            SPY 22 cost 1350.00
              lot a 14.5 cost 870.00 opened 2024-01-08
              lot b 7.5 cost 480.00 opened 2024-01-09
            cash USD 655.00
            realized SPY 5.00
        """)

    def test_lots_that_do_not_divide_still_make_whole_shares(self) -> None:
        """Three lots of one share at 1:3 are one share: no third of them may be lost and sold."""
        ledger = check_thirds("in lieu 30.00")
        assert ledger == (Decimal(1), Decimal(30))


def test_lots_that_do_not_divide_add_up_to_the_position() -> None:
    assert check_thirds("") == (Decimal(1), Decimal(30))


def check_thirds(in_lieu: str) -> tuple[Decimal, Decimal]:
    """Position and cost of 1 + 1 + 1 shares at 1:3; how a third is written is the lots' affair."""
    scenario = parse(f"""
        2024-01-08 deposit 100.00 USD
        2024-01-08 buy 1 USO @ 10.00
        2024-01-08 buy 1 USO @ 10.00
        2024-01-08 buy 1 USO @ 10.00
        2024-01-10 split USO 1:3 {in_lieu}
        ---
    """)
    ledger = Ledger(scenario.policy, "USD")
    for step in scenario.steps:
        ledger.apply_event(step.session, step.event)
    assert not imbalances(ledger)
    assert ledger.cash == Decimal(70)
    assert all(lot.opened == dt.date(2024, 1, 8) for lot in ledger.lots("USO"))
    return ledger.positions["USO"], ledger.cost_basis("USO")


def test_a_fraction_without_end_is_kept_to_nine_decimals() -> None:
    check("""
        2024-01-08 deposit 100.00 USD
        2024-01-08 buy 10 USO @ 3.00 as a
        2024-01-10 split USO 1:3
        ---
        USO 3.333333333 cost 30.00
          lot a 3.333333333 cost 30.00 opened 2024-01-08
        cash USD 70.00
    """)


def test_a_split_that_is_told_after_the_session_s_trades_is_refused() -> None:
    """Nobody could say whether 50.00 was paid for an old share or a new one."""
    check("""
        2024-01-08 deposit 2000.00 USD
        2024-01-08 buy 10 SPY @ 100.00 as a
        2024-01-10 buy 10 SPY @ 50.00 as b
        2024-01-10 split SPY 2:1
          refused: SPY, 2:1
        ---
        SPY 20 cost 1500.00
          lot a 10 cost 1000.00 opened 2024-01-08
          lot b 10 cost 500.00 opened 2024-01-10
        cash USD 500.00
    """)


def test_a_split_of_what_is_not_held_changes_nothing() -> None:
    check("""
        2024-01-08 deposit 100.00 USD
        2024-01-10 split USO 1:3 in lieu 3.00
        2024-01-10 stock dividend USO 1:20
        ---
        cash USD 100.00
    """)


def test_an_average_cost_pool_is_split_as_one_lot() -> None:
    check("""
        policy long_lots=average_cost
        2024-01-08 deposit 2000.00 USD
        2024-01-08 buy 10 SPY @ 90.00 as a
        2024-01-09 buy 5 SPY @ 96.00 as b
        2024-01-10 split SPY 2:1
        2024-01-11 sell 15 SPY @ 50.00      ; 750 - half of 1380
        ---
        SPY 15 cost 690.00
          lot a 15 cost 690.00 opened 2024-01-08
        cash USD 1370.00
        realized SPY 60.00
    """)


def test_lots_are_chosen_in_new_shares_after_a_split() -> None:
    check("""
        policy long_lots=specific
        2024-01-08 deposit 2000.00 USD
        2024-01-08 buy 10 SPY @ 90.00 as a
        2024-01-09 buy 5 SPY @ 96.00 as b
        2024-01-10 split SPY 2:1
        2024-01-11 sell 15 SPY @ 50.00 closing b:10 a:5   ; 750 - 480 - 225
        ---
        SPY 15 cost 675.00
          lot a 15 cost 675.00 opened 2024-01-08
        cash USD 1370.00
        realized SPY 45.00
    """)


def test_a_stock_dividend_adds_shares_and_no_cost() -> None:
    check("""
        2024-01-08 deposit 2000.00 USD
        2024-01-08 buy 100 SPY @ 10.00 as a
        2024-01-10 stock dividend SPY 1:20
        ---
        SPY 105 cost 1000.00
          lot a 105 cost 1000.00 opened 2024-01-08
        cash USD 1000.00
    """)


def test_the_fraction_of_a_stock_dividend_is_paid_in_cash() -> None:
    """30 become 31.5 for 315.00: half a share cost 5.00 and brings 5.25."""
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 buy 30 SPY @ 10.50 as a
        2024-01-10 stock dividend SPY 1:20 in lieu 10.50
        ---
        SPY 31 cost 310.00
          lot a 31 cost 310.00 opened 2024-01-08
        cash USD 690.25
        realized SPY 0.25
    """)


def test_a_short_owes_a_stock_dividend() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 sell 100 GME @ 10.00 as a
        2024-01-10 stock dividend GME 1:4
        ---
        GME -125 cost -1000.00
          lot a -125 cost -1000.00 opened 2024-01-08
        cash USD 2000.00
    """)


class TestCashInLieuThatTheBrokerTells:
    """It sells the fraction that is left, for exactly what was paid and when it was."""

    def test_the_fraction_goes_when_it_is_paid(self) -> None:
        """5 at 3:2 are 7.5 for 480: half a share cost 32 and brings 35."""
        check("""
            2024-01-08 deposit 1000.00 USD
            2024-01-08 buy 5 SPY @ 96.00 as a
            2024-01-10 split SPY 3:2
            2024-01-12 paid 35.00 USD in lieu of 0.5 SPY
            ---
            SPY 7 cost 448.00
              lot a 7 cost 448.00 opened 2024-01-08
            cash USD 555.00
            realized SPY 3.00
            round trip a: long 0.5 SPY 2024-01-08 @ 64.00 to 2024-01-12 @ 70.00 pnl 3.00 \
return 0.09375 days 4
        """)

    def test_the_cash_is_what_was_paid_though_no_price_gives_it(self) -> None:
        """A third of a share cost 10.00 and brings 10.01."""
        check("""
            2024-01-08 deposit 100.00 USD
            2024-01-08 buy 4 SPY @ 10.00 as a
            2024-01-10 split SPY 1:3
            2024-01-12 paid 10.01 USD in lieu of 0.333333333 SPY
            ---
            SPY 1 cost 30.00
              lot a 1 cost 30.00 opened 2024-01-08
            cash USD 70.01
            realized SPY 0.01
        """)

    def test_a_short_pays_for_its_fraction(self) -> None:
        """-2.5 for 60 received: the half had brought 12 and is bought for 8."""
        check("""
            2024-01-08 deposit 100.00 USD
            2024-01-08 sell 20 USO @ 3.00 as a
            2024-01-10 split USO 1:8
            2024-01-10 paid -8.00 USD in lieu of -0.5 USO
            ---
            USO -2 cost -48.00
              lot a -2 cost -48.00 opened 2024-01-08
            cash USD 152.00
            realized USO 4.00
        """)

    def test_what_is_paid_for_shares_that_are_gone_is_a_gain(self) -> None:
        check("""
            2024-01-08 deposit 100.00 USD
            2024-01-12 paid 8.00 USD in lieu of 0 USO
            2024-01-15 paid -3.00 USD in lieu of 0 USO
            ---
            cash USD 105.00
            realized USO 5.00
        """)

    @pytest.mark.parametrize(
        "paid",
        ["5.00 USD in lieu of 7 SPY", "5.00 USD in lieu of -1 SPY", "-5.00 USD in lieu of 1 SPY"],
        ids=["more than held", "of a short", "of the wrong sign"],
    )
    def test_what_cannot_be_is_refused(self, paid: str) -> None:
        check(f"""
            2024-01-08 deposit 100.00 USD
            2024-01-08 buy 5 SPY @ 10.00 as a
            2024-01-12 paid {paid}
              refused: SPY, 5
            ---
            SPY 5 cost 50.00
              lot a 5 cost 50.00 opened 2024-01-08
            cash USD 50.00
        """)


@pytest.mark.parametrize("ratio", ["0:1", "4:0", "-4:1"])
@pytest.mark.parametrize("action", ["split", "stock dividend"])
def test_a_ratio_that_is_none_is_refused(action: str, ratio: str) -> None:
    check(f"""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 buy 10 SPY @ 10.00 as a
        2024-01-10 {action} SPY {ratio}
          refused: SPY
        ---
        SPY 10 cost 100.00
          lot a 10 cost 100.00 opened 2024-01-08
        cash USD 900.00
    """)


def test_a_price_in_lieu_below_zero_is_refused() -> None:
    check("""
        2024-01-08 deposit 1000.00 USD
        2024-01-08 buy 5 SPY @ 10.00 as a
        2024-01-10 split SPY 3:2 in lieu -7.00
          refused: SPY, -7
        ---
        SPY 5 cost 50.00
          lot a 5 cost 50.00 opened 2024-01-08
        cash USD 950.00
    """)
