"""What a person does in the UI, in a real browser.

UI_SCREENSHOTS=<folder> keeps the pictures there.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from assets_tests.ui.running_ui import RunningUi

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("ui")]

CHROMIUM = Path("/usr/bin/chromium")
OFFLINE = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PORTFOLIO = "minvar"
FIRST = "2021-01-04"
PAGE_MILLISECONDS = 30_000
RUN_MILLISECONDS = 90_000


class Visitor:
    """A browser's page on the UI, and the folder for its pictures."""

    def __init__(self, page: Page, ui: RunningUi, pictures: Path) -> None:
        self.page = page
        self.ui = ui
        self.pictures = pictures

    def visit(self, path: str) -> None:
        self.page.goto(f"{self.ui.url}{path}")

    def sees(self, text: str | re.Pattern[str], milliseconds: int = PAGE_MILLISECONDS) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=milliseconds)

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self.pictures / f"{name}.png")


@pytest.fixture(scope="module")
def visitor(ui: RunningUi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    executable = CHROMIUM if CHROMIUM.exists() else shutil.which("chromium")
    if executable is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    pictures = Path(os.environ.get("UI_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(OFFLINE))
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(PAGE_MILLISECONDS)
        yield Visitor(page, ui, pictures)
        browser.close()


@pytest.fixture(scope="module")
def session_run(visitor: Visitor) -> str:
    """The first session of the portfolio, materialised by clicking; the run's page."""
    page = visitor.page
    visitor.visit(f"/locations/trading_assets/jobs/{PORTFOLIO}__daily_cycle")
    page.get_by_role("button", name="Materialize all").click()
    visitor.sees("Launch runs to materialize 12 assets")
    page.get_by_placeholder("ex:").fill(FIRST)
    page.keyboard.press("Tab")
    visitor.sees("1 partition")
    visitor.picture("materialize_dialog")
    page.get_by_role("button", name="Launch 1 run").click()
    visitor.sees("Launched run")
    page.get_by_text("View", exact=True).click()
    page.wait_for_url("**/runs/**")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_MILLISECONDS)
    # The page was opened before the run began: its events arrive without a reload.
    visitor.sees("RUN_SUCCESS", RUN_MILLISECONDS)
    visitor.sees("Succeeded (10)", RUN_MILLISECONDS)
    visitor.picture("run")
    return page.url


def test_asset_graph_shows_each_portfolio_by_its_stages(visitor: Visitor) -> None:
    visitor.visit("/asset-groups")
    for portfolio in ("sample", "minvar"):
        for stage in ("targets", "trading", "analytics"):
            visitor.sees(f"{portfolio}_{stage}")
    visitor.picture("asset_graph")


def test_session_materialised_by_hand_succeeds_and_is_in_the_book(
    visitor: Visitor, session_run: str
) -> None:
    run_id = session_run.rstrip("/").rpartition("/")[2].partition("?")[0]
    assert visitor.ui.finished(run_id) == "SUCCESS"
    for asset in ("order_plan", "execution_log", "positions_eod", "reconciliation", "pnl_daily"):
        assert visitor.ui.materialized((PORTFOLIO, asset), [FIRST]) == {FIRST: 1}


@pytest.mark.usefixtures("session_run")
def test_asset_page_shows_figures_rows_and_who_owns_it(visitor: Visitor) -> None:
    visitor.visit(f"/assets/{PORTFOLIO}/order_plan")
    for text in ("orders_planned", "planned_quantity", f"{PORTFOLIO}_trading", "Parquet"):
        visitor.sees(text)
    visitor.sees("portfolio-management")
    visitor.picture("order_plan")


@pytest.mark.usefixtures("session_run")
def test_checks_tab_shows_that_the_session_reconciled(visitor: Visitor) -> None:
    visitor.visit(f"/assets/{PORTFOLIO}/reconciliation?view=checks&checkDetail=unexplained_is_zero")
    visitor.sees("what remains is 0")
    visitor.sees("0 unexplained")
    visitor.sees("Passed")
    visitor.picture("reconciliation_checks")
    visitor.page.get_by_text("Execution history").click()
    visitor.sees(f"{FIRST}: 0 unexplained")
    visitor.picture("reconciliation_check_history")


@pytest.mark.usefixtures("session_run")
def test_picture_of_the_target_weights_is_drawn_in_place(visitor: Visitor) -> None:
    visitor.visit(f"/assets/{PORTFOLIO}/consolidated_targets")
    visitor.page.get_by_text("[Show Markdown]").first.click()
    picture = visitor.page.get_by_role("img", name="target weights")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 300
    visitor.picture("target_weights")
