"""The tables of the lake: which columns each projection has, and how its rows come about.

Money in the portfolio's currency, quantities in shares, weights as fractions of equity; signed
unless a column says otherwise. A null is unknown, never zero.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from trading_assets.analytics.strategy_pnl import StrategySession
from trading_assets.lake import DATE, EXACT, INTEGER, MOMENT, NUMBER, TEXT, make_table, record_table
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.instrument import Price, PriceSnapshot
from trading_assets.model.plan import OrderPlan
from trading_assets.model.result import DailyResult, PositionValue, ReconciliationReport
from trading_assets.model.target import (
    Contribution,
    SignalRow,
    StrategySignal,
    TargetPortfolio,
    TargetWeight,
)
from trading_assets.reporting.execution_rows import execution_rows

CONTRIBUTIONS = pa.list_(pa.struct([("strategy_id", TEXT), ("weight", EXACT)]))

SIGNAL_COLUMNS = {
    "session": DATE,
    "strategy_id": TEXT,
    "trade_date": DATE,
    "age_days": INTEGER,
    "asset_id": TEXT,
    "symbol": TEXT,
    "weight": EXACT,
    "file": TEXT,
    "file_sha256": TEXT,
    "row": INTEGER,
}
TARGET_COLUMNS = {
    "session": DATE,
    "asset_id": TEXT,
    "symbol": TEXT,
    "target_weight": EXACT,
    "asof": DATE,
    "strategy_id": TEXT,
    "contributions": CONTRIBUTIONS,
}
PRICE_COLUMNS = {
    "session": DATE,
    "symbol": TEXT,
    "price": EXACT,
    "currency": TEXT,
    "price_session": DATE,
    "age_sessions": INTEGER,
    "reference_price": EXACT,
    "volume": EXACT,
    "source": TEXT,
}
ORDER_PLAN_COLUMNS = {
    "session": DATE,
    "batch_id": TEXT,
    "asset_id": TEXT,
    "symbol": TEXT,
    "leg": INTEGER,
    "side": TEXT,
    "position_effect": TEXT,
    "planned_quantity": EXACT,
    "quantity": EXACT,
    "price": EXACT,
    "notional": EXACT,
    "order_type": TEXT,
    "time_in_force": TEXT,
    "take_profit_price": EXACT,
    "stop_loss_price": EXACT,
    "cuts": TEXT,
    "client_order_id": TEXT,
    "plan_digest": TEXT,
}
EXECUTION_COLUMNS = {
    "session": DATE,
    "executed_at": MOMENT,
    "mode": TEXT,
    "symbol": TEXT,
    "side": TEXT,
    "quantity": EXACT,
    "order_type": TEXT,
    "take_profit_price": EXACT,
    "stop_loss_price": EXACT,
    "time_in_force": TEXT,
    "client_order_id": TEXT,
    "batch_id": TEXT,
    "plan_price": EXACT,
    "notional": EXACT,
    "status": TEXT,
    "filled_quantity": EXACT,
    "average_price": EXACT,
    "commission": EXACT,
    "broker_order_id": TEXT,
    "error": TEXT,
}
POSITION_COLUMNS = {
    "session": DATE,
    "symbol": TEXT,
    "quantity": EXACT,
    "average_cost": EXACT,
    "cost_basis": EXACT,
    "mark": EXACT,
    "mark_session": DATE,
    "market_value": EXACT,
    "unrealized_pnl": EXACT,
    "weight": EXACT,
}
LOT_COLUMNS = {
    "session": DATE,
    "symbol": TEXT,
    "quantity": EXACT,
    "cost_basis": EXACT,
    "base_cost_basis": EXACT,
    "opened": DATE,
    "lot_id": TEXT,
}
RECONCILIATION_COLUMNS = {
    "session": DATE,
    "symbol": TEXT,
    "planned_quantity": EXACT,
    "actual_quantity": EXACT,
    "delta_quantity": EXACT,
    "status": TEXT,
    "target_weight": EXACT,
    "actual_weight": EXACT,
    "weight_deviation": EXACT,
    "book_quantity": EXACT,
    "broker_quantity": EXACT,
    "unexplained_quantity": EXACT,
}
GAP_COLUMNS = {
    "session": DATE,
    "view": TEXT,
    "symbol": TEXT,
    "cause": TEXT,
    "quantity": EXACT,
    "amount": EXACT,
    "weight": EXACT,
    "detail": TEXT,
}
PNL_COLUMNS = {
    "session": DATE,
    "opening_equity": EXACT,
    "flows": EXACT,
    "pnl": EXACT,
    "realized_pnl": EXACT,
    "dividends": EXACT,
    "interest": EXACT,
    "fx_pnl": EXACT,
    "fees": EXACT,
    "borrow_fees": EXACT,
    "taxes": EXACT,
    "closing_equity": EXACT,
    "cash": EXACT,
    "market_value": EXACT,
    "accruals": EXACT,
    "traded": EXACT,
    "daily_return": NUMBER,
    "turnover": NUMBER,
    "benchmark": EXACT,
}
INSTRUMENT_PNL_COLUMNS = {
    "session": DATE,
    "symbol": TEXT,
    "opening_value": EXACT,
    "bought": EXACT,
    "sold": EXACT,
    "closing_value": EXACT,
    "pnl": EXACT,
    "realized_pnl": EXACT,
    "commission": EXACT,
    "dividends": EXACT,
}
STRATEGY_PNL_COLUMNS = {
    "session": DATE,
    "strategy_id": TEXT,
    "opening_equity": EXACT,
    "flows": EXACT,
    "pnl": EXACT,
    "fees": EXACT,
    "closing_equity": EXACT,
    "market_value": EXACT,
    "cash": EXACT,
    "accruals": EXACT,
}
STRATEGY_POSITION_COLUMNS = {
    "session": DATE,
    "strategy_id": TEXT,
    "symbol": TEXT,
    "quantity": EXACT,
    "market_value": EXACT,
    "weight": EXACT,
}


def signal_table(session: dt.date, signals: Sequence[StrategySignal]) -> pa.Table:
    """One row for each weight of each strategy's latest signal."""
    rows = [
        {
            "session": session,
            "strategy_id": signal.strategy_id,
            "trade_date": signal.asof,
            "age_days": signal.age_days,
            "asset_id": row.asset_id,
            "symbol": row.symbol,
            "weight": row.weight,
            "file": signal.file,
            "file_sha256": signal.file_sha256,
            "row": row.row,
        }
        for signal in signals
        for row in signal.rows
    ]
    return make_table(SIGNAL_COLUMNS, rows)


def read_signals(session: dt.date, table: pa.Table) -> tuple[StrategySignal, ...]:
    """The signals that `signal_table` wrote, strategies in the order of the table."""
    by_strategy: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        by_strategy.setdefault(row["strategy_id"], []).append(row)
    return tuple(
        _read_signal(session, strategy_id, rows) for strategy_id, rows in by_strategy.items()
    )


def _read_signal(session: dt.date, strategy_id: str, rows: list[dict[str, Any]]) -> StrategySignal:
    first = rows[0]
    return StrategySignal(
        strategy_id=strategy_id,
        session=session,
        asof=first["trade_date"],
        age_days=first["age_days"],
        file=first["file"],
        file_sha256=first["file_sha256"],
        rows=tuple(
            SignalRow(
                strategy_id=strategy_id,
                trade_date=row["trade_date"],
                asset_id=row["asset_id"],
                symbol=row["symbol"],
                weight=row["weight"],
                row=row["row"],
            )
            for row in rows
        ),
    )


def target_table(targets: TargetPortfolio) -> pa.Table:
    """One row for each target; what concerns the whole portfolio is in the schema's metadata, so
    that a portfolio of cash only (no rows) keeps it too."""
    rows = [
        {
            "session": targets.session,
            "asset_id": target.asset_id,
            "symbol": target.symbol,
            "target_weight": target.weight,
            "asof": targets.asof,
            "strategy_id": targets.strategy_id,
            "contributions": [
                {"strategy_id": part.strategy_id, "weight": part.weight}
                for part in target.contributions
            ],
        }
        for target in targets.weights
    ]
    about = {
        "asof": targets.asof.isoformat(),
        "strategy_id": targets.strategy_id,
        "notes": json.dumps(targets.notes),
    }
    return make_table(TARGET_COLUMNS, rows).replace_schema_metadata(about)


def read_targets(session: dt.date, table: pa.Table) -> TargetPortfolio:
    """The targets that `target_table` wrote."""
    about = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    return TargetPortfolio(
        session=session,
        asof=dt.date.fromisoformat(about["asof"]),
        strategy_id=about["strategy_id"],
        weights=tuple(
            TargetWeight(
                asset_id=row["asset_id"],
                symbol=row["symbol"],
                weight=row["target_weight"],
                contributions=tuple(
                    Contribution(strategy_id=part["strategy_id"], weight=part["weight"])
                    for part in row["contributions"]
                ),
            )
            for row in table.to_pylist()
        ),
        notes=tuple(json.loads(about["notes"])),
    )


def price_table(snapshot: PriceSnapshot) -> pa.Table:
    """One row for each price, then one with nulls for each symbol that has none."""
    prices = record_table(
        PRICE_COLUMNS,
        list(snapshot.prices.values()),
        fields={"price_session": "session"},
        session=snapshot.session,
    )
    empty: dict[str, Any] = dict.fromkeys(PRICE_COLUMNS)
    rows = [{**empty, "session": snapshot.session, "symbol": name} for name in snapshot.missing]
    if not rows:
        return prices
    return pa.concat_tables([prices, make_table(PRICE_COLUMNS, rows)]).combine_chunks()


def read_prices(
    session: dt.date, table: pa.Table, symbols: Iterable[str] | None = None
) -> PriceSnapshot:
    """The snapshot that `price_table` wrote, or the part of it that is about `symbols`."""
    if symbols is not None:
        import pyarrow.compute as pc

        wanted = pa.array(sorted(symbols), TEXT)
        table = table.filter(pc.is_in(table["symbol"], value_set=wanted))
    columns = {name: table.column(name).to_pylist() for name in PRICE_COLUMNS}
    prices: dict[str, Price] = {}
    missing = []
    for place, price in enumerate(columns["price"]):
        symbol = columns["symbol"][place]
        if price is None:
            missing.append(symbol)
            continue
        prices[symbol] = Price(
            symbol=symbol,
            price=price,
            currency=columns["currency"][place],
            session=columns["price_session"][place],
            age_sessions=columns["age_sessions"][place],
            source=columns["source"][place],
            reference_price=columns["reference_price"][place],
            volume=columns["volume"][place],
        )
    return PriceSnapshot(session=session, prices=prices, missing=tuple(missing))


def order_plan_table(plan: OrderPlan) -> pa.Table:
    """One row for each order considered, dropped ones (quantity 0) included."""
    orders = plan.orders
    computed = {
        "notional": [_exact(order.quantity * order.price) for order in orders],
        "cuts": [
            "; ".join(f"{cut.reason.value} {cut.quantity:f}: {cut.detail}" for cut in order.cuts)
            for order in orders
        ],
    }
    stored = {name: kind for name, kind in ORDER_PLAN_COLUMNS.items() if name not in computed}
    table = record_table(
        stored, orders, session=plan.session, batch_id=plan.batch_id, plan_digest=plan.digest
    )
    for name, values in computed.items():
        array = pa.array(values, ORDER_PLAN_COLUMNS[name])
        table = table.add_column(list(ORDER_PLAN_COLUMNS).index(name), name, array)
    return table


def execution_table(closed: ClosedSession, mode: str) -> pa.Table:
    """One row for each order that was sent; in dry mode, for each that would have been."""
    return record_table(EXECUTION_COLUMNS, execution_rows(closed, mode))


def position_table(session: dt.date, positions: Sequence[PositionValue]) -> pa.Table:
    """One row for each position held at the close."""
    return record_table(POSITION_COLUMNS, positions, session=session)


def lot_table(closed: ClosedSession) -> pa.Table:
    """One row for each open lot at the close, oldest first within a symbol."""
    return record_table(LOT_COLUMNS, closed.lots, session=closed.session)


def reconciliation_table(report: ReconciliationReport) -> pa.Table:
    """One row for each instrument that was targeted, traded or held."""
    return record_table(RECONCILIATION_COLUMNS, report.rows, session=report.session)


def gap_table(report: ReconciliationReport) -> pa.Table:
    """One row for each cause of each difference."""
    return record_table(GAP_COLUMNS, report.gaps, session=report.session)


def pnl_table(result: DailyResult) -> pa.Table:
    """The session's one row."""
    row = {name: getattr(result, name) for name in PNL_COLUMNS}
    for name in ("daily_return", "turnover"):
        row[name] = None if row[name] is None else float(row[name])
    return make_table(PNL_COLUMNS, [row])


def read_pnl(table: pa.Table) -> DailyResult:
    """The result that `pnl_table` wrote, without its instruments; the return is as exact as the
    lake keeps it."""
    (row,) = table.to_pylist()
    for name in ("daily_return", "turnover"):
        row[name] = None if row[name] is None else Decimal(repr(row[name]))
    return DailyResult(**row, instruments=())


def instrument_pnl_table(result: DailyResult) -> pa.Table:
    """One row for each instrument held or traded."""
    return record_table(INSTRUMENT_PNL_COLUMNS, result.instruments, session=result.session)


def strategy_pnl_table(found: StrategySession) -> pa.Table:
    """One row for each strategy, and one for what is unattributed."""
    return record_table(STRATEGY_PNL_COLUMNS, found.results)


def strategy_position_table(found: StrategySession) -> pa.Table:
    """One row for each symbol that a strategy holds; weights are of the account's equity."""
    return record_table(STRATEGY_POSITION_COLUMNS, found.positions)


def _exact(value: Decimal) -> Decimal:
    """Cut to the ten decimals that the lake keeps."""
    return round(value, 10)
