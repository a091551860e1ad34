"""Make the sample data under data/: prices, id mapping and four strategies' monthly signals.

The prices come from the data set inside the `skfolio` package (install the `test` extra), so that
nothing is downloaded. Every strategy is a pure function of the closes it is given, and is given
none after its trade date. Run from anywhere:

    python scripts/make_samples.py [--data FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

FIRST_SESSION = "2018-01-02"
LAST_SESSION = "2022-12-28"
FIRST_MONTH = "2020-12"
LAST_MONTH = "2022-11"
RETURN_SESSIONS = 504
MAX_WEIGHT = 0.20
SOLVER_DUST = 0.0001
"""Weights below one basis point are what an interior-point solver leaves of zero."""
MOMENTUM_FAR_SESSIONS = 252
MOMENTUM_NEAR_SESSIONS = 21
MOMENTUM_NAMES = 5
WEIGHT_STEPS = 1_000_000
BENCHMARK = "SP500"

NAMES = {
    "AAPL": ("001690", "Apple"),
    "AMD": ("001161", "Advanced Micro Devices"),
    "BAC": ("007647", "Bank of America"),
    "BBY": ("002184", "Best Buy"),
    "CVX": ("002991", "Chevron"),
    "GE": ("005047", "General Electric"),
    "HD": ("005680", "Home Depot"),
    "JNJ": ("006266", "Johnson & Johnson"),
    "JPM": ("002968", "JPMorgan Chase"),
    "KO": ("003144", "Coca-Cola"),
    "LLY": ("006730", "Eli Lilly"),
    "MRK": ("007257", "Merck"),
    "MSFT": ("012141", "Microsoft"),
    "PEP": ("008479", "PepsiCo"),
    "PFE": ("008530", "Pfizer"),
    "PG": ("008762", "Procter & Gamble"),
    "RRC": ("900001", "Range Resources"),
    "UNH": ("010903", "UnitedHealth Group"),
    "WMT": ("011259", "Walmart"),
    "XOM": ("004503", "Exxon Mobil"),
}

Weights = dict[str, float]
Strategy = Callable[["pd.DataFrame"], Weights]


def equal_weight(closes: pd.DataFrame) -> Weights:
    """The same weight for every name; `closes` is sessions x symbols, the last row the latest."""
    from skfolio.optimization import EqualWeighted

    return _fitted(EqualWeighted(), closes)


def mean_variance(closes: pd.DataFrame) -> Weights:
    """Highest Sharpe ratio over the trailing 504 daily returns; long only, at most 20 % a name."""
    from skfolio.optimization import MeanRisk, ObjectiveFunction

    model = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_RATIO,
        min_weights=0.0,
        max_weights=MAX_WEIGHT,
    )
    return _fitted(model, closes)


def minimum_variance(closes: pd.DataFrame) -> Weights:
    """Lowest variance over the trailing 504 daily returns; long only, at most 20 % a name."""
    from skfolio.optimization import MeanRisk, ObjectiveFunction

    model = MeanRisk(
        objective_function=ObjectiveFunction.MINIMIZE_RISK,
        min_weights=0.0,
        max_weights=MAX_WEIGHT,
    )
    return _fitted(model, closes)


def momentum_12_1(closes: pd.DataFrame) -> Weights:
    """Equal weight in the five names with the highest return from 252 to 21 sessions ago.

    A tie goes to the symbol that sorts first.
    """
    rise = closes.iloc[-1 - MOMENTUM_NEAR_SESSIONS] / closes.iloc[-1 - MOMENTUM_FAR_SESSIONS] - 1
    ranked = sorted(rise.index, key=lambda symbol: (-float(rise[symbol]), symbol))
    return dict.fromkeys(ranked[:MOMENTUM_NAMES], 1 / MOMENTUM_NAMES)


STRATEGIES: dict[str, Strategy] = {
    "equal_weight.csv": equal_weight,
    "mean_variance.csv": mean_variance,
    "minimum_variance.csv": minimum_variance,
    "momentum_12_1.xlsx": momentum_12_1,
}


def weights_at(strategy: Strategy, closes: pd.DataFrame, trade_date: dt.date) -> dict[str, Decimal]:
    """The strategy's weights from the closes up to and including `trade_date`, none later.

    Rounded to six decimals so that they add up to exactly 1 (largest remainders get the rest);
    names that round to 0 are left out.
    """
    known = closes.loc[: trade_date.isoformat()]
    weights = strategy(known)
    total = sum(weights.values())
    exact = {symbol: weight / total * WEIGHT_STEPS for symbol, weight in weights.items()}
    steps = {symbol: int(value) for symbol, value in exact.items()}
    by_remainder = sorted(exact, key=lambda symbol: (steps[symbol] - exact[symbol], symbol))
    for symbol in by_remainder[: WEIGHT_STEPS - sum(steps.values())]:
        steps[symbol] += 1
    return {
        symbol: Decimal(count) / WEIGHT_STEPS for symbol, count in sorted(steps.items()) if count
    }


def trade_dates(closes: pd.DataFrame) -> list[dt.date]:
    """The last session of each month from FIRST_MONTH to LAST_MONTH."""
    last: dict[str, dt.date] = {}
    for stamp in closes.index:
        last[f"{stamp:%Y-%m}"] = stamp.date()
    return [day for month, day in sorted(last.items()) if FIRST_MONTH <= month <= LAST_MONTH]


def _fitted(model: object, closes: pd.DataFrame) -> Weights:
    returns = closes.pct_change().iloc[-RETURN_SESSIONS:]
    fitted = model.fit(returns)  # type: ignore[attr-defined]
    pairs = zip(returns.columns, fitted.weights_, strict=True)
    weights = {str(symbol): float(weight) for symbol, weight in pairs if weight >= SOLVER_DUST}
    dust = 1 - sum(weights.values())
    room = {symbol: weight for symbol, weight in weights.items() if weight + dust < MAX_WEIGHT}
    if room:
        weights[max(room, key=room.__getitem__)] += dust
    return weights


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_excel(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """As a person would make it: real dates, and ids that Excel has turned into numbers."""
    from openpyxl import Workbook

    workbook = Workbook()
    sheet = workbook.create_sheet("signals", 0)
    sheet.append(list(header))
    for trade_date, gvkey, weight in rows:
        sheet.append([trade_date, int(str(gvkey)), float(str(weight))])
    path.parent.mkdir(parents=True, exist_ok=True)
    workbook.remove(workbook["Sheet"])
    workbook.save(path)


def _write_closes(path: Path, closes: pd.DataFrame, benchmark: pd.Series[float]) -> None:
    rows = [
        # The source's own decimals: repr is the shortest text that reads back as the same number.
        (f"{stamp:%Y-%m-%d}", symbol, repr(float(close)))
        for stamp, line in closes.assign(**{BENCHMARK: benchmark}).iterrows()
        for symbol, close in line.items()
    ]
    _write_csv(path, ("session", "symbol", "close"), rows)


def _write_licence(folder: Path) -> None:
    package = distribution("skfolio")
    licence = next(file for file in package.files or () if file.name == "LICENSE")
    text = Path(str(package.locate_file(licence))).read_text(encoding="utf-8")
    (folder / "LICENSE-skfolio.txt").write_text(text.rstrip() + "\n", encoding="utf-8")


def _write_signals(path: Path, weights: dict[dt.date, dict[str, Decimal]]) -> None:
    rows = [
        (trade_date, NAMES[symbol][0], format(weight, "f"))
        for trade_date, of_date in weights.items()
        for symbol, weight in of_date.items()
    ]
    write = _write_excel if path.suffix == ".xlsx" else _write_csv
    write(path, ("trade_date", "gvkey", "weights"), rows)


def make_samples(data: Path) -> None:
    """Write data/market, data/mapping and data/raw_signals, showing progress."""
    from skfolio.datasets import load_factors_dataset, load_sp500_dataset, load_sp500_index

    factors: pd.DataFrame = load_factors_dataset().loc[FIRST_SESSION:LAST_SESSION]
    closes: pd.DataFrame = load_sp500_dataset().loc[FIRST_SESSION:LAST_SESSION]
    benchmark: pd.Series[float] = load_sp500_index()[BENCHMARK]
    dates = trade_dates(closes)
    with Progress() as progress:
        task = progress.add_task("Prices and ids", total=2 + len(STRATEGIES) * len(dates))
        _write_closes(data / "market" / "sp500_daily_closes.csv", closes, benchmark)
        _write_closes(data / "market" / "factor_daily_closes.csv", factors, benchmark)
        _write_licence(data / "market")
        progress.advance(task)
        ids = [(gvkey, symbol, name) for symbol, (gvkey, name) in NAMES.items()]
        _write_csv(data / "mapping" / "gvkey_ticker.csv", ("gvkey", "ticker", "name"), ids)
        progress.advance(task)
        for file, strategy in STRATEGIES.items():
            progress.update(task, description=file)
            weights = {}
            for trade_date in dates:
                weights[trade_date] = weights_at(strategy, closes, trade_date)
                progress.advance(task)
            _write_signals(data / "raw_signals" / file, weights)
        progress.update(task, description="Samples written")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(__file__).resolve().parent.parent / "data"
    parser.add_argument("--data", type=Path, default=default, help="data folder to write to")
    make_samples(parser.parse_args().data)


if __name__ == "__main__":
    main()
