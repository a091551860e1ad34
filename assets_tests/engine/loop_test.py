"""The event loop: signals to orders to fills, several symbols and strategies, and the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from assets_tests.engine.scripted import (
    Row,
    Scripted,
    bars,
    buy,
    fills,
    market,
    rules,
    sell,
    statuses,
    traded,
)
from trading_assets.engine.bars import Market
from trading_assets.engine.clock import Floats, Frequency
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.rules import BacktestRules
from trading_assets.errors import ConfigurationError, LedgerError
from trading_assets.model.corporate_actions import Delisting, Dividend, Split
from trading_assets.model.order import OrderStatus
from trading_assets.strategies.base import (
    Answer,
    Bar,
    Context,
    OrderIntent,
    OrderResult,
    Signal,
    Snapshot,
    Strategy,
    TargetWeights,
    close_long,
    close_short,
    open_long,
    open_short,
    target_weight,
)

FLAT: Row = (10.0, 10.0, 10.0, 10.0)
UP: Row = (11.0, 11.0, 11.0, 11.0)


def plain(**changes: Any) -> BacktestRules:
    """10,000 of cash, no shorts, no borrowing, 10 % a position."""
    account: dict[str, Any] = {"initial_capital": 10_000}
    account |= changes.pop("account", {})
    return BacktestRules.model_validate({"account": account, **changes})


def run_plain(
    rows: Sequence[Row | None], answers: dict[int, list[object]], **changes: object
) -> Engine:
    engine = Engine(
        market(bars(rows)),
        [StrategySlot("scripted", Scripted(answers))],  # type: ignore[arg-type]
        plain(**changes),
        keep_orders=True,
    )
    engine.run()
    return engine


def test_an_opening_signal_invests_a_tenth_of_equity_in_whole_shares() -> None:
    """1,000 at 11 a share are 90 shares, bought at the next open of 10."""
    engine = run_plain([UP, FLAT], {0: [open_long("AAA")]})
    assert fills(engine) == [traded(1, 90, "10.00")]


def test_confidence_scales_the_size_and_a_quantity_replaces_it() -> None:
    half = run_plain([FLAT, FLAT], {0: [open_long("AAA", confidence=0.5)]})
    assert fills(half) == [traded(1, 50, "10.00")]
    seven = run_plain([FLAT, FLAT], {0: [open_long("AAA", quantity=7.9)]})
    assert fills(seven) == [traded(1, 7, "10.00")]


def test_the_fee_of_the_order_is_part_of_what_it_spends() -> None:
    """All of 10,000 at 10 a share would be 1,000 shares and a fee of 5.00: 999 shares and 4.995
    (rounded: 5.00, half to even) fit."""
    engine = run_plain(
        [FLAT, FLAT],
        {0: [open_long("AAA")]},
        position_size=1,
        commission={"per_share": "0.005", "minimum": 1},
    )
    assert fills(engine) == [traded(1, 999, "10.00", "5.00")]
    assert engine.account.cash == 500


def test_what_is_held_or_on_its_way_is_not_opened_again() -> None:
    engine = run_plain([FLAT] * 4, {0: [open_long("AAA"), open_long("AAA")], 2: [open_long("AAA")]})
    assert fills(engine) == [traded(1, 100, "10.00")]


def test_a_closing_signal_sells_all_and_cancels_the_legs() -> None:
    engine = run_plain(
        [FLAT] * 4,
        {
            0: [open_long("AAA", stop_loss_price=8.0, take_profit_price=12.0)],
            1: [close_long("AAA")],
        },
    )
    assert fills(engine) == [traded(1, 100, "10.00"), traded(2, -100, "10.00")]
    assert statuses(engine) == ["filled", "canceled", "canceled", "filled"]
    assert engine.working_orders == []


def test_a_close_before_the_entry_has_traded_takes_the_entry_back() -> None:
    other = bars([FLAT] * 3, symbol="BBB")
    late = bars([FLAT, None, FLAT])
    engine = Engine(
        market(late, other),
        [StrategySlot("s", Scripted({0: [open_long("AAA")], 2: [close_long("AAA")]}))],
        plain(),
        keep_orders=True,
    )
    engine.run()
    assert fills(engine) == []
    assert statuses(engine) == ["canceled"]


def test_closing_nothing_is_no_order() -> None:
    engine = run_plain([FLAT] * 2, {0: [close_long("AAA"), close_short("AAA")]})
    assert statuses(engine) == []


def test_a_short_needs_leave_and_a_flip_closes_before_it_opens() -> None:
    refused = run_plain([FLAT] * 2, {0: [open_short("AAA")]})
    assert statuses(refused) == ["rejected"]
    assert refused.desk.rejections == {"SHORT_NOT_ALLOWED": 1}
    flipped = run_plain(
        [FLAT] * 4,
        {0: [open_long("AAA")], 1: [open_short("AAA")]},
        account={"allow_short": True},
    )
    assert fills(flipped) == [
        traded(1, 100, "10.00"),
        traded(2, -100, "10.00"),
        traded(2, -100, "10.00"),
    ]


def test_an_order_beyond_the_cash_is_rejected_and_counts_orders_on_their_way() -> None:
    engine = run_plain([FLAT] * 2, {0: [buy(600), buy(600)]})
    assert statuses(engine) == ["filled", "rejected"]
    assert engine.desk.rejections == {"INSUFFICIENT_CAPITAL": 1}


class Repeating(Strategy):
    """Asks for the same thing after every bar, and takes down what came of it before."""

    def __init__(self, wish: Signal | OrderIntent) -> None:
        self.wish = wish
        self.found: list[OrderResult | None] = []

    def on_bar(self, bar: Bar, context: Context) -> Answer:
        self.found.append(context.order("k"))
        return [self.wish]


@pytest.mark.parametrize(
    "wish",
    [
        buy(5, idempotency_key="k"),
        open_long("AAA", quantity=5, idempotency_key="k"),
        target_weight("AAA", 0.005, idempotency_key="k"),
    ],
)
def test_a_repeated_key_gives_the_first_order_again(wish: Signal | OrderIntent) -> None:
    strategy = Repeating(wish)
    engine = Engine(market(bars([FLAT] * 4)), [StrategySlot("s", strategy)], plain())
    engine.run()
    assert fills(engine) == [traded(1, 5, "10.00")]
    done = OrderResult("1", OrderStatus.FILLED, 5.0, 5.0, "")
    assert strategy.found == [None, done, done, done]


def test_a_repeated_key_gives_the_first_refusal_again() -> None:
    strategy = Repeating(open_long("AAA", quantity=50_000, idempotency_key="k"))
    engine = Engine(market(bars([FLAT] * 3)), [StrategySlot("s", strategy)], plain())
    engine.run()
    refused = OrderResult("1", OrderStatus.REJECTED, 50_000.0, 0.0, "INSUFFICIENT_CAPITAL")
    assert strategy.found == [None, refused, refused]
    assert engine.desk.rejections == {"INSUFFICIENT_CAPITAL": 1}


def test_keys_are_each_strategys_own() -> None:
    slots = [StrategySlot(name, Repeating(buy(5, idempotency_key="k"))) for name in ("a", "b")]
    engine = Engine(market(bars([FLAT] * 3)), slots, plain())
    engine.run()
    assert fills(engine) == [traded(1, 5, "10.00"), traded(1, 5, "10.00")]


def test_a_confidence_beyond_0_to_1_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"confidence=1\.5"):
        run_plain([FLAT], {0: [open_long("AAA", confidence=1.5)]})


def test_a_target_weight_replaces_what_is_left_of_the_last_target() -> None:
    """50 % of 10,000 at 10 are 500 shares; 100 a bar may trade. Then 10 % are 100: all is there."""
    thin: Row = (10.0, 10.0, 10.0, 10.0, 1000.0)
    engine = run_plain([thin] * 4, {0: [target_weight("AAA", 0.5)], 1: [target_weight("AAA", 0.1)]})
    assert fills(engine) == [traded(1, 100, "10.00")]
    assert statuses(engine) == ["canceled"]


def run_pair(answers: dict[str, dict[int, list[object]]], **changes: Any) -> Engine:
    """Two symbols at 10 for five bars; answers by symbol and number of its bar."""

    class BySymbol(Strategy):
        def __init__(self) -> None:
            self.shown: dict[str, int] = {}

        def on_bar(self, bar: Bar, context: Context) -> Answer:
            place = self.shown[bar.symbol] = self.shown.get(bar.symbol, -1) + 1
            return answers.get(bar.symbol, {}).get(place)  # type: ignore[return-value]

    engine = Engine(
        market(bars([FLAT] * 5), bars([FLAT] * 5, symbol="BBB")),
        [StrategySlot("s", BySymbol())],
        plain(**changes),
    )
    engine.run()
    return engine


def test_target_weights_one_by_one_are_not_paid_for_with_borrowed_money() -> None:
    """90 % of 10,000 at 10 are 900 shares; another 90 % has 1,000 left to spend."""
    engine = run_pair(
        {"AAA": {0: [target_weight("AAA", 0.9)]}, "BBB": {0: [target_weight("BBB", 0.9)]}}
    )
    assert fills(engine) == [traded(1, 900, "10.00")]
    assert engine.desk.rejections == {"INSUFFICIENT_CAPITAL": 1}
    borrowed = run_pair(
        {"AAA": {0: [target_weight("AAA", 0.9)]}, "BBB": {0: [target_weight("BBB", 0.9)]}},
        account={"allow_borrowing": True},
    )
    assert [fill.shares for fill in fills(borrowed)] == [900, 900]


@pytest.mark.parametrize("sold_by", ["the same answer", "the bar of another symbol"])
def test_a_target_may_spend_what_another_target_of_the_same_bar_sells(sold_by: str) -> None:
    """First all in AAA; then all in BBB is asked for before AAA is given up."""
    into, out = target_weight("BBB", 1.0), target_weight("AAA", 0.0)
    later: dict[str, dict[int, list[object]]] = {"AAA": {0: [target_weight("AAA", 1.0)]}}
    if sold_by == "the same answer":
        later["AAA"][2] = [into, out]
    else:
        later["AAA"][2], later["BBB"] = [into], {2: [out]}
    engine = run_pair(later)
    assert fills(engine) == [
        traded(1, 1000, "10.00"),
        traded(3, -1000, "10.00"),
        traded(3, 1000, "10.00"),
    ]
    assert engine.account.cash == 0
    assert not engine.desk.rejections


def test_weights_that_leave_a_symbol_as_it_is_count_what_it_takes_up() -> None:
    keep = float("nan")
    wished = [[0.9, keep], [keep, 0.9], [keep, 0.1], [keep, keep]]
    engine = Engine(
        market(bars([FLAT] * 4), bars([FLAT] * 4, symbol="BBB")),
        [StrategySlot("w", Weights(np.array(wished)))],
        plain(),
    )
    engine.run()
    assert fills(engine) == [traded(1, 900, "10.00"), traded(3, 100, "10.00")]
    assert engine.desk.rejections == {"INSUFFICIENT_CAPITAL": 1}


@pytest.mark.parametrize(
    ("order", "fate"),
    [
        # A stop above what the cash buys at 10; a limit that is cheaper than today's price.
        ({"quantity": 900, "order_type": "stop", "stop_price": 15}, "rejected"),
        ({"quantity": 1500, "order_type": "limit", "limit_price": 5}, "accepted"),
        ({"quantity": 1500, "order_type": "limit", "limit_price": 7}, "rejected"),
    ],
)
def test_what_an_order_costs_is_judged_at_its_own_price(order: dict[str, Any], fate: str) -> None:
    assert statuses(run_plain([FLAT] * 2, {0: [buy(**order)]})) == [fate]


@pytest.mark.parametrize(
    ("signal", "code"),
    [
        (open_long("AAA", stop_loss_price=10), "STOP_ON_WRONG_SIDE"),
        (open_long("AAA", take_profit_price=9.9), "TAKE_PROFIT_ON_WRONG_SIDE"),
        (open_short("AAA", stop_loss_price=9.9), "STOP_ON_WRONG_SIDE"),
        (open_short("AAA", take_profit_price=11), "TAKE_PROFIT_ON_WRONG_SIDE"),
        # Of an entry at a limit, its side of the limit.
        (
            buy(order_type="bracket", limit_price=8, stop_loss_price=9, take_profit_price=11),
            "STOP_ON_WRONG_SIDE",
        ),
        (open_long("AAA", stop_loss_price=9.9, take_profit_price=10.1), None),
    ],
)
def test_a_leg_that_would_close_the_position_at_once_is_rejected(
    signal: object, code: str | None
) -> None:
    engine = run_plain([FLAT] * 2, {0: [signal]}, account={"allow_short": True})
    assert engine.desk.rejections == ({} if code is None else {code: 1})


def test_an_order_at_the_market_may_cost_more_than_it_was_judged_at() -> None:
    """All of the cash at the close of 10; the open is 11, and 1,000 are owed."""
    engine = run_plain([FLAT, UP], {0: [open_long("AAA", quantity=1000)]})
    assert fills(engine) == [traded(1, 1000, "11.00")]
    assert engine.account.cash == -1_000_00


def test_a_strategy_trades_none_but_its_symbols() -> None:
    engine = Engine(
        market(bars([FLAT] * 2), bars([FLAT] * 2, symbol="BBB")),
        [StrategySlot("s", Scripted({0: [open_long("BBB")]}), ("AAA",))],
    )
    with pytest.raises(ConfigurationError, match="s asks for 'BBB', which is not among its sym"):
        engine.run()


def test_what_a_strategy_raises_names_it_its_line_and_the_bar() -> None:
    class Wrong(Strategy):
        def on_bar(self, bar: Bar, context: Context) -> Answer:
            return [open_long(bar.symbol)] if context.position("ZZZ") else None

    engine = Engine(market(bars([FLAT])), [StrategySlot("wrong", Wrong())], plain())
    with pytest.raises(
        ConfigurationError,
        match=r"wrong, loop_test\.py line \d+, at the bar of 2024-01-01: KeyError: 'ZZZ'",
    ):
        engine.run()


def test_a_symbol_without_bars_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'ZZZ'"):
        run_plain([FLAT], {0: [open_long("ZZZ")]})


def test_signals_of_the_warm_up_are_seen_but_not_acted_on() -> None:
    strategy = Scripted({0: [open_long("AAA")], 2: [open_long("AAA")]})
    engine = Engine(market(bars([FLAT] * 4)), [StrategySlot("s", strategy)], plain(), first_place=2)
    engine.run()
    assert strategy.shown == 4
    assert fills(engine) == [traded(3, 100, "10.00")]


def test_a_strategy_is_shown_adjusted_prices_and_trades_at_raw_ones() -> None:
    """The factor of 0.5 halves what is seen: a stop given as 4.5 is one at 9."""
    columns = bars([FLAT, FLAT, (8.0, 8.0, 8.0, 8.0)])
    object.__setattr__(columns, "factor", np.full(3, 0.5))
    seen: list[float] = []

    class Watcher(Scripted):
        def on_bar(self, bar: Bar, context: Context) -> Answer:
            seen.append(bar.close)
            assert context.history("AAA", 2)[-1] == bar.close
            return super().on_bar(bar, context)

    engine = Engine(
        market(columns),
        [StrategySlot("s", Watcher({0: [open_long("AAA", stop_loss_price=4.5)]}))],
        plain(),
    )
    engine.run()
    assert seen == [5.0, 5.0, 4.0]
    assert fills(engine) == [traded(1, 100, "10.00"), traded(2, -100, "8.00")]


def test_two_strategies_share_the_equity_and_hold_apart() -> None:
    first, second = Scripted({0: [open_long("AAA")]}), Scripted({0: [open_long("AAA")]})
    engine = Engine(
        market(bars([FLAT] * 3)),
        [
            StrategySlot("first", first, share_of_equity=Decimal("0.25")),
            StrategySlot("second", second),
        ],
        plain(),
    )
    engine.run()
    assert fills(engine) == [traded(1, 25, "10.00"), traded(1, 75, "10.00")]
    assert first.positions == [0.0, 25.0, 25.0]
    assert second.positions == [0.0, 75.0, 75.0]
    engine.book.catch_up()
    assert engine.book.ledger.positions == {"AAA": Decimal(100)}


def test_shares_of_equity_beyond_all_of_it_are_refused() -> None:
    slots = [
        StrategySlot("a", Scripted({}), share_of_equity=Decimal("0.7")),
        StrategySlot("b", Scripted({}), share_of_equity=Decimal("0.7")),
    ]
    with pytest.raises(ConfigurationError, match=r"come to 1\.4"):
        Engine(market(bars([FLAT])), slots, plain())


def day(place: int) -> dt.date:
    return dt.date(2024, 1, 1) + dt.timedelta(days=place)


def test_a_dividend_is_cash_of_who_held_it_at_the_open_of_its_ex_date() -> None:
    """Bought at the open of the second day; the dividend of that day is the seller's."""
    dividends = [
        Dividend(
            symbol="AAA", ex_date=day(place), amount_per_share=Decimal("0.255"), currency="USD"
        )
        for place in (1, 2)
    ]
    engine = Engine(
        market(bars([FLAT] * 4)),
        [StrategySlot("s", Scripted({0: [open_long("AAA")]}))],
        plain(),
        actions=dividends,
    )
    engine.run()
    assert engine.account.cash == 1_000_000 - 100_000 + 2_550
    engine.book.catch_up()
    assert engine.book.ledger.cash == Decimal("9025.50")


def test_a_dividend_is_owed_until_its_pay_date() -> None:
    dividend = Dividend(
        symbol="AAA",
        ex_date=day(2),
        amount_per_share=Decimal(1),
        currency="USD",
        pay_date=day(4),
    )
    engine = Engine(
        market(bars([FLAT] * 5)),
        [StrategySlot("s", Scripted({0: [open_long("AAA")]}))],
        plain(),
        actions=[dividend],
    )
    engine.run(4)
    assert (engine.account.cash, engine.account.accruals) == (900_000, 10_000)
    engine.run()
    assert (engine.account.cash, engine.account.accruals) == (910_000, 0)


def test_a_fraction_that_a_split_leaves_is_paid_at_the_open() -> None:
    """33 shares, 3 for 2: 49.5, of which half a share is paid at 6."""
    engine = Engine(
        market(bars([FLAT, FLAT, (6.0, 7.0, 6.0, 7.0)])),
        [StrategySlot("s", Scripted({0: [open_long("AAA", quantity=33)]}))],
        plain(),
        actions=[Split(symbol="AAA", ex_date=day(2), new_shares=3, old_shares=2)],
    )
    engine.run()
    assert engine.account.held.tolist() == [49]
    assert engine.account.cash == 1_000_000 - 33_000 + 300


def test_a_split_of_parts_of_shares_keeps_them_and_each_strategy_its_own() -> None:
    slots = [
        StrategySlot("a", Scripted({0: [open_long("AAA", quantity=33)]})),
        StrategySlot("b", Scripted({0: [open_long("AAA", quantity=11)]})),
    ]
    engine = Engine(
        market(bars([FLAT, FLAT, (6.0, 7.0, 6.0, 7.0)])),
        slots,
        plain(account={"quantity_decimals": 6}),
        actions=[Split(symbol="AAA", ex_date=day(2), new_shares=3, old_shares=2)],
    )
    engine.run()
    assert engine.account.by_strategy.tolist() == [[49_500_000_000], [16_500_000_000]]


def test_a_delisting_ends_the_position_and_its_orders() -> None:
    engine = Engine(
        market(bars([FLAT] * 3)),
        [StrategySlot("s", Scripted({0: [open_long("AAA", stop_loss_price=5.0)]}))],
        plain(),
        actions=[Delisting(symbol="AAA", effective_date=day(2), price=Decimal("4.5"))],
        keep_orders=True,
    )
    engine.run()
    assert engine.account.held.tolist() == [0]
    assert engine.account.cash == 1_000_000 - 100_000 + 45_000
    assert statuses(engine) == ["filled", "canceled"]


def test_a_booking_that_only_the_account_has_is_found_by_the_ledger() -> None:
    engine = run_plain([FLAT] * 3, {0: [open_long("AAA")]})
    engine.book.catch_up()
    engine.account.cash += 1
    with pytest.raises(LedgerError, match="cash: account 900001, ledger 900000"):
        engine.book.catch_up()


class Weights(Strategy):
    """Gives out the rows of a table one after another."""

    def __init__(self, table: Floats, frequency: Frequency = Frequency.BAR) -> None:
        self.table = table
        self.asked = 0
        self.frequency = frequency

    def generate_signals(self, snapshot: Snapshot) -> Answer:
        row, self.asked = self.asked, self.asked + 1
        return TargetWeights(self.table[row])


def random_market(seed: int, symbols: int = 6, days: int = 40) -> Market:
    """Random walks with gaps in bars and volumes."""
    random = np.random.default_rng(seed)
    columns = []
    for index in range(symbols):
        close = np.round(50 * np.exp(np.cumsum(random.normal(0, 0.03, days))), 2)
        opened = np.round(close * np.exp(random.normal(0, 0.01, days)), 2)
        volume = np.where(random.random(days) < 0.1, np.nan, random.integers(0, 5000, days))
        rows: list[Row | None] = [
            None if random.random() < 0.15 else (o, max(o, c) + 0.5, min(o, c) - 0.5, c, v)
            for o, c, v in zip(opened.tolist(), close.tolist(), volume.tolist(), strict=True)
        ]
        columns.append(bars(rows, symbol=f"S{index}"))
    return market(*columns)


@pytest.mark.parametrize("fill_price", ["next_open", "next_close", "next_vwap", "close"])
@pytest.mark.parametrize("time_in_force", ["gtc", "day", "ioc", "fok"])
@pytest.mark.parametrize("decimals", [0, 6])
def test_rebalancing_by_the_array_trades_what_single_orders_trade(
    fill_price: str, time_in_force: str, decimals: int
) -> None:
    """And both are what the ledger makes of the fills."""
    random = np.random.default_rng(7)
    table = random.normal(0, 0.1, (80, 6))
    table[random.random(table.shape) < 0.2] = np.nan
    found = []
    for keep_orders in (False, True):
        engine = Engine(
            random_market(11),
            [StrategySlot("w", Weights(table))],
            rules(
                account={"quantity_decimals": decimals},
                matching={"fill_price": fill_price, "time_in_force": time_in_force},
                commission={"per_share": "0.005", "minimum": 1, "bps": "0.3"},
                slippage={"bps": 2, "volume_share_impact": "0.1"},
            ),
            keep_orders=keep_orders,
        )
        engine.run()
        engine.book.catch_up()
        found.append(engine.account.fills())
    assert len(found[0]) > 15
    # Numbers of orders differ where orders are legs or rests; nothing else does.
    assert np.array_equal(np.delete(found[0], 3, axis=1), np.delete(found[1], 3, axis=1))


@pytest.mark.parametrize("fill_price", ["close", "next_open"])
def test_an_account_whose_fills_are_not_kept_ends_as_one_that_keeps_them(fill_price: str) -> None:
    table = np.random.default_rng(7).normal(0, 0.1, (80, 6))
    kept, forgot = (
        Engine(
            random_market(11),
            [StrategySlot("w", Weights(table))],
            rules(matching={"fill_price": fill_price}, commission={"bps": 1}),
            keep_round_trips=False,
            keep_fills=keep_fills,
        )
        for keep_fills in (True, False)
    )
    for engine in (kept, forgot):
        engine.run()
    assert forgot.account.cash == kept.account.cash
    assert forgot.account.held.tolist() == kept.account.held.tolist()
    assert forgot.account.fill_count == kept.account.fill_count == len(kept.account.fills()) > 15
    assert not forgot.account.fill_rows
    with pytest.raises(ConfigurationError, match="keep_fills=True"):
        forgot.account.fills()


@pytest.mark.parametrize(
    "asked",
    [{"keep_orders": True}, {"keep_round_trips": True}, {"rules": {"debit_rate": "0.05"}}],
)
def test_what_is_made_from_fills_is_refused_without_them(asked: dict[str, Any]) -> None:
    financing = asked.pop("rules", {})
    with pytest.raises(ConfigurationError, match="keep_fills=False"):
        Engine(
            market(bars([FLAT] * 3)),
            [StrategySlot("w", Weights(np.zeros((3, 1))))],
            rules(financing=financing),
            keep_fills=False,
            **{"keep_round_trips": False} | asked,
        )


def test_a_monthly_strategy_is_asked_on_the_first_bar_of_each_month() -> None:
    strategy = Weights(np.full((9, 1), 0.5), Frequency.MONTH)
    engine = Engine(market(bars([FLAT] * 45)), [StrategySlot("w", strategy)], plain())
    engine.run()
    assert strategy.asked == 2
    assert fills(engine) == [traded(1, 500, "10.00")]


def test_weights_beyond_the_equity_are_rejected_whole_without_borrowing() -> None:
    engine = Engine(
        market(bars([FLAT] * 3)), [StrategySlot("w", Weights(np.full((3, 1), 1.5)))], plain()
    )
    engine.run()
    assert fills(engine) == []
    assert engine.desk.rejections == {"INSUFFICIENT_CAPITAL": 3}


@pytest.mark.parametrize("stop", [1, 7, 20])
def test_a_run_in_two_parts_is_the_run_in_one(stop: int) -> None:
    whole, parts = (
        Engine(random_market(3), [StrategySlot("w", Weights(np.full((40, 6), 0.1)))], rules())
        for _ in range(2)
    )
    whole.run()
    parts.run(stop)
    parts.run()
    assert np.array_equal(whole.account.fills(), parts.account.fills())


@pytest.mark.parametrize("seed", range(6))
def test_cash_and_shares_are_what_the_fills_add_up_to(seed: int) -> None:
    """Conservation: nothing comes from nowhere, and the ledger agrees to the cent."""
    random = np.random.default_rng(seed)
    answers: dict[int, list[object]] = {
        place: [
            [open_long("S0"), close_long("S1"), sell(30, symbol="S2"), open_short("S3")][
                int(random.integers(4))
            ],
            buy(
                int(random.integers(1, 60)),
                symbol=f"S{int(random.integers(4))}",
                order_type="bracket",
                stop_loss_price=40.0,
                take_profit_price=60.0,
            ),
        ]
        for place in range(0, 60, 2)
    }
    engine = Engine(
        random_market(seed),
        [StrategySlot("s", Scripted(answers))],  # type: ignore[arg-type]
        rules(commission={"bps": 3}, slippage={"bps": 5}),
        keep_orders=True,
    )
    engine.run()
    rows = engine.account.fills()
    assert len(rows) > 10
    assert engine.account.cash == 100_000_000 - rows[:, 6].sum() - rows[:, 7].sum()
    for symbol in range(6):
        assert engine.account.held[symbol] == rows[rows[:, 2] == symbol, 4].sum()
    engine.book.catch_up()
    assert engine.records is not None
    for order in engine.records.orders.values():
        assert order.filled == np.abs(rows[rows[:, 3] == order.number, 4]).sum()
