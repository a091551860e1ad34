"""The tables and files that `trading_session` makes of a session, from its plan and its close."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from trading_assets.analytics.pnl import position_values
from trading_assets.assets.ahead import Ahead
from trading_assets.lake import Lake
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.plan import OrderPlan
from trading_assets.reconciliation.manual_matching import TradeListLine
from trading_assets.reporting.exports import SessionExports
from trading_assets.reporting.projections import (
    execution_table,
    lot_table,
    order_plan_table,
    position_table,
)
from trading_assets.settings import Mode


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What of a session is to be written: its plan, its trade list where a person trades by hand,
    and its close; each None where the session has not come to it."""

    session: dt.date
    plan: OrderPlan | None = None
    trades: Sequence[TradeListLine] | None = None
    closed: ClosedSession | None = None


class SessionProjections:
    """Writes them for one portfolio, behind the sessions that are traded in the meantime."""

    def __init__(self, lake: Lake, exports: Path, portfolio: str, mode: Mode) -> None:
        self._lake = lake
        self._exports = exports
        self._portfolio = portfolio
        self._mode = mode
        # Beside an open connection to a broker no process is forked.
        self._ahead = Ahead(self._project, forks=not mode.is_real)
        self.rows: Counter[str] = Counter()
        """By asset, of all sessions that were written."""

    def add(self, decided: Decided) -> None:
        """Have a session written, now or by the next `finish`."""
        self._ahead.add(decided)

    def finish(self) -> None:
        """Return once every session that was added is written."""
        for rows in self._ahead.finish():
            self.rows.update(rows)

    def close(self) -> None:
        """Write nothing more."""
        self._ahead.close()

    def _project(self, decided: Decided) -> dict[str, int]:
        """Rows by asset."""
        rows: dict[str, int] = {}
        plan, closed = decided.plan, decided.closed
        try:
            if plan is not None:
                rows["order_plan"] = self._write_plan(plan, decided.trades)
            if plan is not None and closed is None and not self._mode.sends:
                # A close has an execution log of its own.
                self._exports_of(plan.session).unsent(plan, self._mode.execution)
            if closed is not None:
                rows |= self._write_closed(closed)
        except Exception as error:
            # It may come out some sessions later.
            error.add_note(f"The tables and files of {decided.session} are not written.")
            raise
        return rows

    def _write_plan(self, plan: OrderPlan, trades: Sequence[TradeListLine] | None) -> int:
        table = order_plan_table(plan)
        self._lake.write("order_plan", plan.session, table)
        exports = self._exports_of(plan.session)
        exports.plan(plan)
        if trades is not None:
            exports.trade_list(trades)
        return len(plan.orders)

    def _write_closed(self, closed: ClosedSession) -> dict[str, int]:
        session = closed.session
        positions = position_values(closed.close, closed.cost_bases)
        tables = {
            "execution_log": execution_table(closed, self._mode.execution),
            "positions_eod": position_table(session, positions),
            "lots_eod": lot_table(closed),
        }
        for asset, table in tables.items():
            self._lake.write(asset, session, table)
        exports = self._exports_of(session)
        exports.execution(closed, self._mode.execution)
        exports.positions(positions, closed.close.cash, closed.close.accruals)
        return {asset: table.num_rows for asset, table in tables.items()}

    def _exports_of(self, session: dt.date) -> SessionExports:
        return SessionExports(self._exports, self._portfolio, session)
