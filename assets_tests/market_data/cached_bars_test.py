"""The cache of bars, fed over HTTP: what is asked for, what is kept, and what heals."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets_tests.bar_vendors.coinbase import CoinbaseStandIn
from assets_tests.bar_vendors.server import Asked, Fault
from trading_assets.errors import ConfigurationError, InputError
from trading_assets.market_data import cached_bars
from trading_assets.market_data.bar_cache import BarCache, Stretch
from trading_assets.market_data.bar_source import (
    BarQuery,
    BarRows,
    Bars,
    answer_of,
    complete,
    midnight,
    moment_of,
    nanoseconds,
    rows_of,
)
from trading_assets.market_data.cached_bars import CachedBars
from trading_assets.market_data.coinbase import CoinbaseBars
from trading_assets.model.account import Answer, Known, Unknown
from trading_assets.model.market_events import PriceAdjustment

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
# A Friday, some weeks after the bars of most of these tests.
NOW = dt.datetime(2024, 6, 21, 12, tzinfo=dt.UTC)
JUNE = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
BTC = "BTC-USD"


class Desk:
    """Somebody with a cache who asks Coinbase's stand-in for hours, at a time of his own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bars.sqlite"
        self.now = NOW
        self.coinbase = CoinbaseStandIn()
        self.cache = BarCache(self.path, lambda: self.now)

    def add(self, *times: dt.datetime, symbol: str = BTC, price: float = 100.0) -> None:
        known = self.coinbase.candles.setdefault((symbol, 3600), {})
        candle = (price, price, price, price, 1.0)
        known.update({int(at.timestamp()): candle for at in times})

    def forget(self) -> None:
        """The service has nothing any more."""
        for known in self.coinbase.candles.values():
            known.clear()

    def ask(self, start: dt.datetime, end: dt.datetime, *symbols: str) -> Answer[Bars]:
        source = CoinbaseBars(
            self.coinbase.url, timeout_seconds=5.0, now=lambda: self.now, sleep=lambda _: None
        )
        query = BarQuery(symbols=symbols or (BTC,), timeframe="1Hour", start=start, end=end)
        return CachedBars(source, self.cache, lambda: self.now).bars(query)

    def times(self, start: dt.datetime, end: dt.datetime) -> list[dt.datetime]:
        return times(self.ask(start, end).require().bars.get(BTC, rows_of([])))

    @property
    def requests(self) -> int:
        """How many there were since the last look."""
        count = len(self.coinbase.asked)
        self.coinbase.asked.clear()
        return count


def times(rows: BarRows) -> list[dt.datetime]:
    return [moment_of(start) for start in rows["start"]]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    with made.coinbase:
        yield made
    made.cache.close()


def hours(first: dt.datetime, count: int) -> list[dt.datetime]:
    return [first + place * HOUR for place in range(count)]


def test_what_is_there_is_not_asked_for_again_nor_what_lies_inside(desk: Desk) -> None:
    known = [*hours(JUNE, 5), *hours(JUNE + 30 * HOUR, 5)]
    desk.add(*known)
    assert desk.times(JUNE, JUNE + 2 * DAY) == known
    assert desk.requests == 1
    desk.forget()
    assert desk.times(JUNE, JUNE + 2 * DAY) == known
    assert desk.times(JUNE + 4 * HOUR, JUNE + 31 * HOUR) == [known[4], known[5]]
    assert desk.requests == 0


def test_only_the_missing_stretches_on_either_side_and_between_are_asked_for(desk: Desk) -> None:
    known = hours(JUNE, 14 * 24)
    desk.add(*known)
    for start in (2, 8):
        desk.times(JUNE + start * DAY, JUNE + (start + 2) * DAY)
    assert desk.requests == 2
    assert desk.times(JUNE, JUNE + 12 * DAY) == known[: 12 * 24]
    stretches = [(asked.query["start"], asked.query["end"]) for asked in desk.coinbase.asked]
    # From the day of the last bar that is there to the first one that is.
    assert stretches == [
        ("2024-06-01T00:00:00Z", "2024-06-03T00:00:00Z"),
        ("2024-06-04T00:00:00Z", "2024-06-09T00:00:00Z"),
        ("2024-06-10T00:00:00Z", "2024-06-13T00:00:00Z"),
    ]
    desk.forget()
    assert desk.times(JUNE, JUNE + 12 * DAY) == known[: 12 * 24]


def test_what_was_found_empty_is_remembered_for_a_week_and_then_asked_for_again(
    desk: Desk,
) -> None:
    desk.add(*hours(JUNE + 5 * DAY, 3))
    period = (JUNE, JUNE + 10 * DAY)
    assert len(desk.times(*period)) == 3
    assert desk.times(JUNE, JUNE + DAY) == []
    assert desk.requests == 1
    desk.now = NOW + 6 * DAY
    desk.times(*period)
    assert desk.requests == 0
    # The service had left out a day by mistake.
    desk.add(*hours(JUNE + 7 * DAY, 2))
    desk.now = NOW + 8 * DAY
    assert len(desk.times(*period)) == 5
    assert desk.requests > 0


def test_what_is_recent_and_empty_is_asked_for_again_at_once(desk: Desk) -> None:
    desk.add(JUNE)
    yesterday = NOW.replace(hour=0) - DAY
    assert desk.ask(yesterday, NOW - 5 * HOUR).require().missing == (BTC,)
    desk.add(yesterday + HOUR)
    assert desk.times(yesterday, NOW - 5 * HOUR) == [yesterday + HOUR]


def test_a_bar_is_kept_when_it_is_final_and_not_before(desk: Desk) -> None:
    """What ended less than five minutes ago may still be rewritten."""
    last = NOW - HOUR
    desk.now = NOW + dt.timedelta(minutes=4)
    desk.add(*hours(last - 3 * HOUR, 4), price=100.0)
    assert len(desk.times(last - 3 * HOUR, NOW)) == 3
    desk.add(last, price=105.0)
    desk.now = NOW + dt.timedelta(minutes=6)
    rows = desk.ask(last - 3 * HOUR, NOW).require().bars[BTC]
    assert rows["close"].tolist() == [100.0, 100.0, 100.0, 105.0]


def test_symbols_that_lack_the_same_day_are_asked_for_that_day_alone(desk: Desk) -> None:
    desk.add(*hours(JUNE, 24), symbol=BTC)
    desk.add(*hours(JUNE, 22), symbol="ETH-USD")
    desk.ask(JUNE, JUNE + DAY, BTC, "ETH-USD").require()
    desk.coinbase.asked.clear()
    desk.add(*hours(JUNE + DAY, 24), symbol=BTC)
    desk.add(*hours(JUNE + DAY, 24), symbol="ETH-USD")
    found = desk.ask(JUNE, JUNE + 2 * DAY, BTC, "ETH-USD").require()
    assert {name: len(rows) for name, rows in found.bars.items()} == {BTC: 48, "ETH-USD": 46}
    assert {asked.query["start"] for asked in desk.coinbase.asked} == {"2024-06-01T00:00:00Z"}


def test_what_came_before_the_service_failed_is_kept_and_the_rest_is_unknown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long history is kept part by part."""
    monkeypatch.setattr(cached_bars, "_BARS_AT_ONCE", 600)
    known = hours(NOW - 1500 * HOUR, 1500)
    desk.add(*known)
    answered = desk.coinbase.answer

    def then_fails(asked: Asked) -> tuple[int, Any]:
        # Two pages make a part.
        return answered(asked) if len(desk.coinbase.asked) <= 3 else (503, {})

    desk.coinbase.answer = then_fails  # type: ignore[method-assign]
    assert isinstance(desk.ask(known[0], known[-2]), Unknown)
    desk.coinbase.answer = answered  # type: ignore[method-assign]
    desk.coinbase.asked.clear()
    assert desk.times(known[0], known[-2]) == known[:-2]
    # 1,498 hours are five pages; the first two were there already.
    assert desk.requests <= 4


def test_without_the_service_what_is_kept_serves(desk: Desk) -> None:
    desk.add(*hours(JUNE, 24))
    desk.times(JUNE, JUNE + DAY)
    desk.coinbase.faults.extend([Fault.SERVER_ERROR] * 9)
    assert len(desk.times(JUNE, JUNE + DAY)) == 24
    assert isinstance(desk.ask(JUNE, JUNE + 2 * DAY), Unknown)


def test_a_timeframe_that_the_source_lacks_is_refused_with_those_it_has(desk: Desk) -> None:
    source = CoinbaseBars(desk.coinbase.url)
    query = BarQuery(symbols=(BTC,), timeframe="30Min", start=JUNE, end=JUNE + DAY)
    with pytest.raises(ConfigurationError, match="no bars of 30Min, but of 1Min, 5Min, 15Min"):
        CachedBars(source, desk.cache).bars(query)


class UnreliableService:
    """Hours of two symbols, with days on which nothing is traded; every fifth question fails."""

    name = "unreliable"
    adjustments = {"1Hour": (PriceAdjustment.RAW,)}  # noqa: RUF012
    kept: dict[str, dt.timedelta] = {}  # noqa: RUF012
    wait = dt.timedelta(minutes=15)

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = JUNE + 10 * DAY
        days = [day for day in range(60) if chance.random() < 0.6]
        self.rows = {
            symbol: rows_of(
                [
                    (nanoseconds(JUNE + day * DAY + hour * HOUR), *[chance.random() + 1] * 4, 1.0)
                    for day in days
                    for hour in range(24)
                    if chance.random() < 0.3
                ]
            )
            for symbol in ("A", "B")
        }
        for rows in self.rows.values():
            for name in ("high", "low", "close"):
                rows[name] = rows["open"]

    def known(self, query: BarQuery) -> Bars:
        found = {
            symbol: complete(rows, query, self.now, self.wait) for symbol, rows in self.rows.items()
        }
        return answer_of(query.symbols, found)

    def fetch(self, query: BarQuery) -> Answer[Bars]:
        if self.chance.random() < 0.2:
            return Unknown("not now")
        return Known(self.known(query))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_asked_in_whichever_order_the_answer_is_what_the_service_has(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    service = UnreliableService(chance)
    cache = BarCache(tmp_path / "bars.sqlite", lambda: service.now)
    answers = 0
    for _ in range(60):
        start = JUNE + chance.randrange(50 * 24) * HOUR
        query = BarQuery(
            symbols=chance.choice([("A",), ("B",), ("A", "B")]),
            timeframe="1Hour",
            start=start,
            end=start + chance.randrange(1, 30 * 24) * HOUR,
        )
        answer = CachedBars(service, cache, lambda: service.now).bars(query)
        if isinstance(answer, Known):
            answers += 1
            expected = service.known(query)
            assert answer.value.missing == expected.missing
            for symbol, rows in expected.bars.items():
                assert answer.value.bars[symbol].tolist() == rows.tolist()
        service.now += chance.choice([HOUR, 5 * HOUR, DAY])
    assert answers > 10
    cache.close()


# Adjusted prices


class AdjustedService:
    """Days of one symbol whose history is rewritten by every corporate action: a `BarSource`."""

    name = "adjusted"
    adjustments = {"1Day": (PriceAdjustment.SPLIT, PriceAdjustment.ALL)}  # noqa: RUF012
    kept: dict[str, dt.timedelta] = {}  # noqa: RUF012
    wait = dt.timedelta(minutes=15)

    def __init__(self) -> None:
        self.closes = {midnight(dt.date(2024, 5, day)): 400.0 for day in range(1, 31)}
        self.now = NOW
        self.asked: list[tuple[dt.datetime, dt.datetime]] = []

    def split(self, at: dt.datetime, ratio: float) -> None:
        self.closes = {
            day: close / ratio if day < at else close for day, close in self.closes.items()
        }

    def fetch(self, query: BarQuery) -> Answer[Bars]:
        self.asked.append((query.start, query.end))
        rows = rows_of(
            [(nanoseconds(day), *[close] * 4, 1.0) for day, close in self.closes.items()]
        )
        found = complete(rows, query, self.now, self.wait)
        return Known(answer_of(query.symbols, {"AAPL": found}))


def adjusted_closes(service: AdjustedService, cache: BarCache, last: int = 20) -> list[float]:
    query = BarQuery(
        symbols=("AAPL",),
        timeframe="1Day",
        start=midnight(dt.date(2024, 5, 1)),
        end=midnight(dt.date(2024, 5, last + 1)),
        adjustment=PriceAdjustment.SPLIT,
    )
    found = CachedBars(service, cache, lambda: service.now).bars(query).require()
    return [float(close) for close in found.bars["AAPL"]["close"]]


def test_a_later_split_rewrites_what_is_kept_down_to_the_oldest_bar(tmp_path: Path) -> None:
    service = AdjustedService()
    cache = BarCache(tmp_path / "bars.sqlite", lambda: service.now)
    assert adjusted_closes(service, cache) == [400.0] * 20
    service.now += DAY
    service.split(midnight(dt.date(2024, 5, 25)), 4)
    assert adjusted_closes(service, cache) == [100.0] * 20
    # Kept ones of before the split and new ones of after it are never mixed.
    service.split(midnight(dt.date(2024, 5, 28)), 2)
    assert adjusted_closes(service, cache, last=26) == [50.0] * 24 + [200.0] * 2
    cache.close()


def test_where_nothing_changed_the_oldest_bar_alone_is_asked_for_and_not_within_the_hour(
    tmp_path: Path,
) -> None:
    service = AdjustedService()
    cache = BarCache(tmp_path / "bars.sqlite", lambda: service.now)
    adjusted_closes(service, cache)
    service.asked.clear()
    adjusted_closes(service, cache)
    first = midnight(dt.date(2024, 5, 1))
    assert service.asked == [(first, first + DAY)]
    adjusted_closes(service, cache)
    assert len(service.asked) == 1
    service.now += 2 * HOUR
    adjusted_closes(service, cache)
    assert len(service.asked) == 2
    cache.close()


def test_another_adjustment_is_another_series(tmp_path: Path) -> None:
    service = AdjustedService()
    cache = BarCache(tmp_path / "bars.sqlite", lambda: service.now)
    adjusted_closes(service, cache)
    query = BarQuery(
        symbols=("AAPL",),
        timeframe="1Day",
        start=midnight(dt.date(2024, 5, 1)),
        end=midnight(dt.date(2024, 5, 21)),
        adjustment=PriceAdjustment.ALL,
    )
    service.closes = dict.fromkeys(service.closes, 390.0)
    found = CachedBars(service, cache, lambda: service.now).bars(query).require()
    assert set(found.bars["AAPL"]["close"].tolist()) == {390.0}
    cache.close()


# The file


def test_a_file_that_is_damaged_is_put_aside_and_its_bars_are_fetched_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.add(*hours(JUNE, 24))
    desk.times(JUNE, JUNE + DAY)
    desk.cache.close()
    desk.path.write_bytes(b"not a database" * 1000)
    desk.cache = BarCache(desk.path, lambda: NOW)
    assert len(desk.times(JUNE, JUNE + DAY)) == 24
    assert "put aside" in caplog.text
    assert len(list(desk.path.parent.glob("bars.sqlite.damaged-*"))) == 1


def test_damage_inside_is_told_with_the_file_and_the_remedy(desk: Desk) -> None:
    desk.add(*hours(JUNE, 20 * 24))
    desk.times(JUNE, JUNE + 20 * DAY)
    desk.cache.close()
    content = bytearray(desk.path.read_bytes())
    # Everything but the first page, which says what the file is.
    content[4096:] = b"\xff" * (len(content) - 4096)
    desk.path.write_bytes(content)
    desk.cache = BarCache(desk.path, lambda: NOW)
    with pytest.raises(InputError, match=r"bars\.sqlite.*Delete the file"):
        desk.times(JUNE, JUNE + 20 * DAY)


def test_a_file_of_another_version_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "bars.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE bars (series TEXT, body BLOB)")
    database.close()
    cache = BarCache(path)
    cache.store("s", Stretch(JUNE, JUNE + DAY), {"A": rows_of([(nanoseconds(JUNE), *[1.0] * 5)])})
    assert len(cache.read("s", "A", Stretch(JUNE, JUNE + DAY))) == 1
    cache.close()


def test_volumes_that_are_not_known_stay_unknown_and_digits_stay(tmp_path: Path) -> None:
    cache = BarCache(tmp_path / "bars.sqlite")
    row = (nanoseconds(JUNE), 0.00001234, 67123.45000001, 0.00001234, 41.35, float("nan"))
    cache.store("s", Stretch(JUNE, JUNE + DAY), {"A": rows_of([row])})
    (found,) = cache.read("s", "A", Stretch(JUNE, JUNE + DAY)).tolist()
    assert found[:5] == row[:5]
    assert np.isnan(found[5])
    cache.close()


def _keep(path: Path, which: int) -> None:
    """One process that keeps its hours, each in a transaction of its own, from both ends."""
    cache = BarCache(path)
    for place in range(30):
        start = JUNE + (2 * place + which) * HOUR
        rows = rows_of([(nanoseconds(start), *[float(which + 1)] * 5)])
        cache.store("s", Stretch(start, start + HOUR), {"A": rows, f"B{which}": rows})
    cache.close()


def test_two_processes_may_fill_a_new_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bars.sqlite"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_keep, args=(path, which)) for which in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    cache = BarCache(path, lambda: NOW)
    rows = cache.read("s", "A", Stretch(JUNE, JUNE + 60 * HOUR))
    assert rows["close"].tolist() == [1.0, 2.0] * 30
    assert [len(cache.read("s", f"B{one}", Stretch(JUNE, NOW))) for one in (0, 1)] == [30, 30]
    cache.close()


def test_stretches_that_somebody_else_filled_do_not_cover_the_gap_between(tmp_path: Path) -> None:
    cache = BarCache(tmp_path / "bars.sqlite", lambda: NOW)
    for start in (JUNE, JUNE + 5 * HOUR):
        rows = rows_of([(nanoseconds(start + place * HOUR), *[1.0] * 5) for place in range(2)])
        cache.store("s", Stretch(start, start + HOUR + dt.timedelta(minutes=1)), {"A": rows})
    (gap,) = cache.lacking("s", "A", Stretch(JUNE, JUNE + 6 * HOUR))
    # From the last bar there is to the first one behind.
    assert gap == Stretch(JUNE + HOUR, JUNE + 5 * HOUR + dt.timedelta(microseconds=1))
    cache.close()
