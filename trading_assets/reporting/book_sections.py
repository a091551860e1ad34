"""Middle of the monthly report: what the book says happened in the month."""

from __future__ import annotations

from decimal import Decimal

from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Table, TableStyle

from trading_assets.model.money import ZERO
from trading_assets.reporting.instrument_section import instrument_part
from trading_assets.reporting.monthly_content import MonthlyContent
from trading_assets.reporting.number_format import (
    NOT_APPLICABLE,
    UNDEFINED,
    decimals_of,
    fixed,
    money,
    percent,
)
from trading_assets.reporting.sections import headed, nothing, together, words
from trading_assets.reporting.strategy_section import strategy_part
from trading_assets.reporting.styles import ALERT, CONTENT_WIDTH, SMALL, paragraph
from trading_assets.reporting.tables import Column, Kind, TableSpec, data_table
from trading_assets.reporting.trade_sections import trade_part

_GUTTER = 7 * mm
_INDENT = 3 * "\u00a0"


def book_part(content: MonthlyContent) -> list[Flowable]:
    """Statement of the month to round trips, in the order of the page."""
    return [
        *_statement(content),
        *strategy_part(content),
        *_flows(content),
        *_account_lines(content),
        *_positions(content),
        *instrument_part(content),
        *trade_part(content),
    ]


def _statement(content: MonthlyContent) -> list[Flowable]:
    """Equity and costs side by side."""
    half = CONTENT_WIDTH / 2
    pair = Table(
        [[_equity(content), _costs(content)]],
        colWidths=[half, half],
        style=TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (0, -1), 0),
                ("RIGHTPADDING", (0, 0), (0, -1), _GUTTER / 2),
                ("LEFTPADDING", (1, 0), (1, -1), _GUTTER / 2),
                ("RIGHTPADDING", (1, 0), (1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 0),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
            ]
        ),
        hAlign="LEFT",
    )
    return together("Statement of the month", [pair])


def _equity(content: MonthlyContent) -> list[Flowable]:
    found = content.statement
    if found is None:
        return [nothing("No session of this month is closed.")]
    income = (
        ("of which dividends", found.dividends),
        ("of which interest", found.interest),
        ("of which exchange rates", found.fx_pnl),
    )
    rows = (
        ("Equity at the start", money(found.opening_equity)),
        ("Deposits less withdrawals", money(found.flows, signed=True)),
        ("Profit and loss before costs", money(found.pnl, signed=True)),
        *((_INDENT + label, money(part, signed=True)) for label, part in income if part),
        ("Commissions, fees and taxes", money(-found.fees, signed=True)),
        ("Equity at the end", money(found.closing_equity)),
    )
    body: list[Flowable] = [_amounts("Equity", content.currency, rows)]
    if found.identity_gap != 0:
        gap = money(found.identity_gap, signed=True)
        body.append(paragraph(f"The statement does not add up: {gap} is unexplained.", ALERT))
    return body


def _costs(content: MonthlyContent) -> list[Flowable]:
    found = content.costs
    if found is None:
        return [nothing("No costs are on record for this month.")]
    known = found.shortfall if found.shortfall is not None else ZERO
    total = found.commissions + found.other_fees + found.borrow_fees + found.taxes + known
    share = f"{fixed(total / found.traded * 10_000, 1)} bps" if found.traded else UNDEFINED
    label = "Total" if found.shortfall is not None else "Total without shortfall"
    rows = (
        ("Traded notional", money(found.traded)),
        ("Commissions", money(found.commissions)),
        *(
            (label, money(cost))
            for label, cost in (("Borrow fees", found.borrow_fees), ("Taxes", found.taxes))
            if cost
        ),
        ("Other fees", money(found.other_fees)),
        ("Implementation shortfall", money(found.shortfall)),
        (f"{label} ({share} of traded)", money(total)),
    )
    note = (
        "Positive is a cost. Implementation shortfall is the fills against their plan prices; it "
        "is part of profit and loss, not of fees."
    )
    return [_amounts("Costs", content.currency, rows), paragraph(note, SMALL)]


def _amounts(heading: str, currency: str, rows: tuple[tuple[str, str], ...]) -> Flowable:
    """Half a page wide, so that label and amount stay close together; the last row is the sum."""
    columns = (Column(heading, Kind.TEXT, 100), Column(currency))
    width = (CONTENT_WIDTH - _GUTTER) / 2
    return data_table(TableSpec(columns=columns, rows=rows, totals=1, width=width))


def _flows(content: MonthlyContent) -> list[Flowable]:
    title = "Deposits and withdrawals"
    if not content.flows:
        return together(title, [nothing("No deposits or withdrawals this month.")])
    flows = tuple(
        (line.session.isoformat(), words(line.kind), line.detail, money(line.amount, signed=True))
        for line in content.flows
    )
    net = money(sum((line.amount for line in content.flows), ZERO), signed=True)
    spec = TableSpec(
        columns=(
            Column("Session", Kind.TEXT),
            Column("Kind", Kind.TEXT),
            Column("Detail", Kind.TEXT, 90),
            Column(f"Amount, {content.currency}"),
        ),
        rows=(*flows, ("Net", "", "", net)),
        totals=1,
    )
    return headed(title, [data_table(spec)], room=30 * mm)


def _account_lines(content: MonthlyContent) -> list[Flowable]:
    """Dividends, interest and corporate actions; left out of a month that has none."""
    lines = content.account_lines
    if not lines:
        return []
    quantity = decimals_of((one.quantity for one in lines if one.quantity), least=0, most=6)
    rows = [
        (
            "Month" if one.session is None else one.session.isoformat(),
            one.symbol,
            one.kind,
            "" if one.quantity is None else fixed(one.quantity, quantity, signed=True),
            "" if one.amount is None else money(one.amount, signed=True),
        )
        for one in lines
    ]
    net = money(sum((one.amount for one in lines if one.amount is not None), ZERO), signed=True)
    spec = TableSpec(
        columns=(
            Column("Session", Kind.TEXT),
            Column("Symbol", Kind.TEXT),
            Column("Kind", Kind.TEXT, 90),
            Column("Shares"),
            Column(f"Amount, {content.currency}"),
        ),
        rows=(*rows, ("Net", "", "", "", net)),
        totals=1,
    )
    note = (
        "Dividends are income by the portfolio's accounting policy: on the ex-date, or when the "
        "broker pays them. Shares are what a split, spin-off or takeover added or took."
    )
    title = "Income and corporate actions"
    return headed(title, [data_table(spec), paragraph(note, SMALL)], room=30 * mm)


def _positions(content: MonthlyContent) -> list[Flowable]:
    when = f" at {content.as_of.isoformat()}" if content.as_of else ""
    title = f"Positions{when}"
    lines = [(line.position, line.name) for line in content.positions]
    if not lines:
        held = "" if content.cash is None else f" Cash: {content.currency} {money(content.cash)}."
        return together(title, [nothing(f"No positions are held.{held}")])
    lines.sort(key=lambda entry: (-abs(entry[0].market_value), entry[0].symbol))
    quantity = decimals_of((p.quantity for p, _ in lines), least=0, most=6)
    price = decimals_of((p.mark for p, _ in lines), least=2, most=4)
    rows = [
        (
            p.symbol,
            name or NOT_APPLICABLE,
            fixed(p.quantity, quantity),
            fixed(p.average_cost, price),
            fixed(p.mark, price),
            money(p.cost_basis),
            money(p.market_value),
            money(p.unrealized_pnl, signed=True),
            percent(p.weight),
        )
        for p, name in lines
    ]
    totals = _position_totals(content)
    columns = (
        Column("Symbol", Kind.TEXT),
        Column("Name", Kind.TEXT, 70),
        Column("Quantity"),
        Column("Average cost"),
        Column("Price"),
        Column("Cost basis"),
        Column("Market value"),
        Column("Unrealised P&L"),
        Column("Weight"),
    )
    spec = TableSpec(columns=columns, rows=(*rows, *totals), totals=len(totals))
    note = f"Amounts in {content.currency}; weights are of equity."
    stale = sorted({p.symbol for p, _ in lines if content.as_of and p.mark_session < content.as_of})
    if stale:
        note += f" Valued at an earlier close: {', '.join(stale)}."
    return headed(title, [data_table(spec), paragraph(note, SMALL)])


def _position_totals(content: MonthlyContent) -> list[tuple[str, ...]]:
    held = [line.position for line in content.positions]

    def total(values: list[Decimal]) -> Decimal:
        return sum(values, ZERO)

    label = f"{len(held)} position" + ("s" if len(held) != 1 else "")
    rows: list[tuple[str, ...]] = [
        (
            "Total",
            label,
            *("", "", ""),
            money(total([p.cost_basis for p in held])),
            money(total([p.market_value for p in held])),
            money(total([p.unrealized_pnl for p in held]), signed=True),
            percent(total([p.weight for p in held])),
        )
    ]
    equity = content.equity
    rest = _not_shown(content)
    accruals = content.accruals or None
    others = (("Cash", content.cash), ("Accrued", accruals), ("Other", rest), ("Equity", equity))
    for symbol, amount in others:
        if amount is not None:
            share = percent(amount / equity) if equity is not None and equity > 0 else UNDEFINED
            rows.append((symbol, "", "", "", "", "", money(amount), "", share))
    return rows


def _not_shown(content: MonthlyContent) -> Decimal | None:
    """The part of equity that is neither positions, cash nor accruals; None where it is 0."""
    if content.cash is None or content.equity is None:
        return None
    held = sum((line.position.market_value for line in content.positions), ZERO)
    return (content.equity - held - content.cash - content.accruals) or None
