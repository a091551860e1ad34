"""The report of a backtest: one HTML file with its charts inside, that needs nothing else.

No script, no font and no image is loaded from anywhere, so it can be sent, archived and opened
offline. Every figure is the result's own; conventions are printed under the metrics.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from typing import Any

import numpy as np

from trading_assets.analytics.conventions import CONVENTIONS
from trading_assets.analytics.returns import (
    drawdown_series,
    equity_index,
    monthly_returns,
    yearly_returns,
)
from trading_assets.engine.results import Attribution, BacktestResult, trade_row
from trading_assets.reporting.charts import drawdown_svg, equity_svg, leverage_svg
from trading_assets.reporting.monthly_content import Series
from trading_assets.reporting.number_format import fixed, money, percent

TRADES_SHOWN = 200
SYMBOLS_SHOWN = 50
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PERCENT = {
    "cumulative_return",
    "annualised_return",
    "volatility",
    "max_drawdown",
    "exposure_gross",
    "exposure_net",
    "exposure_time_in_market",
    "trade_win_rate",
    "benchmark_return",
    "alpha",
    "tracking_error",
}
_EXPLAINED = {
    "exposure_gross": "Mean over all bars of Σ |position| / equity.",
    "exposure_net": "Mean over all bars of Σ position / equity.",
    "exposure_time_in_market": "Bars after which something was held / all bars.",
    "trades": "Round trips by lots: each part of a lot that was closed.",
    "trade_win_rate": "Round trips that gained / those that gained or lost, before commission "
    "unless that is in the basis.",
    "trade_profit_factor": "Σ gains / Σ losses of round trips.",
    "interest": "Received on cash less paid on borrowed cash (rates: financing).",
    "borrow_fees": "Paid for shares that were borrowed to be short (rates: financing).",
    "halts": "Session and reason of each time that the risk policy's circuit breaker tripped.",
    "margin_calls": "Closes at which equity fell below maintenance margin, each told once.",
    "mean_holding_days": "Mean calendar days from opening to closing.",
}

_STYLE = """
body { font: 14px/1.45 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1b2433;
  background: #fff; margin: 0 auto; max-width: 860px; padding: 24px 20px 60px; }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 17px; margin: 32px 0 8px; }
p.sub { color: #5c6675; margin: 2px 0 18px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px; }
.card { border: 1px solid #d9dee6; border-radius: 6px; padding: 8px 12px; }
.card b { display: block; font-size: 18px; font-variant-numeric: tabular-nums; }
.card span { color: #5c6675; font-size: 12px; }
svg { max-width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 12.5px; }
th { text-align: left; color: #5c6675; font-weight: 600; border-bottom: 1px solid #b8c0cc;
  padding: 4px 8px; }
td { padding: 3px 8px; border-bottom: 1px solid #eef1f5; font-variant-numeric: tabular-nums; }
.n { text-align: right; } .loss { color: #a3352c; }
td.note { color: #5c6675; font-size: 12px; }
"""


def report_html(result: BacktestResult) -> str:
    """The whole report as HTML text."""
    title = escape(result.policy.title)
    sessions = result.session_equity
    period = f"{sessions[0][0]} to {sessions[-1][0]}"
    market = result.engine.market
    sub = (
        f"{escape(result.symbol)} &middot; {period} &middot; {market.timeframe} bars, "
        f"{result.bar_count:,} of them &middot; "
        f"{', '.join(escape(slot.id) for slot in result.engine.slots)}"
    )
    parts = [
        f"<h1>{title}</h1><p class='sub'>{sub}</p>",
        _cards(result),
        _section("Equity", _equity(result)),
        _section("Drawdown", _svg(drawdown_svg(drawdown_line(result)))),
        _section("Exposure", _svg(leverage_svg(_exposures(result)))),
        _section("Returns by month", _months(result)),
        _section("Metrics", _metrics(result)),
        _section("By strategy", _attribution(result.by_strategy)),
        _section(
            f"By symbol{_first_of(len(result.by_symbol), SYMBOLS_SHOWN)}",
            _attribution(result.by_symbol[:SYMBOLS_SHOWN]),
        ),
        _section(f"Trades{_first_of(len(result.trades), TRADES_SHOWN)}", _trades(result)),
        _section("Rules", _rules(result)),
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>{body}"


def _first_of(count: int, shown: int) -> str:
    return f" (first {shown} of {count:,})" if count > shown else ""


def _cards(result: BacktestResult) -> str:
    statistics, drawdown = result.statistics, result.statistics.max_drawdown
    figures = [
        ("Final value", money(result.final_value)),
        ("Total return", percent(result.total_return, signed=True)),
        ("Annualised", percent(statistics.annualised_return, signed=True)),
        ("Sharpe ratio", fixed(statistics.sharpe_ratio, 2)),
        ("Max drawdown", percent(None if drawdown is None else drawdown.depth)),
        ("Trades", f"{len(result.trades):,}"),
    ]
    if result.benchmark is not None:
        cumulative = result.benchmark_statistics.cumulative_return
        figures.append((f"Benchmark {result.benchmark}", percent(cumulative, signed=True)))
    cards = "".join(
        f"<div class='card'><b>{value}</b><span>{escape(label)}</span></div>"
        for label, value in figures
    )
    return f"<div class='cards'>{cards}</div>"


def equity_series(result: BacktestResult) -> Series:
    """Index of 100 at the start, at the close of each session; the benchmark's beside it, from the
    first session's close."""
    sessions = tuple(session for session, _ in result.session_equity)
    index = tuple(one.value for one in equity_index(result.returns, 100.0))
    if result.benchmark is None:
        return Series(sessions=sessions, portfolio=index)
    benchmark = tuple(one.value for one in equity_index(result.benchmark_returns, 100.0))
    return Series(sessions=sessions, portfolio=index, benchmark=benchmark)


def _equity(result: BacktestResult) -> str:
    return _svg(equity_svg(equity_series(result), result.name, result.benchmark))


def drawdown_line(result: BacktestResult) -> Series:
    """Drawdown (fraction <= 0) at the close of each session."""
    found = drawdown_series(result.returns)
    return Series(
        sessions=tuple(one.session for one in found), portfolio=tuple(one.value for one in found)
    )


def _exposures(result: BacktestResult) -> Series:
    first, ends = result.engine.first_place, result.session_ends
    equity = result.equity[ends].astype(np.float64)
    base = np.where(equity > 0, equity, np.nan)
    gross = result.curve.gross[first:][ends] / base
    net = result.curve.net[first:][ends] / base
    return Series(
        sessions=tuple(session for session, _ in result.session_equity),
        portfolio=tuple(_defined(gross.tolist())),
        benchmark=tuple(_defined(net.tolist())),
    )


def _defined(values: Sequence[float]) -> Iterable[float | None]:
    return (None if value != value else value for value in values)


def _svg(content: bytes) -> str:
    """The drawing alone, without the declarations of a file."""
    text = content.decode()
    return text[text.index("<svg") :]


def _months(result: BacktestResult) -> str:
    months, years = monthly_returns(result.returns), yearly_returns(result.returns)
    rows = []
    for year, whole in sorted(years.items()):
        cells = [_signed(months.get((year, month)), "") for month in range(1, 13)]
        rows.append(f"<tr><th>{year}</th>{''.join(cells)}{_signed(whole, 'n/a')}</tr>")
    head = "".join(f"<th class='n'>{month}</th>" for month in (*_MONTHS, "Year"))
    return _table(f"<tr><th></th>{head}</tr>", rows)


def _signed(value: float | None, absent: str) -> str:
    shown = absent if value is None else percent(value, 1)
    return _cell(shown, numeric=True, loss=value is not None and value < 0)


def _cell(text: str, *, numeric: bool = False, loss: bool = False) -> str:
    kinds = " ".join(name for name, has in (("n", numeric), ("loss", loss)) if has)
    return f"<td class='{kinds}'>{text}</td>" if kinds else f"<td>{text}</td>"


def _table(head: str, rows: Sequence[str]) -> str:
    if not rows:
        return "<p class='sub'>None.</p>"
    return f"<div class='wide'><table>{head}{''.join(rows)}</table></div>"


def _metrics(result: BacktestResult) -> str:
    rows = []
    for name, value in result.metrics().items():
        label = name.replace("_", " ").capitalize()
        note = CONVENTIONS.get(name) or _EXPLAINED.get(name, "")
        rows.append(
            f"<tr><td>{escape(label)}</td>{_cell(escape(_figure(name, value)), numeric=True)}"
            f"<td class='note'>{escape(note)}</td></tr>"
        )
    return _table(
        "<tr><th>Metric</th><th class='n'>Value</th><th>How it is computed</th></tr>", rows
    )


def _figure(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{code} {count:,}" for code, count in sorted(value.items())) or "none"
    if isinstance(value, list):
        return "; ".join(value) or "none"
    if isinstance(value, Decimal):
        return money(value)
    if isinstance(value, int):
        return f"{value:,}"
    return percent(value) if name in _PERCENT else fixed(value, 2)


def _attribution(found: Sequence[Attribution]) -> str:
    rows = [
        "<tr>"
        + _cell(escape(one.name))
        + _cell(money(one.pnl, signed=True), numeric=True, loss=one.pnl < 0)
        + "".join(
            _cell(money(value), numeric=True)
            for value in (one.income, one.commission, one.traded, one.final_value)
        )
        + _cell(f"{one.fills:,}", numeric=True)
        + "</tr>"
        for one in found
    ]
    head = "".join(
        f"<th class='n'>{label}</th>"
        for label in ("P&amp;L", "Income", "Commission", "Traded", "Held at the end", "Fills")
    )
    return _table(f"<tr><th>Name</th>{head}</tr>", rows)


def _trades(result: BacktestResult) -> str:
    daily = not result.engine.market.timeframe.is_intraday
    rows = []
    for trade in result.trades[:TRADES_SHOWN]:
        row = trade_row(trade)
        rows.append(
            "<tr>"
            + "".join(_cell(escape(str(row[name]))) for name in ("strategy", "symbol", "side"))
            + _cell(f"{row['quantity']:f}", numeric=True)
            + _cell(_time(row["opened"], daily=daily))
            + _cell(fixed(row["entry_price"], 4), numeric=True)
            + _cell(_time(row["closed"], daily=daily))
            + _cell(fixed(row["exit_price"], 4), numeric=True)
            + _cell(money(row["pnl"], signed=True), numeric=True, loss=row["pnl"] < 0)
            + _cell(fixed(row["return_pct"], 2, signed=True), numeric=True)
            + "</tr>"
        )
    head = (
        "<tr><th>Strategy</th><th>Symbol</th><th>Side</th><th class='n'>Shares</th><th>Opened</th>"
        "<th class='n'>Entry</th><th>Closed</th><th class='n'>Exit</th><th class='n'>P&amp;L</th>"
        "<th class='n'>%</th></tr>"
    )
    return _table(head, rows)


def _time(text: str, *, daily: bool) -> str:
    when = dt.datetime.fromisoformat(text)
    return when.date().isoformat() if daily else when.strftime("%Y-%m-%d %H:%M")


def _rules(result: BacktestResult) -> str:
    rules = result.engine.rules.model_dump(mode="json")
    rows = []
    for part, values in rules.items():
        pairs = values.items() if isinstance(values, dict) else [("", values)]
        for name, value in pairs:
            label = f"{part}.{name}".rstrip(".")
            rows.append(f"<tr><td>{escape(label)}</td><td>{escape(str(value))}</td></tr>")
    return _table("<tr><th>Rule</th><th>Value</th></tr>", rows)
