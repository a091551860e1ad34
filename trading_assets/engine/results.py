"""The result of a backtest: what the account was worth, what was traded, and what it came from.

Money is exact: initial capital plus the result of every symbol (or of every strategy) is the final
value, to the last unit. Statistics are floats of returns by session, each with its convention
(`analytics/conventions.py`); None is undefined.
"""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from trading_assets.analytics.performance import Statistics, statistics
from trading_assets.analytics.relative import Relative, relative
from trading_assets.analytics.returns import SessionValue
from trading_assets.analytics.round_trips import RoundTripSummary, round_trip_summary
from trading_assets.engine.account import NO_ONE
from trading_assets.engine.clock import Integers, iso
from trading_assets.engine.loop import Engine
from trading_assets.engine.scaled import price_decimal
from trading_assets.engine.valuation import AccountCurve, account_curve, latest_closes
from trading_assets.errors import ReportError
from trading_assets.model.cash_events import BorrowFee, Interest
from trading_assets.model.money import CENT
from trading_assets.model.policies import ReportPolicy
from trading_assets.model.round_trip import RoundTrip

_CURVE_POINTS_MAX = 10_000
_SYMBOLS_SHOWN = 10
INTEREST = "interest on cash"


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one symbol, or one strategy, contributed; signed money.

    `pnl` = what was sold and is still held, less what was bought, and `income` (dividends, cash of
    corporate actions, less borrow fees), less `commission`. `traded` is Σ |notional|, `fills` their
    number. Interest on cash is nobody's: a line of its own, named INTEREST.
    """

    name: str
    pnl: Decimal
    income: Decimal
    commission: Decimal
    traded: Decimal
    fills: int
    final_value: Decimal


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A round trip by lots, with the strategy whose order opened the lot."""

    strategy: str
    trip: RoundTrip


class BacktestResult:
    """Everything that can be asked of a run that is over. `benchmark` is a symbol of the market
    whose closes the equity is compared with."""

    def __init__(
        self,
        engine: Engine,
        policy: ReportPolicy | None = None,
        benchmark: str | None = None,
        name: str = "backtest",
    ) -> None:
        if engine.place <= engine.first_place:
            raise ReportError(
                f"backtest {name} has no bar after its warm-up: it ends at place {engine.place}, "
                f"signals count from {engine.first_place}. Load more bars, or warm up less."
            )
        if benchmark is not None and benchmark not in engine.symbol_index:
            raise ReportError(
                f"benchmark {benchmark!r} is not among the symbols of backtest {name}. Load its "
                "bars with them."
            )
        self.name = name
        self.engine = engine
        self.policy = ReportPolicy(title=name) if policy is None else policy
        self.benchmark = benchmark
        self._scale = engine.account.scale

    def _money(self, units: int) -> Decimal:
        """Money to the cent; what an account keeps finer is rounded as statements print it."""
        return self._scale.money_decimal(units).quantize(CENT, ROUND_HALF_UP)

    @cached_property
    def curve(self) -> AccountCurve:
        """The account after every bar."""
        return account_curve(self.engine.market, self.engine.account, self.engine.place)

    @cached_property
    def equity(self) -> Integers:
        """Equity after every bar of the period, in the account's units of money."""
        return self.curve.equity[self.engine.first_place :]

    @property
    def initial_capital(self) -> Decimal:
        """What the account began with."""
        return self._money(self.engine.account.initial_cash)

    @property
    def final_value(self) -> Decimal:
        """Equity after the last bar."""
        return self._money(int(self.equity[-1]))

    @property
    def commission(self) -> Decimal:
        """All commission."""
        return self._money(self.engine.account.commission)

    def _charged(self, kind: type[Interest | BorrowFee]) -> Decimal:
        """Σ of what nights brought (interest) or cost (borrow fees)."""
        booked = (event for _, event in self.engine.book.booked if isinstance(event, kind))
        return sum((event.amount for event in booked), Decimal(0)).quantize(CENT, ROUND_HALF_UP)

    @property
    def total_return(self) -> float:
        """Final value over initial capital, less 1."""
        return float(self.equity[-1] / self.engine.account.initial_cash - 1)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """What the strategies were shown, in the order of the market: the benchmark is not among
        them unless one of them may trade it."""
        engine = self.engine
        shown = {symbol for slot in engine.slots for symbol in engine.symbols_of(slot)}
        return tuple(symbol for symbol in engine.market.symbols if symbol in shown)

    @property
    def bar_count(self) -> int:
        """Bars of these symbols in the period."""
        engine, first, last = self.engine, self.engine.first_place, self.engine.place
        rows_of = (engine.market.rows[engine.symbol_index[symbol]] for symbol in self.symbols)
        return sum(
            last - first if rows is None else int(np.count_nonzero(rows[first:last] >= 0))
            for rows in rows_of
        )

    @cached_property
    def trades(self) -> list[Trade]:
        """Round trips by lots, in the order of closing. Folds the ledger and compares it with the
        account: LedgerError where they differ."""
        engine = self.engine
        engine.book.catch_up()
        opened_by = engine.account.fills()[:, 1]
        ids = [slot.id for slot in engine.slots]
        return [
            # Lots of corporate actions are named after them, those of fills by their number.
            Trade(
                strategy=ids[opened_by[int(trip.lot_id) - 1]] if trip.lot_id.isdigit() else "",
                trip=trip,
            )
            for trip in engine.round_trips
        ]

    @cached_property
    def trade_summary(self) -> RoundTripSummary:
        """How many trades gained, how much and how long they were held."""
        return round_trip_summary([trade.trip for trade in self.trades])

    @cached_property
    def session_ends(self) -> Integers:
        """Places, counted within the period, of the last bar of each session."""
        sessions = self.engine.market.sessions[self.engine.first_place : self.engine.place]
        ends: Integers = np.flatnonzero(np.append(sessions[1:] != sessions[:-1], True))
        return ends

    @cached_property
    def session_equity(self) -> list[tuple[dt.date, Decimal]]:
        """Equity at the close of each session."""
        first, market = self.engine.first_place, self.engine.market
        return [
            (market.session_date(first + place), self._money(int(self.equity[place])))
            for place in self.session_ends.tolist()
        ]

    @cached_property
    def returns(self) -> tuple[SessionValue, ...]:
        """Return of each session as a fraction, the first from the initial capital; None from a
        session on whose opening equity was not positive."""
        levels = self.equity[self.session_ends].astype(np.float64)
        before = np.concatenate(([float(self.engine.account.initial_cash)], levels[:-1]))
        values = [
            level / base - 1 if base > 0 else None
            for level, base in zip(levels.tolist(), before.tolist(), strict=True)
        ]
        return tuple(
            SessionValue(session, value)
            for (session, _), value in zip(self.session_equity, values, strict=True)
        )

    @cached_property
    def benchmark_returns(self) -> tuple[SessionValue, ...]:
        """Close-to-close returns of the benchmark over the same sessions, as quoted; None for the
        first and without a close. Empty without a benchmark."""
        if self.benchmark is None:
            return ()
        engine = self.engine
        symbol = engine.symbol_index[self.benchmark]
        closes = latest_closes(engine.market, symbol, 0, engine.place)[engine.first_place :]
        levels = closes[self.session_ends]
        growth = np.concatenate(([np.nan], levels[1:] / levels[:-1] - 1))
        return tuple(
            SessionValue(session, None if np.isnan(value) else value)
            for (session, _), value in zip(self.session_equity, growth.tolist(), strict=True)
        )

    @cached_property
    def statistics(self) -> Statistics:
        """Statistics of the returns by session."""
        return statistics(self.returns, self.policy)

    @cached_property
    def benchmark_statistics(self) -> Statistics:
        """The same of the benchmark."""
        return statistics(self.benchmark_returns, self.policy)

    @cached_property
    def relative(self) -> Relative:
        """Returns compared with the benchmark's."""
        return relative(self.returns, self.benchmark_returns, self.policy)

    @property
    def turnover(self) -> float | None:
        """Σ |notional| of fills / (2 x mean equity at the sessions' closes); None where that is not
        positive."""
        mean = float(self.equity[self.session_ends].mean())
        return self.engine.account.traded / (2 * mean) if mean > 0 else None

    @property
    def exposure(self) -> dict[str, float | None]:
        """Mean gross and net exposure as fractions of equity, and the fraction of bars with a
        position; None where equity was not positive."""
        first = self.engine.first_place
        gross, net, equity = self.curve.gross[first:], self.curve.net[first:], self.equity
        is_positive = bool((equity > 0).all())
        return {
            "gross": float((gross / equity).mean()) if is_positive else None,
            "net": float((net / equity).mean()) if is_positive else None,
            "time_in_market": float((gross > 0).mean()),
        }

    @cached_property
    def by_symbol(self) -> list[Attribution]:
        """What each symbol contributed, largest first; adds up to the whole result."""
        symbols = self.engine.market.symbols
        values = dict(enumerate(self.curve.final_values.tolist()))
        return self._attributed(2, 3, symbols, values)

    @cached_property
    def by_strategy(self) -> list[Attribution]:
        """The same of each strategy; what a shared position's rounding leaves is the largest
        holder's."""
        account = self.engine.account
        values = dict.fromkeys(range(len(self.engine.slots)), 0)
        for symbol, value in enumerate(self.curve.final_values.tolist()):
            shares = account.by_strategy[:, symbol].tolist()
            held = sum(shares)
            if not any(shares):
                continue
            parts = [value * part // held if held else 0 for part in shares]
            if not held:
                close = latest_closes(self.engine.market, symbol, 0, self.engine.place)[-1]
                parts = [round(part * close) for part in shares]
            largest = max(range(len(shares)), key=lambda index: abs(shares[index]))
            parts[largest] += value - sum(parts)
            for strategy, part in enumerate(parts):
                values[strategy] += part
        ids = tuple(slot.id for slot in self.engine.slots)
        return self._attributed(1, 2, ids, values)

    def _attributed(
        self, fill_field: int, transfer_field: int, names: tuple[str, ...], values: dict[int, int]
    ) -> list[Attribution]:
        account, scale = self.engine.account, self._scale
        fills, transfers = account.fills(), account.transfers
        count = len(names)

        paid_in = transfers[:, 4] + transfers[:, 5]
        is_owned = transfers[:, transfer_field] != NO_ONE
        interest = int(paid_in[~is_owned].sum())
        transfers, paid_in = transfers[is_owned], paid_in[is_owned]

        def sums(rows: Integers, field: int, amounts: Integers) -> list[int]:
            totals = np.zeros(count, dtype=np.int64)
            np.add.at(totals, rows[:, field], amounts)
            return totals.tolist()

        paid = sums(fills, fill_field, fills[:, 6])
        commission = sums(fills, fill_field, fills[:, 7])
        traded = sums(fills, fill_field, np.abs(fills[:, 6]))
        number = sums(fills, fill_field, np.ones(len(fills), dtype=np.int64))
        income = sums(transfers, transfer_field, paid_in)
        found = [
            Attribution(
                name=name,
                pnl=scale.money_decimal(
                    values.get(index, 0) + income[index] - paid[index] - commission[index]
                ),
                income=scale.money_decimal(income[index]),
                commission=scale.money_decimal(commission[index]),
                traded=scale.money_decimal(traded[index]),
                fills=number[index],
                final_value=scale.money_decimal(values.get(index, 0)),
            )
            for index, name in enumerate(names)
            if number[index] or income[index] or values.get(index, 0)
        ]
        if interest:
            amount, none = scale.money_decimal(interest), scale.money_decimal(0)
            found.append(
                Attribution(
                    name=INTEREST,
                    pnl=amount,
                    income=amount,
                    commission=none,
                    traded=none,
                    fills=0,
                    final_value=none,
                )
            )
        return sorted(found, key=lambda one: (-one.pnl, one.name))

    @property
    def symbol(self) -> str:
        """The symbols, joined; the first ten of more."""
        shown = ",".join(self.symbols[:_SYMBOLS_SHOWN])
        more = len(self.symbols) - _SYMBOLS_SHOWN
        return f"{shown} and {more} more" if more > 0 else shown

    def equity_points(self) -> list[tuple[str, Decimal]]:
        """Time and equity after every bar, or at the close of every session where there are more
        than 10,000 bars."""
        market, first = self.engine.market, self.engine.first_place
        every = len(self.equity) <= _CURVE_POINTS_MAX
        places = range(len(self.equity)) if every else self.session_ends.tolist()
        return [
            (
                iso(int(market.timeline[first + place]), market.timeframe),
                self._money(int(self.equity[place])),
            )
            for place in places
        ]

    def metrics(self) -> dict[str, Any]:
        """Name → value of every statistic; fractions, None where undefined."""
        found = self.statistics
        drawdown = found.max_drawdown
        summary = self.trade_summary
        metrics: dict[str, Any] = {
            "cumulative_return": found.cumulative_return,
            "annualised_return": found.annualised_return,
            "volatility": found.volatility,
            "sharpe_ratio": found.sharpe_ratio,
            "sortino_ratio": found.sortino_ratio,
            "max_drawdown": None if drawdown is None else drawdown.depth,
            "turnover": self.turnover,
            **{f"exposure_{name}": value for name, value in self.exposure.items()},
            "trades": summary.count,
            "trade_win_rate": summary.win_rate,
            "trade_profit_factor": summary.profit_factor,
            "mean_holding_days": summary.holding_days,
            "commission": self.commission,
            "interest": self._charged(Interest),
            "borrow_fees": self._charged(BorrowFee),
            "fills": self.engine.account.fill_count,
            "rejections": dict(self.engine.desk.rejections),
            "halts": self.engine.desk.halts,
            "margin_calls": self.engine.desk.margin_calls,
        }
        if self.benchmark is not None:
            metrics["benchmark_return"] = self.benchmark_statistics.cumulative_return
            metrics |= {
                name: getattr(self.relative, name)
                for name in ("beta", "alpha", "tracking_error", "information_ratio")
            }
        return metrics

    def to_dict(self) -> dict[str, Any]:
        """The result as a dictionary: money as Decimal, times as text, `total_return_pct` in
        percent (5.0 is 5 %)."""
        return {
            "symbol": self.symbol,
            "bar_count": self.bar_count,
            "initial_capital": self.initial_capital,
            "final_value": self.final_value,
            "total_return_pct": self.total_return * 100,
            "total_trades": len(self.trades),
            "equity_curve": [
                {"time": time, "equity": equity} for time, equity in self.equity_points()
            ],
            "trades": [trade_row(trade) for trade in self.trades],
            "metrics": self.metrics(),
            "by_symbol": [msgspec.structs.asdict(one) for one in self.by_symbol],
            "by_strategy": [msgspec.structs.asdict(one) for one in self.by_strategy],
        }


def trade_row(trade: Trade) -> dict[str, Any]:
    """A trade as a row of a table: prices to eight decimals, the return in percent."""
    trip = trade.trip
    return {
        "strategy": trade.strategy,
        "symbol": trip.symbol,
        "side": trip.side.value,
        "quantity": trip.quantity,
        "opened": (trip.opened_at or trip.opened).isoformat(),
        "entry_price": round(trip.entry_price, 8),
        "closed": (trip.closed_at or trip.closed).isoformat(),
        "exit_price": round(trip.exit_price, 8),
        "pnl": trip.pnl,
        "return_pct": None if trip.return_ is None else float(trip.return_ * 100),
        "holding_days": trip.holding_days,
    }


def fill_rows(result: BacktestResult) -> list[dict[str, Any]]:
    """Every fill as a row of a table, oldest first; money in the account's currency."""
    engine = result.engine
    market, scale = engine.market, engine.account.scale
    rows = []
    for row in engine.account.fills().tolist():
        place, strategy, symbol, order, shares, price, value, commission, is_maker = row
        rows.append(
            {
                "time": iso(int(market.timeline[place]), market.timeframe),
                "strategy": engine.slots[strategy].id,
                "symbol": market.symbols[symbol],
                "order": order,
                "side": "buy" if shares > 0 else "sell",
                "quantity": abs(scale.shares_decimal(shares)),
                "price": price_decimal(price),
                "notional": abs(scale.money_decimal(value)),
                "commission": scale.money_decimal(commission),
                "liquidity": "maker" if is_maker else "taker",
            }
        )
    return rows
