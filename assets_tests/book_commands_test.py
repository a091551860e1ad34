"""`trading_assets book` as a person uses it: real processes, real exit codes."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from assets_tests.cli_test import Home

SAMPLE = ("--portfolio", "sample")
DAYS = ("--from", "2021-01-04", "--to", "2021-01-06")


@pytest.fixture(scope="module")
def run_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three sessions; only looked at."""
    home = Home(tmp_path_factory.mktemp("home"))
    done = home.run("run", *SAMPLE, *DAYS)
    assert done.returncode == 0, done.stdout + done.stderr
    return home


@pytest.fixture
def home(run_home: Home, tmp_path: Path) -> Home:
    """A copy of it that a test may change."""
    home = Home(tmp_path / "copy")
    shutil.copytree(run_home.state, home.state)
    return home


def book_of(home: Home) -> Path:
    return home.state / "books" / "sample.sqlite"


def exported(home: Home, target: Path) -> list[str]:
    done = home.run("book", "export", *SAMPLE, "--to", str(target))
    assert done.returncode == 0, done.stderr
    return target.read_text().splitlines()


# verify


def test_a_book_that_is_whole_verifies_with_all_that_was_made_from_it(run_home: Home) -> None:
    done = run_home.run("book", "verify", *SAMPLE, "--files")
    assert done.returncode == 0, done.stdout + done.stderr
    # Eleven tables and eighteen files of each of three sessions; one of them closed round trips.
    assert "3 closed sessions replayed; compared 34 tables, 54 files" in done.stdout
    assert "no difference" in done.stdout


def test_a_table_that_was_changed_is_named_by_session_row_and_column(home: Home) -> None:
    path = home.state / "lake" / "sample" / "positions_eod" / "session=2021-01-05" / "data.parquet"
    table = pq.ParquetFile(path).read()
    marks = table.column("mark").to_pylist()
    symbol = table.column("symbol").to_pylist()[3]
    marks[3] += Decimal("0.01")
    place = table.column_names.index("mark")
    kind = table.schema.field("mark").type
    pq.write_table(table.set_column(place, "mark", pa.array(marks, kind)), path)
    done = home.run("book", "verify", *SAMPLE)
    assert done.returncode == 1
    stored, book = marks[3], marks[3] - Decimal("0.01")
    assert (
        f"first difference: 2021-01-05, positions_eod, {symbol}, mark: stored {stored}, "
        f"recomputed {book}"
    ) in done.stderr


def test_an_exported_file_that_was_edited_is_named_with_its_line(home: Home) -> None:
    path = home.state / "exports" / "sample" / "20210106" / "positions_eod_20210106.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace(lines[2].split(",")[1], "1", 1)
    path.write_text("".join(lines))
    assert home.run("book", "verify", *SAMPLE).returncode == 0
    done = home.run("book", "verify", *SAMPLE, "--files")
    assert done.returncode == 1
    assert "first difference: 2021-01-06, positions_eod_20210106.csv, line 3: stored" in done.stderr


def test_tables_and_files_that_were_deleted_are_not_missed(home: Home) -> None:
    shutil.rmtree(home.state / "lake" / "sample" / "pnl_daily")
    shutil.rmtree(home.state / "exports")
    done = home.run("book", "verify", *SAMPLE, "--files")
    assert done.returncode == 0, done.stderr
    assert "compared 31 tables, 0 files" in done.stdout


def last_close(home: Home) -> int:
    with sqlite3.connect(book_of(home)) as database:
        query = "SELECT max(sequence) FROM events WHERE event_type = 'session_closed'"
        (sequence,) = database.execute(query).fetchone()
    return int(sequence)


def test_a_book_that_lost_its_last_session_and_its_witness_is_found_out_by_the_tables(
    home: Home,
) -> None:
    sequence = last_close(home)
    with sqlite3.connect(book_of(home)) as database:
        database.execute("DELETE FROM events WHERE sequence >= ?", (sequence,))
    done = home.run("book", "verify", *SAMPLE)
    assert done.returncode == 5
    assert f"the book ends at record {sequence - 1}, but record {sequence}" in done.stderr
    assert home.run("plan", *SAMPLE, "--session", "2021-01-07").returncode == 5
    (home.state / "books" / "sample.head").unlink()
    done = home.run("book", "verify", *SAMPLE)
    assert done.returncode == 1
    assert "2021-01-06" in done.stderr
    assert "the session is not closed in the book" in done.stderr


def test_the_head_that_a_report_printed_must_be_in_the_book(run_home: Home) -> None:
    with sqlite3.connect(book_of(run_home)) as database:
        (inside,) = database.execute("SELECT hash FROM events WHERE sequence = 20").fetchone()
    assert run_home.run("book", "verify", *SAMPLE, "--head", inside).returncode == 0
    done = run_home.run("book", "verify", *SAMPLE, "--head", inside, "--head", "f" * 64)
    assert done.returncode == 1
    assert f"first difference: head, hash: stored {'f' * 64}" in done.stderr


def test_a_record_changed_in_the_book_ends_with_5_and_names_it(home: Home) -> None:
    with sqlite3.connect(book_of(home)) as database:
        database.execute("UPDATE events SET payload = replace(payload, '\"buy\"', '\"sell\"') "
                         "WHERE event_type = 'fill' AND session = '2021-01-05'")  # fmt: skip
    done = home.run("book", "verify", *SAMPLE)
    assert done.returncode == 5
    assert "sample.sqlite" in done.stderr
    assert "(fill of 2021-01-05) does not match its hash" in done.stderr


def test_a_book_that_is_not_there_is_looked_at_without_making_one(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for command in (("verify",), ("show",), ("show", "--events"), ("export",)):
        done = home.run("book", *command, *SAMPLE)
        assert done.returncode == 0, done.stderr
    assert not (home.state / "books").exists()


# show


def test_show_gives_the_book_as_of_a_session(run_home: Home) -> None:
    with (run_home.state / "exports/sample/20210104/positions_eod_20210104.csv").open() as file:
        held = {
            row["symbol"]: row["qty"] for row in csv.DictReader(file) if row["symbol"] != "CASH"
        }
    done = run_home.run("book", "show", *SAMPLE, "--session", "2021-01-04")
    assert done.returncode == 0, done.stderr
    assert "closed through 2021-01-04" in done.stdout
    positions = done.stdout.split("Lots")[0]
    for symbol, quantity in held.items():
        (line,) = [line for line in positions.splitlines() if f"│ {symbol} " in line]
        assert f" {quantity} " in line
    for heading in ("Cash", "Profit and loss of 2021-01-04", "Orders of 2021-01-04"):
        assert heading in done.stdout
    # The million that came in, before the first session: to the cent, as every amount.
    result = done.stdout.split("Profit and loss of 2021-01-04")[1].split("Realized")[0]
    shown = dict(re.findall(r"│ ([a-z ]+?) +│ +(\S+) │", result))
    assert (shown["opening equity"], shown["flows"]) == ("0.00", "1000000.00")
    assert all(re.fullmatch(r"-?\d+\.\d\d", amount) for amount in shown.values()), shown


def test_show_knows_only_what_was_recorded_by_then(home: Home) -> None:
    path = home.data / "portfolios" / "sample.yaml"
    path.write_text(path.read_text().replace("cash_buffer: 0.02", "cash_buffer: 0.05"))
    reported = home.run("book", "show", *SAMPLE, "--session", "2021-01-06").stdout
    moment = dt.datetime.now(dt.UTC).isoformat()
    assert home.run("run", *SAMPLE, *DAYS).returncode == 0
    now = home.run("book", "show", *SAMPLE, "--session", "2021-01-06").stdout
    then = home.run("book", "show", *SAMPLE, "--session", "2021-01-06", "--known-at", moment).stdout
    assert then == reported
    assert now != reported
    events = home.run("book", "show", *SAMPLE, "--events", "--session", "2021-01-05").stdout
    assert "superseded" in events
    assert "session_closed" in events
    before = home.run(
        "book", "show", *SAMPLE, "--events", "--session", "2021-01-05", "--known-at", moment
    ).stdout
    assert "superseded" not in before


@pytest.mark.parametrize("moment", ["yesterday", "2021-01-05"])
def test_a_moment_that_is_none_is_a_usage_error(run_home: Home, moment: str) -> None:
    done = run_home.run("book", "show", *SAMPLE, "--known-at", moment)
    assert done.returncode == 2
    assert "is not a moment; write it as" in done.stderr


# export and import


def test_the_journal_balances_and_adds_up_to_the_cash_of_the_book(run_home: Home) -> None:
    done = run_home.run("book", "export", *SAMPLE, "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    balances: dict[str, Decimal] = {}
    for row in rows:
        balances[row["sequence"]] = balances.get(row["sequence"], Decimal(0)) + Decimal(
            row["amount"]
        )
    assert set(balances.values()) == {Decimal(0)}
    cash = sum(Decimal(row["amount"]) for row in rows if row["account"] == "cash")
    table = run_home.state / "lake/sample/pnl_daily/session=2021-01-06/data.parquet"
    assert cash == pq.ParquetFile(table).read().column("cash").to_pylist()[0]


def test_an_exported_book_goes_into_an_empty_one_and_is_the_same(
    run_home: Home, tmp_path: Path
) -> None:
    lines = exported(run_home, tmp_path / "book.jsonl")
    other = Home(tmp_path / "other")
    done = other.run("book", "import", *SAMPLE, "--from", str(tmp_path / "book.jsonl"))
    assert done.returncode == 0, done.stderr
    assert f"{len(lines)} records taken in" in done.stdout
    assert exported(other, tmp_path / "again.jsonl") == lines
    assert other.run("book", "verify", *SAMPLE).returncode == 0
    again = other.run("book", "import", *SAMPLE, "--from", str(tmp_path / "book.jsonl"))
    assert (again.returncode, "0 records taken in" in again.stdout) == (0, True)


def test_the_rest_of_a_book_goes_into_its_beginning(home: Home, tmp_path: Path) -> None:
    lines = exported(home, tmp_path / "book.jsonl")
    beginning, other = tmp_path / "beginning.jsonl", Home(tmp_path / "other")
    beginning.write_text("".join(line + "\n" for line in lines[:25]))
    assert other.run("book", "import", *SAMPLE, "--from", str(beginning)).returncode == 0
    done = other.run("book", "import", *SAMPLE, "--from", str(tmp_path / "book.jsonl"))
    assert f"{len(lines) - 25} records taken in; the book has {len(lines)}" in done.stdout
    # A shorter copy of what is there is no news.
    done = other.run("book", "import", *SAMPLE, "--from", str(beginning))
    assert (done.returncode, "0 records taken in" in done.stdout) == (0, True)


def test_a_lost_book_is_restored_from_its_export_where_its_last_head_is_still_known(
    home: Home, tmp_path: Path
) -> None:
    lines = exported(home, tmp_path / "book.jsonl")
    for path in (home.state / "books").glob("sample.sqlite*"):
        path.unlink()
    lost = home.run("status")
    assert (lost.returncode, "its end was lost" in " ".join(lost.stdout.split())) == (5, True)
    older = tmp_path / "older.jsonl"
    older.write_text("".join(line + "\n" for line in lines[:-1]))
    done = home.run("book", "import", *SAMPLE, "--from", str(older))
    assert done.returncode == 5
    assert f"ends at record {len(lines) - 1}, but record {len(lines)}" in done.stderr
    done = home.run("book", "import", *SAMPLE, "--from", str(tmp_path / "book.jsonl"))
    assert done.returncode == 0, done.stderr
    assert home.run("book", "verify", *SAMPLE).returncode == 0


def test_a_file_that_was_changed_is_refused_with_its_line_and_what_to_do(
    run_home: Home, tmp_path: Path
) -> None:
    lines = exported(run_home, tmp_path / "book.jsonl")
    changed, other = tmp_path / "changed.jsonl", Home(tmp_path / "other")
    lines[0] = lines[0].replace("1000000.00", "2000000.00")
    changed.write_text("".join(line + "\n" for line in lines))
    done = other.run("book", "import", *SAMPLE, "--from", str(changed))
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"error: {changed}, row 1: " in done.stderr
    assert "does not match its hash" in done.stderr
    assert "Export the book again" in done.stderr
    assert "0 records verified" in other.run("book", "verify", *SAMPLE).stdout


def test_an_export_does_not_go_into_another_book(home: Home, tmp_path: Path) -> None:
    exported(home, tmp_path / "book.jsonl")
    other = Home(tmp_path / "other")
    # The same sessions run at another time are another chain.
    assert other.run("run", *SAMPLE, "--session", "2021-01-04").returncode == 0
    head = other.run("status").stdout
    done = other.run("book", "import", *SAMPLE, "--from", str(tmp_path / "book.jsonl"))
    assert done.returncode == 3
    assert "has another record" in done.stderr
    assert "Import into an empty book" in done.stderr
    assert other.run("status").stdout == head


# PostgreSQL


@pytest.fixture
def postgres_home(tmp_path: Path, postgres_url: sa.URL) -> Home:
    address = postgres_url.render_as_string(hide_password=False)
    return Home(tmp_path / "home", TRADING_ASSETS_BOOK_URL=address)


def test_the_daily_cycle_keeps_its_book_on_the_server_that_a_url_names(
    postgres_home: Home, run_home: Home, tmp_path: Path
) -> None:
    home = postgres_home
    assert "0 records" in home.run("book", "verify", *SAMPLE).stdout
    done = home.run("run", *SAMPLE, *DAYS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not book_of(home).exists()
    assert home.run("book", "verify", *SAMPLE, "--files").returncode == 0
    # But for the times of recording, and so the hashes, the same facts as in a file.
    there = [json.loads(line)["event"] for line in exported(home, tmp_path / "server.jsonl")]
    here = [json.loads(line)["event"] for line in exported(run_home, tmp_path / "file.jsonl")]
    assert there == here
    # And a book moves from one to the other.
    file = Home(tmp_path / "file")
    moved = file.run("book", "import", *SAMPLE, "--from", str(tmp_path / "server.jsonl"))
    assert moved.returncode == 0, moved.stderr
    assert exported(file, tmp_path / "moved.jsonl") == exported(home, tmp_path / "again.jsonl")


def test_no_password_is_in_what_a_server_that_is_not_there_makes_a_command_say(
    tmp_path: Path,
) -> None:
    address = "postgresql+psycopg://keeper:s3cret@127.0.0.1:1/books"
    home = Home(tmp_path, TRADING_ASSETS_BOOK_URL=address)
    for command in (("status",), ("run", *SAMPLE, "--session", "2021-01-04")):
        done = home.run(*command)
        assert done.returncode == 5, done.stdout + done.stderr
        said = done.stdout + done.stderr
        assert "postgresql://127.0.0.1:1/books" in said
        assert "Check that the server runs" in said
        assert "s3cret" not in said
    for path in home.state.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path


def test_an_address_that_is_none_is_refused_without_being_shown(tmp_path: Path) -> None:
    home = Home(tmp_path, TRADING_ASSETS_BOOK_URL="mysql://keeper:s3cret@host/books")
    done = home.run("status")
    assert done.returncode == 3
    assert "TRADING_ASSETS_BOOK_URL is not the address of a PostgreSQL database" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
