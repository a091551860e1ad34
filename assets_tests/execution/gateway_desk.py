"""Sessions of a small portfolio in an account at Interactive Brokers' stand-in.

Book, broker, planner and session runner are those of the product.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assets_tests.brokers.ibkr_accounts import flex_access, opened
from assets_tests.execution.small_portfolio import portfolio_settings, session_inputs
from assets_tests.ibkr.flex import FlexStandIn
from assets_tests.ibkr.server import GatewayStandIn
from trading_assets.calendar import TradingCalendar
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.session import (
    SessionOutcome,
    SessionRunner,
    SessionStatus,
    Surroundings,
)
from trading_assets.ledger.history import ClosedSession

MONDAY, TUESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4)
PRICES = {"SXLK.L": "62.50", "SXLE.L": "40.00"}
# Of 100,000: 40 % are 640 shares of SXLK, 20 % are 500 of SXLE.
WEIGHTS = {"SXLK.L": "0.4", "SXLE.L": "0.2"}
MORNING, EVENING = dt.time(7, 30), dt.time(16, 0)


class GatewayDesk:
    """A portfolio in an account behind the gateway; each run is a process of its own."""

    def __init__(
        self, folder: Path, gateway: GatewayStandIn, flex: FlexStandIn, **execution: Any
    ) -> None:
        self.folder, self.gateway, self.flex = folder, gateway, flex
        self.changes: dict[str, Any] = {
            "mode": "paper",
            "broker": {"kind": "ibkr", "port": gateway.port, "flex_query_id": flex.query_id},
            "sessions": {"calendar": "XLON", "start": MONDAY, "end": dt.date(2024, 6, 7)},
            "execution": execution,
            "constraints": {"allow_short": False},
        }
        self.settings = portfolio_settings(**self.changes)
        self.calendar = TradingCalendar(self.settings.sessions)

    def run(
        self,
        session: dt.date,
        clock: dt.time,
        weights: Mapping[str, str] = WEIGHTS,
        prices: Mapping[str, str] = PRICES,
        day: dt.date | None = None,
    ) -> SessionOutcome:
        """One run at a time (UTC) of the session's day, or of another `day`."""
        now = dt.datetime.combine(day or session, clock, tzinfo=dt.UTC)
        log = open_event_log(self.folder, self.settings.id)
        try:
            with opened(self.gateway, flex=flex_access(self.flex)) as broker:
                runner = SessionRunner(
                    self.settings,
                    self.calendar,
                    Book(log, self.settings, keep=[session]),
                    broker,
                    Surroundings(
                        now=lambda: now,
                        halted=lambda: False,
                        live_account=None,
                        sleep=lambda _: None,
                    ),
                )
                return runner.run(session_inputs(session, weights, prices))
        finally:
            log.close()

    def closed(
        self,
        session: dt.date,
        weights: Mapping[str, str] = WEIGHTS,
        prices: Mapping[str, str] = PRICES,
    ) -> ClosedSession:
        """The evening's run, which must close the session."""
        outcome = self.run(session, EVENING, weights, prices)
        assert outcome.status is SessionStatus.CLOSED, outcome.block_message
        assert outcome.closed is not None
        return outcome.closed
