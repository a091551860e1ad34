"""Limits on what the plan's orders make of the book: exposure, concentration, leverage, drawdown.

Each order is judged by the limits of `risk/` as if all others of the plan were done, so no order's
fate depends on its place in a list: where all together take the book too far, all that take it
there are dropped, and what only reduces stands. Net leverage is judged for all orders at once,
since of a long and a short each improves on the other alone: beyond the limit, and further from 0
than the closing orders leave the book, those that open on the heavier side are dropped. What is
left is judged again, since without some orders others may be too much (a long whose hedge was
dropped), until nothing more falls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from trading_assets.model.money import ZERO
from trading_assets.model.plan import PlanReason
from trading_assets.portfolio.opening_book import OpeningBook
from trading_assets.portfolio.sizing import OPENING_LEG, DraftOrder
from trading_assets.risk.limits import AccountExposure, OrderExposure, order_refusal
from trading_assets.risk.policies import RiskLimits
from trading_assets.risk.refusals import RiskCode, RiskRefusal


class _Totals(msgspec.Struct):
    """The book after orders: signed shares by symbol, and what they come to at plan prices."""

    positions: dict[str, Decimal]
    gross: Decimal = ZERO
    net: Decimal = ZERO
    sector_gross: dict[str, Decimal] = msgspec.field(default_factory=dict)


def within_exposure_limits(
    book: OpeningBook, net_equity: Decimal, drafts: Sequence[DraftOrder], limits: RiskLimits
) -> tuple[DraftOrder, ...]:
    """`drafts` in their order, those dropped that would take the book beyond `limits`.

    Values are at plan prices, `net_equity` is what the plan's commission leaves of equity. Cash is
    not judged here: the plan has fitted its purchases to it already.
    """
    single = limits.model_copy(update={"check_capital": False, "max_net_leverage": None})
    prices = {i.symbol: i.price for i in book.instruments if i.price is not None}
    held = {i.symbol: i.current for i in book.instruments}
    closed = _after(held, [d for d in drafts if d.leg != OPENING_LEG], prices, limits)
    standing = list(drafts)
    while True:
        totals = _after(held, standing, prices, limits)
        opening = {
            place: draft
            for place, draft in enumerate(standing)
            if draft.leg == OPENING_LEG and draft.quantity > 0
        }
        refused: dict[int, RiskRefusal] = {}
        for place, draft in opening.items():
            refusal = _refusal(book, net_equity, draft, totals, single)
            if refusal is not None:
                refused[place] = refusal
        if not refused:
            refused = _net_refusals(net_equity, opening, totals.net, closed.net, limits)
        if not refused:
            return tuple(standing)
        for place, refusal in refused.items():
            reason = PlanReason(refusal.code.value)
            standing[place] = standing[place].dropped(reason, refusal.message)


def _net_refusals(
    equity: Decimal,
    opening: Mapping[int, DraftOrder],
    net: Decimal,
    closed_net: Decimal,
    limits: RiskLimits,
) -> dict[int, RiskRefusal]:
    most = limits.max_net_leverage
    if most is None or abs(net) <= most * equity or abs(net) <= abs(closed_net):
        return {}
    return {
        place: RiskRefusal(
            RiskCode.NET_LEVERAGE_LIMIT, draft.instrument.symbol, abs(net) / equity, most
        )
        for place, draft in opening.items()
        if draft.side.sign * net > 0
    }


def _after(
    held: Mapping[str, Decimal],
    drafts: Sequence[DraftOrder],
    prices: Mapping[str, Decimal],
    limits: RiskLimits,
) -> _Totals:
    totals = _Totals(dict(held))
    for draft in drafts:
        totals.positions[draft.instrument.symbol] += draft.side.sign * draft.quantity
    for symbol, quantity in totals.positions.items():
        price = prices.get(symbol)
        if price is None or not quantity:
            continue
        value = quantity * price
        totals.net += value
        totals.gross += abs(value)
        sector = limits.sectors.get(symbol)
        if sector is not None:
            totals.sector_gross[sector] = totals.sector_gross.get(sector, ZERO) + abs(value)
    return totals


def _refusal(
    book: OpeningBook,
    net_equity: Decimal,
    draft: DraftOrder,
    totals: _Totals,
    limits: RiskLimits,
) -> RiskRefusal | None:
    symbol = draft.instrument.symbol
    change = draft.side.sign * draft.quantity
    after = totals.positions[symbol]
    before = after - change
    grown = (abs(after) - abs(before)) * draft.price
    sector_gross: Mapping[str, Decimal] = totals.sector_gross
    sector = limits.sectors.get(symbol)
    if sector is not None:
        sector_gross = {sector: totals.sector_gross.get(sector, ZERO) - grown}
    return order_refusal(
        OrderExposure(symbol=symbol, change=change, held=before, price=draft.price),
        AccountExposure(
            equity=net_equity,
            peak_equity=book.inputs.peak_equity,
            capital=ZERO,
            gross=totals.gross - grown,
            net=totals.net - change * draft.price,
            sector_gross=sector_gross,
        ),
        limits,
    )
