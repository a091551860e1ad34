"""How the compiled loops of the vectorised path round, and how they add what is rounded.

Money is whole units kept in floats, so that sums are exact up to 2**53 units in any order. What is
rounded is a product on its way there, and a float can be wrong about a tie: what is within
`TIE_GUARD` of one is taken as the tie that its decimals make, half to even.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trading_assets.engine.compilation import inlined, reordered
from trading_assets.engine.vectorised_columns import Floats, Terms

# Four times the error that two products of correctly rounded floats can have.
TIE_GUARD = 1e-15
# As the exact engine cuts: what is this little below a step is that step.
STEP_GUARD = 1e-9


@inlined
def half_even(value: Any) -> Any:
    """`value` as a whole number, half to even; within the guard of a half, it is one."""
    near = np.rint(2.0 * value) * 0.5
    return np.rint(near if abs(value - near) <= abs(value) * TIE_GUARD else value)


@inlined
def whole_steps(steps: Any) -> Any:
    """`steps` cut towards zero; within the guard below a whole number, it is that number."""
    return np.trunc(steps + np.copysign(STEP_GUARD, steps))


@inlined
def step_between(held: Any, after: Any, terms: Terms) -> Any:
    """Signed shares that lead from `held` to `after`, as near to their decimals as floats are."""
    return np.rint((after - held) * terms.share_steps) / terms.share_steps


@reordered
def total(values: Floats, count: int) -> float:
    """Sum of the first `count` values."""
    added = 0.0
    for index in range(count):
        added += values[index]
    return added
