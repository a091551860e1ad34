"""Credentials, the rate limit and the log of requests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
import requests
from alpaca.trading.client import TradingClient

from assets_tests.alpaca.clients import Trader, refusal
from assets_tests.alpaca.faults import Fault
from assets_tests.alpaca.gateway import RateLimit
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca


@pytest.fixture
def limited() -> Iterator[tuple[AlpacaStandIn, list[float]]]:
    """Three requests a minute, by a clock that the test moves."""
    now = [1_000_000.5]
    with running_alpaca(rate_limit=RateLimit(3, now=lambda: now[0])) as running:
        yield running, now


def raw(alpaca: AlpacaStandIn, path: str = "/v2/clock") -> requests.Response:
    """A request whose headers can be seen."""
    headers = {"APCA-API-KEY-ID": alpaca.api_key, "APCA-API-SECRET-KEY": alpaca.secret_key}
    return requests.get(alpaca.base_url + path, headers=headers, timeout=5)


@pytest.mark.parametrize(("key", "secret"), [("nobody", "standin-secret"), ("PKSTANDIN", "wrong")])
def test_wrong_credentials_are_unauthorised(alpaca: AlpacaStandIn, key: str, secret: str) -> None:
    client = TradingClient(key, secret, url_override=alpaca.base_url)

    assert refusal(client.get_account) == (401, {"message": "unauthorized."})


def test_no_credentials_are_unauthorised(alpaca: AlpacaStandIn) -> None:
    assert requests.get(f"{alpaca.base_url}/v2/account", timeout=5).status_code == 401


def test_a_key_without_permission_is_forbidden(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.gateway.key_forbidden = True

    assert refusal(trader.account) == (403, {"code": 40310000, "message": "forbidden."})


def test_the_rate_limit_answers_429_and_says_when_it_ends(
    limited: tuple[AlpacaStandIn, list[float]],
) -> None:
    alpaca, now = limited
    answers = [raw(alpaca) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    remaining = [answer.headers["X-RateLimit-Remaining"] for answer in answers]
    assert remaining == ["2", "1", "0", "0"]
    assert answers[3].json()["message"] == "rate limit exceeded"
    # The window began at 1,000,000.5 and lasts 60 s.
    assert answers[3].headers["Retry-After"] == "60"
    assert answers[3].headers["X-RateLimit-Reset"] == "1000061"

    now[0] += 59.9
    assert raw(alpaca).status_code == 429
    now[0] += 0.1
    assert raw(alpaca).status_code == 200


def test_a_refused_request_does_nothing(limited: tuple[AlpacaStandIn, list[float]]) -> None:
    alpaca, _ = limited
    alpaca.account.list_asset("AAPL", "190")
    trader = Trader(alpaca)
    for name in "abc":
        trader.ask("AAPL", "buy", "1", client_order_id=name)

    status, body = refusal(lambda: trader.ask("AAPL", "buy", "1", client_order_id="d"))

    assert (status, body["code"]) == (429, 42910000)
    assert "d" not in alpaca.account.by_client_id


def test_every_request_is_logged_with_its_answer(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.faults.add(Fault("status", stage="after"))
    refusal(lambda: trader.ask("AAPL", "buy", "1", client_order_id="a"))
    refusal(lambda: trader.ask("AAPL", "buy", "1", client_order_id="a"))
    trader.order("a")

    log = [(record.method, record.path, record.status) for record in alpaca.requests]
    assert log == [
        ("POST", "/v2/orders", 504),
        ("POST", "/v2/orders", 422),
        ("GET", "/v2/orders:by_client_order_id", 200),
    ]
    assert [record.client_order_id for record in alpaca.requests] == ["a", "a", "a"]
    assert len(alpaca.posts("a")) == 2
    assert alpaca.requests[0].fault is not None


def test_a_body_that_is_no_json_is_refused(alpaca: AlpacaStandIn) -> None:
    headers = {"APCA-API-KEY-ID": alpaca.api_key, "APCA-API-SECRET-KEY": alpaca.secret_key}
    answer = requests.post(f"{alpaca.base_url}/v2/orders", data="{", headers=headers, timeout=5)

    assert (answer.status_code, answer.json()["code"]) == (400, 40010001)


def test_a_stand_in_can_be_started_again_and_again() -> None:
    ports = set()
    for number in count():
        with running_alpaca() as alpaca:
            assert raw(alpaca).status_code == 200
            ports.add(alpaca.port)
        if number == 4:
            break
    with pytest.raises(requests.ConnectionError):
        raw(alpaca)
