"""One Alpaca account, paper or live, behind the `Broker` protocol.

Every answer is Known, possibly empty, or Unknown with the reason; nothing raises for what the
service does. A request that changes something leaves once. Executions and cash come from the
account's activities, which are asked page by page until the end: a page that fails makes all of
them unknown. What the order rules are stands in `portfolio/order_rules.py: ALPACA`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from trading_assets.alpaca_api.client import AlpacaApi, Refusal
from trading_assets.alpaca_api.statistics import ApiStatistics
from trading_assets.brokers.alpaca_activities import (
    FILL,
    PAGE_SIZE,
    ActivityRow,
    cash_activities,
    executions,
)
from trading_assets.brokers.alpaca_orders import (
    OrderRow,
    broker_order,
    change_fields,
    order_fields,
    refused_order,
)
from trading_assets.brokers.alpaca_reference import AlpacaReference
from trading_assets.brokers.alpaca_stream import TradeUpdateFeed
from trading_assets.brokers.base import BrokerCapabilities
from trading_assets.errors import SubmissionRefusedError
from trading_assets.model.account import (
    AccountStatement,
    Answer,
    AverageCostMethod,
    BrokerOrder,
    BrokerPosition,
    CashActivity,
    Execution,
    Known,
    MarketClock,
    Unknown,
)
from trading_assets.model.arrival import MarketQuote
from trading_assets.model.order import OrderChange, OrderRequest
from trading_assets.portfolio.order_rules import ALPACA, InstrumentTraits

T = TypeVar("T")
QuoteFeed = Callable[[Iterable[str]], Answer[dict[str, MarketQuote]]]

ORDERS_LIMIT = 500
_ORDERS_PAGES_MAX = 40
_NOT_FOUND = 404
_MANY_SYMBOLS = 30
_FIRST_YEAR = 1990


class AlpacaBroker:
    """The account that `api` gives access to. `quotes` shows what the market is at, by symbol.

    Without `sends` it is only read: what would change anything raises SubmissionRefusedError (DRY).
    """

    def __init__(
        self,
        api: AlpacaApi,
        lookup_delay_seconds: float,
        quotes: QuoteFeed | None = None,
        *,
        sends: bool = True,
    ) -> None:
        self._api = api
        self._client = api.trading()
        self._client_ids: dict[str, str] = {}
        self._traits: dict[str, InstrumentTraits] = {}
        self._quotes = quotes
        self._sends = sends
        self.capabilities = BrokerCapabilities(
            is_real=True,
            deduplicates_client_order_ids=True,
            orders_per_commit=1,
            lookup_delay_seconds=lookup_delay_seconds,
            order_rules=ALPACA,
            average_cost_method=AverageCostMethod.COMPRESSED_FIFO,
            tells_cash_in_lieu=True,
        )

    def __repr__(self) -> str:
        return f"AlpacaBroker({self._api!r})"

    def api_statistics(self) -> ApiStatistics:
        """How the account's interface was used and how it answered."""
        return self._api.statistics()

    def quotes(self, symbols: Iterable[str]) -> Answer[dict[str, MarketQuote]]:
        """What the market is at by the feed that was given; unknown without one."""
        return (
            Unknown("no feed of prices was given")
            if self._quotes is None
            else self._quotes(symbols)
        )

    def updates(self) -> TradeUpdateFeed:
        """What happens to the account's orders, to be told at once; not started."""
        return TradeUpdateFeed(self._api.access)

    def reference(self) -> AlpacaReference:
        """What Alpaca knows beside the account's state."""
        return AlpacaReference(self._api)

    # The account

    def account(self) -> Answer[AccountStatement]:
        """Cash, equity and buying power in the account's currency, now."""
        found = self._get("account", "/account", _AccountRow)
        if isinstance(found, Unknown):
            return found
        row = found.value
        restriction = row.status if row.status != "ACTIVE" else ""
        if row.account_blocked or row.trading_blocked or row.trade_suspended_by_user:
            restriction = "trading is blocked"
        return Known(
            AccountStatement(
                account_number=row.account_number,
                currency=row.currency,
                cash=row.cash,
                equity=row.equity,
                buying_power=row.buying_power,
                multiplier=row.multiplier,
                may_short=row.shorting_enabled,
                restriction=restriction,
            )
        )

    def clock(self) -> Answer[MarketClock | None]:
        """The broker's clock, and whether New York is open by it."""
        told = self.reference().clock()
        return told if isinstance(told, Unknown) else Known(told.value)

    def position_details(self) -> Answer[tuple[BrokerPosition, ...]]:
        """Every position with its average cost, sorted by symbol; empty when flat."""
        found = self._get("positions", "/positions", list[_PositionRow])
        if isinstance(found, Unknown):
            return found
        positions: dict[str, BrokerPosition] = {}
        for row in found.value:
            if row.side not in ("long", "short") or row.symbol in positions:
                return Unknown(f"positions: {row.symbol} is listed twice, or {row.side!r}")
            quantity = abs(row.qty)
            positions[row.symbol] = BrokerPosition(
                symbol=row.symbol,
                quantity=quantity if row.side == "long" else -quantity,
                average_cost=row.avg_entry_price,
                market_value=row.market_value,
            )
        return Known(tuple(position for _, position in sorted(positions.items())))

    def positions(self) -> Answer[dict[str, Decimal]]:
        """Signed shares by symbol, without zeros."""
        found = self.position_details()
        if isinstance(found, Unknown):
            return found
        return Known({each.symbol: each.quantity for each in found.value if each.quantity})

    def average_costs(self) -> Answer[dict[str, Decimal] | None]:
        """Average cost per share of each position of which Alpaca states it."""
        found = self.position_details()
        if isinstance(found, Unknown):
            return found
        return Known(
            {
                each.symbol: each.average_cost
                for each in found.value
                if each.quantity and each.average_cost is not None
            }
        )

    # Orders

    def open_orders(self) -> Answer[tuple[BrokerOrder, ...]]:
        """Orders that can still trade, oldest first, whoever placed them; a bracket's legs are
        orders of their own, beside it or without it."""
        # Only the flat list has the legs of an entry that is filled, only the other one says
        # which legs belong to an entry.
        rows = self._listed({"status": "open"})
        if isinstance(rows, Unknown):
            return rows
        entries = {}
        if any(row.order_class == "bracket" for row in rows.value):
            nested = self._listed({"status": "open", "nested": "true"})
            if isinstance(nested, Unknown):
                return nested
            entries = {row.id: row for row in nested.value}
        found = []
        for row in rows.value:
            order = broker_order(entries.get(row.id, row))
            if isinstance(order, Unknown):
                return order
            found.append(order.value)
        return Known(tuple(found))

    def order_by_client_id(self, client_order_id: str) -> Answer[BrokerOrder | None]:
        """The order sent under this id, or None where the account has none."""
        row = self._row_by_client_id(client_order_id)
        if isinstance(row, Unknown):
            return row
        if row.value is None:
            return Known(None)
        order = broker_order(row.value)
        return order if isinstance(order, Unknown) else Known(order.value)

    def submit(self, request: OrderRequest) -> Answer[BrokerOrder]:
        """Send once; see the protocol. Raises ValueError for a bracket without its legs' prices."""
        self._require_sending()
        fields = order_fields(request)
        what = f"order {request.client_order_id}"
        reply = self._api.ask(what, lambda: self._client.post("/orders", fields))
        return self._placed(what, request, reply)

    def replace(self, client_order_id: str, change: OrderChange) -> Answer[BrokerOrder]:
        """Ask for another order in an order's place; that other order, as it then stands.

        An answer that is not a refusal does not mean that it was replaced: the first may fill
        before. Poll both. Where it is not known, look the change's client order id up.
        """
        self._require_sending()
        row = self._row_by_client_id(client_order_id)
        if isinstance(row, Unknown):
            return row
        if row.value is None:
            return Unknown(f"order {client_order_id} is not in the account")
        known = broker_order(row.value)
        if isinstance(known, Unknown):
            return known
        path = f"/orders/{row.value.id}"
        fields = change_fields(change)
        what = f"order {change.client_order_id}"
        reply = self._api.ask(what, lambda: self._client.patch(path, fields))
        wanted = msgspec.structs.replace(
            known.value.request,
            **{
                name: value
                for name, value in msgspec.structs.asdict(change).items()
                if value is not None
            },
        )
        return self._placed(what, wanted, reply)

    def cancel(self, client_order_id: str) -> Answer[BrokerOrder]:
        """Ask for the rest not to trade; the order as it then stands, which may still be working.

        One that is done already stays as it is.
        """
        self._require_sending()
        row = self._row_by_client_id(client_order_id)
        if isinstance(row, Unknown):
            return row
        if row.value is None:
            return Unknown(f"order {client_order_id} is not in the account")
        path = f"/orders/{row.value.id}"
        reply = self._api.ask(f"cancel {client_order_id}", lambda: self._client.delete(path))
        if isinstance(reply, Unknown):
            return reply
        after = self._row_by_client_id(client_order_id)
        if isinstance(after, Unknown):
            return after
        if after.value is None:
            return Unknown(f"order {client_order_id} is not in the account any more")
        return broker_order(after.value)

    # What moved the account

    def fills_since(self, moment: dt.datetime) -> Answer[tuple[Execution, ...]]:
        """Executions later than `moment`, oldest first, foreign ones and a bracket's legs
        included; `client_order_id` is what the order was placed under, by whomever."""
        rows = self._activities(moment, [FILL])
        if isinstance(rows, Unknown):
            return rows
        missing = {row.order_id for row in rows.value if row.order_id} - self._client_ids.keys()
        doubt = self._learn_client_ids(missing, moment)
        if doubt is not None:
            return doubt
        return executions(rows.value, self._client_ids, moment)

    def cash_activities_since(self, moment: dt.datetime) -> Answer[tuple[CashActivity, ...]]:
        """Cash that moved without a trade later than `moment`, oldest first."""
        rows = self._activities(moment, None)
        return rows if isinstance(rows, Unknown) else cash_activities(rows.value, moment)

    # Instruments

    def traits(self, symbols: Iterable[str]) -> Answer[dict[str, InstrumentTraits]]:
        """What Alpaca says of each symbol, asked once; one that it does not know is not
        tradable."""
        wanted = sorted(set(symbols))
        unasked = [symbol for symbol in wanted if symbol not in self._traits]
        rows: list[_AssetRow] = []
        if len(unasked) > _MANY_SYMBOLS:
            found = self._get("assets", "/assets", list[_AssetRow], {"asset_class": "us_equity"})
            if isinstance(found, Unknown):
                return found
            rows = found.value
        else:
            for symbol in unasked:
                what, path = f"asset {symbol}", f"/assets/{quote(symbol, safe='')}"
                reply = self._api.read(what, partial(self._client.get, path))
                if isinstance(reply, Refusal) and reply.status == _NOT_FOUND:
                    continue
                one = self._api.record(what, reply, _AssetRow)
                if isinstance(one, Unknown):
                    return one
                rows.append(one.value)
        self._traits.update({row.symbol: row.traits() for row in rows})
        for symbol in unasked:
            self._traits.setdefault(symbol, InstrumentTraits(tradable=False))
        return Known({symbol: self._traits[symbol] for symbol in wanted})

    # How it is asked

    def _require_sending(self) -> None:
        if not self._sends:
            raise SubmissionRefusedError("DRY", "the account is only read: nothing was sent.")

    def _get(
        self, what: str, path: str, row: type[T], fields: dict[str, str] | None = None
    ) -> Known[T] | Unknown:
        return self._api.fetch(self._client, what, path, row, fields)

    def _placed(self, what: str, request: OrderRequest, reply: Any) -> Answer[BrokerOrder]:
        """The outcome of a request that places an order."""
        if isinstance(reply, Refusal):
            return Known(refused_order(request, reply.status, reply.code, reply.message))
        row = self._api.record(what, reply, OrderRow)
        if isinstance(row, Unknown):
            return row
        if row.value.client_order_id != request.client_order_id:
            return Unknown(f"{what}: the answer is about {row.value.client_order_id}")
        self._client_ids[row.value.id] = row.value.client_order_id
        if row.value.lacks_legs:
            whole = self._row_by_client_id(request.client_order_id)
            if isinstance(whole, Unknown):
                return whole
            if whole.value is not None:
                return broker_order(whole.value)
        return broker_order(row.value)

    def _row_by_client_id(self, client_order_id: str) -> Known[OrderRow | None] | Unknown:
        what = f"order {client_order_id}"
        fields = {"client_order_id": client_order_id}
        path = "/orders:by_client_order_id"
        reply = self._api.read(what, lambda: self._client.get(path, fields))
        if isinstance(reply, Refusal) and reply.status == _NOT_FOUND:
            return Known(None)
        row = self._api.record(what, reply, OrderRow)
        if isinstance(row, Unknown):
            return row
        if row.value.client_order_id != client_order_id:
            return Unknown(f"{what}: the answer is about {row.value.client_order_id}")
        if row.value.lacks_legs:
            row = self._get(what, f"/orders/{row.value.id}", OrderRow, {"nested": "true"})
            if isinstance(row, Unknown):
                return row
        self._client_ids[row.value.id] = row.value.client_order_id
        return Known(row.value)

    def _listed(
        self, fields: dict[str, str], enough: Callable[[], bool] = lambda: False
    ) -> Known[list[OrderRow]] | Unknown:
        """Orders page by page, oldest first; until the end, or until `enough`."""
        found: list[OrderRow] = []
        query = {"limit": str(ORDERS_LIMIT), "direction": "asc", **fields}
        for _ in range(_ORDERS_PAGES_MAX):
            page = self._get("orders", "/orders", list[OrderRow], query)
            if isinstance(page, Unknown):
                return page
            found.extend(page.value)
            self._client_ids.update({row.id: row.client_order_id for row in page.value})
            if len(page.value) < ORDERS_LIMIT or enough():
                return Known(found)
            query = {**query, "after_order_id": page.value[-1].id}
            query.pop("after", None)
        return Unknown(f"orders: more than {_ORDERS_PAGES_MAX} pages")

    def _learn_client_ids(self, order_ids: set[str], moment: dt.datetime) -> Unknown | None:
        """Learn the client order ids of many orders in few requests, of the rest one by one."""
        if len(order_ids) > 2:
            # An order that fills today may be older than that.
            asked = {"status": "all", **_after(moment, dt.timedelta(days=1))}
            listed = self._listed(asked, lambda: order_ids <= self._client_ids.keys())
            if isinstance(listed, Unknown):
                return listed
        for order_id in sorted(order_ids - self._client_ids.keys()):
            row = self._get(f"order {order_id}", f"/orders/{order_id}", OrderRow)
            if isinstance(row, Unknown):
                return row
            self._client_ids[order_id] = row.value.client_order_id
        return None

    def _activities(
        self, moment: dt.datetime, types: list[str] | None
    ) -> Known[list[ActivityRow]] | Unknown:
        """Every activity later than `moment`, of some types or all that are no fills."""
        fields = {"direction": "asc", "page_size": str(PAGE_SIZE), **_after(moment)}
        if types is None:
            fields["category"] = "non_trade_activity"
        else:
            fields["activity_types"] = ",".join(types)
        found: list[ActivityRow] = []
        last = ""
        while True:
            page = self._get("activities", "/account/activities", list[ActivityRow], fields)
            if isinstance(page, Unknown):
                return page
            found.extend(page.value)
            if len(page.value) < PAGE_SIZE:
                return Known(found)
            if page.value[-1].id == last:
                return Unknown(f"activities: the page after {last} is the same page again")
            last = page.value[-1].id
            fields = {**fields, "page_token": last}


class _AccountRow(msgspec.Struct, frozen=True):
    account_number: str
    status: str
    currency: str
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    multiplier: Decimal | None = None
    shorting_enabled: bool = True
    account_blocked: bool = False
    trading_blocked: bool = False
    trade_suspended_by_user: bool = False


class _PositionRow(msgspec.Struct, frozen=True):
    symbol: str
    qty: Decimal
    side: str
    avg_entry_price: Decimal | None = None
    market_value: Decimal | None = None


class _AssetRow(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    status: str
    tradable: bool
    fractionable: bool
    shortable: bool
    easy_to_borrow: bool | None = None
    borrow_status: str | None = None

    def traits(self) -> InstrumentTraits:
        easy = self.borrow_status == "easy_to_borrow" or bool(self.easy_to_borrow)
        return InstrumentTraits(
            tradable=self.tradable and self.status == "active",
            fractionable=self.fractionable,
            shortable=self.shortable,
            easy_to_borrow=easy,
        )


def _after(moment: dt.datetime, margin: dt.timedelta = dt.timedelta(seconds=1)) -> dict[str, str]:
    """The parameter for what is later than `moment`, some time before it for safety; none for a
    moment before there was anything."""
    if moment.year < _FIRST_YEAR:
        return {}
    earlier = moment.astimezone(dt.UTC) - margin
    return {"after": earlier.strftime("%Y-%m-%dT%H:%M:%SZ")}
