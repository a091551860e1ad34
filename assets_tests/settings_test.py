"""Portfolio files: what is read from them, and what is said when they are wrong."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from trading_assets.calendar import TradingCalendar
from trading_assets.errors import ConfigurationError
from trading_assets.market_data.files import FilePriceSource
from trading_assets.model.policies import Blend, Select
from trading_assets.portfolio.consolidation import consolidate
from trading_assets.settings import (
    AlpacaPrices,
    FilePrices,
    Mode,
    alpaca_environment,
    directories,
    load_portfolio,
    load_portfolios,
)
from trading_assets.signal_settings import StrategySettings
from trading_assets.signal_sources import open_signals

SAMPLES = Path(__file__).parents[1] / "data" / "portfolios"
MINIMAL = """\
id: tiny
name: Tiny
mode: simulated
initial_cash: 1000
sessions: {start: 2021-01-04}
prices: {path: market/closes.csv}
signals:
  strategies:
    - {id: value, path: raw_signals/value.csv}
combination: {method: select, strategy: value}
report: {title: Tiny}
"""


def _write(folder: Path, text: str, name: str = "tiny.yaml") -> Path:
    path = folder / "portfolios" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_portfolio(_write(folder, text))
    return str(caught.value)


def test_a_minimal_file_takes_the_defaults(tmp_path: Path) -> None:
    settings = load_portfolio(_write(tmp_path, MINIMAL))

    assert (settings.id, settings.currency, settings.mode) == ("tiny", "USD", Mode.SIMULATED)
    assert (settings.sessions.calendar, settings.sessions.end) == ("XNYS", None)
    assert settings.planning.cash_buffer == Decimal("0.02")
    assert settings.limits.max_order_notional is None


def test_paths_are_relative_to_the_data_directory(tmp_path: Path) -> None:
    settings = load_portfolio(_write(tmp_path, MINIMAL))

    assert isinstance(settings.prices, FilePrices)
    assert settings.prices.path == tmp_path / "market/closes.csv"
    (strategy,) = settings.signals.strategies
    assert isinstance(strategy, StrategySettings)
    assert strategy.path == tmp_path / "raw_signals/value.csv"


@pytest.mark.parametrize("spelling", ["0.1", '"0.1"', "0.10", "1.0e-1"])
def test_a_tenth_is_exactly_a_tenth_however_it_is_written(tmp_path: Path, spelling: str) -> None:
    text = MINIMAL + f"planning: {{no_trade_band: {spelling}}}\n"

    assert load_portfolio(_write(tmp_path, text)).planning.no_trade_band == Decimal("0.1")


def test_a_blend_is_told_from_a_selection_by_its_method(tmp_path: Path) -> None:
    text = MINIMAL.replace(
        "{method: select, strategy: value}", "{method: blend, weights: {value: 0.3}}"
    )

    assert load_portfolio(_write(tmp_path, MINIMAL)).combination == Select(strategy="value")
    assert load_portfolio(_write(tmp_path, text)).combination == Blend(
        weights={"value": Decimal("0.3")}
    )


def test_an_unknown_key_is_named_with_its_place(tmp_path: Path) -> None:
    message = _refusal(tmp_path, MINIMAL + "planning: {cash_bufer: 0.01}\n")

    assert "tiny.yaml: 1 setting(s) wrong:" in message
    assert "planning.cash_bufer: '0.01' Extra inputs are not permitted" in message
    assert message.endswith("Correct them as in the files of data/portfolios/.")


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("initial_cash: 1000", "initial_cash: -5", "initial_cash: -5"),
        ("initial_cash: 1000", "initial_cash: .nan", "initial_cash: '.nan'"),
        ("initial_cash: 1000", "initial_cash: much", "initial_cash: 'much'"),
        ("mode: simulated", "mode: real", "mode: 'real'"),
        ("id: tiny", "id: Tiny Fund", "id: 'Tiny Fund'"),
        ("start: 2021-01-04", "start: soon", "sessions.start: 'soon'"),
        ("start: 2021-01-04", "start: 2021-01-04, end: 2020-01-02", "2020-01-02 is before start"),
        ("method: select", "method: pick", "combination:"),
        ("name: Tiny\n", "", "name: Field required"),
        ("id: value, ", "id: value, weight_sum_tolerance: -1, ", "weight_sum_tolerance: -1"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(
    tmp_path: Path, right: str, wrong: str, named: str
) -> None:
    assert named in _refusal(tmp_path, MINIMAL.replace(right, wrong, 1))


def test_all_wrong_settings_are_listed_at_once(tmp_path: Path) -> None:
    text = MINIMAL.replace("mode: simulated", "mode: real").replace("1000", "0")

    message = _refusal(tmp_path, text)

    assert "2 setting(s) wrong" in message
    assert "mode: 'real'" in message
    assert "initial_cash: 0" in message


def test_a_key_written_twice_is_refused(tmp_path: Path) -> None:
    message = _refusal(tmp_path, MINIMAL + "name: Other\n")

    assert "'name' is written twice. Keep one." in message
    assert "tiny.yaml, line 1" in message


def test_the_id_must_be_the_files_name(tmp_path: Path) -> None:
    message = _refusal(tmp_path, MINIMAL.replace("id: tiny", "id: small"))

    assert "id 'small' must equal the file's name 'tiny'. Rename either." in message


def test_a_combination_of_an_unknown_strategy_names_those_there_are(tmp_path: Path) -> None:
    message = _refusal(tmp_path, MINIMAL.replace("strategy: value", "strategy: growth"))

    assert "combination names growth, which signals.strategies does not list" in message
    assert "(it has value)" in message


def test_a_strategy_listed_twice_is_refused(tmp_path: Path) -> None:
    line = "    - {id: value, path: raw_signals/value.csv}\n"

    assert "strategy id repeated: value" in _refusal(tmp_path, MINIMAL.replace(line, line * 2))


def test_no_strategy_may_be_named_as_what_belongs_to_none(tmp_path: Path) -> None:
    message = _refusal(tmp_path, MINIMAL.replace("value", "unattributed"))

    assert "'unattributed' is the name of the book of what belongs to no strategy" in message


@pytest.mark.parametrize("text", ["", "- a\n- list\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "must be a mapping of settings" in _refusal(tmp_path, text)


def test_broken_yaml_is_refused_with_its_place(tmp_path: Path) -> None:
    message = _refusal(tmp_path, "id: [tiny\nname: x\n")

    assert "not valid YAML" in message
    assert "line 2" in message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_portfolio(tmp_path / "portfolios" / "gone.yaml")


def test_a_folder_without_portfolios_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TRADING_ASSETS_DATA"):
        load_portfolios(tmp_path)


def test_directories_come_from_the_environment_and_are_absolute(tmp_path: Path) -> None:
    given = directories({"TRADING_ASSETS_DATA": str(tmp_path)})
    both = directories(
        {"TRADING_ASSETS_DATA": str(tmp_path), "TRADING_ASSETS_STATE": str(tmp_path / "elsewhere")}
    )

    assert (given.data, given.state) == (tmp_path, tmp_path / "state")
    assert both.state == tmp_path / "elsewhere"
    assert directories({}).data == Path.cwd() / "data"


def test_the_sample_portfolios_are_what_their_comments_say() -> None:
    minvar, momentum, sample, funds = load_portfolios(SAMPLES)

    assert (sample.id, sample.name) == ("sample", "S&P 500 Blend")
    assert sample.initial_cash == 1_000_000
    assert sample.sessions.end == dt.date(2022, 12, 28)
    assert isinstance(sample.combination, Blend)
    assert sum(sample.combination.weights.values()) == 1
    assert minvar.combination == Select(strategy="minimum_variance")
    assert (minvar.planning.fractional, minvar.constraints.max_weight) == (False, Decimal("0.15"))
    assert minvar.planning.bracket is not None
    assert minvar.commission != sample.commission
    (strategy,) = momentum.momentum
    assert momentum.planning.no_trade_band == strategy.min_threshold
    assert (funds.mode, funds.alpaca) == (Mode.DRY, None)
    assert funds.model_copy(update={"mode": Mode.PAPER}).alpaca is not None


@pytest.mark.parametrize("name", ["sample", "minvar"])
def test_a_sample_portfolio_has_targets_and_prices_for_every_session(name: str) -> None:
    settings = load_portfolio(SAMPLES / f"{name}.yaml")
    calendar = TradingCalendar(settings.sessions)
    assert isinstance(settings.prices, FilePrices)
    prices = FilePriceSource(settings.prices, settings.currency, calendar.history)
    sources = open_signals(settings, calendar, prices)

    for session in calendar.sessions:
        signals = [source.at(session) for source in sources]
        target = consolidate(session, signals, settings.combination, settings.constraints)
        symbols = [line.symbol for line in target.weights]
        assert sum(line.weight for line in target.weights) == 1
        assert max(line.weight for line in target.weights) <= settings.constraints.max_weight
        assert not prices.before(session, symbols).missing
        assert not prices.at_close(session, symbols).missing
        assert prices.benchmark_close(session) is not None


def test_books_are_files_unless_a_server_is_named() -> None:
    assert directories({}).book_url is None
    assert directories({"TRADING_ASSETS_BOOK_URL": ""}).book_url is None


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_the_books_server_is_named_by_an_address_whose_password_is_not_shown(scheme: str) -> None:
    address = f"{scheme}://keeper:s3cret%40@db.example:5433/books"
    places = directories({"TRADING_ASSETS_BOOK_URL": address})
    url = places.book_url
    assert url is not None
    assert (url.drivername, url.host, url.port, url.database, url.password) == (
        "postgresql+psycopg",
        "db.example",
        5433,
        "books",
        "s3cret@",
    )
    assert "s3cret" not in f"{places!r} {places} {url}"


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///s3cret.sqlite",
        "mysql://keeper:s3cret@host/books",
        "postgresql://keeper:s3cret@host",
        "keeper:s3cret@host/books",
        "postgresql://keeper:s3cret@host:port/books",
    ],
)
def test_an_address_that_is_no_postgresql_database_is_refused_without_being_shown(
    address: str,
) -> None:
    with pytest.raises(ConfigurationError, match="percent-encoded") as refusal:
        directories({"TRADING_ASSETS_BOOK_URL": address})
    assert "s3cret" not in str(refusal.value)
    assert refusal.value.__cause__ is None


# Brokers and prices beyond this machine


def test_a_real_mode_is_an_account_at_alpaca_unless_something_else_is_said(tmp_path: Path) -> None:
    for mode in ("paper", "live"):
        settings = load_portfolio(
            _write(tmp_path, MINIMAL.replace("mode: simulated", f"mode: {mode}"))
        )
        assert settings.alpaca is not None
        assert settings.alpaca.requests_per_minute == 180
    assert load_portfolio(_write(tmp_path, MINIMAL)).alpaca is None


def test_the_account_at_alpaca_may_be_tuned(tmp_path: Path) -> None:
    broker = "mode: paper\nbroker: {kind: alpaca, requests_per_minute: 900, timeout_seconds: 3}"
    settings = load_portfolio(_write(tmp_path, MINIMAL.replace("mode: simulated", broker)))
    assert settings.alpaca is not None
    assert (settings.alpaca.requests_per_minute, settings.alpaca.timeout_seconds) == (900, 3)


@pytest.mark.parametrize(
    "given",
    ["mode: paper\nbroker: {kind: simulated}", "mode: simulated\nbroker: {kind: alpaca}"],
)
def test_a_mode_and_a_broker_that_contradict_each_other_are_refused(
    tmp_path: Path, given: str
) -> None:
    refusal = _refusal(tmp_path, MINIMAL.replace("mode: simulated", given))
    assert "does not go with broker" in refusal


def test_prices_may_come_from_alpaca(tmp_path: Path) -> None:
    prices = "prices: {kind: alpaca, feed: sip, adjustment: all, benchmark_symbol: SPY}"
    text = MINIMAL.replace("prices: {path: market/closes.csv}", prices)
    settings = load_portfolio(_write(tmp_path, text))
    assert isinstance(settings.prices, AlpacaPrices)
    assert (settings.prices.feed, settings.prices.adjustment.value) == ("sip", "all")
    assert settings.prices.benchmark_label == "SPY"


def test_keys_of_either_name_are_taken_and_ours_come_first() -> None:
    usual = {"APCA_API_KEY_ID": "theirs", "APCA_API_SECRET_KEY": "their secret"}
    ours = {"TRADING_ASSETS_ALPACA_KEY": "ours", "TRADING_ASSETS_ALPACA_SECRET": "our secret"}
    assert alpaca_environment(usual).key.get_secret_value() == "theirs"
    both = alpaca_environment(usual | ours)
    assert (both.key.get_secret_value(), both.secret.get_secret_value()) == ("ours", "our secret")


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "TRADING_ASSETS_ALPACA_KEY and TRADING_ASSETS_ALPACA_SECRET"),
        ({"TRADING_ASSETS_ALPACA_KEY": "planted"}, "TRADING_ASSETS_ALPACA_SECRET"),
        ({"APCA_API_SECRET_KEY": "planted", "APCA_API_KEY_ID": ""}, "APCA_API_KEY_ID"),
    ],
)
def test_a_missing_key_is_named_and_the_other_not_shown(
    given: dict[str, str], missing: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        alpaca_environment(given)
    assert str(error.value).startswith(f"{missing} must be set")
    assert "planted" not in str(error.value)


KEYS = {"APCA_API_KEY_ID": "key", "APCA_API_SECRET_KEY": "planted"}


def test_keys_show_themselves_nowhere() -> None:
    found = alpaca_environment(KEYS)
    assert "planted" not in f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"


@pytest.mark.parametrize("name", ["TRADING_ASSETS_ALPACA_URL", "TRADING_ASSETS_ALPACA_DATA_URL"])
@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://127.0.0.1", "example.org", "https://"]
)
def test_keys_are_not_sent_in_plain_text_to_anybody_else(name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with https://"):
        alpaca_environment(KEYS | {name: url})


def test_other_hosts_are_taken_with_a_stream_beside_them() -> None:
    urls = {"TRADING_ASSETS_ALPACA_URL": "http://127.0.0.1:8080/"}
    found = alpaca_environment(KEYS | urls)
    assert (found.trading_url, found.stream_url) == (
        "http://127.0.0.1:8080",
        "ws://127.0.0.1:8080/stream",
    )
    safe = alpaca_environment(KEYS | {"TRADING_ASSETS_ALPACA_URL": "https://proxy.example.org"})
    assert safe.stream_url == "wss://proxy.example.org/stream"
    assert alpaca_environment(KEYS).stream_url is None


def test_a_key_that_somebody_wrote_into_the_file_is_not_repeated(tmp_path: Path) -> None:
    given = "mode: paper\nbroker: {kind: alpaca, secret: planted, api_key: planted}"
    refusal = _refusal(tmp_path, MINIMAL.replace("mode: simulated", given))
    assert "broker.alpaca.secret" in refusal
    assert "planted" not in refusal


@pytest.mark.parametrize(
    ("mode", "more", "is_live"),
    [
        ("online", "", False),
        ("online", "broker: {kind: alpaca, account: live}", True),
        ("paper", "", False),
        ("live", "broker: {kind: alpaca}", True),
    ],
)
def test_an_account_that_is_only_read_is_the_paper_one_unless_named(
    tmp_path: Path, mode: str, more: str, is_live: bool
) -> None:
    text = MINIMAL.replace("mode: simulated", f"mode: {mode}") + more

    settings = load_portfolio(_write(tmp_path, text))

    assert settings.alpaca is not None
    assert settings.is_live_account is is_live


@pytest.mark.parametrize(
    ("mode", "more", "said"),
    [
        (
            "online",
            "broker: {kind: ibkr}\nplanning: {fractional: false}",
            "mode online is for an account at Alpaca",
        ),
        ("online", "execution: {placement: manual}", "mode online is for an account at Alpaca"),
        ("online", "broker: {kind: simulated}", "online, paper and live need a real broker"),
        (
            "paper",
            "broker: {kind: alpaca, account: live}",
            "broker.account live does not go with mode paper",
        ),
    ],
)
def test_an_account_that_cannot_be_only_read_is_refused(
    tmp_path: Path, mode: str, more: str, said: str
) -> None:
    text = MINIMAL.replace("mode: simulated", f"mode: {mode}") + more

    assert said in _refusal(tmp_path, text)
