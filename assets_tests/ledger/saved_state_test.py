"""A saved state of the books is a thing of its own: what happens afterwards does not reach it."""

from __future__ import annotations

import msgspec

from assets_tests.ledger.scenario import Step, book_lines, parse
from trading_assets.ledger.fold import Ledger

DAY = parse("""
    2024-01-08 deposit 10000.00 USD
    2024-01-08 buy 100 KO @ 50.00 commission 1.00 as a
    2024-01-09 dividend KO 0.50 USD
    2024-01-09 sell 40 KO @ 55.00 commission 1.00
    2024-01-09 fee 3.00 USD
    2024-01-10 payment KO 50.00 USD ex 2024-01-09
    2024-01-10 sell 60 KO @ 56.00
    ---
""")


def fold(steps: tuple[Step, ...], ledger: Ledger) -> Ledger:
    for step in steps:
        ledger.apply_event(step.session, step.event)
    return ledger


def test_a_saved_state_does_not_follow_the_ledger_it_came_from() -> None:
    ledger = fold(DAY.steps[:4], Ledger(DAY.policy, "USD"))
    state = ledger.state()
    saved = msgspec.json.encode(state)
    fold(DAY.steps[4:], ledger)
    assert msgspec.json.encode(state) == saved


def test_two_ledgers_that_go_on_from_one_state_do_not_meet() -> None:
    whole = fold(DAY.steps, Ledger(DAY.policy, "USD"))
    state = fold(DAY.steps[:4], Ledger(DAY.policy, "USD")).state()
    first = fold(DAY.steps[4:], Ledger.from_state(state, DAY.policy, "USD"))
    second = fold(DAY.steps[4:], Ledger.from_state(state, DAY.policy, "USD"))
    assert book_lines(first) == book_lines(second) == book_lines(whole)
    assert first.state() == second.state() == whole.state()
