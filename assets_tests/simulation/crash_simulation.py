"""Kill the process at a durable write, run again, and compare with a run that nothing disturbed.

Everything is drawn from a seed: market, targets, rules, and where the process dies. A child
process runs sessions of the portfolio on the real book and the real simulated broker and dies with
`os._exit` just before or just after one of its durable writes: a commit of the book, a commit of
the broker, a projection taking its place. The next child finds what is on disk, and so on until
one goes through.

    python -m assets_tests.simulation.crash_simulation --seeds 1000 --first 0
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, NoReturn, cast
from unittest import mock

import click
import msgspec
import sqlalchemy as sa
from rich.console import Console
from rich.progress import track

from assets_tests.execution.small_portfolio import (
    ACCOUNT,
    BEFORE,
    CALENDAR,
    SESSIONS,
    portfolio_settings,
    target_portfolio,
)
from trading_assets.atomic_file import replace_file
from trading_assets.brokers import simulated
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.errors import BrokerUnknownError
from trading_assets.event_log.store import open_event_log
from trading_assets.execution import book as book_at_work
from trading_assets.execution.book import Book, counting_records
from trading_assets.execution.session import (
    SessionInputs,
    SessionOutcome,
    SessionRunner,
    SessionStatus,
    Surroundings,
)
from trading_assets.ledger.fold import Ledger
from trading_assets.model.account import Answer, BrokerOrder, Unknown
from trading_assets.model.corporate_actions import (
    CashMerger,
    CorporateAction,
    Dividend,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.instrument import Price, PriceSnapshot
from trading_assets.model.order import OrderRequest
from trading_assets.model.order_events import OrderIntended
from trading_assets.settings import PortfolioSettings

KILLED = 137
SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
GIVEN_SYMBOLS = ("NEW", "RENAMED")
"""What corporate actions turn symbols into."""
MOST_KILLS = 3
MOST_ATTEMPTS = 400
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where the files of a run lie: a killed process leaves the same in memory as on disk, faster."""
_NOW = dt.datetime(2024, 3, 20, tzinfo=dt.UTC)
_ENCODER = msgspec.json.Encoder(decimal_format="string", order="sorted")

Actions = dict[dt.date, tuple[CorporateAction, ...]]
Closes = dict[dt.date, dict[str, Decimal]]
Weights = dict[dt.date, dict[str, str]]


class DivergenceError(AssertionError):
    """A disturbed run ended other than the undisturbed one, or not at all."""


# What is run


class Day(msgspec.Struct, frozen=True):
    """One session to be run, with the rules that hold on it."""

    inputs: SessionInputs
    settings: PortfolioSettings
    stops_after_plan: bool


class Scenario(msgspec.Struct, frozen=True):
    """What a seed stands for. Each phase is run until it goes through; a second phase is the first
    with a correction of prices, or of targets, somewhere inside, which restates the book."""

    seed: int
    phases: tuple[tuple[Day, ...], ...]


def make_scenario(seed: int) -> Scenario:
    """Market, targets and rules of a seed."""
    random = Random(f"scenario {seed}")
    sessions = SESSIONS[: random.randint(4, 6)]
    symbols = SYMBOLS[: random.randint(4, 6)]
    rules = _rules(random)
    refused = {
        session: random.sample(symbols, random.choice((0, 0, 0, 1, 2))) for session in sessions
    }
    stops = {session: random.random() < 0.2 for session in sessions}
    closes = _closes(random, symbols, sessions)
    weights = {session: _weights(random, symbols) for session in sessions}
    volume = random.choice((None, Decimal(2000), Decimal(300)))
    versions = [(closes, weights)]
    if random.random() < 0.3:
        versions.append(_corrected(random, closes, weights))
    # Drawn last, and only for some seeds.
    actions: Actions = {}
    if seed % 3 == 0:
        actions = _actions(seed, random, symbols, sessions)
        rules["simulation"] |= {"credit_rate": "0.05", "debit_rate": "0.08", "borrow_rate": "0.3"}

    def day(version: tuple[Closes, Weights], session: dt.date) -> Day:
        simulation = rules["simulation"] | {"reject_symbols": refused[session]}
        inputs = _inputs(session, *version, volume)
        return Day(
            msgspec.structs.replace(inputs, actions=actions.get(session, ())),
            portfolio_settings(**rules | {"simulation": simulation}),
            stops[session],
        )

    return Scenario(
        seed, tuple(tuple(day(version, session) for session in sessions) for version in versions)
    )


def _rules(random: Random) -> dict[str, Any]:
    return {
        "planning": {
            "fractional": random.random() < 0.5,
            "cash_buffer": random.choice(("0", "0.02")),
            "no_trade_band": random.choice(("0", "0.01")),
            "adjust_for_overflow": random.random() < 0.8,
        },
        "limits": {"max_price_age_sessions": 5, "missing_price": "hold"},
        "commission": random.choice(
            ({}, {"per_share": "0.005", "minimum": "1"}, {"bps": "10", "per_order": "0.35"})
        ),
        "simulation": {
            "slippage_bps": random.choice(("0", "5", "50")),
            "volume_cap": random.choice((None, "0.05", "0.3")),
            "margin_multiplier": random.choice(("1", "1.2", "2")),
        },
    }


def _closes(random: Random, symbols: tuple[str, ...], sessions: tuple[dt.date, ...]) -> Closes:
    """Some closes are missing; the first symbol's, which always has a target, is always there, as
    a session without any price would not be run."""
    price = {symbol: Decimal(random.randint(500, 30000)) / 100 for symbol in symbols}
    closes = {BEFORE: dict(price)}
    for session in sessions:
        for symbol in symbols:
            factor = Decimal(random.randint(900, 1110)) / 1000
            price[symbol] = (price[symbol] * factor).quantize(Decimal("0.01"))
        closes[session] = {
            symbol: value
            for symbol, value in price.items()
            if symbol == symbols[0] or random.random() > 0.08
        }
    return closes


def _weights(random: Random, symbols: tuple[str, ...]) -> dict[str, str]:
    total = random.choice((60, 95, 100))
    with_shorts = random.random() < 0.5
    raw = {
        symbol: random.randint(5, 50)
        for symbol in symbols
        if symbol == symbols[0] or random.random() < 0.7
    }
    scale = sum(raw.values())
    return {
        symbol: f"{'-' if with_shorts and random.random() < 0.4 else ''}"
        f"0.{total * part * 100 // scale:04d}"
        if total * part * 100 // scale < 10000
        else "0.9999"
        for symbol, part in raw.items()
    }


def _actions(
    seed: int, random: Random, symbols: tuple[str, ...], sessions: tuple[dt.date, ...]
) -> Actions:
    """Dividends, splits with and without cash in lieu, a spin-off into a symbol that has no target
    of its own, and takeovers; what is taken over may be bought again, as nothing forbids it."""
    actions: Actions = {}
    for place, session in enumerate(sessions[1:], start=1):
        drawn: list[CorporateAction] = []
        for symbol in symbols:
            kind = random.choice(("", "", "", "dividend", "split", "stock_dividend", "merger"))
            price = random.choice((None, Decimal("12.34")))
            if kind == "dividend":
                drawn.append(
                    Dividend(
                        symbol=symbol,
                        ex_date=session,
                        amount_per_share=Decimal(random.randint(1, 400)) / 100,
                        currency="USD",
                        pay_date=random.choice((None, sessions[min(place + 2, len(sessions) - 1)])),
                    )
                )
            elif kind == "split":
                new_shares, old_shares = random.choice(((4, 1), (1, 8), (3, 2)))
                drawn.append(
                    Split(
                        symbol=symbol,
                        ex_date=session,
                        new_shares=new_shares,
                        old_shares=old_shares,
                        cash_in_lieu_price=price,
                    )
                )
            elif kind == "stock_dividend":
                drawn.append(
                    StockDividend(
                        symbol=symbol,
                        ex_date=session,
                        new_shares=1,
                        old_shares=20,
                        cash_in_lieu_price=price,
                    )
                )
            elif kind == "merger" and random.random() < 0.3:
                drawn.append(CashMerger(symbol=symbol, effective_date=session, price=Decimal(55)))
        actions[session] = tuple(drawn)
    last = sessions[-1]
    spin_off = SpinOff(
        symbol=symbols[0],
        ex_date=last,
        new_symbol="NEW",
        new_shares=1,
        old_shares=3,
        basis_fraction=Decimal("0.25"),
    )
    renamed = SymbolChange(symbol=symbols[1], effective_date=last, new_symbol="RENAMED")
    actions[last] = (*actions[last], spin_off if seed % 2 else renamed)
    return actions


def _corrected(random: Random, closes: Closes, weights: Weights) -> tuple[Closes, Weights]:
    session = random.choice(list(weights))
    if random.random() < 0.5:
        return closes, weights | {session: _weights(random, tuple(closes[BEFORE]))}
    prices = {symbol: price + Decimal("0.07") for symbol, price in closes[session].items()}
    return closes | {session: prices}, weights


def _inputs(
    session: dt.date, closes: Closes, weights: Weights, volume: Decimal | None
) -> SessionInputs:
    days = [day for day in closes if day < session]
    plan = {symbol: _price(symbol, closes, days, None) for symbol in closes[BEFORE]}
    for name in GIVEN_SYMBOLS:
        plan[name] = msgspec.structs.replace(plan[SYMBOLS[0]], symbol=name, price=Decimal(20))

    def at_close(symbols: Any) -> PriceSnapshot:
        asked = tuple(symbols)
        prices = {
            symbol: _price(symbol, closes, [session], volume)
            for symbol in asked
            if symbol in closes[session]
        }
        missing = tuple(symbol for symbol in asked if symbol not in prices)
        return PriceSnapshot(session=session, prices=prices, missing=missing)

    def before(symbols: Any) -> PriceSnapshot:
        return PriceSnapshot(session=session, prices={s: plan[s] for s in symbols})

    return SessionInputs(
        session=session,
        targets=target_portfolio(session, weights[session]),
        plan_prices=before,
        closes=at_close,
        benchmark=None,
    )


def _price(symbol: str, closes: Closes, days: list[dt.date], volume: Decimal | None) -> Price:
    """The latest close among `days`, which are ascending."""
    known = [day for day in days if symbol in closes[day]]
    return Price(
        symbol=symbol,
        price=closes[known[-1]][symbol],
        currency="USD",
        session=known[-1],
        age_sessions=len(days) - 1 - days.index(known[-1]),
        source="drawn",
        volume=volume,
    )


# Running it


def run_phase(
    folder: Path,
    days: tuple[Day, ...],
    wrapped: Callable[[SimulatedBroker], SimulatedBroker] = lambda broker: broker,
) -> None:
    """What one process does: open, run every session from the first on, write the projections.

    A checkpoint is saved at nearly every close, so later processes begin with one.
    """
    with mock.patch.object(book_at_work, "CHECKPOINT_RECORDS", 10):
        _run_sessions(folder, days, wrapped)


def _run_sessions(
    folder: Path, days: tuple[Day, ...], wrapped: Callable[[SimulatedBroker], SimulatedBroker]
) -> None:
    settings = days[0].settings
    log = open_event_log(folder / "books", settings.id)
    broker = SimulatedBroker(
        folder / "broker.sqlite", ACCOUNT, "USD", settings.simulation, settings.commission
    )
    book = Book(log, settings, keep=SESSIONS)
    surroundings = Surroundings(now=lambda: _NOW, halted=lambda: False, live_account=None)
    try:
        for day in days:
            broker.simulation = day.settings.simulation
            runner = SessionRunner(
                day.settings, CALENDAR, book, wrapped(broker), surroundings, simulator=broker
            )
            if day.stops_after_plan:
                runner.run(day.inputs, stop_after_plan=True)
            outcome = runner.run(day.inputs)
            if outcome.status is SessionStatus.BLOCKED:
                # A plan that its limits refuse: the days after it cannot be run.
                _project(folder, outcome)
                return
            _project(folder, outcome)
    finally:
        log.close()
        broker.close()


def _project(folder: Path, outcome: SessionOutcome) -> None:
    closed = outcome.closed
    content = {
        "status": "closed" if closed else outcome.block_code,
        "orders": [
            (order.client_order_id, order.status, order.filled_quantity, order.filled_notional)
            for order in (closed.orders if closed else ())
        ],
        "close": closed.close if closed else None,
        "whole": True,
    }
    path = folder / "projections" / f"{outcome.session}.json"
    replace_file(path, _ENCODER.encode(content))


class DurableWrites:
    """Counts the durable writes of this process; at `fatal` (from 1) it dies, before the write or
    just after it."""

    def __init__(self, fatal: int = 0, *, before: bool = True) -> None:
        self.count = 0
        self.fatal = fatal
        self.before = before

    @contextmanager
    def watched(self) -> Iterator[DurableWrites]:
        """While this is entered, every durable write passes here."""
        with ExitStack() as stack:
            for owner, name in (
                (sa.Connection, "commit"),
                (simulated._Transaction, "__exit__"),
                (Path, "replace"),
            ):
                write = getattr(owner, name)
                stack.enter_context(mock.patch.object(owner, name, self._passing(write)))
            yield self

    def _passing(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def passing(*arguments: Any) -> Any:
            self.count += 1
            if self.count == self.fatal and self.before:
                os._exit(KILLED)
            result = write(*arguments)
            if self.count == self.fatal:
                os._exit(KILLED)
            return result

        return passing


def run_killed(folder: Path, days: tuple[Day, ...], fatal: int, *, before: bool) -> bool:
    """Run a phase in a child process that dies at its write number `fatal`; True if it did."""
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Later Pythons warn when there are threads, as pytest-xdist has; the child uses none.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _live(folder, days, fatal, before)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, KILLED):
        raise DivergenceError(f"the process ended with {status}; its traceback is on stderr")
    return status == KILLED


def _live(folder: Path, days: tuple[Day, ...], fatal: int, before: bool) -> NoReturn:
    try:
        with DurableWrites(fatal, before=before).watched():
            run_phase(folder, days)
    except BaseException:  # noqa: BLE001  the child must never return into the test runner
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


# What came of it


class Result(msgspec.Struct, frozen=True):
    """Everything a run leaves behind, without what may differ: times of recording and hashes."""

    events: tuple[str, ...]
    broker_orders: tuple[str, ...]
    executions: tuple[str, ...]
    nights: tuple[str, ...]
    projections: dict[str, str]


def result_of(folder: Path) -> Result:
    """Read the result and hold it to what must be true of any. The events that say how often an
    order was sent are left out: a process that finds it sent, but not there, sends it again."""
    settings = portfolio_settings()
    log = open_event_log(folder / "books", settings.id)
    log.verify()
    records = list(counting_records(log))
    log.close()
    broker = SimulatedBroker(
        folder / "broker.sqlite", ACCOUNT, "USD", settings.simulation, settings.commission
    )
    ledger = Ledger(settings.accounting, "USD")
    for record in records:
        ledger.apply(record)
    _require(
        "positions",
        ledger.positions,
        dict(sorted(broker.positions().require().items())),
    )
    _require("cash", ledger.cash, broker.account().require().cash)
    broker.close()
    with sqlite3.connect(folder / "broker.sqlite") as database:
        orders = database.execute("SELECT client_order_id, body FROM orders").fetchall()
        executions = [body for (body,) in database.execute("SELECT body FROM executions")]
        nights = [body for (body,) in database.execute("SELECT body FROM overnights")]
    database.close()
    intended = sorted(
        record.event.request.client_order_id
        for record in records
        if isinstance(record.event, OrderIntended)
    )
    _require("orders sent", sorted(name for name, _ in orders), intended)
    omitted = ("order_submitted", "order_outcome_unknown")
    return Result(
        tuple(
            f"{record.session} {record.event_type} {record.occurred_at} {record.correlation_id} "
            f"{_ENCODER.encode(record.event).decode()}"
            for record in records
            if record.event_type not in omitted
        ),
        tuple(sorted(body.decode() for _, body in orders)),
        tuple(sorted(body.decode() for body in executions)),
        tuple(sorted(body.decode() for body in nights)),
        {
            path.name: _whole(path.read_bytes())
            for path in sorted((folder / "projections").glob("*.json"))
        },
    )


def _whole(content: bytes) -> str:
    _require("end of projection", msgspec.json.decode(content)["whole"], True)
    return content.decode()


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise DivergenceError(f"{what}: {found}, expected {expected}")


def require_same(found: Result, expected: Result) -> None:
    """Raise DivergenceError naming the first difference."""
    for name in Result.__struct_fields__:
        ours, theirs = getattr(found, name), getattr(expected, name)
        if ours == theirs:
            continue
        if isinstance(ours, dict):
            ours, theirs = tuple(ours.items()), tuple(theirs.items())
        for place, pair in enumerate(zip(ours, theirs, strict=False)):
            if pair[0] != pair[1]:
                raise DivergenceError(f"{name}[{place}]:\n  {pair[0]}\nexpected\n  {pair[1]}")
        raise DivergenceError(f"{name}: {len(ours)} of them, expected {len(theirs)}")


# The experiments


def undisturbed(folder: Path, scenario: Scenario) -> tuple[Result, list[int]]:
    """The result of a run without kills, and the number of durable writes of each phase."""
    writes = []
    for days in scenario.phases:
        with DurableWrites().watched() as counter:
            run_phase(folder, days)
        writes.append(counter.count)
    return result_of(folder), writes


def survive_kills(folder: Path, seed: int) -> int:
    """Run the seed's scenario with kills and compare; the number of kills.

    Raises DivergenceError naming seed, kills and difference.
    """
    scenario = make_scenario(seed)
    expected, writes = undisturbed(folder / "undisturbed", scenario)
    random = Random(f"kills {seed}")
    kills: list[str] = []
    with _named(seed, kills):
        for phase, days in enumerate(scenario.phases):
            for _ in range(random.randint(1, MOST_KILLS)):
                fatal, before = random.randint(1, writes[phase]), random.random() < 0.5
                kills.append(f"phase {phase} write {fatal} {'before' if before else 'after'}")
                if not run_killed(folder / "killed", days, fatal, before=before):
                    kills[-1] += " (not reached)"
                    break
            else:
                run_killed(folder / "killed", days, 0, before=True)
        require_same(result_of(folder / "killed"), expected)
    return sum("not reached" not in kill for kill in kills)


def survive_every_kill(folder: Path, seed: int) -> int:
    """Kill the seed's first three sessions at every one of their durable writes in turn, before
    and after it, each from the beginning; the number of kills."""
    days = make_scenario(seed).phases[0][:3]
    only_first = Scenario(seed, (days,))
    expected, (writes,) = undisturbed(folder / "undisturbed", only_first)
    for fatal in range(1, writes + 1):
        for before in (True, False):
            kill = f"write {fatal} of {writes} {'before' if before else 'after'}"
            place = folder / f"{fatal}-{before}"
            with _named(seed, [kill]):
                _require("killed", run_killed(place, days, fatal, before=before), True)
                run_phase(place, days)
                require_same(result_of(place), expected)
            shutil.rmtree(place)
    return 2 * writes


class LossyBroker:
    """The simulated broker behind a connection that loses requests and acknowledgements.

    A loss shows as `Unknown` or as an error, as adapters differ in that; look-ups fail too.
    """

    def __init__(self, broker: SimulatedBroker, random: Random) -> None:
        self.broker = broker
        self.random = random
        self.losses = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.broker, name)

    def submit(self, request: OrderRequest) -> Answer[BrokerOrder]:
        """Loses one request in eight and one acknowledgement in eight."""
        chance = self.random.random()
        if chance > 0.25:
            return self.broker.submit(request)
        if chance < 0.125:
            self.broker.submit(request)
        self.losses += 1
        if self.random.random() < 0.5:
            raise ConnectionError("connection lost")
        return Unknown("timed out")

    def order_by_client_id(self, client_order_id: str) -> Answer[BrokerOrder | None]:
        """Loses one look-up in eight."""
        if self.random.random() < 0.125:
            return Unknown("timed out")
        return self.broker.order_by_client_id(client_order_id)


def survive_losses(folder: Path, seed: int) -> int:
    """Run the seed's scenario over a lossy connection until it goes through; the losses."""
    scenario = make_scenario(seed)
    expected, _ = undisturbed(folder / "undisturbed", scenario)
    random = Random(f"losses {seed}")
    brokers: list[LossyBroker] = []

    def lossy(broker: SimulatedBroker) -> SimulatedBroker:
        brokers.append(LossyBroker(broker, random))
        return cast(SimulatedBroker, brokers[-1])

    attempts = ["0 attempts"]
    with _named(seed, attempts):
        for days in scenario.phases:
            for attempt in range(MOST_ATTEMPTS):
                attempts[0] = f"{attempt} attempts"
                try:
                    run_phase(folder / "lossy", days, lossy)
                except (BrokerUnknownError, ConnectionError):
                    continue
                break
            else:
                raise DivergenceError("it never went through")
        require_same(result_of(folder / "lossy"), expected)
    return sum(broker.losses for broker in brokers)


@contextmanager
def _named(seed: int, what: list[str]) -> Iterator[None]:
    try:
        yield
    except DivergenceError as error:
        raise DivergenceError(f"seed {seed} ({', '.join(what)}): {error}") from error


EXPERIMENTS = {"kills": survive_kills, "losses": survive_losses, "every": survive_every_kill}


def run_seeds(experiment: str, first: int, seeds: int, *, show: bool = False) -> int:
    """Run an experiment for `seeds` seeds from `first` on; the disturbances in all."""
    CALENDAR.closes_at(SESSIONS[0])
    disturbances = 0
    numbers = range(first, first + seeds)
    for seed in track(numbers, description=experiment) if show else numbers:
        with tempfile.TemporaryDirectory(prefix="crash-", dir=MEMORY) as folder:
            disturbances += EXPERIMENTS[experiment](Path(folder), seed)
    return disturbances


@click.command()
@click.option("--seeds", default=1000, show_default=True, help="How many seeds to run.")
@click.option("--first", default=0, show_default=True, help="The first seed.")
@click.option(
    "--experiment",
    type=click.Choice(list(EXPERIMENTS)),
    default="kills",
    show_default=True,
    help="kills: at drawn writes; losses: on the connection; every: at each write of the seed.",
)
def main(seeds: int, first: int, experiment: str) -> None:
    """Disturb the runs of many seeds and compare each with its undisturbed run."""
    started = time.monotonic()
    disturbances = run_seeds(experiment, first, seeds, show=True)
    Console().print(
        f"{seeds} seeds from {first} on, {disturbances} {experiment}, all as undisturbed, "
        f"{time.monotonic() - started:.1f} s"
    )


if __name__ == "__main__":
    main()
