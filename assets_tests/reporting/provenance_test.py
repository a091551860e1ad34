"""The report says what it was made from, also when the files have changed or are gone since."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pypdf
import pytest

from assets_tests.assets.graph_home import (
    CALENDAR,
    FIRST,
    PORTFOLIO,
    SECOND,
    SIGNALS,
    THIRD,
    GraphHome,
    failures,
)
from trading_assets.lake import Lake

MAPPED = {
    "strategies": [
        {
            "id": "first",
            "path": "raw_signals/first.csv",
            "id_mapping": {
                "path": "raw_signals/ids.csv",
                "asset_id": "id",
                "symbol": "symbol",
                "name": "name",
            },
        }
    ]
}


@pytest.fixture
def home(tmp_path: Path) -> GraphHome:
    """Three sessions; the signal file was added to after the second."""
    home = GraphHome(tmp_path, signals=MAPPED)
    ids = "id,symbol,name\nAAA,AAA,First Letter\nBBB,BBB,Second Letter\nCCC,CCC,Third Letter\n"
    (home.places.data / "raw_signals/ids.csv").write_text(ids)
    for session in (FIRST, SECOND):
        assert home.run(session).success
    return home


def signal_digest(home: GraphHome) -> str:
    return hashlib.sha256((home.places.data / "raw_signals/first.csv").read_bytes()).hexdigest()


def report_text(home: GraphHome) -> str:
    result = home.report("2024-01")
    assert result.success, failures(result)
    path = home.places.reports / PORTFOLIO / f"{PORTFOLIO}_2024-01.pdf"
    text = "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    return text.replace("\n", "").replace(" ", "")


def test_each_version_of_a_signal_file_that_was_used_is_named_once(home: GraphHome) -> None:
    before = signal_digest(home)
    home.write_signals({**SIGNALS, "2024-02-20": {"AAA": 1}})
    after = signal_digest(home)
    assert home.run(THIRD).success
    home.write_signals({**SIGNALS, "2024-02-21": {"AAA": 1}})
    text = report_text(home)
    assert text.count(before) == text.count(after) == 1
    assert signal_digest(home) not in text
    assert "Sourcesofclosingprices" in text
    assert "Pricesfile,asofthisreport" in text


def test_a_report_can_be_made_when_its_input_files_are_gone(home: GraphHome) -> None:
    used = signal_digest(home)
    assert "FirstLetter" in report_text(home)
    for name in ("raw_signals/first.csv", "raw_signals/ids.csv", "market/prices.csv"):
        (home.places.data / name).unlink()
    text = report_text(home)
    assert used in text
    assert "FirstLetter" not in text
    assert "Pricesfile,asofthisreportcannotberead:market/prices.csv" in text


def test_signals_that_were_not_kept_are_said_to_be_so(home: GraphHome) -> None:
    from trading_assets.assets.monthly_report import signals_used

    store, sessions = Lake(home.places.lake, PORTFOLIO), CALENDAR.month("2024-01")[:2]
    assert [row.value for row in signals_used(store, sessions)] == [signal_digest(home)]
    store.path("strategy_signals", sessions[1]).unlink()
    rows = [(row.label, row.value) for row in signals_used(store, sessions)]
    assert rows == [
        ("Signals raw_signals/first.csv", signal_digest(home)),
        ("Signals of other sessions", f"not kept: {SECOND}"),
    ]
    store.path("strategy_signals", sessions[0]).unlink()
    rows = [(row.label, row.value) for row in signals_used(store, sessions)]
    assert rows == [("Signals", f"not kept: {FIRST}, {SECOND}")]
