"""Closes from a price file: what is known before a session, and at its close."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trading_assets.errors import InputError
from trading_assets.market_data.corporate_actions import CorporateActions
from trading_assets.market_data.files import FilePriceSource
from trading_assets.model.corporate_actions import (
    CorporateAction,
    Dividend,
    Split,
    SymbolChange,
)
from trading_assets.settings import FilePrices

# The week of Martin Luther King Day: Monday 2021-01-18 is no session.
THURSDAY, FRIDAY, TUESDAY, WEDNESDAY = (dt.date(2021, 1, day) for day in (14, 15, 19, 20))
SESSIONS = (THURSDAY, FRIDAY, TUESDAY, WEDNESDAY)
CLOSES = """session,symbol,close
2021-01-14,AAPL,127.10
2021-01-14,XOM,45.5
2021-01-15,AAPL,125.35
2021-01-19,AAPL,126.05
2021-01-19,SP500,3798.91
2021-01-20,XOM,46.25
"""


def _source(
    folder: Path, text: str = CLOSES, benchmark: str | None = None, currency: str = "USD"
) -> FilePriceSource:
    path = folder / "closes.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return FilePriceSource(FilePrices(path=path, benchmark_symbol=benchmark), currency, SESSIONS)


def _refusal(folder: Path, text: str, benchmark: str | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        _source(folder, text, benchmark)
    return caught.value


def test_before_a_session_only_earlier_closes_are_known(tmp_path: Path) -> None:
    snapshot = _source(tmp_path).before(TUESDAY, ["AAPL"])

    price = snapshot.prices["AAPL"]
    assert (snapshot.session, snapshot.missing) == (TUESDAY, ())
    assert (price.price, price.session, price.age_sessions) == (Decimal("125.35"), FRIDAY, 0)
    assert price.reference_price == Decimal("127.10")
    assert (price.currency, price.source, price.volume) == ("USD", "closes.csv", None)


def test_age_counts_sessions_without_a_close(tmp_path: Path) -> None:
    snapshot = _source(tmp_path).before(WEDNESDAY, ["XOM"])

    # Closes are missing for Friday and Tuesday; the holiday between them does not count.
    assert snapshot.prices["XOM"].age_sessions == 2
    assert snapshot.prices["XOM"].session == THURSDAY
    assert snapshot.prices["XOM"].reference_price is None


def test_a_symbol_without_an_earlier_close_is_listed_as_missing(tmp_path: Path) -> None:
    snapshot = _source(tmp_path).before(TUESDAY, ["SP500", "AAPL", "NONE", "NONE"])

    assert list(snapshot.prices) == ["AAPL"]
    assert snapshot.missing == ("SP500", "NONE")


def test_before_the_first_session_nothing_is_known(tmp_path: Path) -> None:
    assert _source(tmp_path).before(THURSDAY, ["AAPL"]).missing == ("AAPL",)


def test_before_a_day_after_the_last_session_its_close_is_known(tmp_path: Path) -> None:
    price = _source(tmp_path).before(dt.date(2021, 1, 21), ["XOM", "AAPL"]).prices

    assert (price["XOM"].age_sessions, price["AAPL"].age_sessions) == (0, 1)


def test_at_the_close_only_the_sessions_own_close_counts(tmp_path: Path) -> None:
    snapshot = _source(tmp_path).at_close(WEDNESDAY, ["XOM", "AAPL"])

    price = snapshot.prices["XOM"]
    assert (price.price, price.session, price.age_sessions) == (Decimal("46.25"), WEDNESDAY, 0)
    assert price.reference_price == Decimal("45.5")
    assert snapshot.missing == ("AAPL",)


def test_a_holiday_has_no_close(tmp_path: Path) -> None:
    assert _source(tmp_path).at_close(dt.date(2021, 1, 18), ["AAPL"]).missing == ("AAPL",)


def test_the_benchmark_close_is_the_sessions_own(tmp_path: Path) -> None:
    source = _source(tmp_path, benchmark="SP500")

    assert source.benchmark_close(TUESDAY) == Decimal("3798.91")
    assert source.benchmark_close(WEDNESDAY) is None


def test_a_benchmark_has_a_price_like_any_symbol_so_that_it_can_be_held(tmp_path: Path) -> None:
    source = _source(tmp_path, benchmark="SP500")

    assert source.symbols == ("AAPL", "SP500", "XOM")
    snapshot = source.before(WEDNESDAY, source.symbols)
    assert snapshot.price_of("SP500") == Decimal("3798.91")


def test_without_a_benchmark_there_is_none(tmp_path: Path) -> None:
    assert _source(tmp_path).benchmark_close(TUESDAY) is None


def test_a_benchmark_that_the_file_does_not_have_is_refused(tmp_path: Path) -> None:
    error = _refusal(tmp_path, CLOSES, benchmark="SPX")

    assert (error.value, error.rule) == ("SPX", "the benchmark must be a symbol of the price file")


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    header, *rows = CLOSES.splitlines()
    turned = _source(tmp_path, "\n".join([header, *reversed(rows)]))

    assert turned.before(WEDNESDAY, ["AAPL", "XOM"]) == _source(tmp_path).before(
        WEDNESDAY, ["AAPL", "XOM"]
    )


def test_digest_and_name_identify_the_file(tmp_path: Path) -> None:
    (tmp_path / "portfolios").mkdir()
    (tmp_path / "market").mkdir()

    source = _source(tmp_path / "market")

    assert source.name == "market/closes.csv"
    assert source.sha256 == hashlib.sha256(CLOSES.encode()).hexdigest()


def test_volume_is_known_where_the_file_has_it(tmp_path: Path) -> None:
    text = "session,symbol,close,volume\n2021-01-14,KO,50,1200\n2021-01-14,PEP,140,\n"

    prices = _source(tmp_path, text).at_close(THURSDAY, ["KO", "PEP"]).prices

    assert (prices["KO"].volume, prices["PEP"].volume) == (Decimal(1200), None)


def test_rows_outside_the_calendars_range_are_not_used(tmp_path: Path) -> None:
    text = CLOSES + "2021-01-09,KO,50\n2021-01-21,AAPL,130\n"

    source = _source(tmp_path, text)

    prices = source.before(dt.date(2021, 1, 25), ["KO", "AAPL"])
    assert prices.missing == ("KO",)
    assert prices.prices["AAPL"].session == TUESDAY
    assert source.symbols == ("AAPL", "SP500", "XOM")


def test_a_compressed_file_gives_the_same_prices(tmp_path: Path) -> None:
    path = tmp_path / "closes.csv.gz"
    path.write_bytes(gzip.compress(CLOSES.encode()))

    source = FilePriceSource(FilePrices(path=path), "USD", SESSIONS)

    assert source.at_close(TUESDAY, ["AAPL"]).price_of("AAPL") == Decimal("126.05")


def test_parquet_numbers_are_taken_by_their_decimal_spelling(tmp_path: Path) -> None:
    path = tmp_path / "closes.parquet"
    table = {
        "session": pa.array([THURSDAY, FRIDAY]).cast(pa.timestamp("us")),
        "symbol": ["KO", "KO"],
        "close": [0.1, 2100.35],
        "volume": pa.array([7, None], pa.int64()),
    }
    pq.write_table(pa.table(table), path)

    price = FilePriceSource(FilePrices(path=path), "USD", SESSIONS).before(TUESDAY, ["KO"])

    assert price.prices["KO"].price == Decimal("2100.35")
    assert price.prices["KO"].reference_price == Decimal("0.1")


def test_a_missing_price_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^gone\.csv: the file must exist\. Put the price file"):
        FilePriceSource(FilePrices(path=tmp_path / "gone.csv"), "USD", SESSIONS)


@pytest.mark.parametrize("name", ["closes.csv.gz", "closes.parquet", "closes.csv", "closes.txt"])
def test_bytes_that_are_no_price_file_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"session,symbol,close\n2021-01-14,\xff\xfe,1\n")

    with pytest.raises(InputError, match=r"must be (readable as|\.csv)"):
        FilePriceSource(FilePrices(path=path), "USD", SESSIONS)


@pytest.mark.parametrize("text", ["", "session,symbol,close\n"])
def test_a_file_without_prices_is_refused(tmp_path: Path, text: str) -> None:
    assert _refusal(tmp_path, text).file == "closes.csv"


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("date,symbol,close", "session"),
        ("session,symbol,price", "close"),
        ("session,symbol,close,close", "close"),
    ],
)
def test_a_price_column_must_be_there_once(tmp_path: Path, header: str, column: str) -> None:
    cells = ",".join(["2021-01-14", "KO", "50", "50"][: header.count(",") + 1])

    error = _refusal(tmp_path, f"{header}\n{cells}\n")

    assert (error.row, error.value) == (1, column)


@pytest.mark.parametrize(
    ("line", "value", "rule"),
    [
        ("2021-01-19,KO,0", "0", "close must be a positive number"),
        ("2021-01-19,KO,-1.5", "-1.5", "close must be a positive number"),
        ("2021-01-19,KO,", "", "close must be a positive number"),
        ("2021-01-19,KO,NaN", "NaN", "close must be a positive number"),
        ("2021-01-19,KO,inf", "inf", "close must be a positive number"),
        ("2021-01-19,KO,1e999", "1e999", "close must be a positive number"),
        ("2021-01-19,,50", "", "symbol must not be empty"),
        (",KO,50", "", "session must be a date"),
        ("19.01.2021,KO,50", "19.01.2021", "session must be a date"),
        (
            "2021-01-18,KO,50",
            "2021-01-18",
            "the date must be a session of the calendar (the nearest are 2021-01-15 and "
            "2021-01-19)",
        ),
        (
            "2021-01-14,XOM,45.5",
            "2021-01-14 XOM",
            "a symbol must have one close for each session, and row 3 gives one",
        ),
        ("2021-01-19,KO", "2021-01-19,KO", "a row must have as many cells as the header (3)"),
        ("\n2021-01-19,KO,50", "", "symbol must not be empty"),
    ],
)
def test_a_wrong_price_row_is_named(tmp_path: Path, line: str, value: str, rule: str) -> None:
    error = _refusal(tmp_path, CLOSES + line + "\n")

    assert (error.file, error.row, error.value) == ("closes.csv", 8, value)
    assert error.rule == rule
    assert error.remedy


@pytest.mark.parametrize("volume", ["-1", "many", "nan"])
def test_a_wrong_volume_is_named(tmp_path: Path, volume: str) -> None:
    error = _refusal(tmp_path, f"session,symbol,close,volume\n2021-01-14,KO,50,{volume}\n")

    assert (error.row, error.value) == (2, volume)
    assert error.rule.startswith("volume must be a number of shares")


def test_a_price_in_another_currency_is_refused(tmp_path: Path) -> None:
    text = "session,symbol,close,currency\n2021-01-14,KO,50,USD\n2021-01-14,SAP,110,EUR\n"

    error = _refusal(tmp_path, text)

    assert (error.row, error.value) == (3, "EUR")
    assert error.rule == "prices must be in the portfolio's currency, USD"


def test_five_hundred_symbols_over_a_year_stay_quick(tmp_path: Path) -> None:
    days = [dt.date(2021, 1, 1) + dt.timedelta(days=day) for day in range(252)]
    symbols = [f"S{number:03}" for number in range(500)]
    path = tmp_path / "closes.csv"
    lines = (f"{day},{symbol},{100 + day.day}.125" for day in days for symbol in symbols)
    path.write_text("session,symbol,close\n" + "\n".join(lines), encoding="utf-8")
    source = FilePriceSource(FilePrices(path=path), "USD", days)

    durations = []
    for day in days[1:]:
        begun = time.perf_counter()
        snapshot = source.before(day, symbols)
        durations.append(time.perf_counter() - begun)

    assert snapshot.price_of("S499") == Decimal(100 + days[-2].day) + Decimal("0.125")
    # Half a millisecond at the time of writing; the median, so that a busy machine does not fail.
    assert sorted(durations)[len(durations) // 2] < 0.005


def test_closes_in_pence_become_pounds_exactly(tmp_path: Path) -> None:
    text = (
        "session,symbol,close,currency\n"
        "2021-01-14,VOD,128.46,GBX\n2021-01-15,VOD,1.2852,GBP\n"
        "2021-01-14,HSBA,402.05,GBp\n2021-01-15,HSBA,0.1,GBX\n"
    )
    prices = _source(tmp_path, text, currency="GBP").before(TUESDAY, ["VOD", "HSBA"]).prices
    assert (prices["VOD"].price, prices["VOD"].reference_price) == (
        Decimal("1.2852"),
        Decimal("1.2846"),
    )
    assert (prices["HSBA"].price, prices["HSBA"].reference_price) == (
        Decimal("0.001"),
        Decimal("4.0205"),
    )
    assert prices["HSBA"].currency == "GBP"


def test_pence_are_refused_where_the_portfolio_is_not_in_pounds(tmp_path: Path) -> None:
    error = _refusal(tmp_path, "session,symbol,close,currency\n2021-01-14,VOD,128.46,GBX\n")
    assert (error.row, error.value) == (2, "GBX")


def test_closes_from_before_a_split_are_planned_with_in_new_shares(tmp_path: Path) -> None:
    """The price goes down to a quarter and nothing is refused for a jump: the closes of the session
    itself stay as they are quoted."""
    path = tmp_path / "closes.csv"
    path.write_text(
        "session,symbol,close\n2021-01-14,AAPL,500\n2021-01-15,AAPL,512\n2021-01-19,AAPL,130\n"
        "2021-01-20,AAPL,132\n"
    )
    split = Split(symbol="AAPL", ex_date=TUESDAY, new_shares=4, old_shares=1)
    actions = CorporateActions([split])
    source = FilePriceSource(FilePrices(path=path), "USD", SESSIONS, actions)

    def before(session: dt.date) -> tuple[Decimal, Decimal | None]:
        price = source.before(session, ["AAPL"]).prices["AAPL"]
        return price.price, price.reference_price

    assert before(FRIDAY) == (Decimal(500), None)
    assert before(TUESDAY) == (Decimal(128), Decimal(125))
    assert before(WEDNESDAY) == (Decimal(130), Decimal(128))
    assert source.at_close(FRIDAY, ["AAPL"]).price_of("AAPL") == Decimal(512)


def test_what_a_symbol_turns_into_is_priced_though_the_file_does_not_have_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "closes.csv"
    path.write_text(CLOSES)
    change = SymbolChange(symbol="XOM", effective_date=FRIDAY, new_symbol="EXX")
    source = FilePriceSource(FilePrices(path=path), "USD", SESSIONS, CorporateActions([change]))
    assert source.symbols == ("AAPL", "EXX", "SP500", "XOM")
    # The file goes on under the old name, and has nothing of the new one.
    assert source.before(FRIDAY, source.symbols).price_of("EXX") == Decimal("45.5")


# Adjusted closes


def _raw_source(folder: Path, text: str, *actions: CorporateAction) -> FilePriceSource:
    path = folder / "closes.csv"
    path.write_text("session,symbol,close\n" + text, encoding="utf-8")
    return FilePriceSource(FilePrices(path=path), "USD", SESSIONS, CorporateActions(actions))


def test_an_adjusted_pair_is_two_closes_of_the_file_without_actions(tmp_path: Path) -> None:
    pair = _source(tmp_path).adjusted_pair("AAPL", THURSDAY, TUESDAY)
    assert pair is not None
    assert (pair.start_session, pair.start_close) == (THURSDAY, Decimal("127.10"))
    assert (pair.end_session, pair.end_close) == (TUESDAY, Decimal("126.05"))
    # 126.05 / 127.10 - 1
    assert round(pair.growth, 6) == Decimal("-0.008261")


def test_an_adjusted_close_may_be_some_sessions_old_but_must_be_there(tmp_path: Path) -> None:
    source = _source(tmp_path)
    pair = source.adjusted_pair("XOM", TUESDAY, WEDNESDAY)
    assert pair is not None
    assert (pair.start_session, pair.start_close) == (THURSDAY, Decimal("45.5"))
    assert source.adjusted_pair("SP500", FRIDAY, WEDNESDAY) is None
    assert source.adjusted_pair("MSFT", THURSDAY, WEDNESDAY) is None


def test_a_close_older_than_five_sessions_is_none(tmp_path: Path) -> None:
    sessions = tuple(dt.date(2021, 2, day) for day in (1, 2, 3, 4, 5, 8, 9))
    path = tmp_path / "closes.csv"
    path.write_text("session,symbol,close\n2021-02-01,A,10\n2021-02-09,A,11\n", encoding="utf-8")
    source = FilePriceSource(FilePrices(path=path), "USD", sessions)
    assert source.adjusted_pair("A", sessions[5], sessions[6]) is not None
    assert source.adjusted_pair("A", sessions[0], sessions[5]) is not None
    later = (*sessions[:6], dt.date(2021, 2, 10))
    source = FilePriceSource(FilePrices(path=path), "USD", (*sessions, later[-1]))
    assert source.adjusted_pair("A", sessions[6], later[-1]) is not None
    path.write_text("session,symbol,close\n2021-02-01,A,10\n", encoding="utf-8")
    source = FilePriceSource(FilePrices(path=path), "USD", sessions)
    assert source.adjusted_pair("A", sessions[0], sessions[6]) is None


def test_splits_and_dividends_between_make_the_pair_what_holding_earned(tmp_path: Path) -> None:
    # One share of 200 becomes two of 100, which fall to 99 as 1 is paid for each: nothing was lost.
    source = _raw_source(
        tmp_path,
        "2021-01-14,A,200\n2021-01-15,A,100\n2021-01-19,A,99\n",
        Split(symbol="A", ex_date=FRIDAY, new_shares=2, old_shares=1),
        Dividend(symbol="A", ex_date=TUESDAY, amount_per_share=Decimal(1), currency="USD"),
    )
    pair = source.adjusted_pair("A", THURSDAY, TUESDAY)
    assert pair is not None
    assert pair.start_close == 99
    assert pair.growth == 0
    # What went ex on or before the first close, or after the second, is none of the pair's.
    pair = source.adjusted_pair("A", FRIDAY, FRIDAY)
    assert pair is not None
    assert pair.start_close == 100


def test_a_dividend_on_the_day_of_a_split_is_per_new_share(tmp_path: Path) -> None:
    source = _raw_source(
        tmp_path,
        "2021-01-14,A,200\n2021-01-15,A,99\n",
        Dividend(symbol="A", ex_date=FRIDAY, amount_per_share=Decimal(1), currency="USD"),
        Split(symbol="A", ex_date=FRIDAY, new_shares=2, old_shares=1),
    )
    pair = source.adjusted_pair("A", THURSDAY, FRIDAY)
    assert pair is not None
    assert pair.start_close == 99


def test_what_was_renamed_in_between_has_no_adjusted_pair(tmp_path: Path) -> None:
    source = _raw_source(
        tmp_path,
        "2021-01-14,A,200\n2021-01-20,A,99\n",
        SymbolChange(symbol="A", effective_date=TUESDAY, new_symbol="B"),
    )
    assert source.adjusted_pair("A", THURSDAY, WEDNESDAY) is None
