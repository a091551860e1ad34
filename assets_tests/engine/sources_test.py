"""The same bars from every kind of source, and what is refused by name."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from trading_assets.engine.clock import iso
from trading_assets.engine.sources import read_bars
from trading_assets.engine.timeframe import parse_timeframe
from trading_assets.errors import InputError

TABLE = pa.table(
    {
        "symbol": ["BBB", "AAA", "AAA"],
        "date": [dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 2)],
        "open": [5.0, 10.5, 10.0],
        "high": [5.5, 11.0, 10.5],
        "low": [4.5, 10.0, 9.5],
        "close": [5.2, 10.8, 10.2],
        "volume": [100.0, None, 300.0],
    }
)


def written(folder: Path, kind: str) -> Path:
    path = folder / f"bars.{kind}"
    if kind == "csv":
        pyarrow.csv.write_csv(TABLE, path)
    elif kind == "csv.gz":
        with pa.CompressedOutputStream(str(path), "gzip") as stream:
            pyarrow.csv.write_csv(TABLE, stream)
    elif kind == "parquet":
        pyarrow.parquet.write_table(TABLE, path)
    elif kind == "arrow":
        pyarrow.feather.write_feather(TABLE, str(path), compression="uncompressed")
    else:
        with duckdb.connect(str(path)) as connection:
            connection.register("given", TABLE)
            connection.execute("create table bars as select * from given")
    return path


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "arrow", "duckdb"])
def test_bars_are_the_same_from_every_source(tmp_path: Path, kind: str) -> None:
    first, second = read_bars(written(tmp_path, kind))
    assert (first.symbol, second.symbol) == ("AAA", "BBB")
    assert [iso(start, first.timeframe) for start in first.starts.tolist()] == [
        "2024-01-02",
        "2024-01-03",
    ]
    assert first.open.tolist() == [10.0, 10.5]
    assert first.close.tolist() == [10.2, 10.8]
    assert first.volume[0] == 300
    assert np.isnan(first.volume[1])


def test_a_table_in_memory_a_period_and_an_order_of_symbols() -> None:
    only = read_bars(TABLE, ["BBB", "AAA"], last=dt.date(2024, 1, 2))
    assert [(one.symbol, len(one)) for one in only] == [("BBB", 1), ("AAA", 1)]


def test_closes_alone_of_one_symbol_need_no_symbol_column() -> None:
    table = pa.table({"time": ["2024-01-02T14:30:00", "2024-01-02T14:31:00"], "close": [1.0, 2.0]})
    (bars,) = read_bars(table, ["AAA"], timeframe=parse_timeframe("1Min"))
    assert iso(int(bars.starts[1]), bars.timeframe) == "2024-01-02T14:31:00+00:00"
    assert bars.high.tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match="one symbol"):
        read_bars(table)


def test_a_time_with_a_zone_is_that_moment() -> None:
    stamp = dt.datetime(2024, 1, 2, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    table = pa.table({"timestamp": [stamp], "close": [1.0]})
    (bars,) = read_bars(table, ["AAA"], timeframe=parse_timeframe("1Min"))
    assert iso(int(bars.starts[0]), bars.timeframe) == "2024-01-02T14:30:00+00:00"


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (pa.table({"close": [1.0]}), "time or timestamp"),
        (pa.table({"date": ["soon"], "close": [1.0]}), "dates or times"),
        (pa.table({"date": ["2024-01-02"], "open": [1.0], "close": [1.0]}), "close alone"),
        (pa.table({"date": ["2024-01-02"], "close": ["a"]}), "hold numbers"),
        (pa.table({"date": ["2024-01-02"], "close": pa.array([None], pa.float64())}), "positive"),
        (pa.table({"date": ["2024-01-02"] * 2, "close": [1.0, 1.0]}), "each time once"),
    ],
)
def test_what_cannot_be_bars_is_refused_with_the_rule(table: pa.Table, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        read_bars(table, ["AAA"])


def test_a_symbol_or_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ZZZ.*there are: AAA, BBB"):
        read_bars(TABLE, ["ZZZ"])
    with pytest.raises(InputError, match="must exist"):
        read_bars(tmp_path / "none.parquet")
    text = tmp_path / "bars.txt"
    text.write_text("x")
    with pytest.raises(InputError, match=r"\.txt.*\.parquet"):
        read_bars(text)
    with pytest.raises(InputError, match="period must have bars"):
        read_bars(TABLE, ["AAA"], first=dt.date(2025, 1, 1))


def times_table(*times: str) -> pa.Table:
    return pa.table(
        {
            "symbol": ["AAA"] * len(times),
            "time": pa.array(np.array(times, dtype="datetime64[ns]")),
            "close": [10.0] * len(times),
        }
    )


def spaced(folder: Path, start: str, step: np.timedelta64, count: int = 30) -> Path:
    """Bars of AAA a step apart."""
    times = np.datetime64(start, "s") + np.arange(count) * step.astype("m8[s]")
    rows = "\n".join(f"AAA,{time},10" for time in times)
    (folder / "spaced.csv").write_text(f"symbol,time,close\n{rows}\n")
    return folder / "spaced.csv"


HOUR, DAY = np.timedelta64(1, "h"), np.timedelta64(1, "D")


@pytest.mark.parametrize(
    ("step", "timeframe", "found"),
    [
        (DAY, "1Hour", "longer"),
        (HOUR, "1Day", "shorter"),
        (HOUR, "4Hour", "shorter"),
        (DAY, "1Week", "shorter"),
        (7 * DAY, "1Day", "longer"),
        (7 * DAY, "1Month", "shorter"),
        (30 * DAY, "1Week", "longer"),
    ],
)
def test_bars_that_are_not_of_the_timeframe_are_refused(
    tmp_path: Path, step: np.timedelta64, timeframe: str, found: str
) -> None:
    """Days taken for hours would trade and be annualised as hours."""
    path = spaced(tmp_path, "2024-01-01", step)
    with pytest.raises(InputError, match=f"bars of {timeframe} are asked for; these are {found}"):
        read_bars(path, timeframe=parse_timeframe(timeframe))


@pytest.mark.parametrize(
    ("step", "timeframe"),
    [(HOUR, "1Hour"), (2 * HOUR, "1Hour"), (DAY, "1Day"), (7 * DAY, "1Week"), (31 * DAY, "1Month")],
)
def test_gaps_between_bars_are_no_other_timeframe(
    tmp_path: Path, step: np.timedelta64, timeframe: str
) -> None:
    path = spaced(tmp_path, "2024-01-01", step)
    assert len(read_bars(path, timeframe=parse_timeframe(timeframe))[0]) == 30


def test_a_day_with_a_zone_is_of_the_date_that_is_written_there() -> None:
    """Midnight in London is 23:00 UTC of the day before, in summer."""
    stamps = np.array(["2024-06-05T23", "2024-06-06T23"], dtype="datetime64[us]")
    zoned = pa.array(stamps).cast(pa.timestamp("us", tz="Europe/London"))
    table = pa.table({"symbol": ["AAA"] * 2, "time": zoned, "close": [1.0, 2.0]})
    (columns,) = read_bars(table)
    assert [iso(start, columns.timeframe) for start in columns.starts.tolist()] == [
        "2024-06-06",
        "2024-06-07",
    ]
