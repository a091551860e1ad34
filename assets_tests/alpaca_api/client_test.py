"""Asking Alpaca through alpaca-py when something is wrong on the way: real sockets throughout."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from assets_tests.alpaca_api.raw_server import RawServer, reply, served
from trading_assets.alpaca_api.client import AlpacaAccess, AlpacaApi, Refusal
from trading_assets.alpaca_api.retries import ATTEMPTS
from trading_assets.model.account import Known, Unknown

SECRET = "planted-secret-1b7e"


def api_on(
    server: RawServer,
    timeout_seconds: float = 2.0,
    *,
    key: str = "key",
    paper: bool = True,
    requests_folder: Path | None = None,
) -> AlpacaApi:
    access = AlpacaAccess(
        key=SecretStr(key), secret=SecretStr(SECRET), paper=paper, trading_url=server.url
    )
    return AlpacaApi(
        access, 10_000, timeout_seconds, sleep=lambda _: None, requests_folder=requests_folder
    )


def ask(server: RawServer, timeout_seconds: float = 2.0) -> Any:
    """What becomes of one POST."""
    api = api_on(server, timeout_seconds)
    client = api.trading()
    return api.ask("order a", lambda: client.post("/orders", {}))


def test_numbers_are_read_as_they_are_spelled() -> None:
    with served(
        reply("200 OK", '{"price": 0.1, "shares": 1e2, "many": 12345678901.123456789}')
    ) as s:
        assert ask(s) == Known(
            {
                "price": Decimal("0.1"),
                "shares": Decimal("1E+2"),
                "many": Decimal("12345678901.123456789"),
            }
        )


@pytest.mark.parametrize("status", ["429 Too Many Requests", "504 Gateway Timeout"])
def test_what_alpaca_py_would_send_again_leaves_once(status: str) -> None:
    with served(reply(status, '{"message": "no"}', headers="Retry-After: 0\r\n")) as server:
        assert isinstance(ask(server), Unknown)
        assert len(server.asked) == 1


def test_a_refusal_in_json_is_the_brokers_word() -> None:
    body = '{"code": 40310000, "message": "insufficient buying power", "reject_reason": "too dear"}'
    with served(reply("403 Forbidden", body)) as server:
        assert ask(server) == Refusal(403, 40310000, "insufficient buying power (too dear)")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        ("404 Not Found", "<html><body>no such page</body></html>", "text/html"),
        ("403 Forbidden", "<html>blocked by a firewall</html>", "text/html"),
        ("403 Forbidden", '{"message": "forbidden."}', "application/json"),
        ("403 Forbidden", '{"code": 40310000, "message": "forbidden."}', "application/json"),
        ("401 Unauthorized", '{"code": 40110000, "message": "x"}', "application/json"),
        ("422 Unprocessable Entity", '["a list"]', "application/json"),
        ("422 Unprocessable Entity", "", "application/json"),
        ("500 Internal Server Error", '{"code": 1, "message": "x"}', "application/json"),
        ("302 Found", "elsewhere", "text/html"),
        ("200 OK", "<html>a page where an answer should be</html>", "text/html"),
        ("200 OK", '{"cash": NaN}', "application/json"),
    ],
)
def test_what_is_not_the_brokers_word_is_unknown(status: str, body: str, kind: str) -> None:
    with served(reply(status, body, kind)) as server:
        found = ask(server)
    assert isinstance(found, Unknown)
    assert found.reason.startswith("order a: ")


def test_a_server_that_says_nothing_is_given_up() -> None:
    with served(lambda _: time.sleep(3)) as server:
        started = time.monotonic()
        assert ask(server, 0.3) == Unknown("order a: no answer within 0.3 s")
        assert time.monotonic() - started < 1.5


def test_a_server_that_trickles_is_given_up_at_the_same_time() -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)

    with served(trickle) as server:
        started = time.monotonic()
        assert ask(server, 0.4) == Unknown("order a: no answer within 0.4 s")
        assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id": "1',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nhalf of it",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk"],
)
def test_a_connection_that_ends_too_soon_is_unknown(part: bytes) -> None:
    with served(part) as server:
        assert isinstance(ask(server), Unknown)
        assert len(server.asked) == 1


def test_nobody_there_is_unknown() -> None:
    with served(b"") as server:
        server.close()
        assert isinstance(ask(server), Unknown)


def test_a_read_is_asked_again_and_an_order_never() -> None:
    answers = iter([reply("502 Bad Gateway", "<html>")] * 2 + [reply("200 OK", '{"a": 1}')])
    with served(lambda connection: connection.sendall(next(answers))) as server:
        api = api_on(server)
        client = api.trading()
        assert api.read("account", lambda: client.get("/account")) == Known({"a": 1})
        assert api.statistics().retries == 2
        assert api.statistics().errors == {"502": 2}


def test_a_read_that_is_never_answered_ends() -> None:
    with served(reply("502 Bad Gateway", "<html>")) as server:
        api = api_on(server)
        client = api.trading()
        assert isinstance(api.read("account", lambda: client.get("/account")), Unknown)
        assert len(server.asked) == ATTEMPTS


def test_a_refused_read_is_not_asked_again() -> None:
    with served(reply("404 Not Found", '{"code": 40410000, "message": "no"}')) as server:
        api = api_on(server)
        client = api.trading()
        assert api.read("order", lambda: client.get("/orders/1")) == Refusal(404, 40410000, "no")
        assert len(server.asked) == 1


def test_too_many_requests_hold_the_next_one_back_as_long_as_the_broker_says() -> None:
    answers = iter(
        [reply("429 Too Many Requests", "{}", headers="Retry-After: 1\r\n"), reply("200 OK", "{}")]
    )
    with served(lambda connection: connection.sendall(next(answers))) as server:
        api = api_on(server)
        client = api.trading()
        assert isinstance(api.ask("one", lambda: client.get("/clock")), Unknown)
        started = time.monotonic()
        assert api.ask("two", lambda: client.get("/clock")) == Known({})
        assert 0.9 < time.monotonic() - started < 2
        assert api.statistics().rate_limit_waits == 1


def test_an_answer_that_repeats_the_secret_does_not_get_it_shown() -> None:
    for status in ("422 Unprocessable Entity", "502 Bad Gateway"):
        body = json.dumps({"code": 1, "message": f"you sent {SECRET} and key"})
        with served(reply(status, body)) as server:
            found = ask(server)
        assert SECRET not in repr(found)
        assert "you sent ***" in repr(found)


def test_a_key_is_counted_in_one_place_whether_it_is_asked_as_paper_or_live(tmp_path: Path) -> None:
    """Prices for a backtest are asked for as paper with the key of the live account."""
    with served(reply("200 OK", "{}")) as server:
        one, other = (
            api_on(server, paper=paper, requests_folder=tmp_path) for paper in (True, False)
        )
        another_key = api_on(server, key="another", requests_folder=tmp_path)
        for api in (one, other, one, another_key):
            client = api.trading()
            assert api.ask("clock", partial(client.get, "/clock")) == Known({})
    counted = [len(json.loads(file.read_text())["moments"]) for file in tmp_path.glob("*.json")]
    assert Counter(counted) == Counter([3, 1])
    # What is locked for an account is still another's.
    assert one.access.fingerprint != other.access.fingerprint


def test_where_requests_cannot_be_counted_together_they_are_still_asked(tmp_path: Path) -> None:
    folder = tmp_path / "api_requests"
    folder.write_text("not a folder")
    with served(reply("200 OK", "{}")) as server:
        api = api_on(server, requests_folder=folder)
        client = api.trading()
        assert api.ask("order a", lambda: client.post("/orders", {})) == Known({})
