"""Executions as the library reports them, in the product's words.

An execution's id ends in its revision: a correction comes under the next one, and takes the place
of what may be booked already. That is for a person.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Any

from trading_assets.brokers.ibkr_contracts import Instrument, exact
from trading_assets.brokers.ibkr_orders import EXECUTION_SIDES
from trading_assets.model.account import Execution, Known, Unknown


def executions(
    fills: Iterable[tuple[Any, Instrument]], moment: dt.datetime
) -> Known[tuple[Execution, ...]] | Unknown:
    """Executions later than `moment`, oldest first; Unknown where one is corrected, has no
    commission yet, or is in words that have no translation."""
    found = []
    for fill, instrument in fills:
        if fill.execution.time <= moment:
            continue
        execution = _execution(fill, instrument)
        if isinstance(execution, Unknown):
            return execution
        found.append(execution.value)
    revisions = Counter(without_revision(each.execution_id) for each in found)
    corrected = sorted(name for name, count in revisions.items() if count > 1)
    if corrected:
        return Unknown(
            f"executions: {', '.join(corrected)} was corrected by the broker. Compare the account "
            "with the book; the correction is not booked by itself."
        )
    found.sort(key=lambda each: (each.executed_at, each.execution_id))
    return Known(tuple(found))


def _execution(fill: Any, instrument: Instrument) -> Known[Execution] | Unknown:
    executed, report = fill.execution, fill.commissionReport
    what = f"execution {executed.execId}"
    if not report.execId:
        return Unknown(f"{what}: its commission is not reported yet")
    quantity, quoted = exact(executed.shares), exact(executed.price)
    commission = exact(report.commission)
    side = EXECUTION_SIDES.get(executed.side)
    if side is None or not quantity or not quoted or commission is None:
        return Unknown(f"{what}: side, shares, price or commission is missing. Look at it in TWS.")
    if commission < 0:
        return Unknown(f"{what}: a rebate of {-commission} cannot be booked by itself")
    if commission and report.currency != instrument.currency:
        return Unknown(
            f"{what}: a commission in {report.currency} for a trade in {instrument.currency} "
            "cannot be booked by itself"
        )
    return Known(
        Execution(
            execution_id=executed.execId,
            client_order_id=executed.orderRef,
            broker_order_id=str(executed.permId),
            symbol=instrument.symbol,
            side=side,
            quantity=quantity,
            price=instrument.money(quoted),
            commission=commission,
            currency=instrument.currency,
            executed_at=executed.time.astimezone(dt.UTC),
        )
    )


def without_revision(execution_id: str) -> str:
    """What an execution and its corrections have in common."""
    return execution_id.rpartition(".")[0] or execution_id
