"""Sessions of a small portfolio at the Alpaca stand-in: each run opens what a process opens."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assets_tests.alpaca.server import AlpacaStandIn
from assets_tests.brokers.alpaca_accounts import opened
from assets_tests.execution.small_portfolio import portfolio_settings, session_inputs
from trading_assets.calendar import TradingCalendar
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.session import SessionOutcome, SessionRunner, Surroundings
from trading_assets.model.corporate_actions import CorporateAction
from trading_assets.settings import SessionSettings

MONDAY, TUESDAY, WEDNESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4), dt.date(2024, 6, 5)
SESSIONS = {"start": MONDAY, "end": dt.date(2024, 6, 28)}
CALENDAR = TradingCalendar(SessionSettings.model_validate(SESSIONS))


class AlpacaDesk:
    """The portfolio in `folder`; `changes` are top-level keys of its file.

    `clock_error` is how far this machine's clock is ahead of the exchange's. With `quotes` it sees
    the market before it sends.
    """

    def __init__(
        self, folder: Path, alpaca: AlpacaStandIn, *, quotes: bool = False, **changes: Any
    ) -> None:
        self.quotes = quotes
        self.folder = folder
        self.alpaca = alpaca
        usual = {"mode": "paper", "sessions": SESSIONS, "execution": {"wait_seconds": 0}}
        self.settings = portfolio_settings(**(usual | changes))
        self.clock_error = dt.timedelta()
        self.live_account: str | None = None
        self.book: Book

    def run(
        self,
        weights: Mapping[str, str],
        prices: Mapping[str, str],
        *,
        closes: Mapping[str, str] | None = None,
        session: dt.date = MONDAY,
        actions: tuple[CorporateAction, ...] = (),
    ) -> SessionOutcome:
        """One run of a session, now by the stand-in's clock; there are no closes unless given."""
        log = open_event_log(self.folder, self.settings.id)
        self.book = Book(log, self.settings, keep=[session])
        surroundings = Surroundings(
            now=lambda: self.alpaca.account.clock.now + self.clock_error,
            halted=lambda: False,
            live_account=self.live_account,
            sleep=lambda _seconds: None,
            wait=lambda _seconds: None,
        )
        broker = opened(self.alpaca, quotes=self.quotes, sends=self.settings.mode.sends)
        runner = SessionRunner(self.settings, CALENDAR, self.book, broker, surroundings)
        try:
            inputs = session_inputs(session, weights, prices, closes or {}, actions=actions)
            return runner.run(inputs)
        finally:
            log.close()
