"""Files for people used to scripts: fixed names and columns, one folder for each session.

    <exports>/<portfolio>/<YYYYMMDD>/…

Each stage writes its own files as it goes; `trading_assets export` writes all of them again.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from trading_assets.analytics.strategy_pnl import StrategySession
from trading_assets.atomic_file import replace_file
from trading_assets.lake import DATE, EXACT, TEXT, make_table, parquet_bytes
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.instrument import PriceSnapshot
from trading_assets.model.money import ZERO, money, notional, plain, rounded_price, weight
from trading_assets.model.plan import OrderPlan, RebalanceLine
from trading_assets.model.result import (
    DailyResult,
    Gap,
    PositionValue,
    ReconciliationReport,
)
from trading_assets.model.target import TargetPortfolio
from trading_assets.reconciliation.manual_matching import TradeListLine
from trading_assets.reconciliation.planned import PLANNED_VS_FILLED
from trading_assets.reconciliation.weights import TARGET_VS_FINAL
from trading_assets.reporting.execution_rows import (
    ExecutionRow,
    execution_rows,
    unsent_rows,
)

TARGET_COLUMNS = {
    "trade_date": DATE,
    "asset_id": TEXT,
    "target_weight": EXACT,
    "asof": DATE,
    "strategy_id": TEXT,
}
ORDER_COLUMNS = (
    "asset_id",
    "symbol",
    "side",
    "qty",
    "order_type",
    "tp_price",
    "sl_price",
)
TRADE_LIST_COLUMNS = (
    "symbol",
    "side",
    "qty",
    "plan_price",
    "notional",
    "filled_qty",
    "remaining_qty",
    "average_price",
    "status",
    "client_order_id",
)
REBALANCE_COLUMNS = (
    "asset_id",
    "symbol",
    "price",
    "current_qty",
    "current_weight",
    "target_weight",
    "target_qty",
    "delta_qty",
    "delta_notional",
)
PRICE_COLUMNS = ("symbol", "price", "currency", "price_session", "age_sessions", "source")
CURRENT_COLUMNS = ("symbol", "qty", "price", "market_value", "weight")
EXECUTION_COLUMNS = {
    "ts": "executed_at",
    "mode": "mode",
    "symbol": "symbol",
    "side": "side",
    "qty": "quantity",
    "order_type": "order_type",
    "tp_price": "take_profit_price",
    "sl_price": "stop_loss_price",
    "time_in_force": "time_in_force",
    "client_order_id": "client_order_id",
    "batch_id": "batch_id",
    "price_used": "plan_price",
    "notional": "notional",
    "status": "status",
    "order_id": "broker_order_id",
    "error": "error",
}
"""Columns of the file and the fields of `ExecutionRow` that stand in them."""
FILL_COLUMNS = (
    "ts",
    "symbol",
    "side",
    "qty",
    "price",
    "notional",
    "commission",
    "client_order_id",
    "execution_id",
    "order_id",
)
POSITION_COLUMNS = (
    "symbol",
    "qty",
    "average_cost",
    "cost_basis",
    "mark",
    "market_value",
    "unrealized_pnl",
    "weight",
)
RECON_SINGLE_COLUMNS = (
    "symbol",
    "planned_qty",
    "actual_qty",
    "delta_qty",
    "cause",
    "cause_qty",
    "cause_amount",
    "detail",
)
RECON_FINAL_COLUMNS = (
    "symbol",
    "target_weight",
    "actual_weight",
    "weight_deviation",
    "cause",
    "cause_weight",
    "cause_amount",
    "account_qty",
    "account_weight",
    "account_deviation",
)
RECON_REPORT_COLUMNS = (
    "symbol",
    "planned_qty",
    "actual_qty",
    "delta_qty",
    "status",
    "target_weight",
    "actual_weight",
    "weight_deviation",
)
PNL_COLUMNS = (
    "session",
    "symbol",
    "opening_value",
    "bought",
    "sold",
    "closing_value",
    "pnl",
    "realized_pnl",
    "commission",
    "flows",
    "daily_return",
    "dividends",
    "interest",
    "fx_pnl",
    "borrow_fees",
    "taxes",
    "accruals",
)
STRATEGY_PNL_COLUMNS = (
    "session",
    "strategy_id",
    "opening_equity",
    "flows",
    "pnl",
    "fees",
    "closing_equity",
    "market_value",
    "cash",
    "accruals",
)
STRATEGY_POSITION_COLUMNS = ("strategy_id", "symbol", "qty", "market_value", "weight")

INPUT_FILES = ("targets_consolidated_", "real_prices")

Row = Sequence[object]


class SessionExports:
    """Writes the files of one portfolio's session into its folder, each atomically."""

    def __init__(self, root: Path, portfolio: str, session: dt.date) -> None:
        self.session = session
        self.day = f"{session:%Y%m%d}"
        self.folder = root / portfolio / self.day

    def targets(self, targets: TargetPortfolio) -> None:
        """targets_consolidated_YYYYMMDD.parquet."""
        rows = [
            {
                "trade_date": targets.session,
                "asset_id": target.asset_id,
                "target_weight": target.weight,
                "asof": targets.asof,
                "strategy_id": targets.strategy_id,
            }
            for target in targets.weights
        ]
        content = parquet_bytes(make_table(TARGET_COLUMNS, rows))
        replace_file(self.folder / f"targets_consolidated_{self.day}.parquet", content)

    def prices(self, snapshot: PriceSnapshot) -> None:
        """real_prices.csv; a symbol without a price has an empty one."""
        rows: list[Row] = [
            (p.symbol, p.price, p.currency, p.session, p.age_sessions, p.source)
            for p in snapshot.prices.values()
        ]
        rows += [(symbol, None, None, None, None, None) for symbol in snapshot.missing]
        self._write("real_prices.csv", PRICE_COLUMNS, rows)

    def plan(self, plan: OrderPlan) -> None:
        """planned_orders(_real).csv, rebalance_plan(_real).csv, current_positions.csv."""
        self._write("planned_orders.csv", ORDER_COLUMNS, _orders(plan, real=False))
        self._write("planned_orders_real.csv", ORDER_COLUMNS, _orders(plan, real=True))
        self._write("rebalance_plan.csv", REBALANCE_COLUMNS, _rebalance(plan, real=False))
        self._write("rebalance_plan_real.csv", REBALANCE_COLUMNS, _rebalance(plan, real=True))
        held: list[Row] = [
            (
                line.symbol,
                line.current_quantity,
                line.price,
                _value(line.current_quantity, line.price),
                _fraction(_value(line.current_quantity, line.price), plan.equity),
            )
            for line in plan.lines
            if line.current_quantity
        ]
        self._write("current_positions.csv", CURRENT_COLUMNS, held)

    def trade_list(self, lines: Iterable[TradeListLine]) -> None:
        """trade_list.csv: what a person is to trade, and what was traded of it so far."""
        rows: list[Row] = [
            (
                line.symbol,
                line.side.value,
                line.quantity,
                line.plan_price,
                notional(line.quantity, line.plan_price),
                line.filled_quantity,
                line.remaining_quantity,
                None if line.average_price is None else rounded_price(line.average_price),
                line.status.value,
                line.client_order_id,
            )
            for line in lines
        ]
        self._write("trade_list.csv", TRADE_LIST_COLUMNS, rows)

    def unsent(self, plan: OrderPlan, mode: str) -> None:
        """execution_log.csv of a plan of which nothing is sent, before its session is closed."""
        self._execution_log(unsent_rows(plan, mode))

    def _execution_log(self, rows: Iterable[ExecutionRow]) -> None:
        orders: list[Row] = [
            [getattr(row, field) for field in EXECUTION_COLUMNS.values()] for row in rows
        ]
        self._write("execution_log.csv", tuple(EXECUTION_COLUMNS), orders)

    def execution(self, closed: ClosedSession, mode: str) -> None:
        """execution_log.csv and filled_orders.csv."""
        self._execution_log(execution_rows(closed, mode))
        order_ids = {o.client_order_id: o.broker_order_id for o in closed.orders}
        fills: list[Row] = [
            (
                fill.executed_at,
                fill.symbol,
                fill.side,
                fill.quantity,
                fill.price,
                notional(fill.quantity, fill.price),
                fill.commission,
                fill.client_order_id,
                fill.execution_id,
                order_ids.get(fill.client_order_id, ""),
            )
            for fill in closed.fills
        ]
        self._write("filled_orders.csv", FILL_COLUMNS, fills)

    def positions(
        self, positions: Sequence[PositionValue], cash: Decimal, accruals: Decimal
    ) -> None:
        """positions_eod_YYYYMMDD.csv; the last row is cash, before it dividends owed (ACCRUED)
        where there are any."""
        equity = sum((p.market_value for p in positions), cash + accruals)
        rows: list[Row] = [
            (
                p.symbol,
                p.quantity,
                p.average_cost,
                p.cost_basis,
                p.mark,
                p.market_value,
                p.unrealized_pnl,
                p.weight,
            )
            for p in positions
        ]
        for name, amount in (("ACCRUED", accruals), ("CASH", cash)):
            if amount or name == "CASH":
                share = _fraction(amount, equity)
                rows.append((name, None, None, None, None, amount, None, share))
        self._write(f"positions_eod_{self.day}.csv", POSITION_COLUMNS, rows)

    def reconciliation(self, report: ReconciliationReport, summary: str) -> None:
        """recon_single_, recon_final_, recon_report_YYYYMMDD.csv, recon_summary_YYYYMMDD.txt.

        Deltas and causes are actual - planned, so that the causes of a symbol add up to its delta.
        The account's columns come from the broker's statement that was recorded at the close, and
        nothing of the book but its prices; they are empty where weights are undefined.
        """
        gaps = _gaps_by_view(report)
        single: list[Row] = []
        final: list[Row] = []
        for row in report.rows:
            quantities = (
                row.symbol,
                row.planned_quantity,
                row.actual_quantity,
                row.delta_quantity,
            )
            weights = (row.symbol, row.target_weight, row.actual_weight, row.weight_deviation)
            theirs = row.account_weight
            off = None if theirs is None else theirs - row.target_weight
            account = (row.broker_quantity, theirs, off)
            for gap in gaps.get((PLANNED_VS_FILLED, row.symbol), [None]):
                cause = (
                    ("", ZERO, ZERO, "")
                    if gap is None
                    else (gap.cause, gap.quantity, gap.amount, gap.detail)
                )
                single.append((*quantities, *cause))
            for gap in gaps.get((TARGET_VS_FINAL, row.symbol), [None]):
                part = ("", ZERO, ZERO) if gap is None else (gap.cause, -gap.weight, -gap.amount)
                final.append((*weights, *part, *account))
        self._write(f"recon_single_{self.day}.csv", RECON_SINGLE_COLUMNS, single)
        self._write(f"recon_final_{self.day}.csv", RECON_FINAL_COLUMNS, final)
        overview: list[Row] = [
            (
                row.symbol,
                row.planned_quantity,
                row.actual_quantity,
                row.delta_quantity,
                row.status,
                row.target_weight,
                row.actual_weight,
                row.weight_deviation,
            )
            for row in report.rows
        ]
        self._write(f"recon_report_{self.day}.csv", RECON_REPORT_COLUMNS, overview)
        replace_file(self.folder / f"recon_summary_{self.day}.txt", summary.encode())

    def pnl(self, result: DailyResult) -> None:
        """pnl_daily_YYYYMMDD.csv; the last row is the portfolio, all its fees as commission.

        Interest and what exchange rates did to cash are in the portfolio's row alone, borrow fees
        and taxes are among its fees, accruals the dividends owed at the close.
        """
        rows: list[Row] = [
            (
                result.session,
                part.symbol,
                part.opening_value,
                part.bought,
                part.sold,
                part.closing_value,
                part.pnl,
                part.realized_pnl,
                part.commission,
                None,
                None,
                part.dividends,
                *[None] * 5,
            )
            for part in result.instruments
        ]
        rows.append(
            (
                result.session,
                "TOTAL",
                result.opening_equity,
                sum((part.bought for part in result.instruments), ZERO),
                sum((part.sold for part in result.instruments), ZERO),
                result.closing_equity,
                result.pnl,
                result.realized_pnl,
                result.fees,
                result.flows,
                result.daily_return,
                result.dividends,
                result.interest,
                result.fx_pnl,
                result.borrow_fees,
                result.taxes,
                result.accruals,
            )
        )
        self._write(f"pnl_daily_{self.day}.csv", PNL_COLUMNS, rows)

    def strategies(self, found: StrategySession) -> None:
        """strategy_pnl_YYYYMMDD.csv, whose last row is the portfolio, and
        strategy_positions_YYYYMMDD.csv, whose weights are of the portfolio's equity."""
        names = STRATEGY_PNL_COLUMNS
        rows: list[Row] = [[getattr(one, name) for name in names] for one in found.results]
        totals = [sum((getattr(one, name) for one in found.results), ZERO) for name in names[2:]]
        rows.append((found.session, "TOTAL", *totals))
        self._write(f"strategy_pnl_{self.day}.csv", names, rows)
        held: list[Row] = [
            (one.strategy_id, one.symbol, one.quantity, one.market_value, one.weight)
            for one in found.positions
        ]
        self._write(f"strategy_positions_{self.day}.csv", STRATEGY_POSITION_COLUMNS, held)

    def slippage(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """slippage_YYYYMMDD.csv, one row for each trade, of what `slippage_columns` gives; columns
        of an intended price that is not known are empty. No file without a trade."""
        rows: list[Row] = list(zip(*columns.values(), strict=True))
        if rows:
            self._write(f"slippage_{self.day}.csv", list(columns), rows)

    def _write(self, name: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        replace_file(self.folder / name, csv_text([columns, *rows]).encode())


def csv_text(rows: Sequence[Row]) -> str:
    """Rows (of equal length, at least two cells each) as CSV with LF line ends: numbers plain, None
    empty.

    Ten thousand cells a session hardly ever need quotes. So they are joined, and only where the
    result has a comma, line end or quote that joining did not put there, the csv module, which
    takes twice as long, writes them again. A table's cells are put into words column by column,
    for most columns hold one kind.
    """
    lines = [*zip(*map(_words, zip(*rows[:1], strict=True)), strict=True)]
    lines += zip(*map(_words, zip(*rows[1:], strict=True)), strict=True)
    text = "\n".join(map(",".join, lines)) + "\n"
    joined = text.count(",") == sum(map(len, lines)) - len(lines)
    if joined and text.count("\n") == len(lines) and '"' not in text and "\r" not in text:
        return text
    quoted = io.StringIO()
    csv.writer(quoted, lineterminator="\n").writerows(lines)
    return quoted.getvalue()


def _words(column: tuple[object, ...]) -> Iterable[str]:
    """A column's cells as text."""
    kinds = set(map(type, column))
    if kinds == {str}:
        return cast("tuple[str, ...]", column)
    if kinds == {Decimal}:
        return map(plain, cast("tuple[Decimal, ...]", column))
    if kinds == {dt.date}:
        written = {day: str(day) for day in set(column)}
        return map(written.__getitem__, column)
    return map(_word, column)


def _word(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return plain(cell)
    return cell.isoformat() if isinstance(cell, dt.date) else str(cell)


def forget_exports_from(root: Path, portfolio: str, session: dt.date) -> None:
    """Remove the files of `session` and later ones that were made from the book; targets and
    prices, from which the session is decided, stay."""
    for folder in (root / portfolio).glob("[0-9]*"):
        if folder.name < f"{session:%Y%m%d}":
            continue
        for path in folder.iterdir():
            if not path.name.startswith(INPUT_FILES):
                path.unlink()


def _orders(plan: OrderPlan, *, real: bool) -> list[Row]:
    orders = plan.real_orders if real else plan.orders
    return [
        (
            order.asset_id,
            order.symbol,
            order.side,
            order.quantity if real else order.planned_quantity,
            order.order_type,
            order.take_profit_price,
            order.stop_loss_price,
        )
        for order in orders
    ]


def _rebalance(plan: OrderPlan, *, real: bool) -> list[Row]:
    return [_rebalance_row(line, plan.equity, real=real) for line in plan.lines]


def _rebalance_row(line: RebalanceLine, equity: Decimal, *, real: bool) -> Row:
    target = line.real_target_quantity if real else line.target_quantity
    delta = target - line.current_quantity
    return (
        line.asset_id,
        line.symbol,
        line.price,
        line.current_quantity,
        _fraction(_value(line.current_quantity, line.price), equity),
        line.target_weight,
        target,
        delta,
        _value(delta, line.price),
    )


def _value(quantity: Decimal, price: Decimal | None) -> Decimal | None:
    return None if price is None else money(quantity * price)


def _fraction(value: Decimal | None, equity: Decimal) -> Decimal | None:
    return None if value is None or equity <= 0 else weight(value, equity)


def _gaps_by_view(report: ReconciliationReport) -> Mapping[tuple[str, str], Sequence[Gap | None]]:
    found: dict[tuple[str, str], list[Gap | None]] = {}
    for gap in report.gaps:
        found.setdefault((gap.view, gap.symbol), []).append(gap)
    return found
