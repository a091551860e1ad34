"""Prices of several symbols as one block, shape (places, symbols): what array code works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trading_assets.engine.bars import Market
from trading_assets.engine.clock import Floats, Integers
from trading_assets.engine.vectorised_columns import read_only
from trading_assets.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class PricePanel:
    """Prices per share in shape (places, symbols), NaN where a symbol has no bar; the arrays must
    not be changed. `timeline` is in nanoseconds UTC, ascending. Where no opens are known, they are
    the closes."""

    symbols: tuple[str, ...]
    timeline: Integers
    closes: Floats
    opens: Floats


def price_panel(
    symbols: Sequence[str],
    timeline: npt.ArrayLike,
    closes: npt.ArrayLike,
    opens: npt.ArrayLike | None = None,
    *,
    source: str = "prices",
) -> PricePanel:
    """Checked prices.

    `timeline` are starts of bars (nanoseconds UTC, or what numpy makes a datetime64 of); `closes`
    and `opens` of shape (places, symbols), or (places,) for one symbol. InputError, naming
    `source`, row (1 is the first place) and rule, where times do not ascend, shapes differ, a
    symbol is there twice, or a price is infinite, 0 or negative; and where an open is missing whose
    close is there, or the other way round.
    """
    from trading_assets.engine.vectorised_checks import first_unpaired, first_wrong_price

    names = tuple(symbols)
    times = nanoseconds(timeline)
    blocks = [_block(closes), *(() if opens is None else (_block(opens),))]
    shape = (len(times), len(names))
    if len(set(names)) < len(names) or any(block.shape != shape for block in blocks):
        raise InputError(
            file=source,
            value=[len(times), names[:20], *(block.shape for block in blocks)],
            rule="prices must have the shape (times, symbols), each symbol once",
            remedy="Give a price, or NaN, for each time and symbol",
        )
    later = times[1:] > times[:-1]
    if not later.all():
        row = int(np.argmin(later)) + 1
        raise InputError(
            file=source,
            row=row + 1,
            value=str(times[row].astype("datetime64[ns]")),
            rule="times must ascend, each time once",
            remedy="Sort the rows and remove the ones that are there twice",
        )
    for name, block in zip(("close", "open"), blocks, strict=False):
        wrong = first_wrong_price(read_only(block).ravel())
        if wrong >= 0:
            raise _wrong(names, source, wrong, block, f"{name} must be a positive number")
    if len(blocks) == 2:
        wrong = first_unpaired(*(read_only(block).ravel() for block in blocks))
        if wrong >= 0:
            raise _wrong(names, source, wrong, blocks[1], "a bar has both an open and a close")
    return PricePanel(names, times, blocks[0], blocks[-1])


def panel_of(market: Market) -> PricePanel:
    """The opens and closes of a market as they are quoted, without a second check.

    For one symbol these are views, for several copies: two numbers for each place and symbol.
    """
    shape = (len(market), len(market.columns))
    if shape[1] == 1:
        column = market.columns[0]
        closes, opens = column.close.reshape(shape), column.open.reshape(shape)
        return PricePanel(market.symbols, market.timeline, closes, opens)
    closes, opens = np.full(shape, np.nan), np.full(shape, np.nan)
    for symbol, (column, rows) in enumerate(zip(market.columns, market.rows, strict=True)):
        places = slice(None) if rows is None else rows >= 0
        closes[places, symbol] = column.close
        opens[places, symbol] = column.open
    return PricePanel(market.symbols, market.timeline, closes, opens)


def nanoseconds(times: npt.ArrayLike) -> Integers:
    """Times as nanoseconds UTC: numbers as they are, anything else as numpy's datetime64."""
    array = np.asarray(times)
    if array.dtype.kind not in "iu":
        array = array.astype("datetime64[ns]").astype(np.int64)
    return array.astype(np.int64, copy=False)


def _block(prices: npt.ArrayLike) -> Floats:
    block = np.ascontiguousarray(prices, dtype=np.float64)
    return block.reshape(-1, 1) if block.ndim == 1 else block


def _wrong(names: tuple[str, ...], source: str, flat: int, block: Floats, rule: str) -> InputError:
    row, column = divmod(flat, len(names))
    return InputError(
        file=f"{source}, {names[column]}",
        row=row + 1,
        value=float(block[row, column]),
        rule=rule,
        remedy="Correct the price, or give NaN where there is no bar",
    )
