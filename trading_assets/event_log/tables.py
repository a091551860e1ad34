"""The tables that a book is kept in, the same in SQLite and PostgreSQL."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("portfolio", sa.String(31), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("event_id", sa.String(32), nullable=False),
    sa.Column("event_type", sa.String(40), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("session", sa.String(10), nullable=False),
    sa.Column("occurred_at", sa.String(32), nullable=False),
    sa.Column("recorded_at", sa.String(32), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("causation_id", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.UniqueConstraint("portfolio", "event_id"),
    # Few restatements and closes are looked for among very many orders and fills.
    sa.Index("events_by_type", "portfolio", "event_type", "sequence"),
    # One tree instead of two: rows are always read in the order of the chain.
    sqlite_with_rowid=False,
)
CHECKPOINTS = sa.Table(
    "checkpoints",
    METADATA,
    sa.Column("portfolio", sa.String(31), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("first_session", sa.String(10), nullable=False),
    sa.Column("closed_through", sa.String(10), nullable=False),
    sa.Column("latest_session", sa.String(10), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
