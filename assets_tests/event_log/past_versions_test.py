"""A book begun by an earlier release goes on: records of two versions side by side.

`book_of_version_1.json` is the book that release 0.1.0 wrote for two sessions of the small
portfolio (assets_tests/execution/small_portfolio.py), row by row as it was stored: Monday buys 50
AAA at 100, Tuesday sells them and buys 100 BBB at 50, of 10,000 paid in. Its closes are of
version 1, and a weight in its plan is spelled 1E-7.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assets_tests.execution.small_portfolio import MONDAY, TUESDAY, WEDNESDAY, portfolio_settings
from trading_assets.errors import BookCorruptError
from trading_assets.event_log.chain import Row, record_hash
from trading_assets.event_log.store import EventLog, open_event_log
from trading_assets.event_log.tables import EVENTS
from trading_assets.execution.book import Book, read_closed_sessions
from trading_assets.model.events import (
    AnyEvent,
    BrokerStatement,
    Mark,
    NewEvent,
    SessionClosed,
)
from trading_assets.model.order_events import SessionPlanned

CLOSE = dt.datetime(2024, 3, 6, 21, tzinfo=dt.UTC)
ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "book_of_version_1.json").read_text()
)


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    log = open_event_log(tmp_path, "small")
    with log.database.writing("small") as connection:
        connection.execute(EVENTS.insert(), ROWS)
        connection.commit()
    log.close()
    return open_event_log(tmp_path, "small")


def fact(key: str, event: AnyEvent) -> NewEvent:
    return NewEvent(key=key, session=WEDNESDAY, occurred_at=CLOSE, source="test", event=event)


def wednesday(book: Book) -> None:
    """A session without a trade, in which BBB rises from 50 to 51."""
    planned = read_closed_plan(book)
    book.record([fact("plan", planned)])
    closed = SessionClosed(
        marks={"BBB": Mark(price=Decimal(51), session=WEDNESDAY, source="by hand")},
        cash=Decimal("5000.00"),
        market_value=Decimal("5100.00"),
        equity=Decimal("10100.00"),
        statement=BrokerStatement(
            account_number="SIM-small-0042",
            positions={"BBB": Decimal(100)},
            cash=Decimal("5000.00"),
            cash_balances={"USD": Decimal("5000.00")},
        ),
        cash_balances={"USD": Decimal("5000.00")},
        fx_rates={},
        accruals=Decimal(0),
    )
    book.record([fact("close", closed)])


def read_closed_plan(book: Book) -> SessionPlanned:
    plans = [record.event for record in book.log.records(event_types=["session_planned"])]
    assert isinstance(plans[-1], SessionPlanned)
    return plans[-1]


def test_the_chain_of_a_book_of_version_1_holds_over_the_bytes_that_were_stored(
    log: EventLog,
) -> None:
    assert log.verify() == len(ROWS) == 17
    assert log.head() == (17, ROWS[-1]["hash"])


def test_a_close_of_version_1_is_read_as_one_of_one_currency(log: EventLog) -> None:
    closes = list(log.records(event_types=["session_closed"]))
    assert [record.version for record in closes] == [1, 1]
    monday, tuesday = (record.event for record in closes)
    assert isinstance(monday, SessionClosed)
    assert isinstance(tuesday, SessionClosed)
    assert [monday.cash, monday.market_value, monday.equity] == list(
        map(Decimal, (5000, 5000, 10000))
    )
    assert monday.marks["AAA"] == Mark(price=Decimal(100), session=MONDAY, source="by hand")
    assert tuesday.statement.positions == {"BBB": Decimal(100)}
    # What version 1 did not state is unknown, not zero; there was nothing to convert or accrue.
    assert tuesday.cash_balances is None
    assert tuesday.statement.cash_balances is None
    assert tuesday.fx_rates == {}
    assert tuesday.accruals == 0


def test_a_plan_whose_weights_have_exponents_is_read_with_its_exact_weights(log: EventLog) -> None:
    assert '"target_weight":"1E-7"' in ROWS[1]["payload"]
    planned = next(iter(log.records(event_types=["session_planned"]))).event
    assert isinstance(planned, SessionPlanned)
    assert [line.target_weight for line in planned.plan.lines] == [
        Decimal("0.5"),
        Decimal("0.0000001"),
    ]


def test_a_book_begun_in_version_1_goes_on_in_version_2_and_folds_as_one(log: EventLog) -> None:
    settings = portfolio_settings()
    book = Book(log, settings)
    assert book.closed_through == TUESDAY
    assert book.positions == {"BBB": Decimal(100)}
    assert book.cash == Decimal(5000)
    wednesday(book)
    log.close()
    versions = [record.version for record in log.records(event_types=["session_closed"])]
    assert versions == [1, 1, 2]
    assert log.verify() == 19
    sessions = list(read_closed_sessions(log, settings))
    assert [closed.session for closed in sessions] == [MONDAY, TUESDAY, WEDNESDAY]
    assert [closed.close.equity for closed in sessions] == [10000, 10000, 10100]


def test_a_close_of_version_1_that_states_what_only_version_2_knows_is_corrupt(
    log: EventLog,
) -> None:
    payload = ROWS[-1]["payload"].replace('{"benchmark"', '{"accruals":"0","benchmark"')
    assert payload != ROWS[-1]["payload"]
    with log.database.writing("small") as connection:
        row = Row(**ROWS[-1])._replace(payload=payload)
        changes = {"payload": payload, "hash": record_hash(row)}
        connection.execute(EVENTS.update().where(EVENTS.c.sequence == 17).values(changes))
        connection.commit()
    with pytest.raises(BookCorruptError, match=r"record 17 .*session_closed version 1, accruals"):
        list(log.records())
