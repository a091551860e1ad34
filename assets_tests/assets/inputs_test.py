"""Wrong input stops the session at the asset that reads it, says where, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets_tests.assets.graph_home import (
    FIRST,
    PORTFOLIO,
    SECOND,
    SIGNALS,
    GraphHome,
    failures,
    steps_started,
)

SIGNAL_FILE = "raw_signals/first.csv"


@pytest.fixture
def home(tmp_path: Path) -> GraphHome:
    home = GraphHome(tmp_path)
    assert home.run(FIRST).success
    return home


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"AAA": 0.5, "BBB": "half"}, ("row 3", "'half'")),
        ({"AAA": 0.5, "BBB": 0.3}, ("2023-12-29", "0.8")),
        ({"AAA": 0.5, "": 0.5}, ("row 3", "asset_id")),
    ],
    ids=["a weight that is no number", "weights that do not add up", "an empty id"],
)
def test_wrong_signal_file_fails_its_asset_by_file_and_row_and_writes_nothing(
    home: GraphHome, weights: dict[str, object], words: tuple[str, ...]
) -> None:
    book, files = home.records(), home.files(home.places.lake / PORTFOLIO / "strategy_signals")
    home.write_signals({"2023-12-29": weights})
    result = home.run(SECOND)
    assert not result.success
    failed = failures(result)
    assert list(failed) == [f"{PORTFOLIO}__strategy_signals"]
    message = failed[f"{PORTFOLIO}__strategy_signals"]
    assert "InputError" in message
    for word in (SIGNAL_FILE, *words):
        assert word in message
    assert steps_started(result) <= {"strategy_signals", "prices"}
    assert home.records() == book
    assert home.files(home.places.lake / PORTFOLIO / "strategy_signals") == files
    assert home.materialized("strategy_signals") == [FIRST]
    home.write_signals(SIGNALS)
    assert home.run(SECOND).success


def test_signal_that_is_too_old_stops_the_session_before_targets_are_made(tmp_path: Path) -> None:
    home = GraphHome(tmp_path)
    home.write_signals({"2023-10-02": {"AAA": 1}})
    result = home.run(FIRST)
    assert not result.success
    assert "2023-10-02" in failures(result)[f"{PORTFOLIO}__strategy_signals"]
    assert "consolidated_targets" not in steps_started(result)
    assert not home.places.books.exists()


def test_damaged_price_file_fails_by_row_before_anything_is_planned(home: GraphHome) -> None:
    book = home.records()
    path = home.places.data / "market/prices.csv"
    lines = path.read_text().splitlines()
    lines[4] = lines[4].rpartition(",")[0] + ",-1"
    path.write_text("\n".join(lines))
    result = home.run(SECOND)
    assert not result.success
    message = failures(result)[f"{PORTFOLIO}__prices"]
    assert "market/prices.csv, row 5" in message
    assert "-1" in message
    assert home.records() == book


def test_session_without_its_targets_names_what_to_materialise(home: GraphHome) -> None:
    job = home.definitions.resolve_job_def(f"{PORTFOLIO}__daily_cycle")
    result = job.execute_in_process(
        instance=home.instance,
        partition_key=SECOND,
        op_selection=[f"{PORTFOLIO}__trading_session"],
        raise_on_error=False,
    )
    assert not result.success
    message = failures(result)[f"{PORTFOLIO}__trading_session"]
    assert f"Materialise consolidated_targets for {SECOND} first" in message
