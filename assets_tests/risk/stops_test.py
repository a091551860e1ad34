"""Stops of one position: where they stand."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from trading_assets.model.order import Side
from trading_assets.risk.policies import AtrStop, FixedStop, StopPolicy, TrailingStop
from trading_assets.risk.sizing import SizingCode, SizingRefusal
from trading_assets.risk.stops import Stops, stops_at_entry, trailing_stop

D = Decimal


def amounts(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(D(number) for number in numbers)


FIXED = StopPolicy(stop_loss=FixedStop(kind="fixed", distance=D("0.05")), take_profit=D("0.10"))
TRAILING = StopPolicy(stop_loss=TrailingStop(kind="trailing", distance=D("0.10")))
BY_RANGE = StopPolicy(stop_loss=AtrStop(kind="atr", multiple=D(2)))


def entered(policy: StopPolicy, side: Side = Side.BUY, price: int = 100) -> Stops:
    stops = stops_at_entry(policy, side, D(price), average_true_range=1.5)
    assert isinstance(stops, Stops)
    return stops


def test_fixed_stops_of_a_long_and_a_short_mirror_each_other() -> None:
    long, short = entered(FIXED), entered(FIXED, Side.SELL)
    assert (long.stop_loss, long.take_profit) == amounts(95, 110)
    assert (short.stop_loss, short.take_profit) == amounts(105, 90)


def test_a_range_stop_is_two_ranges_away() -> None:
    assert entered(BY_RANGE).stop_loss == 97
    assert entered(BY_RANGE, Side.SELL).stop_loss == 103


@pytest.mark.parametrize(
    ("moved", "code"),
    [
        (None, SizingCode.RANGE_UNKNOWN),
        (math.nan, SizingCode.RANGE_UNKNOWN),
        (0.0, SizingCode.RANGE_ZERO),
        (50.0, SizingCode.STOP_UNKNOWN),
    ],
)
def test_a_range_stop_without_a_usable_range_is_refused(
    moved: float | None, code: SizingCode
) -> None:
    refusal = stops_at_entry(BY_RANGE, Side.BUY, D(100), moved)
    assert isinstance(refusal, SizingRefusal)
    assert refusal.code is code


def test_a_policy_without_stops_gives_none() -> None:
    stops = entered(StopPolicy())
    assert (stops.stop_loss, stops.take_profit) == (None, None)


def test_a_trailing_stop_begins_its_distance_from_the_entry() -> None:
    assert entered(TRAILING).stop_loss == 90
    assert entered(TRAILING).trail == D("0.10")
    assert entered(TRAILING, Side.SELL).stop_loss == D("110.0")


def test_a_trailing_stop_keeps_its_distance_from_the_best_price() -> None:
    assert trailing_stop(12_000_000_000, 1, 0.10) == 10_800_000_000
    assert trailing_stop(8_000_000_000, -1, 0.10) == 8_800_000_000


def test_a_short_has_no_target_beyond_all_of_its_price() -> None:
    greedy = StopPolicy(take_profit=D(1))
    assert entered(greedy, Side.SELL).take_profit is None
    assert entered(greedy).take_profit == 200
