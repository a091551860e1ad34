"""The look-ahead guard: does a strategy decide the same when the future is not there?

The backtest is run over all of its data and once more over data that ends earlier, for many ends.
What the strategies answered up to there must be the same, answer by answer. A strategy that uses a
later bar, an average over the whole period, or a file that was made from it, decides otherwise on
truncated data, and each such decision is reported. Who looks one bar ahead is found by what is
decided at the last bar that is left, so half of the ends are sessions in which something was
decided; the others are spread over the period, for what is only decided without the future.

Prices are truncated before they are adjusted, so that adjustments by later corporate actions show
too: prices adjusted backwards change with every later dividend, and a strategy that compares them
with a fixed level decides otherwise. What cannot be seen is a strategy that reads the future from
somewhere that the end of the data does not reach, and would read it again on truncated data: the
files that strategies opened themselves are told (those opened by Python; libraries in C open files
unseen).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from trading_assets.engine.clock import date_of, iso
from trading_assets.engine.loop import Engine
from trading_assets.engine.opened_files import files_opened
from trading_assets.engine.preparation import (
    market_of,
    prepared,
    rows_until,
    source_bars,
    warm_up_of,
)
from trading_assets.engine.settings import BacktestSettings
from trading_assets.errors import ConfigurationError
from trading_assets.strategies.base import Answer, TargetWeights

_WEIGHT_DIGITS = 9


class Decision(msgspec.Struct, frozen=True):
    """What a strategy answered after a bar: the bar's time and session (days since 1970-01-01),
    and its signals as text."""

    time: str
    session: int
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
    """What the guard found: `decisions` of the whole run, the ends that were tried, what changed,
    by end and time, and the `files` that strategies read, whose end is not the data's."""

    decisions: int
    ends: tuple[dt.date, ...]
    changed: tuple[ChangedDecision, ...]
    files: tuple[str, ...] = ()


def check_lookahead(
    settings: BacktestSettings, folder: Path, cuts: int = 20, cache: Path | None = None
) -> LookaheadReport:
    """Compare the decisions of a backtest with those on data that ends at `cuts` sessions; `cache`
    as for `load_market`. ConfigurationError where there are fewer sessions than cuts."""
    bars = source_bars(settings.data, folder, warm_up_of(settings, folder), cache)
    market, actions = market_of(settings.data, folder, settings.account.currency, bars)
    with files_opened() as opened:
        engine = prepared(settings, folder, market, actions)
        whole = decisions_of(engine)
    first = engine.first_place
    sessions = np.unique(engine.market.sessions[first:])
    if cuts < 1 or len(sessions) <= cuts:
        raise ConfigurationError(
            f"{cuts} cuts of {len(sessions)} sessions: try at least one cut, and fewer than there "
            "are sessions."
        )
    ends, changed = [], list[ChangedDecision]()
    for place in _chosen(sessions, {one.session for one in whole}, cuts):
        # A week's or month's bar is whole on the day before the next begins.
        following = int(sessions[place + 1]) - 1
        end = date_of(int(sessions[place]) if settings.data.bars.is_in_session else following)
        ends.append(end)
        # A symbol that begins later stays, without a bar, so that weights are of the same symbols.
        left = [one.between(0, rows_until(one, end, settings.data.time_zone)) for one in bars]
        data = settings.data.model_copy(update={"end": end})
        cut, known = market_of(data, folder, settings.account.currency, left)
        truncated = prepared(settings.model_copy(update={"data": data}), folder, cut, known)
        until = iso(int(truncated.market.timeline[-1]), market.timeframe)
        changed += _differences(whole, decisions_of(truncated), end, until)
    return LookaheadReport(len(whole), tuple(ends), tuple(changed), tuple(sorted(opened)))


def _chosen(sessions: npt.NDArray[np.int32], decided: set[int], cuts: int) -> list[int]:
    """Indices of the sessions to end with, ascending: half of them such as something was decided
    in, the others spread evenly; never the last session."""
    busy = np.flatnonzero(np.isin(sessions[:-1], sorted(decided))).tolist()
    chosen = _spread(busy, min((cuts + 1) // 2, len(busy)))
    quiet = [at for at in range(len(sessions) - 1) if at not in chosen]
    return sorted([*chosen, *_spread(quiet, cuts - len(chosen))])


def _spread(places: list[int], count: int) -> list[int]:
    """`count` of the places, evenly, and not the outermost where there are others."""
    if count >= len(places):
        return places
    return [places[at] for at in np.linspace(0, len(places) - 1, count + 2).astype(int)[1:-1]]


def decisions_of(engine: Engine) -> list[Decision]:
    """Run an engine and take down what its strategies answer, in order. That one of them raises is
    the last decision."""
    found: list[Decision] = []
    desk, market = engine.desk, engine.market
    take = desk.take

    def note(place: int, strategy: str, text: str) -> None:
        time = iso(int(market.timeline[place]), market.timeframe)
        found.append(Decision(time, int(market.sessions[place]), strategy, text))

    def noted(strategy: int, answer: Answer, place: int) -> None:
        kept = answer if answer is None or isinstance(answer, TargetWeights) else list(answer)
        text = _text(kept)
        if text:
            note(place, engine.slots[strategy].id, text)
        take(strategy, kept, place)

    desk.take = noted  # type: ignore[method-assign]
    try:
        engine.run()
    except ConfigurationError as error:
        note(engine.place, "", f"stops: {error}")
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
