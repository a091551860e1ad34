"""12-1 momentum by hand: who is ranked, in which order, with which weights, and what is traded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

import pytest
from pydantic import ValidationError

from trading_assets.model.instrument import AdjustedPair
from trading_assets.model.policies import MomentumPolicy
from trading_assets.portfolio.momentum import (
    MomentumRanking,
    measured_between,
    month_ends,
    proposed_trades,
    rank_momentum,
)

START, END, ASOF = dt.date(2023, 1, 31), dt.date(2023, 12, 29), dt.date(2024, 1, 31)
UNIVERSE = {"AAA": "Energy", "BBB": "Utilities", "CCC": "Materials", "DDD": "Financials"}
POLICY = MomentumPolicy(universe=UNIVERSE, top_n=2)


def pair(start: str, end: str) -> AdjustedPair:
    return AdjustedPair(
        start_session=START, start_close=Decimal(start), end_session=END, end_close=Decimal(end)
    )


def ranked(pairs: Mapping[str, AdjustedPair], policy: MomentumPolicy = POLICY) -> MomentumRanking:
    return rank_momentum(policy, ASOF, (START, END), pairs)


ROSE = {
    "AAA": pair("100", "110"),
    "BBB": pair("20", "19"),
    "CCC": pair("10", "15"),
    "DDD": pair("50", "55"),
}


def test_the_best_are_held_at_equal_weights_and_a_tie_goes_to_the_first_symbol() -> None:
    found = ranked(ROSE)
    # +50 %, +10 %, +10 %, -5 %
    assert [(row.rank, row.symbol, row.momentum) for row in found.ranked] == [
        (1, "CCC", Decimal("0.5")),
        (2, "AAA", Decimal("0.1")),
        (3, "DDD", Decimal("0.1")),
        (4, "BBB", Decimal("-0.05")),
    ]
    assert found.weights == {"CCC": Decimal("0.5"), "AAA": Decimal("0.5")}
    assert found.ranked[0].sector == "Materials"
    assert found.unranked == ()


def test_what_has_too_short_a_history_is_named_and_its_weight_stays_cash() -> None:
    found = ranked({"DDD": ROSE["DDD"]})
    assert found.unranked == ("AAA", "BBB", "CCC")
    assert found.weights == {"DDD": Decimal("0.5")}
    assert ranked({}).weights == {}


def test_a_third_is_cut_so_that_weights_never_add_up_to_more_than_1() -> None:
    found = ranked(ROSE, MomentumPolicy(universe=UNIVERSE, top_n=3))
    assert set(found.weights.values()) == {Decimal("0.3333333333")}


def test_a_symbol_that_is_not_of_the_universe_is_no_candidate() -> None:
    assert "ZZZ" not in ranked(ROSE | {"ZZZ": pair("1", "9")}).weights


def test_the_digest_is_that_of_the_closes_and_what_follows_from_them() -> None:
    assert ranked(ROSE).sha256 == ranked(ROSE).sha256
    moved = ROSE | {"BBB": pair("20", "19.01")}
    assert ranked(moved).weights == ranked(ROSE).weights
    assert ranked(moved).sha256 != ranked(ROSE).sha256


# The calendar


def test_month_ends_are_last_sessions_of_months_that_are_over() -> None:
    days = [dt.date(2023, 12, 28), dt.date(2023, 12, 29), dt.date(2024, 1, 2), dt.date(2024, 1, 31)]
    # That January is over is not known before February.
    assert month_ends(days) == [dt.date(2023, 12, 29)]
    assert month_ends([*days, dt.date(2024, 2, 1)]) == [dt.date(2023, 12, 29), dt.date(2024, 1, 31)]
    assert month_ends([]) == []


def test_momentum_is_measured_from_twelve_month_ends_ago_to_one() -> None:
    ends = [dt.date(2023, month, 28) for month in range(1, 13)] + [dt.date(2024, 1, 31)]
    assert measured_between(ends, dt.date(2024, 1, 31), POLICY) == (
        dt.date(2023, 1, 28),
        dt.date(2023, 12, 28),
    )
    assert measured_between(ends, dt.date(2023, 12, 28), POLICY) is None
    six = MomentumPolicy(universe=UNIVERSE, top_n=1, lookback_months=6, skip_months=0)
    assert measured_between(ends, dt.date(2024, 1, 31), six) == (
        dt.date(2023, 7, 28),
        dt.date(2024, 1, 31),
    )


# What is traded


def test_small_changes_are_left_alone_and_what_fell_out_is_sold_however_small() -> None:
    held = {"CCC": Decimal("0.485"), "AAA": Decimal("0.48"), "BBB": Decimal("0.01")}
    trades = {each.symbol: each for each in proposed_trades(ranked(ROSE), held, Decimal("0.02"))}
    # 0.015 is below the threshold, 0.02 is not.
    assert {symbol: each.is_traded for symbol, each in trades.items()} == {
        "AAA": True,
        "BBB": True,
        "CCC": False,
    }
    assert trades["AAA"].change == Decimal("0.02")
    assert trades["BBB"].change == Decimal("-0.01")


def test_an_empty_book_buys_and_a_book_on_target_does_nothing() -> None:
    ranking = ranked(ROSE)
    assert [each.symbol for each in proposed_trades(ranking, {}, Decimal("0.02"))] == ["AAA", "CCC"]
    assert proposed_trades(ranking, ranking.weights, Decimal("0.02")) == ()


# The rules


def test_by_default_nine_sector_funds_in_london_three_held_at_a_threshold_of_two_percent() -> None:
    policy = MomentumPolicy()
    assert sorted(policy.universe) == sorted(
        f"SXL{letter}.L" for letter in ("K", "F", "E", "V", "Y", "P", "I", "B", "U")
    )
    assert policy.universe["SXLV.L"] == "Health Care"
    assert (policy.top_n, policy.lookback_months, policy.skip_months) == (3, 12, 1)
    assert policy.min_threshold == Decimal("0.02")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_n": 5}, "top_n 5 is more than the 4 symbols"),
        ({"lookback_months": 3, "skip_months": 3}, "leaves nothing of lookback_months 3"),
        ({"top_n": 0}, "greater than or equal to 1"),
        ({"universe": {}}, "at least 1 item"),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MomentumPolicy.model_validate({"universe": UNIVERSE, "top_n": 2} | changes)
