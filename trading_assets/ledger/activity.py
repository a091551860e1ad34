"""What happened between two closes, and the book at a close: what a session's result is made of.

Money is in the portfolio's currency, each amount at the rate at which it was booked, unless a
field says that it is by currency.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from trading_assets.errors import LedgerError
from trading_assets.model.events import Mark
from trading_assets.model.money import ZERO, money, notional


class InstrumentActivity(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument between two closes; money is positive, quantities are signed shares.

    `bought` and `sold` hold fills, and shares that came or went without one at their values;
    `traded` = Σ |notional| of fills alone. `realized_pnl` is gross of commission unless that is in
    the basis, exchange gains included. `dividends` is signed: accrued or received (> 0), owed or
    paid on a short (< 0). `fees` and `borrow_fees` are beside the commission. `filled_quantity` is
    the net of fills, `adjusted_quantity` the net of adjustments, `corporate_action_quantity` the
    net of what splits, spin-offs, mergers and the like brought and took.
    """

    symbol: str
    bought: Decimal
    sold: Decimal
    traded: Decimal
    realized_pnl: Decimal
    commission: Decimal
    filled_quantity: Decimal
    adjusted_quantity: Decimal
    corporate_action_quantity: Decimal = ZERO
    dividends: Decimal = ZERO
    fees: Decimal = ZERO
    borrow_fees: Decimal = ZERO
    taxes: Decimal = ZERO


class SessionActivity(msgspec.Struct, frozen=True, kw_only=True):
    """Everything booked since the previous close; instruments sorted by symbol.

    `flows` is what came in from outside (signed): deposits less withdrawals, and adjustments, in
    cash and in kind; `flows_in_kind` is the part of it that came as shares. `fees` are commission
    and other fees, `borrow_fees` and `taxes` are apart from them, all positive for a cost;
    `dividends` and `interest` are signed income. `fx_pnl` is what rates did to cash and accrued
    dividends between the closes (to shares: part of their own result).

    By currency, in that currency: `cash_flows` (in cash alone) and `other_cash`, all that moved
    cash but flows, fills and their commission. An event booked after its session's close counts
    here, in the next session that closes.
    """

    session: dt.date
    flows: Decimal
    flows_in_kind: Decimal
    fees: Decimal
    instruments: tuple[InstrumentActivity, ...]
    borrow_fees: Decimal = ZERO
    taxes: Decimal = ZERO
    dividends: Decimal = ZERO
    interest: Decimal = ZERO
    fx_pnl: Decimal = ZERO
    cash_flows: dict[str, Decimal] = {}
    other_cash: dict[str, Decimal] = {}


class BookClose(msgspec.Struct, frozen=True, kw_only=True):
    """The book at a session's close.

    `positions` signed shares without zeros, `values` their market values (signed money of the
    portfolio's currency) by the same symbols; equity = Σ values + cash + accruals. `currencies`
    names the currency of each symbol that is not the portfolio's. `cash_balances` is cash by
    currency, without zeros; `fx_rates` the portfolio's money for one unit of each other currency.
    `foreign_cash` and `foreign_accruals` are the parts of cash and accruals in other currencies.
    `benchmark` is the benchmark's close, None if unknown. `peak_equity` is the highest equity so
    far, scaled by what flows did to equity: 1 - equity / peak_equity is the drawdown of the
    time-weighted return, the start counting as a high.
    """

    session: dt.date
    positions: dict[str, Decimal]
    values: dict[str, Decimal]
    marks: dict[str, Mark]
    cash: Decimal
    equity: Decimal
    benchmark: Decimal | None
    accruals: Decimal = ZERO
    currencies: dict[str, str] = {}
    cash_balances: dict[str, Decimal] = {}
    fx_rates: dict[str, Decimal] = {}
    foreign_cash: Decimal = ZERO
    foreign_accruals: Decimal = ZERO
    peak_equity: Decimal = ZERO


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """What a book is worth at some prices and rates, in the portfolio's currency.

    `values` are the positions' market values (signed money) by symbol, `market_value` their sum.
    """

    values: dict[str, Decimal]
    market_value: Decimal
    cash: Decimal
    accruals: Decimal

    @property
    def equity(self) -> Decimal:
        """Market value + cash + dividends owed."""
        return self.market_value + self.cash + self.accruals


def peak_equity(last: BookClose | None, flows: Decimal, equity: Decimal) -> Decimal:
    """`BookClose.peak_equity` at `equity` (money), after `flows` (signed) since the close `last`.

    Flows count as they do in a day's return: what comes in from the session's start, what goes out
    to its end. Where there was no equity before, or none is left, the record begins anew.
    """
    opening = ZERO if last is None else last.equity
    if last is None or opening <= 0:
        return max(opening + max(flows, ZERO), equity)
    scaled = last.peak_equity
    if flows > 0:
        scaled = scaled * (opening + flows) / opening
    elif flows < 0 and equity > 0:
        scaled = scaled * equity / (equity - flows)
    return max(scaled, equity)


class ActivityCounter(msgspec.Struct):
    """Adds up one instrument's activity; the mutable side of `InstrumentActivity`."""

    bought: Decimal = ZERO
    sold: Decimal = ZERO
    traded: Decimal = ZERO
    realized: Decimal = ZERO
    commission: Decimal = ZERO
    filled: Decimal = ZERO
    adjusted: Decimal = ZERO
    converted: Decimal = ZERO
    dividends: Decimal = ZERO
    fees: Decimal = ZERO
    borrow_fees: Decimal = ZERO
    taxes: Decimal = ZERO

    def freeze(self, symbol: str) -> InstrumentActivity:
        """The sums so far."""
        return InstrumentActivity(
            symbol=symbol,
            bought=self.bought,
            sold=self.sold,
            traded=self.traded,
            realized_pnl=self.realized,
            commission=self.commission,
            filled_quantity=self.filled,
            adjusted_quantity=self.adjusted,
            corporate_action_quantity=self.converted,
            dividends=self.dividends,
            fees=self.fees,
            borrow_fees=self.borrow_fees,
            taxes=self.taxes,
        )


class SessionCounter(msgspec.Struct):
    """Adds up what belongs to no single instrument; the mutable side of `SessionActivity`.

    `cash_at_rate` and `accrued_at_rate` hold what moved cash and accrued dividends of foreign
    currencies, in the portfolio's at the rate of the day: what rates did is the rest.
    """

    flows: Decimal = ZERO
    flows_in_kind: Decimal = ZERO
    fees: Decimal = ZERO
    borrow_fees: Decimal = ZERO
    taxes: Decimal = ZERO
    dividends: Decimal = ZERO
    interest: Decimal = ZERO
    cash_at_rate: Decimal = ZERO
    accrued_at_rate: Decimal = ZERO
    cash_flows: dict[str, Decimal] = msgspec.field(default_factory=dict)
    other_cash: dict[str, Decimal] = msgspec.field(default_factory=dict)

    def copy(self) -> SessionCounter:
        """The same sums, apart from these."""
        return replace(self, cash_flows=dict(self.cash_flows), other_cash=dict(self.other_cash))

    def add_cash_flow(self, currency: str, amount: Decimal) -> None:
        """Count cash from or to the owner."""
        self.cash_flows[currency] = self.cash_flows.get(currency, ZERO) + amount

    def add_other_cash(self, currency: str, amount: Decimal) -> None:
        """Count cash that moved for any other reason than a flow or a fill."""
        self.other_cash[currency] = self.other_cash.get(currency, ZERO) + amount


def market_values(
    positions: Mapping[str, Decimal],
    marks: Mapping[str, Mark],
    rates: Mapping[str, Decimal] | None = None,
) -> dict[str, Decimal]:
    """Market value by symbol: signed money, each position rounded to the cent once.

    `rates` holds, for symbols in another currency, the portfolio's money for one unit of it.
    Raises LedgerError naming the positions that have no mark.
    """
    missing = sorted(symbol for symbol in positions if symbol not in marks)
    if missing:
        raise LedgerError(
            f"no mark for {', '.join(missing)}: a position that is held must be valued. "
            "Give a price, or the last one known with the session it is from."
        )
    if not rates:
        return {symbol: notional(held, marks[symbol].price) for symbol, held in positions.items()}
    return {
        symbol: money(held * marks[symbol].price * rates[symbol])
        if symbol in rates
        else notional(held, marks[symbol].price)
        for symbol, held in positions.items()
    }
