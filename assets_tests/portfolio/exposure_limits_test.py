"""Limits on what a plan makes of the book: what is dropped, by which code, and what stands."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets_tests.portfolio.plan_scenarios import filled, inputs, told
from trading_assets.model.money import plain
from trading_assets.model.plan import OrderPlan
from trading_assets.model.policies import CommissionPolicy
from trading_assets.portfolio.planning import make_plan
from trading_assets.risk.policies import RiskLimits

D = Decimal
PRICES = {"AAA": "10", "BBB": "20", "CCC": "50"}


def planned(limits: RiskLimits, **given_inputs: Any) -> OrderPlan:
    return make_plan(inputs(prices=PRICES, risk=limits, **given_inputs))


def outcome(plan: OrderPlan) -> dict[str, tuple[str, str]]:
    """Of each order: signed shares to be sent, and the last reason that cut it."""
    assert not plan.refusals
    return {
        order.symbol + str(order.leg): (
            plain(order.side.sign * order.quantity),
            order.cuts[-1].reason.value if order.cuts else "",
        )
        for order in plan.orders
    }


def test_a_plan_within_the_limits_is_the_plan_without_them() -> None:
    scenario: dict[str, Any] = {"weights": {"AAA": "0.5", "BBB": "0.5"}, "cash": "1000"}
    limits = RiskLimits(max_concentration=D("0.5"), max_gross_leverage=D(1))
    without = make_plan(inputs(prices=PRICES, **scenario))
    assert planned(limits, **scenario) == without


def test_the_position_that_would_be_too_large_is_dropped_and_the_others_stand() -> None:
    plan = planned(
        RiskLimits(max_concentration=D("0.5")),
        weights={"AAA": "0.6", "BBB": "0.4"},
        cash="1000",
    )
    assert outcome(plan) == {"AAA2": ("0", "CONCENTRATION_LIMIT"), "BBB2": ("20", "")}
    (dropped,) = (order for order in plan.orders if order.symbol == "AAA")
    assert dropped.cuts[-1].detail == (
        "CONCENTRATION_LIMIT AAA: weight of the position after the order 0.6, limit 0.5; order "
        "fewer shares, or raise max_concentration"
    )


def test_too_much_in_all_drops_every_opening_order_and_no_closing_one() -> None:
    # Equity 1,000, all in CCC. Wanted: half of CCC, 30 % each of AAA and short BBB: gross 1.1.
    plan = planned(
        RiskLimits(max_gross_leverage=D("1.05")),
        weights={"AAA": "0.3", "BBB": "-0.3", "CCC": "0.5"},
        positions={"CCC": "20"},
    )
    assert outcome(plan) == {
        "CCC1": ("-10", ""),
        "AAA2": ("0", "GROSS_LEVERAGE_LIMIT"),
        "BBB2": ("0", "GROSS_LEVERAGE_LIMIT"),
    }


def test_a_book_that_prices_carried_too_far_may_still_be_reduced() -> None:
    # Long 1,500 and short 900 on equity of 1,000: gross 2.4, limit 2.
    plan = planned(
        RiskLimits(max_gross_leverage=D(2), max_concentration=D("0.5")),
        weights={"AAA": "1.2", "CCC": "-0.5"},
        positions={"AAA": "150", "CCC": "-18"},
        cash="400",
    )
    assert outcome(plan) == {"AAA1": ("-30", ""), "CCC1": ("8", "")}


def test_a_long_whose_hedge_is_dropped_falls_with_it() -> None:
    # Net 0.1 with the hedge. Its sector is full, and without it net would be 0.6.
    plan = planned(
        RiskLimits(
            max_net_leverage=D("0.2"),
            max_sector_weight=D("0.55"),
            sectors={"AAA": "energy", "BBB": "health", "CCC": "health"},
        ),
        weights={"AAA": "0.5", "BBB": "-0.4", "CCC": "-0.2"},
        cash="1000",
    )
    assert outcome(plan) == {
        "AAA2": ("0", "NET_LEVERAGE_LIMIT"),
        "BBB2": ("0", "SECTOR_LIMIT"),
        "CCC2": ("0", "SECTOR_LIMIT"),
    }


def test_the_opening_leg_of_a_flip_is_dropped_and_its_closing_leg_stands() -> None:
    plan = planned(
        RiskLimits(max_concentration=D("0.4")),
        weights={"BBB": "-0.5"},
        positions={"BBB": "20"},
        cash="600",
    )
    assert outcome(plan) == {"BBB1": ("-20", ""), "BBB2": ("0", "CONCENTRATION_LIMIT")}


@pytest.mark.parametrize(("peak", "sent"), [("1249", "50"), ("1250", "0"), ("0", "50")])
def test_nothing_is_opened_at_the_drawdown_limit(peak: str, sent: str) -> None:
    # Equity 1,000 against a highest of 1,250 is a fall of 20 %.
    plan = planned(
        RiskLimits(max_drawdown=D("0.20")),
        weights={"AAA": "0.5"},
        positions={"CCC": "10"},
        cash="500",
        peak_equity=D(peak),
    )
    assert outcome(plan)["AAA2"][0] == sent
    assert outcome(plan)["CCC1"] == ("-10", "")


def test_a_symbol_without_a_sector_is_not_bought_under_a_sector_limit() -> None:
    plan = planned(
        RiskLimits(max_sector_weight=D("0.5"), sectors={"BBB": "health"}),
        weights={"AAA": "0.1", "BBB": "0.1"},
        cash="1000",
    )
    assert outcome(plan) == {"AAA2": ("0", "SECTOR_UNKNOWN"), "BBB2": ("5", "")}


@settings(max_examples=60, deadline=None)
@given(
    weights=st.fixed_dictionaries({name: st.integers(-8, 8) for name in PRICES}),
    positions=st.fixed_dictionaries({name: st.integers(-40, 40) for name in PRICES}),
    concentration=st.integers(1, 9),
    gross=st.integers(1, 20),
    net=st.integers(1, 9),
)
# Cash is short for all three; the two that a limit drops leave theirs to the third.
@example(
    weights={"AAA": 1, "BBB": 2, "CCC": 8},
    positions={"AAA": 0, "BBB": 0, "CCC": 0},
    concentration=1,
    gross=10,
    net=1,
)
def test_no_plan_leads_beyond_a_limit_nor_further_beyond_it_than_the_book_was(
    weights: dict[str, int], positions: dict[str, int], concentration: int, gross: int, net: int
) -> None:
    limits = RiskLimits(
        max_concentration=D(concentration) / 10,
        max_gross_leverage=D(gross) / 10,
        max_net_leverage=D(net) / 10,
    )
    worth = sum(positions[name] * int(PRICES[name]) for name in PRICES)
    given_inputs = inputs(
        weights={name: D(weight) / 10 for name, weight in weights.items()},
        positions={name: D(shares) for name, shares in positions.items()},
        prices=PRICES,
        cash=D(10_000 - worth),
        commission=CommissionPolicy(per_order=D(1)),
        risk=limits,
    )
    plan = make_plan(given_inputs)
    before = {line.symbol: line.current_quantity * (line.price or 0) for line in plan.lines}
    after = {line.symbol: line.real_target_quantity * (line.price or 0) for line in plan.lines}
    equity = plan.equity

    def values(book: dict[str, Decimal]) -> tuple[Decimal, Decimal]:
        return sum(map(abs, book.values()), D(0)), abs(sum(book.values(), D(0)))

    for name in PRICES:
        assert abs(after[name]) <= max(equity * D(concentration) / 10, abs(before[name]))
    assert values(after)[0] <= max(equity * D(gross) / 10, values(before)[0])
    # Closing orders are never held back, and may leave net where the book's shorts were closed.
    opened = any(order.leg == 2 and order.quantity > 0 for order in plan.orders)
    if opened and values(after)[1] > equity * D(net) / 10:
        closed_only = dict(before)
        for order in plan.orders:
            if order.leg == 1:
                closed_only[order.symbol] += order.side.sign * order.quantity * order.price
        assert values(after)[1] <= values(closed_only)[1]
    # Filled at plan prices, the book wants nothing more.
    held, cash = filled(plan, given_inputs.positions, given_inputs.cash, given_inputs.commission)
    again = msgspec.structs.replace(given_inputs, positions=held, cash=cash)
    assert told(make_plan(again)) == []
