"""The facts of a scenario: one line of the notation (see scenario.py) to one event of the book."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from trading_assets.model.cash_events import (
    Adjustment,
    BorrowFee,
    CashFlow,
    CashFlowKind,
    CurrencyConversion,
    Fee,
    FeeKind,
    FxRate,
    Interest,
    TaxWithheld,
)
from trading_assets.model.corporate_actions import (
    CashInLieu,
    CashMerger,
    Delisting,
    Dividend,
    DividendPayment,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.events import AnyEvent, BrokerStatement, Mark, SessionClosed
from trading_assets.model.lot import LotChoice
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill

NUMBER = r"-?\d+(?:\.\d+)?"
SYMBOL = r"[A-Z][A-Z0-9.]*"
CURRENCY = r"[A-Z]{3}"
DATE = r"\d{4}-\d\d-\d\d"
NAME = r"[a-z0-9][\w.-]*"
LOT = rf"(?:{NAME}|adjustment {DATE})"
IN_LIEU = rf"(?: in lieu (?P<in_lieu>{NUMBER}))?"
RATIO = r"(?P<new>-?\d+):(?P<old>-?\d+)"


class ScenarioError(Exception):
    """The text is not in the notation; names the line."""


@dataclass
class Context:
    """What a line of facts needs to know of those before it."""

    currency: str
    trades: int = 0
    names: set[str] = field(default_factory=set)


Parts = Mapping[str, Any]
Maker = Callable[[dt.date, Parts, Context], AnyEvent]


def fact(line: str, context: Context) -> tuple[dt.date, AnyEvent]:
    """Session and event of a line; ScenarioError where it is none of the notation's facts."""
    date, _, rest = line.partition(" ")
    if not re.fullmatch(DATE, date):
        raise ScenarioError(f"a fact begins with its date: {line!r}")
    session = dt.date.fromisoformat(date)
    for pattern, make in FACTS.items():
        found = re.fullmatch(pattern, rest.strip())
        if found:
            return session, make(session, found.groupdict(), context)
    raise ScenarioError(f"no fact of the notation: {line!r}")


def _in_lieu(parts: Parts) -> Decimal | None:
    return None if parts["in_lieu"] is None else Decimal(parts["in_lieu"])


def _flow(_session: dt.date, parts: Parts, _context: Context) -> AnyEvent:
    kind = CashFlowKind(parts["kind"])
    sign = 1 if kind is CashFlowKind.DEPOSIT else -1
    return CashFlow(
        kind=kind,
        amount=sign * Decimal(parts["amount"]),
        currency=parts["currency"],
        reference="r",
    )


def _trade(session: dt.date, parts: Parts, context: Context) -> AnyEvent:
    context.trades += 1
    name = parts["name"] or f"trade-{context.trades}"
    if name in context.names:
        raise ScenarioError(f"two trades are called {name!r}")
    context.names.add(name)
    chosen = [word.split(":") for word in (parts["lots"] or "").split()]
    noon = dt.datetime.combine(session, dt.time(17), tzinfo=dt.UTC)
    return Fill(
        execution_id=name,
        client_order_id="",
        symbol=parts["symbol"],
        side=Side(parts["side"]),
        quantity=Decimal(parts["quantity"]),
        price=Decimal(parts["price"]),
        commission=Decimal(parts["commission"] or 0),
        currency=parts["currency"] or context.currency,
        executed_at=noon + dt.timedelta(seconds=context.trades),
        lots=tuple(LotChoice(lot_id=lot, quantity=Decimal(count)) for lot, count in chosen),
    )


def _adjustment(_session: dt.date, parts: Parts, _context: Context) -> AnyEvent:
    return Adjustment(
        symbol=parts["symbol"] or "",
        quantity=Decimal(parts["quantity"] or 0),
        price=Decimal(parts["price"] or 0),
        cash=Decimal(parts["cash"] or 0),
        currency=parts["currency"],
        reason=parts["reason"],
    )


def _plain(event: Callable[..., AnyEvent], **constant: Any) -> Maker:
    """A fact whose parts are its fields: what is a number becomes one."""

    def make(_session: dt.date, parts: Parts, _context: Context) -> AnyEvent:
        fields: dict[str, Any] = {}
        for name, value in parts.items():
            is_number = value is not None and re.fullmatch(NUMBER, value)
            fields[name] = Decimal(value) if is_number else value
        return event(**{k: v for k, v in fields.items() if v is not None}, **constant)

    return make


def _rate(session: dt.date, parts: Parts, _context: Context) -> AnyEvent:
    as_of = dt.datetime.combine(session, dt.time(12), tzinfo=dt.UTC)
    return FxRate(currency=parts["currency"], rate=Decimal(parts["rate"]), as_of=as_of)


def _dividend(session: dt.date, parts: Parts, _context: Context) -> AnyEvent:
    return Dividend(
        symbol=parts["symbol"],
        ex_date=session,
        amount_per_share=Decimal(parts["amount"]),
        currency=parts["currency"],
        pay_date=dt.date.fromisoformat(parts["paid"]) if parts["paid"] else None,
    )


def _payment(_session: dt.date, parts: Parts, _context: Context) -> AnyEvent:
    return DividendPayment(
        symbol=parts["symbol"],
        ex_date=dt.date.fromisoformat(parts["ex_date"]),
        amount=Decimal(parts["amount"]),
        currency=parts["currency"],
        reference="r",
        takes_back="r" if parts["back"] else "",
    )


def _split(kind: type[Split] | type[StockDividend]) -> Maker:
    def make(session: dt.date, parts: Parts, _context: Context) -> AnyEvent:
        return kind(
            symbol=parts["symbol"],
            ex_date=session,
            new_shares=int(parts["new"]),
            old_shares=int(parts["old"]),
            cash_in_lieu_price=_in_lieu(parts),
        )

    return make


def _spin_off(session: dt.date, parts: Parts, _context: Context) -> AnyEvent:
    return SpinOff(
        symbol=parts["symbol"],
        ex_date=session,
        new_symbol=parts["new_symbol"],
        new_shares=int(parts["new"]),
        old_shares=int(parts["old"]),
        basis_fraction=Decimal(parts["basis"]),
        cash_in_lieu_price=_in_lieu(parts),
    )


def _effective(kind: Callable[..., AnyEvent]) -> Maker:
    """A corporate action that takes effect on its session."""

    def make(session: dt.date, parts: Parts, context: Context) -> AnyEvent:
        return _plain(kind, effective_date=session)(session, parts, context)

    return make


def _close(session: dt.date, parts: Parts, context: Context) -> AnyEvent:
    words = parts["marks"].split()
    prices = {name: Decimal(price) for name, price in zip(words[::2], words[1::2], strict=True)}
    currencies = (parts["rates"] or "").split()
    rates = {c: Decimal(rate) for c, rate in zip(currencies[::2], currencies[1::2], strict=True)}
    cash = Decimal(parts["cash"])
    balances = (parts["balances"] or f"{context.currency} {cash}").split()
    return SessionClosed(
        marks={
            symbol: Mark(price=price, session=session, source="scenario")
            for symbol, price in prices.items()
        },
        cash=cash,
        market_value=Decimal(parts["value"]),
        equity=Decimal(parts["equity"]),
        statement=BrokerStatement(account_number="A1", positions={}, cash=cash),
        cash_balances={
            name: Decimal(held) for name, held in zip(balances[::2], balances[1::2], strict=True)
        },
        fx_rates=rates,
        accruals=Decimal(parts["accruals"] or 0),
    )


TRADE = (
    rf"(?P<side>buy|sell) (?P<quantity>{NUMBER}) (?P<symbol>{SYMBOL}) @ (?P<price>{NUMBER})"
    rf"(?: (?P<currency>{CURRENCY}))?(?: commission (?P<commission>{NUMBER}))?"
    rf"(?: as (?P<name>{NAME}))?(?: closing (?P<lots>{NAME}:{NUMBER}(?: {NAME}:{NUMBER})*))?"
)
AMOUNT = rf"(?P<amount>{NUMBER}) (?P<currency>{CURRENCY})"
FACTS: dict[str, Maker] = {
    rf"(?P<kind>deposit|withdrawal) {AMOUNT}": _flow,
    TRADE: _trade,
    rf"fee {AMOUNT}(?: on (?P<symbol>{SYMBOL}))?": _plain(Fee, kind=FeeKind.OTHER, reference="r"),
    rf"tax {AMOUNT}(?: on (?P<symbol>{SYMBOL}))?": _plain(TaxWithheld, reference="r"),
    rf"interest {AMOUNT}": _plain(Interest, reference="r"),
    rf"borrow fee {AMOUNT} on (?P<symbol>{SYMBOL})": _plain(BorrowFee, reference="r"),
    rf"rate (?P<currency>{CURRENCY}) (?P<rate>{NUMBER})": _rate,
    rf"convert (?P<sold_amount>{NUMBER}) (?P<sold_currency>{CURRENCY}) to "
    rf"(?P<bought_amount>{NUMBER}) (?P<bought_currency>{CURRENCY})": _plain(
        CurrencyConversion, reference="r"
    ),
    rf"adjust (?:(?P<quantity>{NUMBER}) (?:(?P<symbol>{SYMBOL}) )?@ (?P<price>{NUMBER}) )?"
    rf"(?P<currency>{CURRENCY})(?: cash (?P<cash>{NUMBER}))? because (?P<reason>.+)": _adjustment,
    rf"dividend (?P<symbol>{SYMBOL}) {AMOUNT}(?: paid (?P<paid>{DATE}))?": _dividend,
    rf"payment (?P<symbol>{SYMBOL}) {AMOUNT} ex (?P<ex_date>{DATE})"
    r"(?P<back> taken back)?": _payment,
    rf"split (?P<symbol>{SYMBOL}) {RATIO}{IN_LIEU}": _split(Split),
    rf"stock dividend (?P<symbol>{SYMBOL}) {RATIO}{IN_LIEU}": _split(StockDividend),
    rf"paid {AMOUNT} in lieu of (?P<quantity>{NUMBER}) (?P<symbol>{SYMBOL})": _plain(
        CashInLieu, reference="r"
    ),
    rf"spin-off (?P<new_symbol>{SYMBOL}) {RATIO} of (?P<symbol>{SYMBOL}) "
    rf"basis (?P<basis>{NUMBER}){IN_LIEU}": _spin_off,
    rf"rename (?P<symbol>{SYMBOL}) to (?P<new_symbol>{SYMBOL})": _effective(SymbolChange),
    rf"delist (?P<symbol>{SYMBOL}) @ (?P<price>{NUMBER})": _effective(Delisting),
    rf"merger (?P<symbol>{SYMBOL}) @ (?P<price>{NUMBER})": _effective(CashMerger),
    rf"close (?P<marks>(?:{SYMBOL} {NUMBER} ?)*?) ?"
    rf"(?:rates (?P<rates>{CURRENCY} {NUMBER}(?: {CURRENCY} {NUMBER})*) )?"
    rf"value (?P<value>{NUMBER}) cash (?P<cash>{NUMBER})"
    rf"(?: of (?P<balances>{CURRENCY} {NUMBER}(?: {CURRENCY} {NUMBER})*))?"
    rf"(?: accruals (?P<accruals>{NUMBER}))? equity (?P<equity>{NUMBER})": _close,
}
