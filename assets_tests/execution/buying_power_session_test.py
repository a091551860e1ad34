"""Accounts at Alpaca whose buying power is short: what is planned is taken, what became too dear is
cut before it is sent, and reconciliation says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.execution.alpaca_desk import MONDAY, AlpacaDesk
from trading_assets.execution.session import SessionOutcome
from trading_assets.execution.submission import leg_intents
from trading_assets.model.order import OrderStatus
from trading_assets.model.order_events import OrderIntended
from trading_assets.reconciliation import reconcile

PRICES = {"AAA": "50", "BBB": "200"}
COLLARS = pytest.mark.parametrize("collar", ["0", "0.05"], ids=["at the ask", "with its collar"])


@pytest.fixture
def cash_account() -> Iterator[AlpacaStandIn]:
    """$10,000 without credit before the open, AAA at 50 and BBB at 200."""
    yield from running(1)


@pytest.fixture
def margin_account() -> Iterator[AlpacaStandIn]:
    """The same with twice its equity of buying power, and shorts."""
    yield from running(2)


def running(multiplier: int) -> Iterator[AlpacaStandIn]:
    account = BrokerAccount(
        cash=Decimal(10_000), now=new_york("2024-06-03 09:00"), multiplier=multiplier
    )
    with running_alpaca(account) as alpaca:
        for symbol, price in PRICES.items():
            account.list_asset(symbol, price)
        yield alpaca


def planned_and_sent(
    alpaca: AlpacaStandIn,
    folder: Path,
    weights: Mapping[str, str],
    *,
    then: Mapping[str, str] | None = None,
    **changes: Any,
) -> tuple[AlpacaDesk, SessionOutcome]:
    """Planned before the open, sent after it at the prices of `then`, closed at those."""
    desk = AlpacaDesk(folder, alpaca, **changes)
    desk.run(weights, PRICES)
    alpaca.account.advance_to("2024-06-03 09:31")
    for symbol, price in (then or {}).items():
        alpaca.account.set_price(symbol, price)
    desk.run(weights, PRICES)
    alpaca.account.advance_to("2024-06-03 16:20")
    return desk, desk.run(weights, PRICES, closes={**PRICES, **(then or {})})


def refusals(desk: AlpacaDesk) -> list[str]:
    return [
        order.reject_code
        for order in desk.book.orders(MONDAY)
        if order.status is OrderStatus.REJECTED
    ]


def causes(outcome: SessionOutcome) -> set[str]:
    """Why orders were not traded as planned; all of it must be known."""
    assert outcome.closed is not None, outcome.block_message
    report = reconcile(outcome.closed)
    assert report.unexplained == ()
    return {gap.cause.value for gap in report.gaps if gap.view == "planned_vs_filled"}


def test_a_refused_plan_is_not_recorded_again_for_a_buying_power_that_moves(
    margin_account: AlpacaStandIn, tmp_path: Path
) -> None:
    """With 40 AAA in the account each price of it moves the buying power."""
    margin_account.account.advance_to("2024-06-03 09:31")
    margin_account.account.place_by_hand("AAA", "buy", "40")
    desk = AlpacaDesk(tmp_path, margin_account, limits={"max_total_notional": 1})
    assert desk.run({"AAA": "0.5"}, PRICES).block_code == "MAX_TOTAL_NOTIONAL"
    head = desk.book.log.head()
    for price in ("55", "52"):
        margin_account.account.set_price("AAA", price)
        assert desk.run({"AAA": "0.5"}, PRICES).block_code == "MAX_TOTAL_NOTIONAL"
    assert desk.book.log.head() == head


@COLLARS
def test_a_cash_account_is_planned_for_what_it_can_pay(
    cash_account: AlpacaStandIn, tmp_path: Path, collar: str
) -> None:
    """100 AAA and 25 BBB count as 10,500 of 10,000. The factor is 0.952380: 95 and 23, which take
    4,987.50 + 4,830; the 182.50 that are left are three more AAA."""
    cash_account.account.purchase_collar = Decimal(collar)
    desk, outcome = planned_and_sent(cash_account, tmp_path, {"AAA": "0.5", "BBB": "0.5"})
    assert refusals(desk) == []
    assert desk.book.positions == {"AAA": Decimal(98), "BBB": Decimal(23)}
    assert outcome.plan is not None
    assert outcome.plan.buying_power == 10_000
    assert causes(outcome) == {"broker_rule"}


@COLLARS
def test_a_cash_account_of_which_nothing_may_be_reduced_trades(
    cash_account: AlpacaStandIn, tmp_path: Path, collar: str
) -> None:
    """With the default buffer 98 AAA and 24 BBB count as 10,185 of 10,000. The factor is 0.981836:
    96 and 23 come to 9,870, and two more AAA to 9,975."""
    cash_account.account.purchase_collar = Decimal(collar)
    planning = {"fractional": False, "adjust_for_overflow": False}
    desk, outcome = planned_and_sent(
        cash_account, tmp_path, {"AAA": "0.5", "BBB": "0.5"}, planning=planning
    )
    assert refusals(desk) == []
    assert desk.book.positions == {"AAA": Decimal(98), "BBB": Decimal(23)}
    assert causes(outcome) == {"broker_rule", "rounding"}


@COLLARS
def test_an_account_that_sells_short_is_planned_for_what_it_can_borrow(
    margin_account: AlpacaStandIn, tmp_path: Path, collar: str
) -> None:
    """100 AAA count as 5,250 and 100 BBB short as 20,600; with 20,000 the factor is 0.773694: 77
    and 77 come to 19,904.50, and one more AAA to 19,957."""
    margin_account.account.purchase_collar = Decimal(collar)
    desk, outcome = planned_and_sent(margin_account, tmp_path, {"AAA": "0.5", "BBB": "-2"})
    assert refusals(desk) == []
    assert desk.book.positions == {"AAA": Decimal(78), "BBB": Decimal(-77)}
    assert causes(outcome) == {"broker_rule"}


def test_a_margin_account_is_not_cut(margin_account: AlpacaStandIn, tmp_path: Path) -> None:
    margin_account.account.purchase_collar = Decimal("0.05")
    desk, outcome = planned_and_sent(margin_account, tmp_path, {"AAA": "0.5", "BBB": "0.5"})
    assert desk.book.positions == {"AAA": Decimal(100), "BBB": Decimal(25)}
    assert causes(outcome) == set()


def test_an_account_without_credit_sells_nothing_short(
    cash_account: AlpacaStandIn, tmp_path: Path
) -> None:
    desk, outcome = planned_and_sent(cash_account, tmp_path, {"AAA": "0.5", "BBB": "-0.2"})
    assert refusals(desk) == []
    assert desk.book.positions == {"AAA": Decimal(100)}
    assert causes(outcome) == {"broker_rule"}


def test_a_short_that_became_too_dear_overnight_is_cut_before_it_is_sent(
    margin_account: AlpacaStandIn, tmp_path: Path
) -> None:
    """97 BBB at 206 are planned of 20,000. At the open it trades at 250, offered at no more than
    251.25: 258.7875 counted, of which 20,000 are 77."""
    desk, outcome = planned_and_sent(
        margin_account, tmp_path, {"BBB": "-2"}, then={"BBB": "250"}, quotes=True
    )
    assert refusals(desk) == []
    assert desk.book.positions == {"BBB": Decimal(-77)}
    assert outcome.closed is not None
    told = [
        (gap.cause.value, gap.quantity, gap.detail)
        for gap in reconcile(outcome.closed).gaps
        if gap.view == "planned_vs_filled"
    ]
    assert told == [
        (
            "broker_rule",
            Decimal(-3),
            "BUYING_POWER: opening orders take 20600, buying power is 20000",
        ),
        ("broker_rule", Decimal(-20), "sent for 77 shares, the buying power that was there"),
    ]


def test_a_short_that_there_is_nothing_left_for_is_left_out_and_the_book_says_so(
    margin_account: AlpacaStandIn, tmp_path: Path
) -> None:
    """One BBB is to be sold short; at 30,000 it would take more than the 20,000 there are."""
    desk, outcome = planned_and_sent(
        margin_account,
        tmp_path,
        {"AAA": "1", "BBB": "-0.02"},
        then={"BBB": "30000"},
        quotes=True,
    )
    assert refusals(desk) == []
    assert desk.book.positions == {"AAA": Decimal(200)}
    assert outcome.plan is not None
    names = {order.symbol: order.client_order_id for order in outcome.plan.real_orders}
    (sent,) = desk.book.orders(MONDAY)
    assert sent.left_out == (names["BBB"],)
    assert causes(outcome) == {"broker_rule"}


def test_a_short_that_was_lost_between_plan_and_book_is_not_called_unaffordable(
    margin_account: AlpacaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(*given: Any) -> list[OrderIntended]:
        return [one for one in leg_intents(*given) if one.request.symbol != "BBB"]

    monkeypatch.setattr("trading_assets.execution.session.leg_intents", forgetful)
    _, outcome = planned_and_sent(margin_account, tmp_path, {"AAA": "-0.5", "BBB": "-0.02"})
    assert outcome.closed is not None
    (gap,) = [
        gap for gap in reconcile(outcome.closed).unexplained if gap.view == "planned_vs_filled"
    ]
    assert (gap.symbol, gap.quantity) == ("BBB", Decimal(-1))


def test_purchases_that_became_dearer_overnight_are_cut_before_they_are_sent(
    cash_account: AlpacaStandIn, tmp_path: Path
) -> None:
    """190 AAA are planned; at 60, offered at no more than 60.30, each counts as 63.315: 157."""
    cash_account.account.purchase_collar = Decimal("0.05")
    desk, outcome = planned_and_sent(
        cash_account, tmp_path, {"AAA": "1"}, then={"AAA": "60"}, quotes=True
    )
    assert refusals(desk) == []
    assert desk.book.positions == {"AAA": Decimal(157)}
    assert causes(outcome) == {"broker_rule", "cash_overflow"}


def test_purchases_are_not_made_on_credit_where_prices_have_moved(
    margin_account: AlpacaStandIn, tmp_path: Path
) -> None:
    """200 AAA at 50 are planned of 10,000. At 500 (a reverse split that nobody told of) the buying
    power would be for 37; there is cash for 20."""
    desk, outcome = planned_and_sent(
        margin_account, tmp_path, {"AAA": "1"}, then={"AAA": "500"}, quotes=True
    )
    assert refusals(desk) == []
    assert desk.book.positions == {"AAA": Decimal(20)}
    assert desk.book.cash == 0
    assert causes(outcome) == {"cash_overflow"}


def test_what_became_cheaper_leaves_its_cash_to_what_became_dearer(
    margin_account: AlpacaStandIn, tmp_path: Path
) -> None:
    """100 AAA at 50 and 25 BBB at 200 are planned. At 60 and 160 they are 6,000 and 4,000."""
    desk, outcome = planned_and_sent(
        margin_account,
        tmp_path,
        {"AAA": "0.5", "BBB": "0.5"},
        then={"AAA": "60", "BBB": "160"},
        quotes=True,
    )
    assert desk.book.positions == {"AAA": Decimal(100), "BBB": Decimal(25)}
    assert causes(outcome) == set()


def test_what_an_order_of_others_holds_is_not_planned_with(
    margin_account: AlpacaStandIn, tmp_path: Path
) -> None:
    """An open purchase by hand of 60 BBB at 190 takes 11,400 of the 20,000: 8,600 over 206 are 41
    of the 50 short that are wanted."""
    margin_account.account.list_asset("CCC", "200")
    margin_account.account.place_by_hand("CCC", "buy", "60", type="limit", limit_price="190")
    desk, outcome = planned_and_sent(margin_account, tmp_path, {"BBB": "-1"})
    assert refusals(desk) == []
    assert outcome.plan is not None
    assert outcome.plan.buying_power == 8_600
    assert desk.book.positions["BBB"] == -41
