"""A book goes out and in unchanged, or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assets_tests.execution.small_portfolio import (
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    portfolio_settings,
    session_inputs,
)
from trading_assets.book_transfer import import_book, journal_lines, json_lines
from trading_assets.errors import BookCorruptError, InputError
from trading_assets.event_log import store
from trading_assets.event_log.store import EventLog, open_event_log

PRICES = {"AAA": "100", "BBB": "50"}


def restated_desk(folder: Path) -> Desk:
    """Monday, then Tuesday twice: what was planned first is superseded."""
    desk = Desk(folder)
    desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, PRICES))
    desk.run(session_inputs(TUESDAY, {"BBB": "0.5"}, PRICES))
    desk.run(session_inputs(TUESDAY, {"AAA": "0.1", "BBB": "-0.2"}, PRICES))
    desk.run(session_inputs(WEDNESDAY, {"AAA": "0.1"}, PRICES))
    assert desk.log.revision == 1
    return desk


@pytest.fixture
def exported(tmp_path: Path) -> list[str]:
    """The lines of that book."""
    desk = restated_desk(tmp_path / "from")
    lines = [line.decode().removesuffix("\n") for line in json_lines(desk.log)]
    desk.close()
    return lines


def written(folder: Path, lines: list[str]) -> Path:
    path = folder / "book.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.fixture
def empty(tmp_path: Path) -> EventLog:
    return open_event_log(tmp_path / "to", "small")


def test_superseded_records_go_out_and_in_with_the_rest(
    tmp_path: Path, exported: list[str], book_url: sa.URL | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Taken in part by part, though as one.
    monkeypatch.setattr(store, "IMPORT_ROWS", 7)
    log = open_event_log(tmp_path / "to", "small", url=book_url)
    count = import_book(log, portfolio_settings(), written(tmp_path, exported))
    assert count == log.verify() == len(exported)
    assert log.revision == 1
    assert [line.decode() for line in json_lines(log)] == [line + "\n" for line in exported]
    log.close()


def test_an_imported_book_can_be_gone_on_with(tmp_path: Path, exported: list[str]) -> None:
    settings = portfolio_settings()
    log = open_event_log(tmp_path / "there" / "books", "small")
    import_book(log, settings, written(tmp_path, exported))
    log.close()
    (tmp_path / "from" / "broker.sqlite").rename(tmp_path / "there" / "broker.sqlite")
    desk = Desk(tmp_path / "there")
    assert desk.book.closed_through == WEDNESDAY
    assert desk.books_agree
    head = desk.log.head()
    desk.run(session_inputs(WEDNESDAY, {"AAA": "0.1"}, PRICES))
    assert desk.log.head() == head


def test_a_journal_holds_what_counts_and_balances(tmp_path: Path) -> None:
    desk = restated_desk(tmp_path)
    heading, *rows = [
        line.decode().strip().split(",") for line in journal_lines(desk.log, desk.settings)
    ]
    assert heading[:4] == ["sequence", "session", "event_type", "event_id"]
    # Monday buys 50 AAA at 100; of Tuesday's first run (100 BBB bought) nothing is left.
    assert [row[4:8] for row in rows if row[4] == "cash"] == [
        ["cash", "", "USD", amount] for amount in ("10000", "-5000", "4000", "2000", "-2000")
    ]
    assert sum(Decimal(row[7]) for row in rows) == 0


def test_a_record_that_does_not_hold_is_not_exported(tmp_path: Path) -> None:
    desk = restated_desk(tmp_path)
    with desk.log.database.writing("small") as connection:
        connection.exec_driver_sql("UPDATE events SET source = 'nobody' WHERE sequence = 5")
        connection.commit()
    with pytest.raises(BookCorruptError, match="record 5"):
        list(json_lines(desk.log))


Edit = Callable[[list[str]], list[str]]


def edited(number: int, change: Callable[[dict[str, Any]], None]) -> Edit:
    """Change the record of a line, written as an export is."""

    def edit(lines: list[str]) -> list[str]:
        record = json.loads(lines[number - 1])
        change(record)
        lines[number - 1] = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        return lines

    return edit


REFUSALS: dict[str, tuple[Edit, str]] = {
    "an amount was changed": (
        edited(1, lambda record: record["event"].update(amount="20000.00")),
        "row 1: '[0-9a-f]{64}': record 1 .* does not match its hash",
    ),
    "a line is missing": (
        lambda lines: [*lines[:9], *lines[10:]],
        "row 10: .*record 10 is missing, 11 follows",
    ),
    "the first lines are missing": (lambda lines: lines[5:], "row 1: .*record 1 is missing, 6"),
    "two lines changed places": (
        lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]],
        "row 5: .*record 5 is missing, 6 follows",
    ),
    "a line was cut short": (
        lambda lines: [*lines[:7], lines[7][:200]],
        "row 8: .*not a record of a book",
    ),
    "a field was added": (
        edited(3, lambda record: record.update(note="x")),
        "row 3: .*not a record of a book .*note",
    ),
    "it is another portfolio's": (
        edited(2, lambda record: record.update(portfolio="large")),
        "row 2: 'large': the record is not of the book of 'small'",
    ),
    "it was written anew by another program": (
        lambda lines: [json.dumps(json.loads(line)) for line in lines],
        "row 1: .*the line is not written as an export is",
    ),
    "it is empty": (lambda _lines: [], "the file holds no record"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_an_unchanged_export_is_refused_whole(
    tmp_path: Path, exported: list[str], empty: EventLog, name: str
) -> None:
    edit, message = REFUSALS[name]
    path = written(tmp_path, edit(exported))
    with pytest.raises(InputError) as refusal:
        import_book(empty, portfolio_settings(), path)
    text = str(refusal.value)
    assert re.search(rf"^{path}.*{message}.*\. \w.*\.$", text, re.DOTALL), text
    assert empty.verify() == 0


def test_a_bit_that_makes_no_text_is_refused_with_its_line(
    tmp_path: Path, exported: list[str], empty: EventLog
) -> None:
    path = written(tmp_path, exported)
    content = bytearray(path.read_bytes())
    content[content.index(b'"portfolio":', len(exported[0])) + 14] ^= 0x80
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"row 2: .*not a record of a book"):
        import_book(empty, portfolio_settings(), path)
    assert empty.verify() == 0


def test_a_file_that_changes_while_it_is_taken_in_leaves_nothing(
    tmp_path: Path, exported: list[str], empty: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "IMPORT_ROWS", 7)
    path = written(tmp_path, exported)
    adopt = EventLog.adopt

    def change_first(log: EventLog, *rows: Any) -> int:
        written(tmp_path, [*exported[:20], *exported[21:]])
        return adopt(log, *rows)

    monkeypatch.setattr(EventLog, "adopt", change_first)
    with pytest.raises(InputError, match="record 21 is missing"):
        import_book(empty, portfolio_settings(), path)
    assert empty.verify() == 0


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"currency": "CHF"}, "the record cannot be booked"),
        ({"accounting": {"commission_in_basis": True}}, ""),
    ],
)
def test_what_cannot_be_booked_by_this_portfolio_is_refused(
    tmp_path: Path, exported: list[str], empty: EventLog, change: dict[str, Any], rule: str
) -> None:
    path = written(tmp_path, exported)
    if rule:
        with pytest.raises(InputError, match=rule):
            import_book(empty, portfolio_settings(**change), path)
        assert empty.verify() == 0
    else:
        assert import_book(empty, portfolio_settings(**change), path) == len(exported)
