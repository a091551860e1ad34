"""The circuit breaker: its table, what trips it, who lets it go on."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import product

import pytest

from trading_assets.errors import CircuitBreakerError
from trading_assets.risk.circuit_breaker import (
    TRANSITIONS,
    BreakerStatus,
    BreakerTrigger,
    CircuitBreaker,
    EquityObserved,
    Halted,
    Observation,
    OrderAccepted,
    OrderRejected,
    Resumed,
    observe,
    trip_equity,
)
from trading_assets.risk.policies import CircuitBreakerPolicy

D = Decimal


def amounts(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(D(number) for number in numbers)


MONDAY, TUESDAY, WEDNESDAY = (dt.date(2024, 3, day) for day in (4, 5, 6))
POLICY = CircuitBreakerPolicy(max_daily_loss=D("0.03"), max_drawdown=D("0.10"), max_rejections=3)
RESUMED = Resumed("ann@example.com", "the feed is back")


def equity(session: dt.date, amount: int | str, flow: int | str = 0) -> EquityObserved:
    return EquityObserved(session, D(amount), D(flow))


def after(
    *seen: Observation, policy: CircuitBreakerPolicy = POLICY, breaker: CircuitBreaker | None = None
) -> CircuitBreaker:
    breaker = breaker or CircuitBreaker()
    for each in seen:
        breaker = observe(breaker, each, policy)
    return breaker


# The table written a second time, as a person reads it: from, what happens, to.
EXPECTED = {
    ("trading", "daily_loss"): "paused",
    ("trading", "drawdown"): "close_only",
    ("trading", "rejections"): "halted",
    ("trading", "margin_call"): "close_only",
    ("trading", "halt"): "halted",
    ("paused", "drawdown"): "close_only",
    ("paused", "rejections"): "halted",
    ("paused", "margin_call"): "close_only",
    ("paused", "halt"): "halted",
    ("paused", "next_session"): "trading",
    ("paused", "resume"): "trading",
    ("close_only", "rejections"): "halted",
    ("close_only", "margin_call"): "close_only",
    ("close_only", "halt"): "halted",
    ("close_only", "resume"): "trading",
    ("halted", "rejections"): "halted",
    ("halted", "margin_call"): "halted",
    ("halted", "halt"): "halted",
    ("halted", "resume"): "trading",
}


@pytest.mark.parametrize(("status", "trigger"), list(product(BreakerStatus, BreakerTrigger)))
def test_the_table_says_what_may_follow(status: BreakerStatus, trigger: BreakerTrigger) -> None:
    found = TRANSITIONS[status].get(trigger)
    expected = EXPECTED.get((status.value, trigger.value))
    assert (None if found is None else found.value) == expected


def test_nothing_but_a_resumption_leads_back_to_trading() -> None:
    back = {
        trigger
        for status in BreakerStatus
        for trigger, following in TRANSITIONS[status].items()
        if following is BreakerStatus.TRADING
    }
    assert back == {BreakerTrigger.RESUME, BreakerTrigger.NEXT_SESSION}


def test_a_daily_loss_is_measured_from_the_close_before() -> None:
    calm = after(equity(MONDAY, 100_000), equity(TUESDAY, "97000.01"))
    assert calm.status is BreakerStatus.TRADING
    lost = observe(calm, equity(TUESDAY, 97_000), POLICY)
    assert lost.status is BreakerStatus.PAUSED
    assert lost.trip is not None
    assert lost.trip.detail == (
        "equity 97000 is 0.03 below the equity before the session 100000, limit 0.03"
    )


def test_two_small_losses_of_two_sessions_are_not_a_daily_loss() -> None:
    breaker = after(equity(MONDAY, 100_000), equity(TUESDAY, 98_000), equity(WEDNESDAY, 96_000))
    assert breaker.status is BreakerStatus.TRADING


def test_a_drawdown_from_the_highest_equity_allows_only_closing() -> None:
    breaker = after(
        equity(MONDAY, 100_000),
        equity(TUESDAY, 120_000),
        equity(WEDNESDAY, 117_000),
        equity(dt.date(2024, 3, 7), 114_000),
        equity(dt.date(2024, 3, 8), 111_000),
        equity(dt.date(2024, 3, 11), 108_000),
    )
    assert breaker.status is BreakerStatus.CLOSE_ONLY
    assert breaker.trip is not None
    assert breaker.trip.trigger is BreakerTrigger.DRAWDOWN
    assert breaker.trip.session == dt.date(2024, 3, 11)


def test_only_what_reduces_may_be_sent_after_a_loss_and_nothing_after_a_halt() -> None:
    paused = after(equity(MONDAY, 100_000), equity(TUESDAY, 96_000))
    assert paused.refusal("AAPL", reduces=True) is None
    refusal = paused.refusal("AAPL", reduces=False)
    assert refusal is not None
    assert refusal.message == (
        "TRADING_HALTED AAPL: the circuit breaker has tripped: equity 96000 is 0.04 below the "
        "equity before the session 100000, limit 0.03; find out why, then resume it by name"
    )
    halted = observe(paused, Halted("ann@example.com", "prices look wrong"), POLICY)
    assert halted.refusal("AAPL", reduces=True) is not None


def test_a_loss_does_not_heal_by_itself() -> None:
    breaker = after(equity(MONDAY, 100_000), equity(TUESDAY, 96_000), equity(TUESDAY, 130_000))
    assert breaker.status is BreakerStatus.PAUSED
    assert observe(breaker, equity(WEDNESDAY, 130_000), POLICY).status is BreakerStatus.PAUSED


def test_the_policy_may_let_a_sessions_loss_end_with_it() -> None:
    policy = CircuitBreakerPolicy(max_daily_loss=D("0.03"), resume_next_session=True)
    paused = after(equity(MONDAY, 100_000), equity(TUESDAY, 96_000), policy=policy)
    again = observe(paused, equity(WEDNESDAY, 95_000), policy)
    assert again.status is BreakerStatus.TRADING
    assert again.trip is None
    # And the next session's loss is measured from where it began.
    assert observe(again, equity(WEDNESDAY, 93_120), policy).status is BreakerStatus.PAUSED


def test_a_drawdown_does_not_end_with_the_session() -> None:
    policy = CircuitBreakerPolicy(max_drawdown=D("0.10"), resume_next_session=True)
    tripped = after(equity(MONDAY, 100_000), equity(TUESDAY, 90_000), policy=policy)
    assert observe(tripped, equity(WEDNESDAY, 99_000), policy).status is BreakerStatus.CLOSE_ONLY


def test_a_person_resumes_and_the_loss_is_accepted() -> None:
    tripped = after(equity(MONDAY, 100_000), equity(TUESDAY, 98_000), equity(WEDNESDAY, 90_000))
    resumed = observe(tripped, RESUMED, POLICY)
    assert resumed.status is BreakerStatus.TRADING
    assert resumed.peak_equity == 90_000
    # Not tripped again at the next equity, only by a new fall of 3 % or 10 %.
    assert observe(resumed, equity(WEDNESDAY, 89_000), POLICY).status is BreakerStatus.TRADING
    assert observe(resumed, equity(WEDNESDAY, 87_300), POLICY).status is BreakerStatus.PAUSED


def test_resuming_what_trades_is_an_error() -> None:
    with pytest.raises(CircuitBreakerError, match="is trading: 'resume' is not possible"):
        after(RESUMED)


@pytest.mark.parametrize("action", [Resumed("", "why"), Resumed("ann", " "), Halted("", "why")])
def test_an_action_needs_a_name_and_a_reason(action: Resumed | Halted) -> None:
    with pytest.raises(CircuitBreakerError, match="need a name and a reason"):
        after(action, breaker=CircuitBreaker(status=BreakerStatus.HALTED))


def test_three_rejections_in_a_row_halt_and_an_accepted_order_ends_the_row() -> None:
    rejected, accepted = OrderRejected(), OrderAccepted()
    assert after(rejected, rejected, accepted, rejected).status is BreakerStatus.TRADING
    halted = after(rejected, rejected, rejected)
    assert halted.status is BreakerStatus.HALTED
    assert halted.trip is not None
    assert halted.trip.detail == "3 orders in a row were rejected, limit 3"
    # What was on its way is rejected too; the reason stays the first.
    assert observe(halted, rejected, POLICY).trip == halted.trip
    assert observe(halted, RESUMED, POLICY).rejections == 0


def test_a_drawdown_after_a_daily_loss_is_the_graver_one() -> None:
    breaker = after(equity(MONDAY, 100_000), equity(TUESDAY, 96_000), equity(TUESDAY, 90_000))
    assert breaker.status is BreakerStatus.CLOSE_ONLY


def test_money_paid_out_is_no_loss() -> None:
    # Half is paid out: the highest equity counts half as well, and so does the session's.
    breaker = after(equity(MONDAY, 100_000), equity(TUESDAY, 50_000, -50_000))
    assert breaker.status is BreakerStatus.TRADING
    assert (breaker.peak_equity, breaker.session_equity) == amounts(50_000, 50_000)


def test_money_paid_in_hides_no_loss() -> None:
    # 100,000 paid in on Tuesday make 200,000 before trading; 193,000 are a loss of 3.5 %.
    breaker = after(equity(MONDAY, 100_000), equity(TUESDAY, 193_000, 100_000))
    assert breaker.status is BreakerStatus.PAUSED


def test_a_fall_that_began_before_a_withdrawal_keeps_its_depth() -> None:
    policy = CircuitBreakerPolicy(max_drawdown=D("0.10"))
    # 100,000 falls 5 % to 95,000; half is paid out; 45,000 is 10 % below the half of the peak.
    breaker = after(
        equity(MONDAY, 100_000),
        equity(TUESDAY, 95_000),
        equity(WEDNESDAY, 47_500, -47_500),
        policy=policy,
    )
    assert observe(breaker, equity(WEDNESDAY, 45_001), policy).status is BreakerStatus.TRADING
    assert observe(breaker, equity(WEDNESDAY, 45_000), policy).status is BreakerStatus.CLOSE_ONLY


def test_the_equity_that_trips_is_known_beforehand() -> None:
    breaker = after(equity(MONDAY, 100_000), equity(TUESDAY, 105_000))
    # 3 % below 100,000 or 10 % below 105,000: the first comes sooner.
    level = trip_equity(breaker, POLICY)
    assert level == 97_000
    assert observe(breaker, equity(TUESDAY, "97000.01"), POLICY).status is BreakerStatus.TRADING
    assert observe(breaker, equity(TUESDAY, 97_000), POLICY).status is BreakerStatus.PAUSED
    assert trip_equity(breaker, CircuitBreakerPolicy()) is None
    assert trip_equity(CircuitBreaker(), POLICY) is None


def test_equity_at_or_below_nothing_trips_a_drawdown() -> None:
    policy = CircuitBreakerPolicy(max_drawdown=D("0.99"))
    breaker = after(equity(MONDAY, 100), equity(MONDAY, -5), policy=policy)
    assert breaker.status is BreakerStatus.CLOSE_ONLY


def test_sessions_are_observed_in_order() -> None:
    with pytest.raises(CircuitBreakerError, match="observe sessions in order"):
        after(equity(TUESDAY, 100), equity(MONDAY, 100))


def test_a_policy_without_triggers_never_trips() -> None:
    policy = CircuitBreakerPolicy()
    breaker = after(equity(MONDAY, 100), equity(TUESDAY, 1), OrderRejected(), policy=policy)
    assert breaker.status is BreakerStatus.TRADING
