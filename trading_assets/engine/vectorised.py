"""The vectorised path: a whole backtest in compiled array code, to screen thousands of variants.

Problem: the event-driven engine calls Python for every bar, which no screening of a parameter space
can wait for; array code that is written anew beside an engine soon does something else.

Choice: the two questions that screening asks, target weights and entry and exit signals, for market
orders, by the rules of the exact engine (`sizing.py`, `desk.py`, `matching.py`) and rounded as it
rounds, in loops that numba compiles. A test holds both to the same fills and equity
(assets_tests/engine/vectorised_test.py). What only the exact engine does is refused by name, not
approximated: volume caps, limits and stops, other fill prices, orders that expire.

What happens at each place of the timeline, in this order:

 1. Orders that wait trade at the open of their symbol's bar; without a bar they go on waiting.
 2. Positions are valued at their latest closes, a missing bar keeping the close before it.
 3. Weights: a symbol goes to |weight| x equity x (1 - cash buffer), less the order's fee, over its
    latest close, in shares cut towards zero. NaN leaves it as it is. Sizes are all taken from one
    equity; what still waits for a symbol that is asked for anew is canceled.
    Signals: an entry invests `position_size` of equity less the cash buffer, an opposite position
    is closed first; an entry to what is held already and an exit of what is not do nothing. An
    entry and exit of one side at once cancel each other, so do entries to both sides. Symbols go in
    their order, each sized on what those before it have left; a signal without a bar is passed
    over.
 4. Orders trade at the close of this very bar (`close`) or wait for the next (`next_open`).
 5. Without equity there is nothing to hold: every weight counts as 0 and no entry is made.
 6. Without borrowing, weights that add up to more than 1 are not followed at all, nor those that
    with what is left as it is come to more than equity (unless they reduce), and an entry that
    costs more than the free cash is not made. Without short sales, nothing goes below 0.
 7. A symbol whose bars have ended stays at its last close: it can neither be bought nor sold.

Numbers are float64. Money is counted in whole units (cents, unless the account's `money_decimals`
say otherwise), so sums are exact up to 2**53 of them. A rounding differs from the exact engine's
only where a product lies within 1e-15 of itself from a tie (a cent), a quantity only where a
quotient lies within 3e-16 of itself from a step: with whole shares below 10 million a position and
prices of up to eight decimals neither can happen to money, and otherwise once in some 1e9 fills as
long as a position counts fewer than 1e9 steps (a million shares of three decimals). Equity is then
within 1e-9 of itself of the exact engine's; mostly it is equal. A position of 1e14 steps (100,000
shares of nine decimals) is a step apart every few fills, and now and then a cent with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trading_assets.engine.price_panel import PricePanel, nanoseconds
from trading_assets.engine.rules import BacktestRules, DefaultTimeInForce, FillPrice
from trading_assets.engine.vectorised_columns import (
    CASH,
    COMMISSION,
    ENTER_LONG,
    ENTER_SHORT,
    EQUITY,
    EXIT_LONG,
    EXIT_SHORT,
    FILLS,
    SLIPPAGE,
    TRADED,
    Demand,
    Floats,
    Integers,
    Places,
    Prices,
    Rebalances,
    Signals,
    Terms,
    read_only,
)
from trading_assets.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    import pyarrow as pa

_NO_WEIGHTS: Floats = np.empty((0, 0))
_NO_SIGNALS: Signals = np.empty((0, 0), dtype=np.uint8)
_NO_REBALANCES = Rebalances(
    np.empty(0, dtype=np.int64),
    np.zeros(1, dtype=np.int64),
    np.empty(0, dtype=np.int32),
    np.empty(0),
)
_MONEY_UNITS_MAX = 2.0**53


@dataclass(frozen=True, slots=True, eq=False)
class FillColumns:
    """Fills in the order in which they happened: place of the timeline, index of the symbol, signed
    quantity (shares), price per share after slippage, commission (currency units)."""

    place: Places
    symbol: Places
    quantity: Floats
    price: Floats
    commission: Floats

    def __len__(self) -> int:
        return len(self.place)


@dataclass(frozen=True, slots=True, eq=False)
class VectorisedResult:
    """What a vectorised backtest leaves; money in currency units.

    `equity` and `cash` are of the length of the timeline, after the fills of each place.
    `quantities` are the signed shares of each symbol at the end. `slippage` is what fills paid
    beyond their prices, `traded` Σ |notional|. `fills` is None where they were not kept.
    """

    panel: PricePanel
    initial_capital: float
    equity: Floats
    cash: Floats
    quantities: Floats
    fill_count: int
    commission: float
    slippage: float
    traded: float
    fills: FillColumns | None

    @property
    def final_value(self) -> float:
        """Equity after the last bar; the initial capital where there is none."""
        return float(self.equity[-1]) if len(self.equity) else self.initial_capital

    @property
    def total_return_pct(self) -> float:
        """Gain over the initial capital in percent, not annualised."""
        return (self.final_value / self.initial_capital - 1.0) * 100.0

    def positions(self) -> Floats:
        """Signed shares after each place, shape (places, symbols), made from the fills."""
        fills = self._kept_fills()
        held = np.zeros(self.panel.closes.shape)
        np.add.at(held, (fills.place, fills.symbol), fills.quantity)
        return np.cumsum(held, axis=0).round(9)

    def fill_table(self) -> pa.Table:
        """Fills as an Arrow table: time (nanoseconds UTC), symbol, quantity, price, commission."""
        import pyarrow as pa

        fills = self._kept_fills()
        names = pa.DictionaryArray.from_arrays(fills.symbol, list(self.panel.symbols))
        return pa.table(
            {
                "time": pa.array(self.panel.timeline[fills.place], pa.timestamp("ns", "UTC")),
                "symbol": names,
                "quantity": fills.quantity,
                "price": fills.price,
                "commission": fills.commission,
            }
        )

    def _kept_fills(self) -> FillColumns:
        if self.fills is None:
            raise ConfigurationError(
                "the fills of this backtest were not kept. Run it with keep_fills=True."
            )
        return self.fills


def backtest_weights(
    panel: PricePanel, weights: npt.ArrayLike, rules: BacktestRules, *, keep_fills: bool = False
) -> VectorisedResult:
    """Hold target weights over the whole history.

    `weights` are signed fractions of equity, shape (places, symbols) as the panel; NaN leaves a
    symbol as it is, a row of NaN is no rebalance. InputError for another shape or an infinite
    weight, ConfigurationError for rules that this path does not follow.
    """
    from trading_assets.engine.vectorised_checks import first_infinite

    asked = _shaped(weights, panel, "weights", np.float64)
    wrong = first_infinite(read_only(asked).ravel())
    if wrong >= 0:
        raise _wrong_cell(panel, "weights", wrong, asked, "a weight must be finite or NaN")
    return _run(panel, rules, keep_fills, weights=asked)


def backtest_weight_rows(
    panel: PricePanel,
    times: npt.ArrayLike,
    symbols: Sequence[str] | Places | Integers,
    weights: npt.ArrayLike,
    rules: BacktestRules,
    *,
    keep_fills: bool = False,
) -> VectorisedResult:
    """Hold target weights that name only what is to be held, so that cost follows the names held
    and not the universe.

    Three columns of equal length, ascending by time: `times` of the timeline (nanoseconds UTC, or
    what numpy makes a datetime64 of), `symbols` by name or by index in the panel, and `weights`
    (signed fractions of equity). At each time that is named, what is held and not named is sold; a
    row of weight 0 stands for "nothing". InputError for columns of different lengths, a time that
    is not in the timeline or out of order, an unknown symbol, one twice at a time, or a weight that
    is not finite.
    """
    rebalances = _rebalances(panel, times, symbols, weights)
    return _run(panel, rules, keep_fills, rebalances=rebalances)


def backtest_signals(
    panel: PricePanel, signals: npt.ArrayLike, rules: BacktestRules, *, keep_fills: bool = False
) -> VectorisedResult:
    """Follow entries and exits of each symbol on one account.

    `signals` are bits as `signal_bits` makes them, shape (places, symbols), or (places,) for one
    symbol. InputError for another shape.
    """
    return _run(panel, rules, keep_fills, signals=_shaped(signals, panel, "signals", np.uint8))


def signal_bits(
    entries: npt.ArrayLike,
    exits: npt.ArrayLike,
    short_entries: npt.ArrayLike | None = None,
    short_exits: npt.ArrayLike | None = None,
) -> Signals:
    """Entries and exits as one array of bits: 1 enter long, 2 exit long, 4 enter short, 8 exit
    short. Booleans of one shape, (places, symbols) or (places,); None for none."""
    bits: Signals = np.asarray(entries, dtype=np.bool_).astype(np.uint8) * np.uint8(ENTER_LONG)
    for flags, bit in (
        (exits, EXIT_LONG),
        (short_entries, ENTER_SHORT),
        (short_exits, EXIT_SHORT),
    ):
        if flags is None:
            continue
        added = np.asarray(flags, dtype=np.bool_)
        if added.shape != bits.shape:
            raise InputError(
                file="signals",
                value=[bits.shape, added.shape],
                rule="entries and exits must have one shape",
                remedy="Give a value for each place and symbol",
            )
        bits |= added.view(np.uint8) * np.uint8(bit)
    return bits


def terms_of(rules: BacktestRules, *, keep_fills: bool = False) -> Terms:
    """The rules as numbers; ConfigurationError for one that only the exact engine follows."""
    matching, commission, slippage = rules.matching, rules.commission, rules.slippage
    refused = {
        "matching.fill_price": (
            matching.fill_price not in (FillPrice.CLOSE, FillPrice.NEXT_OPEN),
            "close or next_open",
        ),
        "matching.volume_cap": (matching.volume_cap is not None, "null"),
        "matching.time_in_force": (matching.time_in_force is not DefaultTimeInForce.GTC, "gtc"),
        "slippage.volume_share_impact": (slippage.volume_share_impact != 0, "0"),
        "financing": (not rules.financing.is_none, "rates of 0"),
        "risk": (rules.risk is not None, "null"),
    }
    for name, (is_refused, accepted) in refused.items():
        if is_refused:
            raise ConfigurationError(
                f"{name} is not followed by the vectorised path. Set it to {accepted}, or run the "
                "event-driven engine."
            )
    account = rules.account
    money_unit = 10.0**account.money_decimals
    bps = commission.bps if commission.taker_bps is None else commission.taker_bps
    return Terms(
        initial_money=float(round(account.initial_capital, account.money_decimals)) * money_unit,
        money_unit=money_unit,
        share_steps=10.0**account.quantity_decimals,
        slippage=float(slippage.bps / 10_000),
        per_order=float(commission.per_order) * money_unit,
        per_share=float(commission.per_share) * money_unit,
        commission_rate=float(bps / 10_000),
        minimum=float(commission.minimum) * money_unit,
        invested=1.0 - float(account.cash_buffer),
        position_size=float(rules.position_size),
        allow_short=account.allow_short,
        allow_borrowing=account.allow_borrowing,
        at_open=matching.fill_price is FillPrice.NEXT_OPEN,
        keep_fills=keep_fills,
    )


def _run(
    panel: PricePanel,
    rules: BacktestRules,
    keep_fills: bool,
    *,
    weights: Floats = _NO_WEIGHTS,
    rebalances: Rebalances = _NO_REBALANCES,
    signals: Signals = _NO_SIGNALS,
) -> VectorisedResult:
    # Compiled code and numba are loaded by the first backtest, not by whoever imports the engine.
    from trading_assets.engine.vectorised_kernels import run

    terms = terms_of(rules, keep_fills=keep_fills)
    demand = Demand(
        read_only(weights),
        Rebalances(*(read_only(column) for column in rebalances)),
        read_only(signals),
    )
    prices = Prices(read_only(panel.closes), read_only(panel.opens))
    history = np.empty((2, len(panel.timeline)))
    fills, book = run(prices, terms, demand, history)
    largest = float(max(history.max(), -history.min())) if history.size else 0.0
    # Not above, but not below either: NaN is neither.
    if not largest * terms.money_unit < _MONEY_UNITS_MAX:
        raise InputError(
            file="backtest",
            value=largest,
            rule=f"money must stay below {_MONEY_UNITS_MAX:.0f} units of 1/{terms.money_unit:.0f}",
            remedy="Start with less capital, or correct the prices that made it so large",
        )
    count = int(book.counts[FILLS])
    columns = None
    if keep_fills:
        columns = FillColumns(
            fills.place[:count],
            fills.symbol[:count],
            fills.quantity[:count],
            fills.price[:count],
            fills.commission[:count] / terms.money_unit,
        )
    totals = book.totals / terms.money_unit
    return VectorisedResult(
        panel=panel,
        initial_capital=terms.initial_money / terms.money_unit,
        equity=history[EQUITY],
        cash=history[CASH],
        quantities=book.quantity,
        fill_count=count,
        commission=float(totals[COMMISSION]),
        slippage=float(totals[SLIPPAGE]),
        traded=float(totals[TRADED]),
        fills=columns,
    )


def _shaped(values: npt.ArrayLike, panel: PricePanel, name: str, kind: Any) -> Any:
    """`values` as an array of the panel's shape and of `kind`."""
    array = np.asarray(values, dtype=kind)
    if array.ndim == 1 and panel.closes.shape[1] == 1:
        array = array.reshape(-1, 1)
    if array.shape != panel.closes.shape:
        raise InputError(
            file=name,
            value=array.shape,
            rule=f"the shape must be (places, symbols) = {panel.closes.shape}, as the prices have",
            remedy="Give a value for each place of the timeline and each symbol, in their order",
        )
    return array


def _wrong_cell(
    panel: PricePanel, name: str, flat: int, values: npt.NDArray[Any], rule: str
) -> InputError:
    row, column = divmod(flat, len(panel.symbols))
    return InputError(
        file=f"{name}, {panel.symbols[column]}",
        row=row + 1,
        value=float(values[row, column]),
        rule=rule,
        remedy="Correct it, or give NaN where there is none",
    )


def _rebalances(
    panel: PricePanel,
    times: npt.ArrayLike,
    symbols: Sequence[str] | Places | Integers,
    weights: npt.ArrayLike,
) -> Rebalances:
    """Checked rows of target weights, by rebalance."""
    moments = nanoseconds(times)
    named = _symbol_indices(panel, symbols)
    wanted = np.ascontiguousarray(weights, dtype=np.float64)

    def require(
        good: npt.NDArray[np.bool_], value: Callable[[int], object], rule: str, remedy: str
    ) -> None:
        if not good.all():
            row = int(np.argmin(good))
            raise InputError(
                file="weights", row=row + 1, value=value(row), rule=rule, remedy=remedy
            )

    if not len(moments) == len(named) == len(wanted):
        raise InputError(
            file="weights",
            value=[len(moments), len(named), len(wanted)],
            rule="times, symbols and weights must have one length",
            remedy="Give all three for each row",
        )
    if not len(moments):
        return _NO_REBALANCES

    def time(row: int) -> str:
        return str(moments[row].astype("datetime64[ns]"))

    ascends = np.concatenate(([True], moments[1:] >= moments[:-1]))
    require(ascends, time, "rows must ascend by time", "Sort them")
    place = np.minimum(np.searchsorted(panel.timeline, moments), len(panel.timeline) - 1)
    in_timeline = panel.timeline[place] == moments if len(panel.timeline) else ascends & False
    require(in_timeline, time, "a time must be one of the timeline", "Use the times of the bars")
    finite = np.isfinite(wanted)
    require(finite, wanted.item, "a weight must be finite", "Leave the row out, or give 0 to sell")
    key = place * len(panel.symbols) + named
    order = np.argsort(key, kind="stable")
    first = np.ones(len(key), dtype=np.bool_)
    first[order[1:]] = key[order[1:]] != key[order[:-1]]
    require(
        first,
        lambda row: panel.symbols[named[row]],
        "a symbol must be named once at a time",
        "Add its weights up",
    )
    starts = np.flatnonzero(np.concatenate(([True], place[1:] != place[:-1])))
    return Rebalances(place[starts], np.append(starts, len(place)), named.astype(np.int32), wanted)


def _symbol_indices(panel: PricePanel, symbols: Sequence[str] | Places | Integers) -> Integers:
    given = np.asarray(symbols)
    if given.dtype.kind in "iu":
        wrong = (given < 0) | (given >= len(panel.symbols))
        indices = given.astype(np.int64)
    else:
        index = {symbol: place for place, symbol in enumerate(panel.symbols)}
        indices = np.array([index.get(name, -1) for name in given.tolist()], dtype=np.int64)
        wrong = indices < 0
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            file="weights",
            row=row + 1,
            value=given[row].item(),
            rule="a symbol must be one of the panel",
            remedy="Leave the row out, or add the symbol's prices",
        )
    return indices
