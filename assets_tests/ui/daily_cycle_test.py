"""The daily cycle driven from outside, over the web page's own GraphQL."""

from __future__ import annotations

import datetime as dt

import pytest

from assets_tests.ui.running_ui import RunningUi, days, wait_for
from trading_assets.automation import DAILY_ASSETS
from trading_assets.calendar import TradingCalendar
from trading_assets.event_log.store import open_event_log
from trading_assets.settings import load_portfolio

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("ui")]

PORTFOLIO = "sample"
CYCLE = f"{PORTFOLIO}__daily_cycle"
MONTH_END = f"{PORTFOLIO}__month_end"
FIRST = "2021-01-04"
OUT_OF_ORDER = "2021-03-01"
SENSOR_SECONDS = 90.0
CHECKS = {
    ("consolidated_targets", "weights_keep_constraints"),
    ("prices", "prices_are_complete_and_fresh"),
    ("order_plan", "opening_book_equals_broker"),
    ("order_plan", "orders_may_be_sent"),
    ("execution_log", "each_order_sent_once_and_done"),
    ("positions_eod", "lots_and_cash_balance"),
    ("reconciliation", "unexplained_is_zero"),
    ("reconciliation", "book_equals_broker"),
    ("pnl_daily", "equity_change_is_explained"),
    ("strategy_pnl", "strategies_add_up_to_the_account"),
    ("risk_snapshot", "exposure_adds_up_to_equity"),
}


@pytest.fixture(scope="module")
def january(ui: RunningUi) -> list[str]:
    """The sessions of January 2021."""
    settings = load_portfolio(ui.places.portfolios / f"{PORTFOLIO}.yaml")
    return days(
        TradingCalendar(settings.sessions).between(dt.date(2021, 1, 1), dt.date(2021, 1, 31))
    )


@pytest.fixture(scope="module")
def first_session(ui: RunningUi) -> None:
    """The first session is run by itself."""
    ui.run(CYCLE, FIRST)


@pytest.fixture(scope="module")
def january_closed(ui: RunningUi, first_session: None, january: list[str]) -> str:  # noqa: ARG001
    """The rest of January is backfilled; the backfill's id."""
    backfill = ui.backfill([(PORTFOLIO, asset) for asset in DAILY_ASSETS], january[1:])
    assert ui.backfill_finished(backfill) == "COMPLETED_SUCCESS"
    return backfill


def book_head(ui: RunningUi) -> tuple[int, str]:
    log = open_event_log(ui.places.books, PORTFOLIO)
    try:
        return log.head()
    finally:
        log.close()


def assert_every_check_passed(ui: RunningUi, session: str) -> None:
    for asset, check in CHECKS:
        results = ui.check_results((PORTFOLIO, asset), check, session)
        assert results, f"{check} of {asset} has no result for {session}"
        assert results[0]["status"] == "SUCCEEDED", (session, asset, check, results[0])


def test_webserver_listens_on_this_machine_only(ui: RunningUi) -> None:
    assert ui.listening_addresses() == {("127.0.0.1", ui.port)}


@pytest.mark.usefixtures("first_session")
def test_one_session_materialises_and_shows_each_check_with_its_session(
    ui: RunningUi, january: list[str]
) -> None:
    for asset in DAILY_ASSETS:
        assert list(ui.materialized((PORTFOLIO, asset), january[:1])) == [FIRST]
    assert_every_check_passed(ui, FIRST)
    result = ui.check_results((PORTFOLIO, "reconciliation"), "unexplained_is_zero", FIRST)[0]
    texts = {entry["label"]: entry["text"] for entry in result["evaluation"]["metadataEntries"]}
    assert texts["actual"] == "0 unexplained"


def test_backfill_of_a_month_is_one_run_in_which_every_session_passes_every_check(
    ui: RunningUi, january_closed: str, january: list[str]
) -> None:
    for asset in DAILY_ASSETS:
        assert sorted(ui.materialized((PORTFOLIO, asset), january)) == january
    for session in january[1:]:
        assert_every_check_passed(ui, session)
    runs = ui.ask(
        """query($filter: RunsFilter!) {runsOrError(filter: $filter) {... on Runs {
             results {status}}}}""",
        filter={"tags": [{"key": "dagster/backfill", "value": january_closed}]},
    )["runsOrError"]["results"]
    assert [run["status"] for run in runs] == ["SUCCESS"]


@pytest.mark.usefixtures("january_closed")
def test_sensor_makes_the_report_of_a_month_whose_sessions_are_closed(
    ui: RunningUi,
) -> None:
    def requested() -> str | None:
        runs = ui.runs(MONTH_END)
        return runs[0]["runId"] if runs else None

    run_id = wait_for(requested, SENSOR_SECONDS, ui.log_tail)
    assert ui.finished(run_id) == "SUCCESS", ui.failures(run_id)
    tags = {tag["key"]: tag["value"] for tag in ui.runs(MONTH_END)[0]["tags"]}
    assert tags["dagster/partition"] == "2021-01-01"
    assert tags["dagster/sensor_name"] == f"{PORTFOLIO}__month_closed"
    pdf = ui.places.reports / PORTFOLIO / f"{PORTFOLIO}_2021-01.pdf"
    assert pdf.read_bytes().startswith(b"%PDF")


@pytest.mark.usefixtures("january_closed")
def test_session_run_again_leaves_the_book_as_it_was(ui: RunningUi, january: list[str]) -> None:
    before = book_head(ui)
    times = ui.materialized((PORTFOLIO, "positions_eod"), january[1:2])[january[1]]
    ui.run(CYCLE, january[1])
    assert book_head(ui) == before
    assert ui.materialized((PORTFOLIO, "positions_eod"), january[1:2])[january[1]] == times + 1


@pytest.mark.usefixtures("january_closed")
def test_session_out_of_order_fails_and_names_the_one_to_run_first(
    ui: RunningUi,
) -> None:
    before = book_head(ui)
    run_id = ui.launch(CYCLE, OUT_OF_ORDER)
    assert ui.finished(run_id) == "FAILURE"
    messages = " ".join(ui.failures(run_id))
    assert f"{OUT_OF_ORDER} cannot be planned" in messages
    assert "Materialise 2021-02-01 first" in messages
    assert ui.materialized((PORTFOLIO, "order_plan"), [OUT_OF_ORDER]) == {}
    assert book_head(ui) == before
