"""How an API was used and how it answered: a record that can be shown beside the result."""

from __future__ import annotations

import threading
from bisect import insort
from collections import Counter

import msgspec


class ApiStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of an API since its client was made.

    `calls` counts requests that left, each attempt of its own; `errors` those without a 2xx answer,
    by what came instead ("429", "timeout", ...). Latencies are from request to whole answer, in
    milliseconds, waiting for the rate limit not included; None before the first answer. The
    percentile p is the smallest latency that at least p % of the requests did not exceed.
    `retries` are reads that were asked again; an order never is.
    """

    calls: int
    errors: dict[str, int]
    retries: int
    rate_limit_waits: int
    rate_limit_wait_seconds: float
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    latency_ms_p99: float | None
    latency_ms_max: float | None

    @property
    def error_count(self) -> int:
        """Requests without a 2xx answer."""
        return sum(self.errors.values())


class ApiMeter:
    """Counts the requests of one client. Shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latencies: list[float] = []
        self._errors: Counter[str] = Counter()
        self._retries = 0
        self._waits = 0
        self._wait_seconds = 0.0

    def waited(self, seconds: float) -> None:
        """A request was held back by the rate limit; 0 seconds is no wait."""
        if seconds > 0:
            with self._lock:
                self._waits += 1
                self._wait_seconds += seconds

    def called(self, seconds: float, error: str = "") -> None:
        """A request was answered, or failed with `error`, after so many seconds."""
        with self._lock:
            insort(self._latencies, seconds)
            if error:
                self._errors[error] += 1

    def retried(self) -> None:
        """A read is asked again."""
        with self._lock:
            self._retries += 1

    def statistics(self) -> ApiStatistics:
        """Everything counted so far."""
        with self._lock:
            return ApiStatistics(
                calls=len(self._latencies),
                errors=dict(sorted(self._errors.items())),
                retries=self._retries,
                rate_limit_waits=self._waits,
                rate_limit_wait_seconds=round(self._wait_seconds, 3),
                latency_ms_p50=self._percentile(50),
                latency_ms_p95=self._percentile(95),
                latency_ms_p99=self._percentile(99),
                latency_ms_max=self._percentile(100),
            )

    def _percentile(self, percent: int) -> float | None:
        if not self._latencies:
            return None
        rank = -(-percent * len(self._latencies) // 100)
        return round(self._latencies[rank - 1] * 1000, 3)
