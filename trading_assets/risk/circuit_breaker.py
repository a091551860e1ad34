"""The circuit breaker: when trading as a whole stops, why, and who lets it go on.

A pure state machine: `observe(breaker, what was seen, policy)` gives the breaker after it. What may
follow what is the table `TRANSITIONS`; what is absent there raises.

It never lets go by itself. A person resumes it by name and with a reason (`Resumed`), or the policy
does so for one trigger: with `resume_next_session` a session's loss is over with the session.
Resuming accepts the loss: equity is measured from where it then stands.

Money that is paid in or out is no gain or loss. The marks that equity is measured by are scaled
by what it does to equity, so that a fall of 10 % stays one.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.errors import CircuitBreakerError
from trading_assets.model.money import ONE, ZERO, plain
from trading_assets.risk.policies import CircuitBreakerPolicy
from trading_assets.risk.refusals import RiskCode, RiskRefusal


class BreakerStatus(StrEnum):
    """What may be sent: anything; only what reduces positions, until the session is over or until
    it is resumed; nothing."""

    TRADING = "trading"
    PAUSED = "paused"
    CLOSE_ONLY = "close_only"
    HALTED = "halted"


class BreakerTrigger(StrEnum):
    """What can happen to a circuit breaker."""

    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    REJECTIONS = "rejections"
    MARGIN_CALL = "margin_call"
    HALT = "halt"
    NEXT_SESSION = "next_session"
    RESUME = "resume"


TRANSITIONS: dict[BreakerStatus, dict[BreakerTrigger, BreakerStatus]] = {
    BreakerStatus.TRADING: {
        BreakerTrigger.DAILY_LOSS: BreakerStatus.PAUSED,
        BreakerTrigger.DRAWDOWN: BreakerStatus.CLOSE_ONLY,
        BreakerTrigger.REJECTIONS: BreakerStatus.HALTED,
        BreakerTrigger.MARGIN_CALL: BreakerStatus.CLOSE_ONLY,
        BreakerTrigger.HALT: BreakerStatus.HALTED,
    },
    BreakerStatus.PAUSED: {
        BreakerTrigger.DRAWDOWN: BreakerStatus.CLOSE_ONLY,
        BreakerTrigger.REJECTIONS: BreakerStatus.HALTED,
        BreakerTrigger.MARGIN_CALL: BreakerStatus.CLOSE_ONLY,
        BreakerTrigger.HALT: BreakerStatus.HALTED,
        BreakerTrigger.NEXT_SESSION: BreakerStatus.TRADING,
        BreakerTrigger.RESUME: BreakerStatus.TRADING,
    },
    BreakerStatus.CLOSE_ONLY: {
        BreakerTrigger.REJECTIONS: BreakerStatus.HALTED,
        BreakerTrigger.MARGIN_CALL: BreakerStatus.CLOSE_ONLY,
        BreakerTrigger.HALT: BreakerStatus.HALTED,
        BreakerTrigger.RESUME: BreakerStatus.TRADING,
    },
    BreakerStatus.HALTED: {
        # Orders that were on their way may still be rejected, and a second person may halt.
        BreakerTrigger.REJECTIONS: BreakerStatus.HALTED,
        BreakerTrigger.MARGIN_CALL: BreakerStatus.HALTED,
        BreakerTrigger.HALT: BreakerStatus.HALTED,
        BreakerTrigger.RESUME: BreakerStatus.TRADING,
    },
}
"""(status, trigger) → status. What is absent here must not happen, and raises."""


class EquityObserved(msgspec.Struct, frozen=True, gc=False):
    """Equity (money) during `session`; `flow` is what was paid in (negative: out) since the
    observation before, and is part of `equity`."""

    session: dt.date
    equity: Decimal
    flow: Decimal = ZERO


class OrderRejected(msgspec.Struct, frozen=True, gc=False):
    """The broker refused an order."""


class OrderAccepted(msgspec.Struct, frozen=True, gc=False):
    """The broker took an order, which ends a row of rejections."""


class MarginCalled(msgspec.Struct, frozen=True, gc=False):
    """Equity is below maintenance margin (money), and the policy is to halt."""

    equity: Decimal
    maintenance: Decimal


class Halted(msgspec.Struct, frozen=True):
    """A person stops all trading."""

    by: str
    reason: str


class Resumed(msgspec.Struct, frozen=True):
    """A person lets trading go on."""

    by: str
    reason: str


Observation = EquityObserved | OrderRejected | OrderAccepted | MarginCalled | Halted | Resumed


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """Why a breaker is not trading: what was measured against which limit, or who halted it."""

    trigger: BreakerTrigger
    session: dt.date | None
    detail: str


class CircuitBreaker(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A breaker as it stands. Money is None before the first equity is seen.

    `session_equity` is what the session's loss is measured from: the last equity of the session
    before it. `rejections` is how many orders in a row were rejected. `trip` is None while trading.
    """

    status: BreakerStatus = BreakerStatus.TRADING
    session: dt.date | None = None
    equity: Decimal | None = None
    session_equity: Decimal | None = None
    peak_equity: Decimal | None = None
    rejections: int = 0
    trip: Trip | None = None

    def refusal(self, symbol: str, *, reduces: bool) -> RiskRefusal | None:
        """Why an order of `symbol` may not be sent now; None where it may."""
        status = self.status
        if status is BreakerStatus.TRADING or (reduces and status is not BreakerStatus.HALTED):
            return None
        detail = "" if self.trip is None else self.trip.detail
        return RiskRefusal(RiskCode.TRADING_HALTED, symbol, ZERO, ZERO, detail)


def observe(
    breaker: CircuitBreaker, seen: Observation, policy: CircuitBreakerPolicy
) -> CircuitBreaker:
    """`breaker` after what was `seen`.

    Raises CircuitBreakerError where the breaker's status does not allow it (resuming what trades),
    where a name or reason is empty, or where a session is earlier than the last.
    """
    if isinstance(seen, EquityObserved):
        return _equity_seen(breaker, seen, policy)
    if isinstance(seen, MarginCalled):
        detail = (
            f"margin call: equity {plain(seen.equity)} is below maintenance margin "
            f"{plain(seen.maintenance)}"
        )
        return _tripped(breaker, BreakerTrigger.MARGIN_CALL, detail)
    if isinstance(seen, OrderAccepted):
        if breaker.rejections == 0:
            return breaker
        return msgspec.structs.replace(breaker, rejections=0)
    if isinstance(seen, OrderRejected):
        breaker = msgspec.structs.replace(breaker, rejections=breaker.rejections + 1)
        most = policy.max_rejections
        if most is None or breaker.rejections < most:
            return breaker
        detail = f"{breaker.rejections} orders in a row were rejected, limit {most}"
        return _tripped(breaker, BreakerTrigger.REJECTIONS, detail)
    if not seen.by.strip() or not seen.reason.strip():
        raise CircuitBreakerError(
            f"halting and resuming need a name and a reason, given {seen.by!r} and "
            f"{seen.reason!r}; say who does it and why"
        )
    if isinstance(seen, Halted):
        return _tripped(breaker, BreakerTrigger.HALT, f"halted by {seen.by}: {seen.reason}")
    return _resumed(breaker)


def trip_equity(breaker: CircuitBreaker, policy: CircuitBreakerPolicy) -> Decimal | None:
    """The equity at or below which the next observation of the same session trips the breaker;
    None where no equity does. Between it and `peak_equity` an observation changes nothing but
    `equity`, so a loop need not make one for each bar."""
    levels = []
    if policy.max_daily_loss is not None and breaker.session_equity is not None:
        levels.append(breaker.session_equity * (ONE - policy.max_daily_loss))
    if policy.max_drawdown is not None and breaker.peak_equity is not None:
        levels.append(breaker.peak_equity * (ONE - policy.max_drawdown))
    return max(levels, default=None)


def _equity_seen(
    breaker: CircuitBreaker, seen: EquityObserved, policy: CircuitBreakerPolicy
) -> CircuitBreaker:
    breaker = _measured(breaker, seen)
    if (
        breaker.status is BreakerStatus.PAUSED
        and policy.resume_next_session
        and breaker.trip is not None
        and breaker.trip.session != seen.session
    ):
        status = _following(breaker.status, BreakerTrigger.NEXT_SESSION)
        breaker = msgspec.structs.replace(breaker, status=status, trip=None)
    status, equity = breaker.status, seen.equity
    peak, opening = breaker.peak_equity or ZERO, breaker.session_equity or ZERO
    limit = policy.max_drawdown
    watched = status in (BreakerStatus.TRADING, BreakerStatus.PAUSED)
    if limit is not None and watched and peak > 0 and equity <= peak * (ONE - limit):
        detail = _fall("the highest equity", peak, equity, limit)
        return _tripped(breaker, BreakerTrigger.DRAWDOWN, detail)
    limit = policy.max_daily_loss
    trading = status is BreakerStatus.TRADING
    if limit is not None and trading and opening > 0 and equity <= opening * (ONE - limit):
        detail = _fall("the equity before the session", opening, equity, limit)
        return _tripped(breaker, BreakerTrigger.DAILY_LOSS, detail)
    return breaker


def _measured(breaker: CircuitBreaker, seen: EquityObserved) -> CircuitBreaker:
    """The marks that equity is measured by, before it is."""
    last, equity = breaker.equity, seen.equity
    if last is None or breaker.session is None:
        return msgspec.structs.replace(
            breaker,
            session=seen.session,
            equity=equity,
            session_equity=equity,
            peak_equity=equity,
        )
    if seen.session < breaker.session:
        raise CircuitBreakerError(
            f"equity of {seen.session} was observed after that of {breaker.session}; "
            "observe sessions in order"
        )
    opening = last if seen.session > breaker.session else breaker.session_equity or last
    peak = breaker.peak_equity or last
    if seen.flow and last > 0:
        scale = (last + seen.flow) / last
        opening, peak = opening * scale, peak * scale
    return msgspec.structs.replace(
        breaker,
        session=seen.session,
        equity=equity,
        session_equity=opening,
        peak_equity=max(peak, equity),
    )


def _fall(what: str, start: Decimal, equity: Decimal, limit: Decimal) -> str:
    fallen = (ONE - equity / start).quantize(Decimal("0.0001"))
    return (
        f"equity {plain(equity)} is {plain(fallen)} below {what} {plain(start)}, "
        f"limit {plain(limit)}"
    )


def _tripped(breaker: CircuitBreaker, trigger: BreakerTrigger, detail: str) -> CircuitBreaker:
    status = _following(breaker.status, trigger)
    if status is breaker.status:
        # The first reason is the one to be looked into.
        return breaker
    trip = Trip(trigger=trigger, session=breaker.session, detail=detail)
    return msgspec.structs.replace(breaker, status=status, trip=trip)


def _resumed(breaker: CircuitBreaker) -> CircuitBreaker:
    return msgspec.structs.replace(
        breaker,
        status=_following(breaker.status, BreakerTrigger.RESUME),
        session_equity=breaker.equity,
        peak_equity=breaker.equity,
        rejections=0,
        trip=None,
    )


def _following(status: BreakerStatus, trigger: BreakerTrigger) -> BreakerStatus:
    following = TRANSITIONS[status].get(trigger)
    if following is None:
        raise CircuitBreakerError(
            f"the circuit breaker is {status.value}: {trigger.value!r} is not possible; "
            f"possible: {', '.join(possible.value for possible in TRANSITIONS[status])}"
        )
    return following
