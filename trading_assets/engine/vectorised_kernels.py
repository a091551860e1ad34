"""The compiled loops of the vectorised path; `vectorised.py` has its rules and is the way in.

Problem: a session is a dozen steps over a handful of columns, and there may be a million sessions.

Choice: each step is a loop over columns without branches or calls, which the compiler turns into
vector instructions; only stored numbers change hands between steps. A symbol that is alone needs no
steps between its signals: there its equity is one loop over its closes.

Nothing here checks its input, and nothing here may be called with input that was not checked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trading_assets.engine.compilation import borrowing, compiled, inlined
from trading_assets.engine.vectorised_alone import hold, next_signal
from trading_assets.engine.vectorised_room import opened_book, room_for_fills, with_room
from trading_assets.engine.vectorised_rounding import half_even, step_between, total, whole_steps

# isort: off
from trading_assets.engine.vectorised_columns import (
    CASH, CLOSE, CLOSE_LONG, CLOSE_SHORT, COMMISSION, EQUITY, FILLS, GO_LONG, GO_SHORT, HELD,
    MEANINGS, NOTHING, REBALANCED, SLIPPAGE, TRADED, WAITING,
    Book, Demand, Fills, Floats, Only, Prices, Rebalances, Signals, Terms,
)  # fmt: skip
# isort: on

# What weights may add up to without borrowing, as the exact engine has it.
GROSS_LIMIT = 1.0 + 1e-9
PRICE_UNIT = 1e8


# What the account is worth


@inlined
def mark_to(book: Book, closes: Floats) -> None:
    """Take the closes of what is held (one for each symbol, NaN for no bar) as its marks, and
    forget the symbols that are no longer held."""
    kept = 0
    for index in range(book.counts[HELD]):
        symbol = book.held[index]
        close = closes[symbol]
        if close == close:
            book.mark[symbol] = close
        book.held[kept] = symbol
        still = book.quantity[symbol] != 0.0
        book.listed[symbol] = still
        kept += still
    book.counts[HELD] = kept


@borrowing
def latest_close(book: Book, closes: Floats, place: int, symbol: int) -> float:
    """Close of `symbol` at `place`, or of its latest bar before; NaN where there was none."""
    close: float = closes[place, symbol]
    if close == close:
        return close
    for earlier in range(place - 1, book.marked[symbol], -1):
        if closes[earlier, symbol] == closes[earlier, symbol]:
            book.mark[symbol] = closes[earlier, symbol]
            break
    book.marked[symbol] = place
    latest: float = book.mark[symbol]
    return latest


@inlined
def equity_to_size_on(book: Book, terms: Terms) -> float:
    """Cash and positions at their marks in currency units, not rounded, as the exact engine sizes
    too; 0 where more is owed than owned."""
    value = book.columns[3]
    for index in range(book.counts[HELD]):
        symbol = book.held[index]
        value[index] = book.quantity[symbol] * book.mark[symbol]
    owned: float = book.totals[CASH] / terms.money_unit + total(value, book.counts[HELD])
    return max(owned, 0.0)


@inlined
def worth(book: Book, money_unit: float) -> float:
    """Money units that the positions are worth at their marks, each rounded to a whole one."""
    count = book.counts[HELD]
    value = book.columns[0]
    for index in range(count):
        symbol = book.held[index]
        value[index] = book.quantity[symbol] * book.mark[symbol] * money_unit
    for index in range(count):
        value[index] = half_even(value[index])
    return total(value, count)


# From weights to orders


@borrowing
def ask_for_row(book: Book, weights: Floats) -> int:
    """Ask for the symbols that have a weight (one for each symbol, NaN for none), passing over
    those of weight 0 that are not held. Returns their number."""
    weight = book.columns[0]
    asked = 0
    for symbol in range(weights.size):
        wanted = weights[symbol]
        book.asked[asked] = symbol
        weight[asked] = wanted
        asked += (wanted == wanted) & ((wanted != 0.0) | (book.quantity[symbol] != 0.0))
    return asked


@borrowing
def ask_for_names(book: Book, rebalances: Rebalances, turn: int) -> int:
    """Ask for the symbols that rebalance `turn` names, and with weight 0 for those that are held
    and not named. Returns their number."""
    weight = book.columns[0]
    asked = 0
    for row in range(rebalances.starts[turn], rebalances.starts[turn + 1]):
        symbol = rebalances.symbols[row]
        book.named_at[symbol] = turn
        book.asked[asked] = symbol
        weight[asked] = rebalances.weights[row]
        asked += 1
    for index in range(book.counts[HELD]):
        symbol = book.held[index]
        if book.named_at[symbol] != turn:
            book.asked[asked] = symbol
            weight[asked] = 0.0
            asked += 1
    return asked


@borrowing
def are_covered(
    book: Book, closes: Floats, weights: Floats, place: int, asked: int, terms: Terms
) -> bool:
    """True where the weights asked for come to no more than 1, and with the symbols that have none
    to no more than equity, or to less than is held. Names ask for every symbol."""
    wanted, before, kept = 0.0, 0.0, 0.0
    for index in range(asked):
        wanted += abs(book.columns[0][index])
    if wanted > GROSS_LIMIT or weights.size == 0:
        return wanted <= GROSS_LIMIT
    for index in range(book.counts[HELD]):
        symbol = book.held[index]
        value = abs(book.quantity[symbol]) * book.mark[symbol]
        is_kept = weights[place, symbol] != weights[place, symbol]
        kept += value if is_kept else 0.0
        before += 0.0 if is_kept else value
    for index in range(book.counts[WAITING]):
        symbol = book.waiting.symbol[index]
        quantity, held = book.waiting.quantity[index], book.quantity[symbol]
        if quantity * held >= 0.0 or abs(quantity) > abs(held):
            kept += abs(quantity) * latest_close(book, closes, place, symbol)
    equity = equity_to_size_on(book, terms)
    wanted *= terms.invested * equity
    return kept == 0.0 or wanted <= before or kept + wanted <= equity * GROSS_LIMIT


@inlined
def fee_estimate(shares: Any, price: Any, terms: Terms) -> Any:
    """Commission of an order of `shares` (not negative), in currency units; 0 for none."""
    value = shares * price * terms.money_unit
    owed = terms.per_order + terms.per_share * shares + terms.commission_rate * value
    return max(owed, terms.minimum) / terms.money_unit if shares > 0.0 else 0.0


@inlined
def target_shares(stake: Any, sign: Any, price: Any, held: Any, terms: Terms) -> Any:
    """Signed shares to hold for `stake` (currency units, not negative) on the side of `sign`, the
    fee of the order paid out of it; the rule of `sizing.py`."""
    steps = terms.share_steps
    wanted = np.copysign(whole_steps(stake / price * steps) / steps, sign)
    fee = fee_estimate(abs(wanted - held), price, terms)
    affordable = np.copysign(whole_steps(max(stake - fee, 0.0) / price * steps) / steps, sign)
    return held if (affordable - held) * (wanted - held) < 0.0 else affordable


@borrowing
def size_weights(
    book: Book, closes: Floats, place: int, asked: int, stake: float, terms: Terms
) -> int:
    """Write `book.orders` from what is asked for: the first `asked` of `book.asked`, with their
    weights (of `stake`, currency units) in the first column. Sales come first, as in the exact
    engine. Returns the number of orders."""
    weight, price, held, target = book.columns[0], book.columns[1], book.columns[2], book.columns[3]
    orders = book.orders
    missing = False
    for index in range(asked):
        symbol = book.asked[index]
        price[index] = closes[place, symbol]
        held[index] = book.quantity[symbol]
        missing |= price[index] != price[index]
    if missing:
        for index in range(asked):
            price[index] = latest_close(book, closes, place, book.asked[index])
    for index in range(asked):
        target[index] = target_shares(
            abs(weight[index]) * stake, weight[index], price[index], held[index], terms
        )
    if not terms.allow_short:
        for index in range(asked):
            target[index] = held[index] if target[index] < 0.0 else target[index]
    count = 0
    for side in (-1.0, 1.0):
        for index in range(asked):
            orders.symbol[count] = book.asked[index]
            orders.after[count] = target[index]
            orders.quantity[count] = step_between(held[index], target[index], terms)
            # A target of NaN, for want of any close, goes to neither side.
            count += orders.quantity[count] * side > 0.0
    return count


# Orders that wait for a bar


@inlined
def take_ready(book: Book, prices: Prices, place: int) -> int:
    """Move the waiting orders of symbols that have a bar at `place` to `book.orders`; returns their
    number. The others go on waiting."""
    orders, waiting = book.orders, book.waiting
    ready, left = 0, 0
    for index in range(book.counts[WAITING]):
        symbol = waiting.symbol[index]
        quantity, after = waiting.quantity[index], waiting.after[index]
        has_bar = prices.closes[place, symbol] == prices.closes[place, symbol]
        orders.symbol[ready], waiting.symbol[left] = symbol, symbol
        orders.quantity[ready], waiting.quantity[left] = quantity, quantity
        orders.after[ready], waiting.after[left] = after, after
        ready += has_bar
        left += not has_bar
    book.counts[WAITING] = left
    return ready


@borrowing
def withdraw(book: Book, weights: Floats, place: int) -> None:
    """Cancel the waiting orders of symbols that are asked for anew: all, where `weights` is empty,
    since a rebalance by names asks for every symbol."""
    waiting = book.waiting
    left = 0
    for index in range(book.counts[WAITING]):
        symbol = waiting.symbol[index]
        waiting.symbol[left] = symbol
        waiting.quantity[left] = waiting.quantity[index]
        waiting.after[left] = waiting.after[index]
        left += weights.size > 0 and weights[place, symbol] != weights[place, symbol]
    book.counts[WAITING] = left


@borrowing
def put_in_wait(book: Book, prices: Prices, place: int, count: int, at_open: bool) -> int:
    """Let the first `count` orders wait: all of them until the next open, or those of symbols
    without a bar. Returns how many are left to trade now."""
    orders, waiting = book.orders, book.waiting
    now, later = 0, book.counts[WAITING]
    for index in range(count):
        symbol = orders.symbol[index]
        quantity, after = orders.quantity[index], orders.after[index]
        waits = at_open or prices.closes[place, symbol] != prices.closes[place, symbol]
        orders.symbol[now], waiting.symbol[later] = symbol, symbol
        orders.quantity[now], waiting.quantity[later] = quantity, quantity
        orders.after[now], waiting.after[later] = after, after
        now += not waits
        later += waits
    book.counts[WAITING] = later
    return now


@inlined
def price_paid(price: Any, quantity: Any, terms: Terms) -> Any:
    """`price` per share made worse by slippage for a signed `quantity`, to eight decimals."""
    moved = price + np.copysign(price * terms.slippage, quantity)
    return max(half_even(moved * PRICE_UNIT), 1.0) / PRICE_UNIT


@inlined
def notional_of(quantity: Any, paid: Any, terms: Terms) -> Any:
    """Signed money units of a signed `quantity` at `paid` per share."""
    return np.copysign(half_even(abs(quantity) * paid * terms.money_unit), quantity)


@inlined
def commission_of(quantity: Any, notional: Any, terms: Terms) -> Any:
    """Money units charged for a fill, which is all of its order."""
    owed = terms.per_order + terms.per_share * abs(quantity) + terms.commission_rate * abs(notional)
    return half_even(max(terms.minimum, owed))


@inlined
def price_orders(book: Book, count: int, prices: Floats, terms: Terms) -> None:
    """Write the columns price, price paid, notional and commission of the first `count` orders at
    `prices` (one for each symbol, none missing)."""
    columns, quantity, symbol = book.columns, book.orders.quantity, book.orders.symbol
    price, paid, notional, commission = columns[0], columns[1], columns[2], columns[3]
    for index in range(count):
        price[index] = prices[symbol[index]]
    for index in range(count):
        paid[index] = price_paid(price[index], quantity[index], terms)
    for index in range(count):
        notional[index] = notional_of(quantity[index], paid[index], terms)
        commission[index] = commission_of(quantity[index], notional[index], terms)


@inlined
def keep_fills(book: Book, fills: Fills, place: int, count: int) -> None:
    """Write the first `count` orders, which `price_orders` has priced, behind the fills so far."""
    first = book.counts[FILLS]
    orders, paid, commission = book.orders, book.columns[1], book.columns[3]
    for index in range(count):
        fills.place[first + index] = place
        fills.symbol[first + index] = orders.symbol[index]
        fills.quantity[first + index] = orders.quantity[index]
        fills.price[first + index] = paid[index]
        fills.commission[first + index] = commission[index]


@inlined
def take_in(book: Book, symbol: int, quantity: float, mark: float) -> None:
    """Remember what is held of `symbol` from now on (signed shares), and what it is worth each."""
    book.quantity[symbol] = quantity
    book.mark[symbol] = mark
    book.held[book.counts[HELD]] = symbol
    book.counts[HELD] += not book.listed[symbol]
    book.listed[symbol] = True


@borrowing
def execute(book: Book, fills: Fills, place: int, count: int, prices: Floats, terms: Terms) -> None:
    """Fill the first `count` of `book.orders` at `prices` (one for each symbol, none missing)."""
    price_orders(book, count, prices, terms)
    if terms.keep_fills:
        keep_fills(book, fills, place, count)
    totals, orders = book.totals, book.orders
    price, paid = book.columns[0], book.columns[1]
    notional, commission = book.columns[2], book.columns[3]
    charges = total(commission, count)
    totals[CASH] -= total(notional, count) + charges
    totals[COMMISSION] += charges
    book.counts[FILLS] += count
    for index in range(count):
        totals[TRADED] += abs(notional[index])
        totals[SLIPPAGE] += (paid[index] - price[index]) * orders.quantity[index] * terms.money_unit
        take_in(book, orders.symbol[index], orders.after[index], price[index])


@inlined
def execute_one(
    book: Book, fills: Fills, place: int, symbol: int, after: float, price: float, terms: Terms
) -> None:
    """The same for one order, which leads to `after` (signed shares) at `price`."""
    quantity = step_between(book.quantity[symbol], after, terms)
    paid = price_paid(price, quantity, terms)
    notional = notional_of(quantity, paid, terms)
    commission = commission_of(quantity, notional, terms)
    if terms.keep_fills:
        last = book.counts[FILLS]
        fills.place[last], fills.symbol[last] = place, symbol
        fills.quantity[last], fills.price[last] = quantity, paid
        fills.commission[last] = commission
    book.totals[CASH] -= notional + commission
    book.totals[COMMISSION] += commission
    book.totals[TRADED] += abs(notional)
    book.totals[SLIPPAGE] += (paid - price) * quantity * terms.money_unit
    book.counts[FILLS] += 1
    take_in(book, symbol, after, price)


# From signals to orders


@inlined
def any_signal(signals: Signals, place: int) -> bool:
    """Whether a symbol has a signal at `place`."""
    found = 0
    for symbol in range(signals.shape[1]):
        found |= signals[place, symbol]
    return found != 0


@inlined
def order_one(
    book: Book, prices: Prices, fills: Fills, place: int, symbol: int, after: float, terms: Terms
) -> None:
    """Order what leads to `after` (signed shares) of a symbol that has a bar: trade at its close,
    or wait for the next open."""
    if not terms.at_open:
        execute_one(book, fills, place, symbol, after, prices.closes[place, symbol], terms)
        return
    # What closes a position at the next open is followed by an order that begins from nothing.
    held = book.quantity[symbol] if after == 0.0 else 0.0
    index, waiting = book.counts[WAITING], book.waiting
    waiting.symbol[index] = symbol
    waiting.quantity[index] = step_between(held, after, terms)
    waiting.after[index] = after
    book.counts[WAITING] = index + 1


@borrowing
def reserved(book: Book, closes: Floats, place: int) -> float:
    """Currency units of cash that are spoken for: orders that wait to open, and twice what is sold
    short, for that brought the cash which secures it."""
    money = 0.0
    for index in range(book.counts[WAITING]):
        symbol = book.waiting.symbol[index]
        if book.waiting.after[index] != 0.0:
            close = latest_close(book, closes, place, symbol)
            money += abs(book.waiting.quantity[index]) * close
    for index in range(book.counts[HELD]):
        symbol = book.held[index]
        money -= 2.0 * min(book.quantity[symbol], 0.0) * book.mark[symbol]
    return money


@inlined
def act_on_signals(
    book: Book, prices: Prices, fills: Fills, place: int, signals: Signals, terms: Terms
) -> None:
    """Place the orders that follow from `signals` (bits, one for each symbol), symbol by symbol,
    as the exact engine's desk does; a symbol without a bar is passed over."""
    closes = prices.closes
    for symbol in range(signals.size):
        meaning = MEANINGS[signals[symbol] & 15]
        close = closes[place, symbol]
        if meaning == NOTHING or close != close:
            continue
        held = book.quantity[symbol]
        sign = 1.0 if meaning == GO_LONG else -1.0
        opens = meaning in (GO_LONG, GO_SHORT)
        if opens and held * sign > 0.0:
            continue
        if held != 0.0 and (
            opens
            or meaning == CLOSE
            or (meaning == CLOSE_LONG and held > 0.0)
            or (meaning == CLOSE_SHORT and held < 0.0)
        ):
            order_one(book, prices, fills, place, symbol, 0.0, terms)
        if not opens or (sign < 0.0 and not terms.allow_short):
            continue
        stake = terms.position_size * (terms.invested * equity_to_size_on(book, terms))
        after = target_shares(stake, sign, close, 0.0, terms)
        if after == 0.0:
            continue
        if not terms.allow_borrowing:
            needed = abs(after) * close + fee_estimate(abs(after), close, terms)
            # What closes at the next open brings its cash by then; what closed now has.
            cash = book.totals[CASH] / terms.money_unit + max(book.quantity[symbol], 0.0) * close
            if needed > (cash - reserved(book, closes, place)) * (1.0 + 1e-12):
                continue
        order_one(book, prices, fills, place, symbol, after, terms)


@borrowing
def advance(
    prices: Prices,
    terms: Terms,
    demand: Demand,
    book: Book,
    fills: Fills,
    history: Floats,
    first: int,
    only: Only,
) -> int:
    """Simulate from place `first` on; returns the place before which `fills` had no more room, the
    number of places where they had. `only` are the columns of a symbol that is alone: from one of
    its signals to the next it is held.

    Only what is stored may change hands here: an array that is bound anew within the loop costs
    more than all the arithmetic of a bar.
    """
    closes, opens = prices.closes, prices.opens
    weights, rebalances, signals = demand
    room = fills.place.size - 2 * closes.shape[1]
    is_alone = signals.size > 0 and closes.shape[1] == 1
    cash, priced = 0.0, -1
    place = first - 1
    while place + 1 < closes.shape[0]:
        place += 1
        if is_alone and not book.counts[WAITING]:
            coming = next_signal(only.signals, place)
            if coming > place:
                book.mark[0] = hold(
                    only.closes[place:coming],
                    history[CASH, place:coming],
                    history[EQUITY, place:coming],
                    book.totals[CASH],
                    book.quantity[0],
                    book.mark[0],
                    terms.money_unit,
                )
                place = coming - 1
                continue
        if terms.keep_fills and book.counts[FILLS] + book.counts[WAITING] > room:
            return place
        if book.counts[WAITING]:
            ready = take_ready(book, prices, place)
            execute(book, fills, place, ready, opens[place], terms)
        if book.counts[HELD]:
            mark_to(book, closes[place])
        turn = book.counts[REBALANCED]
        asked = -1
        if weights.size:
            asked = ask_for_row(book, weights[place])
        elif turn < rebalances.places.size and rebalances.places[turn] == place:
            asked = ask_for_names(book, rebalances, turn)
            book.counts[REBALANCED] = turn + 1
        elif signals.size and any_signal(signals, place):
            act_on_signals(book, prices, fills, place, signals[place], terms)
        if asked >= 0 and book.counts[WAITING]:
            withdraw(book, weights, place)
        if asked > 0 and (
            terms.allow_borrowing or are_covered(book, closes, weights, place, asked, terms)
        ):
            stake = terms.invested * equity_to_size_on(book, terms)
            count = size_weights(book, closes, place, asked, stake, terms)
            count = put_in_wait(book, prices, place, count, terms.at_open)
            if count:
                execute(book, fills, place, count, closes[place], terms)
        value = worth(book, terms.money_unit) if book.counts[HELD] else 0.0
        if book.counts[FILLS] != priced:
            priced = book.counts[FILLS]
            cash = book.totals[CASH] / terms.money_unit
        history[CASH, place] = cash
        history[EQUITY, place] = (
            (book.totals[CASH] + value) / terms.money_unit if value != 0.0 else cash
        )
    return int(closes.shape[0])


@compiled
def run(prices: Prices, terms: Terms, demand: Demand, history: Floats) -> tuple[Fills, Book]:
    """The whole history. Writes cash and equity after each place (currency units) into `history`,
    shape (2, places); returns the fills, and the book at the end."""
    places, symbols = prices.closes.shape
    book = opened_book(symbols, terms.initial_money)
    fills = room_for_fills(1024 + 6 * symbols if terms.keep_fills else 0)
    only = Only(prices.closes.ravel(), demand.signals.ravel())
    place = advance(prices, terms, demand, book, fills, history, 0, only)
    while place < places:
        fills = with_room(fills, 2 * fills.place.size)
        place = advance(prices, terms, demand, book, fills, history, place, only)
    return fills, book
