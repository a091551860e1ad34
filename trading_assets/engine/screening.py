"""Screening: every variant of a backtest's sweep on the vectorised path, in one process.

Which variants deserve a whole backtest is asked of thousands of them; what they were worth is the
same number that the backtest gives. Strategies that have a face for whole histories can be
screened: `sma_cross`, without bracket prices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from trading_assets.engine.bars import Market
from trading_assets.engine.clock import Integers, nanoseconds_of
from trading_assets.engine.price_panel import PricePanel, panel_of
from trading_assets.engine.rules import BacktestRules
from trading_assets.engine.settings import BacktestSettings
from trading_assets.engine.vectorised import VectorisedResult, backtest_signals
from trading_assets.engine.vectorised_columns import Signals
from trading_assets.engine.vectorised_signals import sma_cross_signals
from trading_assets.errors import ConfigurationError


class Screened(msgspec.Struct, frozen=True, kw_only=True):
    """One variant: its name, and what it came to.

    Money in the account's currency; ratios by session, annualised as the backtest's report is;
    `max_drawdown` a fraction, 0 or negative. None is undefined. `refused` says why a variant could
    not be run, in which case all else is None.
    """

    name: str
    final_value: float | None = None
    total_return_pct: float | None = None
    sharpe_ratio: float | None = None
    max_drawdown: float | None = None
    fills: int | None = None
    commission: float | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class WholeHistory:
    """The face of a strategy for whole histories: its signals, and the bars before the first that
    it is to be acted on."""

    signals: Callable[[PricePanel], Signals]
    warm_up_bars: int


def _sma_cross(
    fast: int = 20,
    slow: int = 50,
    stop_loss: float | None = None,
    take_profit: float | None = None,
) -> WholeHistory:
    if stop_loss is not None or take_profit is not None:
        raise ConfigurationError(
            "stop_loss and take_profit need the event-driven engine. Leave them out to screen."
        )
    if not 0 < fast < slow:
        raise ConfigurationError(
            f"sma_cross: fast {fast} and slow {slow}: both are bars, fast is the shorter one."
        )
    return WholeHistory(lambda panel: sma_cross_signals(panel, fast, slow), slow)


WHOLE_HISTORIES: Mapping[str, Callable[..., WholeHistory]] = {"sma_cross": _sma_cross}


def screened(variants: Mapping[str, BacktestSettings], market: Market) -> Iterator[Screened]:
    """Each of `variants` (by name) over `market`, which has the bars before their start too.

    A variant that cannot be run is told as refused, with the reason; others go on.
    """
    panel = panel_of(market)
    for name, settings in variants.items():
        try:
            yield _screened(name, settings, market, panel)
        except ConfigurationError as error:
            yield Screened(name=name, refused=str(error))


def _screened(name: str, settings: BacktestSettings, market: Market, panel: PricePanel) -> Screened:
    history = _whole_history(settings, market)
    first = 0
    if settings.data.start is not None:
        first = int(np.searchsorted(market.timeline, nanoseconds_of(settings.data.start)))
    if first >= len(market):
        raise ConfigurationError(
            f"data.start {settings.data.start} is after the last bar. Choose an earlier one."
        )
    warm_up = settings.data.warm_up_bars
    begin = max(0, first - (history.warm_up_bars if warm_up is None else warm_up))
    traded = _traded(settings, market, panel, begin)
    signals = history.signals(traded)
    signals[: first - begin] = 0
    result = backtest_signals(traded, signals, _rules(settings, market))
    return _figures(name, settings, result, market.sessions[first:], first - begin)


def _whole_history(settings: BacktestSettings, market: Market) -> WholeHistory:
    """The strategy's face for whole histories; ConfigurationError where it has none, or where the
    backtest has more than one strategy or prices that change into others."""
    if len(settings.strategies) != 1:
        raise ConfigurationError(
            f"{len(settings.strategies)} strategies cannot be screened together. Leave one."
        )
    (strategy,) = settings.strategies
    if strategy.share_of_equity not in (None, 1):
        raise ConfigurationError("share_of_equity is not followed by a screening. Leave it out.")
    if any(column.factor is not None for column in market.columns):
        raise ConfigurationError(
            "data.prices: raw is not followed by a screening. Set it to adjusted."
        )
    make = WHOLE_HISTORIES.get(strategy.strategy)
    if make is None:
        raise ConfigurationError(
            f"strategy {strategy.strategy} has no face for whole histories. These have one: "
            f"{', '.join(WHOLE_HISTORIES)}."
        )
    try:
        return make(**strategy.parameters)
    except TypeError as error:
        raise ConfigurationError(f"strategy {strategy.strategy}: {error}") from error


def _traded(
    settings: BacktestSettings, market: Market, panel: PricePanel, begin: int
) -> PricePanel:
    """The symbols that the strategy is shown, from place `begin` on."""
    named = settings.strategies[0].symbols
    unknown = sorted(set(named) - set(market.symbols))
    if unknown:
        raise ConfigurationError(
            f"there are no bars of {', '.join(unknown)}. Add them to the data."
        )
    wanted = [
        place
        for place, symbol in enumerate(panel.symbols)
        if (symbol in named if named else symbol != settings.benchmark)
    ]
    if not wanted:
        wanted = list(range(len(panel.symbols)))
    return PricePanel(
        tuple(panel.symbols[place] for place in wanted),
        panel.timeline[begin:],
        np.ascontiguousarray(panel.closes[begin:, wanted]),
        np.ascontiguousarray(panel.opens[begin:, wanted]),
    )


def _rules(settings: BacktestSettings, market: Market) -> BacktestRules:
    """The rules, without a volume cap where no volume is known, which caps nothing."""
    rules = settings.rules
    if all(np.isnan(column.volume).all() for column in market.columns):
        matching = rules.matching.model_copy(update={"volume_cap": None})
        return rules.model_copy(update={"matching": matching})
    return rules


def _figures(
    name: str,
    settings: BacktestSettings,
    result: VectorisedResult,
    sessions: Any,
    before: int,
) -> Screened:
    """What is compared; `before` places of the result are the warm-up."""
    import empyrical

    ends: Integers = np.flatnonzero(np.append(sessions[1:] != sessions[:-1], True))
    levels = result.equity[before:][ends]
    bases = np.concatenate(([result.initial_capital], levels[:-1]))
    sharpe = drawdown = None
    if len(levels) > 1 and (bases > 0).all():
        returns = levels / bases - 1
        year = settings.report.annualisation_sessions or settings.data.returns_in_a_year
        daily_rate = float(1 + settings.report.risk_free_rate) ** (1 / year) - 1
        ratio = empyrical.sharpe_ratio(returns, risk_free=daily_rate, annualization=year)
        sharpe = float(ratio) if math.isfinite(ratio) else None
        drawdown = float(empyrical.max_drawdown(returns))
    return Screened(
        name=name,
        final_value=result.final_value,
        total_return_pct=result.total_return_pct,
        sharpe_ratio=sharpe,
        max_drawdown=drawdown,
        fills=result.fill_count,
        commission=result.commission,
    )
