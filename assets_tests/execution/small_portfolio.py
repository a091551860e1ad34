"""A portfolio of a few symbols, small enough to be worked out by hand, on real parts.

Book, broker, planner and session runner are those of the product; only prices and targets are
given here instead of read from files.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.calendar import TradingCalendar
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.session import (
    SessionInputs,
    SessionOutcome,
    SessionRunner,
    Surroundings,
)
from trading_assets.model.corporate_actions import CorporateAction
from trading_assets.model.instrument import Price, PriceSnapshot
from trading_assets.model.target import Contribution, TargetPortfolio, TargetWeight
from trading_assets.settings import PortfolioSettings, SessionSettings

MONDAY = dt.date(2024, 3, 4)
TUESDAY = dt.date(2024, 3, 5)
WEDNESDAY = dt.date(2024, 3, 6)
THURSDAY = dt.date(2024, 3, 7)
FRIDAY = dt.date(2024, 3, 8)
NEXT_MONDAY = dt.date(2024, 3, 11)
BEFORE = dt.date(2024, 3, 1)
SESSIONS = (MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, NEXT_MONDAY)
CALENDAR = TradingCalendar(SessionSettings(start=MONDAY, end=NEXT_MONDAY))
ACCOUNT = "SIM-small-0042"


def portfolio_settings(**changes: Any) -> PortfolioSettings:
    """10,000 of cash, whole shares, no buffer, no costs, shorts allowed; `changes` are top-level
    keys of a portfolio file."""
    content: dict[str, Any] = {
        "id": "small",
        "name": "Small",
        "mode": "simulated",
        "initial_cash": 10000,
        "sessions": {"start": MONDAY, "end": NEXT_MONDAY},
        "prices": {"path": "prices.csv"},
        "signals": {"strategies": [{"id": "alpha", "path": "alpha.csv"}]},
        "combination": {"method": "select", "strategy": "alpha"},
        "constraints": {"allow_short": True},
        "planning": {"fractional": False, "cash_buffer": 0},
        "simulation": {"margin_multiplier": 2},
        "report": {"title": "Small"},
    }
    return PortfolioSettings.model_validate(content | changes)


def target_portfolio(session: dt.date, weights: Mapping[str, str]) -> TargetPortfolio:
    """Targets asked for by one strategy."""
    return TargetPortfolio(
        session=session,
        asof=BEFORE,
        strategy_id="alpha",
        weights=tuple(
            TargetWeight(
                asset_id=symbol,
                symbol=symbol,
                weight=Decimal(weight),
                contributions=(Contribution(strategy_id="alpha", weight=Decimal(weight)),),
            )
            for symbol, weight in sorted(weights.items())
        ),
    )


def snapshot(
    session: dt.date,
    prices: Mapping[str, str],
    symbols: Iterable[str] | None = None,
    volume: str | None = None,
) -> PriceSnapshot:
    """Prices of `session` for `symbols` (all that there are when None); others are missing."""
    asked = list(prices if symbols is None else symbols)
    return PriceSnapshot(
        session=session,
        prices={
            symbol: Price(
                symbol=symbol,
                price=Decimal(prices[symbol]),
                currency="USD",
                session=session,
                age_sessions=0,
                source="by hand",
                volume=None if volume is None else Decimal(volume),
            )
            for symbol in asked
            if symbol in prices
        },
        missing=tuple(symbol for symbol in asked if symbol not in prices),
    )


def session_inputs(
    session: dt.date,
    weights: Mapping[str, str],
    plan_prices: Mapping[str, str],
    closes: Mapping[str, str] | None = None,
    volume: str | None = None,
    actions: tuple[CorporateAction, ...] = (),
) -> SessionInputs:
    """What a session is decided from; its closes are its plan prices where not given."""
    at_close = plan_prices if closes is None else closes
    return SessionInputs(
        session=session,
        targets=target_portfolio(session, weights),
        plan_prices=lambda symbols: snapshot(session, plan_prices, symbols),
        closes=lambda symbols: snapshot(session, at_close, symbols, volume),
        benchmark=None,
        actions=actions,
    )


class Desk:
    """Everything that one process opens to run sessions of the portfolio in `folder`."""

    def __init__(
        self,
        folder: Path,
        settings: PortfolioSettings | None = None,
        *,
        broker: type[SimulatedBroker] = SimulatedBroker,
        now: Callable[[], dt.datetime] = lambda: dt.datetime(2024, 3, 20, 15, tzinfo=dt.UTC),
        live_account: str | None = None,
    ) -> None:
        self.settings = settings or portfolio_settings()
        self.log = open_event_log(folder / "books", self.settings.id)
        self.broker = broker(
            folder / "broker.sqlite",
            ACCOUNT,
            self.settings.currency,
            self.settings.simulation,
            self.settings.commission,
        )
        self.halted = False
        self.book = Book(self.log, self.settings, keep=SESSIONS)
        surroundings = Surroundings(
            now=now,
            halted=lambda: self.halted,
            live_account=live_account,
            sleep=lambda _seconds: None,
            wait=lambda _seconds: None,
        )
        self.runner = SessionRunner(self.settings, CALENDAR, self.book, self.broker, surroundings)

    def run(self, inputs: SessionInputs, *, stop_after_plan: bool = False) -> SessionOutcome:
        """Bring one session as far as it goes."""
        return self.runner.run(inputs, stop_after_plan=stop_after_plan)

    def close(self) -> None:
        """End of the process, in good order."""
        self.log.close()
        self.broker.close()

    @property
    def broker_positions(self) -> dict[str, Decimal]:
        """Signed shares at the broker."""
        return self.broker.positions().require()

    @property
    def broker_cash(self) -> Decimal:
        """Cash at the broker."""
        return self.broker.account().require().cash

    @property
    def books_agree(self) -> bool:
        """True where book and broker hold the same shares and the same cash."""
        return (
            self.book.positions == dict(sorted(self.broker_positions.items()))
            and self.book.cash == self.broker_cash
        )
