"""The job `annotate_trades`: annotations from a run's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets_tests.assets.graph_home import FIRST, GraphHome, failures
from trading_assets.daily_run import QUIET
from trading_assets.model.order_events import OrderIntended

BEFORE = {
    "thesis": "Strongest of the three.",
    "intended_entry": "At the close.",
    "size_rationale": "Half.",
    "exit_plan": "At the next signal.",
    "intended_price": "50.10",
}
AFTER = {"outcome": "Filled.", "matched_expectation": True, "lesson": "None."}


def annotated(home: GraphHome, **config: Any) -> dg.ExecuteInProcessResult:
    job = home.definitions.resolve_job_def("annotate_trades")
    run_config = dict(QUIET) | {"ops": {"annotate_trades_op": {"config": config}}}
    return job.execute_in_process(run_config, instance=home.instance, raise_on_error=False)


def trade_ids(home: GraphHome) -> dict[str, str]:
    return {
        record.event.request.symbol: record.event.request.client_order_id
        for record in home.records()
        if isinstance(record.event, OrderIntended)
    }


@pytest.fixture
def traded(tmp_path: Path) -> GraphHome:
    home = GraphHome(tmp_path)
    assert home.run(FIRST).success
    return home


def test_a_run_records_what_its_configuration_says_once(traded: GraphHome) -> None:
    ids = trade_ids(traded)
    config = {
        "portfolio": "alpha",
        "author": "PM",
        "trades": [
            {"trade_id": ids["AAA"], "pre_trade": BEFORE, "post_trade": AFTER},
            {"trade_id": ids["BBB"], "post_trade": AFTER | {"matched_expectation": False}},
        ],
    }
    assert annotated(traded, **config).success
    added = [r for r in traded.records() if r.event_type.endswith("trade_annotation")]
    assert [(r.event_type, r.correlation_id) for r in added] == [
        ("pre_trade_annotation", ids["AAA"]),
        ("post_trade_annotation", ids["AAA"]),
        ("post_trade_annotation", ids["BBB"]),
    ]
    # Run again, as Dagster may: nothing more.
    before = traded.records()
    assert annotated(traded, **config).success
    assert traded.records() == before
    # The session is as it was: running it again finds nothing to do.
    assert traded.run(FIRST).success
    assert traded.records() == before


def test_a_run_with_a_wrong_trade_price_or_portfolio_fails_and_records_nothing(
    traded: GraphHome,
) -> None:
    before, ids = traded.records(), trade_ids(traded)
    good = {"trade_id": ids["AAA"], "post_trade": AFTER}
    wrong = {"trade_id": ids["CCC"][:-1], "post_trade": AFTER}
    result = annotated(traded, portfolio="alpha", trades=[good, wrong])
    (message,) = failures(result).values()
    assert "the book has no trade" in message
    assert ids["CCC"] in message
    priced = {"trade_id": ids["AAA"], "pre_trade": BEFORE | {"intended_price": "cheap"}}
    (message,) = failures(annotated(traded, portfolio="alpha", trades=[priced])).values()
    assert "'cheap' is not a price above 0" in message
    (message,) = failures(annotated(traded, portfolio="beta", trades=[good])).values()
    assert "no portfolio 'beta'" in message
    assert traded.records() == before
