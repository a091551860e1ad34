"""What is wrong with a daily history, and snapshots that are kept."""

from __future__ import annotations

import datetime as dt
import gzip
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from trading_assets.errors import InputError
from trading_assets.market_data.yahoo_events import ShareSplit
from trading_assets.market_data.yahoo_histories import (
    DailyBar,
    DailyHistory,
    HistoryFinding,
    Snapshot,
    SnapshotFolder,
    history_findings,
)

SESSIONS = tuple(dt.date(2024, 3, day) for day in (4, 5, 6, 7, 8))
NOON = dt.datetime(2024, 3, 8, 12, tzinfo=dt.UTC)


def bar(day: int, close: str) -> DailyBar:
    return DailyBar(dt.date(2024, 3, day), Decimal(close), Decimal(close), 100)


def history(*bars: DailyBar, currency: str = "USD") -> DailyHistory:
    return DailyHistory(symbol="A", currency=currency, taken_at=NOON, bars=bars)


WHOLE = tuple(bar(day, "40") for day in (4, 5, 6, 7, 8))


def found(given: DailyHistory, last_due: dt.date | None = SESSIONS[-1]) -> list[HistoryFinding]:
    return list(history_findings(given, "USD", SESSIONS, last_due, Decimal("0.4")))


def test_a_whole_history_has_nothing_to_be_told() -> None:
    assert found(history(*WHOLE)) == []
    assert found(history(*WHOLE[:4]), last_due=SESSIONS[3]) == []
    assert found(history(*WHOLE), last_due=None) == []


def test_a_last_bar_that_is_missing_is_told_and_the_rest_is_used() -> None:
    (finding,) = found(history(*WHOLE[:4]))
    assert (finding.check, finding.is_usable) == ("last_date", True)
    assert str(finding) == "A: the last bar is of 2024-03-07, that of 2024-03-08 is due"


@pytest.mark.parametrize(
    ("days", "is_usable"), [((4, 6, 7, 8), True), ((4, 6, 8), False), ((4, 8), False)]
)
def test_a_history_needs_four_of_five_rows(days: tuple[int, ...], is_usable: bool) -> None:
    (finding,) = found(history(*(bar(day, "40") for day in days)))
    assert (finding.check, finding.is_usable) == ("row_count", is_usable)
    assert f"{5 - len(days)} of 5 sessions have no bar, the first 2024-03-05" in finding.message


def test_no_bar_at_all_is_no_history() -> None:
    (finding,) = found(history())
    assert not finding.is_usable


def test_another_currency_is_unusable() -> None:
    (finding,) = found(history(*WHOLE, currency="GBP"))
    assert (finding.check, finding.is_usable) == ("currency", False)
    assert finding.message == "its currency is GBP, the portfolio's USD"


@pytest.mark.parametrize(
    ("close", "told", "is_usable"),
    [
        ("56", False, True),  # 40 % is the limit itself
        ("56.1", True, True),
        ("23.9", True, True),
        ("4000", True, False),  # pence
        ("0.4", True, False),  # pounds after pence
    ],
)
def test_a_jump_is_told_and_one_by_the_factor_of_pence_is_unusable(
    close: str, told: bool, is_usable: bool
) -> None:
    findings = found(history(*WHOLE[:4], bar(8, close)))
    assert [each.check for each in findings] == (["jump"] if told else [])
    assert all(each.is_usable is is_usable for each in findings)
    if not is_usable:
        assert "pence and pounds are mixed" in findings[0].message


@pytest.mark.parametrize(
    ("new", "old", "close", "is_usable"),
    [
        (2, 1, "40", True),
        (2, 1, "20", False),  # the close before is of an old share
        (3, 2, "26.9", False),  # 40 / 1.5 is 26.67, no jump beyond the limit
        (3, 2, "36", True),  # it fell by a tenth
        (1, 10, "400", False),
        (1, 10, "41", True),
    ],
)
def test_a_split_by_which_earlier_closes_were_not_divided_makes_them_unusable(
    new: int, old: int, close: str, is_usable: bool
) -> None:
    split = ShareSplit(SESSIONS[-1], new, old)
    findings = found(replace(history(*WHOLE[:4], bar(8, close)), splits=(split,)))
    assert [(each.check, each.is_usable) for each in findings] == (
        [] if is_usable else [("split", False)]
    )
    if not is_usable:
        assert f"it split on 2024-03-08, {new} for {old}" in findings[0].message


# Snapshots


SNAPSHOT = Snapshot(taken_at=NOON, histories={"A": history(*WHOLE)}, warnings=("B: unknown",))


def test_a_snapshot_is_kept_under_its_hash_and_read_back_as_it_was(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path)
    path = folder.keep(SNAPSHOT)
    assert path is not None
    assert path.name == f"20240308T120000Z_{SNAPSHOT.sha256[:16]}.json.gz"
    assert folder.latest() == SNAPSHOT
    written = path.stat().st_mtime_ns
    folder.keep(SNAPSHOT)
    assert path.stat().st_mtime_ns == written


def test_the_newest_snapshot_is_the_latest_and_older_ones_stay(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path)
    assert folder.latest() is None
    later = replace(SNAPSHOT, taken_at=NOON + dt.timedelta(days=1))
    for each in (later, SNAPSHOT):
        folder.keep(each)
    assert folder.latest() == later
    assert len(list(tmp_path.iterdir())) == 2


def test_a_snapshot_that_was_changed_or_cut_is_refused_by_name(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path)
    path = folder.keep(SNAPSHOT)
    assert path is not None
    whole = path.read_bytes()
    path.write_bytes(gzip.compress(gzip.decompress(whole).replace(b'"40"', b'"41"', 1), mtime=0))
    with pytest.raises(InputError, match="its SHA-256 is not the one in its name"):
        folder.latest()
    # A reserved kind of block, which no deflated data has.
    path.write_bytes(whole[:10] + bytes([whole[10] | 6]) + whole[11:])
    with pytest.raises(InputError, match=path.name):
        folder.latest()
    path.write_bytes(whole[:-20])
    with pytest.raises(InputError, match=path.name):
        folder.latest()


def test_without_a_folder_nothing_is_kept() -> None:
    folder = SnapshotFolder(None)
    assert folder.keep(SNAPSHOT) is None
    assert folder.latest() is None
