"""How long 1,000 orders take to plan, and what the product adds to each order that it sends.

    python -m assets_tests.bench.alpaca_orders

Planning is CPU time, best of five. Sending is to the stand-in, which runs in a process of its own,
through alpaca-py and into a book on disk, requests counted in a file as they are where the product
runs. Of each order's time from one request to the next, what passed inside the HTTP session is
taken away, save for the rate limiter without its waiting, which is ours. What is left is intent,
journal, checks, counting and acknowledgement: as it passed, and as CPU time, which does not count
other processes. The median order meets as many requests in the file as a minute may have.
"""

from __future__ import annotations

import datetime as dt
import itertools
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import click
from rich.console import Console

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.gateway import RateLimit
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import access
from assets_tests.portfolio.plan_scenarios import FRACTIONAL, inputs
from trading_assets.alpaca_api.client import AlpacaApi
from trading_assets.alpaca_api.rate_limiter import RateLimiter
from trading_assets.alpaca_api.session import ApiSession
from trading_assets.brokers.alpaca import AlpacaBroker
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.submission import Submitter, order_request
from trading_assets.model.order_events import OrderIntended
from trading_assets.model.plan import OrderPlan
from trading_assets.portfolio.order_rules import ALPACA, AccountTraits
from trading_assets.portfolio.planning import make_plan
from trading_assets.settings import PortfolioSettings

Clocks = complex
"""Seconds as they pass (real part) and of this process's CPU (imaginary part)."""
SESSION = dt.date(2024, 6, 3)
REQUESTS_PER_MINUTE = 200
"""What Alpaca allows an account."""
UNLIMITED = 100_000


def clocks() -> Clocks:
    """Both clocks, now."""
    return complex(time.perf_counter(), time.process_time())


def planned(orders: int, buying_power: str) -> tuple[OrderPlan, float]:
    """A plan of so many orders from as many targets of $10,000,000, and the CPU seconds of the best
    of five."""
    symbols = [f"S{number:04}" for number in range(orders)]
    given = inputs(
        weights={symbol: str(Decimal(1) / orders) for symbol in symbols},
        prices={symbol: str(10 + number % 90) for number, symbol in enumerate(symbols)},
        cash="10000000",
        planning=FRACTIONAL,
        order_rules=ALPACA,
        account=AccountTraits(buying_power=Decimal(buying_power), multiplier=Decimal(2)),
    )
    seconds = []
    for _ in range(5):
        started = time.process_time()
        plan = make_plan(given)
        seconds.append(time.process_time() - started)
    return plan, min(seconds)


@contextmanager
def stand_in(prices: Mapping[str, Decimal]) -> Iterator[AlpacaStandIn]:
    """The stand-in in a process of its own, as far as clients see it."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(prices, theirs))
    process.start()
    seen = AlpacaStandIn(BrokerAccount(), "PKSTANDIN", "standin-secret", RateLimit())
    seen.port = ours.recv()
    seen.trading_url = seen.base_url
    try:
        yield seen
    finally:
        ours.send("stop")
        process.join()


def _serve(prices: Mapping[str, Decimal], connection: Connection) -> None:
    account = BrokerAccount(cash=Decimal(10_000_000), now=new_york("2024-06-03 10:00"))
    for symbol, price in prices.items():
        account.list_asset(symbol, price)
    with running_alpaca(account) as alpaca:
        connection.send(alpaca.port)
        connection.recv()


def sent(plan: OrderPlan, orders: int, folder: Path) -> list[tuple[float, float]]:
    """Milliseconds that the product adds to each of `orders` orders, as they pass and of CPU."""
    settings = PortfolioSettings.model_validate(
        {
            "id": "bench",
            "name": "Bench",
            "mode": "paper",
            "initial_cash": 1,
            "sessions": {"start": SESSION},
            "prices": {"path": "prices.csv"},
            "signals": {"strategies": [{"id": "alpha", "path": "alpha.csv"}]},
            "combination": {"method": "select", "strategy": "alpha"},
            "report": {"title": "Bench"},
        }
    )
    wanted = plan.real_orders[:orders]
    with stand_in({order.symbol: order.price for order in wanted}) as alpaca:
        book = Book(open_event_log(folder, settings.id), settings)
        keys, requests = access(alpaca), folder / "requests"
        broker = AlpacaBroker(
            AlpacaApi(keys, UNLIMITED, 5.0, requests_folder=requests), lookup_delay_seconds=0.0
        )
        others = RateLimiter(UNLIMITED, file=requests / f"{keys.fingerprint}.json")
        for _ in range(REQUESTS_PER_MINUTE - len(wanted) // 2):
            others.acquire()
        submitter = Submitter(broker, SESSION, dt.datetime.now(dt.UTC), book.record)
        intents = [
            OrderIntended(
                request=order_request(order),
                batch_id=plan.batch_id,
                leg=order.leg,
                plan_price=order.price,
            )
            for order in wanted
        ]
        inside, limiting = _Inside(ApiSession.request), _Limiting()
        starts: list[Clocks] = []
        submit = broker.submit

        def timed(request: Any) -> Any:
            starts.append(clocks() - inside.spent + limiting.spent)
            return submit(request)

        with (
            mock.patch.object(ApiSession, "request", inside.method()),
            mock.patch.object(RateLimiter, "acquire", limiting.method()),
            mock.patch.object(broker, "submit", timed),
        ):
            started = clocks()
            submitter.intend(intents)
            intending = (clocks() - started) / len(intents)
            fresh = frozenset(intent.request.client_order_id for intent in intents)
            submitter.submit(book.orders(SESSION), fresh)
        book.log.close()
    added = [after - before + intending for before, after in itertools.pairwise(starts)]
    return [(1000 * each.real, 1000 * each.imag) for each in added]


class _Inside:
    """Adds up the time inside a method."""

    def __init__(self, what: Callable[..., Any]) -> None:
        self.spent: Clocks = 0j
        self._what = what

    def method(self) -> Callable[..., Any]:
        """The method, timed."""

        def timed(*arguments: Any, **named: Any) -> Any:
            started = clocks()
            try:
                return self._what(*arguments, **named)
            finally:
                self.spent += clocks() - started

        return timed


class _Limiting:
    """Adds up the time inside the rate limiter, without what it waited."""

    def __init__(self) -> None:
        self.spent: Clocks = 0j

    def method(self) -> Callable[[RateLimiter], float]:
        """The limiter's method, timed."""
        acquire = RateLimiter.acquire

        def timed(limiter: RateLimiter) -> float:
            started = clocks()
            waited = acquire(limiter)
            self.spent += clocks() - started - waited
            return waited

        return timed


@click.command()
@click.option("--orders", default=1000, show_default=True, help="How many orders to plan.")
@click.option("--sent", "sending", default=300, show_default=True, help="How many to send.")
def main(orders: int, sending: int) -> None:
    """Measure and print."""
    console = Console()
    plan, seconds = planned(orders, "20000000")
    console.print(f"planning {len(plan.real_orders)} orders: {seconds:.3f} s of CPU")
    cut, cutting = planned(orders, "9000000")
    console.print(f"cutting {len(cut.real_orders)} to the buying power: {cutting:.3f} s of CPU")
    with tempfile.TemporaryDirectory() as folder:
        added = sent(plan, sending, Path(folder))
    passed, cpu = ([each[place] for each in added] for place in (0, 1))
    console.print(
        f"sending {sending}: {statistics.median(passed):.2f} ms of our own an order at the median "
        f"({statistics.median(cpu):.2f} ms of CPU), {sorted(passed)[int(len(passed) * 0.95)]:.2f} "
        "ms at the 95th percentile"
    )


if __name__ == "__main__":
    main()
