"""One account at Interactive Brokers, by TWS or IB Gateway, behind the `Broker` protocol.

Interactive Brokers takes any number of orders under one reference, and numbers its orders anew now
and then. So an order is known by our reference (`orderRef`, the client order id), its permanent id
and its executions' ids, never by the number that the library gives it; before one is sent, the
reference is looked for among open orders, completed orders and executions; it counts as taken only
when a permanent id arrives; and nothing is ever sent twice.

Executions and completed orders reach back to the gateway's midnight. Executions of days before come
from the Flex statement, where it has a section of trades. What neither tells shows as a difference
between the book and the account, which stops trading.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from trading_assets.brokers.base import DUPLICATE_ID, BrokerCapabilities, rejected_order
from trading_assets.brokers.ibkr_connection import GatewayConnection, Refusal, answer_of
from trading_assets.brokers.ibkr_contracts import Contracts, ContractTerms, Instrument, exact
from trading_assets.brokers.ibkr_executions import executions, without_revision
from trading_assets.brokers.ibkr_flex import FlexAccess, FlexStatements
from trading_assets.brokers.ibkr_market_data import IbkrMarketData
from trading_assets.brokers.ibkr_orders import (
    REFUSALS,
    completed_order,
    library_order,
    not_supported,
    open_order,
)
from trading_assets.model.account import (
    AccountStatement,
    Answer,
    BrokerOrder,
    BrokerPosition,
    CashActivity,
    Execution,
    Known,
    MarketClock,
    Unknown,
)
from trading_assets.model.arrival import MarketQuote
from trading_assets.model.money import ZERO, rounded_price
from trading_assets.model.order import OrderRequest, OrderStatus, PositionEffect
from trading_assets.portfolio.order_rules import IBKR, InstrumentTraits

T = TypeVar("T")

NOT_SENT = "NOT_SENT"
"""Reject code of an order that certainly never left: something was in doubt before."""
MISSED_EXECUTIONS = (
    "The gateway tells executions since its midnight: those of an evening on which nothing ran may "
    "be what is missing. Add the section Trades (Executions, all fields) to the Flex query "
    "`broker.flex_query_id`, then run it again once the day's statement is there."
)
_SUMMARY_TAGS = "NetLiquidation,BuyingPower,$LEDGER:ALL"
_BASE = "BASE"
_POLL_SECONDS = 0.005


class IbkrBroker:
    """The account that `connection` gives access to, in the portfolio's `currency`.

    `flex` gives access to statements of cash that moved without a trade, which the gateway does not
    tell.
    """

    def __init__(
        self,
        connection: GatewayConnection,
        currency: str,
        contracts: Mapping[str, ContractTerms] | None = None,
        lookup_delay_seconds: float = 5.0,
        flex: FlexAccess | None = None,
    ) -> None:
        self._connection = connection
        self._currency = currency
        self._contracts = Contracts(connection, currency, contracts)
        self._statements: FlexStatements | None = None
        if flex is not None:
            self._statements = FlexStatements(
                flex, lambda: connection.account_number, self._contracts.of_con_id
            )
        self._market_data = IbkrMarketData(connection, self._contracts)
        self._effects: dict[str, PositionEffect] = {}
        self.capabilities = BrokerCapabilities(
            is_real=True,
            deduplicates_client_order_ids=False,
            orders_per_commit=1,
            lookup_delay_seconds=lookup_delay_seconds,
            order_rules=IBKR,
            missed_executions=MISSED_EXECUTIONS,
        )

    def __repr__(self) -> str:
        return f"IbkrBroker({self._connection!r})"

    @property
    def contracts(self) -> Contracts:
        """The account's instruments, as the broker describes them."""
        return self._contracts

    def quotes(self, symbols: Iterable[str]) -> Answer[dict[str, MarketQuote]]:
        """What the market is at, by the same login."""
        return self._market_data.quotes(symbols)

    def close(self) -> None:
        """Log out."""
        self._connection.close()

    # The account

    def account(self) -> Answer[AccountStatement]:
        """Cash in the portfolio's currency, equity and buying power in the account's own."""
        rows = self._summary()
        if isinstance(rows, Unknown):
            return rows
        values = {(row.tag, row.currency): row.value for row in rows.value}
        base = {row.tag: row.value for row in rows.value if row.currency == self._currency}
        equity, power = base.get("NetLiquidation"), base.get("BuyingPower")
        return Known(
            AccountStatement(
                account_number=self._connection.account_number,
                currency=self._currency,
                cash=Decimal(values.get(("CashBalance", self._currency), "0")),
                equity=None if equity is None else Decimal(equity),
                buying_power=None if power is None else Decimal(power),
            )
        )

    def clock(self) -> Answer[MarketClock | None]:
        """The gateway's clock, to the second; which market is open it does not say."""
        told = self._market_data.server_time()
        return told if isinstance(told, Unknown) else Known(MarketClock(now=told.value))

    def cash_by_currency(self) -> Answer[dict[str, Decimal]]:
        """Cash of each currency, money of that currency; negative where it is borrowed."""
        rows = self._summary()
        if isinstance(rows, Unknown):
            return rows
        return Known(
            {
                row.currency: Decimal(row.value)
                for row in rows.value
                if row.tag == "CashBalance" and row.currency != _BASE
            }
        )

    def position_details(self) -> Answer[tuple[BrokerPosition, ...]]:
        """Every position with its average cost, sorted by symbol; empty when flat. The gateway
        values none on request."""

        async def positions(ib: Any) -> dict[int, Any]:
            found = await ib.reqPositionsAsync()
            return {
                each.contract.conId: each
                for each in found
                if each.account == self._connection.account_number
            }

        reply = answer_of(self._connection.ask("positions", positions))
        if isinstance(reply, Unknown):
            return reply
        details = []
        for each in reply.value.values():
            instrument = answer_of(
                self._contracts.of_con_id(each.contract.conId, each.contract.symbol)
            )
            if isinstance(instrument, Unknown):
                return instrument
            quantity = exact(each.position) or ZERO
            if quantity and instrument.value.currency != self._currency:
                return Unknown(
                    f"positions: {instrument.value.symbol} is in {instrument.value.currency}, the "
                    f"portfolio in {self._currency}. Keep them in accounts of their own."
                )
            if quantity:
                details.append(
                    BrokerPosition(
                        symbol=instrument.value.symbol,
                        quantity=quantity,
                        average_cost=rounded_price(exact(each.avgCost) or ZERO),
                        market_value=None,
                    )
                )
        details.sort(key=lambda position: position.symbol)
        return Known(tuple(details))

    def positions(self) -> Answer[dict[str, Decimal]]:
        """Signed shares by symbol, without zeros."""
        found = self.position_details()
        if isinstance(found, Unknown):
            return found
        quantities = {each.symbol: each.quantity for each in found.value}
        if len(quantities) != len(found.value):
            return Unknown("positions: two contracts have one symbol; name them in the portfolio")
        return Known(quantities)

    def average_costs(self) -> Answer[dict[str, Decimal] | None]:
        """Average cost per share of each position, commissions included as the broker does."""
        found = self.position_details()
        if isinstance(found, Unknown):
            return found
        costs = {each.symbol: each.average_cost for each in found.value}
        return Known({symbol: cost for symbol, cost in costs.items() if cost is not None})

    def traits(self, symbols: Iterable[str]) -> Answer[dict[str, InstrumentTraits]]:
        """What can be traded at all: a symbol without a contract, or with another one than was
        meant, is not tradable."""
        found = {}
        for symbol in sorted(set(symbols)):
            reply = self._contracts.of_symbol(symbol)
            if isinstance(reply, Unknown):
                return reply
            tradable = isinstance(reply, Known)
            found[symbol] = InstrumentTraits(tradable=tradable, fractionable=False)
        return Known(found)

    # Orders

    def open_orders(self) -> Answer[tuple[BrokerOrder, ...]]:
        """Orders that can still trade, whoever placed them; by hand and without a reference as
        `ibkr-` and the permanent id."""
        listed = self._listed_as_open()
        if isinstance(listed, Unknown):
            return listed
        return Known(tuple(each for each in listed.value if each.status is not OrderStatus.FILLED))

    def order_by_client_id(self, client_order_id: str) -> Answer[BrokerOrder | None]:
        """The order with this reference, or None where neither open orders, nor today's completed
        orders and executions have it. Two of them, or executions alone, are for a person."""
        # Open ones first: what ends meanwhile is among the completed ones.
        for listed in (self._listed_as_open, self._completed_orders):
            found = listed()
            if isinstance(found, Unknown):
                return found
            named = [
                each for each in found.value if each.request.client_order_id == client_order_id
            ]
            if len(named) > 1:
                return Unknown(
                    f"order {client_order_id}: the account holds {len(named)} orders under this "
                    "reference. Look at them in TWS before anything is sent."
                )
            if named:
                return Known(self._as_sent(named[0]))
        fills = self._fills()
        if isinstance(fills, Unknown):
            return fills
        if any(fill.execution.orderRef == client_order_id for fill, _ in fills.value):
            return Unknown(
                f"order {client_order_id}: executed, but listed neither as open nor as completed. "
                "Look at it in TWS."
            )
        return Known(None)

    def submit(self, request: OrderRequest) -> Answer[BrokerOrder]:
        """Send once; see the protocol. What was in doubt before the order could leave rejects it
        with NOT_SENT."""
        refusal = not_supported(request)
        if refusal is not None:
            return Known(rejected_order(request, *refusal))
        instrument = self._contracts.of_symbol(request.symbol)
        if isinstance(instrument, Refusal):
            return Known(rejected_order(request, "NOT_TRADABLE", instrument.message))
        if isinstance(instrument, Unknown):
            return Known(rejected_order(request, NOT_SENT, instrument.reason))
        standing = self.order_by_client_id(request.client_order_id)
        if isinstance(standing, Unknown):
            return Known(rejected_order(request, NOT_SENT, standing.reason))
        if standing.value is not None:
            words = f"order {standing.value.broker_order_id} has this reference"
            return Known(rejected_order(request, DUPLICATE_ID, words))
        shortage = self._shortage(request)
        if shortage is not None:
            return Known(rejected_order(request, *shortage))
        self._effects[request.client_order_id] = request.position_effect
        return self._send(request, instrument.value)

    def cancel(self, client_order_id: str) -> Answer[BrokerOrder]:
        """Ask for the rest not to trade; the order as it then stands, which may still be working.
        Only what this client id placed can be canceled here."""
        trades = self._open_trades()
        if isinstance(trades, Unknown):
            return trades
        named = [trade for trade, _ in trades.value if trade.order.orderRef == client_order_id]
        if named:
            order = named[0].order
            if order.orderId <= 0:
                return Unknown(f"order {client_order_id} was placed in TWS; cancel it there")
            reply = self._connection.ask_once(
                f"cancel {client_order_id}", lambda ib: _cancel(ib, order)
            )
            if isinstance(reply, Unknown):
                return reply
        after = self.order_by_client_id(client_order_id)
        if isinstance(after, Unknown):
            return after
        if after.value is None:
            return Unknown(f"order {client_order_id} is not in the account")
        return Known(after.value)

    # What moved the account

    def fills_since(self, moment: dt.datetime) -> Answer[tuple[Execution, ...]]:
        """Executions later than `moment`, oldest first, foreign ones included: today's, which are
        unknown while one of them is without its commission, and those of a statement."""
        fills = self._fills()
        if isinstance(fills, Unknown):
            return fills
        today = executions(fills.value, moment)
        if isinstance(today, Unknown) or self._statements is None:
            return today
        before = self._statements.executions_since(moment)
        if isinstance(before, Unknown):
            return before
        told = {without_revision(each.execution_id) for each in today.value}
        more = [each for each in before.value if without_revision(each.execution_id) not in told]
        both = sorted((*more, *today.value), key=lambda each: (each.executed_at, each.execution_id))
        return Known(tuple(both))

    def cash_activities_since(self, moment: dt.datetime) -> Answer[tuple[CashActivity, ...]]:
        """Cash that moved without a trade later than `moment`, from the broker's statements."""
        if self._statements is None:
            return Unknown(
                "cash activities: the gateway does not tell them. Set `broker.flex_query_id` and "
                "TRADING_ASSETS_IBKR_FLEX_TOKEN, so that they are read from Flex statements."
            )
        if not self._connection.account_number:
            account = self.account()
            if isinstance(account, Unknown):
                return account
        return self._statements.cash_activities_since(moment)

    # How it is asked

    def _summary(self) -> Known[list[Any]] | Unknown:
        async def summary(ib: Any) -> list[Any]:
            request_id = ib.client.getReqId()
            ended = ib.wrapper.startReq(request_id)
            ib.wrapper.acctSummary.clear()
            ib.client.reqAccountSummary(request_id, "All", _SUMMARY_TAGS)
            await ended
            # No more than two may run at a time.
            ib.client.cancelAccountSummary(request_id)
            return [
                row
                for row in ib.wrapper.acctSummary.values()
                if row.account == self._connection.account_number
            ]

        return answer_of(self._connection.ask("account", summary))

    def _open_trades(self) -> Known[list[tuple[Any, Instrument]]] | Unknown:
        async def listed(ib: Any) -> list[Any]:
            return list(await ib.reqAllOpenOrdersAsync())

        return self._with_instruments(answer_of(self._connection.ask("open orders", listed)))

    def _listed_as_open(self) -> Answer[tuple[BrokerOrder, ...]]:
        return self._translated(self._open_trades(), open_order)

    def _completed_orders(self) -> Answer[tuple[BrokerOrder, ...]]:
        async def listed(ib: Any) -> list[Any]:
            return list(await ib.reqCompletedOrdersAsync(False))

        trades = self._with_instruments(answer_of(self._connection.ask("completed orders", listed)))
        return self._translated(trades, completed_order)

    def _fills(self) -> Known[list[tuple[Any, Instrument]]] | Unknown:
        """Today's executions, each once, with what was reported of their commissions."""

        async def listed(ib: Any) -> list[Any]:
            found = await ib.reqExecutionsAsync()
            by_id = {fill.execution.execId: fill for fill in ib.fills()}
            # A commission may be reported after the executions are; it is where the library saw
            # the execution first.
            for _ in range(int(self._connection.access.timeout_seconds / 2 / _POLL_SECONDS)):
                if all(by_id[fill.execution.execId].commissionReport.execId for fill in found):
                    break
                await asyncio.sleep(_POLL_SECONDS)
            return [
                by_id[execution_id] for execution_id in sorted({f.execution.execId for f in found})
            ]

        fills = answer_of(self._connection.ask("executions", listed))
        if isinstance(fills, Unknown):
            return fills
        ours = [
            fill
            for fill in fills.value
            if fill.execution.acctNumber == self._connection.account_number
        ]
        return self._with_instruments(Known(ours))

    def _with_instruments(
        self, found: Known[list[Any]] | Unknown
    ) -> Known[list[tuple[Any, Instrument]]] | Unknown:
        if isinstance(found, Unknown):
            return found
        pairs = []
        for each in found.value:
            order = getattr(each, "order", None)
            if order is not None and order.account != self._connection.account_number:
                continue
            instrument = answer_of(
                self._contracts.of_con_id(each.contract.conId, each.contract.symbol)
            )
            if isinstance(instrument, Unknown):
                return instrument
            pairs.append((each, instrument.value))
        return Known(pairs)

    def _translated(
        self,
        trades: Known[list[tuple[Any, Instrument]]] | Unknown,
        translate: Callable[[Any, Instrument], Known[BrokerOrder] | Unknown],
    ) -> Known[tuple[BrokerOrder, ...]] | Unknown:
        if isinstance(trades, Unknown):
            return trades
        orders: dict[str, BrokerOrder] = {}
        for trade, instrument in trades.value:
            order = translate(trade, instrument)
            if isinstance(order, Unknown):
                return order
            orders[order.value.broker_order_id] = self._as_sent(order.value)
        return Known(tuple(orders.values()))

    def _as_sent(self, order: BrokerOrder) -> BrokerOrder:
        """The order with the position effect that it was sent with, which the broker forgets."""
        effect = self._effects.get(order.request.client_order_id)
        return order if effect is None else _with_effect(order, effect)

    def _shortage(self, request: OrderRequest) -> tuple[str, str] | None:
        """Why a closing order would do more than close, which the broker would not mind."""
        if request.position_effect is not PositionEffect.CLOSE:
            return None
        held, working = self.positions(), self.open_orders()
        if isinstance(held, Unknown) or isinstance(working, Unknown):
            doubt = held if isinstance(held, Unknown) else working
            return NOT_SENT, doubt.reason if isinstance(doubt, Unknown) else ""
        taken = sum(
            (
                each.request.quantity - each.filled_quantity
                for each in working.value
                if (each.request.symbol, each.request.side) == (request.symbol, request.side)
            ),
            ZERO,
        )
        free = -request.side.sign * held.value.get(request.symbol, ZERO) - taken
        if request.quantity <= free:
            return None
        return (
            "INSUFFICIENT_QUANTITY",
            f"{request.quantity} of {request.symbol} are to be closed, {max(free, ZERO)} are there "
            "and in no other order",
        )

    def _send(self, request: OrderRequest, instrument: Instrument) -> Answer[BrokerOrder]:
        order = library_order(request, instrument, self._connection.account_number)
        reply = self._connection.ask_once(
            f"order {request.client_order_id}",
            lambda ib: _place(ib, instrument.contract(), order),
        )
        if isinstance(reply, Unknown):
            return reply
        if isinstance(reply, Refusal):
            return Known(rejected_order(request, NOT_SENT, reply.message))
        if isinstance(reply.value, Refusal):
            code = REFUSALS[reply.value.code]
            return Known(rejected_order(request, code, reply.value.message))
        return Known(
            BrokerOrder(
                request=request,
                broker_order_id=str(reply.value),
                status=OrderStatus.ACCEPTED,
                filled_quantity=ZERO,
            )
        )


async def _place(ib: Any, contract: Any, order: Any) -> int | Refusal:
    """The permanent id of an order that was taken, or the refusal of a new one."""
    refusals: list[Refusal] = []

    def on_error(request_id: int, code: int, words: str, *_: Any) -> None:
        if request_id == order.orderId and code in REFUSALS:
            refusals.append(Refusal(code, words))

    ib.errorEvent += on_error
    try:
        trade = ib.placeOrder(contract, order)
        while ib.isConnected():
            if trade.order.permId:
                return int(trade.order.permId)
            if refusals:
                return refusals[0]
            await asyncio.sleep(_POLL_SECONDS)
        raise ConnectionError
    finally:
        ib.errorEvent -= on_error


async def _cancel(ib: Any, order: Any) -> None:
    """Ask for a cancel and wait until the gateway has said something of the order."""
    told = asyncio.Event()

    def on_status(trade: Any) -> None:
        if trade.order.permId == order.permId and trade.orderStatus.status != "PendingCancel":
            told.set()

    def on_error(request_id: int, *_: Any) -> None:
        if request_id == order.orderId:
            told.set()

    ib.orderStatusEvent += on_status
    ib.errorEvent += on_error
    try:
        ib.cancelOrder(order)
        while ib.isConnected() and not told.is_set():
            await asyncio.sleep(_POLL_SECONDS)
        if not told.is_set():
            raise ConnectionError
    finally:
        ib.orderStatusEvent -= on_status
        ib.errorEvent -= on_error


def _with_effect(order: BrokerOrder, effect: PositionEffect) -> BrokerOrder:
    request = msgspec.structs.replace(order.request, position_effect=effect)
    return msgspec.structs.replace(order, request=request, states_effect=True)
