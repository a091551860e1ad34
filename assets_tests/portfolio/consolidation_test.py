"""Blending strategies and holding the result to the portfolio's constraints."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.errors import ConfigurationError, InputError
from trading_assets.model.policies import Blend, ConstraintPolicy, Select
from trading_assets.model.target import SignalRow, StrategySignal, TargetPortfolio
from trading_assets.portfolio.consolidation import consolidate

SESSION = dt.date(2021, 1, 4)
ASOF = dt.date(2020, 12, 31)
UNBOUND = ConstraintPolicy(allow_short=True, max_total_weight=Decimal(100), max_weight=Decimal(100))


def _signal(
    strategy_id: str, weights: dict[str, str | Decimal], asof: dt.date = ASOF
) -> StrategySignal:
    rows = tuple(
        SignalRow(
            strategy_id=strategy_id,
            trade_date=asof,
            asset_id=f"id-{symbol}",
            symbol=symbol,
            weight=Decimal(weight),
            row=row,
        )
        for row, (symbol, weight) in enumerate(weights.items(), start=2)
    )
    return StrategySignal(
        strategy_id=strategy_id,
        session=SESSION,
        asof=asof,
        age_days=(SESSION - asof).days,
        file=f"raw_signals/{strategy_id}.csv",
        file_sha256="00",
        rows=rows,
    )


def _weights(target: TargetPortfolio) -> dict[str, Decimal]:
    return {line.symbol: line.weight for line in target.weights}


def _decimals(weights: dict[str, str]) -> dict[str, Decimal]:
    return {symbol: Decimal(weight) for symbol, weight in weights.items()}


def _select(weights: dict[str, str | Decimal], constraints: ConstraintPolicy) -> TargetPortfolio:
    return consolidate(SESSION, [_signal("value", weights)], Select(strategy="value"), constraints)


def test_selecting_a_strategy_keeps_its_weights_and_ignores_the_others() -> None:
    value = _signal("value", {"MSFT": "0.6", "AAPL": "0.4"})
    other = _signal("other", {"XOM": "1"}, asof=dt.date(2020, 11, 30))

    target = consolidate(SESSION, [other, value], Select(strategy="value"), ConstraintPolicy())

    assert _weights(target) == _decimals({"AAPL": "0.4", "MSFT": "0.6"})
    assert (target.strategy_id, target.asof, target.notes) == ("value", ASOF, ())
    assert target.weights[0].asset_id == "id-AAPL"


def test_a_blend_adds_shares_by_symbol_and_keeps_who_asked_for_what() -> None:
    growth = _signal("growth", {"AAPL": "0.5", "MSFT": "0.5"})
    value = _signal("value", {"AAPL": "0.2", "XOM": "0.8"}, asof=dt.date(2020, 12, 30))
    blend = Blend(weights={"value": Decimal("0.25"), "growth": Decimal("0.5")})

    target = consolidate(SESSION, [value, growth], blend, ConstraintPolicy())

    # AAPL 0.5·0.5 + 0.25·0.2; the quarter that the shares leave out stays in cash.
    assert _weights(target) == _decimals({"AAPL": "0.3", "MSFT": "0.25", "XOM": "0.2"})
    assert [(part.strategy_id, part.weight) for part in target.weights[0].contributions] == [
        ("growth", Decimal("0.25")),
        ("value", Decimal("0.05")),
    ]
    assert target.strategy_id == "growth+value"
    assert target.asof == dt.date(2020, 12, 30)


def test_a_strategy_with_share_0_is_no_part_of_the_blend() -> None:
    blend = Blend(weights={"value": Decimal(1), "old": Decimal(0)})

    target = consolidate(SESSION, [_signal("value", {"XOM": "1"})], blend, ConstraintPolicy())

    assert target.strategy_id == "value"


def test_when_all_shares_are_0_everything_is_cash() -> None:
    blend = Blend(weights={"value": Decimal(0)})

    target = consolidate(SESSION, [_signal("value", {"XOM": "1"})], blend, ConstraintPolicy())

    assert (target.weights, target.strategy_id, target.asof) == ((), "value", ASOF)


def test_long_and_short_of_two_strategies_net() -> None:
    blend = Blend(weights={"bull": Decimal("0.5"), "bear": Decimal("0.5")})
    bull = _signal("bull", {"AAPL": "0.8", "XOM": "0.2"})
    bear = _signal("bear", {"AAPL": "-0.5", "XOM": "-0.2"})

    target = consolidate(SESSION, [bull, bear], blend, UNBOUND)

    # AAPL 0.4 - 0.25
    assert _weights(target)["AAPL"] == Decimal("0.15")
    assert [part.weight for part in target.weights[0].contributions] == [
        Decimal("-0.25"),
        Decimal("0.4"),
    ]


def test_strategies_that_cancel_each_other_out_are_kept_as_a_target_of_nothing() -> None:
    blend = Blend(weights={"bull": Decimal("0.5"), "bear": Decimal("0.5")})
    bull = _signal("bull", {"AAPL": "2", "XOM": "0.4"})
    bear = _signal("bear", {"XOM": "-0.4"})
    policy = ConstraintPolicy(allow_short=True, max_total_weight=Decimal("0.5"))

    target = consolidate(SESSION, [bull, bear], blend, policy)

    # The total is halved, and so is what they want of XOM against each other: 0.2 to 0.1.
    assert _weights(target) == _decimals({"AAPL": "0.5", "XOM": "0"})
    assert {part.strategy_id: part.weight for part in target.weights[1].contributions} == _decimals(
        {"bear": "-0.1", "bull": "0.1"}
    )


def test_a_strategy_that_cancels_itself_out_has_no_target() -> None:
    rows = (("id-1", "0.3", 2), ("id-2", "-0.3", 3))
    signal = msgspec.structs.replace(
        _signal("value", {}),
        rows=tuple(
            SignalRow(
                strategy_id="value",
                trade_date=ASOF,
                asset_id=asset_id,
                symbol="AAPL",
                weight=Decimal(weight),
                row=row,
            )
            for asset_id, weight, row in rows
        ),
    )
    assert consolidate(SESSION, [signal], Select(strategy="value"), UNBOUND).weights == ()


def test_zero_weights_are_left_out() -> None:
    assert _weights(_select({"AAPL": "0", "XOM": "1"}, ConstraintPolicy())) == {"XOM": Decimal(1)}


def test_a_symbol_with_two_asset_ids_shows_the_first() -> None:
    usual = _signal("usual", {"AAPL": "1"})
    row = usual.rows[0]
    other = StrategySignal(
        strategy_id="other",
        session=SESSION,
        asof=ASOF,
        age_days=4,
        file="other.csv",
        file_sha256="00",
        rows=(
            SignalRow(
                strategy_id="other",
                trade_date=ASOF,
                asset_id="001690",
                symbol=row.symbol,
                weight=Decimal(1),
                row=2,
            ),
        ),
    )
    blend = Blend(weights={"usual": Decimal("0.5"), "other": Decimal("0.5")})

    target = consolidate(SESSION, [usual, other], blend, ConstraintPolicy())

    assert target.weights[0].asset_id == "001690"


def test_a_short_where_none_is_allowed_names_strategy_file_row_and_value() -> None:
    with pytest.raises(InputError) as caught:
        _select({"AAPL": "1.1", "XOM": "-0.1"}, ConstraintPolicy())

    assert str(caught.value) == (
        "raw_signals/value.csv, row 3: '-0.1': strategy value must not be short XOM on "
        "2020-12-31, for this portfolio allows no short positions. "
        "Correct the weight, or set constraints.allow_short: true."
    )


def test_a_strategy_without_a_signal_is_refused() -> None:
    blend = Blend(weights={"value": Decimal("0.5"), "growth": Decimal("0.5")})

    with pytest.raises(ConfigurationError, match=r"growth has no signal .* read for: value\."):
        consolidate(SESSION, [_signal("value", {"XOM": "1"})], blend, ConstraintPolicy())


def test_a_signal_of_the_session_itself_would_be_hindsight() -> None:
    with pytest.raises(InputError, match="must be dated before session 2021-01-04"):
        consolidate(
            SESSION,
            [_signal("value", {"XOM": "1"}, asof=SESSION)],
            Select(strategy="value"),
            ConstraintPolicy(),
        )


def test_a_total_above_the_limit_scales_all_down_together() -> None:
    target = _select({"AAPL": "0.9", "XOM": "0.6"}, ConstraintPolicy())

    # 1.5 -> 1: each x 2/3.
    assert _weights(target) == _decimals({"AAPL": "0.6", "XOM": "0.4"})
    assert target.notes == ("total weight 1.5 scaled down to 1 (max_total_weight 1)",)


def test_the_total_counts_longs_and_shorts_alike() -> None:
    target = _select({"AAPL": "1.2", "XOM": "-0.8"}, ConstraintPolicy(allow_short=True))

    assert _weights(target) == _decimals({"AAPL": "0.6", "XOM": "-0.4"})


def test_thirds_scaled_up_still_add_up_to_exactly_1() -> None:
    target = _select(
        {"AAPL": "0.3", "MSFT": "0.3", "XOM": "0.3"}, ConstraintPolicy(allow_cash=False)
    )

    # The quantum that rounding leaves over goes to the first of three equals.
    assert _weights(target) == _decimals(
        {"AAPL": "0.3333333334", "MSFT": "0.3333333333", "XOM": "0.3333333333"}
    )
    assert target.notes == ("total weight 0.9 scaled up to 1 (no cash allowed)",)


def test_what_the_cap_cuts_goes_to_the_other_names_in_proportion() -> None:
    policy = ConstraintPolicy(max_weight=Decimal("0.4"))

    target = _select({"AAPL": "0.5", "MSFT": "0.3", "XOM": "0.2"}, policy)

    # 0.1 is cut; MSFT and XOM get it 3 : 2.
    assert _weights(target) == _decimals({"AAPL": "0.4", "MSFT": "0.36", "XOM": "0.24"})
    assert target.notes == ("AAPL: 0.5 cut to 0.4 (max_weight), the rest to other names",)


def test_a_name_lifted_above_the_cap_is_capped_in_turn() -> None:
    policy = ConstraintPolicy(max_weight=Decimal("0.35"))

    target = _select({"AAPL": "0.5", "MSFT": "0.3", "XOM": "0.2"}, policy)

    # 0.65 left for 3 : 2 would make MSFT 0.39, so it is capped too and XOM has the rest.
    assert _weights(target) == _decimals({"AAPL": "0.35", "MSFT": "0.35", "XOM": "0.3"})


def test_without_redistribution_the_cut_goes_to_cash() -> None:
    policy = ConstraintPolicy(max_weight=Decimal("0.4"), redistribute=False)

    target = _select({"AAPL": "0.5", "MSFT": "0.3", "XOM": "0.2"}, policy)

    assert _weights(target) == _decimals({"AAPL": "0.4", "MSFT": "0.3", "XOM": "0.2"})
    assert target.notes == ("AAPL: 0.5 cut to 0.4 (max_weight), the rest to cash",)


def test_without_redistribution_the_total_is_scaled_before_the_cap() -> None:
    policy = ConstraintPolicy(max_weight=Decimal("0.4"), redistribute=False)

    target = _select({"AAPL": "1", "XOM": "1"}, policy)

    # 2 -> 1 makes 0.5 each, and then each is cut.
    assert _weights(target) == _decimals({"AAPL": "0.4", "XOM": "0.4"})
    assert target.notes == (
        "total weight 2 scaled down to 1 (max_total_weight 1)",
        "AAPL: 0.5 cut to 0.4 (max_weight), the rest to cash",
        "XOM: 0.5 cut to 0.4 (max_weight), the rest to cash",
    )


def test_when_every_name_is_at_the_cap_the_rest_is_cash() -> None:
    target = _select({"AAPL": "0.5", "XOM": "0.5"}, ConstraintPolicy(max_weight=Decimal("0.3")))

    assert _weights(target) == _decimals({"AAPL": "0.3", "XOM": "0.3"})
    assert target.notes[-1] == "0.4 left in cash, for every name is at max_weight"


def test_the_cap_holds_for_shorts_by_size() -> None:
    policy = ConstraintPolicy(allow_short=True, max_weight=Decimal("0.4"))

    target = _select({"AAPL": "0.4", "XOM": "-0.6"}, policy)

    # The short is cut by 0.2, and the long, itself at the cap, cannot take it.
    assert _weights(target) == _decimals({"AAPL": "0.4", "XOM": "-0.4"})


def test_contributions_shrink_with_the_weight_they_explain() -> None:
    blend = Blend(weights={"growth": Decimal("0.5"), "value": Decimal("0.5")})
    signals = [_signal("growth", {"AAPL": "1"}), _signal("value", {"AAPL": "0.5", "XOM": "0.5"})]

    target = consolidate(SESSION, signals, blend, ConstraintPolicy(max_weight=Decimal("0.6")))

    # AAPL 0.75 -> 0.6: 0.5 and 0.25 become 0.4 and 0.2; XOM takes 0.15 more.
    assert [
        [(part.strategy_id, part.weight) for part in line.contributions] for line in target.weights
    ] == [
        [("growth", Decimal("0.4")), ("value", Decimal("0.2"))],
        [("value", Decimal("0.4"))],
    ]


def test_the_largest_contribution_takes_the_rounding() -> None:
    thirds = Decimal(1) / 3
    blend = Blend(weights={"a": thirds, "b": thirds, "c": Decimal(1)})
    signals = [_signal(name, {"AAPL": "1"}) for name in ("a", "b", "c")]

    target = consolidate(SESSION, signals, blend, ConstraintPolicy())

    # 0.3333333333 + 0.3333333333 + 1 = 1.6666666666 scaled to 1: 0.2, 0.2 and 0.6 but for the
    # last decimal. 0.3333333333 / 1.6666666666 = 0.199999999988, cut to 0.1999999999.
    assert [part.weight for part in target.weights[0].contributions] == [
        Decimal("0.1999999999"),
        Decimal("0.1999999999"),
        Decimal("0.6000000002"),
    ]


@pytest.mark.parametrize(
    ("constraints", "reached"),
    [
        (ConstraintPolicy(allow_cash=False, max_weight=Decimal("0.3")), "0.6"),
        (
            ConstraintPolicy(allow_cash=False, max_weight=Decimal("0.6"), redistribute=False),
            "0.9",
        ),
    ],
    ids=["too few names for the cap", "the cut may only go to cash"],
)
def test_a_cap_that_leaves_cash_where_none_is_allowed_is_refused(
    constraints: ConstraintPolicy, reached: str
) -> None:
    with pytest.raises(InputError, match="must add up to 1 without cash, and 2 name") as caught:
        _select({"AAPL": "0.7", "XOM": "0.3"}, constraints)

    assert caught.value.value == reached
    assert caught.value.file == "raw_signals/value.csv"
    assert "constraints.max_weight" in str(caught.value)


def test_nothing_to_hold_where_no_cash_is_allowed_is_refused() -> None:
    with pytest.raises(InputError, match="0 name"):
        _select({"AAPL": "0"}, ConstraintPolicy(allow_cash=False))


_SYMBOLS = tuple("ABCDEFGH")
_wishes = st.dictionaries(
    st.sampled_from(_SYMBOLS),
    st.decimals(-2, 2, places=6, allow_nan=False, allow_infinity=False),
    min_size=1,
)
_share = st.decimals("0.01", 1, places=3, allow_nan=False, allow_infinity=False)
_limit = st.decimals("0.05", 3, places=4, allow_nan=False, allow_infinity=False)


@given(
    wishes=st.lists(_wishes, min_size=1, max_size=4),
    shares=st.lists(_share, min_size=4, max_size=4),
    total=_limit,
    cap=_limit,
    redistribute=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_blend_keeps_to_cap_and_total_and_stays_explained(
    wishes: list[dict[str, Decimal]],
    shares: list[Decimal],
    total: Decimal,
    cap: Decimal,
    redistribute: bool,
    seed: int,
) -> None:
    signals = [_signal(f"s{number}", dict(wish)) for number, wish in enumerate(wishes)]
    names = [signal.strategy_id for signal in signals]
    blend = Blend(weights=dict(zip(names, shares, strict=False)))
    policy = ConstraintPolicy(
        allow_short=True, max_total_weight=total, max_weight=cap, redistribute=redistribute
    )

    target = consolidate(SESSION, signals, blend, policy)

    asked: dict[str, Decimal] = {}
    for wish, share in zip(wishes, shares, strict=False):
        for symbol, weight in wish.items():
            asked[symbol] = asked.get(symbol, Decimal(0)) + weight * share
    gross = sum(abs(line.weight) for line in target.weights)
    assert gross <= total
    for line in target.weights:
        assert abs(line.weight) <= cap
        assert line.weight == sum(part.weight for part in line.contributions)
        assert line.weight * asked[line.symbol] > 0 or len(line.contributions) > 1
        assert line.weight == line.weight.quantize(Decimal("1E-10"))
    names_held = len([weight for weight in asked.values() if weight])
    if redistribute:
        assert gross == min(sum(abs(weight) for weight in asked.values()), total, names_held * cap)

    shuffler = random.Random(seed)
    shuffled = []
    for signal in shuffler.sample(signals, len(signals)):
        rows = tuple(shuffler.sample(signal.rows, len(signal.rows)))
        weights = {row.symbol: row.weight for row in rows}
        shuffled.append(_signal(signal.strategy_id, dict(weights)))
    assert consolidate(SESSION, shuffled, blend, policy) == target


@given(wish=_wishes, total=_limit)
def test_without_cash_the_total_is_met_exactly(wish: dict[str, Decimal], total: Decimal) -> None:
    policy = ConstraintPolicy(
        allow_short=True, allow_cash=False, max_total_weight=total, max_weight=Decimal(10)
    )
    if not any(wish.values()):
        return

    target = _select(dict(wish), policy)

    assert sum(abs(line.weight) for line in target.weights) == total
