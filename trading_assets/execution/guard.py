"""Whether orders may leave at all: the rules that no flag turns off."""

from __future__ import annotations

import datetime as dt

import msgspec

from trading_assets.errors import SubmissionRefusedError
from trading_assets.model.account import CLOCK_ERROR_MAX, MarketClock
from trading_assets.settings import Mode

SIMULATED_ACCOUNT = "SIM-"
"""What the account number of a simulated broker begins with."""


class SubmissionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the guard judges.

    `current_session` is the session that the exchange's clock is in, None on a day without one;
    `halted` whether the halt switch is set; `live_account` the account number that the environment
    allows for live trading, None when not given; `broker_account` the one that the broker reports,
    `restriction` why it says that the account may not trade, empty where it may. `now` is this
    machine's time, `broker_clock` what the broker says of it, None where it says nothing.
    """

    portfolio: str
    mode: Mode
    broker_is_real: bool
    session: dt.date
    current_session: dt.date | None
    halted: bool
    live_account: str | None
    broker_account: str
    restriction: str = ""
    now: dt.datetime
    broker_clock: MarketClock | None = None


def authorize(request: SubmissionRequest) -> None:
    """Return if orders may be sent, else raise SubmissionRefusedError with the code of the rule.

    HALTED: the halt switch is set (any mode). MODE_MISMATCH: the broker is real and the mode is
    not, or the other way round. NOT_CURRENT_SESSION: a real broker, and the session is not today's.
    ACCOUNT_RESTRICTED: the broker says that the account may not trade.
    LIVE_ACCOUNT_NOT_SET, LIVE_ACCOUNT_MISMATCH: live without the account number in the
    environment, or with another one than the broker's. CLOCK_ERROR: this machine's clock is not the
    broker's. MARKET_CLOSED: it says that the market is not open, nor about to be.
    """
    if request.halted:
        raise SubmissionRefusedError(
            "HALTED",
            f"{request.portfolio}: trading is halted. `trading_assets resume` lifts it.",
        )
    if not request.mode.sends:
        raise SubmissionRefusedError(
            "DRY",
            f"{request.portfolio}: mode is {request.mode.value}, orders are planned and logged, "
            "never sent.",
        )
    if request.broker_is_real != request.mode.is_real:
        raise SubmissionRefusedError(
            "MODE_MISMATCH",
            f"{request.portfolio}: mode is {request.mode.value}, the broker is "
            f"{'real' if request.broker_is_real else 'simulated'}. Correct `mode` or the broker.",
        )
    if not request.mode.is_real:
        return
    if request.session != request.current_session:
        raise SubmissionRefusedError(
            "NOT_CURRENT_SESSION",
            f"{request.portfolio}: only the current session "
            f"({request.current_session or 'none today'}) can send orders to a real broker, not "
            f"{request.session}. A backfill of a real portfolio only reads the book.",
        )
    if request.restriction:
        raise SubmissionRefusedError(
            "ACCOUNT_RESTRICTED",
            f"{request.portfolio}: the broker does not let the account trade "
            f"({request.restriction}). Settle it with the broker, then run the session again.",
        )
    authorize_account(request.portfolio, request.mode, request.live_account, request.broker_account)
    if request.broker_clock is not None:
        _authorize_time(request, request.broker_clock)


def authorize_account(
    portfolio: str,
    mode: Mode,
    live_account: str | None,
    broker_account: str,
    book_account: str | None = None,
) -> None:
    """Return if a book may be kept of `broker_account`, else raise SubmissionRefusedError.

    LIVE_ACCOUNT_NOT_SET, LIVE_ACCOUNT_MISMATCH: see `authorize`. ACCOUNT_CHANGED: the book is of
    another real account, `book_account` (None for a new book).
    """
    if mode is Mode.LIVE and not live_account:
        raise SubmissionRefusedError(
            "LIVE_ACCOUNT_NOT_SET",
            f"{portfolio}: live trading needs the account number in TRADING_ASSETS_LIVE_ACCOUNT.",
        )
    if mode is Mode.LIVE and live_account != broker_account:
        raise SubmissionRefusedError(
            "LIVE_ACCOUNT_MISMATCH",
            f"{portfolio}: the account number in TRADING_ASSETS_LIVE_ACCOUNT is not the "
            "one that the broker reports. Correct the variable or the credentials.",
        )
    is_known = book_account is not None and not book_account.startswith(SIMULATED_ACCOUNT)
    if mode.is_real and is_known and book_account != broker_account:
        raise SubmissionRefusedError(
            "ACCOUNT_CHANGED",
            f"{portfolio}: the book is of account {hidden(book_account or '')}, the credentials "
            f"are of {hidden(broker_account)}. Use those of the first, or a new portfolio id for "
            "the other: its book begins with what it holds.",
        )


def hidden(account_number: str) -> str:
    """As much of an account's number as may be shown."""
    return f"…{account_number[-4:]}"


def _authorize_time(request: SubmissionRequest, told: MarketClock) -> None:
    error = request.now - told.now
    if abs(error) > CLOCK_ERROR_MAX:
        word = "ahead of" if error > dt.timedelta() else "behind"
        raise SubmissionRefusedError(
            "CLOCK_ERROR",
            f"{request.portfolio}: this machine's clock is {abs(error).total_seconds():.0f} s "
            f"{word} the broker's, at most {CLOCK_ERROR_MAX.total_seconds():.0f} s may be. Set it, "
            "then run the session again.",
        )
    opens_soon = told.next_open is not None and told.next_open - told.now <= CLOCK_ERROR_MAX
    if told.is_open is False and not opens_soon:
        raise SubmissionRefusedError(
            "MARKET_CLOSED",
            f"{request.portfolio}: the market is closed, says the broker; it would keep orders for "
            "the next open. Nothing was sent.",
        )
