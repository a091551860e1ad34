"""Corporate actions from one long file, by the session at whose open they take effect.

| action           | needs beside ex_date, symbol, action                | may have           |
|------------------|-----------------------------------------------------|--------------------|
| `dividend`       | amount_per_share, currency                          | pay_date           |
| `split`          | new_shares, old_shares                              | cash_in_lieu_price |
| `stock_dividend` | new_shares (those added), old_shares                | cash_in_lieu_price |
| `spin_off`       | new_symbol, new_shares, old_shares, basis_fraction  | cash_in_lieu_price |
| `symbol_change`  | new_symbol                                          |                    |
| `cash_merger`    | price                                               |                    |
| `delisting`      | price (0 where it is worthless)                     |                    |

A row names the symbol of before the session. What is per share (a dividend, a price, the ratio of a
spin-off) is per share of after a split or stock dividend of the same session, as prices of that
session are. `currency` may stand in every row; pence become pounds here.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NoReturn

from trading_assets.data_files import (
    Row,
    is_blank,
    parse_date,
    parse_decimal,
    read_table,
)
from trading_assets.errors import InputError
from trading_assets.model.corporate_actions import (
    CashMerger,
    CorporateAction,
    Delisting,
    Dividend,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
    ex_date_of,
)
from trading_assets.model.currency import MINOR_UNITS, in_major_unit
from trading_assets.settings import FileCorporateActions

REQUIRED = ("ex_date", "symbol", "action")
OPTIONAL = (
    "amount_per_share",
    "currency",
    "pay_date",
    "new_shares",
    "old_shares",
    "new_symbol",
    "basis_fraction",
    "price",
    "cash_in_lieu_price",
)
REMEDY = "Put the file there, or correct corporate_actions.path in the portfolio"


class CorporateActions:
    """Corporate actions of a portfolio's instruments; `name` and `sha256` are those of their file,
    both empty where there is none."""

    def __init__(
        self, actions: Iterable[CorporateAction] = (), name: str = "", sha256: str = ""
    ) -> None:
        self.name = name
        self.sha256 = sha256
        self._by_session: dict[dt.date, list[CorporateAction]] = {}
        self._by_symbol: dict[str, list[CorporateAction]] = {}
        for action in sorted(actions, key=_place):
            self._by_session.setdefault(ex_date_of(action), []).append(action)
            self._by_symbol.setdefault(action.symbol, []).append(action)

    def of(self, session: dt.date) -> tuple[CorporateAction, ...]:
        """Those that take effect at the open of `session`, in the order in which they are booked;
        empty where there is none."""
        return tuple(self._by_session.get(session, ()))

    @property
    def by_symbol(self) -> Mapping[str, Sequence[CorporateAction]]:
        """Those of each symbol, oldest first."""
        return self._by_symbol

    @property
    def new_symbols(self) -> frozenset[str]:
        """Symbols that shares come to be held under by a spin-off or a symbol change."""
        return frozenset(
            action.new_symbol
            for actions in self._by_symbol.values()
            for action in actions
            if isinstance(action, SpinOff | SymbolChange)
        )


def _place(action: CorporateAction) -> tuple[dt.date, int, str]:
    kind = str(type(action).__struct_config__.tag)
    return ex_date_of(action), _ORDER.index(kind), action.symbol


def read_corporate_actions(
    settings: FileCorporateActions, currency: str, sessions: Sequence[dt.date]
) -> CorporateActions:
    """The actions of a file, for a portfolio in `currency`.

    `sessions` are the calendar's, ascending; actions dated outside of them are checked but not
    used. A file with a header alone holds no actions.

    Raises InputError for a file that is missing, damaged or of an unknown kind; a missing column;
    an unknown action; a cell that its action needs and does not have, or has and does not know; an
    ex-date that is no session; a pay date before it; shares that are no whole numbers above 0, or
    1 for 1; amounts, prices and fractions out of their range; another currency; and an action that
    stands there twice.
    """
    table = read_table(
        settings.path, REQUIRED, sheet=None, remedy=REMEDY, optional=OPTIONAL, may_be_empty=True
    )
    seen: dict[tuple[object, ...], int] = {}
    actions: list[CorporateAction] = []
    for row in table.rows:
        reader = _RowReader(table.name, row, currency)
        action, session = reader.action(), reader.session(sessions)
        identity = (session, action.symbol, type(action))
        other = seen.setdefault(identity, row.number)
        if other != row.number:
            reader.refuse(
                action.symbol,
                f"a symbol must have one {reader.text('action')} for each ex-date, and row "
                f"{other} gives one",
                "Remove one of the two rows; a special dividend is added to the regular one's "
                "amount",
            )
        if sessions and sessions[0] <= session <= sessions[-1]:
            actions.append(action)
    return CorporateActions(actions, table.name, table.sha256)


class _RowReader:
    """One row's cells by name; what is wrong with one is an InputError that names it."""

    def __init__(self, file: str, row: Row, currency: str) -> None:
        self._file = file
        self._number = row.number
        self._portfolio_currency = currency
        self._cells = dict(zip((*REQUIRED, *OPTIONAL), row.cells, strict=True))

    def refuse(self, value: object, rule: str, remedy: str) -> NoReturn:
        """Raise for this row."""
        raise InputError(file=self._file, row=self._number, value=value, rule=rule, remedy=remedy)

    def action(self) -> CorporateAction:
        """The row's action, every cell of it checked but the session of its date."""
        kind = self.text("action")
        if kind not in _BUILDERS:
            self.refuse(
                kind,
                f"action must be one of {', '.join(_BUILDERS)}",
                "Correct it, or remove the row",
            )
        builder, columns = _BUILDERS[kind]
        for column in OPTIONAL:
            if column not in (*columns, "currency") and self._is_given(column):
                self.refuse(
                    self._cells[column], f"a {kind} has no {column}", "Leave the cell empty"
                )
        self._require_currency()
        return builder(self)

    def text(self, column: str) -> str:
        """The cell's text, which must not be empty."""
        cell = self._cells[column]
        if is_blank(cell):
            what = f"a {self._cells['action']} needs {column}" if column in OPTIONAL else column
            self.refuse(cell, f"{what}, which must not be empty", "Fill it in, or remove the row")
        return str(cell).strip()

    def _is_given(self, column: str) -> bool:
        return not is_blank(self._cells[column])

    def date(self, column: str) -> dt.date:
        """The cell's date."""
        self.text(column)
        date = parse_date(self._cells[column])
        if date is None:
            self.refuse(self._cells[column], f"{column} must be a date", "Write it as YYYY-MM-DD")
        return date

    def session(self, sessions: Sequence[dt.date]) -> dt.date:
        """The ex-date, which must be a session where the calendar covers it."""
        date = self.date("ex_date")
        if not sessions or not sessions[0] <= date <= sessions[-1]:
            return date
        place = bisect_left(sessions, date)
        if sessions[place] != date:
            self.refuse(
                self.text("ex_date"),
                "ex_date must be a session of the calendar (the nearest are "
                f"{sessions[place - 1]} and {sessions[place]})",
                "Correct the date: an action takes effect at the open of a session",
            )
        return date

    def pay_date(self) -> dt.date | None:
        """When the dividend is paid; None where it is not known."""
        if not self._is_given("pay_date"):
            return None
        date, ex_date = self.date("pay_date"), self.date("ex_date")
        if date < ex_date:
            self.refuse(
                self.text("pay_date"),
                f"pay_date must not be before the ex-date, {ex_date}",
                "Correct one of the two dates, or leave pay_date empty where it is unknown",
            )
        return date

    def number(self, column: str, rule: str, accept: Callable[[Decimal], bool]) -> Decimal:
        """The cell's number, which `accept` must take; `rule` says what it takes."""
        text = self.text(column)
        number = parse_decimal(self._cells[column])
        if number is None or not accept(number):
            self.refuse(text, f"{column} must be {rule}", "Correct the number, or remove the row")
        return number

    def money_per_share(self, column: str, *, may_be_zero: bool = False) -> Decimal:
        """Money per share in the portfolio's currency."""
        rule = "a number of at least 0" if may_be_zero else "a number above 0"
        amount = self.number(column, rule, lambda n: n > 0 or (may_be_zero and n == 0))
        if not self._is_given("currency"):
            return amount
        return in_major_unit(amount, self.text("currency"))[0]

    def cash_in_lieu_price(self) -> Decimal | None:
        """What a fraction of a share is paid out at; None where fractions are kept."""
        if not self._is_given("cash_in_lieu_price"):
            return None
        return self.money_per_share("cash_in_lieu_price", may_be_zero=True)

    def shares(self, *, may_be_equal: bool) -> tuple[int, int]:
        """(new shares, old shares)."""
        new, old = (
            int(self.number(column, "a whole number above 0", _is_positive_whole))
            for column in ("new_shares", "old_shares")
        )
        if new == old and not may_be_equal:
            self.refuse(
                f"{new}:{old}",
                "a split must change the number of shares",
                "Correct new_shares and old_shares (4 for 1 is 4 and 1), or remove the row",
            )
        return new, old

    def new_symbol(self) -> str:
        """The other symbol."""
        name = self.text("new_symbol")
        if name == self.text("symbol"):
            self.refuse(
                name, "new_symbol must be another symbol than symbol", "Correct one of the two"
            )
        return name

    def _require_currency(self) -> None:
        if not self._is_given("currency"):
            return
        name = self.text("currency")
        if MINOR_UNITS.get(name, name) != self._portfolio_currency:
            self.refuse(
                name,
                "amounts must be in the portfolio's currency, "
                f"{self._portfolio_currency}, or its minor unit",
                "Convert them, or correct the portfolio's currency",
            )

    def currency(self) -> str:
        """ISO 4217 code of the amounts."""
        name = self.text("currency")
        return MINOR_UNITS.get(name, name)


def _is_positive_whole(number: Decimal) -> bool:
    return number > 0 and number == number.to_integral_value()


def _dividend(row: _RowReader) -> CorporateAction:
    return Dividend(
        symbol=row.text("symbol"),
        ex_date=row.date("ex_date"),
        amount_per_share=row.money_per_share("amount_per_share"),
        currency=row.currency(),
        pay_date=row.pay_date(),
    )


def _spin_off(row: _RowReader) -> CorporateAction:
    new_shares, old_shares = row.shares(may_be_equal=True)
    return SpinOff(
        symbol=row.text("symbol"),
        ex_date=row.date("ex_date"),
        new_symbol=row.new_symbol(),
        new_shares=new_shares,
        old_shares=old_shares,
        basis_fraction=row.number(
            "basis_fraction", "a fraction from 0 to 1", lambda number: 0 <= number <= 1
        ),
        cash_in_lieu_price=row.cash_in_lieu_price(),
    )


def _split(row: _RowReader) -> CorporateAction:
    new_shares, old_shares = row.shares(may_be_equal=False)
    return Split(
        symbol=row.text("symbol"),
        ex_date=row.date("ex_date"),
        new_shares=new_shares,
        old_shares=old_shares,
        cash_in_lieu_price=row.cash_in_lieu_price(),
    )


def _stock_dividend(row: _RowReader) -> CorporateAction:
    new_shares, old_shares = row.shares(may_be_equal=True)
    return StockDividend(
        symbol=row.text("symbol"),
        ex_date=row.date("ex_date"),
        new_shares=new_shares,
        old_shares=old_shares,
        cash_in_lieu_price=row.cash_in_lieu_price(),
    )


def _symbol_change(row: _RowReader) -> CorporateAction:
    return SymbolChange(
        symbol=row.text("symbol"), effective_date=row.date("ex_date"), new_symbol=row.new_symbol()
    )


def _cash_merger(row: _RowReader) -> CorporateAction:
    return CashMerger(
        symbol=row.text("symbol"),
        effective_date=row.date("ex_date"),
        price=row.money_per_share("price"),
    )


def _delisting(row: _RowReader) -> CorporateAction:
    return Delisting(
        symbol=row.text("symbol"),
        effective_date=row.date("ex_date"),
        price=row.money_per_share("price", may_be_zero=True),
    )


_RATIO = ("new_shares", "old_shares", "cash_in_lieu_price")
_BUILDERS: dict[str, tuple[Callable[[_RowReader], CorporateAction], tuple[str, ...]]] = {
    "split": (_split, _RATIO),
    "stock_dividend": (_stock_dividend, _RATIO),
    "spin_off": (_spin_off, ("new_symbol", "basis_fraction", *_RATIO)),
    "dividend": (_dividend, ("amount_per_share", "pay_date")),
    "symbol_change": (_symbol_change, ("new_symbol",)),
    "cash_merger": (_cash_merger, ("price",)),
    "delisting": (_delisting, ("price",)),
}
"""What makes each kind of action, and the columns it knows."""
_ORDER = tuple(_BUILDERS)
"""Within a session: first what changes the shares, then what is counted in them, then their end."""
