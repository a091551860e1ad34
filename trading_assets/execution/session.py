"""One trading session, from opening check to close: whatever the book says is still to be done.

Problem: a session has many steps, any of which may be the last before the process dies, and each
of which may be asked for again.

Choice: there is no state but the book. `SessionRunner.run` looks at what is recorded and goes on
from there; a first run, a recovery and a re-run are the same code. In order:

 1. Ready? Every earlier session is closed, otherwise the error names the one to run first. At a
    real broker the account is the one that the book is of.
 2. Recorded already with the same inputs: nothing to do. With other inputs: a simulated portfolio
    is restated from this session on; a real one keeps what it did.
 3. Corporate actions that take effect at the open are booked, orders that they make wrong canceled
    before.
 4. Opening check, until the first order is intended: the last closed session is reconciled,
    executions that the book does not have are booked as foreign, cash that moved without one for
    what it is, then the broker's positions and cash equal the book's, or nothing goes on.
 5. Plan, recorded whole, for everything targeted or held by then. One that was recorded before and
    starts from other positions or cash is made anew; a real portfolio's is not sent instead, until
    a person discards it, and only shares that moved count.
 6. Gate: the plan's limits and the guard; a refusal ends the run with nothing sent.
 7. Closing leg, then opening leg: intend (durable), send, let it trade, book the fills. Opening
    orders are cut to the cash that is really there and dropped where a flip's closing leg did not
    fill.
 8. Close: end what is left, book the last fills and cash, value the positions, take the broker's
    statement, record.

When 7 and 8 may be done is for the market to say (`market.py`): a simulated one does all of it in
one run, at a real broker (`live_market.py`) a run ends where the clock or the fills stop it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from trading_assets.brokers.base import Broker
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import SubmissionRefusedError
from trading_assets.execution.arrival import Arrival, arrivals
from trading_assets.execution.book import Book
from trading_assets.execution.cash_activities import CashActivityBooking
from trading_assets.execution.closing import closing_marks, ending_of
from trading_assets.execution.corporate_actions import (
    book_actions,
    concerning,
    new_symbols,
    recorded_actions,
)
from trading_assets.execution.guard import SubmissionRequest, authorize
from trading_assets.execution.manual_market import fill_booking, real_market
from trading_assets.execution.market import Market, SimulatedMarket, Stage
from trading_assets.execution.opening import (
    at_broker,
    discard_name,
    means_now,
    moved_since,
    plan_inputs,
    restore_both,
    says_nothing_new,
    unreconciled,
    was_decided,
)
from trading_assets.execution.readiness import (
    require_account,
    require_closes,
    require_market_data,
    require_ready,
    require_simulator,
)
from trading_assets.execution.session_parts import (
    SessionInputs,
    SessionOutcome,
    SessionStatus,
    Surroundings,
    order_rate,
)
from trading_assets.execution.submission import UNSENT, Submitter, leg_intents
from trading_assets.execution.takeover import INITIAL_CASH, take_over
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.corporate_actions import CorporateAction
from trading_assets.model.events import AnyEvent, NewEvent, SessionClosed
from trading_assets.model.instrument import PriceSnapshot
from trading_assets.model.money import ZERO, money
from trading_assets.model.order_events import (
    OrderCanceled,
    OrderExpired,
    SessionPlanned,
)
from trading_assets.model.plan import OrderPlan, PlannedOrder
from trading_assets.portfolio.planning import make_plan
from trading_assets.portfolio.proceeds import affordable_openings
from trading_assets.portfolio.sizing import CLOSING_LEG, OPENING_LEG
from trading_assets.reconciliation import compare_statement
from trading_assets.settings import PortfolioSettings

__all__ = [
    "SessionInputs",
    "SessionOutcome",
    "SessionRunner",
    "SessionStatus",
    "Surroundings",
    "plan_inputs",
]

SOURCE = "execution"
_ENCODER = msgspec.json.Encoder(order="sorted")


class SessionRunner:
    """Runs sessions of one portfolio, in order, against one book and one broker.

    `simulator` is the market of a simulated account; it need not be given where the broker is one.
    """

    def __init__(
        self,
        settings: PortfolioSettings,
        calendar: TradingCalendar,
        book: Book,
        broker: Broker,
        surroundings: Surroundings,
        simulator: SimulatedBroker | None = None,
    ) -> None:
        self.settings = settings
        self.calendar = calendar
        self.book = book
        self.broker = broker
        self.surroundings = surroundings
        self._fills = fill_booking(settings, calendar, book)
        self._cash_activities = CashActivityBooking(book, calendar, is_real=settings.mode.is_real)
        self._simulator: SimulatedBroker | None = None
        self.market: Market
        if settings.mode.is_real:
            self.market = real_market(settings, calendar, book, broker, surroundings)
        else:
            self._simulator = simulator or require_simulator(broker, settings)
            self.market = SimulatedMarket(self._simulator, self._fills)
        self._rate_refusal = order_rate(settings, surroundings)
        self._is_resuming = True

    def run(self, inputs: SessionInputs, *, stop_after_plan: bool = False) -> SessionOutcome:
        """Bring one session as far as it can go; see the module's steps.

        Raises SessionNotReadyError when an earlier session is not closed, BrokerUnknownError when
        the broker cannot say where it stands.
        """
        try:
            return self._run(inputs, stop_after_plan=stop_after_plan)
        finally:
            self.book.make_durable()

    def _run(self, inputs: SessionInputs, *, stop_after_plan: bool) -> SessionOutcome:
        session = self.calendar.require(inputs.session)
        now = self.surroundings.now()
        require_ready(self.settings, self.calendar, self.book, session, now)
        done = self._already_done(inputs)
        if done is not None:
            return done
        plan = None
        try:
            require_account(self.settings, self.book, self.broker, self.surroundings.live_account)
            self._enter(inputs)
            stage = self.market.stage(session)
            blocked = None if self.book.orders(session) else self._opening_break(session)
            if blocked is not None:
                return blocked
            plan = self._plan(inputs, stage)
            if stop_after_plan or not (stage.may_send or stage.may_close):
                return SessionOutcome(session=session, status=SessionStatus.PLANNED, plan=plan)
            if stage.may_send:
                if plan.refusals:
                    raise SubmissionRefusedError(plan.refusals[0].code, plan.refusals[0].message)
                self._require_current_plan(plan)
                self._trade(plan)
            if not stage.may_close:
                return SessionOutcome(session=session, status=SessionStatus.WORKING, plan=plan)
            self._close(plan, inputs)
        except SubmissionRefusedError as refusal:
            return SessionOutcome(
                session=session,
                status=SessionStatus.BLOCKED,
                plan=plan,
                block_code=refusal.code,
                block_message=refusal.message,
            )
        return SessionOutcome(
            session=session,
            status=SessionStatus.CLOSED,
            plan=plan,
            closed=self.book.closed.get(session),
        )

    # Before the session

    def _already_done(self, inputs: SessionInputs) -> SessionOutcome | None:
        """The session's outcome when it is recorded with these inputs, else None.

        With other inputs a simulated book is restated from here on.
        """
        session, through = inputs.session, self.book.closed_through
        closed = self.book.closed.get(session)
        if through is not None and session <= through and closed is None:
            raise ValueError(f"open the book with keep={session} to run a closed session again")
        recorded = closed.planned if closed is not None else self.book.planned
        digest = ""
        held = self.book.opening_positions if closed is None else closed.opening_positions
        actions = concerning(inputs.actions, held)
        if recorded is not None and not self.settings.mode.is_real:
            symbols = sorted(self._planned_symbols(inputs, recorded.plan))
            digest = self._inputs_digest(inputs, symbols, inputs.plan_prices(symbols), actions)
        if closed is not None and (
            closed.planned.inputs_digest == digest or self.settings.mode.is_real
        ):
            return SessionOutcome(
                session=session,
                status=SessionStatus.UNCHANGED,
                plan=closed.planned.plan,
                closed=closed,
            )
        reason = self._change(inputs, recorded, digest)
        if reason and not self.settings.mode.is_real:
            self.book.restate(session, self.calendar.opens_at(session), reason)
        return None

    def _change(self, inputs: SessionInputs, recorded: SessionPlanned | None, digest: str) -> str:
        """Why what is recorded of a session does not hold any more; empty where it does."""
        session = inputs.session
        is_resuming, self._is_resuming = self._is_resuming, False
        if recorded is not None:
            if recorded.inputs_digest == digest:
                return ""
            before, after = recorded.inputs_digest[:12], digest[:12]
            return f"inputs of {session} changed from {before} to {after}"
        paid_in, wanted = self.book.fold.ledger.flows, money(self.settings.initial_cash)
        if session == self.calendar.first and paid_in not in (ZERO, wanted):
            return f"initial cash changed from {paid_in} to {wanted} before the first plan"
        if is_resuming:
            # Only a process that died after booking them leaves any without a plan.
            held = self.book.opening_positions
            booked = concerning(recorded_actions(self.book, session), held)
            if booked and booked != concerning(inputs.actions, held):
                return f"corporate actions of {session} changed before its plan"
        return ""

    def _enter(self, inputs: SessionInputs) -> None:
        """Take over a real account that has no book yet, book the corporate actions of the open,
        and let a simulated broker know the session, with a close for all that may be traded in it.

        What the broker holds is among that before the book knows of it.
        """
        session = inputs.session
        if self._simulator is None:
            if self.book.first_session is None:
                now, currency = self.surroundings.now, self.settings.currency
                take_over(self.book, self.broker, session, now, currency)
            book_actions(self.book, self.broker, self.calendar, session, inputs.actions)
            return
        self._enter_simulated(inputs, self._simulator)

    def _enter_simulated(self, inputs: SessionInputs, simulator: SimulatedBroker) -> None:
        session = inputs.session
        for restated in self.book.restatements:
            simulator.restart_from(restated.from_session, restated.revision)
        tradable = self._targeted(inputs) | set(self.book.positions) | new_symbols(inputs.actions)
        if self.book.planned is not None:
            tradable |= self._planned_symbols(inputs, self.book.planned.plan)
        closes = inputs.closes(sorted(tradable | set(self.broker.positions().require())))
        require_market_data(self.settings, self.calendar, self.surroundings, session, closes)
        book_actions(self.book, self.broker, self.calendar, session, inputs.actions)
        simulator.pass_night(session, self.calendar.opens_at(session), inputs.actions)
        simulator.begin_session(session, self.calendar.closes_at(session), closes)
        if session == self.calendar.first:
            amount = money(self.settings.initial_cash)
            flow = CashFlow(
                kind=CashFlowKind.DEPOSIT,
                amount=amount,
                currency=self.settings.currency,
                reference=INITIAL_CASH,
            )
            self.book.record([self._new(INITIAL_CASH, session, flow)])
            simulator.deposit(INITIAL_CASH, session, amount)

    def _opening_break(self, session: dt.date) -> SessionOutcome | None:
        """Why nothing may be planned from this book; None where it holds.

        What remains between book and broker is compared once trades made outside are booked.
        """
        missed = self.broker.capabilities.missed_executions
        remedy = f"{missed} {restore_both(self.settings, self.calendar, self.book)}".lstrip()
        gaps, code = unreconciled(self.book, self.settings.mode), "UNRECONCILED"
        message = (
            f"the close of {self.book.closed_through} has differences that nothing explains (see "
            f"its reconciliation); nothing was sent. {remedy}"
        )
        if not gaps:
            self._fills.book(self.broker, session)
            self._cash_activities.book(self.broker, session)
            statement = self.market.statement(session)
            gaps = compare_statement(self.book.positions, self.book.cash, statement)
            code = "OPENING_BREAK"
            message = (
                "book and broker differ before the session; nothing was sent. "
                f"If one of them was lost or is an old copy: {remedy}"
            )
        if not gaps:
            return None
        return SessionOutcome(
            session=session,
            status=SessionStatus.BLOCKED,
            plan=None,
            opening_gaps=gaps,
            block_code=code,
            block_message=message + self._cash_activities.notice(self.broker, session),
        )

    def _targeted(self, inputs: SessionInputs) -> set[str]:
        return {target.symbol for target in inputs.targets.weights}

    def _planned_symbols(self, inputs: SessionInputs, plan: OrderPlan) -> set[str]:
        """Everything that a recorded plan was decided on: targeted, or held when it was made."""
        return self._targeted(inputs) | {line.symbol for line in plan.lines}

    def _inputs_digest(
        self,
        inputs: SessionInputs,
        symbols: list[str],
        prices: PriceSnapshot,
        actions: tuple[CorporateAction, ...],
    ) -> str:
        """SHA-256 of all that decides a session besides the book before it; `actions` are those of
        what was held."""
        closes = None
        if not self.settings.mode.is_real:
            closes = inputs.closes(symbols)
            require_market_data(
                self.settings, self.calendar, self.surroundings, inputs.session, closes
            )
        rules = self.settings.model_dump(
            mode="json",
            include={"mode", "planning", "limits", "commission", "simulation", "accounting"},
        )
        if self.settings.risk is not None:
            # Left out where there are none, so that books of before keep their digests.
            rules["risk"] = self.settings.risk.model_dump(mode="json")
        rules["allow_short"] = self.settings.constraints.allow_short
        # A set has no order of its own; it must not depend on the process.
        rules["simulation"]["reject_symbols"] = sorted(self.settings.simulation.reject_symbols)
        if inputs.session == self.calendar.first:
            rules["initial_cash"] = str(self.settings.initial_cash)
        parts = [rules, inputs.targets, prices.prices, closes, actions, inputs.benchmark]
        return hashlib.sha256(_ENCODER.encode(parts)).hexdigest()

    # Plan

    def _plan(self, inputs: SessionInputs, stage: Stage) -> OrderPlan:
        """The plan that counts: the recorded one, unless it must and may be made anew."""
        recorded, mode = self.book.planned, self.settings.mode
        if recorded is not None and self._stands(recorded, stage):
            return recorded.plan
        symbols = sorted(self._targeted(inputs) | set(self.book.positions))
        prices = inputs.plan_prices(symbols)
        given = plan_inputs(self.settings, self.book, inputs.targets, prices)
        if mode.is_real:
            given = at_broker(given, self.broker, symbols, is_over=stage.may_close)
        plan = make_plan(given)
        is_dry = mode.is_real and not mode.sends
        is_known = recorded is not None and says_nothing_new(plan, recorded.plan)
        if recorded is not None and is_known and recorded.is_dry == is_dry:
            return recorded.plan
        actions = concerning(inputs.actions, self.book.opening_positions)
        digest = self._inputs_digest(inputs, symbols, prices, actions)
        event = SessionPlanned(plan=plan, inputs_digest=digest, is_dry=is_dry)
        # A plan that takes the place of another is news, even where it is one of before again.
        key = plan.digest if recorded is None else f"{plan.digest}/{self.book.log.head()[0]}"
        self._learn([self._new(key, inputs.session, event)])
        return plan

    def _stands(self, recorded: SessionPlanned, stage: Stage) -> bool:
        """True where a recorded plan is not made anew. A real portfolio's is what was looked at,
        unless a person discarded it, or there is still time and it was refused, or made by a run
        that sends nothing."""
        plan, mode = recorded.plan, self.settings.mode
        if not mode.is_real:
            return not moved_since(plan, self.book)
        if not self.book.orders(plan.session) and was_decided(self.book, discard_name(plan.digest)):
            return False
        if stage.may_close:
            return True
        if recorded.is_dry and (mode.sends or moved_since(plan, self.book)):
            return False
        return not plan.refusals

    def _require_current_plan(self, plan: OrderPlan) -> None:
        # Cash that came or went without a trade: purchases are sized again on what there is.
        changes = moved_since(plan, self.book, with_cash=not self.settings.mode.is_real)
        if changes:
            raise SubmissionRefusedError(
                "PLAN_OUTDATED",
                f"{self.settings.id}: the book has moved since {plan.session} was planned "
                f"({changes}). Nothing was sent. Undo at the broker what was traded outside, or "
                "give up the plan (`trading_assets book discard-plan`), then run it again.",
            )

    # Execution

    def _trade(self, plan: OrderPlan) -> None:
        """Send both legs, the second when the first is done; as far as that goes now."""
        if self.settings.mode.sends:
            for leg in (CLOSING_LEG, OPENING_LEG):
                if not self._trade_leg(plan, leg):
                    return

    def _trade_leg(self, plan: OrderPlan, leg: int) -> bool:
        """Send what is to be sent of a leg and let it trade; True where it is done."""
        wanted = [order for order in plan.real_orders if order.leg == leg]
        if not wanted or any(order.leg > leg for order in self.book.orders(plan.session)):
            # A later leg is intended only when this one is done. Matching here again would fill
            # orders of that leg before they are known to be accepted.
            return True
        session = plan.session
        sent = [order for order in self.book.orders(session) if order.leg == leg]
        if not sent or any(order.status in UNSENT for order in sent):
            self._send(plan, leg, wanted)
        return self.market.trade(session, leg)

    def _send(self, plan: OrderPlan, leg: int, wanted: list[PlannedOrder]) -> None:
        """Bring every order of a leg to the broker, once."""
        session = plan.session
        self._authorize(session)
        is_real = self.settings.mode.is_real
        known = [order for order in self.book.orders(session) if order.leg == leg]
        symbols = [order.request.symbol for order in known if order.status in UNSENT]
        symbols += [] if known else [order.symbol for order in wanted]
        market = arrivals(self.broker, symbols if is_real else [], self.surroundings.now)
        sized = [] if known else self._sized(wanted, leg, market)
        intents = leg_intents(plan, leg, wanted, sized)
        submitter = Submitter(
            self.broker,
            session,
            self.surroundings.now() if is_real else self.calendar.opens_at(session),
            self.book.record,
            self.surroundings.sleep,
            halted=self.surroundings.halted,
            learn=self._learn,
            rate_refusal=self._rate_refusal,
            arrivals=market,
        )
        if not known:
            submitter.intend(intents)
        fresh = frozenset(intent.request.client_order_id for intent in intents)
        orders = [order for order in self.book.orders(session) if order.leg == leg]
        submitter.submit(orders, fresh)

    def _sized(
        self, wanted: list[PlannedOrder], leg: int, market: Mapping[str, Arrival]
    ) -> list[PlannedOrder]:
        if leg != OPENING_LEG:
            return wanted
        return affordable_openings(
            wanted,
            self.book.positions,
            means_now(self.book.cash, self.broker, market),
            self.settings.commission,
            self.settings.planning,
            max(
                self.settings.planning.min_order_notional,
                self.broker.capabilities.order_rules.minimum_value,
            ),
        )

    def _authorize(self, session: dt.date) -> None:
        moment = self.surroundings.now()
        account = self.broker.account().require()
        authorize(
            SubmissionRequest(
                portfolio=self.settings.id,
                mode=self.settings.mode,
                broker_is_real=self.broker.capabilities.is_real,
                session=session,
                current_session=self.calendar.current(moment),
                halted=self.surroundings.halted(),
                live_account=self.surroundings.live_account,
                broker_account=account.account_number,
                restriction=account.restriction,
                now=moment,
                broker_clock=self.broker.clock().require(),
            )
        )

    # Close

    def _close(self, plan: OrderPlan, inputs: SessionInputs) -> None:
        session = plan.session
        self.market.finish(plan)
        self._fills.book(self.broker, session)
        self._cash_activities.book(self.broker, session)
        statement = self.market.statement(session)
        require_closes(self.settings, self.book, inputs)
        endings = [
            self._new(
                order.client_order_id, session, ending_of(self.broker, order), order.client_order_id
            )
            for order in self.book.orders(session)
            if order.is_open
        ]
        marks = closing_marks(self.book, inputs)
        ledger = self.book.fold.ledger
        fx_rates = {name: ledger.fx_rates[name] for name in sorted(ledger.currencies_in_use)}
        value = ledger.valued(marks, fx_rates)
        closed = SessionClosed(
            marks=marks,
            cash=value.cash,
            market_value=value.market_value,
            equity=value.equity,
            cash_balances=ledger.cash_balances,
            fx_rates=fx_rates,
            accruals=value.accruals,
            statement=statement,
            benchmark=inputs.benchmark,
        )
        self.book.record([*endings, self._new(f"{session}/close", session, closed)])

    def _learn(self, events: Sequence[NewEvent]) -> None:
        """Record what could be learnt again: a plan, what the broker says.

        A real broker's answers are durable at once. Those of a simulated one wait for what must be
        (the next intents, the close), which takes half of a backfill's commits away.
        """
        self.book.record(events, durable=not self.broker.capabilities.answers_may_wait)

    def _new(
        self, key: str, session: dt.date, event: AnyEvent, correlation_id: str = ""
    ) -> NewEvent:
        at_close = isinstance(event, SessionClosed | OrderExpired | OrderCanceled)
        moment = self.calendar.closes_at if at_close else self.calendar.opens_at
        return NewEvent(
            key=key,
            session=session,
            occurred_at=moment(session),
            source=SOURCE,
            event=event,
            correlation_id=correlation_id,
        )
