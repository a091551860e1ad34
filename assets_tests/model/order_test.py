"""Every (state, trigger) pair of an order: what follows, or that it must not happen.

The table is written out a second time here, row by row, from the life of an order at a broker.
"""

from __future__ import annotations

import itertools

import pytest

from trading_assets.errors import OrderTransitionError
from trading_assets.model.order import TERMINAL, OrderStatus, OrderTrigger, advance

EXPECTED = """
new               submit      submitted
new               cancel      canceled
submitted         accept      accepted
submitted         reject      rejected
submitted         lose_track  unknown
submitted         cancel      canceled
unknown           accept      accepted
unknown           reject      rejected
unknown           lose_track  unknown
unknown           submit      submitted
unknown           cancel      canceled
accepted          fill_part   partially_filled
accepted          fill_rest   filled
accepted          cancel      canceled
accepted          expire      expired
accepted          reject      rejected
partially_filled  fill_part   partially_filled
partially_filled  fill_rest   filled
partially_filled  cancel      canceled
partially_filled  expire      expired
canceled          fill_part   canceled
canceled          fill_rest   filled
"""
ROWS = {
    (OrderStatus(state), OrderTrigger(trigger)): OrderStatus(following)
    for state, trigger, following in (line.split() for line in EXPECTED.strip().splitlines())
}


@pytest.mark.parametrize(("state", "trigger"), list(itertools.product(OrderStatus, OrderTrigger)))
def test_each_pair_leads_where_the_table_says_or_raises(
    state: OrderStatus, trigger: OrderTrigger
) -> None:
    following = ROWS.get((state, trigger))
    if following is None:
        with pytest.raises(OrderTransitionError, match=f"order x-1 is {state.value}"):
            advance("x-1", state, trigger)
    else:
        assert advance("x-1", state, trigger) is following


def test_a_filled_rejected_or_expired_order_is_done_for_good() -> None:
    assert {OrderStatus.FILLED, OrderStatus.REJECTED, OrderStatus.EXPIRED} <= TERMINAL
    with pytest.raises(OrderTransitionError, match="possible: nothing, it is done"):
        advance("x-1", OrderStatus.FILLED, OrderTrigger.FILL_PART)
