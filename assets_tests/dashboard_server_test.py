"""The dashboard's server: one page, to whoever asks for it by this machine's own address."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets_tests.assets.graph_home import PORTFOLIO, GraphHome
from trading_assets.dashboard_server import dashboard_server, live_page
from trading_assets.settings import load_portfolio

PAGE = "<!DOCTYPE html><p>Grüße</p>"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server with a page of its own, on a free port."""
    server = dashboard_server(0, lambda: PAGE)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    thread.join()
    server.server_close()


def asked(
    port: int, method: str = "GET", path: str = "/", host: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), content


def test_the_page_is_given_with_a_policy_that_lets_nothing_in_or_out(port: int) -> None:
    status, headers, content = asked(port)
    assert (status, content.decode()) == (200, PAGE)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "Python" not in headers["Server"]


def test_it_is_bound_to_this_machine_alone() -> None:
    server = dashboard_server(0, lambda: PAGE)
    assert server.server_address[0] == "127.0.0.1"
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_it_answers_to_its_own_names(port: int, host: str) -> None:
    assert asked(port, host=f"{host}:{port}")[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1.evil.example:{port}",
        "localhost.evil.example:{port}",
        "0.0.0.0:{port}",
        "",
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(port: int, host: str) -> None:
    status, _, content = asked(port, host=host.format(port=port))
    assert status == 421
    assert PAGE.encode() not in content


def test_two_hosts_in_one_request_are_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n"
        connection.sendall(request.encode())
        assert b" 421 " in connection.recv(4096).splitlines()[0]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_asked_but_to_look(port: int, method: str) -> None:
    assert asked(port, method)[0] == 501


@pytest.mark.parametrize("path", ["/books", "/../etc/passwd", "//evil.example/", "/favicon.ico"])
def test_there_is_no_other_page(port: int, path: str) -> None:
    assert asked(port, path=path)[0] == 404


def test_a_head_request_has_the_length_and_no_page(port: int) -> None:
    status, headers, content = asked(port, "HEAD", "/?again=1")
    assert (status, content) == (200, b"")
    assert headers["Content-Length"] == str(len(PAGE.encode()))


def test_a_portfolio_that_cannot_be_read_is_named_and_the_others_are_shown(
    tmp_path: Path,
) -> None:
    home = GraphHome(tmp_path)
    home.write_portfolio("other")
    assert home.run("2024-01-02").success
    book = home.places.books / f"{PORTFOLIO}.sqlite"
    for path in home.places.books.glob(f"{PORTFOLIO}.sqlite-*"):
        path.unlink()
    book.write_bytes(b"no database" * 1000)
    names = (PORTFOLIO, "other")
    settings = [load_portfolio(home.places.portfolios / f"{name}.yaml") for name in names]
    page = live_page(home.places, tuple(settings))
    assert f"Alpha ({PORTFOLIO}): " in page
    assert "<h1>Other</h1>" in page
