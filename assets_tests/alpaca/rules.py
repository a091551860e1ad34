"""The broker's rules for an order, each with the status, code and body it answers.

`check_form` judges a request alone, `check_against_account` judges it
against what is held, open and affordable. The first rule that is broken answers.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from assets_tests.alpaca.market import ListedAsset
from assets_tests.alpaca.order_ask import FORBIDDEN, INVALID, UNPROCESSABLE, OrderAsk, RefusalError
from assets_tests.alpaca.orders import BrokerOrder, text

if TYPE_CHECKING:
    from assets_tests.alpaca.account_state import AccountState

MINIMUM_VALUE = Decimal(1)
MINIMUM_EQUITY_TO_SHORT = Decimal(2000)
CENT, SUB_CENT = Decimal("0.01"), Decimal("0.0001")


def check_form(ask: OrderAsk, asset: ListedAsset | None) -> ListedAsset:
    """The rules that need no account; returns the asset."""
    if asset is None:
        raise RefusalError(422, UNPROCESSABLE, f'asset "{ask.symbol}" not found')
    if not asset.active:
        raise RefusalError(422, INVALID, f"asset {asset.symbol} is not active")
    if not asset.tradable:
        raise RefusalError(422, UNPROCESSABLE, f'asset "{asset.symbol}" is not tradable')
    _check_decimals(ask)
    _check_prices(ask)
    if ask.is_fractional:
        _check_fractional(ask, asset)
    _check_duration(ask)
    if ask.order_class == "bracket":
        _check_bracket(ask)
    elif ask.order_class != "simple":
        raise RefusalError(422, UNPROCESSABLE, f"order class {ask.order_class} is not supported")
    return asset


def _check_decimals(ask: OrderAsk) -> None:
    if ask.quantity is not None and _decimals(ask.quantity) > 9:
        raise RefusalError(422, UNPROCESSABLE, "qty must be limited to 9 decimal places")
    if ask.notional is not None and _decimals(ask.notional) > 2:
        raise RefusalError(422, UNPROCESSABLE, "notional value must be limited to 2 decimal places")


def _check_prices(ask: OrderAsk) -> None:
    needed = {
        "market": (),
        "limit": ("limit_price",),
        "stop": ("stop_price",),
        "stop_limit": ("limit_price", "stop_price"),
    }[ask.type]
    for name in ("limit_price", "stop_price"):
        price = ask.limit_price if name == "limit_price" else ask.stop_price
        if name in needed and price is None:
            raise RefusalError(422, INVALID, f"{ask.type} orders require {name.replace('_', ' ')}")
        if name not in needed and price is not None:
            message = f"{ask.type} orders require no {name.replace('_', ' ')}"
            raise RefusalError(422, INVALID, message)
        check_increment(name, price)
    check_increment("take_profit.limit_price", ask.take_profit)
    check_increment("stop_loss.stop_price", ask.stop_loss)
    check_increment("stop_loss.limit_price", ask.stop_loss_limit)


def check_increment(name: str, price: Decimal | None) -> None:
    """At or above $1 two decimals, below $1 four."""
    if price is None:
        return
    increment = CENT if price >= 1 else SUB_CENT
    if price % increment:
        message = f"invalid {name} {text(price)}. sub-penny increment does not fulfill "
        raise RefusalError(422, UNPROCESSABLE, message + "minimum pricing criteria")


def _check_fractional(ask: OrderAsk, asset: ListedAsset) -> None:
    if not asset.fractionable:
        raise RefusalError(403, FORBIDDEN, f'asset "{asset.symbol}" is not fractionable')
    if ask.order_class != "simple":
        raise RefusalError(422, UNPROCESSABLE, "fractional orders must be simple orders")
    if ask.time_in_force != "day":
        raise RefusalError(422, UNPROCESSABLE, "fractional orders must be DAY orders")
    if ask.notional is not None and ask.type != "market":
        raise RefusalError(422, UNPROCESSABLE, "notional orders must be market orders")


def _check_duration(ask: OrderAsk) -> None:
    duration = ask.time_in_force
    if ask.extended_hours and not (ask.type == "limit" and duration in ("day", "gtc")):
        message = "extended hours order must be DAY or GTC limit orders"
        raise RefusalError(422, UNPROCESSABLE, message)
    if duration in ("opg", "cls") and ask.type not in ("market", "limit"):
        raise RefusalError(422, UNPROCESSABLE, f"{duration} orders must be market or limit orders")
    if duration in ("ioc", "fok") and ask.type not in ("market", "limit"):
        raise RefusalError(422, UNPROCESSABLE, f"{duration} orders must be market or limit orders")


def _check_bracket(ask: OrderAsk) -> None:
    if ask.take_profit is None:
        raise RefusalError(422, INVALID, "bracket orders require take_profit.limit_price")
    if ask.stop_loss is None:
        raise RefusalError(422, INVALID, "bracket orders require stop_loss.stop_price")
    if ask.time_in_force not in ("day", "gtc"):
        raise RefusalError(422, UNPROCESSABLE, "bracket orders must be DAY or GTC orders")
    if ask.extended_hours:
        message = "bracket orders are not allowed in extended hours"
        raise RefusalError(422, UNPROCESSABLE, message)


def check_bracket_prices(ask: OrderAsk, base: Decimal) -> None:
    """A buy takes profit at base + 0.01 or above and stops at base - 0.01 or below; a sale the
    other way round. `base` is the entry's limit, or the last price for a market entry."""
    assert ask.take_profit is not None
    assert ask.stop_loss is not None
    buys = ask.side == "buy"
    above, below = ("take_profit.limit_price", "stop_loss.stop_price")
    high, low = ask.take_profit, ask.stop_loss
    if not buys:
        above, below, high, low = below, above, low, high
    if high < base + CENT:
        message = f"{above} must be >= base_price + 0.01"
        raise RefusalError(422, UNPROCESSABLE, message, base_price=text(base))
    if low > base - CENT:
        message = f"{below} must be <= base_price - 0.01"
        raise RefusalError(422, UNPROCESSABLE, message, base_price=text(base))
    limit, stop = ask.stop_loss_limit, ask.stop_loss
    if limit is not None and (limit > stop if buys else limit < stop):
        word = "<=" if buys else ">="
        message = f"stop_loss.limit_price must be {word} stop_loss.stop_price"
        raise RefusalError(422, UNPROCESSABLE, message)


def check_against_account(ask: OrderAsk, asset: ListedAsset, account: AccountState) -> bool:
    """The rules that ask what is held, open and affordable; returns whether the order opens."""
    if account.trading_blocked:
        raise RefusalError(403, FORBIDDEN, "new orders are rejected by user request")
    held = account.quantity(asset.symbol)
    opening = held == 0 or (held > 0) == (ask.side == "buy")
    intent = f"{ask.side}_to_{'open' if opening else 'close'}"
    if ask.position_intent not in (None, intent):
        message = f"position intent mismatch, inferred: {intent}, specified: {ask.position_intent}"
        raise RefusalError(422, UNPROCESSABLE, message)
    open_orders = account.open_orders(asset.symbol)
    if held == 0:
        _check_opposite_opening(ask, open_orders)
    if ask.order_class == "simple":
        check_wash_trade(ask.side, ask.type, ask.limit_price, open_orders)
    price = (
        account.market.ask(asset.symbol) if ask.side == "buy" else account.market.bid(ask.symbol)
    )
    if price is None and ask.limit_price is None:
        message = "order has been rejected due to no available quote for symbol. "
        raise RefusalError(403, FORBIDDEN, message + "please reenter with a limit")
    base = ask.limit_price if ask.limit_price is not None else ask.stop_price or price
    assert base is not None
    if ask.order_class == "bracket":
        check_bracket_prices(ask, base)
    cost = ask.notional if ask.quantity is None else ask.quantity * base
    assert cost is not None
    if cost < MINIMUM_VALUE:
        message = f"cost basis must be >= minimal amount of order {text(MINIMUM_VALUE)}"
        raise RefusalError(403, FORBIDDEN, message, cost_basis=text(cost))
    if opening and ask.side == "sell":
        _check_short(ask, asset, account)
    if opening:
        check_buying_power(account, reserve(account, ask), cost)
    else:
        shares = ask.quantity if ask.quantity is not None else cost / base
        check_available(account, asset.symbol, ask.side, shares)
    return opening


def _check_opposite_opening(ask: OrderAsk, open_orders: list[BrokerOrder]) -> None:
    opposite = [order for order in open_orders if order.side != ask.side and order.opening]
    if opposite and ask.side == "sell":
        message = "cannot open a short sell while a long buy order is open"
        raise RefusalError(403, FORBIDDEN, message)
    if opposite:
        message = "cannot open a long buy while a short sell order is open"
        raise RefusalError(403, FORBIDDEN, message)


def check_wash_trade(
    side: str, order_type: str, limit_price: Decimal | None, open_orders: list[BrokerOrder]
) -> None:
    """Refused while a simple order of the other side is open on the symbol.

    Two limits whose prices do not cross may rest beside each other; everything else is refused.
    """
    for order in open_orders:
        if order.side == side or not order.is_simple:
            continue
        if order_type == order.type == "limit":
            assert limit_price is not None
            assert order.limit_price is not None
            buy, sell = limit_price, order.limit_price
            if side == "sell":
                buy, sell = sell, buy
            if buy < sell:
                continue
        raise RefusalError(
            403,
            FORBIDDEN,
            "potential wash trade detected. use complex orders",
            existing_order_id=order.id,
            reject_reason=f"opposite side {order.type} order exists",
        )


def _check_short(ask: OrderAsk, asset: ListedAsset, account: AccountState) -> None:
    if ask.is_fractional:
        raise RefusalError(422, UNPROCESSABLE, "fractional orders cannot be sold short")
    if not (asset.shortable and asset.easy_to_borrow):
        raise RefusalError(422, UNPROCESSABLE, f'asset "{asset.symbol}" cannot be sold short')
    if not account.shorting_enabled or account.equity() < MINIMUM_EQUITY_TO_SHORT:
        raise RefusalError(403, FORBIDDEN, "account is not allowed to short")


def check_available(account: AccountState, symbol: str, side: str, shares: Decimal) -> None:
    """What closes may not exceed what is held less what open orders hold: no crossing of zero."""
    existing = abs(account.quantity(symbol))
    held = account.held_for_orders(symbol, side)
    available = existing - held
    if shares <= available:
        return
    related = [order.id for order in account.open_orders(symbol) if order.side == side]
    raise RefusalError(
        403,
        FORBIDDEN,
        f"insufficient qty available for order (requested: {text(shares)}, "
        f"available: {text(available)})",
        available=text(available),
        existing_qty=text(existing),
        held_for_orders=text(held),
        related_orders=related,
        symbol=symbol,
    )


def check_buying_power(account: AccountState, needed: Decimal, cost: Decimal) -> None:
    """What opens may not need more than the buying power, which is net of open orders."""
    power = account.buying_power()
    if needed > power:
        raise RefusalError(
            403,
            FORBIDDEN,
            "insufficient buying power",
            buying_power=text(power),
            cost_basis=text(cost),
        )


def reserve(account: AccountState, order: OrderAsk | BrokerOrder) -> Decimal:
    """USD of buying power that an opening order takes while it is open.

    Buys at their limit (stop, or the ask and the account's collar where they have neither); short
    sales at the higher of their limit and the ask + 3 %.
    """
    if order.notional is not None:
        return order.notional
    assert order.quantity is not None
    shares = order.quantity - (order.filled if isinstance(order, BrokerOrder) else Decimal(0))
    ask = account.market.ask(order.symbol) or Decimal(0)
    own = order.limit_price if order.limit_price is not None else order.stop_price
    if order.side == "buy":
        return shares * (ask * (1 + account.purchase_collar) if own is None else own)
    return shares * max(own or Decimal(0), ask * Decimal("1.03"))


def _decimals(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)
