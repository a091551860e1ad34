"""The dashboard in a real browser, on a desk and on a phone, without the internet.

UI_SCREENSHOTS=<folder> keeps the pictures there.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from assets_tests.assets.graph_home import END, PORTFOLIO, GraphHome
from assets_tests.ui.browser_test import CHROMIUM, OFFLINE
from trading_assets.dashboard import FILE_NAME

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("ui")]

SCREENS = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> GraphHome:
    sessions = {"start": dt.date(2024, 1, 26), "end": END}
    home = GraphHome(tmp_path_factory.mktemp("home"), sessions=sessions)
    assert home.run("2024-01-26", "2024-01-31").success
    return home


@pytest.fixture(scope="module")
def address(home: GraphHome) -> Iterator[str]:
    """`trading_assets dashboard` as a person starts it, on a free port."""
    environment = os.environ | {
        "TRADING_ASSETS_DATA": str(home.places.data),
        "TRADING_ASSETS_STATE": str(home.places.state),
    }
    command = Path(sys.executable).with_name("trading_assets")
    with subprocess.Popen(
        [command, "dashboard", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        found = re.match(r"(http://127\.0\.0\.1:\d+)", server.stdout.readline())
        assert found is not None
        yield found[1]
        server.terminate()


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    """Started after the run of the graph: the two would share an event loop."""
    assert address
    executable = CHROMIUM if CHROMIUM.exists() else shutil.which("chromium")
    if executable is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=list(OFFLINE))
        yield found
        found.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("UI_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def opened(browser: Browser, address: str, screen: str) -> tuple[Page, list[str], list[str]]:
    """The page, what the browser complained of, and every address that it asked for."""
    size = SCREENS[screen]
    page = browser.new_page(viewport={"width": size["width"], "height": size["height"]})
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    return page, complaints, [url for url in asked if not url.startswith("data:")]


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_is_whole_fits_the_screen_and_asks_nobody_else(
    browser: Browser, address: str, pictures: Path, screen: str
) -> None:
    page, complaints, asked = opened(browser, f"{address}/", screen)
    assert complaints == []
    assert asked == [f"{address}/"]
    for heading in (
        "Growth of 100",
        "Drawdown",
        "Health",
        "Last reconciliation",
        "Signal against holdings, session 2024-02-01",
        "Positions",
        "Slippage of the month",
        "Annotations of the month's trades",
    ):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == SCREENS[screen]["width"]
    page.screenshot(path=pictures / f"dashboard_{screen}.png", full_page=True)
    page.close()


@pytest.mark.parametrize("screen", SCREENS)
def test_charts_are_drawn_without_the_internet_each_for_its_screen(
    browser: Browser, address: str, screen: str
) -> None:
    page, _, _ = opened(browser, f"{address}/", screen)
    charts = page.locator("img:visible")
    expect(charts).to_have_count(2)
    for chart in charts.all():
        assert chart.evaluate("image => image.complete && image.naturalWidth") > 300
        box = chart.bounding_box()
        assert box is not None
        # Drawn about as large as it is shown, so that its words can be read.
        assert 0.75 < box["width"] / chart.evaluate("image => image.naturalWidth") < 1.3
    page.close()


def test_figures_on_a_phone_are_not_cut(browser: Browser, address: str) -> None:
    """Columns that find no room are left out; what is shown is shown whole."""
    page, _, _ = opened(browser, f"{address}/", "phone")
    expect(page.get_by_role("columnheader", name="Weight")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Quantity")).to_be_hidden()
    cut = page.evaluate(
        "[...document.querySelectorAll('td,dd')].filter("
        "one => one.offsetParent && one.scrollWidth > one.clientWidth + 1).length"
    )
    assert cut == 0
    page.close()


def test_the_file_that_the_graph_writes_is_the_same_page(browser: Browser, home: GraphHome) -> None:
    path = home.places.reports / PORTFOLIO / FILE_NAME
    page, complaints, asked = opened(browser, path.as_uri(), "desk")
    assert complaints == []
    assert asked == [path.as_uri()]
    expect(page.get_by_role("heading", name="Alpha")).to_be_visible()
    assert page.locator("img:visible").count() == 2
    page.close()
