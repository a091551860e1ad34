"""The broker contract, case by case, on the simulated account and on Alpaca's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import opened
from assets_tests.brokers.broker_contract import CASES, Bench
from trading_assets.brokers.base import Broker
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.model.corporate_actions import Dividend
from trading_assets.model.instrument import Price, PriceSnapshot
from trading_assets.model.policies import CommissionPolicy, SimulationPolicy

MONDAY, TUESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4)
CLOSES = {"AAPL": "190", "MSFT": "410"}


class SimulatedBench:
    """A simulated account on Monday 3 June 2024."""

    def __init__(self, folder: Path) -> None:
        self.account = SimulatedBroker(
            folder / "account.sqlite", "SIM-1", "USD", SimulationPolicy(), CommissionPolicy()
        )
        self.broker: Broker = self.account
        self.account.deposit("initial", MONDAY, Decimal(100_000))
        self._enter(MONDAY)

    def trade(self) -> None:
        self.account.match()

    def pay_dividend(self, symbol: str, per_share: str) -> None:
        self.account.end_session()
        dividend = Dividend(
            symbol=symbol,
            ex_date=TUESDAY,
            amount_per_share=Decimal(per_share),
            currency="USD",
            pay_date=TUESDAY,
        )
        self.account.pass_night(TUESDAY, _at(TUESDAY, 13), [dividend])
        self._enter(TUESDAY)

    def _enter(self, session: dt.date) -> None:
        prices = {
            symbol: Price(
                symbol=symbol,
                price=Decimal(close),
                currency="USD",
                session=session,
                age_sessions=0,
                source="test",
            )
            for symbol, close in CLOSES.items()
        }
        snapshot = PriceSnapshot(session=session, prices=prices)
        self.account.begin_session(session, _at(session, 20), snapshot)


class AlpacaBench:
    """A paper account at the stand-in, on Monday 3 June 2024 at 10:00 in New York."""

    def __init__(self, alpaca: AlpacaStandIn) -> None:
        self.alpaca = alpaca
        self.broker: Broker = opened(alpaca)
        for symbol, close in CLOSES.items():
            alpaca.account.list_asset(symbol, close)

    def trade(self) -> None:
        """Orders trade by themselves as soon as they are answered."""

    def pay_dividend(self, symbol: str, per_share: str) -> None:
        self.alpaca.account.pay_dividend(symbol, per_share)


def _at(session: dt.date, hour: int) -> dt.datetime:
    return dt.datetime.combine(session, dt.time(hour), tzinfo=dt.UTC)


@pytest.fixture(params=["simulated", "alpaca"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        if request.param == "simulated":
            simulated = SimulatedBench(tmp_path)
            stack.callback(simulated.account.close)
            yield simulated
        else:
            yield AlpacaBench(stack.enter_context(running_alpaca()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_contract(bench: Bench, case: Callable[[Bench], None]) -> None:
    case(bench)
