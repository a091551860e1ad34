"""Signal files: a strategy's target weights as its author wrote them, read and checked whole.

A file with one wrong row is refused, for a portfolio built from the other rows would be a portfolio
that nobody asked for.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from itertools import groupby
from operator import attrgetter

from trading_assets.data_files import Row, is_blank, parse_date, parse_decimal, read_table
from trading_assets.errors import InputError
from trading_assets.model.money import WEIGHT_QUANTUM, ZERO, plain
from trading_assets.model.target import SignalRow
from trading_assets.portfolio.signals import SignalFile, index_signals
from trading_assets.settings import PortfolioSettings
from trading_assets.signal_settings import IdMapping, MomentumStrategy, StrategySettings

__all__ = ["SignalFile", "id_key", "read_signal_file"]

_INTEGRAL = re.compile(r"0*(\d+)(\.0+)?")


def read_signal_file(strategy: StrategySettings) -> SignalFile:
    """Read the strategy's file (.csv, .xlsx, .parquet) and its id mapping.

    Weights are signed fractions of equity, kept as given and rounded to ten decimals where they
    have more; zero is a weight like any other. Rows without any content are left out.

    Raises InputError for a file or mapping that is missing, empty, damaged or of an unknown kind;
    a missing column; a date, id or weight that is empty or cannot be read; an id that the mapping
    does not have or has twice; the same asset or symbol twice on a date; and weights of a date
    that do not add up to `expected_weight_sum`.
    """
    columns = (strategy.columns.trade_date, strategy.columns.asset_id, strategy.columns.weight)
    table = read_table(
        strategy.path,
        columns,
        sheet=strategy.sheet,
        remedy=f"Put the signals of strategy {strategy.id} there, or correct its `path`",
    )
    mapping = None if strategy.id_mapping is None else _read_mapping(strategy.id_mapping)
    rows = [_signal_row(table.name, row, strategy, mapping) for row in table.rows]
    found = index_signals(strategy.id, table.name, table.sha256, rows)
    _require_unique(found)
    _require_weight_sums(found, strategy)
    return found


def id_key(cell: object) -> str:
    """What two spellings of one asset id have in common; the only place where ids are matched.

    Excel turns the id 001690 into the number 1690, and pandas may turn that into 1690.0, so ids
    made of digits are equal when they are equal as numbers. All other ids match as text, without
    white space around it, in their own case.
    """
    text = str(cell).strip()
    integral = _INTEGRAL.fullmatch(text)
    return text if integral is None else integral[1]


def instrument_names(settings: PortfolioSettings) -> dict[str, str]:
    """Names of instruments by symbol, from the mapping files that have a column for them and the
    universes of built-in strategies."""
    names: dict[str, str] = {}
    for strategy in settings.signals.strategies:
        if isinstance(strategy, MomentumStrategy):
            names |= strategy.universe
            continue
        mapping = strategy.id_mapping
        if mapping is None or mapping.name is None:
            continue
        table = read_table(
            mapping.path,
            (mapping.symbol, mapping.name),
            sheet=None,
            remedy="Put the table of symbols and names there, or correct `id_mapping.name`",
        )
        for row in table.rows:
            symbol, name = (str(cell).strip() for cell in row.cells)
            names[symbol] = name
    return names


def _read_mapping(mapping: IdMapping) -> Mapping[str, tuple[str, str]]:
    """Asset ids by key: the id as the mapping file spells it, and its symbol."""
    table = read_table(
        mapping.path,
        (mapping.asset_id, mapping.symbol),
        sheet=None,
        remedy="Put the table of asset ids and symbols there, or correct `id_mapping.path`",
    )
    found: dict[str, tuple[str, str]] = {}
    rows: dict[str, int] = {}
    for row in table.rows:
        asset_id = _text(table.name, row.number, row.cells[0], mapping.asset_id)
        symbol = _text(table.name, row.number, row.cells[1], mapping.symbol)
        key = id_key(asset_id)
        if key in found:
            raise InputError(
                file=table.name,
                row=row.number,
                value=asset_id,
                rule=f"an asset id must have one row, and row {rows[key]} has it already",
                remedy="Remove one of the two rows",
            )
        found[key] = (asset_id, symbol)
        rows[key] = row.number
    return found


def _signal_row(
    file: str,
    row: Row,
    strategy: StrategySettings,
    mapping: Mapping[str, tuple[str, str]] | None,
) -> SignalRow:
    date_cell, id_cell, weight_cell = row.cells
    trade_date = _trade_date(file, row.number, date_cell, strategy.columns.trade_date)
    asset_id = _text(file, row.number, id_cell, strategy.columns.asset_id)
    symbol = asset_id
    if mapping is not None:
        known = mapping.get(id_key(asset_id))
        if known is None:
            raise InputError(
                file=file,
                row=row.number,
                value=asset_id,
                rule="the asset id must be in the strategy's id mapping",
                remedy="Add a row for it to the mapping file, or correct the id",
            )
        asset_id, symbol = known
    return SignalRow(
        strategy_id=strategy.id,
        trade_date=trade_date,
        asset_id=asset_id,
        symbol=symbol,
        weight=_weight(file, row.number, weight_cell, strategy.columns.weight),
        row=row.number,
    )


def _text(file: str, row: int, cell: object, column: str) -> str:
    # A ticker such as TRUE becomes a truth value in a spreadsheet and would come back as "True".
    if is_blank(cell) or isinstance(cell, bool):
        raise InputError(
            file=file,
            row=row,
            value=cell if isinstance(cell, bool) else "",
            rule=f"{column} must be text or a whole number, and not empty",
            remedy="Fill the cell in, formatted as text, or delete the row",
        )
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _trade_date(file: str, row: int, cell: object, column: str) -> dt.date:
    found = parse_date(cell)
    if found is None:
        raise InputError(
            file=file,
            row=row,
            value="" if is_blank(cell) else cell,
            rule=f"{column} must be a date without a time of day",
            remedy="Write it as YYYY-MM-DD",
        )
    return found


def _weight(file: str, row: int, cell: object, column: str) -> Decimal:
    found = parse_decimal(cell)
    try:
        if found is not None and found != round(found, 10):
            found = found.quantize(WEIGHT_QUANTUM, rounding=ROUND_HALF_EVEN)
    except InvalidOperation:
        found = None
    if found is None:
        raise InputError(
            file=file,
            row=row,
            value="" if is_blank(cell) else cell,
            rule=f"{column} must be a finite number, as a fraction of equity",
            remedy="Write 5 % as 0.05, with a decimal point; write 0 to hold nothing",
        )
    return found


def _by_date(file: SignalFile) -> Iterable[tuple[dt.date, list[SignalRow]]]:
    for trade_date, rows in groupby(file.rows, key=attrgetter("trade_date")):
        yield trade_date, list(rows)


def _require_unique(file: SignalFile) -> None:
    for trade_date, rows in _by_date(file):
        first: dict[str, SignalRow] = {}
        for row in sorted(rows, key=attrgetter("row")):
            other = first.setdefault(row.symbol, row)
            if other is row:
                continue
            same = other.asset_id == row.asset_id
            raise InputError(
                file=file.name,
                row=row.row,
                value=row.asset_id,
                rule=f"an asset must have one weight on {trade_date}, and row {other.row} gives "
                + ("one already" if same else f"one to {other.asset_id}, also {row.symbol}"),
                remedy="Remove one of the two rows" if same else "Correct the id mapping",
            )


def _require_weight_sums(file: SignalFile, strategy: StrategySettings) -> None:
    expected, tolerance = strategy.expected_weight_sum, strategy.weight_sum_tolerance
    if expected is None:
        return
    for trade_date, rows in _by_date(file):
        total = sum((row.weight for row in rows), ZERO)
        if abs(total - expected) > tolerance:
            raise InputError(
                file=file.name,
                row=min(row.row for row in rows),
                value=plain(total),
                rule=f"the weights of {trade_date} must add up to {plain(expected)} within "
                f"{plain(tolerance)}",
                remedy="Correct the weights, or set the strategy's expected_weight_sum",
            )
