"""`trading_assets trades` and `settle-order`, on books that a gateway's sessions left."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets_tests.execution.gateway_desk import MONDAY, MORNING, GatewayDesk
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.faults import OPEN_ORDERS, PLACE_ORDER, Fault
from assets_tests.ibkr.flex import FlexStandIn, running_flex
from assets_tests.ibkr.funds import SXLE, SXLK
from assets_tests.ibkr.server import GatewayStandIn, running_gateway
from trading_assets.cli import main
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.session import SessionStatus
from trading_assets.settings import PortfolioSettings

OPEN = dt.time(9, 0)


class Office:
    """A data folder with one portfolio, its gateway, and the command line."""

    def __init__(self, folder: Path, gateway: GatewayStandIn, flex: FlexStandIn) -> None:
        self.folder, self.gateway, self.flex = folder, gateway, flex
        self.account = gateway.account

    def desk(self, **execution: object) -> GatewayDesk:
        books = self.folder / "state" / "books"
        books.mkdir(parents=True)
        desk = GatewayDesk(books, self.gateway, self.flex, **execution)
        _write(self.folder / "portfolios" / "small.yaml", desk.settings)
        return desk

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--portfolio", "small"])


def _write(path: Path, settings: PortfolioSettings) -> None:
    path.parent.mkdir()
    content = json.loads(settings.model_dump_json(exclude_unset=True))
    # JSON is YAML.
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    account = GatewayAccount()
    account.market.add(SXLK, "62.50")
    account.market.add(SXLE, "40.00")
    monkeypatch.setenv("TRADING_ASSETS_DATA", str(tmp_path))
    monkeypatch.setenv("TRADING_ASSETS_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("TRADING_ASSETS_IBKR_ACCOUNT", raising=False)
    with running_gateway(account) as gateway, running_flex(account) as flex:
        monkeypatch.setenv("TRADING_ASSETS_IBKR_FLEX_TOKEN", flex.token)
        monkeypatch.setenv("TRADING_ASSETS_IBKR_FLEX_URL", flex.url)
        yield Office(tmp_path, gateway, flex)


def test_the_trade_list_is_shown_and_written_before_anything_is_traded(office: Office) -> None:
    office.desk(placement="manual").run(MONDAY, MORNING)
    shown = office.call("trades", "--session", "2024-06-03", "--to", str(office.folder / "out"))
    assert shown.exit_code == 0, shown.output
    (file,) = (office.folder / "out").rglob("trade_list.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [
        (row["symbol"], row["side"], row["qty"], row["notional"], row["status"]) for row in rows
    ] == [
        ("SXLE.L", "buy", "500", "20000", "open"),
        ("SXLK.L", "buy", "640", "40000", "open"),
    ]


def test_an_unplanned_trade_is_asked_about_until_an_annotation_answers(office: Office) -> None:
    desk = office.desk(placement="manual")
    desk.run(MONDAY, MORNING)
    office.account.place_by_hand("SXLK", "BUY", "700")
    desk.closed(MONDAY)
    asked = office.call("trades", "--session", "2024-06-03")
    assert asked.exit_code == 1
    assert "more_than_planned: buy 60 SXLK.L at 62.5 USD" in asked.output
    (trade,) = [
        line.split()[-1] for line in asked.output.splitlines() if line.startswith("  answer:")
    ]
    answered = office.call(
        *("annotations", "post-trade", "--trade", trade, "--outcome", "bought too much"),
        *("--missed-expectation", "--lesson", "read the list", "--author", "me"),
    )
    assert answered.exit_code == 0, answered.output
    assert office.call("trades", "--session", "2024-06-03").exit_code == 0


def test_a_session_that_is_not_planned_has_no_list(office: Office) -> None:
    office.desk(placement="manual")
    refused = office.call("trades", "--session", "2024-06-03")
    assert refused.exit_code == 4
    assert "is not planned yet" in refused.output


def in_doubt(office: Office) -> GatewayDesk:
    """An order that left and never arrived."""
    desk = office.desk(wait_seconds=0)
    office.gateway.faults.add(Fault("drop", PLACE_ORDER, "before"))
    with pytest.raises(BrokerUnknownError):
        desk.run(MONDAY, OPEN)
    return desk


def doubtful(desk: GatewayDesk) -> str:
    outcome = desk.run(MONDAY, OPEN)
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "OUTCOME_UNKNOWN")
    assert "settle-order" in outcome.block_message
    (name,) = [word for word in outcome.block_message.split() if word.startswith("small_")]
    return name


def test_an_order_that_a_person_saw_was_never_placed_is_settled_and_the_rest_is_sent(
    office: Office,
) -> None:
    desk = in_doubt(office)
    name = doubtful(desk)
    settled = office.call("settle-order", "--order", name, "--reason", "not in TWS")
    assert settled.exit_code == 0, settled.output
    assert "is recorded as not sent" in settled.output
    assert desk.run(MONDAY, OPEN).status is SessionStatus.WORKING
    assert office.gateway.placed(name) == 1
    assert [each.quantity for each in office.account.orders] == [Decimal(640)]


def test_an_order_that_is_there_after_all_is_not_settled_but_adopted(office: Office) -> None:
    desk = in_doubt(office)
    name = doubtful(desk)
    office.account.place_by_hand("SXLE", "BUY", "500", order_ref=name)
    found = office.call("settle-order", "--order", name, "--reason", "not in TWS")
    assert found.exit_code == 0, found.output
    assert "is at the broker" in found.output
    assert desk.run(MONDAY, OPEN).status is SessionStatus.WORKING
    assert office.account.quantity("SXLE") == 500


def test_nothing_is_settled_while_the_broker_cannot_say(office: Office) -> None:
    desk = in_doubt(office)
    name = doubtful(desk)
    office.gateway.faults.add(Fault("drop", OPEN_ORDERS, times=99))
    refused = office.call("settle-order", "--order", name, "--reason", "not in TWS")
    assert refused.exit_code == 5
    office.gateway.faults.scripted.clear()
    assert doubtful(desk) == name


def test_an_order_that_nobody_doubts_cannot_be_settled(office: Office) -> None:
    desk = office.desk(wait_seconds=0)
    desk.run(MONDAY, OPEN)
    name = office.account.orders[0].order_ref
    refused = office.call("settle-order", "--order", name, "--reason", "I think so")
    assert refused.exit_code == 3
    assert "nothing is in doubt" in refused.output
