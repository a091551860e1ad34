"""Plans for accounts whose buying power is known: what counts, what is cut, in which proportion.

At Alpaca a market purchase is counted at 5 % above the price and a short sale at 3 % above, so one
share of AAA at 50 takes 52.50 or 51.50 and one of BBB at 200 takes 210 or 206.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.portfolio.plan_properties_test import books
from assets_tests.portfolio.plan_scenarios import FRACTIONAL, WHOLE, cuts, filled, inputs, told
from trading_assets.model.money import ZERO
from trading_assets.model.order import Side
from trading_assets.model.plan import OrderPlan
from trading_assets.model.policies import PlanningPolicy
from trading_assets.portfolio.buying_power import PowerNow
from trading_assets.portfolio.opening_book import PlanInputs
from trading_assets.portfolio.order_rules import ALPACA, AccountTraits
from trading_assets.portfolio.planning import make_plan
from trading_assets.portfolio.proceeds import Means, affordable_openings

PRICES = {"AAA": "50", "BBB": "200"}


def account(power: str | Decimal, multiplier: int = 1, *, may_short: bool = True) -> AccountTraits:
    return AccountTraits(
        buying_power=Decimal(power), multiplier=Decimal(multiplier), may_short=may_short
    )


def planned(weights: dict[str, str], traits: AccountTraits, **rest: Any) -> OrderPlan:
    """The plan of a $100,000 book on AAA at 50 and BBB at 200, at a broker with Alpaca's rules."""
    terms: dict[str, Any] = {"cash": "100000", "order_rules": ALPACA, "account": traits} | rest
    return make_plan(inputs(weights=weights, prices=PRICES, **terms))


def power_cuts(plan: OrderPlan) -> dict[str, Decimal]:
    """Shares taken off for lack of buying power, by symbol."""
    return {
        order.symbol: cut.quantity
        for order in plan.orders
        for cut in order.cuts
        if cut.reason.value == "BUYING_POWER"
    }


def test_a_margin_account_buys_all_that_its_cash_pays() -> None:
    plan = planned({"AAA": "0.5", "BBB": "0.5"}, account("200000", 2))
    assert told(plan) == [("AAA", "buy", Decimal(1000)), ("BBB", "buy", Decimal(250))]
    assert plan.buying_power == 200_000


def test_a_cash_account_leaves_room_for_what_a_market_order_is_counted_at() -> None:
    """100,000 of purchases count as 105,000. The factor is 0.952380, so 952 of 1,000 and 238 of
    250: 952 x 52.50 + 238 x 210 = 99,960, and the 40 that are left are less than a share."""
    plan = planned({"AAA": "0.5", "BBB": "0.5"}, account("100000"))
    assert told(plan) == [("AAA", "buy", Decimal(952)), ("BBB", "buy", Decimal(238))]
    assert power_cuts(plan) == {"AAA": Decimal(48), "BBB": Decimal(12)}
    assert [line.target_quantity for line in plan.lines] == [1000, 250]
    assert plan.orders[0].cuts[0].detail == "opening orders take 105000, buying power is 100000"


def test_short_sales_and_purchases_share_what_there_is() -> None:
    """1,000 AAA and 250 BBB short count as 52,500 + 51,500 = 104,000 against 100,000. The factor is
    0.961538: 961 and 240, which take 50,452.50 + 49,440; of the 107.50 left two more AAA."""
    plan = planned({"AAA": "0.5", "BBB": "-0.5"}, account("100000", 2))
    assert told(plan) == [("BBB", "sell", Decimal(240)), ("AAA", "buy", Decimal(963))]


def test_a_short_alone_is_cut_to_whole_shares() -> None:
    """20,000 over 206 is 97.08."""
    plan = planned({"BBB": "-0.5"}, account("20000", 2), planning=FRACTIONAL)
    assert told(plan) == [("BBB", "sell", Decimal(97))]


def test_an_account_that_may_not_short_sells_what_it_holds_and_no_more() -> None:
    plan = planned(
        {"AAA": "-0.5"}, account("100000", may_short=False), cash="0", positions={"AAA": "100"}
    )
    assert told(plan) == [("AAA", "sell", Decimal(100))]
    (dropped,) = [order for order in plan.orders if order.leg == 2]
    assert cuts(dropped) == [("NOT_SHORTABLE", Decimal(50))]
    assert dropped.cuts[0].detail == "alpaca: the account may not sell short"


ROTATION: dict[str, Any] = {"cash": "0", "positions": {"AAA": "1000"}}


@pytest.mark.parametrize("multiplier", [1, 2])
def test_what_is_sold_first_pays_for_what_is_bought(multiplier: int) -> None:
    """1,000 AAA bring 50,000; 0.9 x 50,000 / 200 = 225 BBB count as 47,250."""
    plan = planned({"BBB": "0.9"}, account("0", multiplier), **ROTATION)
    assert told(plan) == [("AAA", "sell", Decimal(1000)), ("BBB", "buy", Decimal(225))]


def test_at_four_times_equity_sales_of_the_day_add_nothing() -> None:
    """It is the last close's: of 21,000 there are 100 BBB, whatever is sold."""
    plan = planned({"BBB": "0.9"}, account("21000", 4), **ROTATION)
    assert told(plan) == [("AAA", "sell", Decimal(1000)), ("BBB", "buy", Decimal(100))]
    assert power_cuts(plan) == {"BBB": Decimal(125)}


def test_sales_of_which_the_multiplier_is_not_stated_add_nothing() -> None:
    plan = planned({"BBB": "0.9"}, AccountTraits(buying_power=ZERO), **ROTATION)
    assert told(plan) == [("AAA", "sell", Decimal(1000))]


def test_covering_a_short_gives_its_value_back() -> None:
    """200 BBB short are 40,000. Equity is 140,000 - 40,000; covered, they leave 40,000 and the
    stated 1,000, at 52.50 a share 780 of the 800 AAA that 40 % come to."""
    plan = planned({"AAA": "0.4"}, account("1000", 2), cash="140000", positions={"BBB": "-200"})
    assert told(plan) == [("BBB", "buy", Decimal(200)), ("AAA", "buy", Decimal(780))]


def test_a_sale_that_is_not_made_gives_nothing() -> None:
    plan = planned(
        {"BBB": "0.9"}, account("0"), **ROTATION, open_sides={"AAA": frozenset({Side.BUY})}
    )
    assert told(plan) == []
    assert power_cuts(plan) == {}  # no cash either


@pytest.mark.parametrize("power", ["0", "-1200.50"])
def test_without_buying_power_nothing_is_opened_and_what_closes_stands(power: str) -> None:
    plan = planned({"AAA": "0.5"}, account(power), cash="99000", positions={"BBB": "5"})
    # The 5 BBB bring 1,000, less whatever the account lacks.
    left = max(Decimal(1000) + Decimal(power), ZERO) // Decimal("52.5")
    bought = [("AAA", "buy", left)] if left else []
    assert told(plan) == [("BBB", "sell", Decimal(5)), *bought]


def test_an_order_that_is_left_too_small_is_dropped() -> None:
    """0.40 of buying power are 0.38 of AAA, less than the dollar that Alpaca takes at least."""
    plan = planned({"AAA": "0.5"}, account("0.40"), planning=FRACTIONAL)
    assert told(plan) == []
    assert sum(quantity for _, quantity in cuts(plan.orders[0])) == 1000


def test_where_purchases_may_not_be_reduced_the_plan_is_refused() -> None:
    planning = PlanningPolicy(fractional=False, cash_buffer=ZERO, adjust_for_overflow=False)
    plan = planned({"AAA": "0.5", "BBB": "0.5"}, account("99999"), planning=planning)
    (refusal,) = plan.refusals
    assert (refusal.code, refusal.actual, refusal.limit) == ("BUYING_POWER", "100000", "99999")
    assert told(plan) == []


@pytest.mark.parametrize("cash_buffer", ["0", "0.02"])
def test_what_the_broker_counts_on_top_of_a_price_refuses_no_plan(cash_buffer: str) -> None:
    """With the default buffer 980 and 245 are wanted, worth 98,000 and counted at 102,900 of the
    100,000. The factor of 0.971817 comes to 952 and 238, as that of a plan without a buffer."""
    planning = PlanningPolicy(
        fractional=False, cash_buffer=Decimal(cash_buffer), adjust_for_overflow=False
    )
    plan = planned({"AAA": "0.5", "BBB": "0.5"}, account("100000"), planning=planning)
    assert plan.refusals == ()
    assert told(plan) == [("AAA", "buy", Decimal(952)), ("BBB", "buy", Decimal(238))]


def test_a_broker_of_which_nothing_is_known_is_not_held_to_any() -> None:
    without = {"order_rules": msgspec.structs.replace(ALPACA, buying_power=None)}
    plan = planned({"AAA": "1"}, account("10"), **without)
    assert told(plan) == [("AAA", "buy", Decimal(2000))]


def test_the_digest_covers_the_buying_power() -> None:
    weights = {"AAA": "0.5"}
    digests = {planned(weights, account(power, 2)).digest for power in ("200000", "200001")}
    assert len(digests | {planned(weights, AccountTraits()).digest}) == 3


# When orders are sent


def sent(
    plan: OrderPlan,
    power: str,
    asks: dict[str, str],
    cash: str = "100000",
    planning: PlanningPolicy = WHOLE,
) -> list[tuple[str, Decimal]]:
    """Symbol and quantity of the opening orders that leave, by the market as it is then."""
    rules = ALPACA.buying_power
    assert rules is not None
    now = Means(
        cash=Decimal(cash),
        power=PowerNow(
            buying_power=Decimal(power),
            rules=rules,
            asks={symbol: Decimal(ask) for symbol, ask in asks.items()},
        ),
    )
    orders = affordable_openings(
        plan.real_orders, {}, now, inputs(weights={}, prices={}).commission, planning, ZERO
    )
    return [(order.symbol, order.quantity) for order in orders]


def test_orders_that_became_dearer_are_cut_when_they_are_sent() -> None:
    """BBB is offered at 300: 240 short count as 240 x 309 = 74,160, with 963 x 52.50 = 50,557.50 it
    is 124,717.50 of 100,000. The factor is 0.801812: 192 and 772, and the 142 that are left buy two
    more AAA."""
    plan = planned({"AAA": "0.5", "BBB": "-0.5"}, account("100000", 2))
    assert sent(plan, "100000", {}) == [("BBB", Decimal(240)), ("AAA", Decimal(963))]
    assert sent(plan, "100000", {"BBB": "300"}) == [("BBB", Decimal(192)), ("AAA", Decimal(774))]


def test_orders_that_may_not_be_reduced_make_room_for_no_more_than_what_is_counted_on_top() -> None:
    """952 AAA and 238 BBB. At 51 and 200 they are worth 96,152, counted at 100,959.60 of 100,000:
    the factor of 0.990495 comes to 942 and 235, which leave 205.90, for three more AAA. At 60 and
    200 they are worth 104,720: there is no money for them, and the broker says so."""
    planning = PlanningPolicy(fractional=False, cash_buffer=ZERO, adjust_for_overflow=False)
    plan = planned({"AAA": "0.5", "BBB": "0.5"}, account("100000"), planning=planning)
    reduced = sent(plan, "100000", {"AAA": "51"}, planning=planning)
    assert reduced == [("AAA", Decimal(945)), ("BBB", Decimal(235))]
    refused = sent(plan, "100000", {"AAA": "60"}, planning=planning)
    assert refused == [("AAA", Decimal(952)), ("BBB", Decimal(238))]


def test_orders_that_nothing_is_left_for_are_not_sent() -> None:
    plan = planned({"AAA": "0.5", "BBB": "-0.5"}, account("100000", 2))
    assert sent(plan, "0", {}) == []


# Whatever the book


def counted(plan: OrderPlan) -> Decimal:
    """What the opening orders take, worked out by the two fractions themselves."""
    return sum(
        (
            order.quantity
            * order.price
            * (Decimal("1.05") if order.side is Side.BUY else Decimal("1.03"))
            for order in plan.real_orders
            if order.leg == 2
        ),
        ZERO,
    )


@settings(max_examples=200, deadline=None)
@given(
    book=st.one_of(books(long_only=True), books(long_only=False)),
    power=st.integers(0, 60_000).map(Decimal),
    multiplier=st.sampled_from([1, 2, 4]),
)
def test_every_plan_fits_the_buying_power_and_is_settled_unless_it_was_cut(
    book: PlanInputs, power: Decimal, multiplier: int
) -> None:
    """Filled at plan prices the account has what it had, and the closed, less what was opened; a
    plan that was not cut leaves nothing to plan, with whatever that is."""
    held = msgspec.structs.replace(book, order_rules=ALPACA, account=account(power, multiplier))
    plan = make_plan(held)
    closing = sum((o.quantity * o.price for o in plan.real_orders if o.leg == 1), ZERO)
    opening = sum((o.quantity * o.price for o in plan.real_orders if o.leg == 2), ZERO)
    available = power + (closing if multiplier < 4 else ZERO)
    assert counted(plan) <= available
    positions, cash = filled(plan, book.positions, book.cash, book.commission)
    again = make_plan(
        msgspec.structs.replace(
            held,
            positions=positions,
            cash=cash,
            account=account(available - opening, multiplier),
        )
    )
    assert again.real_orders == () or power_cuts(plan)


@settings(max_examples=100, deadline=None)
@given(book=st.one_of(books(long_only=True), books(long_only=False)))
def test_enough_buying_power_changes_no_order(book: PlanInputs) -> None:
    held = msgspec.structs.replace(book, order_rules=ALPACA)
    rich = msgspec.structs.replace(held, account=account("1000000000", 2))
    assert told(make_plan(rich)) == told(make_plan(held))
    assert make_plan(rich).lines == make_plan(held).lines
