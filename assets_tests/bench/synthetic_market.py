"""A synthetic market for measuring: 500 names on real XNYS sessions, 50 of them held.

    python -m assets_tests.bench.synthetic_market FOLDER SESSIONS

Writes a data directory (portfolio, closes, daily signals) into FOLDER. Closes are geometric random
walks in whole cents, weights drift slowly and now and then a name takes another's place, all from
one seed: the same number of sessions gives the same files, byte for byte, and fewer sessions give
the first part of more.
"""

from __future__ import annotations

import csv
import datetime as dt
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from trading_assets.calendar import TradingCalendar
from trading_assets.settings import SessionSettings

SEED = 20170103
PORTFOLIO = "large"
FIRST_SESSION = dt.date(2017, 1, 3)
LAST_SESSION = dt.date(2022, 6, 30)
NAMES = 500
HELD = 50
DAILY_VOLATILITY = 0.015
WEIGHT_DRIFT = 0.03
SWAP_PROBABILITY = 0.5

YAML = """\
id: {portfolio}
name: {held} of {names} names, daily
currency: USD
mode: simulated
initial_cash: 10000000
sessions: {{calendar: XNYS, start: {first}, end: {last}}}
prices: {{kind: files, path: market/closes.csv}}
signals:
  max_age_days: 10
  strategies: [{{id: drift, path: raw_signals/drift.csv}}]
combination: {{method: select, strategy: drift}}
planning: {{fractional: true, quantity_decimals: 6, cash_buffer: 0.02}}
commission: {{per_share: 0.005, minimum: 1.00}}
simulation: {{slippage_bps: 0}}
report: {{title: Benchmark}}
"""


def write_market(folder: Path, sessions: int) -> tuple[dt.date, dt.date]:
    """Write the data directory of `sessions` sessions; the first and the last of them."""
    settings = SessionSettings(start=FIRST_SESSION, end=LAST_SESSION)
    calendar = TradingCalendar(settings)
    traded = calendar.sessions[:sessions]
    days = calendar.history[calendar.history.index(traded[0]) - 1 :][: sessions + 1]
    symbols = [f"N{number:03}" for number in range(NAMES)]
    rows = _closes(days, symbols)
    _write(folder / "market" / "closes.csv", ("session", "symbol", "close"), rows)
    # The signal of a session is made after the close before it.
    signals = _signals(days[:-1], symbols)
    _write(folder / "raw_signals" / "drift.csv", ("trade_date", "asset_id", "weight"), signals)
    text = YAML.format(
        portfolio=PORTFOLIO, held=HELD, names=NAMES, first=traded[0], last=traded[-1]
    )
    path = folder / "portfolios" / f"{PORTFOLIO}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return traded[0], traded[-1]


def _closes(days: Sequence[dt.date], symbols: Sequence[str]) -> Iterable[Sequence[str]]:
    random = np.random.default_rng(SEED)
    closes = random.uniform(20, 300, len(symbols))
    for day in days:
        closes = closes * np.exp(random.normal(0.0002, DAILY_VOLATILITY, len(symbols)))
        for symbol, close in zip(symbols, closes, strict=True):
            yield day.isoformat(), symbol, f"{max(close, 1.0):.2f}"


def _signals(days: Sequence[dt.date], symbols: Sequence[str]) -> Iterable[Sequence[str]]:
    random = np.random.default_rng(SEED + 1)
    held = list(symbols[:HELD])
    free = list(symbols[HELD:])
    tilt = np.zeros(HELD)
    for day in days:
        tilt = 0.99 * tilt + random.normal(0.0, WEIGHT_DRIFT, HELD)
        if random.random() < SWAP_PROBABILITY:
            out, new = int(random.integers(HELD)), int(random.integers(len(free)))
            held[out], free[new] = free[new], held[out]
        share = np.exp(tilt) / np.exp(tilt).sum()
        weights = [Decimal(f"{value:.6f}") for value in share]
        weights[0] += 1 - sum(weights)
        for symbol, weight in zip(held, weights, strict=True):
            yield day.isoformat(), symbol, str(weight)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    print(*write_market(Path(sys.argv[1]), int(sys.argv[2])))
