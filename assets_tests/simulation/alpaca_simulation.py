"""Two sessions at the Alpaca stand-in under faults and kills, through the session runner.

Everything is drawn from a seed: account, market, targets, rules, what goes wrong between client and
broker, who else trades in the account, which runs are missed and where a run dies. Each run is a
process of its own: it opens the book and, with alpaca-py itself, the account, and brings a session
as far as it goes, or dies with `os._exit` before or after one of its commits or requests. At the
end nothing goes wrong any more and both sessions are closed, or are stopped with a reason.

What must hold then: no intent has two live orders, each execution of the account is in the book
once, and the book's shares and cash are the account's, to the cent; or trading is halted and says
why.

    python -m assets_tests.simulation.alpaca_simulation --seeds 1000 --first 0
"""

from __future__ import annotations

import datetime as dt
import gc
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

# What the product imports when it is first needed; each run would pay for it again.
import alpaca.trading.client  # noqa: F401
import click
import msgspec
import sqlalchemy as sa
from rich.console import Console
from rich.progress import track

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.faults import Fault, SeededFaults
from assets_tests.alpaca.invariants import violations
from assets_tests.alpaca.order_ask import RefusalError
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import access
from assets_tests.execution.small_portfolio import session_inputs
from trading_assets.alpaca_api.client import AlpacaApi
from trading_assets.alpaca_api.session import ApiSession
from trading_assets.brokers.alpaca import AlpacaBroker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import BrokerUnknownError, SessionNotReadyError
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.session import SessionInputs, SessionRunner, Surroundings
from trading_assets.model.money import money
from trading_assets.model.order_events import Fill, OrderIntended
from trading_assets.reconciliation import reconcile
from trading_assets.settings import PortfolioSettings, SessionSettings

KILLED, UNKNOWN, FAILED = 137, 20, 21
STATUSES = ("closed", "unchanged", "planned", "working", "blocked")
MONDAY, TUESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4)
SESSIONS = (MONDAY, TUESDAY)
CALENDAR = TradingCalendar(SessionSettings(start=MONDAY, end=dt.date(2024, 6, 28)))
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
TICKS = ("09:00", "09:30", "09:31", "09:45", "10:05", "12:00", "16:20")
CASH = (("FEE", "-0.02"), ("DIV", "12.34"), ("CSW", "-250.00"), ("CIL", "3.21"))
TIMEOUT_SECONDS = 2.0
LAST_ATTEMPTS = 8
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class InvariantError(AssertionError):
    """Something that must never be, named with its seed."""


class QuickFaults(SeededFaults):
    """Seeded faults that do not keep the client waiting."""

    def draw(self, method: str, path: str) -> Fault | None:
        """The fault of this request; a refused rate may be tried again at once."""
        fault = super().draw(method, path)
        if fault is not None:
            fault.retry_after_seconds = 0
        return fault


@dataclass
class Story:
    """What a seed stands for, and what came of it."""

    seed: int
    settings: PortfolioSettings
    weights: dict[dt.date, dict[str, str]]
    prices: dict[str, Decimal]
    days: tuple[dt.date, ...] = SESSIONS
    ticks: tuple[str, ...] = TICKS
    happened: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    reason: str = ""
    """Why trading was halted at the end; empty where both sessions are closed."""


def make_story(seed: int) -> Story:
    """Rules, targets and prices of a seed."""
    random = Random(f"alpaca {seed}")
    planning: dict[str, Any] = {
        "fractional": random.random() < 0.5,
        "quantity_decimals": random.choice((2, 6, 9)),
        "cash_buffer": random.choice(("0", "0.02")),
    }
    if random.random() < 0.2:
        planning |= {"fractional": False}
        planning |= {"bracket": {"take_profit": "0.04", "stop_loss": "0.03"}}
    content: dict[str, Any] = {
        "id": "fault_drill",
        "name": "Fault drill",
        "mode": "paper",
        "initial_cash": 1,
        "sessions": {"start": MONDAY, "end": dt.date(2024, 6, 28)},
        "prices": {"path": "prices.csv"},
        "signals": {"strategies": [{"id": "alpha", "path": "alpha.csv"}]},
        "combination": {"method": "select", "strategy": "alpha"},
        "constraints": {"allow_short": True},
        "planning": planning,
        "execution": {
            "wait_seconds": 0,
            "after_deadline": random.choice(("cancel", "cancel", "leave")),
        },
        "report": {"title": "Fault drill"},
    }
    prices = {symbol: Decimal(random.randint(900, 30000)) / 100 for symbol in SYMBOLS}
    return Story(
        seed,
        PortfolioSettings.model_validate(content),
        {session: _weights(random) for session in SESSIONS},
        prices,
    )


def _weights(random: Random) -> dict[str, str]:
    with_shorts = random.random() < 0.4
    weights = {}
    for symbol in SYMBOLS:
        sign = "-" if with_shorts and random.random() < 0.4 else ""
        if random.random() < 0.75:
            weights[symbol] = f"{sign}0.{random.randint(5, 24):02}"
    return weights


# One run, in a process of its own


class Deaths:
    """Counts the commits and requests of this process; at `fatal` (from 1) it dies, before it or
    just after."""

    def __init__(self, fatal: int, *, before: bool) -> None:
        self.count = 0
        self.fatal = fatal
        self.before = before

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While this is entered, every commit of the book and every request passes here."""
        with ExitStack() as stack:
            for owner, name in ((sa.Connection, "commit"), (ApiSession, "request")):
                what = getattr(owner, name)
                stack.enter_context(mock.patch.object(owner, name, self._passing(what)))
            yield

    def _passing(self, what: Callable[..., Any]) -> Callable[..., Any]:
        def passing(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            if self.count == self.fatal and self.before:
                os._exit(KILLED)
            result = what(*arguments, **named)
            if self.count == self.fatal:
                os._exit(KILLED)
            return result

        return passing


def run_once(
    folder: Path, story: Story, alpaca: AlpacaStandIn, session: dt.date, fatal: int = 0
) -> str:
    """One run of `session`, which dies at its `fatal`-th commit or request (before it where that is
    even); what it came to.

    A run that is to die is a forked process. One that is not opens all that a process would, which
    is the same to the book and the broker and costs half. Raises InvariantError with the traceback
    where it failed in a way that is nobody's fault.
    """
    if not fatal:
        code, said = _attempt(folder, story, alpaca, session, Deaths(0, before=True))
        return _told(code, said)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(_child(folder, story, alpaca, session, fatal, writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return _told(code, said)


def _told(code: int, said: str) -> str:
    if code == KILLED:
        return "killed"
    if code == UNKNOWN:
        return f"unknown: {said}"
    if code < len(STATUSES):
        return f"{STATUSES[code]}: {said}" if said else STATUSES[code]
    raise InvariantError(said or f"the run ended with {code}")


def _child(
    folder: Path, story: Story, alpaca: AlpacaStandIn, session: dt.date, fatal: int, writing: int
) -> int:
    deaths = Deaths(fatal, before=fatal % 2 == 0)
    code, said = _attempt(folder, story, alpaca, session, deaths)
    os.write(writing, said.encode())
    return code


def _attempt(
    folder: Path, story: Story, alpaca: AlpacaStandIn, session: dt.date, deaths: Deaths
) -> tuple[int, str]:
    """How a run ended, and what it said."""
    try:
        with deaths.watched():
            outcome = _run(folder, story, alpaca, session)
    except (BrokerUnknownError, SessionNotReadyError) as error:
        return UNKNOWN, str(error)
    except Exception:  # noqa: BLE001 - whoever waits for the run reports it
        return FAILED, traceback.format_exc()
    said = f"{outcome.block_code}: {outcome.block_message}" if outcome.block_code else ""
    return STATUSES.index(outcome.status.value), said


def _run(folder: Path, story: Story, alpaca: AlpacaStandIn, session: dt.date) -> Any:
    api = AlpacaApi(access(alpaca), 100_000, TIMEOUT_SECONDS, sleep=lambda _seconds: None)
    log = open_event_log(folder / "books", story.settings.id)
    surroundings = Surroundings(
        now=lambda: alpaca.account.clock.now,
        halted=lambda: False,
        live_account=None,
        sleep=lambda _seconds: None,
        wait=lambda _seconds: None,
    )
    book = Book(log, story.settings, keep=SESSIONS)
    broker = AlpacaBroker(api, lookup_delay_seconds=0.0)
    runner = SessionRunner(story.settings, CALENDAR, book, broker, surroundings)
    try:
        return runner.run(inputs_of(story, session, alpaca))
    finally:
        log.close()


def inputs_of(story: Story, session: dt.date, alpaca: AlpacaStandIn) -> SessionInputs:
    """Targets of the session; plan prices are the story's, closes the account's last trades."""
    plan = {symbol: str(price) for symbol, price in story.prices.items()}
    closes = {
        symbol: str(price)
        for symbol in SYMBOLS
        if (price := alpaca.account.market.price(symbol)) is not None
    }
    return session_inputs(session, story.weights[session], plan, closes)


# The two days


def survive(
    folder: Path,
    seed: int,
    *,
    is_short: bool = False,
    before: Callable[[AlpacaStandIn], AbstractContextManager[object]] | None = None,
) -> Story:
    """Live through a seed's two days, or with `is_short` through three runs of the first, and check
    what must hold; what happened. With something that stands `before` the stand-in, nothing goes
    wrong on the way: that is all it sees.

    Raises InvariantError naming the seed and everything that happened.
    """
    story = make_story(seed)
    if is_short:
        story.days, story.ticks = (MONDAY,), ("09:30", "10:05")
    random = Random(f"days {seed}")
    # Every fourth account has no credit, and orders there count at their largest.
    multiplier = 1 if seed % 4 == 3 else 2
    account = BrokerAccount(now=new_york("2024-06-03 08:00"), multiplier=multiplier, seed=seed)
    account.purchase_collar = Decimal("0.05") if multiplier == 1 else Decimal(0)
    with ExitStack() as stack:
        alpaca = stack.enter_context(running_alpaca(account))
        if before is not None:
            stack.enter_context(before(alpaca))
        for symbol, price in story.prices.items():
            account.list_asset(symbol, price)
        if random.random() < 0.3:
            account.advance_to("2024-06-03 08:30")
            _by_hand(story, alpaca, random)
        try:
            _live_through(folder, story, alpaca, random, is_faulty=before is None)
            _finish(folder, story, alpaca)
            check(folder, story, alpaca)
        except InvariantError as error:
            told = "\n  ".join(story.happened)
            raise InvariantError(f"seed {seed}: {error}\n  {told}") from error
    return story


def _live_through(
    folder: Path, story: Story, alpaca: AlpacaStandIn, random: Random, *, is_faulty: bool
) -> None:
    account = alpaca.account
    rate = random.choice((0.0, 0.08, 0.2))
    alpaca.faults.seeded = QuickFaults(story.seed, rate=rate if is_faulty else 0.0)
    alpaca.faults.duplicate_activities = random.random() < 0.3
    for session in story.days:
        for clock in story.ticks:
            account.advance_to(f"{session} {clock}")
            _something_happens(story, alpaca, random)
            if random.random() < 0.2:
                story.happened.append(f"{session} {clock} missed")
                continue
            for _ in range(1 if len(story.days) == 1 else random.choice((1, 1, 2, 3))):
                fatal = random.randint(1, 40) if random.random() < 0.5 else 0
                due = MONDAY if session == TUESDAY and _is_open(folder, story) else session
                came = run_once(folder, story, alpaca, due, fatal)
                story.happened.append(f"{session} {clock} run of {due:%a} kill {fatal}: {came}")
                story.outcomes[came.split(":")[0]] += 1


def _is_open(folder: Path, story: Story) -> bool:
    """True where the book begins with Monday, and Monday is not closed."""
    log = open_event_log(folder / "books", story.settings.id)
    try:
        closed = any(place.session == MONDAY for place in log.places("session_closed"))
    finally:
        log.close()
    return _begun(folder, story) == MONDAY and not closed


def _begun(folder: Path, story: Story) -> dt.date | None:
    """The session in which the account was taken over; None for a book without a record."""
    log = open_event_log(folder / "books", story.settings.id)
    try:
        return next((record.session for record in log.records(up_to=1)), None)
    finally:
        log.close()


def _something_happens(story: Story, alpaca: AlpacaStandIn, random: Random) -> None:
    """Prices move, somebody trades by hand, cash comes or goes, a symbol is halted or partial."""
    account = alpaca.account
    for symbol in SYMBOLS:
        if random.random() < 0.5:
            price = account.market.price(symbol)
            assert price is not None
            moved = (price * Decimal(random.randint(960, 1041)) / 1000).quantize(Decimal("0.01"))
            account.set_price(symbol, moved)
    symbol = random.choice(SYMBOLS)
    kind = random.choice(("", "", "", "", "halt", "part", "reject", "hand", "cash", "cancels_wait"))
    if kind == "halt":
        account.halt(symbol)
    elif kind == "part":
        account.largest_execution[symbol] = Decimal(random.randint(1, 40))
    elif kind == "reject":
        account.reject_next(symbol)
    elif kind == "hand":
        _by_hand(story, alpaca, random)
    elif kind == "cash":
        cash, amount = random.choice(CASH)
        account.book_cash(cash, amount, symbol=symbol if cash in ("DIV", "CIL") else None)
    elif kind == "cancels_wait":
        account.cancels_wait = not account.cancels_wait
    elif account.clock.is_open:
        account.largest_execution.clear()
        for listed in SYMBOLS:
            if account.market.assets[listed].halted:
                account.resume(listed)
        account.match()
    if kind:
        story.happened.append(f"{kind} {symbol}")


def _by_hand(story: Story, alpaca: AlpacaStandIn, random: Random) -> None:
    symbol, quantity = random.choice(SYMBOLS), str(random.randint(1, 9))
    try:
        alpaca.account.place_by_hand(symbol, random.choice(("buy", "sell")), quantity)
        story.happened.append(f"by hand {quantity} {symbol}")
    except RefusalError as refusal:
        story.happened.append(f"by hand refused: {refusal}")


def _finish(folder: Path, story: Story, alpaca: AlpacaStandIn) -> None:
    """Nothing goes wrong any more; on Wednesday morning what is open is closed."""
    alpaca.faults.seeded = None
    alpaca.faults.duplicate_activities = False
    alpaca.account.cancels_wait = False
    for order in list(alpaca.account.orders.values()):
        if order.status == "pending_cancel":
            alpaca.account.confirm_cancel(order)
    if _begun(folder, story) is None:
        # An account is taken over in the present session alone.
        run_once(folder, story, alpaca, story.days[-1])
    begun = _begun(folder, story)
    assert begun is not None
    story.days = tuple(session for session in story.days if session >= begun)
    alpaca.account.advance_to("2024-06-05 08:00")
    for session in story.days:
        for _ in range(LAST_ATTEMPTS):
            came = run_once(folder, story, alpaca, session)
            story.happened.append(f"at the end, {session:%a}: {came}")
            if came in ("closed", "unchanged"):
                break
            if came.startswith("blocked"):
                story.reason = came
                return
        else:
            raise InvariantError(f"{session} can never be closed: {came}")


# What must hold


def check(folder: Path, story: Story, alpaca: AlpacaStandIn) -> None:
    """InvariantError where an invariant is broken."""
    account = alpaca.account
    broken = violations(account)
    log = open_event_log(folder / "books", story.settings.id)
    book = Book(log, story.settings, keep=SESSIONS)
    events = [record.event for record in log.records()]
    begun = next(log.records(up_to=1)).occurred_at
    named = {e.request.client_order_id for e in events if isinstance(e, OrderIntended)}
    # Legs that a bracket brought along have the broker's ids.
    intents = Counter(_intent(name) for name in named if name.startswith(story.settings.id))
    live = [
        order.client_order_id
        for order in account.orders.values()
        if not order.foreign and order.parent is None
    ]
    broken += [f"order {name} is in no intent of the book" for name in live if name not in named]
    broken += [
        f"{intent} has {count} orders for {intents[intent]} intents"
        for intent, count in Counter(_intent(name) for name in live).items()
        if count > intents[intent]
    ]
    plans = {(session, batch) for session, batch in _batches(live)}
    broken += [f"{len(plans)} batches: {sorted(plans)}"] if len(plans) > len(SESSIONS) else []
    booked = Counter(event.execution_id for event in events if isinstance(event, Fill))
    traded = {
        str(activity.row["id"])
        for activity in account.activities
        if activity.is_fill and _moment(activity.row) > begun
    }
    broken += [f"{name} is booked {count} times" for name, count in booked.items() if count > 1]
    broken += [f"{name} is booked and was never traded" for name in booked.keys() - traded]
    if not story.reason:
        broken += [f"fill {name} is lost" for name in traded - booked.keys()]
        broken += _disagreements(book, account)
        for session in story.days:
            unexplained = reconcile(book.closed[session]).unexplained
            broken += [f"{session}: {msgspec.to_builtins(gap)}" for gap in unexplained]
    log.close()
    if broken:
        raise InvariantError("; ".join(broken))


def _intent(client_order_id: str) -> tuple[str, ...]:
    """Session, symbol and side: what a plan wants at most one order for (two where it flips)."""
    _, _, session, _, symbol, side, _ = client_order_id.split("_")
    return session, symbol, side


def _batches(names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        yield name.split("_")[2], name.split("_")[3]


def _moment(row: Any) -> dt.datetime:
    return dt.datetime.fromisoformat(str(row["transaction_time"]))


def _disagreements(book: Book, account: BrokerAccount) -> list[str]:
    held = {s: p.quantity for s, p in account.holdings.positions.items() if p.quantity}
    found = []
    if book.positions != dict(sorted(held.items())):
        found.append(f"the book holds {book.positions}, the account {held}")
    if book.cash != money(account.holdings.cash):
        found.append(f"the book has {book.cash}, the account {account.holdings.cash}")
    return found


def run_seeds(
    first: int, seeds: int, *, is_short: bool = False, show: bool = False
) -> tuple[Counter[str], Counter[str]]:
    """Live through `seeds` seeds from `first` on: what runs came to, and why trading was halted."""
    # What is frozen is not copied into each process by the collector.
    gc.freeze()
    CALENDAR.closes_at(MONDAY)
    outcomes: Counter[str] = Counter()
    halted: Counter[str] = Counter()
    numbers = range(first, first + seeds)
    for seed in track(numbers, description="alpaca") if show else numbers:
        with tempfile.TemporaryDirectory(prefix="alpaca-", dir=MEMORY) as folder:
            story = survive(Path(folder), seed, is_short=is_short)
        outcomes += story.outcomes
        halted[story.reason.split(":")[1].strip() if story.reason else "closed"] += 1
    return outcomes, halted


@click.command()
@click.option("--seeds", default=1000, show_default=True, help="How many seeds to run.")
@click.option("--first", default=0, show_default=True, help="The first seed.")
@click.option("--short", is_flag=True, help="Three runs of one session instead of two days.")
def main(seeds: int, first: int, short: bool) -> None:
    """Live through many seeds; the first that breaks an invariant is told and ends it."""
    started = time.monotonic()
    outcomes, halted = run_seeds(first, seeds, is_short=short, show=sys.stdout.isatty())
    Console().print(
        f"{seeds} seeds from {first} on, {time.monotonic() - started:.1f} s; runs: "
        f"{dict(outcomes)}; at the end: {dict(halted)}"
    )


if __name__ == "__main__":
    main()
