"""Signal files as strategy authors write them, right and wrong."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from trading_assets.errors import InputError
from trading_assets.signal_files import id_key, read_signal_file
from trading_assets.signal_settings import ColumnMapping, IdMapping, StrategySettings

DECEMBER = dt.date(2020, 12, 31)
JANUARY = dt.date(2021, 1, 29)
GOOD = "trade_date,asset_id,weight\n2020-12-31,MSFT,0.6\n2020-12-31,AAPL,0.4\n"
MAPPING = "gvkey,ticker\n001690,AAPL\n012141,MSFT\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory: the folder that holds portfolios/."""
    (tmp_path / "portfolios").mkdir()
    (tmp_path / "raw_signals").mkdir()
    return tmp_path


def _strategy(path: Path, **settings: Any) -> StrategySettings:
    return StrategySettings(id="value", path=path, **settings)


def _csv(data: Path, text: str, **settings: Any) -> StrategySettings:
    path = data / "raw_signals" / "value.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return _strategy(path, **settings)


def _mapped(data: Path, signals: str, mapping: str = MAPPING) -> StrategySettings:
    path = data / "ids.csv"
    path.write_text(mapping, encoding="utf-8")
    ids = IdMapping(path=path, asset_id="gvkey", symbol="ticker")
    return _csv(data, "trade_date,asset_id,weight\n" + signals, id_mapping=ids)


def _excel(data: Path, rows: list[list[object]], sheet: str = "signals") -> Path:
    workbook = Workbook()
    workbook.create_sheet("notes", 0)
    worksheet = workbook.create_sheet(sheet, 1)
    for row in rows:
        worksheet.append(row)
    path = data / "raw_signals" / "value.xlsx"
    workbook.save(path)
    return path


def _refusal(strategy: StrategySettings) -> InputError:
    with pytest.raises(InputError) as caught:
        read_signal_file(strategy)
    return caught.value


def test_rows_are_exact_sorted_and_keep_their_line(data: Path) -> None:
    strategy = _csv(data, GOOD + "2021-01-29,XOM,1\n")

    found = read_signal_file(strategy)

    assert [(row.trade_date, row.symbol, row.weight, row.row) for row in found.rows] == [
        (DECEMBER, "AAPL", Decimal("0.4"), 3),
        (DECEMBER, "MSFT", Decimal("0.6"), 2),
        (JANUARY, "XOM", Decimal(1), 4),
    ]
    assert found.trade_dates == (DECEMBER, JANUARY)
    assert [row.symbol for row in found.rows_of(JANUARY)] == ["XOM"]
    assert {row.strategy_id for row in found.rows} == {"value"}
    assert found.sha256 == hashlib.sha256(strategy.path.read_bytes()).hexdigest()


def test_the_name_is_relative_to_the_data_directory(data: Path) -> None:
    assert read_signal_file(_csv(data, GOOD)).name == "raw_signals/value.csv"


def test_a_file_outside_a_data_directory_goes_by_its_bare_name(tmp_path: Path) -> None:
    path = tmp_path / "value.csv"
    path.write_text(GOOD, encoding="utf-8")

    assert read_signal_file(_strategy(path)).name == "value.csv"


def test_columns_have_the_names_that_the_settings_say(data: Path) -> None:
    columns = ColumnMapping(trade_date="day", asset_id="ticker", weight="w")

    found = read_signal_file(_csv(data, "w,day,ticker,note\n1,20201231,KO,x\n", columns=columns))

    assert [(row.trade_date, row.symbol, row.weight) for row in found.rows] == [
        (DECEMBER, "KO", Decimal(1))
    ]


def test_excel_line_ends_byte_order_mark_and_empty_lines_do_no_harm(data: Path) -> None:
    text = "\ufefftrade_date,asset_id,weight\r\n\r\n2020-12-31 00:00:00, KO ,1.0\r\n,,\r\n"

    found = read_signal_file(_csv(data, text))

    assert [(row.symbol, row.row) for row in found.rows] == [("KO", 3)]


def test_tickers_that_look_like_missing_values_are_tickers(data: Path) -> None:
    found = read_signal_file(
        _csv(data, "trade_date,asset_id,weight\n2020-12-31,NA,0.5\n2020-12-31,TRUE,0.5\n")
    )

    assert [row.symbol for row in found.rows] == ["NA", "TRUE"]


def test_weights_keep_ten_decimals_rounded_half_to_even(data: Path) -> None:
    found = read_signal_file(
        _csv(
            data,
            "trade_date,asset_id,weight\n2020-12-31,A,0.33333333335\n2020-12-31,B,6.666666666E-1\n",
        )
    )

    assert [row.weight for row in found.rows] == [Decimal("0.3333333334"), Decimal("0.6666666666")]


def test_a_mapped_id_keeps_its_leading_zeros(data: Path) -> None:
    found = read_signal_file(_mapped(data, "2020-12-31,001690,0.5\n2020-12-31,012141,0.5\n"))

    assert [(row.asset_id, row.symbol) for row in found.rows] == [
        ("001690", "AAPL"),
        ("012141", "MSFT"),
    ]


def test_excel_cells_are_read_as_a_person_sees_them(data: Path) -> None:
    (data / "ids.csv").write_text(MAPPING, encoding="utf-8")
    path = _excel(
        data,
        [
            ["trade_date", "asset_id", "weight"],
            [dt.datetime.combine(DECEMBER, dt.time()), 1690, 0.1],
            [dt.date(2020, 12, 31), "012141", 0.2 + 0.7],
        ],
    )
    ids = IdMapping(path=data / "ids.csv", asset_id="gvkey", symbol="ticker")

    found = read_signal_file(_strategy(path, sheet="signals", id_mapping=ids))

    # 0.2 + 0.7 is 0.8999999999999999 in binary; ten decimals make it 0.9 again.
    assert [(row.trade_date, row.asset_id, row.symbol, row.weight) for row in found.rows] == [
        (DECEMBER, "001690", "AAPL", Decimal("0.1")),
        (DECEMBER, "012141", "MSFT", Decimal("0.9")),
    ]


def test_parquet_dates_numbers_and_decimals(data: Path) -> None:
    path = data / "raw_signals" / "value.parquet"
    table = pa.table(
        {
            "trade_date": pa.array([DECEMBER, DECEMBER], pa.date32()),
            "asset_id": ["KO", "PEP"],
            "weight": pa.array([Decimal("0.25"), Decimal("0.75")], pa.decimal128(12, 6)),
        }
    )
    pq.write_table(table, path)

    found = read_signal_file(_strategy(path))

    assert [(row.symbol, row.weight, row.row) for row in found.rows] == [
        ("KO", Decimal("0.25"), 2),
        ("PEP", Decimal("0.75"), 3),
    ]


def test_parquet_time_stamps_at_midnight_are_dates(data: Path) -> None:
    path = data / "raw_signals" / "value.parquet"
    stamps = pa.array([DECEMBER]).cast(pa.timestamp("ns"))
    pq.write_table(pa.table({"trade_date": stamps, "asset_id": ["KO"], "weight": [1.0]}), path)

    assert read_signal_file(_strategy(path)).trade_dates == (DECEMBER,)


@pytest.mark.parametrize("spelling", ["001690", "1690", " 1690.0", 1690, 1690.0])
def test_an_id_of_digits_is_the_same_number_however_it_is_spelled(spelling: object) -> None:
    assert id_key(spelling) == "1690"


@pytest.mark.parametrize("text", ["BRK.B", "0.5", "US0378331005", "aapl"])
def test_any_other_id_is_its_own_text(text: str) -> None:
    assert id_key(text) == text


def test_without_a_mapping_a_symbol_of_digits_keeps_its_zeros(data: Path) -> None:
    found = read_signal_file(_csv(data, "trade_date,asset_id,weight\n2020-12-31,0005,1\n"))

    assert found.rows[0].symbol == "0005"


def test_a_missing_file_is_named_with_what_to_do(data: Path) -> None:
    assert str(_refusal(_strategy(data / "raw_signals" / "gone.csv"))) == (
        "raw_signals/gone.csv: the file must exist. "
        "Put the signals of strategy value there, or correct its `path`."
    )


def test_a_folder_is_no_signal_file(data: Path) -> None:
    assert "must be readable" in _refusal(_strategy(data / "raw_signals")).rule


@pytest.mark.parametrize("text", ["", "trade_date,asset_id,weight\n", "\n\n"])
def test_an_empty_file_is_refused(data: Path, text: str) -> None:
    error = _refusal(_csv(data, text))

    assert error.file == "raw_signals/value.csv"


def test_an_unknown_suffix_is_refused(data: Path) -> None:
    path = data / "value.ods"
    path.write_bytes(b"x")

    error = _refusal(_strategy(path))

    assert (error.value, error.rule) == (
        ".ods",
        "the file's suffix must be .csv, .xlsx or .parquet",
    )


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
def test_damaged_bytes_are_refused(data: Path, suffix: str) -> None:
    path = data / f"value.{suffix}"
    path.write_bytes(b"\xff\xfe\x00 not a table")

    assert "must be readable as" in _refusal(_strategy(path)).rule


def test_a_truncated_workbook_is_refused(data: Path) -> None:
    path = _excel(data, [["trade_date", "asset_id", "weight"], ["2020-12-31", "KO", 1]])
    path.write_bytes(path.read_bytes()[:2000])

    assert "must be readable as an Excel workbook" in _refusal(_strategy(path)).rule


def test_a_missing_worksheet_names_those_there_are(data: Path) -> None:
    path = _excel(data, [["trade_date", "asset_id", "weight"], ["2020-12-31", "KO", 1]])

    error = _refusal(_strategy(path, sheet="Sheet9"))

    assert (error.value, error.rule) == (
        "Sheet9",
        "the worksheet must be there (found: notes, signals, Sheet)",
    )


def test_a_worksheet_of_a_csv_file_is_refused(data: Path) -> None:
    error = _refusal(_csv(data, GOOD, sheet="signals"))

    assert (error.value, error.rule) == ("signals", "only an Excel workbook has worksheets")


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("date,asset_id,weight", "trade_date"),
        ("trade_date,asset_id,weights", "weight"),
        ("trade_date,asset_id,weight,weight", "weight"),
        ("trade_date;asset_id;weight", "trade_date"),
    ],
)
def test_a_column_must_be_there_once(data: Path, header: str, column: str) -> None:
    error = _refusal(_csv(data, f"{header}\n2020-12-31,KO,1\n"))

    assert (error.row, error.value) == (1, column)
    assert header.split(",")[0] in error.rule


@pytest.mark.parametrize(
    ("line", "value", "rule"),
    [
        (",KO,1", "", "trade_date must be a date"),
        ("31/12/2020,KO,1", "31/12/2020", "trade_date must be a date"),
        ("2020-02-30,KO,1", "2020-02-30", "trade_date must be a date"),
        ("2020-12-31 16:00,KO,1", "2020-12-31 16:00", "trade_date must be a date"),
        ("2020-12-31, ,1", "", "asset_id must be text"),
        ("2020-12-31,KO,", "", "weight must be a finite number"),
        ("2020-12-31,KO", "", "weight must be a finite number"),
        ("2020-12-31,KO,nan", "nan", "weight must be a finite number"),
        ("2020-12-31,KO,-inf", "-inf", "weight must be a finite number"),
        ("2020-12-31,KO,100%", "100%", "weight must be a finite number"),
        ("2020-12-31,KO,1_0", "1_0", "weight must be a finite number"),
        ("2020-12-31,KO,1e500", "1e500", "weight must be a finite number"),
        ("2020-12-31,KO,1,5", "5", "a row must not have more cells than the header"),
    ],
)
def test_a_wrong_cell_is_named_with_its_row(data: Path, line: str, value: str, rule: str) -> None:
    error = _refusal(_csv(data, f"{GOOD}\n{line}\n", expected_weight_sum=None))

    assert (error.row, error.value) == (5, value)
    assert error.rule.startswith(rule)
    assert error.remedy


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ([dt.datetime.combine(DECEMBER, dt.time(16)), "KO", 1], "trade_date must be a date"),
        ([None, "KO", 1], "trade_date must be a date"),
        ([True, "KO", 1], "trade_date must be a date"),
        (["2020-12-31", True, 1], "asset_id must be text"),
        (["2020-12-31", "KO", "#N/A"], "weight must be a finite number"),
        (["2020-12-31", "KO", True], "weight must be a finite number"),
    ],
)
def test_a_wrong_excel_cell_is_named(data: Path, cells: list[object], rule: str) -> None:
    path = _excel(data, [["trade_date", "asset_id", "weight"], cells])

    error = _refusal(_strategy(path, sheet="signals"))

    assert error.row == 2
    assert error.rule.startswith(rule)


def test_nan_in_parquet_is_no_weight(data: Path) -> None:
    path = data / "value.parquet"
    table = {"trade_date": [DECEMBER], "asset_id": ["KO"], "weight": [float("nan")]}
    pq.write_table(pa.table(table), path)

    assert (_refusal(_strategy(path)).row, _refusal(_strategy(path)).value) == (2, "")


def test_an_asset_twice_on_a_date_names_both_rows(data: Path) -> None:
    error = _refusal(_csv(data, GOOD + "2020-12-31,MSFT,0\n"))

    assert (error.row, error.value) == (4, "MSFT")
    assert error.rule == (
        "an asset must have one weight on 2020-12-31, and row 2 gives one already"
    )


def test_an_id_that_the_mapping_does_not_have_is_refused(data: Path) -> None:
    error = _refusal(_mapped(data, "2020-12-31,001690,0.5\n2020-12-31,999999,0.5\n"))

    assert (error.file, error.row, error.value) == ("raw_signals/value.csv", 3, "999999")
    assert error.rule == "the asset id must be in the strategy's id mapping"


def test_an_id_twice_in_the_mapping_names_both_rows(data: Path) -> None:
    error = _refusal(_mapped(data, "2020-12-31,001690,1\n", MAPPING + "1690,APPL\n"))

    assert (error.file, error.row, error.value) == ("ids.csv", 4, "1690")
    assert error.rule == "an asset id must have one row, and row 2 has it already"


def test_a_mapping_without_a_symbol_is_refused(data: Path) -> None:
    error = _refusal(_mapped(data, "2020-12-31,001690,1\n", "gvkey,ticker\n001690,\n"))

    assert (error.file, error.row) == ("ids.csv", 2)
    assert error.rule.startswith("ticker must be text")


def test_a_missing_mapping_file_is_refused(data: Path) -> None:
    strategy = _csv(data, GOOD, id_mapping=IdMapping(path=data / "gone.csv"))

    assert _refusal(strategy).file == "gone.csv"


def test_two_ids_of_one_symbol_on_a_date_name_both_rows(data: Path) -> None:
    error = _refusal(
        _mapped(
            data,
            "2020-12-31,001690,0.5\n2020-12-31,900002,0.5\n",
            MAPPING + "900002,AAPL\n",
        )
    )

    assert (error.row, error.value) == (3, "900002")
    assert error.rule == (
        "an asset must have one weight on 2020-12-31, and row 2 gives one to 001690, also AAPL"
    )
    assert error.remedy == "Correct the id mapping"


def test_two_ids_of_one_symbol_on_different_dates_are_fine(data: Path) -> None:
    strategy = _mapped(
        data, "2020-12-31,001690,1\n2021-01-29,900002,1\n", MAPPING + "900002,AAPL\n"
    )

    assert [row.asset_id for row in read_signal_file(strategy).rows] == ["001690", "900002"]


def test_weights_that_do_not_add_up_name_the_date_and_the_sum(data: Path) -> None:
    error = _refusal(_csv(data, GOOD + "2021-01-29,KO,0.5\n2021-01-29,PEP,0.498\n"))

    assert (error.row, error.value) == (4, "0.998")
    assert error.rule == "the weights of 2021-01-29 must add up to 1 within 0.001"


def test_a_sum_at_the_edge_of_the_tolerance_is_fine(data: Path) -> None:
    strategy = _csv(data, GOOD + "2021-01-29,KO,0.5\n2021-01-29,PEP,0.499\n")

    assert len(read_signal_file(strategy).rows) == 4


def test_a_dollar_neutral_strategy_adds_up_to_0(data: Path) -> None:
    text = "trade_date,asset_id,weight\n2020-12-31,KO,0.5\n2020-12-31,PEP,-.5\n"

    found = read_signal_file(_csv(data, text, expected_weight_sum=Decimal(0)))

    assert [row.weight for row in found.rows] == [Decimal("0.5"), Decimal("-0.5")]


def test_a_strategy_that_may_hold_cash_has_no_sum_to_meet(data: Path) -> None:
    text = "trade_date,asset_id,weight\n2020-12-31,KO,0.3\n"

    assert len(read_signal_file(_csv(data, text, expected_weight_sum=None)).rows) == 1
