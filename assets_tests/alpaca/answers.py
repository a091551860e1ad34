"""The account, its positions and its past as the API describes them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, localcontext

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.activities import TRANSFERS, moment
from assets_tests.alpaca.clock import NEW_YORK, stamp
from assets_tests.alpaca.orders import text

SIX = Decimal("0.000001")


def account_answer(account: BrokerAccount) -> dict[str, object]:
    """GET /v2/account. The pattern-day-trader fields left the API in July 2026."""
    values = [account.market_value(symbol) for symbol in account.holdings.positions]
    long = sum((value for value in values if value > 0), Decimal(0))
    short = sum((value for value in values if value < 0), Decimal(0))
    margin = (long - short) / account.multiplier
    equity, power = account.equity(), account.buying_power()
    past = account.holdings.closing_equity
    last = past[max(past)] if past else account.initial_cash
    return {
        "id": account.id,
        "account_number": account.number,
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "cash": text(account.holdings.cash),
        "equity": text(equity),
        "last_equity": text(last),
        "portfolio_value": text(equity),
        "long_market_value": text(long),
        "short_market_value": text(short),
        "buying_power": text(power),
        "regt_buying_power": text(power),
        "non_marginable_buying_power": text(max(Decimal(0), account.holdings.cash)),
        "options_buying_power": text(power),
        "initial_margin": text(margin),
        "maintenance_margin": text((long - short) * Decimal("0.3")),
        "last_maintenance_margin": "0",
        "sma": "0",
        "multiplier": str(account.multiplier),
        "accrued_fees": "0",
        "pending_reg_taf_fees": "0",
        "intraday_adjustments": "0",
        "balance_asof": (max(past) if past else account.clock.today).isoformat(),
        "created_at": stamp(account.created_at),
        "account_blocked": False,
        "trading_blocked": account.trading_blocked,
        "transfers_blocked": False,
        "trade_suspended_by_user": False,
        "shorting_enabled": account.shorting_enabled,
        "options_approved_level": 0,
        "options_trading_level": 0,
    }


def configuration_answer(account: BrokerAccount) -> dict[str, object]:
    """GET /v2/account/configurations."""
    return {
        "fractional_trading": True,
        "max_margin_multiplier": str(account.multiplier),
        "no_shorting": not account.shorting_enabled,
        "suspend_trade": account.trading_blocked,
        "trade_confirm_email": "none",
        "ptp_no_exception_entry": False,
        "max_options_trading_level": 0,
        "disable_overnight_trading": False,
    }


def position_answer(account: BrokerAccount, symbol: str) -> dict[str, object]:
    """One position; a symbol without a price is valued at cost."""
    position, asset = account.holdings.positions[symbol], account.market.assets[symbol]
    with localcontext(prec=50):
        entry = (position.cost / position.quantity).quantize(Decimal("0.000000000001"))
        value = account.market_value(symbol)
        price = account.market.price(symbol) or entry
        last = account.market.closes.get(symbol, price)
        gain = value - position.cost
        gain_today = position.quantity * (price - last)
        gain_pct = (gain / abs(position.cost)).quantize(SIX)
        change = (price / last - 1).quantize(SIX)
    side = "sell" if position.quantity > 0 else "buy"
    available = position.quantity.copy_abs() - account.held_for_orders(symbol, side)
    sign = 1 if position.quantity > 0 else -1
    return {
        "asset_id": asset.id,
        "symbol": symbol,
        "exchange": asset.exchange,
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": text(position.quantity),
        "qty_available": text(sign * available),
        "avg_entry_price": text(entry),
        "side": "long" if position.quantity > 0 else "short",
        "market_value": text(value),
        "cost_basis": text(position.cost),
        "unrealized_pl": text(gain),
        "unrealized_plpc": text(gain_pct),
        "unrealized_intraday_pl": text(gain_today),
        "unrealized_intraday_plpc": text(change),
        "current_price": text(price),
        "lastday_price": text(last),
        "change_today": text(change),
    }


def portfolio_history(account: BrokerAccount, query: dict[str, str]) -> dict[str, object]:
    """GET /v2/account/portfolio/history in days, each told as its 20:00 in New York: the equity at
    each close, and the cash flows.

    `start` and `end` bound the days; `period` (nD, nW, nM, nA) counts them back from the last.
    """
    past = account.holdings.closing_equity
    days = sorted(past)
    if query.get("start"):
        days = [day for day in days if day >= moment(query["start"]).date()]
    if query.get("end"):
        days = [day for day in days if day <= moment(query["end"]).date()]
    period = query.get("period")
    if period and days:
        length = {"D": 1, "W": 7, "M": 30, "A": 365}[period[-1]] * int(period[:-1])
        days = [day for day in days if day > days[-1] - dt.timedelta(days=length)]
    base = past[days[0]] if days else account.initial_cash
    answer: dict[str, object] = {
        "timestamp": [
            int(dt.datetime.combine(day, dt.time(20), NEW_YORK).timestamp()) for day in days
        ],
        "equity": [float(past[day]) for day in days],
        "profit_loss": [float(past[day] - base) for day in days],
        "profit_loss_pct": [float(past[day] / base - 1) if base else 0.0 for day in days],
        "base_value": float(base),
        "timeframe": "1D",
    }
    kinds = query.get("cashflow_types", "NONE")
    if kinds != "NONE":
        answer["cashflow"] = _cash_flows(account, kinds, days)
    return answer


def _cash_flows(account: BrokerAccount, kinds: str, days: list[dt.date]) -> dict[str, list[float]]:
    wanted = None if kinds == "ALL" else set(kinds.replace("TRANS", ",".join(TRANSFERS)).split(","))
    flows: dict[str, list[float]] = {}
    for activity in account.activities:
        if activity.is_fill or (wanted is not None and activity.type not in wanted):
            continue
        day = dt.date.fromisoformat(str(activity.row["date"]))
        if day in days:
            by_day = flows.setdefault(activity.type, [0.0] * len(days))
            by_day[days.index(day)] += float(activity.amount)
    return flows
