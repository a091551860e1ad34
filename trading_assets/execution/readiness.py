"""Whether a session can be run at all: what must be closed, over and known before it."""

from __future__ import annotations

import datetime as dt

from trading_assets.brokers.base import Broker
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import ConfigurationError, SessionNotReadyError
from trading_assets.execution.book import Book
from trading_assets.execution.guard import authorize_account
from trading_assets.execution.session_parts import SessionInputs, Surroundings
from trading_assets.model.instrument import PriceSnapshot
from trading_assets.settings import PortfolioSettings


def require_ready(
    settings: PortfolioSettings,
    calendar: TradingCalendar,
    book: Book,
    session: dt.date,
    now: dt.datetime,
) -> None:
    """SessionNotReadyError where an earlier session is not closed, or a real account would be taken
    over in a session that is not the present one; ConfigurationError where the book begins or goes
    on with sessions of other settings."""
    first, through = book.first_session, book.closed_through
    if settings.mode.is_real and through is None:
        if first is None:
            _require_present(settings, calendar, session, now)
        elif first != session:
            raise SessionNotReadyError(
                f"{settings.id}: {session} cannot be planned, the book begins with {first}, which "
                f"is not closed. Materialise {first} first."
            )
        return
    if first is not None and first != calendar.first and not settings.mode.is_real:
        raise ConfigurationError(
            f"{settings.id}: the book begins with {first}, `sessions.start` says "
            f"{calendar.first}. Keep `start`, or use a new portfolio id for another "
            "beginning."
        )
    if through is not None and session <= through:
        return
    previous = calendar.previous(session)
    if through != previous:
        sessions = calendar.sessions
        if through is not None and through not in sessions:
            raise ConfigurationError(
                f"{settings.id}: the book is closed through {through}, which is no "
                f"session of {settings.sessions.calendar}. Keep `sessions.calendar`, or "
                "use a new portfolio id for another one."
            )
        first_open = sessions[0] if through is None else sessions[sessions.index(through) + 1]
        raise SessionNotReadyError(
            f"{settings.id}: {session} cannot be planned, the book is closed through "
            f"{through or 'no session yet'}. Materialise {first_open} first."
        )


def _require_present(
    settings: PortfolioSettings, calendar: TradingCalendar, session: dt.date, now: dt.datetime
) -> None:
    """A book of a real account begins with what it holds now, which is of no other session."""
    following = next((one for one in calendar.sessions if calendar.closes_at(one) > now), None)
    if session not in (calendar.current(now), following):
        raise SessionNotReadyError(
            f"{settings.id}: an account is taken over in the present session, not in {session}. "
            + (f"Begin with {following}." if following else "There is none: extend `sessions`.")
        )


def require_account(
    settings: PortfolioSettings, book: Book, broker: Broker, live_account: str | None
) -> None:
    """SubmissionRefusedError where the broker's account is not the one that the book is of, or not
    the one that the environment names for live trading: nothing of it may be booked."""
    if settings.mode.is_real:
        authorize_account(
            settings.id,
            settings.mode,
            live_account,
            broker.account().require().account_number,
            account_of(book),
        )


def account_of(book: Book) -> str | None:
    """The number of the account that the book is of, None where none is recorded yet."""
    last = book.last_closed
    if last is not None:
        return last.closed.statement.account_number
    return next((record.correlation_id for record in book.log.records(up_to=1)), None) or None


def require_market_data(
    settings: PortfolioSettings,
    calendar: TradingCalendar,
    surroundings: Surroundings,
    session: dt.date,
    closes: PriceSnapshot,
) -> None:
    """A simulated session trades at its closes: it must be over, and its prices known.

    One symbol without a price is a halted symbol; all of them is a file that is not there yet.
    """
    if settings.mode.is_real:
        return
    closes_at = calendar.closes_at(session)
    if surroundings.now() < closes_at:
        raise SessionNotReadyError(
            f"{settings.id}: {session} closes at {closes_at:%Y-%m-%d %H:%M} UTC and is "
            "simulated after that. Run it again then."
        )
    if closes.missing and not closes.prices:
        raise SessionNotReadyError(
            f"{settings.id}: no price of {session} is known for any of "
            f"{len(closes.missing)} instruments. Add the session's closes to the price file, "
            "then run it again."
        )


def require_closes(settings: PortfolioSettings, book: Book, inputs: SessionInputs) -> None:
    """A real session is valued at its closes, which are there some minutes after them."""
    session = inputs.session
    held = sorted(book.positions)
    if settings.mode.is_real and held and not inputs.closes(held).prices:
        raise SessionNotReadyError(
            f"{settings.id}: {session} is over and no close of it is known yet for any of "
            f"{len(held)} positions. What it traded is booked; run it again to close it."
        )


def require_simulator(broker: object, settings: PortfolioSettings) -> SimulatedBroker:
    """The broker of a portfolio that is simulated; ConfigurationError where it is another."""
    if not isinstance(broker, SimulatedBroker):
        raise ConfigurationError(
            f"{settings.id}: mode {settings.mode.value} is run in the simulated broker, not in "
            f"{type(broker).__name__}. Correct `mode` or `broker`."
        )
    return broker
