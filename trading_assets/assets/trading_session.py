"""`trading_session`: plan, execution and end-of-day positions of one session as one op.

Plan depends on the last positions, positions on the execution, execution on the plan: a loop
through time, which Dagster refuses between separate assets. One op that cannot be taken apart
walks its sessions in order, each opening with what the book holds after the one before. At a real
broker a session is several runs of it, and only the one that closes it has all three outputs.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import dagster as dg
import msgspec

from trading_assets.assets.account_checks import equity_finding, hours_finding
from trading_assets.assets.closed_sessions import keep_closed_sessions
from trading_assets.assets.metadata import Metadata, preview, rows_metadata
from trading_assets.assets.partitions import sessions_of
from trading_assets.assets.portfolio_graph import ONE_RUN, PortfolioGraph
from trading_assets.assets.session_checks import Finding, SessionCheck, check_spec, results
from trading_assets.assets.session_projections import Decided, SessionProjections
from trading_assets.assets.targets import require
from trading_assets.atomic_file import flush_files
from trading_assets.brokers.alpaca import AlpacaBroker
from trading_assets.brokers.alpaca_stream import waiting_on
from trading_assets.execution.book import Book
from trading_assets.execution.corporate_actions import described, missed_actions
from trading_assets.execution.foreign_orders import foreign_order_notice, foreign_orders
from trading_assets.execution.session import (
    SessionInputs,
    SessionOutcome,
    SessionRunner,
    SessionStatus,
)
from trading_assets.ledger.history import ClosedSession
from trading_assets.market_data.base import PriceSource, changes_now
from trading_assets.model.account import Unknown
from trading_assets.model.corporate_actions import ex_date_of
from trading_assets.model.instrument import PriceSnapshot
from trading_assets.model.money import ZERO, plain
from trading_assets.model.plan import OrderPlan
from trading_assets.model.policies import Placement
from trading_assets.progress import tracked
from trading_assets.reconciliation.manual_matching import trade_list
from trading_assets.reporting.exports import SessionExports, forget_exports_from
from trading_assets.reporting.projections import lot_table, read_prices, read_targets
from trading_assets.resources import (
    BookResource,
    BrokerResource,
    LakeResource,
    MarketDataResource,
)

STAGE = "trading"
PROJECTED = ("order_plan", "execution_log", "positions_eod")
BOOK_PROJECTIONS = (
    "order_plan",
    "execution_log",
    "positions_eod",
    "lots_eod",
    "reconciliation",
    "reconciliation_gaps",
    "pnl_daily",
    "pnl_by_instrument",
    "round_trips",
    "strategy_pnl",
    "strategy_positions",
    "slippage",
    "risk_snapshot",
    "risk_by_sector",
)
"""The tables that are made from the book, as against those that a session is decided from."""
PREVIOUS_SESSION = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)


class SessionConfig(dg.Config):
    """What a person may ask of a run."""

    stop_after_plan: bool = False
    """Plan and record the plan, send nothing; run again without it to send what was planned."""


class SessionChecks:
    """The checks of the three assets."""

    def __init__(self, graph: PortfolioGraph) -> None:
        plan, execution = graph.key("order_plan"), graph.key("execution_log")
        settings = graph.settings
        # Who trades by hand has orders of that kind, and no others.
        by_hand = settings.execution.placement is Placement.MANUAL
        self.asks_for_foreign = settings.mode.is_real and not by_hand
        self.opening = SessionCheck(
            plan,
            "opening_book_equals_broker",
            "Positions and cash of the book are the broker's before the session is planned; "
            "otherwise nothing is planned or sent.",
        )
        self.gate = SessionCheck(
            plan,
            "orders_may_be_sent",
            "No limit of the plan and no guard (halt switch, mode, account, its restrictions, "
            "current session) forbids sending; otherwise nothing is sent.",
        )
        self.sent_once = SessionCheck(
            execution,
            "each_order_sent_once_and_done",
            "No client order id occurs twice and no order is left open.",
        )
        self.foreign = SessionCheck(
            plan,
            "no_foreign_order_is_open",
            "No order is open at the account that this portfolio did not place. One that is keeps "
            "the plan from the other side of its symbol, from its shares and from its money.",
            blocking=False,
        )
        self.asks_account = settings.alpaca is not None
        self.hours = SessionCheck(
            plan,
            "session_is_the_brokers",
            "The broker holds the session, at the hours of the exchange's calendar.",
            blocking=False,
        )
        self.equity = SessionCheck(
            graph.key("positions_eod"),
            "past_equity_is_the_brokers",
            "The broker's history has the equity of the close before as the book has it, but for "
            "prices.",
            blocking=False,
        )
        self.balance = SessionCheck(
            graph.key("positions_eod"),
            "lots_and_cash_balance",
            "Equity is market value and cash, and each position is the sum of its lots.",
        )

    @property
    def all(self) -> tuple[SessionCheck, ...]:
        """In the order in which they are shown."""
        foreign = (self.foreign,) if self.asks_for_foreign else ()
        account = (self.hours, self.equity) if self.asks_account else ()
        return (self.opening, self.gate, *foreign, self.sent_once, self.balance, *account)


def build_trading_session(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The assets `order_plan`, `execution_log` and `positions_eod` of one portfolio."""

    def spec(name: str, description: str, deps: list[Any], skippable: bool) -> dg.AssetSpec:
        return dg.AssetSpec(
            graph.key(name),
            deps=deps,
            description=description,
            group_name=graph.group(STAGE),
            owners=graph.owners,
            tags=graph.tags,
            kinds={"parquet", "sqlite"},
            skippable=skippable,
        )

    @dg.multi_asset(
        name=f"{graph.settings.id}__trading_session",
        specs=[
            spec(
                "order_plan",
                "Every order considered, what became of it and why, and those to be sent.",
                [graph.key("consolidated_targets"), graph.key("prices")],
                skippable=False,
            ),
            spec(
                "execution_log",
                "Every order sent: client order id, batch, status, fills, error.",
                [graph.key("order_plan")],
                skippable=True,
            ),
            spec(
                "positions_eod",
                "Positions, lots, cash and weights at the close, from the book.",
                [
                    graph.key("execution_log"),
                    dg.AssetDep(graph.key("positions_eod"), partition_mapping=PREVIOUS_SESSION),
                ],
                skippable=True,
            ),
        ],
        check_specs=[check_spec(check) for check in SessionChecks(graph).all],
        partitions_def=graph.sessions,
        backfill_policy=ONE_RUN,
        can_subset=False,
        pool=f"trading_{graph.settings.id}",
    )
    def trading_session(
        context: dg.AssetExecutionContext,
        config: SessionConfig,
        market_data: MarketDataResource,
        brokers: BrokerResource,
        books: BookResource,
        lake: LakeResource,
    ) -> Iterator[Any]:
        sessions = sessions_of(context)
        if config.stop_after_plan and len(sessions) > 1:
            raise dg.Failure("stop_after_plan works on one session; this run has several.")
        with ExitStack() as stack:
            broker = stack.enter_context(brokers.open(graph.settings))
            log = stack.enter_context(books.open(graph.settings))
            book = Book(log, graph.settings, keep=sessions)
            surroundings = brokers.surroundings()
            if isinstance(broker, AlpacaBroker):
                wait = stack.enter_context(waiting_on(broker.updates()))
                surroundings = msgspec.structs.replace(surroundings, wait=wait)
            runner = SessionRunner(graph.settings, graph.calendar, book, broker, surroundings)
            work = SessionWork(
                graph, lake, market_data.open(graph.settings, graph.calendar), runner
            )
            stack.enter_context(closing(work.projections))
            yield from work.run(context, sessions, config.stop_after_plan)
            keep_closed_sessions(book, graph.settings)

    return trading_session


class SessionWork:
    """One run of `trading_session`: its sessions one after the other, then what it reports."""

    def __init__(
        self,
        graph: PortfolioGraph,
        lake: LakeResource,
        source: PriceSource,
        runner: SessionRunner,
    ) -> None:
        self.graph = graph
        self.exports = lake.exports
        self.lake = lake.open(graph.settings)
        self.source = source
        self.runner = runner
        self.checks = SessionChecks(graph)
        self.placed_by_hand = graph.settings.execution.placement is Placement.MANUAL
        self.projections = SessionProjections(
            self.lake, self.exports, graph.settings.id, graph.settings.mode
        )

    def run(
        self, context: dg.AssetExecutionContext, sessions: list[dt.date], stop_after_plan: bool
    ) -> Iterator[Any]:
        """Yield check evaluations as sessions pass, then the three materialisations."""
        outcome = None
        self.runner.book.bus.subscribe(
            lambda message: self._forget_superseded(context, message.session),
            "book_restated",
            name="projections",
        )
        for place, session in enumerate(tracked("trading_session", sessions)):
            try:
                outcome = self.runner.run(self._inputs(session), stop_after_plan=stop_after_plan)
            except Exception:
                self._keep_what_is_done(context, sessions[:place])
                raise
            yield from self._opening_and_gate(outcome)
            if self.checks.asks_for_foreign:
                yield self.checks.foreign.add(self._foreign(session))
            yield from self._account(outcome)
            self.projections.add(self._decided(outcome))
            if outcome.status is SessionStatus.BLOCKED:
                self._keep_what_is_done(context, sessions[:place])
                self._keep_plan(context, outcome)
                raise dg.Failure(
                    f"{outcome.session}: {outcome.block_code}: {outcome.block_message}"
                )
            if outcome.closed is not None:
                yield self.checks.sent_once.add(_sent_once(outcome.closed))
                yield self.checks.balance.add(_balance(outcome.closed))
        self.projections.finish()
        flush_files()
        assert outcome is not None
        assert outcome.plan is not None
        plan_metadata = self._plan_metadata(outcome.plan) | self._run_metadata(outcome)
        plan_metadata |= self._missed_actions(context, outcome.session)
        yield self._materialized("order_plan", outcome.session, plan_metadata)
        if outcome.closed is not None:
            closed = outcome.closed
            yield self._materialized("execution_log", closed.session, self._fill_metadata(closed))
            yield self._materialized("positions_eod", closed.session, self._book_metadata(closed))
        yield from results(*self.checks.all)

    def _forget_superseded(self, context: dg.AssetExecutionContext, session: dt.date) -> None:
        """Remove what was projected from records that count no more: they must not be read on."""
        self.lake.forget_from(BOOK_PROJECTIONS, session)
        forget_exports_from(self.exports, self.graph.settings.id, session)
        context.log.warning(
            f"{self.graph.settings.id} was restated from {session}: later sessions are open again "
            "and must be run again; their tables, files and reports were removed or are outdated."
        )

    def _inputs(self, session: dt.date) -> SessionInputs:
        def closes(symbols: Iterable[str]) -> PriceSnapshot:
            return self.source.at_close(session, symbols)

        targets = read_targets(session, require(self.lake, "consolidated_targets", session))
        prices = require(self.lake, "prices", session)

        def plan_prices(symbols: Iterable[str]) -> PriceSnapshot:
            wanted, is_real = set(symbols), self.graph.settings.mode.is_real
            if is_real and changes_now(self.source, session):
                # A plan may be made anew hours after the table of prices.
                return self.source.before(session, sorted(wanted))
            found = read_prices(session, prices, wanted)
            untold = wanted - found.prices.keys() - set(found.missing)
            if not untold or not is_real:
                return found
            # A real account may hold what no signal names.
            more = self.source.before(session, sorted(untold))
            return msgspec.structs.replace(
                found, prices=found.prices | more.prices, missing=(*found.missing, *more.missing)
            )

        return SessionInputs(
            session=session,
            targets=targets,
            plan_prices=plan_prices,
            closes=closes,
            benchmark=self.source.benchmark_close(session),
            actions=self.source.actions.of(session),
        )

    # What came of a session

    def _opening_and_gate(self, outcome: SessionOutcome) -> Iterator[dg.AssetCheckEvaluation]:
        gaps = outcome.opening_gaps
        yield self.checks.opening.add(
            Finding(
                outcome.session,
                not gaps,
                f"{len(gaps)} differences",
                "0 differences",
                detail="; ".join(
                    f"{gap.symbol}: {plain(gap.quantity)} shares, {plain(gap.amount)}"
                    for gap in gaps[:10]
                ),
            )
        )
        if not gaps:
            yield self.checks.gate.add(
                Finding(
                    outcome.session,
                    outcome.status is not SessionStatus.BLOCKED,
                    outcome.block_code or "no limit or guard against it",
                    "no limit or guard against it",
                    detail=outcome.block_message,
                )
            )

    def _account(self, outcome: SessionOutcome) -> Iterator[dg.AssetCheckEvaluation]:
        broker, calendar = self.runner.broker, self.runner.calendar
        if isinstance(broker, AlpacaBroker):
            reference = broker.reference()
            yield self.checks.hours.add(hours_finding(reference, calendar, outcome.session))
            if outcome.closed is not None:
                finding = equity_finding(reference, calendar, outcome.closed)
                yield self.checks.equity.add(finding)

    def _decided(self, outcome: SessionOutcome) -> Decided:
        """What of the session is to be written."""
        trades = None
        if outcome.plan is not None and self.placed_by_hand:
            fills = self.runner.book.fold.orders.fills(outcome.session)
            trades = trade_list(outcome.plan.real_orders, fills)
        return Decided(
            session=outcome.session, plan=outcome.plan, trades=trades, closed=outcome.closed
        )

    def _keep_what_is_done(
        self, context: dg.AssetExecutionContext, sessions: list[dt.date]
    ) -> None:
        """Tell Dagster of the sessions that closed before the one at which a range stops.

        The materialisations that an op returns are for all of its sessions, so a range that stops
        returns none.
        """
        try:
            self.projections.finish()
        except Exception as error:  # noqa: BLE001 - what stopped the range is raised, not this
            context.log.error(
                f"Tables and files of sessions that are closed could not be written: {error}. "
                "Run them again: what is recorded is not done twice."
            )
            return
        flush_files()
        for session in sessions:
            for asset in PROJECTED:
                context.log_event(
                    dg.AssetMaterialization(self.graph.key(asset), partition=session.isoformat())
                )

    def _keep_plan(self, context: dg.AssetExecutionContext, outcome: SessionOutcome) -> None:
        """Tell Dagster of the plan that was not let through, so that it can be looked at."""
        if outcome.plan is not None:
            result = self._materialized(
                "order_plan", outcome.session, self._plan_metadata(outcome.plan)
            )
            context.log_event(
                dg.AssetMaterialization(
                    self.graph.key("order_plan"),
                    partition=outcome.session.isoformat(),
                    metadata=result.metadata,
                )
            )

    # Metadata

    def _materialized(
        self, asset: str, session: dt.date, metadata: Metadata
    ) -> dg.MaterializeResult[Any]:
        table = self.lake.read(asset, session)
        return dg.MaterializeResult(
            asset_key=self.graph.key(asset),
            metadata=metadata
            | rows_metadata(self.projections.rows[asset], self.lake.path(asset, session), table),
        )

    def _plan_metadata(self, plan: OrderPlan) -> Metadata:
        return {
            "batch_id": plan.batch_id,
            "plan_digest": plan.digest,
            "orders_planned": len(plan.orders),
            "orders_real": len(plan.real_orders),
            "equity": plain(plan.equity),
            "scale": plain(plan.scale),
            "buying_power": "none stated"
            if plan.buying_power is None
            else plain(plan.buying_power),
            "refusals": "; ".join(f"{r.code}: {r.message}" for r in plan.refusals) or "none",
        }

    def _run_metadata(self, outcome: SessionOutcome) -> Metadata:
        """How far the run came, and how the broker's interface was used for it."""
        execution = self.graph.settings.mode.execution
        found: Metadata = {"session_status": outcome.status.value, "execution": execution}
        orders = self.runner.book.orders(outcome.session)
        if orders:
            found["orders_open"] = sum(1 for order in orders if order.is_open)
        if isinstance(self.runner.broker, AlpacaBroker):
            used = msgspec.to_builtins(self.runner.broker.api_statistics())
            found["api"] = dg.MetadataValue.json(used)
        if self.checks.asks_for_foreign:
            finding = self.checks.foreign.findings[-1]
            found["foreign_orders"] = finding.detail or finding.actual
        return found

    def _missed_actions(self, context: dg.AssetExecutionContext, session: dt.date) -> Metadata:
        """Warn of corporate actions that were told after their sessions were closed."""
        runner = self.runner
        missed = missed_actions(runner.book, runner.calendar, session, self.source.actions.of)
        if not missed:
            return {}
        told = "; ".join(map(described, missed))
        remedy = "Compare the account with the book."
        if not self.graph.settings.mode.is_real:
            remedy = f"Run it again from {ex_date_of(missed[0])}: the book is restated from there."
        context.log.warning(f"Corporate actions came too late and are not booked: {told}. {remedy}")
        return {"missed_corporate_actions": told}

    def _foreign(self, session: dt.date) -> Finding:
        """Orders that are open at the broker and that nobody here intended."""
        broker = self.runner.broker
        answer = foreign_orders(broker, self.runner.book)
        if isinstance(answer, Unknown):
            return Finding(session, False, f"not known: {answer.reason}", "none")
        one_side = broker.capabilities.order_rules.one_side_only
        told = [foreign_order_notice(order, one_side_only=one_side) for order in answer.value]
        return Finding(
            session,
            not told,
            f"{len(told)} open orders of others" if told else "none",
            "none",
            detail=" ".join(told[:10]),
        )

    def _fill_metadata(self, closed: ClosedSession) -> Metadata:
        return {
            "orders": len(closed.orders),
            "fills": len(closed.fills),
            "commission": plain(closed.activity.fees),
            "exports": dg.MetadataValue.path(
                SessionExports(self.exports, self.graph.settings.id, closed.session).folder
            ),
        }

    def _book_metadata(self, closed: ClosedSession) -> Metadata:
        return {
            "equity": plain(closed.close.equity),
            "cash": plain(closed.close.cash),
            "accruals": plain(closed.close.accruals),
            "positions": len(closed.close.positions),
            "book_sequence": closed.sequence,
            "book_hash": closed.hash,
            "lots": preview(lot_table(closed)),
        }


def _sent_once(closed: ClosedSession) -> Finding:
    ids = [order.client_order_id for order in closed.orders]
    repeated = len(ids) - len(set(ids))
    unfinished = [order.client_order_id for order in closed.orders if order.is_open]
    return Finding(
        closed.session,
        not repeated and not unfinished,
        f"{len(ids)} orders, {repeated} repeated, {len(unfinished)} not done",
        f"{len(ids)} orders, 0 repeated, 0 not done",
        detail=", ".join(unfinished[:10]),
    )


def _balance(closed: ClosedSession) -> Finding:
    held: dict[str, Any] = {}
    for lot in closed.lots:
        held[lot.symbol] = held.get(lot.symbol, ZERO) + lot.quantity
    value = sum(closed.close.values.values(), ZERO)
    close = closed.close
    gap = close.equity - value - close.cash - close.accruals
    rule = "equity - value - cash - accruals"
    wrong = sorted(
        symbol
        for symbol in {*held, *closed.close.positions}
        if held.get(symbol, ZERO) != closed.close.positions.get(symbol, ZERO)
    )
    return Finding(
        closed.session,
        not gap and not wrong,
        f"{rule} = {plain(gap)}; {len(wrong)} positions differ from their lots",
        f"{rule} = 0; 0 positions differ from their lots",
        detail=", ".join(wrong[:10]),
    )
