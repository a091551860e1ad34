"""What a broker must state as average cost: docs.alpaca.markets, "Position Average Entry Price
Calculation", whose examples are worked there; the others are worked by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from assets_tests.alpaca.clock import new_york
from trading_assets.ledger.broker_costs import (
    BrokerCost,
    BrokerCosts,
    CostHolding,
    stated_step,
    trading_day,
)
from trading_assets.ledger.fold import Ledger
from trading_assets.model.account import AverageCostMethod
from trading_assets.model.cash_events import Adjustment
from trading_assets.model.corporate_actions import CashInLieu, SpinOff, Split, SymbolChange
from trading_assets.model.events import AnyEvent, BrokerStatement, SessionClosed
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import AccountingPolicy

DAYS = [dt.date(2024, 6, day) for day in (3, 4, 5, 6, 7)]
CENT = Decimal("0.01")


class Account:
    """Executions and closes of AAA, day by day (1 is Monday)."""

    def __init__(self) -> None:
        self.ledger = Ledger(AccountingPolicy(), "USD")
        self.costs = BrokerCosts()
        self.count = 0

    def record(self, day: int, event: AnyEvent) -> None:
        self.ledger.apply_event(DAYS[day - 1], event)
        self.costs.follow(DAYS[day - 1], event, self.ledger)

    def trade(self, day: int, shares: int | str, price: str, *, at: str = "10:00") -> None:
        self.count += 1
        signed = Decimal(shares)
        fill = Fill(
            execution_id=f"execution-{self.count}",
            client_order_id="",
            symbol="AAA",
            side=Side.BUY if signed > 0 else Side.SELL,
            quantity=abs(signed),
            price=Decimal(price),
            commission=Decimal(0),
            currency="USD",
            executed_at=new_york(f"{DAYS[day - 1]} {at}") + dt.timedelta(seconds=self.count),
        )
        self.record(day, fill)

    def adjust(self, day: int, shares: int, price: str) -> None:
        adjustment = Adjustment(
            symbol="AAA",
            quantity=Decimal(shares),
            price=Decimal(price),
            cash=Decimal(0),
            currency="USD",
            reason="held when the account was taken over",
        )
        self.record(day, adjustment)

    def close(self, day: int, **stated: str) -> BrokerCost:
        """What AAA must cost; the broker states averages by symbol."""
        return self.close_all(day, **stated)["AAA"]

    def close_all(self, day: int, **stated: str) -> dict[str, BrokerCost]:
        statement = BrokerStatement(
            account_number="1",
            positions=self.ledger.positions,
            cash=Decimal(0),
            average_costs={name: Decimal(cost) for name, cost in stated.items()},
            average_cost_method=AverageCostMethod.COMPRESSED_FIFO,
        )
        closed = SessionClosed(
            marks={},
            cash=Decimal(0),
            market_value=Decimal(0),
            equity=Decimal(0),
            statement=statement,
            cash_balances=None,
            fx_rates={},
            accruals=Decimal(0),
        )
        return self.costs.close(DAYS[day - 1], closed, self.ledger)


def cents(found: BrokerCost) -> list[str]:
    assert not found.is_open
    return sorted(str(cost.quantize(CENT)) for cost in found.costs)


@pytest.fixture
def account() -> Account:
    return Account()


def documented(account: Account) -> None:
    """100 at 10 and 50 at 12 on the first day, 30 at 15 on the second, 120 sold on the third."""
    account.trade(1, 100, "10")
    account.trade(1, 50, "12")
    assert cents(account.close(1, AAA="10.6667")) == ["1600.00"]
    account.trade(2, 30, "15")
    assert cents(account.close(2, AAA="11.3889")) == ["2050.00"]
    account.trade(3, -120, "16")


def test_a_sale_takes_the_average_on_its_day_and_the_oldest_day_from_the_next_one(
    account: Account,
) -> None:
    documented(account)
    # Weighted 683.33; compressed 2,050 - 120 x 1,600 / 150 = 770. Strict FIFO would be 810.
    assert cents(account.close(3, AAA="11.3889")) == ["683.33", "770.00"]
    assert cents(account.close(4, AAA="12.8333")) == ["770.00"]


def test_purchases_of_a_day_are_one_lot_also_with_a_sale_between_them(account: Account) -> None:
    """Weighted: 100 at 10 and 50 at 9 are 1,450; 50 gone at 9.6667 leave 966.67, and 50 at 11 make
    1,516.67. Compressed: 2,000 - 50 x 2,000 / 200 = 1,500."""
    for shares, price in ((100, "10"), (50, "9"), (-50, "10"), (50, "11")):
        account.trade(1, shares, price)
    assert cents(account.close(1, AAA="10.1111")) == ["1500.00", "1516.67"]
    assert cents(account.close(2, AAA="10")) == ["1500.00"]


def test_a_short_is_the_mirror_image(account: Account) -> None:
    account.trade(1, -100, "10")
    account.trade(1, -50, "12")
    account.close(1, AAA="10.6667")
    account.trade(2, -30, "15")
    account.close(2, AAA="11.3889")
    account.trade(3, 120, "9")
    assert cents(account.close(3, AAA="11.3889")) == ["-683.33", "-770.00"]


def test_a_day_through_zero_has_two_readings_until_a_statement_tells_them_apart(
    account: Account,
) -> None:
    """10 are sold at 11 and 5 sold short at 13 on one day: the 5 cost 65, or, if the day's sales
    are one lot, 5 x 175 / 15 = 58.33."""
    account.trade(1, 10, "10")
    account.close(1, AAA="10")
    account.trade(2, -10, "11")
    account.trade(2, -5, "13", at="11:00")
    assert cents(account.close(2, AAA="13")) == ["-58.33", "-65.00"]
    assert cents(account.close(3, AAA="11.6667")) == ["-58.33", "-65.00"]
    assert cents(account.close(4, AAA="11.6667")) == ["-58.33"]


def test_what_is_not_as_it_must_be_is_a_difference_once(account: Account) -> None:
    account.trade(1, 100, "10")
    wrong = account.close(1, AAA="10.02")
    assert cents(wrong) == ["1000.00"]
    assert wrong.matching(Decimal(100), Decimal("10.02")) is None
    # What the broker said may have been the day's average: it is known from the next one on.
    assert account.close(2, AAA="10.02").is_open
    assert cents(account.close(3, AAA="10.02")) == ["1002.00"]


def test_shares_taken_over_have_the_cost_that_is_stated_until_a_part_of_them_is_sold(
    account: Account,
) -> None:
    account.adjust(1, 100, "10.5")
    assert account.close(1, AAA="10.5").costs == (Decimal("1050.0"),)
    account.trade(2, 20, "12")
    # Restated in the morning, by what is not known; 1,290 less the 240 paid are the 100 shares.
    assert account.close(2, AAA="10.75").is_open
    account.trade(3, -30, "12")
    third = account.close(3, AAA="10.75")
    # 1,290 x 90 / 120 on the day; from the next one on the part that is left costs nobody knows.
    assert (third.costs, third.is_open) == ((Decimal("967.50"),), True)
    assert account.close(4, AAA="10.6").is_open
    # 90 at 10.6: known again as a whole, 714 for the 70 and 240 for the 20.
    assert cents(account.close(5, AAA="10.6")) == ["954.00"]


def test_a_day_that_was_traded_in_before_the_take_over_is_open_until_it_is_over(
    account: Account,
) -> None:
    """10 were bought at 10 and sold at 11 before. 10 more at 12 cost 12 for the day, and as part of
    the day's lot 220 / 20 = 11 from the next morning on."""
    account.adjust(1, 0, "0")
    account.trade(1, 10, "12")
    first = account.close(1, AAA="12")
    assert (first.costs, first.is_open) == ((Decimal("120"),), True)
    assert account.close(2, AAA="11").is_open
    assert cents(account.close(3, AAA="11")) == ["110.00"]


def test_a_first_close_that_is_late_states_the_morning_after(account: Account) -> None:
    account.adjust(1, 0, "0")
    account.trade(1, 10, "12")
    assert account.close(1, AAA="11").is_open
    account.close(2, AAA="11")
    third = account.close(3, AAA="11.5")
    assert cents(third) == ["110.00"]
    assert third.matching(Decimal(10), Decimal("11.5")) is None


def test_what_was_traded_before_the_take_over_says_nothing_of_the_next_day(
    account: Account,
) -> None:
    account.adjust(1, 0, "0")
    assert account.close_all(1) == {}
    account.trade(2, 10, "12")
    assert cents(account.close(2, AAA="12")) == ["120.00"]


def test_shares_that_are_all_of_known_days_again_are_known_at_once(account: Account) -> None:
    account.adjust(1, 10, "10")
    account.close(1, AAA="10")
    account.trade(2, 10, "12")
    account.close(2, AAA="11")
    account.trade(3, -15, "13")
    # 220 x 5 / 20 on the day; the 10 taken over are gone, so 5 of the 12 are left afterwards.
    third = account.close(3, AAA="11")
    assert cents(third) == ["55.00", "60.00"]
    assert cents(account.close(4, AAA="12")) == ["60.00"]


def test_a_trade_after_hours_is_of_its_own_day_though_the_next_session_books_it(
    account: Account,
) -> None:
    """100 at 10 and after hours 100 at 12 are one lot at 11, of which 50 are sold next day."""
    account.trade(1, 100, "10")
    account.close(1, AAA="10")
    late = Fill(
        execution_id="late",
        client_order_id="",
        symbol="AAA",
        side=Side.BUY,
        quantity=Decimal(100),
        price=Decimal(12),
        commission=Decimal(0),
        currency="USD",
        executed_at=new_york("2024-06-03 17:30"),
    )
    account.record(2, late)
    account.trade(2, -50, "12")
    assert cents(account.close(2, AAA="11")) == ["1650.00"]


def test_overnight_trading_belongs_to_the_day_that_follows() -> None:
    assert trading_day(new_york("2024-06-03 19:59")) == DAYS[0]
    assert trading_day(new_york("2024-06-03 20:00")) == DAYS[1]
    assert trading_day(new_york("2024-06-04 03:59")) == DAYS[1]


def test_a_split_keeps_the_cost_and_a_change_of_name_everything(account: Account) -> None:
    documented(account)
    account.close(3, AAA="11.3889")
    split = Split(symbol="AAA", ex_date=DAYS[3], new_shares=4, old_shares=1)
    account.record(4, split)
    assert cents(account.close(4, AAA="3.2083")) == ["770.00"]
    change = SymbolChange(symbol="AAA", effective_date=DAYS[4], new_symbol="BBB")
    account.record(5, change)
    assert cents(account.close_all(5, BBB="3.2083")["BBB"]) == ["770.00"]


def test_what_a_spin_off_makes_of_costs_is_not_known(account: Account) -> None:
    account.trade(1, 100, "10")
    account.close(1, AAA="10")
    spin_off = SpinOff(
        symbol="AAA",
        ex_date=DAYS[1],
        new_symbol="CHILD",
        new_shares=1,
        old_shares=4,
        basis_fraction=Decimal("0.1"),
    )
    account.record(2, spin_off)
    found = account.close_all(2, AAA="10", CHILD="0")
    assert all(cost.is_open and not cost.costs for cost in found.values())


def test_from_which_lot_a_fraction_was_paid_out_is_not_known(account: Account) -> None:
    """10.5 at 12 of two days, of which half a share is paid for: what the 10 cost is as stated."""
    account.trade(1, 5, "10")
    account.close(1, AAA="10")
    account.trade(2, "5.5", "13.8181818")
    account.close(2, AAA="12")
    paid = CashInLieu(
        symbol="AAA",
        quantity=Decimal("0.5"),
        amount=Decimal("6.00"),
        currency="USD",
        reference="1",
    )
    account.record(3, paid)
    assert account.close(3, AAA="12.1").is_open
    assert account.close(4, AAA="12.1").is_open
    assert cents(account.close(5, AAA="12.1")) == ["121.00"]


def test_a_cost_that_is_not_stated_changes_nothing_of_what_is_known(account: Account) -> None:
    account.trade(1, 100, "10")
    assert cents(account.close(1)) == ["1000.00"]
    assert cents(account.close(2)) == ["1000.00"]


def test_of_a_broker_whose_method_is_not_known_nothing_is_kept(account: Account) -> None:
    account.trade(1, 100, "10")
    closed = SessionClosed(
        marks={},
        cash=Decimal(0),
        market_value=Decimal(0),
        equity=Decimal(0),
        statement=BrokerStatement(account_number="1", positions={}, cash=Decimal(0)),
        cash_balances=None,
        fx_rates={},
        accruals=Decimal(0),
    )
    assert account.costs.close(DAYS[0], closed, account.ledger) == {}
    assert account.costs.state() == {}


def test_the_state_of_a_checkpoint_goes_on_as_if_nothing_had_been_between(
    account: Account,
) -> None:
    documented(account)
    account.close(3, AAA="11.3889")
    saved = msgspec.json.encode(account.costs.state())
    account.costs = BrokerCosts(msgspec.json.decode(saved, type=dict[str, CostHolding]))
    assert cents(account.close(4, AAA="12.8333")) == ["770.00"]


@pytest.mark.parametrize(
    ("average", "step"),
    [("12", "0.0001"), ("12.5", "0.0001"), ("12.83333", "0.00001"), ("1.1234567890123", "1e-9")],
)
def test_an_average_may_be_off_by_its_last_digit(average: str, step: str) -> None:
    assert stated_step(Decimal(average)) == Decimal(step)
