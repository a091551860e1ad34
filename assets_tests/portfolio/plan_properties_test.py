"""What holds for every plan, whatever the book, the targets, the prices and the commission."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.portfolio.plan_scenarios import filled, inputs
from trading_assets.model.money import ZERO
from trading_assets.model.policies import CommissionPolicy, LimitPolicy, PlanningPolicy
from trading_assets.portfolio.planning import PlanInputs, make_plan

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE")
PRICES = st.one_of(
    st.decimals("1.00", "900.00", places=2),
    st.decimals("0.5000", "90.0000", places=4),
    st.sampled_from([Decimal(10), Decimal(50), Decimal(100)]),
)
COMMISSIONS = st.one_of(
    st.just(CommissionPolicy()),
    st.builds(CommissionPolicy, per_order=st.sampled_from([Decimal(1), Decimal("4.95")])),
    st.builds(
        CommissionPolicy,
        per_share=st.sampled_from([Decimal("0.005"), Decimal("0.02")]),
        minimum=st.sampled_from([Decimal(0), Decimal("0.35"), Decimal(1)]),
    ),
    st.builds(
        CommissionPolicy,
        bps=st.sampled_from([Decimal(1), Decimal(5), Decimal(30)]),
        minimum=st.sampled_from([Decimal(0), Decimal(1)]),
    ),
)


@st.composite
def books(draw: st.DrawFn, *, long_only: bool) -> PlanInputs:
    count = draw(st.integers(1, len(SYMBOLS)))
    symbols = SYMBOLS[:count]
    fractional = draw(st.booleans())
    lowest = 0 if long_only else -30
    weights = draw(st.lists(st.integers(lowest, 100), min_size=count, max_size=count))
    gross = draw(st.sampled_from([Decimal(1), Decimal(1), Decimal("0.7"), Decimal("1.6")]))
    total = sum(abs(weight) for weight in weights) or 1
    positions = {}
    for symbol in symbols:
        held = draw(st.integers(0 if long_only else -40, 120))
        leftover = draw(
            st.sampled_from([Decimal(0), Decimal(0), Decimal("0.5"), Decimal("0.123456")])
        )
        positions[symbol] = Decimal(held) + (leftover if held > 0 else 0)
    return inputs(
        weights={
            symbol: (gross * weight / total).quantize(Decimal("0.0001"))
            for symbol, weight in zip(symbols, weights, strict=True)
        },
        prices={symbol: draw(PRICES) for symbol in symbols},
        positions={symbol: quantity for symbol, quantity in positions.items() if quantity},
        cash=draw(st.decimals("0.00", "60000.00", places=2)),
        planning=PlanningPolicy(
            fractional=fractional,
            quantity_decimals=draw(st.sampled_from([2, 6, 9])),
            cash_buffer=draw(st.sampled_from([Decimal(0), Decimal("0.02"), Decimal("0.1")])),
            no_trade_band=draw(st.sampled_from([Decimal(0), Decimal(0), Decimal("0.01")])),
            min_order_notional=draw(st.sampled_from([Decimal(1), Decimal(25)])),
        ),
        commission=draw(COMMISSIONS),
        allow_short=not long_only,
    )


ANY_BOOK = st.one_of(books(long_only=True), books(long_only=False))


@settings(max_examples=400, deadline=None)
@given(book=ANY_BOOK)
def test_planning_again_from_the_filled_book_gives_no_orders(book: PlanInputs) -> None:
    plan = make_plan(book)
    positions, cash = filled(plan, book.positions, book.cash, book.commission)
    again = make_plan(msgspec.structs.replace(book, positions=positions, cash=cash))
    assert again.real_orders == ()


@settings(max_examples=200, deadline=None)
@given(
    book=ANY_BOOK,
    shares=st.none() | st.integers(1, 50).map(Decimal),
    value=st.none() | st.integers(50, 2000).map(Decimal),
)
def test_planned_quantity_less_cuts_is_the_real_quantity(
    book: PlanInputs, shares: Decimal | None, value: Decimal | None
) -> None:
    limits = LimitPolicy(max_order_shares=shares, max_order_notional=value)
    plan = make_plan(msgspec.structs.replace(book, limits=limits))
    for order in plan.orders:
        assert order.planned_quantity - sum(c.quantity for c in order.cuts) == order.quantity
        assert all(cut.quantity > 0 for cut in order.cuts)
        assert order.quantity >= 0
        assert (order.client_order_id != "") == (order.quantity > 0)
        if shares is not None:
            assert order.quantity <= shares
        if value is not None:
            assert order.quantity * order.price <= value


@settings(max_examples=200, deadline=None)
@given(book=books(long_only=True))
def test_cash_after_fills_is_never_below_the_buffer_if_anything_was_bought(
    book: PlanInputs,
) -> None:
    plan = make_plan(book)
    positions, cash = filled(plan, book.positions, book.cash, book.commission)
    prices = book.prices.prices
    equity = cash + sum((q * prices[s].price for s, q in positions.items()), ZERO)
    bought = any(order.side.value == "buy" for order in plan.real_orders)
    # Where no net equity equals equity less its own fees the plan is sized on a little less than
    # equity after fills, by at most the commission of one share or one dropped order.
    slack = book.planning.cash_buffer * (plan.expected_fees + Decimal("0.2"))
    assert not bought or cash >= book.planning.cash_buffer * equity - slack
    assert not bought or cash >= 0


@settings(max_examples=200, deadline=None)
@given(book=ANY_BOOK)
def test_no_order_crosses_zero_and_shorts_stay_whole(book: PlanInputs) -> None:
    plan = make_plan(book)
    positions = dict(book.positions)
    for order in plan.real_orders:
        before = positions.get(order.symbol, ZERO)
        after = before + order.side.sign * order.quantity
        assert before * after >= 0
        assert (order.leg == 1) == (abs(after) < abs(before))
        assert after >= 0 or after == after.to_integral_value()
        positions[order.symbol] = after
    for line in plan.lines:
        assert positions.get(line.symbol, ZERO) == line.real_target_quantity


@settings(max_examples=100, deadline=None)
@given(book=ANY_BOOK, data=st.data())
def test_the_order_of_rows_does_not_matter(book: PlanInputs, data: st.DataObject) -> None:
    shuffled = msgspec.structs.replace(
        book,
        targets=msgspec.structs.replace(
            book.targets, weights=tuple(data.draw(st.permutations(book.targets.weights)))
        ),
        positions=dict(data.draw(st.permutations(list(book.positions.items())))),
        prices=msgspec.structs.replace(
            book.prices,
            prices=dict(data.draw(st.permutations(list(book.prices.prices.items())))),
        ),
    )
    assert make_plan(shuffled) == make_plan(book)
