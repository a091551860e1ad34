"""Orders leave only where every rule allows it, and the refusal says which one does not."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from trading_assets.errors import SubmissionRefusedError
from trading_assets.execution.guard import SubmissionRequest, authorize, authorize_account
from trading_assets.model.account import MarketClock
from trading_assets.settings import Mode

MONDAY = dt.date(2024, 3, 4)
FRIDAY = dt.date(2024, 3, 1)
NUMBER = "U7654321"
NOON = dt.datetime(2024, 3, 4, 17, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)

SIMULATED = SubmissionRequest(
    portfolio="alpha",
    mode=Mode.SIMULATED,
    broker_is_real=False,
    session=FRIDAY,
    current_session=MONDAY,
    halted=False,
    live_account=None,
    broker_account="SIM-alpha",
    now=NOON,
)
LIVE = SubmissionRequest(
    portfolio="alpha",
    mode=Mode.LIVE,
    broker_is_real=True,
    session=MONDAY,
    current_session=MONDAY,
    halted=False,
    live_account=NUMBER,
    broker_account=NUMBER,
    now=NOON,
    broker_clock=MarketClock(now=NOON, is_open=True),
)
PAPER = msgspec.structs.replace(LIVE, mode=Mode.PAPER, live_account=None)
DRY = msgspec.structs.replace(SIMULATED, mode=Mode.DRY)


def refusal_of(request: SubmissionRequest, **changes: object) -> SubmissionRefusedError:
    with pytest.raises(SubmissionRefusedError) as refused:
        authorize(msgspec.structs.replace(request, **changes))
    return refused.value


@pytest.mark.parametrize("request_", [SIMULATED, LIVE, PAPER], ids=["simulated", "live", "paper"])
def test_a_request_that_keeps_every_rule_passes(request_: SubmissionRequest) -> None:
    authorize(request_)


@pytest.mark.parametrize("request_", [SIMULATED, DRY, PAPER, LIVE])
def test_the_halt_switch_stops_every_mode(request_: SubmissionRequest) -> None:
    refused = refusal_of(request_, halted=True)
    assert refused.code == "HALTED"
    assert "resume" in str(refused)


@pytest.mark.parametrize("is_real", [False, True])
def test_dry_never_sends_whatever_the_broker(is_real: bool) -> None:
    assert refusal_of(DRY, broker_is_real=is_real).code == "DRY"


@pytest.mark.parametrize(
    ("request_", "is_real", "words"),
    [
        (SIMULATED, True, "mode is simulated, the broker is real"),
        (PAPER, False, "mode is paper, the broker is simulated"),
        (LIVE, False, "mode is live, the broker is simulated"),
    ],
)
def test_mode_and_broker_must_be_of_one_kind(
    request_: SubmissionRequest, is_real: bool, words: str
) -> None:
    refused = refusal_of(request_, broker_is_real=is_real)
    assert refused.code == "MODE_MISMATCH"
    assert words in str(refused)


@pytest.mark.parametrize("request_", [PAPER, LIVE], ids=["paper", "live"])
def test_a_past_session_cannot_send_to_a_real_broker(request_: SubmissionRequest) -> None:
    refused = refusal_of(request_, session=FRIDAY)
    assert refused.code == "NOT_CURRENT_SESSION"
    assert "2024-03-04" in str(refused)
    assert "2024-03-01" in str(refused)


@pytest.mark.parametrize("request_", [PAPER, LIVE], ids=["paper", "live"])
def test_on_a_day_without_a_session_nothing_is_sent_to_a_real_broker(
    request_: SubmissionRequest,
) -> None:
    refused = refusal_of(request_, current_session=None)
    assert refused.code == "NOT_CURRENT_SESSION"
    assert "none today" in str(refused)


def test_a_simulated_portfolio_may_run_any_session() -> None:
    authorize(msgspec.structs.replace(SIMULATED, current_session=None))


@pytest.mark.parametrize("number", [None, ""])
def test_live_needs_the_account_number_in_the_environment(number: str | None) -> None:
    refused = refusal_of(LIVE, live_account=number)
    assert refused.code == "LIVE_ACCOUNT_NOT_SET"
    assert "TRADING_ASSETS_LIVE_ACCOUNT" in str(refused)


@pytest.mark.parametrize("number", ["U7654322", "u7654321", "U7654321 "])
def test_live_needs_the_very_account_that_the_broker_reports(number: str) -> None:
    assert refusal_of(LIVE, live_account=number).code == "LIVE_ACCOUNT_MISMATCH"


def test_no_refusal_shows_an_account_number() -> None:
    other = "U1112223"
    refusals = [
        refusal_of(LIVE, halted=True),
        refusal_of(LIVE, mode=Mode.DRY),
        refusal_of(LIVE, broker_is_real=False),
        refusal_of(LIVE, session=FRIDAY),
        refusal_of(LIVE, live_account=None),
        refusal_of(LIVE, live_account=other),
    ]
    assert len({refused.code for refused in refusals}) == 6
    for refused in refusals:
        assert NUMBER not in str(refused)
        assert other not in str(refused)


@pytest.mark.parametrize("request_", [PAPER, LIVE], ids=["paper", "live"])
def test_an_account_that_the_broker_restricts_gets_no_order(request_: SubmissionRequest) -> None:
    refused = refusal_of(request_, restriction="account is ACCOUNT_CLOSED")
    assert refused.code == "ACCOUNT_RESTRICTED"
    assert "account is ACCOUNT_CLOSED" in str(refused)


def clock(seconds: int, **fields: object) -> MarketClock:
    """The broker's clock, so many seconds ahead of this machine's."""
    return msgspec.structs.replace(MarketClock(now=NOON + seconds * SECOND), **fields)


@pytest.mark.parametrize(("seconds", "told"), [(-31, "31 s ahead of"), (600, "600 s behind")])
def test_a_wrong_clock_sends_nothing(seconds: int, told: str) -> None:
    refused = refusal_of(PAPER, broker_clock=clock(seconds))
    assert refused.code == "CLOCK_ERROR"
    assert told in str(refused)


@pytest.mark.parametrize("seconds", [-30, 0, 30])
def test_a_clock_that_is_right_within_half_a_minute_is_right(seconds: int) -> None:
    authorize(msgspec.structs.replace(PAPER, broker_clock=clock(seconds)))


def test_a_market_that_is_closed_against_the_calendar_is_sent_nothing() -> None:
    """A day of mourning that no calendar knew of; half a minute before an open is early enough."""
    tomorrow = NOON + dt.timedelta(days=1)
    shut = clock(0, is_open=False, next_open=tomorrow)
    assert refusal_of(PAPER, broker_clock=shut).code == "MARKET_CLOSED"
    about_to_open = clock(0, is_open=False, next_open=NOON + 30 * SECOND)
    authorize(msgspec.structs.replace(PAPER, broker_clock=about_to_open))


@pytest.mark.parametrize(
    ("mode", "live_account", "book_account", "code"),
    [
        (Mode.PAPER, None, "PA1111", "ACCOUNT_CHANGED"),
        (Mode.LIVE, NUMBER, "PA1111", "ACCOUNT_CHANGED"),
        (Mode.LIVE, None, None, "LIVE_ACCOUNT_NOT_SET"),
        (Mode.LIVE, "U1111111", None, "LIVE_ACCOUNT_MISMATCH"),
    ],
)
def test_a_book_is_of_one_account(
    mode: Mode, live_account: str | None, book_account: str | None, code: str
) -> None:
    with pytest.raises(SubmissionRefusedError) as refused:
        authorize_account("alpha", mode, live_account, NUMBER, book_account)
    assert refused.value.code == code
    assert NUMBER not in str(refused.value)


@pytest.mark.parametrize("book_account", [None, NUMBER, "SIM-alpha"])
def test_a_book_goes_on_with_its_account_and_from_a_dry_run_to_a_real_one(
    book_account: str | None,
) -> None:
    authorize_account("alpha", Mode.PAPER, None, NUMBER, book_account)
    authorize_account("alpha", Mode.LIVE, NUMBER, NUMBER, book_account)
