"""The book of a backtest: the ledger that folds every fill and corporate action of the run.

The exchange's account knows cash and shares; lots, realised gains, income and round trips are the
ledger's (`ledger/fold.py`), the same that folds the events of a portfolio. It follows when somebody
asks: at a corporate action, for the round trips of the result, for an event log. Then cash, shares
and dividends owed of both are compared, to the last unit of money.

The ledger rounds money to hundredths. A backtest that books finer money counts in a smaller unit
there: with m decimals, amounts are multiplied by 10^(m - 2) on their way in and divided on the way
out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal

from msgspec.structs import replace

from trading_assets.engine.account import Account
from trading_assets.engine.bars import Market
from trading_assets.engine.clock import moment
from trading_assets.engine.scaled import PRICE_DECIMALS
from trading_assets.errors import LedgerError
from trading_assets.ledger.fold import Ledger, LedgerState
from trading_assets.ledger.interest import accrued_interest
from trading_assets.model.cash_events import (
    BorrowFee,
    CashFlow,
    CashFlowKind,
    DayCount,
    Interest,
)
from trading_assets.model.corporate_actions import (
    CashMerger,
    CorporateAction,
    Delisting,
    Dividend,
    DividendPayment,
    SpinOff,
    Split,
    StockDividend,
)
from trading_assets.model.events import AnyEvent
from trading_assets.model.money import ZERO, money
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import AccountingPolicy
from trading_assets.model.round_trip import RoundTrip

_CENT_DECIMALS = 2


Booked = CorporateAction | DividendPayment | Interest | BorrowFee
"""What is booked beside fills."""


class Book:
    """The ledger of one run; it is behind the account until `catch_up`.

    `on_round_trip` is told of each closed part of a lot, in the account's own money.
    """

    def __init__(
        self,
        market: Market,
        account: Account,
        policy: AccountingPolicy,
        currency: str,
        on_round_trip: Callable[[RoundTrip], None] | None = None,
    ) -> None:
        self._market = market
        self._account = account
        self._currency = currency
        self._finer = account.scale.money_decimals - _CENT_DECIMALS
        self._tell = on_round_trip
        self._folded = 0
        self.booked: list[tuple[int, Booked]] = []
        """What was booked beside fills, with its place, oldest first."""
        self._policy = policy
        self.ledger = Ledger(policy, currency, self._listener())
        self.ledger.apply_event(
            market.session_date(0),
            CashFlow(
                kind=CashFlowKind.DEPOSIT,
                amount=self._amount(account.initial_cash),
                currency=currency,
                reference="capital",
            ),
        )

    def _listener(self) -> Callable[[RoundTrip], None] | None:
        return None if self._tell is None else self._told

    def resume(
        self, state: LedgerState, trips: list[RoundTrip], booked: list[tuple[int, Booked]]
    ) -> None:
        """Go on from a checkpoint: the ledger as it was, the round trips so far, which are told
        again to whoever keeps them, and what was booked beside fills."""
        self.booked = booked
        self.ledger = Ledger.from_state(state, self._policy, self._currency, self._listener())
        self._folded = self._account.fill_count
        if self._tell is not None:
            for trip in trips:
                self._tell(trip)
        self.compare()

    def _amount(self, money: int) -> Decimal:
        """Money units as the ledger counts them: its hundredths are the account's units."""
        return Decimal(money).scaleb(-_CENT_DECIMALS)

    def _money(self, amount: Decimal) -> int:
        return int(amount.scaleb(_CENT_DECIMALS))

    def fills(self, first: int = 0) -> Iterator[tuple[dt.date, Fill]]:
        """Session and event of each fill from number `first` on, as the ledger counts money."""
        market, scale = self._market, self._account.scale
        symbols, currency = market.symbols, self._currency
        timeline, sessions = market.timeline, market.session_date
        place_before, session, at = -1, dt.date.min, moment(0)
        exponent = self._finer - PRICE_DECIMALS
        share_exponent = -scale.share_decimals
        for number, row in enumerate(self._account.fills(first).tolist(), start=first + 1):
            place, _strategy, symbol, order, shares, price, _value, commission, _maker = row
            if place != place_before:
                place_before, session, at = place, sessions(place), moment(int(timeline[place]))
            quantity = Decimal(shares if shares > 0 else -shares)
            yield (
                session,
                Fill(
                    execution_id=str(number),
                    client_order_id=str(order),
                    symbol=symbols[symbol],
                    side=Side.BUY if shares > 0 else Side.SELL,
                    quantity=quantity.scaleb(share_exponent) if share_exponent else quantity,
                    price=Decimal(price).scaleb(exponent),
                    commission=Decimal(commission).scaleb(-_CENT_DECIMALS),
                    currency=currency,
                    executed_at=at,
                ),
            )

    def catch_up(self) -> None:
        """Fold the fills since the last time, and compare with the account."""
        apply = self.ledger.apply_event
        for session, fill in self.fills(self._folded):
            apply(session, fill)
        self._folded = self._account.fill_count
        self.compare()

    def apply(self, place: int, event: Booked) -> None:
        """Book what happens at a place, after all fills so far."""
        self.catch_up()
        self.ledger.apply_event(self._market.session_date(place), self._in_ledger_money(event))
        self.booked.append((place, event))

    def _in_ledger_money(self, event: Booked) -> AnyEvent:
        """The event with its amounts in the unit that the ledger counts in."""
        if not self._finer:
            return event
        if isinstance(event, Dividend):
            return replace(event, amount_per_share=event.amount_per_share.scaleb(self._finer))
        if isinstance(event, Split | StockDividend | SpinOff):
            price = event.cash_in_lieu_price
            return (
                event
                if price is None
                else replace(event, cash_in_lieu_price=price.scaleb(self._finer))
            )
        if isinstance(event, CashMerger | Delisting):
            return replace(event, price=event.price.scaleb(self._finer))
        if isinstance(event, Interest | BorrowFee):
            return replace(event, amount=event.amount.scaleb(self._finer))
        return event

    def owed(self, shares: Decimal, amount_per_share: Decimal) -> Decimal:
        """What a dividend comes to, as the ledger counts money and rounds it."""
        return money(shares * amount_per_share.scaleb(self._finer))

    def rounded(self, amount: Decimal) -> Decimal:
        """An amount of money as the account counts it."""
        return money(amount.scaleb(self._finer)).scaleb(-self._finer)

    def accrued(
        self, balance: Decimal, rate: Decimal, start: dt.date, end: dt.date, day_count: DayCount
    ) -> Decimal:
        """Interest as `accrued_interest` has it, rounded to what the account counts in."""
        finer = accrued_interest(balance.scaleb(self._finer), rate, start, end, day_count)
        return finer.scaleb(-self._finer)

    @property
    def cash(self) -> int:
        """The ledger's cash in money units."""
        return self._money(self.ledger.cash)

    @property
    def accruals(self) -> int:
        """Dividends owed, in money units."""
        return self._money(self.ledger.accruals)

    def held(self) -> list[int]:
        """Share units of each of the market's symbols."""
        positions = self.ledger.positions
        decimals = self._account.scale.share_decimals
        return [
            int(positions.get(symbol, ZERO).scaleb(decimals)) for symbol in self._market.symbols
        ]

    def compare(self) -> None:
        """LedgerError where the ledger and the exchange's account differ in anything."""
        account, symbols = self._account, self._market.symbols
        differences = [
            f"{name}: account {mine}, ledger {its}"
            for name, mine, its in (
                ("cash", account.cash, self.cash),
                ("dividends owed", account.accruals, self.accruals),
                *zip(symbols, account.held.tolist(), self.held(), strict=True),
            )
            if mine != its
        ]
        if differences:
            raise LedgerError(
                "the account of the backtest and its ledger differ in "
                f"{'; '.join(differences[:5])} (units of money and shares): a booking is missing "
                "or was made twice."
            )

    def _told(self, trip: RoundTrip) -> None:
        assert self._tell is not None
        if self._finer:
            down = -self._finer
            trip = replace(
                trip,
                entry_price=trip.entry_price.scaleb(down),
                exit_price=trip.exit_price.scaleb(down),
                pnl=trip.pnl.scaleb(down),
                base_pnl=trip.base_pnl.scaleb(down),
            )
        self._tell(trip)
