"""Where the folding of a book begins: with nothing, or at a checkpoint.

Problem: whoever opens a book folds it from its first record, and a book of five years has hundreds
of thousands. A run of one day needs the state before that day.

Choice: the state of the fold is saved at a session's close, every few thousand records, beside the
events. Who opens the book says which closes it must see pass by; the newest checkpoint before them
is gone on from, if it is of this chain, this accounting and this very code. The code counts by its
text: nobody has to remember to number versions, and a checkpoint too few costs a second.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files

import msgspec

from trading_assets.event_log.checkpoints import Checkpoint, Checkpoints
from trading_assets.event_log.store import EventLog
from trading_assets.ledger.history import BookFold, FoldState
from trading_assets.ledger.restatement import still_counting
from trading_assets.model.events import EventRecord
from trading_assets.model.money import plain
from trading_assets.model.policies import AccountingPolicy
from trading_assets.settings import PortfolioSettings

FOLDING_CODE = ("trading_assets.ledger", "trading_assets.model")


def restatements_of(log: EventLog, up_to: int) -> list[EventRecord]:
    """All BookRestated records of a log up to a sequence number, oldest first."""
    return list(log.records(event_types=["book_restated"], up_to=up_to))


def new_fold(settings: PortfolioSettings) -> BookFold:
    """A fold of nothing yet, by the rules of a portfolio."""
    return BookFold(settings.accounting, settings.currency, settings.combination.shares)


class BookStart:
    """A fold to go on with, and the records that it has yet to be fed.

    `checkpoint` is what the fold came from (None: nothing), `end` the sequence number of the last
    record, `restatements` all of the book's up to there.
    """

    def __init__(
        self,
        log: EventLog,
        settings: PortfolioSettings,
        since: dt.date | None = None,
        *,
        end: int | None = None,
    ) -> None:
        """With `since` the fold may begin anywhere before that session closes, else with nothing.
        `end` is where the book ends when None."""
        self._log = log
        self.end = log.head().sequence if end is None else end
        self.restatements = restatements_of(log, self.end)
        self.checkpoint: Checkpoint | None = None
        if since is not None:
            self.checkpoint = Checkpoints(log).newest(
                settings_fingerprint(settings),
                self.restatements,
                closed_before=since,
                up_to=self.end,
            )
        if self.checkpoint is None:
            self.fold = new_fold(settings)
        else:
            state = msgspec.json.decode(self.checkpoint.state, type=FoldState)
            self.fold = BookFold.from_state(state, settings.accounting, settings.currency)

    def records(self) -> Iterator[EventRecord]:
        """The records to fold from here on: those that count, oldest first."""
        after = 0 if self.checkpoint is None else self.checkpoint.sequence
        records = self._log.records(after=after, up_to=self.end)
        return still_counting(records, self.restatements)


def fold_state(fold: BookFold) -> str:
    """The state of a fold as a checkpoint holds it: JSON, decimals as text."""
    return _STATE_ENCODER.encode(fold.state()).decode()


_STATE_ENCODER = msgspec.json.Encoder(decimal_format="string")


def settings_fingerprint(settings: PortfolioSettings) -> str:
    """`fold_fingerprint` of `new_fold`."""
    return fold_fingerprint(settings.accounting, settings.currency, settings.combination.shares)


def fold_fingerprint(
    accounting: AccountingPolicy, currency: str, shares: Mapping[str, Decimal] | None = None
) -> str:
    """SHA-256 of what decides a fold besides the records: policy, currency, the strategies' shares
    of the portfolio, and code."""
    allotted = json.dumps({name: plain(share) for name, share in sorted((shares or {}).items())})
    text = "\x1f".join((accounting.model_dump_json(), currency, allotted, _code_digest()))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _code_digest() -> str:
    digest = hashlib.sha256()
    for package in FOLDING_CODE:
        for module in sorted(files(package).iterdir(), key=lambda each: each.name):
            if module.name.endswith(".py"):
                digest.update(module.name.encode() + b"\0" + module.read_bytes())
    return digest.hexdigest()
