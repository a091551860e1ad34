"""What a client counts of its own requests."""

from __future__ import annotations

from trading_assets.alpaca_api.statistics import ApiMeter


def test_nothing_asked_is_nothing_counted_and_no_latency() -> None:
    statistics = ApiMeter().statistics()
    assert (statistics.calls, statistics.errors, statistics.retries) == (0, {}, 0)
    assert statistics.latency_ms_p50 is None
    assert statistics.latency_ms_max is None


def test_percentiles_are_latencies_that_were_measured() -> None:
    """Of 1 to 100 ms in any order: half of them at most 50 ms, 95 at most 95 ms, ..."""
    meter = ApiMeter()
    for step in range(100):
        meter.called((step * 37 % 100 + 1) / 1000)
    statistics = meter.statistics()
    assert (statistics.latency_ms_p50, statistics.latency_ms_p95) == (50, 95)
    assert (statistics.latency_ms_p99, statistics.latency_ms_max) == (99, 100)


def test_one_latency_is_every_percentile() -> None:
    meter = ApiMeter()
    meter.called(0.25)
    statistics = meter.statistics()
    assert {statistics.latency_ms_p50, statistics.latency_ms_p99} == {250}


def test_errors_are_counted_by_kind_and_waits_only_where_there_was_one() -> None:
    meter = ApiMeter()
    for kind in ("429", "", "timeout", "429"):
        meter.called(0.01, kind)
    meter.waited(0)
    meter.waited(1.5)
    meter.waited(0.25)
    statistics = meter.statistics()
    assert (statistics.calls, statistics.errors) == (4, {"429": 2, "timeout": 1})
    assert statistics.error_count == 3
    assert (statistics.rate_limit_waits, statistics.rate_limit_wait_seconds) == (2, 1.75)
