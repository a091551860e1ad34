"""Whatever goes wrong between the product and Alpaca, and wherever a run dies: no intent has two
live orders, no fill is lost, and the book is the account's to the cent or trading is halted.

Each seed is its own account, market, portfolio and misfortune; see `alpaca_simulation`. A failure
names its seed, which `python -m assets_tests.simulation.alpaca_simulation --short --first <seed>
--seeds 1` repeats (without --short for whole days). TRADING_ASSETS_ALPACA_SEEDS sets how many whole
seeds are run, TRADING_ASSETS_ALPACA_FIRST_SEED where they begin.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.server import running_alpaca
from assets_tests.simulation.alpaca_simulation import (
    InvariantError,
    check,
    make_story,
    run_seeds,
    survive,
)

WHOLE_SEEDS = int(os.environ.get("TRADING_ASSETS_ALPACA_SEEDS", "2"))
FIRST_SEED = int(os.environ.get("TRADING_ASSETS_ALPACA_FIRST_SEED", "0"))


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_a_session_survives_faults_and_kills(first: int) -> None:
    outcomes, halted = run_seeds(first, 25, is_short=True)
    assert outcomes["killed"] >= 5
    assert halted["closed"] >= 20


def test_an_account_that_was_traded_in_on_the_day_it_is_taken_over_is_survived(
    tmp_path: Path,
) -> None:
    """The seed's DDD was bought and sold by hand before the first run."""
    assert not survive(tmp_path, 18646, is_short=True).reason


def test_a_short_that_a_purchase_by_hand_stands_against_is_survived(tmp_path: Path) -> None:
    """The seed's BBB was bought by hand between the plan and the opening leg."""
    assert not survive(tmp_path, 34394, is_short=True).reason


def test_whole_days_with_hand_trades_and_missed_runs_are_survived() -> None:
    outcomes, halted = run_seeds(FIRST_SEED, WHOLE_SEEDS)
    assert outcomes["killed"] >= WHOLE_SEEDS
    assert halted["closed"] >= 1


def test_the_check_notices_a_lost_fill_and_a_second_order(tmp_path: Path) -> None:
    story = survive(tmp_path, 0, is_short=True)
    with running_alpaca(BrokerAccount(multiplier=2)) as alpaca:
        alpaca.account.list_asset("AAA", "10")
        alpaca.account.place_by_hand("AAA", "buy", "1")
        order = next(iter(alpaca.account.orders.values()))
        order.foreign = False
        order.client_order_id = "fault_drill_20240603_batch_ZZZ_buy_digest"
        with pytest.raises(InvariantError) as broken:
            check(tmp_path, story, alpaca)
    said = str(broken.value)
    for expected in ("is in no intent", "has 1 orders for", "is lost", "the book holds"):
        assert expected in said
    assert make_story(0) != make_story(1)
