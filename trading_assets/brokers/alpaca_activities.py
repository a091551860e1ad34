"""What moved an Alpaca account, from its activities: executions, and cash without a trade.

Fills are rows of type FILL and name their order by Alpaca's id alone. Everything else that moved
cash is listed in `CASH_KINDS` with what it is here; types that are part of a corporate action, or
that move shares and no cash, are listed as None. A type that is in neither and moved cash makes
the answer unknown: a movement that is left out would be a difference that nobody can explain.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from trading_assets.brokers.alpaca_orders import SIDES
from trading_assets.model.account import CashActivity, CashActivityKind, Execution, Known, Unknown
from trading_assets.model.money import ZERO

FILL = "FILL"
CURRENCY = "USD"
PAGE_SIZE = 100

_DIVIDEND, _TAX = CashActivityKind.DIVIDEND, CashActivityKind.TAX
_FEE, _INTEREST = CashActivityKind.FEE, CashActivityKind.INTEREST
_DEPOSIT, _WITHDRAWAL = CashActivityKind.DEPOSIT, CashActivityKind.WITHDRAWAL

CASH_KINDS: dict[str, CashActivityKind | None] = {
    "CSD": _DEPOSIT,
    "CSW": _WITHDRAWAL,
    "TRANS": _DEPOSIT,
    "JNL": _DEPOSIT,
    "JNLC": _DEPOSIT,
    "ACATC": _DEPOSIT,
    "DIV": _DIVIDEND,
    "CGD": _DIVIDEND,
    "DIVCGL": _DIVIDEND,
    "DIVCGS": _DIVIDEND,
    "DIVROC": _DIVIDEND,
    "DIVTXEX": _DIVIDEND,
    "DIVNRA": _TAX,
    "DIVFT": _TAX,
    "DIVTW": _TAX,
    "DIVWH": _TAX,
    "INTNRA": _TAX,
    "INTTW": _TAX,
    "WH": _TAX,
    "INT": _INTEREST,
    "SWP": _INTEREST,
    "FEE": _FEE,
    "CFEE": _FEE,
    "DIVFEE": _FEE,
    "PTC": _FEE,
    "PTR": _FEE,
    # Shares, or the cash that a corporate action pays for them.
    "ACATS": None,
    "CIL": None,
    "FOPT": None,
    "JNLS": None,
    "MA": None,
    "NC": None,
    "REORG": None,
    "SPIN": None,
    "SPLIT": None,
    "VOF": None,
}
_BOTH_WAYS = frozenset({"TRANS", "JNL", "JNLC", "ACATC"})


class ActivityRow(msgspec.Struct, frozen=True, kw_only=True):
    """One activity as Alpaca describes it: a fill, or anything else."""

    id: str
    activity_type: str
    transaction_time: dt.datetime | None = None
    order_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    created_at: dt.datetime | None = None
    date: str | None = None
    net_amount: Decimal | None = None
    currency: str | None = None
    status: str | None = None


def executions(
    rows: Iterable[ActivityRow], client_ids: Mapping[str, str], since: dt.datetime
) -> Known[tuple[Execution, ...]] | Unknown:
    """The fills later than `since`, oldest first, each once; `client_ids` names every order's
    client order id by Alpaca's id."""
    found: dict[str, Execution] = {}
    for row in rows:
        if (
            row.transaction_time is None
            or row.qty is None
            or row.price is None
            or row.side is None
            or not row.symbol
        ):
            return Unknown(f"fill {row.id} lacks its time, symbol, side, quantity or price")
        # A short sale is "sell_short" in some rows.
        side = SIDES.get(row.side.removesuffix("_short"))
        if side is None:
            return Unknown(f"fill {row.id}: side {row.side!r} has no translation")
        execution = Execution(
            execution_id=row.id,
            client_order_id=client_ids.get(row.order_id or "", ""),
            broker_order_id=row.order_id or "",
            symbol=row.symbol,
            side=side,
            quantity=row.qty,
            price=row.price,
            commission=ZERO,
            currency=CURRENCY,
            executed_at=row.transaction_time.astimezone(dt.UTC),
        )
        if found.setdefault(row.id, execution) != execution:
            return Unknown(f"fill {row.id} was reported twice, and differently")
    later = [execution for execution in found.values() if execution.executed_at > since]
    return Known(tuple(sorted(later, key=lambda each: (each.executed_at, each.execution_id))))


def cash_activities(
    rows: Iterable[ActivityRow], since: dt.datetime
) -> Known[tuple[CashActivity, ...]] | Unknown:
    """Cash that moved without a trade later than `since`, oldest first, each once.

    What was canceled is left out, as is what moved no cash. Alpaca does not say which ex-date a
    dividend is of.
    """
    found: dict[str, CashActivity] = {}
    for row in rows:
        if row.activity_type == FILL or row.status == "canceled" or not row.net_amount:
            continue
        if row.activity_type not in CASH_KINDS:
            return Unknown(
                f"activity {row.id} of type {row.activity_type} moved {row.net_amount}, and it is "
                "not known what that is. Look at it in the account."
            )
        kind = CASH_KINDS[row.activity_type]
        if kind is None:
            continue
        if row.activity_type in _BOTH_WAYS and row.net_amount < 0:
            kind = _WITHDRAWAL
        if kind is _DIVIDEND and not row.symbol:
            return Unknown(f"activity {row.id} is a dividend of no instrument")
        moment = _moment(row)
        if moment is None:
            return Unknown(f"activity {row.id} lacks its time")
        activity = CashActivity(
            activity_id=row.id,
            kind=kind,
            amount=row.net_amount,
            currency=row.currency or CURRENCY,
            occurred_at=moment,
            symbol=row.symbol or "",
        )
        if found.setdefault(row.id, activity) != activity:
            return Unknown(f"activity {row.id} was reported twice, and differently")
    later = [activity for activity in found.values() if activity.occurred_at > since]
    return Known(tuple(sorted(later, key=lambda each: (each.occurred_at, each.activity_id))))


def _moment(row: ActivityRow) -> dt.datetime | None:
    """When the row was made, else the midnight (UTC) of its date."""
    if row.created_at is not None:
        return row.created_at.astimezone(dt.UTC)
    if row.date:
        return dt.datetime.fromisoformat(row.date[:10]).replace(tzinfo=dt.UTC)
    return None
