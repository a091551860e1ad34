"""What a session is run from, and what a run of it comes to."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.ledger.history import ClosedSession
from trading_assets.model.corporate_actions import CorporateAction
from trading_assets.model.instrument import PriceSnapshot
from trading_assets.model.plan import OrderPlan
from trading_assets.model.result import Gap
from trading_assets.model.target import TargetPortfolio
from trading_assets.risk.limits import OrderRate
from trading_assets.risk.refusals import RiskRefusal
from trading_assets.settings import PortfolioSettings


class SessionInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is decided from, besides the book.

    For the symbols asked, `plan_prices` gives what is known before the session and `closes` the
    session's own closes (what is missing is listed). Which symbols is known only when trades made
    outside are booked. `actions` are the corporate actions that take effect at the session's open,
    in the order in which they are booked, whoever holds them. `benchmark` is the benchmark's close,
    None if unknown.
    """

    session: dt.date
    targets: TargetPortfolio
    plan_prices: Callable[[Iterable[str]], PriceSnapshot]
    closes: Callable[[Iterable[str]], PriceSnapshot]
    benchmark: Decimal | None
    actions: tuple[CorporateAction, ...] = ()


class SessionStatus(StrEnum):
    """How far a run brought a session; PLANNED and WORKING are gone on with by a later run."""

    CLOSED = "closed"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    WORKING = "working"
    BLOCKED = "blocked"


class SessionOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of a session came to.

    `opening_gaps` are differences between book and broker before planning, `block_code` and
    `block_message` the refusal that stopped it; both empty when nothing did.
    """

    session: dt.date
    status: SessionStatus
    plan: OrderPlan | None
    closed: ClosedSession | None = None
    opening_gaps: tuple[Gap, ...] = ()
    block_code: str = ""
    block_message: str = ""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a session must know of the world: asked anew before each leg is sent, and whether
    trading is halted before each order too. `sleep` waits for so many seconds, `wait` at most so
    many, until something happens at the broker."""

    now: Callable[[], dt.datetime]
    halted: Callable[[], bool]
    live_account: str | None
    sleep: Callable[[float], None] = time.sleep
    wait: Callable[[float], None] = time.sleep


def order_rate(
    settings: PortfolioSettings, surroundings: Surroundings
) -> Callable[[str], RiskRefusal | None]:
    """What is asked before an order of a symbol leaves: the rate that it would break, else it is
    counted. In a simulated session the clock says nothing of how fast orders follow each other."""
    if settings.risk is None or not settings.mode.is_real:
        return lambda _symbol: None
    rate = OrderRate(settings.risk)
    return lambda symbol: rate.refusal(
        symbol, int(surroundings.now().timestamp() * 1000) * 1_000_000
    )
