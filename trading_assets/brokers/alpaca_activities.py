"""What moved an Alpaca account, from its activities: executions, and cash without a trade.

Fills are rows of type FILL and name their order by Alpaca's id alone. Everything else that moved
cash is listed in `CASH_KINDS` with what it is here. What is not listed, or lacks what its kind
needs, is told as NOT_BOOKED: it is a difference between book and account, which stops trading until
a person has accepted it, and nothing but that person knows what it was. So is what a corporate
action paid: the book has it from the action itself.

What Alpaca cancels or corrects is taken to be the same row, with another status. That is unproven:
the description gives rows of this kind the status alone, and only events of another interface a
`previous_id`, which names the one that is corrected. Were it a row of its own, its cash would be a
difference between book and account, which stops trading and names the row: one that is canceled is
never booked by itself, one that corrects is booked beside what it corrects.
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
_IN_LIEU, _NOT_BOOKED = CashActivityKind.CASH_IN_LIEU, CashActivityKind.NOT_BOOKED

CASH_KINDS: dict[str, CashActivityKind] = {
    # Whichever way the cash went: a returned deposit is a CSW above 0.
    "CSD": _DEPOSIT,
    "CSW": _DEPOSIT,
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
    "CIL": _IN_LIEU,
}
_OF_AN_INSTRUMENT = frozenset({_DIVIDEND, _IN_LIEU})


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

    What moved no cash is left out. Alpaca does not say which ex-date a
    dividend is of, nor how many shares cash in lieu is for.
    """
    found: dict[str, CashActivity] = {}
    for row in rows:
        is_canceled, amount = row.status == "canceled", row.net_amount or ZERO
        # One that is canceled may have lost its amount; the book knows it.
        if row.activity_type == FILL or not (amount or is_canceled):
            continue
        kind = CASH_KINDS.get(row.activity_type, _NOT_BOOKED)
        if kind is _DEPOSIT and amount < 0:
            kind = _WITHDRAWAL
        if kind in _OF_AN_INSTRUMENT and not row.symbol:
            kind = _NOT_BOOKED
        moment = _moment(row)
        if moment is None:
            return Unknown(f"activity {row.id} lacks its time")
        activity = CashActivity(
            activity_id=row.id,
            kind=kind,
            amount=amount,
            currency=row.currency or CURRENCY,
            occurred_at=moment,
            symbol=row.symbol or "",
            broker_type=row.activity_type if kind is _NOT_BOOKED else "",
            is_canceled=is_canceled,
            is_correction=row.status == "correct",
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
