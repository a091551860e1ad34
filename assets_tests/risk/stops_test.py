"""Stops of one position, bar by bar."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.model.order import Side
from trading_assets.risk.policies import AtrStop, FixedStop, StopPolicy, TrailingStop
from trading_assets.risk.sizing import SizingCode, SizingRefusal
from trading_assets.risk.stops import StopHit, Stops, followed, hit, stops_at_entry

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


def bar(stops: Stops, open_price: str, high: str, low: str) -> StopHit | None:
    return hit(stops, D(open_price), D(high), D(low))


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
    assert bar(stops, "100", "1000", "0.01") is None


def test_a_trailing_stop_follows_the_high_water_mark_and_never_back() -> None:
    stops = entered(TRAILING)
    assert stops.stop_loss == 90
    stops = followed(stops, D(120), D(110))
    assert (stops.best, stops.stop_loss) == amounts(120, 108)
    stops = followed(stops, D(115), D(109))
    assert (stops.best, stops.stop_loss) == amounts(120, 108)


def test_a_trailing_stop_of_a_short_follows_the_low() -> None:
    stops = entered(TRAILING, Side.SELL)
    assert stops.stop_loss == D("110.0")
    stops = followed(stops, D(95), D(80))
    assert (stops.best, stops.stop_loss) == amounts(80, 88)


def test_a_bar_is_judged_by_the_stop_before_it() -> None:
    # High 130 would lift the stop to 117, above the low of 112. The low may have come first.
    stops = entered(TRAILING)
    assert bar(stops, "115", "130", "112") is None
    stops = followed(stops, D(130), D(112))
    assert bar(stops, "118", "119", "116") == StopHit("stop_loss", D(117))


def test_a_gap_through_the_stop_executes_at_the_open() -> None:
    assert bar(entered(FIXED), "93", "94", "92") == StopHit("stop_loss", D(93))
    assert bar(entered(FIXED, Side.SELL), "107", "108", "106") == StopHit("stop_loss", D(107))


def test_a_gap_through_the_target_executes_at_the_open() -> None:
    assert bar(entered(FIXED), "112", "113", "111") == StopHit("take_profit", D(112))
    assert bar(entered(FIXED, Side.SELL), "88", "89", "87") == StopHit("take_profit", D(88))


def test_the_loss_is_assumed_to_come_first_where_a_bar_reaches_both() -> None:
    assert bar(entered(FIXED), "100", "111", "94") == StopHit("stop_loss", D(95))


def test_touching_is_hitting() -> None:
    assert bar(entered(FIXED), "100", "101", "95") == StopHit("stop_loss", D(95))
    assert bar(entered(FIXED), "100", "110", "96") == StopHit("take_profit", D(110))
    assert bar(entered(FIXED), "100", "109.99", "95.01") is None


def test_a_short_has_no_target_beyond_all_of_its_price() -> None:
    greedy = StopPolicy(take_profit=D(1))
    assert entered(greedy, Side.SELL).take_profit is None
    assert entered(greedy).take_profit == 200


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 50)), max_size=30))
def test_a_trailing_stop_stands_at_the_best_price_of_all_bars(bars: list[tuple[int, int]]) -> None:
    stops, best = entered(TRAILING), 100
    for low, width in bars:
        stops = followed(stops, D(low + width), D(low))
        best = max(best, low + width)
        assert stops.stop_loss == best * D("0.9")
