"""The look-ahead guard: does a strategy decide the same when the future is not there?

The backtest is run over all of its data and once more over data that ends earlier, for several
ends. What the strategies answered up to there must be the same, answer by answer. A strategy that
uses a later bar, an average over the whole period, or a file that was made from it, decides
otherwise on truncated data, and each such decision is reported.

Prices are truncated before they are adjusted, so that adjustments by later corporate actions show
too: prices adjusted backwards change with every later dividend, and a strategy that compares them
with a fixed level decides otherwise. What cannot be seen is a strategy that reads the future from
somewhere that the end of the data does not reach, and would read it again on truncated data.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from trading_assets.engine.clock import iso
from trading_assets.engine.loop import Engine
from trading_assets.engine.preparation import prepared
from trading_assets.engine.settings import BacktestSettings
from trading_assets.errors import ConfigurationError
from trading_assets.strategies.base import Answer, TargetWeights

_WEIGHT_DIGITS = 9


class Decision(msgspec.Struct, frozen=True, order=True):
    """What a strategy answered after a bar: the bar's time, and its signals as text."""

    time: str
    strategy: str
    answer: str


class ChangedDecision(msgspec.Struct, frozen=True):
    """A decision that differs on data that ends with session `end`; None for no decision there."""

    end: dt.date
    time: str
    strategy: str
    with_future: str | None
    without_future: str | None


class LookaheadReport(msgspec.Struct, frozen=True):
    """What the guard found: `decisions` of the whole run, the ends that were tried, and what
    changed, by end and time."""

    decisions: int
    ends: tuple[dt.date, ...]
    changed: tuple[ChangedDecision, ...]


def check_lookahead(settings: BacktestSettings, folder: Path, cuts: int = 5) -> LookaheadReport:
    """Compare the decisions of a backtest with those on data that ends at `cuts` sessions, spread
    evenly over the period. ConfigurationError where there are fewer sessions than cuts."""
    engine = prepared(settings, folder)
    whole = decisions_of(engine)
    market, first = engine.market, engine.first_place
    sessions = np.unique(market.sessions[first:])
    if cuts < 1 or len(sessions) <= cuts:
        raise ConfigurationError(
            f"{cuts} cuts of {len(sessions)} sessions: try at least one cut, and fewer than there "
            "are sessions."
        )
    chosen = sessions[np.linspace(0, len(sessions) - 1, cuts + 2).astype(int)[1:-1]]
    ends = [dt.date(1970, 1, 1) + dt.timedelta(days=int(day)) for day in chosen.tolist()]
    changed: list[ChangedDecision] = []
    for end in ends:
        data = settings.data.model_copy(update={"end": end})
        truncated = prepared(settings.model_copy(update={"data": data}), folder)
        last = int(truncated.market.timeline[-1])
        until = iso(last, market.timeframe)
        changed += _differences(whole, decisions_of(truncated), end, until)
    return LookaheadReport(len(whole), tuple(ends), tuple(changed))


def decisions_of(engine: Engine) -> list[Decision]:
    """Run an engine and take down what its strategies answer, in order."""
    found: list[Decision] = []
    desk, market = engine.desk, engine.market
    take = desk.take

    def noted(strategy: int, answer: Answer, place: int) -> None:
        kept = answer if answer is None or isinstance(answer, TargetWeights) else list(answer)
        text = _text(kept)
        if text:
            time = iso(int(market.timeline[place]), market.timeframe)
            found.append(Decision(time, engine.slots[strategy].id, text))
        take(strategy, kept, place)

    desk.take = noted  # type: ignore[method-assign]
    engine.run()
    return found


def _text(answer: Answer) -> str:
    """An answer as text that is the same for the same decision; empty for none."""
    if answer is None:
        return ""
    if isinstance(answer, TargetWeights):
        return " ".join(
            "-" if weight != weight else f"{round(weight, _WEIGHT_DIGITS):g}"
            for weight in answer.weights.tolist()
        )
    return "; ".join(
        " ".join(
            f"{name}={_shown(value)}"
            for name in one.__struct_fields__
            if (value := getattr(one, name)) not in (None, "")
        )
        for one in answer
    )


def _shown(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _differences(
    whole: Sequence[Decision], truncated: Sequence[Decision], end: dt.date, until: str
) -> list[ChangedDecision]:
    """Decisions up to `until` that are in one list and not in the other."""
    before, after = _by_moment(whole, until), _by_moment(truncated, until)
    return [
        ChangedDecision(end, time, strategy, before.get(key), after.get(key))
        for key in sorted({*before, *after})
        for time, strategy in [key]
        if before.get(key) != after.get(key)
    ]


def _by_moment(decisions: Sequence[Decision], until: str) -> dict[tuple[str, str], str]:
    """By time and strategy, all answers of that moment (one for each symbol's bar)."""
    found: dict[tuple[str, str], str] = {}
    for one in decisions:
        if one.time <= until:
            key = (one.time, one.strategy)
            found[key] = f"{found[key]}; {one.answer}" if key in found else one.answer
    return found
