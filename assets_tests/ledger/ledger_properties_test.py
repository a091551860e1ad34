"""Properties of the books under any sequence of facts, told to a real event log.

Hypothesis makes the sequences. Beside the ledger runs a model of a dozen sums that knows positions,
cash and what is owed, and nothing of lots; after every fact the two are compared, and so are the
things that a book may never lose (lots that add up, a trial balance of nothing). At the end the
events are folded again from the beginning and from every checkpoint, and delivered again in any
order to the log.

The environment variable LEDGER_PROPERTY_EXAMPLES sets how many sequences are tried (3 times the
number for the simpler properties); LEDGER_PROPERTY_STEPS how many facts are in each.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter, defaultdict
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from assets_tests.ledger.scenario import book_lines, imbalances
from trading_assets.errors import LedgerError
from trading_assets.event_log.database import SQLiteDatabase
from trading_assets.event_log.store import EventLog
from trading_assets.ledger.fold import Ledger
from trading_assets.ledger.history import BookFold
from trading_assets.model.cash_events import (
    Adjustment,
    BorrowFee,
    CashFlow,
    CashFlowKind,
    CurrencyConversion,
    Fee,
    FeeKind,
    FxRate,
    Interest,
    TaxWithheld,
)
from trading_assets.model.corporate_actions import (
    CashInLieu,
    CashMerger,
    Delisting,
    Dividend,
    DividendPayment,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.events import (
    AnyEvent,
    BrokerStatement,
    EventRecord,
    Mark,
    NewEvent,
    SessionClosed,
)
from trading_assets.model.lot import LotChoice
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill, SessionPlanned
from trading_assets.model.plan import OrderPlan
from trading_assets.model.policies import AccountingPolicy, DividendSource, LotMethod
from trading_assets.model.round_trip import RoundTrip

EXAMPLES = int(os.environ.get("LEDGER_PROPERTY_EXAMPLES", "100"))
STEPS = int(os.environ.get("LEDGER_PROPERTY_STEPS", "50"))
QUICK = settings(max_examples=3 * EXAMPLES, deadline=None)

BASE, FOREIGN = "USD", "EUR"
SYMBOLS = {"AA": BASE, "BB": BASE, "CC": FOREIGN}
ZERO = Decimal(0)
NANO = Decimal("0.000000001")


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)


def amounts(low: str, high: str, places: int = 2) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(low), Decimal(high), places=places, allow_nan=False)


PRICES = amounts("0.01", "500")
MONEY = amounts("0.01", "5000")
SIGNED_MONEY = st.one_of(MONEY, MONEY.map(lambda m: -m))
QUANTITIES = st.one_of(
    st.integers(1, 50).map(Decimal), amounts("0.001", "20", places=3), amounts("1", "9", places=6)
)
RATIOS = st.sampled_from([(2, 1), (3, 2), (7, 1), (1, 2), (1, 4), (1, 8), (5, 4), (1, 3), (2, 7)])
METHODS = st.sampled_from(list(LotMethod))
POLICIES = st.builds(
    AccountingPolicy,
    long_lots=METHODS,
    short_lots=METHODS,
    commission_in_basis=st.booleans(),
    dividend_source=st.sampled_from(list(DividendSource)),
)


class Sums:
    """What the books must say of positions, cash, claims and income: plain sums, no lots."""

    def __init__(self, policy: AccountingPolicy) -> None:
        self.policy = policy
        self.currencies = dict(SYMBOLS)
        self.cash: dict[str, Decimal] = defaultdict(Decimal)
        self.shares: dict[str, Decimal] = defaultdict(Decimal)
        self.at_open: dict[str, Decimal] = {}
        self.unpaid: dict[tuple[str, dt.date], Decimal] = {}
        self.paid_early: dict[tuple[str, dt.date], Decimal] = {}
        self.results: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.fees = ZERO
        self.flows = ZERO
        self.rate = Decimal(1)

    def worth(self, amount: Decimal, currency: str) -> Decimal:
        return amount if currency == BASE else amount * self.rate

    def earn(self, account: str, currency: str, amount: Decimal) -> None:
        """Income, in the sign of the trial balance (a credit is negative)."""
        self.results[account, currency] -= amount

    def held(self) -> list[str]:
        return sorted(symbol for symbol, quantity in self.shares.items() if quantity)

    def multiply(
        self, symbol: str, new: int, old: int, in_lieu: Decimal | None, *, adds: bool
    ) -> None:
        """Shares x new / old, beside those held where it `adds`; of what that gives, the fraction
        becomes cash where it has a price."""
        held = self.shares[symbol] if adds else Decimal(0)
        given = self.shares[symbol] * new / old
        if in_lieu is None:
            self.shares[symbol] = held + given
            return
        given = given.quantize(NANO, rounding=ROUND_HALF_EVEN)
        whole = given.quantize(Decimal(1), rounding=ROUND_DOWN)
        self.cash[self.currencies[symbol]] += cents((given - whole) * in_lieu)
        self.shares[symbol] = held + whole


class BooksUnderAnyFacts(RuleBasedStateMachine):
    """Tells random facts to a log and a live fold, and to the sums beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.session = dt.date(2024, 1, 8)
        self.clock = dt.datetime(2024, 1, 8, 14, 30, tzinfo=dt.UTC)
        self.told: list[NewEvent] = []
        self.checkpoints: list[tuple[int, bytes]] = []
        self.has_traded = False
        self.names = 0
        self.dividends: Counter[tuple[str, dt.date]] = Counter()

    @initialize(policy=POLICIES, deposit=MONEY, rate=st.integers(1, 3))
    def open_account(self, policy: AccountingPolicy, deposit: Decimal, rate: int) -> None:
        note(f"{policy!r}")
        self.policy = policy
        self.sums = Sums(policy)
        self.log = EventLog(SQLiteDatabase(None), "alpha", clock=lambda: self.clock)
        self.fold = BookFold(policy, BASE)
        self.fx(rate)
        self.flow(deposit, BASE)

    # Telling a fact.

    def tell(self, event: AnyEvent) -> None:
        self.clock += dt.timedelta(seconds=1)
        new = NewEvent(
            key=f"fact/{len(self.told)}",
            session=self.session,
            occurred_at=self.clock,
            source="test",
            event=event,
        )
        (record,) = self.log.append([new])
        self.fold.apply(record)
        self.told.append(new)

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    # Cash.

    @rule(amount=SIGNED_MONEY, currency=st.sampled_from((BASE, FOREIGN)))
    def flow(self, amount: Decimal, currency: str) -> None:
        kind = CashFlowKind.DEPOSIT if amount > 0 else CashFlowKind.WITHDRAWAL
        self.tell(CashFlow(kind=kind, amount=amount, currency=currency, reference="r"))
        self.sums.cash[currency] += amount
        self.sums.flows += self.sums.worth(amount, currency)

    @rule(rate=st.integers(1, 3))
    def fx(self, rate: int) -> None:
        self.tell(FxRate(currency=FOREIGN, rate=Decimal(rate), as_of=self.clock))
        self.sums.rate = Decimal(rate)

    @rule(sold=MONEY, bought=MONEY, to_foreign=st.booleans())
    def convert(self, sold: Decimal, bought: Decimal, to_foreign: bool) -> None:
        source, target = (BASE, FOREIGN) if to_foreign else (FOREIGN, BASE)
        self.tell(
            CurrencyConversion(
                sold_currency=source,
                sold_amount=sold,
                bought_currency=target,
                bought_amount=bought,
                reference="r",
            )
        )
        self.sums.cash[source] -= sold
        self.sums.cash[target] += bought

    @rule(
        amount=SIGNED_MONEY,
        currency=st.sampled_from((BASE, FOREIGN)),
        kind=st.sampled_from(("fee", "tax", "interest", "borrow")),
        symbol=st.sampled_from(("AA", "CC")),
    )
    def income_or_expense(self, amount: Decimal, currency: str, kind: str, symbol: str) -> None:
        common: dict[str, Any] = {"amount": amount, "currency": currency, "reference": "r"}
        events: dict[str, AnyEvent] = {
            "fee": Fee(kind=FeeKind.OTHER, **common),
            "tax": TaxWithheld(symbol=symbol, **common),
            "interest": Interest(**common),
            "borrow": BorrowFee(symbol=symbol, **common),
        }
        self.tell(events[kind])
        sums = self.sums
        sums.cash[currency] += amount if kind == "interest" else -amount
        if kind == "fee":
            sums.fees += sums.worth(amount, currency)
            return
        accounts = {"tax": "taxes", "interest": "interest", "borrow": "borrow_fees"}
        sums.earn(accounts[kind], currency, amount if kind == "interest" else -amount)

    # Trades.

    @rule(
        data=st.data(),
        symbol=st.sampled_from(sorted(SYMBOLS)),
        quantity=QUANTITIES,
        price=PRICES,
        commission=st.one_of(st.just(ZERO), amounts("0.00", "9.99")),
        buys=st.booleans(),
        closes=st.booleans(),
    )
    def trade(
        self,
        data: st.DataObject,
        symbol: str,
        quantity: Decimal,
        price: Decimal,
        commission: Decimal,
        buys: bool,
        closes: bool,
    ) -> None:
        held = self.sums.shares[symbol]
        if closes and held:
            # Exactly flat, which random quantities would never be.
            buys, quantity = held < 0, abs(held)
        signed = quantity if buys else -quantity
        currency = self.sums.currencies[symbol]
        fill = Fill(
            execution_id=self.name("x"),
            client_order_id="",
            symbol=symbol,
            side=Side.BUY if buys else Side.SELL,
            quantity=quantity,
            price=price,
            commission=commission,
            currency=currency,
            executed_at=self.clock,
            lots=self.choice(data, symbol, signed),
        )
        self.tell(fill)
        self.has_traded = True
        self.sums.cash[currency] -= cents(signed * price) + commission
        if not self.policy.commission_in_basis:
            self.sums.fees += self.sums.worth(commission, currency)
        self.sums.shares[symbol] += signed

    def choice(self, data: st.DataObject, symbol: str, signed: Decimal) -> tuple[LotChoice, ...]:
        """Where lots are chosen one by one: any that add up to what the trade closes."""
        held = self.sums.shares[symbol]
        method = self.policy.long_lots if held > 0 else self.policy.short_lots
        if method is not LotMethod.SPECIFIC or not held or (held > 0) is (signed > 0):
            return ()
        left = min(abs(signed), abs(held))
        chosen = []
        for lot in data.draw(st.permutations(self.fold.ledger.lots(symbol))):
            taken = min(left, abs(lot.quantity))
            left -= taken
            if taken:
                chosen.append(LotChoice(lot_id=lot.lot_id, quantity=taken))
        return tuple(chosen)

    @rule(
        symbol=st.sampled_from(sorted(SYMBOLS)),
        quantity=QUANTITIES,
        price=PRICES,
        cash=amounts("-50", "50"),
        into=st.booleans(),
    )
    def adjust(
        self, symbol: str, quantity: Decimal, price: Decimal, cash: Decimal, into: bool
    ) -> None:
        held = self.sums.shares[symbol]
        specific = LotMethod.SPECIFIC in (self.policy.long_lots, self.policy.short_lots)
        if specific and held and (held > 0) is not into:
            return  # an adjustment names no lots
        signed = quantity if into else -quantity
        currency = self.sums.currencies[symbol]
        self.tell(
            Adjustment(
                symbol=symbol,
                quantity=signed,
                price=price,
                cash=cash,
                currency=currency,
                reason="statement",
            )
        )
        self.has_traded = True
        self.sums.cash[currency] += cash
        self.sums.shares[symbol] += signed
        self.sums.flows += self.sums.worth(cash + cents(signed * price), currency)

    # Corporate actions: at the open, before anything is traded.

    def before_trading(self) -> bool:
        return not self.has_traded

    @precondition(before_trading)
    @rule(
        data=st.data(),
        ratio=RATIOS,
        in_lieu=st.one_of(st.none(), PRICES),
        as_dividend=st.booleans(),
    )
    def split(
        self,
        data: st.DataObject,
        ratio: tuple[int, int],
        in_lieu: Decimal | None,
        as_dividend: bool,
    ) -> None:
        symbol = data.draw(st.sampled_from(self.sums.held() or ["AA"]))
        new, old = ratio
        kind = StockDividend if as_dividend else Split
        self.tell(
            kind(
                symbol=symbol,
                ex_date=self.session,
                new_shares=new,
                old_shares=old,
                cash_in_lieu_price=in_lieu,
            )
        )
        self.sums.multiply(symbol, new, old, in_lieu, adds=as_dividend)
        self.adopt_last_digit(symbol)

    def adopt_last_digit(self, symbol: str) -> None:
        """A fraction without end is kept to nine decimals by the ledger, in each lot."""
        lots = self.fold.ledger.lots(symbol)
        booked = self.fold.ledger.positions.get(symbol, ZERO)
        assert abs(booked - self.sums.shares[symbol]) <= NANO * max(1, len(lots)), symbol
        self.sums.shares[symbol] = booked
        self.sums.at_open[symbol] = booked

    @precondition(before_trading)
    @rule(data=st.data(), amount=MONEY, is_gone=st.booleans())
    def paid_in_lieu(self, data: st.DataObject, amount: Decimal, is_gone: bool) -> None:
        symbol = data.draw(st.sampled_from(self.sums.held() or ["AA"]))
        held = self.sums.shares[symbol]
        quantity = ZERO if is_gone else held - held.to_integral_value(rounding=ROUND_DOWN)
        signed = -amount if held < 0 else amount
        currency = self.sums.currencies[symbol]
        self.tell(
            CashInLieu(
                symbol=symbol, quantity=quantity, amount=signed, currency=currency, reference="r"
            )
        )
        self.sums.cash[currency] += signed
        self.sums.shares[symbol] -= quantity
        self.adopt_last_digit(symbol)

    @precondition(before_trading)
    @rule(
        data=st.data(),
        ratio=st.sampled_from([(1, 4), (1, 1), (3, 2), (1, 3)]),
        basis=amounts("0", "1", places=4),
        in_lieu=st.one_of(st.none(), PRICES),
    )
    def spin_off(
        self,
        data: st.DataObject,
        ratio: tuple[int, int],
        basis: Decimal,
        in_lieu: Decimal | None,
    ) -> None:
        held = self.sums.held()
        if not held:
            return
        symbol, new_symbol = data.draw(st.sampled_from(held)), self.name("SPUN")
        new, old = ratio
        cost = self.fold.ledger.cost_basis(symbol)
        self.tell(
            SpinOff(
                symbol=symbol,
                ex_date=self.session,
                new_symbol=new_symbol,
                new_shares=new,
                old_shares=old,
                basis_fraction=basis,
                cash_in_lieu_price=in_lieu,
            )
        )
        sums = self.sums
        sums.currencies[new_symbol] = sums.currencies[symbol]
        sums.shares[new_symbol] = sums.shares[symbol]
        sums.multiply(new_symbol, new, old, in_lieu, adds=False)
        self.adopt_last_digit(new_symbol)
        if in_lieu is None:
            moved = self.fold.ledger.cost_basis(new_symbol)
            assert moved + self.fold.ledger.cost_basis(symbol) == cost, "a spin-off moves cost"

    @precondition(before_trading)
    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        held = [symbol for symbol in self.sums.held() if symbol not in SYMBOLS]
        if not held:
            return
        symbol, new_symbol = data.draw(st.sampled_from(held)), self.name("RENAMED")
        self.tell(SymbolChange(symbol=symbol, effective_date=self.session, new_symbol=new_symbol))
        sums = self.sums
        sums.currencies[new_symbol] = sums.currencies[symbol]
        sums.shares[new_symbol] = sums.shares.pop(symbol)
        sums.at_open[new_symbol] = sums.at_open.pop(symbol, ZERO)
        for unpaid, ex_date in [key for key in sums.unpaid if key[0] == symbol]:
            sums.unpaid[new_symbol, ex_date] = sums.unpaid.pop((unpaid, ex_date))
        for key in [key for key in sums.paid_early if key[0] == symbol]:
            sums.paid_early[new_symbol, key[1]] = sums.paid_early.pop(key)
        for key in [key for key in self.dividends if key[0] == symbol]:
            self.dividends[new_symbol, key[1]] = self.dividends.pop(key)

    @precondition(before_trading)
    @rule(data=st.data(), price=st.one_of(st.just(ZERO), PRICES), merges=st.booleans())
    def end(self, data: st.DataObject, price: Decimal, merges: bool) -> None:
        held = self.sums.held()
        if not held:
            return
        symbol = data.draw(st.sampled_from(held))
        # Shares can end worthless, but nobody merges for nothing.
        kind = CashMerger if merges and price else Delisting
        self.tell(kind(symbol=symbol, effective_date=self.session, price=price))
        sums = self.sums
        sums.cash[sums.currencies[symbol]] += cents(sums.shares[symbol] * price)
        sums.shares[symbol] = sums.at_open[symbol] = ZERO

    @rule(data=st.data(), per_share=amounts("0.01", "3", places=4))
    def dividend(self, data: st.DataObject, per_share: Decimal) -> None:
        symbol = data.draw(st.sampled_from(self.sums.held() or ["AA"]))
        currency = self.sums.currencies[symbol]
        self.tell(
            Dividend(
                symbol=symbol,
                ex_date=self.session,
                amount_per_share=per_share,
                currency=currency,
            )
        )
        key = (symbol, self.session)
        owed = cents(self.sums.at_open.get(symbol, ZERO) * per_share)
        if self.policy.dividend_source is DividendSource.EX_DATE:
            early = self.sums.paid_early.get(key, ZERO)
            if early * owed > 0:
                covered = min(early, owed, key=abs)
                self.sums.paid_early[key] = early - covered
                owed -= covered
            self.sums.earn("dividends", currency, owed)
        self.sums.unpaid[key] = self.sums.unpaid.get(key, ZERO) + owed
        self.dividends[key] += 1

    @rule(data=st.data(), difference=st.one_of(st.just(ZERO), amounts("-0.05", "0.05")))
    def payment(self, data: st.DataObject, difference: Decimal) -> None:
        unpaid = sorted(key for key, amount in self.sums.unpaid.items() if amount)
        if not unpaid:
            return
        symbol, ex_date = data.draw(st.sampled_from(unpaid))
        if self.dividends[symbol, ex_date] > 1:
            # Paid to the cent: another amount might be that of one of them alone.
            difference = ZERO
        owed = self.sums.unpaid.pop((symbol, ex_date))
        self.pay(symbol, ex_date, owed + difference)
        accrued = self.policy.dividend_source is DividendSource.EX_DATE
        income = difference if accrued else owed + difference
        self.sums.earn("dividends", self.sums.currencies[symbol], income)

    @rule(data=st.data(), amount=SIGNED_MONEY)
    def payment_before_its_dividend(self, data: st.DataObject, amount: Decimal) -> None:
        symbol = data.draw(st.sampled_from(self.sums.held() or ["AA"]))
        key = (symbol, self.session)
        if key in self.sums.unpaid:
            return
        self.pay(symbol, self.session, amount)
        self.sums.earn("dividends", self.sums.currencies[symbol], amount)
        if self.policy.dividend_source is DividendSource.EX_DATE:
            self.sums.paid_early[key] = self.sums.paid_early.get(key, ZERO) + amount

    def pay(self, symbol: str, ex_date: dt.date, amount: Decimal) -> None:
        currency = self.sums.currencies[symbol]
        self.tell(
            DividendPayment(
                symbol=symbol, ex_date=ex_date, amount=amount, currency=currency, reference="r"
            )
        )
        self.sums.cash[currency] += amount

    # Time.

    @rule()
    def next_session(self) -> None:
        self.session += dt.timedelta(days=1)
        self.clock += dt.timedelta(days=1)
        self.has_traded = False
        self.sums.at_open = dict(self.sums.shares)

    @rule(prices=st.lists(PRICES, min_size=20, max_size=20))
    def close(self, prices: list[Decimal]) -> None:
        """What the book states of itself at a close is what the sums say."""
        sums = self.sums
        marks = dict(zip(sums.held(), prices, strict=False))
        if len(marks) < len(sums.held()):
            return
        value = sum(
            (
                cents(sums.worth(sums.shares[symbol] * price, sums.currencies[symbol]))
                for symbol, price in marks.items()
            ),
            ZERO,
        )
        cash = sum((sums.worth(amount, c) for c, amount in sums.cash.items()), ZERO)
        accruals = self.accruals()
        self.tell(planned(self.session))
        self.tell(
            SessionClosed(
                marks={
                    symbol: Mark(price=price, session=self.session, source="test")
                    for symbol, price in marks.items()
                },
                cash=cash,
                market_value=value,
                equity=value + cash + accruals,
                statement=BrokerStatement(account_number="A1", positions={}, cash=cash),
                cash_balances={c: amount for c, amount in sums.cash.items() if amount},
                fx_rates={FOREIGN: sums.rate},
                accruals=accruals,
            )
        )
        self.next_session()

    def accruals(self) -> Decimal:
        if self.policy.dividend_source is DividendSource.BROKER:
            return ZERO
        sums = self.sums
        unpaid = sums.unpaid.items()
        return sum((sums.worth(v, sums.currencies[symbol]) for (symbol, _), v in unpaid), ZERO)

    @rule()
    def checkpoint(self) -> None:
        self.checkpoints.append((len(self.told), msgspec.json.encode(self.fold.state())))

    @rule(symbol=st.sampled_from(sorted(SYMBOLS)), price=PRICES)
    def refused(self, symbol: str, price: Decimal) -> None:
        """What cannot be booked leaves no trace."""
        before = msgspec.json.encode(self.fold.state())
        fill = Fill(
            execution_id="refused",
            client_order_id="",
            symbol=symbol,
            side=Side.BUY,
            quantity=ZERO,
            price=price,
            commission=ZERO,
            currency=self.sums.currencies[symbol],
            executed_at=self.clock,
        )
        with pytest.raises(LedgerError):
            self.fold.ledger.apply_event(self.session, fill)
        assert msgspec.json.encode(self.fold.state()) == before

    # What must always hold.

    @invariant()
    def the_book_agrees_with_the_sums(self) -> None:
        if not self.told:
            return
        ledger, sums = self.fold.ledger, self.sums
        assert not imbalances(ledger)
        assert sum((p.base_amount for p in ledger.account_balances()), ZERO) == 0
        assert ledger.positions == {s: q for s, q in sorted(sums.shares.items()) if q}
        booked = {currency: amount for currency, amount in ledger.cash_balances.items() if amount}
        assert booked == {currency: amount for currency, amount in sums.cash.items() if amount}
        assert ledger.cash == sum((sums.worth(a, c) for c, a in sums.cash.items()), ZERO)
        assert ledger.accruals == self.accruals()
        assert ledger.flows == sums.flows
        assert ledger.fees == sums.fees
        for account in ("dividends", "interest", "taxes", "borrow_fees"):
            for currency in (BASE, FOREIGN):
                result = ledger.accounts.get((account, currency), ZERO)
                assert result == sums.results[account, currency], (account, currency)

    def teardown(self) -> None:
        if not self.told:
            return
        self.replays_are_the_live_book()
        self.duplicates_change_nothing()

    def replays_are_the_live_book(self) -> None:
        """From the beginning, and from each checkpoint as it comes back from JSON."""
        records = list(self.log.records())
        live = self.fold.state()
        assert self.folded(BookFold(self.policy, BASE), records).state() == live
        for count, encoded in self.checkpoints:
            state = msgspec.json.decode(encoded, type=type(live))
            resumed = self.folded(BookFold.from_state(state, self.policy, BASE), records[count:])
            assert resumed.state() == live
            assert book_lines(resumed.ledger) == book_lines(self.fold.ledger)

    def duplicates_change_nothing(self) -> None:
        """Every fact is delivered again, all in reverse and each among others."""
        head = self.log.head()
        assert self.log.append(self.told[::-1]) == []
        assert self.log.head() == head
        again = EventLog(SQLiteDatabase(None), "alpha", clock=lambda: self.clock)
        for at, new in enumerate(self.told):
            earlier = self.told[at // 2 : at][::-1]
            again.append([*earlier, new, *earlier[::2], new])
        assert [r.event for r in again.records()] == [r.event for r in self.log.records()]
        fold = self.folded(BookFold(self.policy, BASE), list(again.records()))
        assert book_lines(fold.ledger) == book_lines(self.fold.ledger)

    @staticmethod
    def folded(fold: BookFold, records: list[EventRecord]) -> BookFold:
        for record in records:
            fold.apply(record)
        return fold


def planned(session: dt.date) -> SessionPlanned:
    plan = OrderPlan(
        session=session,
        strategy_id="s",
        signal_asof=session,
        equity=ZERO,
        cash=ZERO,
        scale=Decimal(1),
        expected_fees=ZERO,
        orders=(),
        lines=(),
    )
    return SessionPlanned(plan=plan, inputs_digest="d")


def test_books_hold_under_any_facts() -> None:
    run_state_machine_as_test(
        BooksUnderAnyFacts,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


# One symbol in one currency: what follows is about trades and splits alone.

MONDAY = dt.date(2024, 1, 8)
TRADES = st.lists(
    st.tuples(st.integers(-30, 30).filter(bool).map(Decimal), amounts("1", "200")),
    min_size=1,
    max_size=15,
)
COMPUTED_METHODS = st.sampled_from([m for m in LotMethod if m is not LotMethod.SPECIFIC])


def fill(number: int, quantity: Decimal, price: Decimal, commission: Decimal = ZERO) -> Fill:
    return Fill(
        execution_id=f"t{number}",
        client_order_id="",
        symbol="AA",
        side=Side.BUY if quantity > 0 else Side.SELL,
        quantity=abs(quantity),
        price=price,
        commission=commission,
        currency=BASE,
        executed_at=dt.datetime(2024, 1, 8, 15, tzinfo=dt.UTC),
    )


@QUICK
@given(
    before=TRADES,
    after=TRADES,
    ratio=st.sampled_from([(2, 1), (4, 1), (5, 1), (10, 1), (1, 2), (1, 4), (1, 5), (1, 10)]),
    method=COMPUTED_METHODS,
)
def test_a_split_changes_no_profit(
    before: list[tuple[Decimal, Decimal]],
    after: list[tuple[Decimal, Decimal]],
    ratio: tuple[int, int],
    method: LotMethod,
) -> None:
    """Trades after a split at the split price give what they would have given without it."""
    new, old = Decimal(ratio[0]), Decimal(ratio[1])
    policy = AccountingPolicy(long_lots=method, short_lots=method)
    plain, split = Ledger(policy, BASE), Ledger(policy, BASE)
    for number, (quantity, price) in enumerate(before):
        for ledger in (plain, split):
            ledger.apply_event(MONDAY, fill(number, quantity, price))
    tuesday = MONDAY + dt.timedelta(days=1)
    event = Split(symbol="AA", ex_date=tuesday, new_shares=ratio[0], old_shares=ratio[1])
    split.apply_event(tuesday, event)
    assert split.cost_basis("AA") == plain.cost_basis("AA")
    assert split.cash == plain.cash
    for number, (quantity, price) in enumerate(after, start=len(before)):
        plain.apply_event(tuesday, fill(number, quantity, price))
        split.apply_event(tuesday, fill(number, quantity * new / old, price * old / new))
        assert split.cash == plain.cash
        assert split.realized_pnl == plain.realized_pnl
        assert split.cost_basis("AA") == plain.cost_basis("AA")
        for one, other in zip(split.lots("AA"), plain.lots("AA"), strict=True):
            assert one.quantity == other.quantity * new / old
            assert (one.lot_id, one.cost_basis) == (other.lot_id, other.cost_basis)


@QUICK
@given(trades=TRADES, method=COMPUTED_METHODS, in_basis=st.booleans(), data=st.data())
def test_whatever_the_method_a_flat_book_has_earned_what_came_in_less_what_went_out(
    trades: list[tuple[Decimal, Decimal]], method: LotMethod, in_basis: bool, data: st.DataObject
) -> None:
    policy = AccountingPolicy(long_lots=method, short_lots=method, commission_in_basis=in_basis)
    trips: list[RoundTrip] = []
    ledger = Ledger(policy, BASE, trips.append)
    flat = -sum((quantity for quantity, _ in trades), ZERO)
    last = [(flat, data.draw(amounts("1", "200")))] if flat else []
    commission = data.draw(amounts("0", "3"))
    cash = ZERO
    for number, (quantity, price) in enumerate([*trades, *last]):
        ledger.apply_event(MONDAY, fill(number, quantity, price, commission))
        cash -= cents(quantity * price) + commission
    earned = sum(ledger.realized_pnl.values(), ZERO) - ledger.fees
    assert ledger.positions == {}
    assert ledger.lots("AA") == ()
    assert ledger.cost_basis("AA") == 0
    assert ledger.cash == cash == earned
    # Round trips tell the same profit and the same shares, lot by lot.
    assert sum((trip.pnl for trip in trips), ZERO) == sum(ledger.realized_pnl.values(), ZERO)
    bought = sum((quantity for quantity, _ in [*trades, *last] if quantity > 0), ZERO)
    assert sum((trip.quantity for trip in trips), ZERO) == bought


@QUICK
@given(
    lots=st.lists(st.tuples(st.integers(1, 20), amounts("1", "99")), min_size=2, max_size=8),
    sold=st.integers(1, 30),
)
def test_hifo_closes_the_dearest_shares(lots: list[tuple[int, Decimal]], sold: int) -> None:
    """What remains are the cheapest shares of all, one share at a time."""
    shares = sorted(price for count, price in lots for _ in range(count))
    sold = min(sold, len(shares))
    ledger = Ledger(AccountingPolicy(long_lots=LotMethod.HIFO), BASE)
    for number, (count, price) in enumerate(lots):
        ledger.apply_event(MONDAY, fill(number, Decimal(count), price))
    ledger.apply_event(MONDAY, fill(99, Decimal(-sold), Decimal(50)))
    assert ledger.cost_basis("AA") == sum(shares[: len(shares) - sold], ZERO)


@QUICK
@given(
    lots=st.lists(st.tuples(st.integers(1, 20), amounts("1", "99")), min_size=1, max_size=8),
    ratio=RATIOS,
    side=st.sampled_from((1, -1)),
    method=COMPUTED_METHODS,
)
def test_cash_in_lieu_at_the_price_of_the_split_conserves_value(
    lots: list[tuple[int, Decimal]], ratio: tuple[int, int], side: int, method: LotMethod
) -> None:
    """Worth at 60.00 a share before; whole shares at 60.00 x old / new and cash after, to what
    nine decimals of a share and a cent can hold."""
    new, old = ratio
    ledger = Ledger(AccountingPolicy(long_lots=method, short_lots=method), BASE)
    for number, (count, price) in enumerate(lots):
        ledger.apply_event(MONDAY, fill(number, Decimal(side * count), price))
    price = Decimal(60) * old / new
    worth = ledger.cash + ledger.positions["AA"] * 60
    ledger.apply_event(
        MONDAY + dt.timedelta(days=1),
        Split(
            symbol="AA",
            ex_date=MONDAY + dt.timedelta(days=1),
            new_shares=new,
            old_shares=old,
            cash_in_lieu_price=price,
        ),
    )
    position = ledger.positions.get("AA", ZERO)
    assert position == position.to_integral_value()
    exact = side * sum(count for count, _ in lots) * Decimal(new) / old
    assert position == exact.quantize(NANO).to_integral_value(rounding=ROUND_DOWN)
    assert abs(ledger.cash + position * price - worth) <= Decimal("0.006")
    assert not imbalances(ledger)
