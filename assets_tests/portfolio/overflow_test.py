"""The common factor on purchases when cash does not reach for all of them."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from trading_assets.model.money import ONE
from trading_assets.model.policies import CommissionPolicy
from trading_assets.portfolio.fees import cost_of_buying
from trading_assets.portfolio.overflow import (
    Allocation,
    Purchase,
    PurchaseTerms,
    allocate,
    trim_largest,
)

FREE = CommissionPolicy()


def purchase(symbol: str, shares: str, price: str, decimals: int = 0) -> Purchase:
    wanted = Decimal(shares)
    return Purchase(
        symbol=symbol, wanted=wanted, most=wanted, price=Decimal(price), decimals=decimals
    )


def terms(budget: str, minimum: str = "1", commission: CommissionPolicy = FREE) -> PurchaseTerms:
    return PurchaseTerms(budget=Decimal(budget), minimum=Decimal(minimum), commission=commission)


def quantities(*shares: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(share) for share in shares)


def test_an_exact_fit_is_not_scaled() -> None:
    found = allocate([purchase("AAA", "10", "50"), purchase("BBB", "5", "100")], terms("1000"))
    assert found == Allocation(scale=ONE, quantities=quantities("10", "5"))


def test_a_cent_too_little_takes_one_share_off() -> None:
    """Without the cent AAA + BBB = 1,000; the cheaper share is the one that is given up."""
    found = allocate([purchase("AAA", "10", "50"), purchase("BBB", "5", "100")], terms("999.99"))
    assert found.quantities == quantities("9", "5")
    assert found.scale < 1


def test_half_the_cash_buys_half_of_each() -> None:
    found = allocate([purchase("AAA", "10", "50", 6), purchase("BBB", "5", "100", 6)], terms("500"))
    assert found == Allocation(scale=Decimal("0.5"), quantities=quantities("5", "2.5"))


def test_no_cash_buys_nothing() -> None:
    for budget in ("0", "-5"):
        found = allocate([purchase("AAA", "10", "50")], terms(budget))
        assert found == Allocation(scale=Decimal(0), quantities=quantities("0"))


def test_commission_is_part_of_the_cost() -> None:
    """501 buys 10 at 50 with an order fee of 1, and 500.99 buys only 9."""
    fee = CommissionPolicy(per_order=ONE)
    bought = [purchase("AAA", "20", "50")]
    assert allocate(bought, terms("501", commission=fee)).quantities == quantities("10")
    assert allocate(bought, terms("500.99", commission=fee)).quantities == quantities("9")


def test_what_is_scaled_below_the_minimum_is_not_bought_and_its_cash_goes_to_the_rest() -> None:
    """Half of BBB would be 30, below 40: all 530 go to AAA but for what no share costs."""
    found = allocate(
        [purchase("AAA", "20", "50"), purchase("BBB", "6", "10")], terms("530", minimum="40")
    )
    # The common factor gives 10 AAA and, at 4 x 10 = 40 too dear for 30, no BBB.
    assert found.quantities == quantities("10", "0")


def test_cash_left_over_goes_on_to_smaller_shares() -> None:
    """A share of AAA is out of reach at half, so BBB takes the rest: 5 of 10 become 7."""
    found = allocate([purchase("AAA", "1", "700"), purchase("BBB", "10", "50")], terms("350"))
    assert found.quantities == quantities("0", "7")


def test_cents_too_little_trim_the_largest_purchase_only() -> None:
    found = trim_largest(
        [purchase("AAA", "10", "50", 2), purchase("BBB", "5", "99", 2)], terms("994.98")
    )
    assert found == Allocation(scale=ONE, quantities=quantities("9.99", "5"))


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 500),
            st.decimals("1.00", "900.00", places=2),
            st.sampled_from([0, 2, 6]),
        ),
        min_size=1,
        max_size=6,
    ),
    budget=st.decimals("0", "100000", places=2),
    per_order=st.sampled_from([Decimal(0), ONE]),
    data=st.data(),
)
def test_the_allocation_fits_is_used_up_and_does_not_depend_on_order(
    rows: list[tuple[int, Decimal, int]],
    budget: Decimal,
    per_order: Decimal,
    data: st.DataObject,
) -> None:
    fee = CommissionPolicy(per_order=per_order)
    bought = [
        Purchase(
            symbol=f"S{index}",
            wanted=Decimal(shares),
            most=Decimal(shares),
            price=price,
            decimals=decimals,
        )
        for index, (shares, price, decimals) in enumerate(rows)
    ]
    limits = PurchaseTerms(budget=budget, minimum=ONE, commission=fee)
    found = allocate(bought, limits)
    cost = sum(
        cost_of_buying(fee, quantity, row.price)
        for row, quantity in zip(bought, found.quantities, strict=True)
    )
    assert cost <= budget
    for row, quantity in zip(bought, found.quantities, strict=True):
        step = max(ONE.scaleb(-row.decimals), ONE / row.price)
        new_order = per_order if quantity == 0 else 0
        room = row.most - quantity
        # Nothing worth a minimum order (1) and a cent of rounding can still be added.
        assert room < step or budget - cost < step * row.price + new_order + Decimal("1.02")
    order = data.draw(st.permutations(range(len(bought))))
    shuffled = allocate([bought[index] for index in order], limits)
    assert shuffled.scale == found.scale
    assert shuffled.quantities == tuple(found.quantities[index] for index in order)
