"""Corporate actions from a file: what each kind needs, and what is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from trading_assets.errors import InputError
from trading_assets.market_data.corporate_actions import CorporateActions, read_corporate_actions
from trading_assets.model.corporate_actions import (
    CashMerger,
    Delisting,
    Dividend,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.settings import FileCorporateActions

# The week of Martin Luther King Day: Monday 2021-01-18 is no session.
THURSDAY, FRIDAY, TUESDAY, WEDNESDAY = (dt.date(2021, 1, day) for day in (14, 15, 19, 20))
SESSIONS = (THURSDAY, FRIDAY, TUESDAY, WEDNESDAY)
HEADER = (
    "ex_date,symbol,action,amount_per_share,currency,pay_date,new_shares,old_shares,new_symbol,"
    "basis_fraction,price,cash_in_lieu_price\n"
)


def _read(folder: Path, text: str, currency: str = "USD") -> CorporateActions:
    path = folder / "actions.csv"
    path.write_text(text, encoding="utf-8")
    return read_corporate_actions(FileCorporateActions(path=path), currency, SESSIONS)


def _refusal(folder: Path, rows: str, header: str = HEADER) -> InputError:
    with pytest.raises(InputError) as caught:
        _read(folder, header + rows)
    return caught.value


def test_each_kind_of_action_is_read_with_what_it_needs(tmp_path: Path) -> None:
    actions = _read(
        tmp_path,
        HEADER
        + "2021-01-14,KO,dividend,0.41,USD,2021-04-01,,,,,,\n"
        + "2021-01-14,AAPL,split,,,,4,1,,,,\n"
        + "2021-01-14,TR,stock_dividend,,,,3,100,,,,31.5\n"
        + "2021-01-15,IBM,spin_off,,USD,,1,5,KD,0.04,,17.2\n"
        + "2021-01-19,FB,symbol_change,,,,,,META,,,\n"
        + "2021-01-19,TIF,cash_merger,,USD,,,,,,131.5,\n"
        + "2021-01-20,LEH,delisting,,,,,,,,0,\n",
    )
    assert actions.of(THURSDAY) == (
        Split(symbol="AAPL", ex_date=THURSDAY, new_shares=4, old_shares=1),
        StockDividend(
            symbol="TR",
            ex_date=THURSDAY,
            new_shares=3,
            old_shares=100,
            cash_in_lieu_price=Decimal("31.5"),
        ),
        Dividend(
            symbol="KO",
            ex_date=THURSDAY,
            amount_per_share=Decimal("0.41"),
            currency="USD",
            pay_date=dt.date(2021, 4, 1),
        ),
    )
    assert actions.of(FRIDAY) == (
        SpinOff(
            symbol="IBM",
            ex_date=FRIDAY,
            new_symbol="KD",
            new_shares=1,
            old_shares=5,
            basis_fraction=Decimal("0.04"),
            cash_in_lieu_price=Decimal("17.2"),
        ),
    )
    assert actions.of(TUESDAY) == (
        SymbolChange(symbol="FB", effective_date=TUESDAY, new_symbol="META"),
        CashMerger(symbol="TIF", effective_date=TUESDAY, price=Decimal("131.5")),
    )
    assert actions.of(WEDNESDAY) == (
        Delisting(symbol="LEH", effective_date=WEDNESDAY, price=Decimal(0)),
    )
    assert actions.of(dt.date(2021, 1, 21)) == ()
    assert actions.new_symbols == {"KD", "META"}
    assert (actions.name, len(actions.sha256)) == ("actions.csv", 64)


def test_columns_that_no_action_needs_may_be_absent(tmp_path: Path) -> None:
    text = "symbol,ex_date,action,currency,amount_per_share\nKO,2021-01-14,dividend,USD,0.41\n"
    (dividend,) = _read(tmp_path, text).of(THURSDAY)
    assert dividend == Dividend(
        symbol="KO", ex_date=THURSDAY, amount_per_share=Decimal("0.41"), currency="USD"
    )


def test_a_header_alone_is_no_action(tmp_path: Path) -> None:
    assert _read(tmp_path, HEADER).by_symbol == {}


def test_actions_outside_of_the_calendar_are_checked_and_not_used(tmp_path: Path) -> None:
    row = "2031-01-02,AAPL,split,,,,4,1,,,,\n"
    assert _read(tmp_path, HEADER + row).by_symbol == {}
    assert _refusal(tmp_path, row.replace(",4,1,", ",4,0,")).row == 2


def test_amounts_in_pence_become_pounds(tmp_path: Path) -> None:
    text = (
        HEADER + "2021-01-14,VOD,dividend,4.5,GBX,,,,,,,\n2021-01-14,X,delisting,,GBp,,,,,,150,\n"
    )
    dividend, delisting = _read(tmp_path, text, "GBP").of(THURSDAY)
    assert isinstance(dividend, Dividend)
    assert (dividend.amount_per_share, dividend.currency) == (Decimal("0.045"), "GBP")
    assert isinstance(delisting, Delisting)
    assert delisting.price == Decimal("1.5")


@pytest.mark.parametrize(
    ("row", "value", "rule"),
    [
        ("2021-01-14,KO,rights_issue,,,,,,,,,", "rights_issue", "action must be one of split, "),
        ("2021-01-18,KO,split,,,,2,1,,,,", "2021-01-18", "nearest are 2021-01-15 and 2021-01-19"),
        ("soon,KO,split,,,,2,1,,,,", "soon", "ex_date must be a date"),
        (",KO,split,,,,2,1,,,,", "", "ex_date, which must not be empty"),
        ("2021-01-14,,split,,,,2,1,,,,", "", "symbol, which must not be empty"),
        ("2021-01-14,KO,split,,,,2,,,,,", "", "a split needs old_shares"),
        ("2021-01-14,KO,split,,,,2,-1,,,,", "-1", "old_shares must be a whole number above 0"),
        ("2021-01-14,KO,split,,,,1.5,1,,,,", "1.5", "new_shares must be a whole number above 0"),
        ("2021-01-14,KO,split,,,,2,2,,,,", "2:2", "a split must change the number of shares"),
        ("2021-01-14,KO,split,,,,2,1,,,5,", "5", "a split has no price"),
        ("2021-01-14,KO,dividend,,USD,,,,,,,", "", "a dividend needs amount_per_share"),
        ("2021-01-14,KO,dividend,0.41,,,,,,,,", "", "a dividend needs currency"),
        ("2021-01-14,KO,dividend,0,USD,,,,,,,", "0", "amount_per_share must be a number above 0"),
        ("2021-01-14,KO,dividend,NaN,USD,,,,,,,", "NaN", "must be a number above 0"),
        ("2021-01-14,KO,dividend,0.41,EUR,,,,,,,", "EUR", "in the portfolio's currency, USD"),
        (
            "2021-01-14,KO,dividend,0.41,USD,2021-01-13,,,,,,",
            "2021-01-13",
            "pay_date must not be before the ex-date, 2021-01-14",
        ),
        ("2021-01-14,KO,symbol_change,,,,,,KO,,,", "KO", "new_symbol must be another symbol"),
        ("2021-01-14,KO,spin_off,,,,1,2,NEW,1.2,,", "1.2", "a fraction from 0 to 1"),
        ("2021-01-14,KO,spin_off,,,,1,2,NEW,,,", "", "a spin_off needs basis_fraction"),
        ("2021-01-14,KO,cash_merger,,,,,,,,0,", "0", "price must be a number above 0"),
        ("2021-01-14,KO,delisting,,,,,,,,-1,", "-1", "price must be a number of at least 0"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_with_its_value(
    tmp_path: Path, row: str, value: str, rule: str
) -> None:
    error = _refusal(tmp_path, "2021-01-15,AAPL,split,,,,4,1,,,,\n" + row + "\n")
    assert (error.file, error.row) == ("actions.csv", 3)
    assert str(error.value or "") == value
    assert rule in error.rule
    assert error.remedy


def test_an_action_that_stands_there_twice_names_both_rows(tmp_path: Path) -> None:
    row = "2021-01-14,KO,dividend,0.41,USD,,,,,,,\n"
    error = _refusal(tmp_path, row + "2021-01-15,KO,dividend,1,USD,,,,,,,\n" + row)
    assert (error.row, error.value) == (4, "KO")
    assert "one dividend for each ex-date, and row 2 gives one" in error.rule


def test_a_missing_file_or_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv.*must exist.*corporate_actions\.path"):
        read_corporate_actions(FileCorporateActions(path=tmp_path / "gone.csv"), "USD", SESSIONS)
    error = _refusal(tmp_path, "2021-01-14,KO\n", "ex_date,symbol\n")
    assert error.value == "action"
