"""How many requests leave in a minute, tried on a clock that only sleeping moves."""

from __future__ import annotations

import threading

import pytest

from trading_assets.alpaca_api.rate_limiter import RateLimiter


class Clock:
    """Seconds that pass only by sleeping, or when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def limited(requests_per_minute: int) -> tuple[RateLimiter, Clock]:
    clock = Clock()
    return RateLimiter(requests_per_minute, clock.read, clock.sleep), clock


def test_as_many_as_allowed_leave_at_once_and_the_next_waits_for_the_first_to_be_a_minute_ago() -> (
    None
):
    limiter, clock = limited(3)
    assert [limiter.acquire() for _ in range(3)] == [0, 0, 0]
    clock.now += 10
    assert limiter.acquire() == 50
    assert clock.slept == [50]


def test_a_minute_after_the_last_request_nothing_waits() -> None:
    limiter, clock = limited(2)
    limiter.acquire()
    limiter.acquire()
    clock.now += 60
    assert [limiter.acquire(), limiter.acquire()] == [0, 0]


def test_in_no_minute_more_requests_leave_than_allowed() -> None:
    limiter, clock = limited(5)
    left = []
    for number in range(40):
        limiter.acquire()
        left.append(clock.now)
        clock.now += (number * 7) % 11
    assert all(left[place] - left[place - 5] >= 60 for place in range(5, 40))


def test_what_the_broker_asks_for_is_waited_for() -> None:
    limiter, clock = limited(100)
    limiter.acquire()
    limiter.hold(7.5)
    assert limiter.acquire() == 7.5
    assert limiter.acquire() == 0
    assert clock.now == 1007.5


def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    limiter, _ = limited(100)
    limiter.hold(20)
    limiter.hold(1)
    assert limiter.acquire() == 20


def test_threads_share_the_allowance() -> None:
    """20 threads and 10 places: ten wait a minute each, whoever they are."""
    waits: list[float] = []
    limiter = RateLimiter(10, clock=lambda: 0.0, sleep=lambda _: None)
    threads = [threading.Thread(target=lambda: waits.append(limiter.acquire())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [0.0] * 10 + [60.0] * 10


def test_an_allowance_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        RateLimiter(0)
