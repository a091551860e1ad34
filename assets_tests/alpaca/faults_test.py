"""What goes wrong on the way, as alpaca-py (its retries off unless said) meets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError

from assets_tests.alpaca.clients import Trader, data_client, refusal
from assets_tests.alpaca.faults import Fault, SeededFaults
from assets_tests.alpaca.invariants import live_orders, violations
from assets_tests.alpaca.server import AlpacaStandIn

MARKET_BUY = {"symbol": "AAPL", "side": "buy", "qty": "1", "type": "market", "time_in_force": "day"}


def is_known(trader: Trader, client_order_id: str) -> bool:
    """Whether the broker finds the order."""
    try:
        trader.order(client_order_id)
    except APIError as error:
        if error.status_code != 404:
            raise
        return False
    return True


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize(("stage", "accepted"), [("before", False), ("after", True)])
def test_an_error_leaves_open_whether_the_order_was_accepted(
    alpaca: AlpacaStandIn, trader: Trader, status: int, stage: Any, accepted: bool
) -> None:
    alpaca.faults.add(Fault("status", stage=stage, status=status))

    answer = refusal(lambda: trader.ask("AAPL", "buy", "1", client_order_id="a"))

    assert answer[0] == status
    assert is_known(trader, "a") == accepted
    assert trader.quantities() == ({"AAPL": "1"} if accepted else {})


def test_a_proxy_answers_in_html(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.faults.add(Fault("status", status=502, html=True))

    with pytest.raises(APIError, match="<h1>502 Bad Gateway</h1>") as caught:
        trader.ask("AAPL", "buy", "1")

    assert caught.value.status_code == 502
    with pytest.raises(ValueError, match="Expecting value"):
        _ = caught.value.code


@pytest.mark.parametrize(("stage", "accepted"), [("before", False), ("after", True)])
def test_the_socket_is_dropped_before_or_after_accepting(
    alpaca: AlpacaStandIn, trader: Trader, stage: Any, accepted: bool
) -> None:
    alpaca.faults.add(Fault("drop", stage=stage))

    with pytest.raises(requests.ConnectionError):
        trader.ask("AAPL", "buy", "1", client_order_id="a")

    assert is_known(trader, "a") == accepted
    assert [record.status for record in alpaca.posts("a")] == [None]


@pytest.mark.parametrize(("stage", "accepted"), [("before", False), ("after", True)])
def test_a_server_that_hangs_outlasts_the_time_out(
    alpaca: AlpacaStandIn, trader: Trader, stage: Any, accepted: bool
) -> None:
    alpaca.faults.add(Fault("hang", stage=stage))
    headers = {"APCA-API-KEY-ID": alpaca.api_key, "APCA-API-SECRET-KEY": alpaca.secret_key}
    url = f"{alpaca.base_url}/v2/orders"

    with pytest.raises(requests.ReadTimeout):
        requests.post(url, json=MARKET_BUY | {"client_order_id": "a"}, headers=headers, timeout=0.2)

    assert is_known(trader, "a") == accepted


def test_an_accepted_order_may_not_be_found_for_a_while(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    alpaca.faults.add(Fault("status", stage="after", status=504, hidden_reads=2))
    refusal(lambda: trader.ask("AAPL", "buy", "1", client_order_id="a"))

    assert not is_known(trader, "a")
    assert trader.get("/orders", {"status": "all"}) == []
    assert is_known(trader, "a")
    # Sending it again in the meantime would not have helped: the id is taken.
    status, body = refusal(lambda: trader.ask("AAPL", "buy", "1", client_order_id="a"))
    assert (status, body["message"]) == (422, "client_order_id must be unique")


def test_a_fault_strikes_the_request_that_was_named(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.faults.add(Fault("status", "GET", "/v2/account", status=500, nth=2, times=2))

    statuses = []
    for _ in range(4):
        trader.client.get_clock()
        try:
            trader.account()
            statuses.append(200)
        except APIError as error:
            statuses.append(error.status_code or 0)

    assert statuses == [200, 500, 500, 200]


def test_a_refusal_may_be_lost_as_well(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.faults.add(Fault("status", stage="after", status=504))

    status, _ = refusal(lambda: trader.ask("ZZZZ", "buy", "1", client_order_id="a"))

    assert status == 504
    assert not is_known(trader, "a")


def test_activities_may_come_twice(alpaca: AlpacaStandIn, trader: Trader) -> None:
    trader.ask("AAPL", "buy", "1")
    trader.ask("AAPL", "buy", "2")
    alpaca.faults.duplicate_activities = True

    rows = trader.get("/account/activities", {"direction": "asc"})

    assert [row["qty"] for row in rows] == ["1", "1", "2", "2"]
    assert len({row["id"] for row in rows}) == 2


def test_market_data_fails_in_the_same_ways(alpaca: AlpacaStandIn) -> None:
    alpaca.faults.add(Fault("status", "GET", "/v2/stocks/.*", status=500))

    status, _ = refusal(lambda: data_client(alpaca).get("/stocks/trades/latest", {"symbols": "A"}))

    assert status == 500


def test_what_alpaca_py_does_by_itself_after_a_504(alpaca: AlpacaStandIn, trader: Trader) -> None:
    """Its retries make two orders of one without a client id, and an error of one with."""
    trader.client._retry, trader.client._retry_wait = 3, 0
    alpaca.faults.add(Fault("status", stage="after", status=504))
    trader.post(MARKET_BUY)
    assert trader.quantities() == {"AAPL": "2"}
    assert len(violations(alpaca.account)) == 2

    alpaca.faults.add(Fault("status", stage="after", status=504))
    status, body = refusal(lambda: trader.ask("AAPL", "buy", "1", client_order_id="a"))
    assert (status, body["message"]) == (422, "client_order_id must be unique")
    assert [record.status for record in alpaca.posts("a")] == [504, 422]
    assert trader.quantities() == {"AAPL": "3"}

    alpaca.faults.add(Fault("status", stage="before", status=504, times=4))
    assert refusal(lambda: trader.ask("AAPL", "buy", "1", client_order_id="b"))[0] == 504
    assert len(alpaca.posts("b")) == 4


def submit_once(trader: Trader, client_order_id: str) -> None:
    """One id for every attempt; whatever is unknown is looked up before it is sent again."""
    for _ in range(40):
        try:
            trader.ask("AAPL", "buy", "1", client_order_id=client_order_id)
            return
        except (APIError, requests.RequestException):
            if _found(lambda: is_known(trader, client_order_id)):
                return
    raise AssertionError("40 attempts were not enough")


def _found(look_up: Callable[[], bool]) -> bool:
    try:
        return look_up()
    except (APIError, requests.RequestException):
        return False


@pytest.mark.parametrize("seed", range(10))
def test_seeded_faults_can_be_survived(alpaca: AlpacaStandIn, trader: Trader, seed: int) -> None:
    alpaca.faults.seeded = SeededFaults(seed, rate=0.5)

    for number in range(10):
        submit_once(trader, f"intent-{number}")

    alpaca.faults.seeded = None
    assert violations(alpaca.account) == []
    assert len(live_orders(alpaca.account)) == 10
    assert trader.quantities() == {"AAPL": "10"}


def test_the_same_seed_makes_the_same_faults() -> None:
    def drawn(seed: int) -> list[Fault | None]:
        faults = SeededFaults(seed, rate=0.5)
        return [faults.draw("POST", "/v2/orders") for _ in range(50)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert {fault.kind for fault in drawn(7) if fault is not None} == {
        "status",
        "drop",
        "rate_limit",
    }
