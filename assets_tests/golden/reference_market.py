"""Raw daily bars and corporate actions of eight US securities, 1998 to March 2021.

They are not part of this project. They are looked for beside the repository, in
`../shared/reference`, or where the environment variable TRADING_ASSETS_REFERENCE says; tests that
need them are skipped where they are absent.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE_VARIABLE = "TRADING_ASSETS_REFERENCE"
ONE = Fraction(1)


@dataclass(frozen=True)
class Bar:
    """Open and close of a session, per share, not adjusted."""

    session: dt.date
    open: Decimal
    close: Decimal


@dataclass
class Security:
    """One symbol: its bars in order, its dividends per share and its splits by ex-date.

    Several dividends of one ex-date are separate entries. A split is new shares per old one.
    """

    symbol: str
    bars: list[Bar] = field(default_factory=list)
    dividends: dict[dt.date, list[Decimal]] = field(default_factory=lambda: defaultdict(list))
    splits: dict[dt.date, Fraction] = field(default_factory=dict)

    def between(self, first: dt.date, last: dt.date) -> list[Bar]:
        """Bars from `first` to `last`, both included."""
        return [bar for bar in self.bars if first <= bar.session <= last]

    def bar(self, session: dt.date) -> Bar:
        """The bar of `session`; KeyError where there is none."""
        for bar in self.bars:
            if bar.session == session:
                return bar
        raise KeyError(f"{self.symbol} has no bar of {session}")

    def before(self, session: dt.date) -> Bar:
        """The last bar before `session`."""
        return max((bar for bar in self.bars if bar.session < session), key=lambda bar: bar.session)


def place() -> Path | None:
    """The folder of the reference data, None where it is not on this machine."""
    named = os.environ.get(PLACE_VARIABLE)
    folder = Path(named) if named else ROOT.parent / "shared" / "reference"
    return folder if (folder / "market" / "daily_bars.csv.gz").is_file() else None


def read_market(folder: Path) -> dict[str, Security]:
    """All securities of the reference data by symbol."""
    securities: dict[str, Security] = {}
    for row in _rows(folder / "market" / "daily_bars.csv.gz"):
        security = securities.setdefault(row["symbol"], Security(row["symbol"]))
        session = dt.date.fromisoformat(row["date"])
        security.bars.append(Bar(session, Decimal(row["open"]), Decimal(row["close"])))
    for row in _rows(folder / "market" / "corporate_actions.csv"):
        security = securities[row["symbol"]]
        session = dt.date.fromisoformat(row["date"])
        if row["kind"] == "dividend":
            security.dividends[session].append(Decimal(row["value"]))
        else:
            assert session not in security.splits
            security.splits[session] = Fraction(row["value"])
    return securities


def _rows(path: Path) -> Iterator[dict[str, str]]:
    content = path.read_bytes()
    text = gzip.decompress(content) if path.suffix == ".gz" else content
    return csv.DictReader(text.decode().splitlines())


def total_return_at_the_close(security: Security, bars: list[Bar]) -> float:
    """Growth of one unit with each dividend put into shares at the close of its ex-date.

    Over a session it is (close x split + dividend on the new shares) / close before, so that a
    dividend is what a share of the ex-date gets.
    """
    growth = 1.0
    for before, bar in pairwise(bars):
        dividend = sum(security.dividends.get(bar.session, []), Decimal(0))
        split = security.splits.get(bar.session, ONE)
        growth *= float(split) * float(bar.close + dividend) / float(before.close)
    return growth


def total_return_of_adjusted_closes(security: Security, bars: list[Bar]) -> float:
    """Growth of the series that vendors publish: closes before an ex-date are multiplied by
    (1 - dividend / the close before it) and divided by the split ratio."""
    factor = 1.0
    closes = {bar.session: float(bar.close) for bar in bars}
    sessions = [bar.session for bar in bars]
    for before, session in pairwise(sessions):
        dividend = float(sum(security.dividends.get(session, []), Decimal(0)))
        split = float(security.splits.get(session, ONE))
        # A dividend of the session of a split is per new share, the close before per old one.
        factor *= (1 - dividend * split / closes[before]) / split
    return closes[sessions[-1]] / (closes[sessions[0]] * factor)
