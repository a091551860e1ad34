"""Executions of a Flex statement, in the product's words and under the gateway's own ids.

The gateway tells executions since its midnight only. An activity query with the section Trades
(level of detail Executions, all fields) tells those of the days before, each under the id that the
gateway gave it (`ibExecID`), so that one that is booked already is known. A query over several days
does not tell the order's reference; the order's permanent id says then whose it is.

A correction or a cancellation takes the place of what may be booked; that is for a person, and what
it changes shows as a difference between book and account.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from xml.etree import ElementTree

from trading_assets.brokers.ibkr_connection import Refusal, Reply
from trading_assets.brokers.ibkr_contracts import Instrument
from trading_assets.brokers.ibkr_flex_fields import amount_of, moment_of
from trading_assets.model.account import Execution, Known, Unknown
from trading_assets.model.order import Side

InstrumentOf = Callable[[int, str], Reply[Instrument]]
EXECUTION = "EXECUTION"
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_FIRST_REVISION = re.compile(r"^[0-9a-f]+\.[0-9a-f]+\.[0-9]+\.01$", re.IGNORECASE)
_LATER_REVISION = re.compile(r"^[0-9a-f]+\.[0-9a-f]+\.[0-9]+\.[0-9]+$", re.IGNORECASE)
_CANCELLATION = "(Ca.)"
_UNIT_TOLERANCE = Decimal("0.01")


def is_execution(row: ElementTree.Element) -> bool:
    """True for an execution as it was made: no total, no correction, no cancellation."""
    if row.get("levelOfDetail", EXECUTION) != EXECUTION:
        return False
    if _CANCELLATION in row.get("buySell", ""):
        return False
    name = row.get("ibExecID", "")
    return _FIRST_REVISION.match(name) is not None or _LATER_REVISION.match(name) is None


def flex_execution(
    row: ElementTree.Element, instrument_of: InstrumentOf
) -> Known[Execution] | Unknown:
    """The execution of a row; Unknown where it lacks something or is in two units."""
    name, moment = row.get("ibExecID", ""), moment_of(row.get("dateTime", ""))
    what = f"Flex statement: trade {name or row.get('tradeID') or 'without ibExecID'}"
    quantity, price = amount_of(row.get("quantity", "")), amount_of(row.get("tradePrice", ""))
    commission = amount_of(row.get("ibCommission", ""))
    proceeds = amount_of(row.get("proceeds", ""))
    side, con_id = SIDES.get(row.get("buySell", "")), row.get("conid", "")
    if _FIRST_REVISION.match(name) is None:
        return Unknown(
            f"{what}: it has no id of the gateway's. Add all fields to the section Trades."
        )
    if moment is None or not quantity or not price or commission is None or proceeds is None:
        return Unknown(
            f"{what}: time, quantity, price, proceeds or commission is missing. Add all fields."
        )
    if side is None or not con_id.isdecimal():
        return Unknown(f"{what}: its side or contract is missing. Add all fields.")
    found = instrument_of(int(con_id), row.get("symbol", ""))
    if not isinstance(found, Known):
        return Unknown(f"{what}: {found.message if isinstance(found, Refusal) else found.reason}")
    instrument, shares = found.value, abs(quantity)
    # Statements are in money; where they follow the quote's unit, pence would be taken for pounds.
    if abs(abs(proceeds) - shares * price) > _UNIT_TOLERANCE * abs(proceeds) + 1:
        return Unknown(
            f"{what}: {shares} at {price} are not {abs(proceeds)} {row.get('currency')}: price and "
            "proceeds are in two units"
        )
    if row.get("currency") != instrument.currency:
        return Unknown(f"{what}: it is in {row.get('currency')}, {instrument.symbol} is not")
    if commission > 0:
        return Unknown(f"{what}: a rebate of {commission} cannot be booked by itself")
    if commission and row.get("ibCommissionCurrency") != instrument.currency:
        return Unknown(
            f"{what}: a commission in {row.get('ibCommissionCurrency')} for a trade in "
            f"{instrument.currency} cannot be booked by itself"
        )
    return Known(
        Execution(
            execution_id=name,
            client_order_id=row.get("orderReference", ""),
            broker_order_id=row.get("ibOrderID", ""),
            symbol=instrument.symbol,
            side=side,
            quantity=shares,
            price=price,
            commission=-commission,
            currency=instrument.currency,
            executed_at=moment,
        )
    )
