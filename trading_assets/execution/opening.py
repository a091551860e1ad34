"""Whether a book is fit to plan a session from: what its latest close and its plan say."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping
from decimal import Decimal

from msgspec.structs import replace

from trading_assets.brokers.base import Broker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.arrival import Arrival, highest_ask, market_prices
from trading_assets.execution.book import Book
from trading_assets.execution.guard import SIMULATED_ACCOUNT
from trading_assets.execution.readiness import account_of
from trading_assets.model.account import Execution
from trading_assets.model.instrument import PriceSnapshot
from trading_assets.model.money import ZERO, plain
from trading_assets.model.order import Side
from trading_assets.model.plan import OrderPlan
from trading_assets.model.result import Gap
from trading_assets.model.target import TargetPortfolio
from trading_assets.portfolio.buying_power import PowerNow
from trading_assets.portfolio.limits import session_over_refusal
from trading_assets.portfolio.order_rules import AccountTraits
from trading_assets.portfolio.planning import PlanInputs
from trading_assets.portfolio.proceeds import Means
from trading_assets.portfolio.rebalance_dates import is_rebalance
from trading_assets.reconciliation import unexplained_gaps
from trading_assets.settings import Mode, PortfolioSettings


def plan_inputs(
    settings: PortfolioSettings, book: Book, targets: TargetPortfolio, prices: PriceSnapshot
) -> PlanInputs:
    """The planner's view of a book as it stands, with a session's targets and prices."""
    return PlanInputs(
        targets=targets,
        prices=prices,
        positions=book.positions,
        cash=book.cash,
        portfolio_id=settings.id,
        revision=book.log.revision,
        planning=settings.planning,
        limits=settings.limits,
        risk=settings.risk,
        peak_equity=book.peak_equity,
        commission=settings.commission,
        allow_short=settings.constraints.allow_short,
        asset_ids={},
        rebalances=is_rebalance(settings.planning.rebalance, targets.session, book.closed_through),
    )


def unreconciled(book: Book, mode: Mode) -> tuple[Gap, ...]:
    """What nothing explains at the latest close, and nobody has accepted since."""
    last = book.last_closed
    if last is None or (mode.is_real and was_decided(book, break_name(last.session))):
        return ()
    # A session without orders may have been one of a dry portfolio that trades since.
    return unexplained_gaps(last, sent=mode is not Mode.DRY and bool(last.orders))


def break_name(closed: dt.date) -> str:
    """What an adjustment is caused by that accepts the differences of a close."""
    return f"break of {closed}"


def discard_name(digest: str) -> str:
    """What an adjustment is caused by that discards a plan."""
    return f"discarded plan {digest}"


def was_decided(book: Book, name: str) -> bool:
    """True where a person has recorded an adjustment for this cause since the latest close."""
    last = book.last_closed
    records = book.log.records(
        after=0 if last is None else last.sequence,
        up_to=book.sequence,
        event_types=("adjustment",),
    )
    return any(record.causation_id == name for record in records)


def at_broker(
    inputs: PlanInputs, broker: Broker, symbols: Collection[str], *, is_over: bool
) -> PlanInputs:
    """The planner's view with what a real broker accepts, grants the account and has open; a plan
    for a session that `is_over` is refused, for nothing of it will be sent."""
    open_sides: dict[str, frozenset[Side]] = {}
    held_shares: dict[str, Decimal] = {}
    for order in broker.open_orders().require():
        symbol = order.request.symbol
        open_sides[symbol] = open_sides.get(symbol, frozenset()) | {order.request.side}
        if inputs.positions.get(symbol, ZERO) * order.request.side.sign < 0:
            # One that was placed in money has no quantity.
            left = max(order.request.quantity - order.filled_quantity, ZERO)
            held_shares[symbol] = held_shares.get(symbol, ZERO) + left
    return replace(
        inputs,
        order_rules=broker.capabilities.order_rules,
        traits=broker.traits(symbols).require(),
        account=_account_traits(broker),
        open_sides=open_sides,
        held_shares=held_shares,
        refusals=(session_over_refusal(inputs.targets.session),) if is_over else (),
    )


def _account_traits(broker: Broker) -> AccountTraits:
    """What the broker grants the account now; asked only where its rules say how orders count."""
    if broker.capabilities.order_rules.buying_power is None:
        return AccountTraits()
    stated = broker.account().require()
    return AccountTraits(
        buying_power=stated.buying_power,
        multiplier=stated.multiplier,
        may_short=stated.may_short,
    )


def means_now(cash: Decimal, broker: Broker, market: Mapping[str, Arrival]) -> Means:
    """What opening orders may use now: `cash` of the book (money), and the buying power by a real
    broker's rules; where those are not known, cash without what orders of somebody else have laid
    claim to."""
    prices = market_prices(market)
    if not broker.capabilities.is_real:
        return Means(cash=cash, prices=prices)
    power = broker.account().require().buying_power
    rules = broker.capabilities.order_rules.buying_power
    if power is None or rules is None:
        return Means(cash=cash if power is None else min(cash, power), prices=prices)
    asks = {symbol: highest_ask(price) for symbol, price in prices.items()}
    return Means(
        cash=cash,
        prices=prices,
        power=PowerNow(buying_power=power, rules=rules, asks=asks),
    )


def says_nothing_new(plan: OrderPlan, recorded: OrderPlan) -> bool:
    """True where a plan need not be recorded beside one that is: the same, or refused as that was
    and different in the buying power alone, which moves with every price."""
    if plan == recorded or not (plan.refusals and recorded.refusals):
        return plan == recorded
    # The digest names the buying power too.
    return recorded == replace(
        plan,
        buying_power=recorded.buying_power,
        digest=recorded.digest,
        batch_id=recorded.batch_id,
    )


def moved_since(plan: OrderPlan, book: Book, *, with_cash: bool = True) -> str:
    """How the book differs from the one that a plan without orders yet was made for; without
    `with_cash`, cash that differs while all positions are the same does not count."""
    if book.orders(plan.session):
        return ""
    planned = {line.symbol: line.current_quantity for line in plan.lines}
    if not with_cash and all(
        planned.get(name, ZERO) == book.positions.get(name, ZERO)
        for name in {*planned, *book.positions}
    ):
        return ""
    planned["cash"] = plan.cash
    now = book.positions | {"cash": book.cash}
    return "; ".join(
        f"{name}: {plain(planned.get(name, ZERO))} then, {plain(now.get(name, ZERO))} now"
        for name in sorted({*planned, *now})
        if planned.get(name, ZERO) != now.get(name, ZERO)
    )


def restore_both(settings: PortfolioSettings, calendar: TradingCalendar, book: Book) -> str:
    """What a person does where book and account are not of the same time, or of the same kind."""
    if settings.mode.is_real:
        if (account_of(book) or "").startswith(SIMULATED_ACCOUNT):
            return (
                "The book is of a dry or simulated run. Use a new portfolio id, or move it away "
                f"(books/{settings.id}.*): the account is then taken over as it is."
            )
        return (
            "Restore the book from its backup, settle the difference at the broker, or accept it "
            "(`trading_assets book accept-break`)."
        )
    return (
        "Restore state/books and state/simulated_brokers from backups of the same time, or "
        f"remove this portfolio's files in both and run again from {calendar.first}."
    )


def is_of_open_order(book: Book, execution: Execution) -> bool:
    """True where an execution is one of an order that may still trade as far as the book knows."""
    order = book.fold.orders.get(execution.client_order_id)
    return order is not None and order.is_open


def require_not_ahead(
    settings: PortfolioSettings,
    calendar: TradingCalendar,
    book: Book,
    session: dt.date,
    execution: Execution,
) -> None:
    """BrokerUnknownError where an execution that the book does not have cannot be of `session`."""
    name = execution.client_order_id
    is_ours = re.match(rf"{re.escape(settings.id[:40])}_\d{{8}}_", name) is not None
    is_lost = is_ours and book.fold.orders.get(name) is None
    is_later = execution.executed_at > calendar.closes_at(session)
    is_late = is_later and settings.mode.is_real and is_of_open_order(book, execution)
    if is_lost or (is_later and not is_late):
        raise BrokerUnknownError(
            f"{settings.id}: the account is ahead of the book: execution {execution.execution_id} "
            f"of {execution.executed_at:%Y-%m-%d %H:%M} UTC cannot belong to {session}"
            f"{', its order is not in the book' if is_lost else ''}. Nothing was booked. "
            f"{restore_both(settings, calendar, book)}"
        )
