"""Checkpoints: the state of a fold at a sequence number, beside the events it was folded from.

A checkpoint is a projection. It may be deleted at any time, and is passed over wherever it does not
fit: where its content was changed, where the chain has another hash at its sequence number, where
it was made under another accounting policy or by other code (the fingerprint), or where a later
restatement superseded something in it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator

import msgspec
import sqlalchemy as sa

from trading_assets.event_log.store import EventLog
from trading_assets.event_log.tables import CHECKPOINTS
from trading_assets.model.events import BookRestated, EventRecord


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A fold after the record `sequence`, whose hash is `hash`.

    `fingerprint` says what made it: accounting policy, currency and code. `first_session` is the
    one that the book begins with, `closed_through` the latest closed in it, `latest_session` the
    latest that any of its records belongs to. `state` is JSON.
    """

    sequence: int
    hash: str
    fingerprint: str
    first_session: dt.date
    closed_through: dt.date
    latest_session: dt.date
    state: str

    @property
    def digest(self) -> str:
        """SHA-256 of everything in it: a state that was changed is not gone on from."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    def is_superseded(self, restatements: Iterable[EventRecord]) -> bool:
        """Whether a restatement after it lets some record in it no longer count."""
        return any(
            record.sequence > self.sequence and record.event.from_session <= self.latest_session
            for record in restatements
            if isinstance(record.event, BookRestated)
        )


class Checkpoints:
    """The checkpoints of one book."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._mine = CHECKPOINTS.c.portfolio == log.portfolio

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint, in the place of any other of its sequence number and of all that have
        another fingerprint."""
        with self._log.writing() as connection:
            connection.execute(
                sa.delete(CHECKPOINTS).where(
                    self._mine,
                    (CHECKPOINTS.c.sequence == checkpoint.sequence)
                    | (CHECKPOINTS.c.fingerprint != checkpoint.fingerprint),
                )
            )
            connection.execute(
                sa.insert(CHECKPOINTS).values(
                    portfolio=self._log.portfolio,
                    sequence=checkpoint.sequence,
                    hash=checkpoint.hash,
                    fingerprint=checkpoint.fingerprint,
                    first_session=checkpoint.first_session.isoformat(),
                    closed_through=checkpoint.closed_through.isoformat(),
                    latest_session=checkpoint.latest_session.isoformat(),
                    state=checkpoint.state,
                    digest=checkpoint.digest,
                )
            )
            connection.commit()

    def sequences(self) -> list[int]:
        """Where there are checkpoints, fitting or not, ascending."""
        query = sa.select(CHECKPOINTS.c.sequence).where(self._mine)
        with self._log.reading() as connection:
            found = connection.execute(query.order_by(CHECKPOINTS.c.sequence)).scalars()
            return [int(sequence) for sequence in found]

    def newest(
        self,
        fingerprint: str,
        restatements: Iterable[EventRecord],
        *,
        closed_before: dt.date | None = None,
        up_to: int | None = None,
    ) -> Checkpoint | None:
        """The newest that fits the book as it is; None where there is none.

        `restatements` are all of the book's. With `closed_before` it holds no close of that session
        or a later one, with `up_to` no record after that sequence number.
        """
        restatements = list(restatements)
        for checkpoint in self._newest_first(closed_before, up_to):
            if (
                checkpoint.fingerprint == fingerprint
                and not checkpoint.is_superseded(restatements)
                and self._log.hash_at(checkpoint.sequence) == checkpoint.hash
            ):
                return checkpoint
        return None

    def _newest_first(
        self, closed_before: dt.date | None = None, up_to: int | None = None
    ) -> Iterator[Checkpoint]:
        query = sa.select(CHECKPOINTS.c.sequence).where(self._mine)
        if closed_before is not None:
            query = query.where(CHECKPOINTS.c.closed_through < closed_before.isoformat())
        if up_to is not None:
            query = query.where(CHECKPOINTS.c.sequence <= up_to)
        with self._log.reading() as connection:
            sequences = connection.execute(query.order_by(CHECKPOINTS.c.sequence.desc())).scalars()
            found = [int(sequence) for sequence in sequences]
        # A state is long: one is read at a time.
        for sequence in found:
            checkpoint = self.at(sequence)
            if checkpoint is not None:
                yield checkpoint

    def at(self, sequence: int) -> Checkpoint | None:
        """The checkpoint at a sequence number; None where there is none, or it was changed."""
        query = sa.select(CHECKPOINTS).where(self._mine, CHECKPOINTS.c.sequence == sequence)
        with self._log.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        try:
            checkpoint = Checkpoint(
                sequence=row.sequence,
                hash=row.hash,
                fingerprint=row.fingerprint,
                first_session=dt.date.fromisoformat(row.first_session),
                closed_through=dt.date.fromisoformat(row.closed_through),
                latest_session=dt.date.fromisoformat(row.latest_session),
                state=row.state,
            )
        except ValueError:
            return None
        return checkpoint if checkpoint.digest == row.digest else None

    def delete(self) -> None:
        """Remove all; the book is then folded from its first record again."""
        with self._log.writing() as connection:
            connection.execute(sa.delete(CHECKPOINTS).where(self._mine))
            connection.commit()
