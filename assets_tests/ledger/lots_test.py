"""Lots: which are closed first, and that no cent is lost on the way.

The long scenario (4 @ 100, 5 @ 111.11, 6 @ 122.22) follows beancount's booking tests.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.errors import LedgerError
from trading_assets.ledger.lots import close_lots, closing_method
from trading_assets.model.lot import Lot
from trading_assets.model.policies import AccountingPolicy, LotMethod


def lots(*pairs: tuple[str, str]) -> deque[Lot]:
    """Lots of (signed shares, signed cost), oldest first."""
    return deque(
        Lot(
            symbol="SPY",
            quantity=Decimal(quantity),
            cost_basis=Decimal(cost),
            base_cost_basis=Decimal(cost),
            opened=dt.date(2024, 1, 2),
            opened_at=None,
            lot_id=f"e{number}",
        )
        for number, (quantity, cost) in enumerate(pairs)
    )


def left(of: deque[Lot]) -> list[tuple[str, Decimal, Decimal]]:
    return [(lot.lot_id, lot.quantity, lot.cost_basis) for lot in of]


def three_lots() -> deque[Lot]:
    return lots(("4", "400.00"), ("5", "555.55"), ("6", "733.32"))


def test_fifo_closes_the_oldest_and_splits_the_second_lot() -> None:
    held = three_lots()
    assert close_lots(held, Decimal(7), LotMethod.FIFO)[0] == Decimal("733.33")
    assert left(held) == [
        ("e1", Decimal(2), Decimal("222.22")),
        ("e2", Decimal(6), Decimal("733.32")),
    ]


def test_lifo_closes_the_newest_and_splits_the_one_before() -> None:
    held = three_lots()
    assert close_lots(held, Decimal(7), LotMethod.LIFO)[0] == Decimal("844.43")
    assert left(held) == [
        ("e0", Decimal(4), Decimal("400.00")),
        ("e1", Decimal(4), Decimal("444.44")),
    ]


@pytest.mark.parametrize("method", LotMethod)
def test_closing_exactly_everything_takes_the_whole_cost(method: LotMethod) -> None:
    held = three_lots()
    assert close_lots(held, Decimal(15), method)[0] == Decimal("1688.87")
    assert not held


def test_closing_exactly_one_lot_leaves_the_others_untouched() -> None:
    held = three_lots()
    assert close_lots(held, Decimal(4), LotMethod.FIFO)[0] == Decimal("400.00")
    assert [name for name, _, _ in left(held)] == ["e1", "e2"]


def test_more_than_the_lots_hold_is_an_error_that_says_by_how_much() -> None:
    with pytest.raises(LedgerError, match="cannot close 16 shares: 1 more"):
        close_lots(three_lots(), Decimal(16), LotMethod.FIFO)


def test_short_lots_close_with_their_negative_cost() -> None:
    held = lots(("-10", "-500.00"), ("-10", "-600.00"))
    assert close_lots(held, Decimal(-15), LotMethod.LIFO)[0] == Decimal("-850.00")
    assert left(held) == [("e0", Decimal(-5), Decimal("-250.00"))]


def test_a_cost_that_does_not_divide_leaves_its_cents_in_the_lot() -> None:
    """Three shares for 100.00, sold singly: 33.33, half of 66.67 to even, and the rest."""
    held = lots(("3", "100.00"))
    taken = [close_lots(held, Decimal(1), LotMethod.FIFO)[0] for _ in range(3)]
    assert taken == [Decimal("33.33"), Decimal("33.34"), Decimal("33.33")]


def test_policy_is_fifo_for_longs_and_lifo_for_shorts_by_default() -> None:
    policy = AccountingPolicy()
    assert closing_method(policy, Decimal(1)) is LotMethod.FIFO
    assert closing_method(policy, Decimal(-1)) is LotMethod.LIFO


@given(
    pieces=st.lists(
        st.tuples(st.integers(1, 10**7), st.integers(0, 10**8)), min_size=1, max_size=8
    ),
    shares=st.data(),
    method=st.sampled_from(LotMethod),
    sign=st.sampled_from([1, -1]),
)
def test_cost_taken_and_cost_left_add_up_to_cost_paid(
    pieces: list[tuple[int, int]], shares: st.DataObject, method: LotMethod, sign: int
) -> None:
    held = lots(*((str(sign * Decimal(q) / 1000), str(sign * Decimal(c) / 100)) for q, c in pieces))
    total = sum(q for q, _ in pieces)
    closing = sign * Decimal(shares.draw(st.integers(1, total))) / 1000
    taken, base_taken = close_lots(held, closing, method)
    assert base_taken == taken
    assert taken + sum(lot.cost_basis for lot in held) == sign * Decimal(
        sum(c for _, c in pieces)
    ) / Decimal(100)
    assert closing + sum(lot.quantity for lot in held) == sign * Decimal(total) / 1000
