"""Hypothesis strategies for every record, drawn from its declaration: all that its fields allow."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.market_events import Signal, SignalAction

MOST = Decimal("1E+15")
# Decimals as arithmetic leaves them: with exponents, signed zeros and trailing zeros.
AWKWARD = [Decimal(text) for text in ("1E-10", "1E+3", "0.10", "1.000", "0.000000001")]
ZEROS = [Decimal(text) for text in ("0", "0E-10", "0.00", "-0.00")]


def _decimals(least: Decimal, most: Decimal = MOST) -> st.SearchStrategy[Decimal]:
    return st.decimals(least, most, allow_nan=False, allow_infinity=False)


DECIMALS = {
    "decimal, digits written out": st.one_of(_decimals(-MOST), st.sampled_from(AWKWARD + ZEROS)),
    "decimal": st.one_of(_decimals(-MOST), st.sampled_from(AWKWARD + ZEROS)),
    "decimal not below 0": st.one_of(_decimals(Decimal(0)), st.sampled_from(AWKWARD + ZEROS)),
    "decimal above 0": st.one_of(_decimals(Decimal("1E-12")), st.sampled_from(AWKWARD)),
    "decimal from 0 to 1": st.one_of(
        _decimals(Decimal(0), Decimal(1)), st.sampled_from([Decimal("1.00"), Decimal("0E-10")])
    ),
}
TEXTS = {
    "currency code of three capitals": st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)
}


def records(record: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Records of one kind."""
    drawn = _of(inspect.type_info(record), None)
    if record is CashFlow:
        return drawn.filter(lambda flow: flow.amount != 0).map(_with_sign)
    if record is Signal:
        return drawn.map(_with_weight)
    return drawn


def _with_sign(flow: CashFlow) -> CashFlow:
    sign = 1 if flow.kind is CashFlowKind.DEPOSIT else -1
    return msgspec.structs.replace(flow, amount=flow.amount.copy_abs() * sign)


def _with_weight(signal: Signal) -> Signal:
    if signal.action is SignalAction.TARGET_WEIGHT and signal.weight is None:
        return msgspec.structs.replace(signal, weight=Decimal("-0.1"))
    return signal


def _of(kind: inspect.Type, title: str | None) -> st.SearchStrategy[Any]:
    """Values of one type; `title` is that of the rule that the field is declared with."""
    match kind:
        case inspect.Metadata():
            return _of(kind.type, (kind.extra_json_schema or {}).get("title", title))
        case inspect.StructType():
            fields = {field.name: _of(field.type, None) for field in kind.fields}
            return st.builds(kind.cls, **fields)
        case inspect.UnionType():
            return st.one_of(*(_of(each, title) for each in kind.types))
        case inspect.DictType():
            return st.dictionaries(_of(kind.key_type, None), _of(kind.value_type, None), max_size=3)
        case inspect.VarTupleType():
            return st.lists(_of(kind.item_type, None), max_size=2).map(tuple)
        case inspect.DecimalType():
            return DECIMALS[title or ""]
        case inspect.StrType():
            return TEXTS.get(title or "", st.text(min_size=kind.min_length or 0, max_size=12))
        case inspect.IntType():
            return st.integers(kind.ge, kind.le if kind.le is not None else 10**6)
        case inspect.BoolType():
            return st.booleans()
        case inspect.EnumType():
            return st.sampled_from(list(kind.cls))
        case inspect.DateType():
            return st.dates()
        case inspect.DateTimeType():
            return st.datetimes(timezones=st.just(dt.UTC))
        case inspect.NoneType():
            return st.none()
    raise AssertionError(f"no strategy for {kind}")
