"""A process that dies between any two of its durable writes costs nothing but the time to run it
again; so does a connection that loses what goes over it.

Each seed is its own market, portfolio and misfortune; see `crash_simulation`. A failure names the
seed: `python -m assets_tests.simulation.crash_simulation --seeds 1 --first <seed>` repeats it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from assets_tests.simulation.crash_simulation import (
    DivergenceError,
    make_scenario,
    require_same,
    result_of,
    run_killed,
    run_phase,
    run_seeds,
    undisturbed,
)


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_killed_runs_end_with_the_orders_fills_and_books_of_an_undisturbed_one(first: int) -> None:
    kills = run_seeds("kills", first, 25)
    assert kills >= 25


def test_a_kill_before_or_after_each_durable_write_of_three_sessions_changes_nothing() -> None:
    # A session with orders in both legs has about 15 writes, each with a before and an after.
    assert run_seeds("every", 0, 1) > 60


@pytest.mark.parametrize("first", [0, 8])
def test_lost_requests_and_acknowledgements_lead_to_each_order_once(first: int) -> None:
    losses = run_seeds("losses", first, 8)
    assert losses >= 8


def test_the_scenarios_hold_what_they_are_meant_to_try(tmp_path: Path) -> None:
    found: Counter[str] = Counter()
    for seed in range(12):
        result, _ = undisturbed(tmp_path / str(seed), make_scenario(seed))
        for event in result.events:
            found[event.split()[1]] += 1
        for body in result.broker_orders:
            order = json.loads(body)
            found[order["reject_code"]] += 1
            found["part"] += order["status"] == "expired" and order["filled_quantity"] != "0"
            found["short"] += order["request"]["position_effect"] == "open" and (
                order["request"]["side"] == "sell"
            )
    for kind in ("book_restated", "order_expired", "part", "short", "NOT_TRADABLE"):
        assert found[kind] > 0, kind
    for kind in ("dividend", "dividend_payment", "split", "stock_dividend", "spin_off"):
        assert found[kind] > 0, kind
    for kind in ("symbol_change", "cash_merger", "interest", "borrow_fee"):
        assert found[kind] > 0, kind
    assert found["fill"] > 100


def test_the_comparison_notices_a_fill_that_only_the_broker_has(tmp_path: Path) -> None:
    undisturbed(tmp_path, make_scenario(0))
    with sqlite3.connect(tmp_path / "broker.sqlite") as database:
        database.execute(
            "INSERT INTO executions (session, body) "
            "SELECT session, body FROM executions ORDER BY place LIMIT 1"
        )
    with pytest.raises(DivergenceError, match="positions"):
        result_of(tmp_path)


def test_the_comparison_notices_an_unfinished_run(tmp_path: Path) -> None:
    days = make_scenario(0).phases[0]
    run_phase(tmp_path / "whole", days)
    assert run_killed(tmp_path / "killed", days, 40, before=True)
    with pytest.raises(DivergenceError, match="expected"):
        require_same(result_of(tmp_path / "killed"), result_of(tmp_path / "whole"))
