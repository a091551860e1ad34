"""What a strategy is: something that is shown bars and answers with signals.

It has one of two faces, or both:

    on_bar(bar, context)          each bar of each symbol, one by one, as it completes
    generate_signals(snapshot)    all symbols at once, after each bar, session, week or month

A strategy decides on what it is shown and nothing else. It sees a bar when the bar is complete;
orders that follow trade later, by the rules of the matching. Numbers are floats: a wish, not a
booking. What becomes of it in shares and money is exact, and the engine's business.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np

from trading_assets.engine.clock import Floats, Frequency, date_of, moment
from trading_assets.errors import ConfigurationError
from trading_assets.model.market_events import SignalAction
from trading_assets.model.order import OrderStatus, OrderType, Side, TimeInForce


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One complete bar. `start` in nanoseconds UTC, `session` in days since 1970-01-01, prices per
    share as strategies see them (adjusted where the backtest says so), volume in shares (NaN
    unknown)."""

    symbol: str
    start: int
    session: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def started_at(self) -> dt.datetime:
        """Start of the bar, UTC."""
        return moment(self.start)

    @property
    def session_date(self) -> dt.date:
        """The session that the bar belongs to."""
        return date_of(self.session)


class Signal(msgspec.Struct, frozen=True, gc=False):
    """A strategy's wish for one instrument; the book's event of that name is its record.

    Prices are per share, in the prices that the strategy sees. `price` is the price it was decided
    at, None for the close of the bar; `weight` the signed fraction of the strategy's equity, of a
    target weight alone; `quantity` positive shares, None to leave the size to the backtest's
    sizing; `confidence` 0 to 1 scales that size, None for all of it. With a stop-loss or
    take-profit the order that opens is a bracket. Of signals with one `idempotency_key` only the
    first is acted on; `Context.order` tells what became of it.
    """

    symbol: str
    action: SignalAction
    price: float | None = None
    weight: float | None = None
    quantity: float | None = None
    confidence: float | None = None
    stop_loss_price: float | None = None
    take_profit_price: float | None = None
    reason: str = ""
    idempotency_key: str = ""


class OrderIntent(msgspec.Struct, frozen=True, gc=False):
    """An order that a strategy asks for itself, instead of a signal that the backtest sizes.

    `quantity` positive shares; prices per share as the strategy sees them. `limit_price` for limit
    and stop-limit orders, `stop_price` for stops. A bracket has `take_profit_price`,
    `stop_loss_price` or both, and enters at the market or at `limit_price`. Orders with one
    `one_cancels_other` name are a group of which only one is filled. An `idempotency_key` that was
    used before gives no second order; `Context.order` tells what became of the first.
    """

    symbol: str
    side: Side
    quantity: float
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce | None = None
    limit_price: float | None = None
    stop_price: float | None = None
    take_profit_price: float | None = None
    stop_loss_price: float | None = None
    one_cancels_other: str = ""
    idempotency_key: str = ""
    reason: str = ""


class TargetWeights(msgspec.Struct, frozen=True, gc=False):
    """Weights of all symbols at once, in the order of the snapshot's symbols: signed fractions of
    the strategy's equity, NaN for a symbol that is left as it is."""

    weights: Floats


Answer = Iterable[Signal | OrderIntent] | TargetWeights | None
"""What a strategy answers; None, or nothing in it, for no wish."""


class OrderResult(msgspec.Struct, frozen=True):
    """What has become of an order so far: its id, status, signed shares ordered and filled, and why
    it was refused or ended (a code or words; empty while it works)."""

    order_id: str
    status: OrderStatus
    quantity: float
    filled_quantity: float
    reason: str


class Context(Protocol):
    """What a strategy may ask the engine, besides the bar that it is shown."""

    @property
    def equity(self) -> float:
        """The account's value at the latest closes, money."""

    @property
    def cash(self) -> float:
        """The account's cash, money; negative where it is borrowed."""

    @property
    def is_warming_up(self) -> bool:
        """True while bars are shown and no signal is acted on."""

    def position(self, symbol: str) -> float:
        """Signed shares that this strategy holds of `symbol`; 0 for none."""

    def working_orders(self, symbol: str) -> Sequence[str]:
        """Ids of this strategy's orders of `symbol` that may still trade."""

    def order(self, idempotency_key: str) -> OrderResult | None:
        """What became of the first order that this strategy asked for under a key; None where it
        used no such key, or nothing had to be ordered for it."""

    def cancel(self, order_id: str) -> None:
        """Take an order back; nothing happens where it is done already."""

    def history(self, symbol: str, count: int, field: str = "close") -> Floats:
        """The latest `count` values of a column (open, high, low, close, volume) up to the bar that
        is shown, oldest first; fewer where there are not so many."""


class Snapshot(Protocol):
    """All symbols after one bar; arrays in the order of `symbols`, NaN where one has no bar."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols of the backtest."""

    @property
    def start(self) -> int:
        """Start of the bar, nanoseconds UTC."""

    @property
    def session(self) -> int:
        """Its session, days since 1970-01-01."""

    @property
    def open(self) -> Floats:
        """Opens per share."""

    @property
    def high(self) -> Floats:
        """Highs per share."""

    @property
    def low(self) -> Floats:
        """Lows per share."""

    @property
    def close(self) -> Floats:
        """Closes per share."""

    @property
    def volume(self) -> Floats:
        """Shares traded; NaN where unknown too."""

    @property
    def context(self) -> Context:
        """Positions, equity, history."""

    def history(self, count: int, field: str = "close") -> Floats:
        """The latest `count` places of a column for all symbols up to this one, shape (places,
        symbols), oldest first; NaN where a symbol has no bar."""


class Strategy:
    """Base of all strategies: subclasses define `on_bar`, `generate_signals`, or both.

    `frequency` says how often `generate_signals` is asked; `warm_up_bars` how many bars a strategy
    wants to see before it is acted on. `id` names it in orders and results; the backtest sets it.
    """

    id: str = ""
    frequency: Frequency = Frequency.BAR
    warm_up_bars: int = 0

    def on_start(self, symbols: Sequence[str]) -> None:
        """Called once before the first bar, with the symbols that the strategy will be shown."""

    def on_bar(self, bar: Bar, context: Context) -> Answer:
        """Called for each complete bar; returns signals, None for none."""
        raise NotImplementedError

    def generate_signals(self, snapshot: Snapshot) -> Answer:
        """Called for the cross-section; returns signals or target weights, None for none."""
        raise NotImplementedError

    @property
    def watches_bars(self) -> bool:
        """True where `on_bar` is defined."""
        return type(self).on_bar is not Strategy.on_bar

    @property
    def watches_cross_section(self) -> bool:
        """True where `generate_signals` is defined."""
        return type(self).generate_signals is not Strategy.generate_signals

    def state(self) -> dict[str, Any]:
        """Everything the strategy remembers, for a checkpoint: its attributes, where they are
        numbers, text, dates, lists, dictionaries, deques and arrays. Define this and `restore`
        where they are not."""
        return {name: _storable(f"{self.id}.{name}", value) for name, value in vars(self).items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave."""
        for name, value in state.items():
            setattr(self, name, _restored(value))

    def catch_up(self, bars: Mapping[str, Mapping[str, Floats]]) -> None:
        """Called after `restore` with the bars that the strategy had been shown: by symbol the
        columns open, high, low, close and volume. For what a checkpoint cannot keep, such as
        indicators that carry their own state."""


def open_long(symbol: str, **details: Any) -> Signal:
    """Signal to buy; `details` are other fields of Signal."""
    return Signal(symbol, SignalAction.OPEN_LONG, **details)


def close_long(symbol: str, **details: Any) -> Signal:
    """Signal to sell what is owned."""
    return Signal(symbol, SignalAction.CLOSE_LONG, **details)


def open_short(symbol: str, **details: Any) -> Signal:
    """Signal to sell short."""
    return Signal(symbol, SignalAction.OPEN_SHORT, **details)


def close_short(symbol: str, **details: Any) -> Signal:
    """Signal to buy back what is owed."""
    return Signal(symbol, SignalAction.CLOSE_SHORT, **details)


def target_weight(symbol: str, weight: float, **details: Any) -> Signal:
    """Signal to hold `weight` (signed fraction of the strategy's equity) of a symbol."""
    return Signal(symbol, SignalAction.TARGET_WEIGHT, weight=weight, **details)


_ARRAY, _DEQUE, _TUPLE, _PAIRS = "__array__", "__deque__", "__tuple__", "__pairs__"


def _storable(name: str, value: Any) -> Any:
    """`value` in terms of JSON, or ConfigurationError naming the attribute."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {_ARRAY: value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, deque):
        return {_DEQUE: [_storable(name, one) for one in value], "maxlen": value.maxlen}
    if isinstance(value, tuple):
        return {_TUPLE: [_storable(name, one) for one in value]}
    if isinstance(value, list):
        return [_storable(name, one) for one in value]
    if isinstance(value, dict):
        return {
            _PAIRS: [[_storable(name, key), _storable(name, one)] for key, one in value.items()]
        }
    raise ConfigurationError(
        f"strategy {name} is a {type(value).__name__}, which a checkpoint cannot keep. Define "
        "state() and restore() in the strategy, or keep numbers, text, lists, deques or arrays."
    )


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(one) for one in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        return np.asarray(value[_ARRAY], dtype=value["dtype"])
    if _DEQUE in value:
        return deque((_restored(one) for one in value[_DEQUE]), maxlen=value["maxlen"])
    if _TUPLE in value:
        return tuple(_restored(one) for one in value[_TUPLE])
    return {_restored(key): _restored(one) for key, one in value[_PAIRS]}
