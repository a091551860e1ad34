"""The minute workloads in zipline-reloaded; backtest_peers.py starts it.

zipline reads bars from a bundle of its own on disk and takes no arrays, so one is made before: its
time does not count. Bars are of a calendar that never closes, orders fill at the open of the next
bar by a slippage model of a few lines (its own fill at the close), and prices are kept to 1e-3.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from assets_tests.bench.backtest_workloads import CAPITAL, COST_BPS, POSITION_SIZES, Crossing

CALENDAR = "24/7"


def write_bundle(name: str, frames: list[pd.DataFrame], folder: Path) -> None:
    """Keep the symbols' bars (indexed by time, columns Open to Volume) as a bundle."""
    from zipline.data import bundles

    symbols = [(number, frame.rename(columns=str.lower)) for number, frame in enumerate(frames)]
    days = pd.DatetimeIndex(frames[0].index).normalize()
    first, last = days[0], days[-1]

    def write(
        _environ: Any, assets: Any, minutes: Any, daily: Any, adjustments: Any, *_others: Any
    ) -> None:
        listed = {
            "symbol": [f"S{number}" for number, _ in symbols],
            "start_date": first,
            "end_date": last,
            "auto_close_date": last + pd.Timedelta(days=1),
            "exchange": "SIM",
        }
        venue = {"exchange": ["SIM"], "canonical_name": ["SIM"], "country_code": ["US"]}
        assets.write(pd.DataFrame(listed), exchanges=pd.DataFrame(venue))
        minutes.write(symbols, show_progress=False)
        of_day = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
        daily.write(
            [(number, frame.resample("1D").agg(of_day)) for number, frame in symbols],
            show_progress=False,
        )
        adjustments.write()

    bundles.register(
        name,
        write,
        calendar_name=CALENDAR,
        start_session=first,
        end_session=last,
        minutes_per_day=1440,
    )
    bundles.ingest(name, environ={"ZIPLINE_ROOT": str(folder)}, show_progress=False)


def run(frames: list[pd.DataFrame]) -> tuple[float, int, float]:
    """Final equity, fills, and CPU seconds of the backtest alone."""
    name = f"bench_{uuid.uuid4().hex}"
    with TemporaryDirectory() as folder:
        write_bundle(name, frames, Path(folder))
        started = time.process_time()
        equity, fills = _backtest(name, frames, folder)
        return equity, fills, time.process_time() - started


def _backtest(name: str, frames: list[pd.DataFrame], folder: str) -> tuple[float, int]:
    from zipline import run_algorithm
    from zipline.api import order, set_commission, set_slippage, symbol
    from zipline.finance import commission, slippage
    from zipline.utils.calendar_utils import get_calendar

    cost, size = COST_BPS / 10_000, POSITION_SIZES[len(frames)]

    class AtOpen(slippage.SlippageModel):  # type: ignore[misc]
        """The whole order at the bar's open."""

        def process_order(self, data: Any, asked: Any) -> tuple[float, int]:
            """Price and amount."""
            return data.current(asked.asset, "open"), asked.amount

    def initialize(context: Any) -> None:
        set_commission(commission.PerDollar(cost))
        set_slippage(AtOpen())
        context.crossings = [(symbol(f"S{n}"), Crossing()) for n in range(len(frames))]

    def handle_data(context: Any, data: Any) -> None:
        for asset, crossing in context.crossings:
            close = data.current(asset, "close")
            turn = crossing.update(close)
            if turn > 0:
                stake = context.portfolio.portfolio_value * size
                order(asset, int(stake / (close * (1 + cost))))
            elif turn < 0:
                order(asset, -context.portfolio.positions[asset].amount)

    days = pd.DatetimeIndex(frames[0].index).normalize()
    calendar = get_calendar(CALENDAR)
    result = run_algorithm(
        start=days[0],
        end=days[-1],
        initialize=initialize,
        handle_data=handle_data,
        capital_base=CAPITAL,
        data_frequency="minute",
        bundle=name,
        trading_calendar=calendar,
        benchmark_returns=pd.Series(0.0, index=calendar.sessions_in_range(days[0], days[-1])),
        environ={"ZIPLINE_ROOT": folder},
    )
    return float(result.portfolio_value.iloc[-1]), sum(map(len, result.transactions))
