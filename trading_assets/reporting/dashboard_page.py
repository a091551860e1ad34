"""The dashboard as one HTML page: no script, nothing loaded from anywhere, usable on a phone.

Charts are SVG inside the page, once for a wide screen and once for a narrow one, so that their
words can be read on both. A strict Content-Security-Policy stands in the page itself, for it is
opened from a file too.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape

from trading_assets.model.money import plain
from trading_assets.model.plan import OrderPlan
from trading_assets.reporting.charts import NARROW, dashboard_svg
from trading_assets.reporting.dashboard_content import DashboardContent
from trading_assets.reporting.dashboard_style import STYLE
from trading_assets.reporting.monthly_content import AnnotationLine, Series
from trading_assets.reporting.number_format import UNDEFINED, decimals_of, fixed, money, percent

WIDE_PIXELS, NARROW_PIXELS = 920.0, 360.0
POSITIONS_SHOWN_MAX = 100
PROPOSALS_SHOWN_MAX = 100
NO_TRADES = "There were no trades this month."
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
"""Nothing is loaded, run or sent: the style is known by its hash, pictures are in the page."""
_MODES = {
    "simulated": "Simulated",
    "dry": "Dry run",
    "online": "Real account, only read",
    "paper": "Paper account",
    "live": "Live account",
}


def dashboard_page(portfolios: Sequence[DashboardContent | str]) -> str:
    """The page of some portfolios; a text stands for one that cannot be shown, and says why."""
    sections = "".join(
        f'<section class="portfolio"><p class="bad">{escape(one)}</p></section>'
        if isinstance(one, str)
        else _portfolio(one)
        for one in portfolios
    )
    shown = [one for one in portfolios if isinstance(one, DashboardContent)]
    links = ""
    if len(shown) > 1:
        links = "".join(
            f'<a href="#{escape(one.portfolio_id)}">{escape(one.portfolio_name)}</a>'
            for one in shown
        )
        links = f"<nav>{links}</nav>"
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
        f"<title>trading-assets</title><style>{STYLE}</style></head><body>{links}"
        f"<main>{sections}</main></body></html>"
    )


def _portfolio(content: DashboardContent) -> str:
    mode = _MODES.get(content.mode, content.mode)
    return (
        f'<section class="portfolio" id="{escape(content.portfolio_id)}"><header>'
        f"<h1>{escape(content.portfolio_name)}</h1>"
        f"<p>{escape(content.portfolio_id)} · {escape(mode)} · {escape(content.currency)} · as of "
        f"{_moment(content.made_at)}</p></header>"
        + _alerts(content)
        + _cards(content)
        + _charts(content)
        + '<div class="columns">'
        + _panel("Health", _health(content))
        + _panel("Last reconciliation", _reconciliation(content))
        + "</div>"
        + _panel(*_proposal(content))
        + _panel("Positions", _positions(content))
        + _panel("Slippage of the month", _slippage(content))
        + _panel("Annotations of the month's trades", _annotations(content))
        + "</section>"
    )


def _panel(title: str, body: str) -> str:
    return f'<section class="panel"><h2>{escape(title)}</h2>{body}</section>'


def _alerts(content: DashboardContent) -> str:
    found = []
    if content.health.halted:
        found.append("Trading is halted: no order is sent for any portfolio.")
    if content.breaks:
        found.append(f"{content.breaks} unexplained differences at the last close.")
    if content.missing_sessions:
        found.append(
            f"{content.missing_sessions} closed sessions have no table of results and are missing "
            "in returns and charts: materialise pnl_daily for them."
        )
    return "".join(f'<p class="alert" role="alert">{escape(text)}</p>' for text in found)


def _cards(content: DashboardContent) -> str:
    returns = content.returns
    cards = (
        (f"Equity, {content.currency}", money(content.equity)),
        ("Session", percent(returns.session, signed=True)),
        ("Month", percent(returns.month, signed=True)),
        ("Year", percent(returns.year, signed=True)),
        ("Since inception", percent(returns.inception, signed=True)),
        ("Drawdown", percent(returns.drawdown, signed=True)),
    )
    return (
        '<dl class="cards">'
        + "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in cards)
        + "</dl>"
    )


def _charts(content: DashboardContent) -> str:
    name, benchmark = content.portfolio_name, content.benchmark_name
    return _panel(
        "Growth of 100", _chart(content.equity_series, name, benchmark, "equity, growth of 100")
    ) + _panel(
        "Drawdown", _chart(content.drawdown_series, name, benchmark, "drawdown", drawdown=True)
    )


def _chart(
    series: Series, name: str, benchmark: str | None, words: str, *, drawdown: bool = False
) -> str:
    if not any(value is not None for value in series.portfolio):
        return _nothing("No closed session to draw.")
    images = []
    for kind, width in (("wide", WIDE_PIXELS), ("narrow", NARROW_PIXELS)):
        svg = dashboard_svg(series, name, benchmark, width=width, drawdown=drawdown)
        encoded = base64.b64encode(svg).decode()
        images.append(
            f'<img class="{kind}" alt="{escape(words)} of {escape(name)}" '
            f'src="data:image/svg+xml;base64,{encoded}">'
        )
    return "".join(images)


assert NARROW_PIXELS <= NARROW < WIDE_PIXELS


def _health(content: DashboardContent) -> str:
    health = content.health
    due = health.sessions_due
    rows = (
        ("Last session closed", str(health.closed_through or "none yet")),
        ("Sessions due since", "none" if not due else f"{due:,}"),
        (
            "Broker last seen",
            "never" if health.broker_seen_at is None else _moment(health.broker_seen_at),
        ),
        ("Trading", "halted" if health.halted else "not halted"),
        ("Book", f"{health.records:,} records, head {health.head[:16]}…"),
    )
    return _pairs(rows)


def _reconciliation(content: DashboardContent) -> str:
    found = content.reconciliation
    if found is None:
        return _nothing("No session is closed yet.")
    verdict = "every difference is explained" if not content.breaks else "UNEXPLAINED"
    rows = [
        ("Session", str(found.session)),
        ("Unexplained", f"{content.breaks} ({verdict})"),
        ("Book's cash", money(found.book_cash)),
        ("Broker's cash", money(found.broker_cash)),
        *((_words(cause.value), f"{count:,}") for cause, count in content.gaps_by_cause.items()),
    ]
    return _pairs(rows)


def _proposal(content: DashboardContent) -> tuple[str, str]:
    proposal = content.proposal
    plan = proposal.plan
    if plan is None:
        return "Signal against holdings", _nothing(proposal.note or "Nothing is proposed.")
    kind = "as recorded" if proposal.recorded else "as it would be planned now"
    title = f"Signal against holdings, session {plan.session}"
    sent = [order for order in plan.orders if order.quantity]
    intro = (
        f"<p>Signal of {plan.signal_asof}, {kind}: {len(sent)} of {len(plan.orders)} orders would "
        f"be sent. {escape(proposal.note)}</p>"
    )
    refused = "".join(
        f'<p class="bad">Refused: {escape(one.code)}. {escape(one.message)}</p>'
        for one in plan.refusals
    )
    return title, intro + refused + _proposed(plan)


def _proposed(plan: OrderPlan) -> str:
    orders: dict[str, list[tuple[str, str, str]]] = {}
    for order in plan.orders:
        why = ", ".join(_words(cut.reason.value.lower()) for cut in order.cuts)
        text = f"{order.side.value} {plain(order.quantity)}" if order.quantity else "no order"
        value = money(order.quantity * order.price) if order.quantity else ""
        orders.setdefault(order.symbol, []).append((text, value, why))
    sent = {order.symbol for order in plan.orders if order.quantity}
    lines = sorted(
        plan.lines, key=lambda one: (one.symbol not in sent, -abs(one.target_weight), one.symbol)
    )
    rows = []
    for line in lines[:PROPOSALS_SHOWN_MAX]:
        held = None
        if line.price is not None and plan.equity > 0:
            held = line.current_quantity * line.price / plan.equity
        trades = orders.get(line.symbol, [("", "", "")])
        rows.append(
            (
                line.symbol,
                percent(line.target_weight),
                UNDEFINED if held is None else percent(held),
                UNDEFINED if held is None else percent(line.target_weight - held, signed=True),
                "; ".join(text for text, _, _ in trades),
                "; ".join(filter(None, (value for _, value, _ in trades))),
                "; ".join(filter(None, (why for _, _, why in trades))),
            )
        )
    return _table(
        ("Symbol", "Target", "Held", "Gap", "Proposed", "Notional", "Cut by"),
        rows,
        numbers={1, 2, 3, 5},
        wide={3, 5, 6},
    ) + _more(len(lines), PROPOSALS_SHOWN_MAX)


def _positions(content: DashboardContent) -> str:
    if not content.positions:
        cash = "" if content.cash is None else f" Cash: {money(content.cash)}."
        return _nothing(f"No positions are held.{cash}")
    price = decimals_of((one.mark for one in content.positions), least=2, most=4)
    rows = [
        (
            one.symbol,
            _quantity(one.quantity),
            fixed(one.mark, price),
            money(one.market_value),
            percent(one.weight),
            money(one.unrealized_pnl, signed=True),
        )
        for one in content.positions[:POSITIONS_SHOWN_MAX]
    ]
    for name, amount in (("Cash", content.cash), ("Accrued", content.accruals or None)):
        if amount is not None:
            share = percent(amount / content.equity) if content.equity else UNDEFINED
            rows.append((name, "", "", money(amount), share, ""))
    return _table(
        ("Symbol", "Quantity", "Price", "Value", "Weight", "Unrealised"),
        rows,
        numbers={1, 2, 3, 4, 5},
        wide={1, 2},
    ) + _more(len(content.positions), POSITIONS_SHOWN_MAX)


def _slippage(content: DashboardContent) -> str:
    if not content.trades:
        return _nothing(NO_TRADES)
    if not any(one.count for one in content.month_slippage):
        return _nothing("No trade of the month has an intended price.")
    rows = [
        (
            _words(one.intended.value),
            {"all": "all", "buy": "buys", "sell": "sells"}.get(one.group, one.group),
            f"{one.count:,}",
            fixed(one.mean_bps, 1, signed=True),
            fixed(one.median_bps, 1, signed=True),
            money(one.cost, signed=True) if one.count else UNDEFINED,
            f"{len(one.outliers):,}",
        )
        for one in content.month_slippage
    ]
    note = "<p>Positive is a cost; basis points.</p>"
    return (
        _table(
            ("Against", "Trades of", "Trades", "Mean", "Median", "Cost", "Outliers"),
            rows,
            numbers={2, 3, 4, 5, 6},
            wide={2, 4, 6},
        )
        + note
    )


def _annotations(content: DashboardContent) -> str:
    if not content.trades:
        return _nothing(NO_TRADES)
    if not content.annotations:
        return _nothing(f"None of {content.trades:,} trades is annotated.")
    head = f"<p>{len(content.annotations)} of {content.trades:,} trades are annotated.</p>"
    return head + "".join(map(_annotation, content.annotations))


def _annotation(line: AnnotationLine) -> str:
    pairs = [*line.before, *line.after]
    late = ' <span class="bad">in hindsight</span>' if line.in_hindsight else ""
    return (
        f"<details><summary>{escape(_words(line.trade))}{late}</summary>"
        + _pairs(pairs)
        + "</details>"
    )


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    return (
        '<dl class="pairs">'
        + "".join(f"<div><dt>{escape(a)}</dt><dd>{escape(b)}</dd></div>" for a, b in rows)
        + "</dl>"
    )


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: set[int], wide: set[int]
) -> str:
    """A table; columns of `wide` are left out on a narrow screen."""

    def attribute(at: int) -> str:
        names = [name for name, places in (("n", numbers), ("wide", wide)) if at in places]
        return f' class="{" ".join(names)}"' if names else ""

    head = "".join(
        f'<th scope="col"{attribute(at)}>{escape(text)}</th>' for at, text in enumerate(headings)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{attribute(at)}>{escape(text)}</td>" for at, text in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _more(count: int, shown: int) -> str:
    return f"<p>{count - shown:,} more are not shown.</p>" if count > shown else ""


def _nothing(text: str) -> str:
    return f'<p class="nothing">{escape(text)}</p>'


def _quantity(value: Decimal) -> str:
    return f"{value.normalize():,f}"


def _moment(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _words(name: str) -> str:
    spaced = name.replace("_", " ")
    return spaced[:1].upper() + spaced[1:]
