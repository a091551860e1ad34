"""Digest and order ids: the same plan has the same ones, another plan has others."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec
import pytest

from assets_tests.portfolio.plan_scenarios import inputs
from trading_assets.model.order import Side
from trading_assets.portfolio.identity import CLIENT_ORDER_ID_MAX, client_order_id, identified
from trading_assets.portfolio.planning import make_plan

BOOK = inputs(
    weights={"AAA": "-0.5", "BBB": "0.3"},
    prices={"AAA": "100", "BBB": "40"},
    positions={"AAA": "10"},
    cash="1000",
)
PLAN = make_plan(BOOK)


def test_the_batch_is_the_session_and_the_start_of_the_digest() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", PLAN.digest)
    assert PLAN.batch_id == f"20250303-{PLAN.digest[:8]}"


def test_a_plan_that_knows_of_no_buying_power_is_named_as_before_there_was_any() -> None:
    assert PLAN.digest == "73542fde64e17dec"


def test_every_order_that_is_sent_has_its_own_id() -> None:
    """The flip of AAA sells twice: the legs differ, so must the ids."""
    ids = [order.client_order_id for order in PLAN.real_orders]
    assert len(set(ids)) == len(ids) == 3
    head = f"demo_20250303_{PLAN.digest[:8]}"
    assert ids[0].startswith(f"{head}_AAA_sell_")
    assert ids[2].startswith(f"{head}_BBB_buy_")


def test_the_same_content_has_the_same_ids_however_numbers_are_written() -> None:
    spelled = msgspec.structs.replace(BOOK, cash=Decimal("1000.00"))
    assert make_plan(spelled).batch_id == PLAN.batch_id
    assert identified(PLAN, "demo", 0) == PLAN


@pytest.mark.parametrize(
    ("portfolio_id", "revision"), [("demo", 1), ("other", 0)], ids=["restated", "portfolio"]
)
def test_a_restatement_or_another_portfolio_has_other_ids(portfolio_id: str, revision: int) -> None:
    other = identified(PLAN, portfolio_id, revision)
    assert other.digest != PLAN.digest
    ours = {order.client_order_id for order in PLAN.real_orders}
    assert ours.isdisjoint(order.client_order_id for order in other.real_orders)


@pytest.mark.parametrize(
    "change",
    [
        {"cash": Decimal("1000.01")},
        {"equity": Decimal("2000.01")},
        {"strategy_id": "value"},
        {"scale": Decimal("0.5")},
        {"orders": PLAN.orders[:-1]},
        {"lines": PLAN.lines[:-1]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_of_content_is_another_batch(change: dict[str, object]) -> None:
    other = identified(msgspec.structs.replace(PLAN, **change), "demo", 0)
    assert other.digest != PLAN.digest


def test_an_id_fits_what_brokers_accept_and_tells_odd_symbols_apart() -> None:
    order = PLAN.real_orders[0]
    ids = {
        client_order_id(
            "a" * 31, PLAN.session, PLAN.digest, msgspec.structs.replace(order, symbol=symbol)
        )
        for symbol in ("BRK.B", "BRK/B", "BRK B", "BRK-B", "Ü" * 90, "Ü" * 91)
    }
    assert len(ids) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", one) for one in ids)


def test_no_portfolio_symbol_or_side_makes_an_id_too_long() -> None:
    longest = msgspec.structs.replace(PLAN.real_orders[0], symbol="S" * 200, side=Side.SELL, leg=99)
    name = client_order_id("p" * 200, PLAN.session, PLAN.digest, longest)
    assert 100 < len(name) <= CLIENT_ORDER_ID_MAX


def test_side_and_leg_are_part_of_the_id() -> None:
    order = PLAN.real_orders[0]
    variants = [
        order,
        msgspec.structs.replace(order, side=Side.BUY),
        msgspec.structs.replace(order, leg=2),
    ]
    ids = {client_order_id("demo", PLAN.session, PLAN.digest, one) for one in variants}
    assert len(ids) == 3
