"""Whether orders may leave at all: the rules that no flag turns off."""

from __future__ import annotations

import datetime as dt

import msgspec

from trading_assets.errors import SubmissionRefusedError
from trading_assets.settings import Mode


class SubmissionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the guard judges.

    `current_session` is the session that the exchange's clock is in, None on a day without one;
    `halted` whether the halt switch is set; `live_account` the account number that the environment
    allows for live trading, None when not given; `broker_account` the one that the broker reports,
    `restriction` why it says that the account may not trade, empty where it may.
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


def authorize(request: SubmissionRequest) -> None:
    """Return if orders may be sent, else raise SubmissionRefusedError with the code of the rule.

    HALTED: the halt switch is set (any mode). MODE_MISMATCH: the broker is real and the mode is
    not, or the other way round. NOT_CURRENT_SESSION: a real broker, and the session is not today's.
    ACCOUNT_RESTRICTED: the broker says that the account may not trade.
    LIVE_ACCOUNT_NOT_SET, LIVE_ACCOUNT_MISMATCH: live without the account number in the
    environment, or with another one than the broker's.
    """
    if request.halted:
        raise SubmissionRefusedError(
            "HALTED",
            f"{request.portfolio}: trading is halted. `trading_assets resume` lifts it.",
        )
    if request.mode is Mode.DRY:
        raise SubmissionRefusedError(
            "DRY", f"{request.portfolio}: mode is dry, orders are planned and logged, never sent."
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
    if request.mode is Mode.LIVE:
        _authorize_live(request)


def _authorize_live(request: SubmissionRequest) -> None:
    if not request.live_account:
        raise SubmissionRefusedError(
            "LIVE_ACCOUNT_NOT_SET",
            f"{request.portfolio}: live trading needs the account number in "
            "TRADING_ASSETS_LIVE_ACCOUNT.",
        )
    if request.live_account != request.broker_account:
        raise SubmissionRefusedError(
            "LIVE_ACCOUNT_MISMATCH",
            f"{request.portfolio}: the account number in TRADING_ASSETS_LIVE_ACCOUNT is not the "
            "one that the broker reports. Correct the variable or the credentials.",
        )
