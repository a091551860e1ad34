"""The tables of risk in the lake: one row a session, and one for each sector of it."""

from __future__ import annotations

import pyarrow as pa

from trading_assets.analytics.risk_snapshot import RiskSnapshot
from trading_assets.lake import DATE, EXACT, INTEGER, NUMBER, TEXT, record_table

RISK_COLUMNS = {
    "session": DATE,
    "equity": EXACT,
    "gross_exposure": EXACT,
    "net_exposure": EXACT,
    "long_value": EXACT,
    "short_value": EXACT,
    "position_count": INTEGER,
    "gross_leverage": NUMBER,
    "net_leverage": NUMBER,
    "largest_symbol": TEXT,
    "largest_weight": NUMBER,
    "effective_positions": NUMBER,
    "drawdown": NUMBER,
    "volatility": NUMBER,
}
SECTOR_COLUMNS = {
    "session": DATE,
    "sector": TEXT,
    "long_value": EXACT,
    "short_value": EXACT,
    "weight": NUMBER,
}


def risk_table(snapshot: RiskSnapshot) -> pa.Table:
    """The session's one row."""
    return record_table(RISK_COLUMNS, [snapshot])


def sector_table(snapshot: RiskSnapshot) -> pa.Table:
    """One row for each sector that is held; none where the portfolio names no sectors."""
    return record_table(SECTOR_COLUMNS, snapshot.sectors, session=snapshot.session)
