"""Strategy signals to one target portfolio: select or blend, then the constraints.

The hard part is to keep every target explained. A weight is the sum of its strategies'
contributions, and it must stay so, to the last decimal, while caps and totals move it. So the
constraints are solved on the absolute weights alone, and each name's contributions are then scaled
to its new weight, the rounding remainder going to the largest of them. Solving on contributions
directly would cap one strategy's wish before another's offsets it.

The constraints are: weights proportional to what was asked for, none above the cap, adding up to
the total. With redistribution that is min(cap, f · weight) for one factor f, found by fixing names
at the cap until none is above it. Results lie on the grid of `WEIGHT_QUANTUM` and add up exactly:
largest remainders get what rounding down leaves over, and a name below the cap has room for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from trading_assets.errors import ConfigurationError, InputError
from trading_assets.model.money import BASIS_POINT, ONE, WEIGHT_QUANTUM, ZERO, plain
from trading_assets.model.policies import Blend, ConstraintPolicy, Select
from trading_assets.model.target import (
    Contribution,
    StrategySignal,
    TargetPortfolio,
    TargetWeight,
)

Magnitudes = dict[str, Decimal]
"""Absolute weight by symbol, each above 0."""


def consolidate(
    session: dt.date,
    signals: Sequence[StrategySignal],
    combination: Select | Blend,
    constraints: ConstraintPolicy,
) -> TargetPortfolio:
    """Combine the signals known before `session` and apply the constraints.

    Each strategy's weights are multiplied by its share of equity (cut to ten decimals) and added
    up by symbol; longs and shorts of different strategies net. The total is then brought within
    `max_total_weight`, and last each name within `max_weight`. A symbol that no strategy wants is
    left out, so the result may be empty. One in which strategies want the opposite to the last
    quantum has weight 0 and the contributions, scaled as the total was: they hold it against each
    other inside the account. Signals that the combination does not use are ignored, and so is the
    order of signals and rows. A symbol with several asset ids shows the one that sorts first.

    Raises ConfigurationError when a strategy of the combination has no signal, InputError for a
    signal that was not known before `session`, for a short where none is allowed, and for
    constraints that these names cannot meet without cash.
    """
    shares = combination.shares
    used = _signals_used(session, signals, shares)
    if not constraints.allow_short:
        _require_no_short(used)
    wanted, asset_ids = _combine(used, shares)
    weights = {symbol: sum(parts.values(), ZERO) for symbol, parts in wanted.items()}
    before = {symbol: abs(weight) for symbol, weight in weights.items() if weight}
    after, notes = _constrained(before, constraints, ", ".join(signal.file for signal in used))
    targets = []
    for symbol, magnitude in sorted(after.items()):
        weight = magnitude.copy_sign(weights[symbol])
        targets.append(
            TargetWeight(
                asset_id=asset_ids[symbol],
                symbol=symbol,
                weight=weight,
                contributions=_scaled(wanted[symbol], weights[symbol], weight, weight),
            )
        )
    asked, reached = (sum(part.values(), ZERO) for part in (before, after))
    for symbol, weight in weights.items():
        # Weight 0 on both sides of the ratio would say nothing, so the total's is taken.
        parts = () if weight else _scaled(wanted[symbol], asked or ONE, reached or ONE, ZERO)
        if parts:
            targets.append(
                TargetWeight(
                    asset_id=asset_ids[symbol], symbol=symbol, weight=ZERO, contributions=parts
                )
            )
    targets.sort(key=lambda target: target.symbol)
    return TargetPortfolio(
        session=session,
        asof=min(signal.asof for signal in used),
        strategy_id="+".join(signal.strategy_id for signal in used),
        weights=tuple(targets),
        notes=tuple(notes),
    )


def _signals_used(
    session: dt.date, signals: Sequence[StrategySignal], shares: Mapping[str, Decimal]
) -> list[StrategySignal]:
    by_strategy = {signal.strategy_id: signal for signal in signals}
    absent = sorted(shares.keys() - by_strategy.keys())
    if absent:
        raise ConfigurationError(
            f"combination: {', '.join(absent)} has no signal for session {session}. "
            f"Signals were read for: {', '.join(sorted(by_strategy)) or 'none'}."
        )
    used = [by_strategy[name] for name in sorted(shares)]
    for signal in used:
        if signal.asof >= session:
            raise InputError(
                file=signal.file,
                value=signal.asof.isoformat(),
                rule=f"the signal of strategy {signal.strategy_id} must be dated before session "
                f"{session}",
                remedy="Use the latest signal before the session",
            )
    return used


def _require_no_short(signals: Sequence[StrategySignal]) -> None:
    # Shares are never negative, so without a short in a strategy there is none in the blend.
    for signal in signals:
        for row in sorted(signal.rows, key=lambda row: row.row):
            if row.weight < 0:
                raise InputError(
                    file=signal.file,
                    row=row.row,
                    value=plain(row.weight),
                    rule=f"strategy {signal.strategy_id} must not be short {row.symbol} on "
                    f"{row.trade_date}, for this portfolio allows no short positions",
                    remedy="Correct the weight, or set constraints.allow_short: true",
                )


def _combine(
    signals: Sequence[StrategySignal], shares: Mapping[str, Decimal]
) -> tuple[dict[str, dict[str, Decimal]], dict[str, str]]:
    """Contribution by symbol and strategy, and asset id by symbol; zero wishes are left out."""
    wanted: dict[str, dict[str, Decimal]] = {}
    asset_ids: dict[str, str] = {}
    for signal in signals:
        for row in signal.rows:
            part = _on_grid(row.weight * shares[signal.strategy_id])
            if not part:
                continue
            parts = wanted.setdefault(row.symbol, {})
            parts[signal.strategy_id] = parts.get(signal.strategy_id, ZERO) + part
            asset_ids[row.symbol] = min(row.asset_id, asset_ids.get(row.symbol, row.asset_id))
    return wanted, asset_ids


def _constrained(
    before: Magnitudes, constraints: ConstraintPolicy, files: str
) -> tuple[Magnitudes, list[str]]:
    """New magnitudes within the constraints, and what was changed in words."""
    limit = _on_grid(constraints.max_total_weight)
    cap = _on_grid(constraints.max_weight)
    asked = sum(before.values(), ZERO)
    total = min(asked, limit) if constraints.allow_cash else limit
    after = _capped(before, total, cap, constraints.redistribute) if asked else before
    reached = sum(after.values(), ZERO)
    if not constraints.allow_cash and reached != total:
        raise InputError(
            file=files,
            value=plain(reached),
            rule=f"the weights must add up to {plain(total)} without cash, and {len(before)} "
            f"name(s) at most {plain(cap)} each "
            + ("reach less" if constraints.redistribute else "reach less, the rest being cut off"),
            remedy="Raise constraints.max_weight, lower constraints.max_total_weight, set "
            "constraints.redistribute: true or constraints.allow_cash: true",
        )
    return after, _notes(before, after, asked, total, constraints)


def _capped(before: Magnitudes, total: Decimal, cap: Decimal, redistribute: bool) -> Magnitudes:
    """Magnitudes in proportion to `before`, at most `cap` each, adding up to `total`.

    What the cap cuts off goes to the other names with `redistribute`; otherwise, and when all
    names are at the cap, the sum stays below `total`.
    """
    free, rest = dict(before), total
    capped: Magnitudes = {}
    while free:
        asked = sum(free.values(), ZERO)
        above = [symbol for symbol, weight in free.items() if weight * rest > cap * asked]
        if not above:
            return {**capped, **_apportioned(free, rest)}
        capped |= dict.fromkeys(above, cap)
        lost = rest * sum((free.pop(symbol) for symbol in above), ZERO) / asked
        rest -= cap * len(above) if redistribute else lost
        if not redistribute:
            return {**capped, **_apportioned(free, _on_grid(rest))}
    return capped


def _apportioned(weights: Magnitudes, total: Decimal) -> Magnitudes:
    """`total` in proportion to `weights`, on the grid and adding up exactly; zeros left out.

    Each is rounded down, and the quanta left over go to the largest remainders, ties by symbol.
    """
    asked = sum(weights.values(), ZERO)
    if asked == total:
        return dict(weights)
    exact = {symbol: weight * total / asked for symbol, weight in weights.items()}
    result = {symbol: _on_grid(value) for symbol, value in exact.items()}
    left_over = int((total - sum(result.values(), ZERO)) / WEIGHT_QUANTUM)
    by_remainder = sorted(exact, key=lambda symbol: (result[symbol] - exact[symbol], symbol))
    for symbol in by_remainder[:left_over]:
        result[symbol] += WEIGHT_QUANTUM
    return {symbol: weight for symbol, weight in result.items() if weight}


def _scaled(
    parts: Mapping[str, Decimal], before: Decimal, after: Decimal, total: Decimal
) -> tuple[Contribution, ...]:
    """Contributions of a name scaled as `before` is to `after`, adding up to `total` exactly."""
    if before == after:
        scaled = dict(parts)
    else:
        scaled = {name: _on_grid(part * after / before) for name, part in parts.items()}
        largest = max(sorted(scaled), key=lambda name: abs(parts[name]))
        scaled[largest] += total - sum(scaled.values(), ZERO)
    return tuple(
        Contribution(strategy_id=name, weight=part) for name, part in sorted(scaled.items()) if part
    )


def _notes(
    before: Magnitudes,
    after: Magnitudes,
    asked: Decimal,
    total: Decimal,
    constraints: ConstraintPolicy,
) -> list[str]:
    """What the constraints changed; a total moved by less than a basis point goes unsaid."""
    notes = []
    if abs(asked - total) >= BASIS_POINT:
        up = asked < total
        rule = "no cash allowed" if up else f"max_total_weight {plain(total)}"
        way = "up" if up else "down"
        notes.append(f"total weight {plain(asked)} scaled {way} to {plain(total)} ({rule})")
    cap = _on_grid(constraints.max_weight)
    for symbol, weight in sorted(before.items()):
        if after.get(symbol) == cap and weight * total > cap * asked:
            scaled = _on_grid(weight * total / asked)
            notes.append(
                f"{symbol}: {plain(scaled)} cut to {plain(cap)} (max_weight), "
                + ("the rest to other names" if constraints.redistribute else "the rest to cash")
            )
    short_of_total = total - sum(after.values(), ZERO)
    if constraints.redistribute and short_of_total:
        notes.append(f"{plain(short_of_total)} left in cash, for every name is at max_weight")
    return notes


def _on_grid(value: Decimal) -> Decimal:
    return value.quantize(WEIGHT_QUANTUM, rounding=ROUND_DOWN)
