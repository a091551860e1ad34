"""From the settings of a backtest to an engine that is ready to run."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from trading_assets.data_files import portable_name
from trading_assets.engine.adjustment import (
    FactorRow,
    adjusted,
    backward_factors,
    forward_factors,
    published_factors,
    seen_through,
)
from trading_assets.engine.bars import BarColumns, Market, aligned
from trading_assets.engine.clock import date_of, day_of, session_days
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.resampling import first_days, resampled
from trading_assets.engine.results import BacktestResult
from trading_assets.engine.settings import BacktestSettings, DataSettings, PriceTreatment
from trading_assets.engine.sources import read_bars
from trading_assets.engine.timeframe import Timeframe
from trading_assets.errors import ConfigurationError, InputError
from trading_assets.market_data.corporate_actions import read_corporate_actions
from trading_assets.model.corporate_actions import (
    CorporateAction,
    Dividend,
    SpinOff,
    Split,
    StockDividend,
)
from trading_assets.model.policies import ReportPolicy
from trading_assets.settings import FileCorporateActions
from trading_assets.strategies.base import Strategy
from trading_assets.strategies.loading import load_strategy

FACTOR_COLUMNS = ("symbol", "date", "price_factor", "split_factor")


def load_market(
    data: DataSettings,
    folder: Path,
    currency: str,
    warm_up_bars: int = 0,
    cache: Path | None = None,
) -> tuple[Market, list[CorporateAction]]:
    """Bars of a backtest on one timeline, and the corporate actions that are booked in it.

    Bars before `start` are there too, for the warm-up. Paths are relative to `folder`; bars that
    are fetched are kept in `cache`, by default `state/bars` there.
    """
    return market_of(data, folder, currency, source_bars(data, folder, warm_up_bars, cache))


def source_bars(
    data: DataSettings, folder: Path, warm_up_bars: int = 0, cache: Path | None = None
) -> list[BarColumns]:
    """The bars of a backtest as their source has them; arguments as of `load_market`."""
    if data.path is None:
        from trading_assets.alpaca_api.client import API_REQUESTS
        from trading_assets.engine.fetched_bars import fetched_bars

        kept = folder / "state" / "bars" if cache is None else cache
        requests = kept.parent / API_REQUESTS
        if data.cache is not None:
            kept = folder / data.cache
        found = fetched_bars(data, warm_up_bars, kept, requests=requests)
    else:
        found = read_bars(
            folder / data.path,
            data.symbols,
            timeframe=data.source_bars,
            # A session may end on the date after, in UTC.
            last=data.end + dt.timedelta(days=data.source_bars.is_intraday) if data.end else None,
            table=data.table,
        )
    return [_until(one, data) for one in found]


def market_of(
    data: DataSettings, folder: Path, currency: str, bars: Sequence[BarColumns]
) -> tuple[Market, list[CorporateAction]]:
    """The market of a source's bars: resampled, adjusted and on one timeline, with its corporate
    actions."""
    zone = data.time_zone
    actions: Sequence[CorporateAction] = ()
    if data.corporate_actions is not None:
        days = np.unique(
            np.concatenate([session_days(one.starts, one.timeframe, zone) for one in bars])
        )
        found = read_corporate_actions(
            FileCorporateActions(path=folder / data.corporate_actions),
            currency,
            [date_of(day) for day in days.tolist()],
        )
        actions = [one for many in found.by_symbol.values() for one in many]
    factors = {}
    if data.adjustment_factors is not None:
        factors = read_factors(folder / data.adjustment_factors)
    # Before longer bars are made: prices of before and after a split make none.
    if data.prices is PriceTreatment.ADJUSTED:
        bars = [
            adjusted(
                one,
                published_factors(one, factors[one.symbol], zone)
                if one.symbol in factors
                else backward_factors(one, actions, zone),
            )
            for one in bars
        ]
    elif data.prices is PriceTreatment.RAW:
        bars = [_seen_adjusted(one, actions, zone) for one in bars]
    columns = [resampled(one, data.bars, zone) for one in bars]
    if data.prices is not PriceTreatment.RAW:
        actions = ()
    return aligned(columns, zone), [_of_bar(action, data.bars) for action in actions]


def _of_bar(action: CorporateAction, timeframe: Timeframe) -> CorporateAction:
    """What changes shares or pays on them, at the open of the week or month that it falls into:
    prices of that bar are told in what there is at its end."""
    if not isinstance(action, Split | StockDividend | Dividend | SpinOff):
        return action
    day = np.array([day_of(action.ex_date)], dtype=np.int64)
    return replace(action, ex_date=date_of(int(first_days(day, timeframe)[0])))


def rows_until(columns: BarColumns, end: dt.date, time_zone: str) -> int:
    """Number of bars of sessions up to and including `end`."""
    sessions = session_days(columns.starts, columns.timeframe, time_zone)
    return int(np.searchsorted(sessions, day_of(end), side="right"))


def _until(columns: BarColumns, data: DataSettings) -> BarColumns:
    """The bars up to the session `end`; InputError where there are none."""
    if data.end is None:
        return columns
    last = rows_until(columns, data.end, data.time_zone)
    if not last:
        raise InputError(
            file=str(data.path or data.source),
            value=columns.symbol,
            rule=f"there must be bars of every symbol up to data.end {data.end}",
            remedy="Choose a later end, or remove the symbol",
        )
    return columns.between(0, last)


def _seen_adjusted(
    columns: BarColumns, actions: Sequence[CorporateAction], time_zone: str
) -> BarColumns:
    factors = forward_factors(columns, actions, time_zone)
    return columns if (factors == 1).all() else seen_through(columns, factors)


def read_factors(path: Path) -> dict[str, list[FactorRow]]:
    """Published adjustment factors by symbol: a CSV file with the columns symbol, date,
    price_factor and (optional) split_factor, dates ascending for each symbol."""
    found: dict[str, list[FactorRow]] = {}
    name = portable_name(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                try:
                    factor = FactorRow(
                        dt.date.fromisoformat(row["date"]),
                        float(row["price_factor"]),
                        float(row.get("split_factor") or 1),
                    )
                    found.setdefault(row["symbol"], []).append(factor)
                except (KeyError, TypeError, ValueError) as error:
                    raise InputError(
                        file=name,
                        row=number,
                        value=str(error),
                        rule=f"a row needs {', '.join(FACTOR_COLUMNS[:3])}",
                        remedy="Correct the row",
                    ) from error
    except OSError as error:
        raise InputError(
            file=name, rule="the file must be readable", remedy="Correct data.adjustment_factors"
        ) from error
    return found


def warm_up_of(settings: BacktestSettings, folder: Path) -> int:
    """Bars before the start that the backtest's strategies are shown."""
    return _warm_up(
        settings,
        [load_strategy(one.strategy, one.parameters, folder) for one in settings.strategies],
    )


def _warm_up(settings: BacktestSettings, strategies: Sequence[Strategy]) -> int:
    if settings.data.warm_up_bars is not None:
        return settings.data.warm_up_bars
    return max(strategy.warm_up_bars for strategy in strategies)


def prepared(
    settings: BacktestSettings,
    folder: Path,
    market: Market | None = None,
    actions: Sequence[CorporateAction] = (),
    cache: Path | None = None,
) -> Engine:
    """An engine for the backtest, at its first bar. With a `market` (and its `actions`) that was
    loaded already, nothing is read but what strategies read themselves."""
    strategies = [
        load_strategy(one.strategy, one.parameters, folder) for one in settings.strategies
    ]
    warm_up = _warm_up(settings, strategies)
    if market is None:
        market, actions = load_market(
            settings.data, folder, settings.account.currency, warm_up, cache
        )
    slots = [
        StrategySlot(
            one.id,
            strategy,
            one.symbols or _all_but_benchmark(settings, market),
            one.share_of_equity,
            one.parameters,
        )
        for one, strategy in zip(settings.strategies, strategies, strict=True)
    ]
    first = 0
    if settings.data.start is not None:
        first = int(np.searchsorted(market.sessions, day_of(settings.data.start)))
        if first >= len(market):
            raise ConfigurationError(
                f"data.start {settings.data.start} is after the last bar. Choose an earlier one."
            )
        begin = max(0, first - warm_up)
        market, first = market.since(begin), first - begin
    return Engine(
        market,
        slots,
        settings.rules,
        actions=actions,
        first_place=first,
        keep_orders=settings.keep_orders,
    )


def _all_but_benchmark(settings: BacktestSettings, market: Market) -> tuple[str, ...] | None:
    """What a strategy is shown that names no symbols; None for all there are."""
    if settings.benchmark is None or len(market.columns) == 1:
        return None
    return tuple(symbol for symbol in market.symbols if symbol != settings.benchmark)


def result_of(settings: BacktestSettings, engine: Engine, name: str) -> BacktestResult:
    """The result of a run that is over."""
    policy = ReportPolicy(
        title=settings.title or name,
        annualisation_sessions=settings.report.annualisation_sessions
        or settings.data.returns_in_a_year,
        risk_free_rate=settings.report.risk_free_rate,
    )
    return BacktestResult(engine, policy, settings.benchmark, name)


def run_backtest(
    settings: BacktestSettings, folder: Path, name: str = "backtest"
) -> BacktestResult:
    """Load, run and evaluate a backtest; `folder` is the data directory."""
    engine = prepared(settings, folder)
    engine.run()
    return result_of(settings, engine, name)
