"""A session's profit and loss, and the value of its positions, exact to the cent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trading_assets.errors import LedgerError
from trading_assets.ledger.activity import (
    BookClose,
    InstrumentActivity,
    SessionActivity,
)
from trading_assets.model.money import ZERO, round_to_tick, weight
from trading_assets.model.result import DailyResult, InstrumentResult, PositionValue

AVERAGE_COST_STEP = Decimal("0.000001")


def daily_result(
    previous: BookClose | None, activity: SessionActivity, close: BookClose
) -> DailyResult:
    """Result of the session that led from `previous` (None: nothing before) to `close`.

    Instruments are all that were held at either close or traded, sorted by symbol. `flows` are
    those of the activity, adjusted shares at their value among them. Return and turnover are
    unrounded quotients, None where their base is not positive. The identity of DailyResult holds
    exactly; LedgerError if it does not, for then the three arguments do not belong together.
    """
    opening_values = {} if previous is None else previous.values
    acted = {item.symbol: item for item in activity.instruments}
    instruments = tuple(
        _instrument_result(
            symbol,
            opening_values.get(symbol, ZERO),
            close.values.get(symbol, ZERO),
            acted.get(symbol),
        )
        for symbol in sorted({*opening_values, *close.values, *acted})
    )
    opening_equity = ZERO if previous is None else previous.equity
    pnl = sum((item.pnl for item in instruments), activity.interest + activity.fx_pnl)
    fees = activity.fees + activity.borrow_fees + activity.taxes
    traded = sum((item.traded for item in activity.instruments), ZERO)
    # What comes in earns from the session's start, what goes out earns to its end.
    base = opening_equity + max(activity.flows, ZERO)
    result = DailyResult(
        session=close.session,
        opening_equity=opening_equity,
        flows=activity.flows,
        pnl=pnl,
        realized_pnl=sum((item.realized_pnl for item in instruments), ZERO),
        fees=fees,
        closing_equity=close.equity,
        cash=close.cash,
        market_value=sum(close.values.values(), ZERO),
        traded=traded,
        daily_return=(pnl - fees) / base if base > 0 else None,
        turnover=traded / (2 * close.equity) if close.equity > 0 else None,
        benchmark=close.benchmark,
        instruments=instruments,
        accruals=close.accruals,
        dividends=activity.dividends,
        interest=activity.interest,
        fx_pnl=activity.fx_pnl,
        borrow_fees=activity.borrow_fees,
        taxes=activity.taxes,
    )
    if result.identity_gap:
        raise LedgerError(
            f"{close.session}: equity moved by {result.identity_gap} that profit, flows and fees "
            "do not account for. Give the close before, its activity and the close after it."
        )
    return result


def _instrument_result(
    symbol: str, opening: Decimal, closing: Decimal, activity: InstrumentActivity | None
) -> InstrumentResult:
    bought = activity.bought if activity else ZERO
    sold = activity.sold if activity else ZERO
    dividends = activity.dividends if activity else ZERO
    return InstrumentResult(
        symbol=symbol,
        opening_value=opening,
        bought=bought,
        sold=sold,
        closing_value=closing,
        pnl=closing - opening - (bought - sold) + dividends,
        realized_pnl=activity.realized_pnl if activity else ZERO,
        commission=activity.commission if activity else ZERO,
        dividends=dividends,
    )


def position_values(
    close: BookClose, cost_bases: Mapping[str, Decimal]
) -> tuple[PositionValue, ...]:
    """The positions of a close at its marks, sorted by symbol; empty for none.

    `cost_bases` are signed money of the portfolio's currency by symbol. `average_cost` is per
    share, to the millionth. Weights are of the close's equity; where that is 0 they are undefined
    and given as 0.
    """
    return tuple(
        PositionValue(
            symbol=symbol,
            quantity=quantity,
            average_cost=round_to_tick(cost_bases[symbol] / quantity, AVERAGE_COST_STEP),
            cost_basis=cost_bases[symbol],
            mark=close.marks[symbol].price,
            mark_session=close.marks[symbol].session,
            market_value=close.values[symbol],
            unrealized_pnl=close.values[symbol] - cost_bases[symbol],
            weight=weight(close.values[symbol], close.equity) if close.equity else ZERO,
        )
        for symbol, quantity in sorted(close.positions.items())
    )
