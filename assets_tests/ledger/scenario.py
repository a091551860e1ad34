r"""Scenarios of a book in the words of the people who keep books, and the book that they must give.

Problem: a ledger is judged by somebody who knows accounting, not by somebody who reads Python. A
test made of constructors hides the case, and one that compares a few attributes lets the rest of
the book be wrong.

Choice: plain text. Above a line of dashes stand facts, one a line, each with its date; below it the
whole book that follows from them. What is not stated must not be there: a lot, a balance, a profit
or a fee that the ledger books and the text does not name fails the scenario. Both sides are
compared as lines of this same notation, so that a failure shows what was expected and what was
booked in the words of the scenario.

    policy long_lots=fifo commission_in_basis=no currency=USD        (settings, if not the defaults)
    2024-01-08 deposit 10000.00 USD
    2024-01-08 withdrawal 10.00 USD
    2024-01-08 buy 10 AAPL @ 100.00 EUR commission 1.00 as a         (the last three if wanted)
    2024-01-09 sell 4 AAPL @ 110.00 closing a:4                      (where lots are chosen)
    2024-01-09 fee 3.00 USD on AAPL
    2024-01-09 tax 1.50 USD on AAPL
    2024-01-09 interest -2.00 USD
    2024-01-09 borrow fee 2.00 USD on GME
    2024-01-09 rate EUR 1.10
    2024-01-09 convert 11.00 USD to 10.00 EUR
    2024-01-09 adjust 5 AAPL @ 100.00 USD cash -3.00 because the statement says so
    2024-01-10 dividend AAPL 0.50 USD paid 2024-01-20
    2024-01-20 payment AAPL 5.00 USD ex 2024-01-10
    2024-01-10 split AAPL 3:2 in lieu 70.00
    2024-01-10 stock dividend AAPL 1:20 in lieu 70.00
    2024-01-10 spin-off NEW 1:4 of AAPL basis 0.2 in lieu 70.00
    2024-01-10 rename FB to META
    2024-01-10 delist AAPL @ 0
    2024-01-10 merger AAPL @ 150.00
    2024-01-10 close AAPL 110.00 rates EUR 1.10 value 660.00 cash 11.00 of EUR 10.00 accruals 0.00 \
equity 671.00
      refused: AAPL, -3            (under a fact that must be refused: words of the message)
    ---
    AAPL 6 cost 600.00
      lot a 6 cost 600.00 opened 2024-01-08            (`base 660.00` before `opened` if foreign)
    cash USD 9400.00
    realized AAPL 40.00
    fees 1.00                      (all commission and fees, in the portfolio's currency)
    dividends USD 5.00
    interest USD -2.00
    taxes USD 1.50
    borrow fees USD 2.00
    fx gain 12.00                  (exchange gains realized, in the portfolio's currency)
    accruals 0.00                  (all above is compared always, what follows where it is stated)
    flows 10000.00
    total cash 9400.00
    account capital USD -10000.00  (a balance of the trial balance: debit positive)
    round trip a: long 4 AAPL 2024-01-08 @ 100.00 to 2024-01-09 @ 110.00 pnl 40.00 return 0.1 days 1
    no round trips

Quantities and money are exact; prices and returns of round trips are compared to eight decimals.
A semicolon begins a comment. A trade without a name is called after its place: trade-1, trade-2;
the lot of an adjustment is called `adjustment 2024-01-09`.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from assets_tests.ledger.scenario_facts import (
    CURRENCY,
    DATE,
    LOT,
    NUMBER,
    SYMBOL,
    Context,
    ScenarioError,
    fact,
)
from trading_assets.errors import LedgerError
from trading_assets.ledger.fold import Ledger
from trading_assets.model.events import AnyEvent
from trading_assets.model.policies import AccountingPolicy
from trading_assets.model.round_trip import RoundTrip

# What accounts of income and expense are called here, and the sign that makes them positive.
RESULTS = {
    "dividends": ("dividends", -1),
    "interest": ("interest", -1),
    "taxes": ("taxes", 1),
    "borrow_fees": ("borrow fees", 1),
}
BOOK = (
    rf"{SYMBOL} {NUMBER} cost {NUMBER}",
    rf"lot {LOT} {NUMBER} cost {NUMBER}(?: base {NUMBER})? opened {DATE}",
    rf"cash {CURRENCY} {NUMBER}",
    rf"realized {SYMBOL} {NUMBER}",
    rf"(?:fees|accruals|fx gain|flows|total cash) {NUMBER}",
    rf"(?:dividends|interest|taxes|borrow fees) {CURRENCY} {NUMBER}",
    rf"account \S+ {CURRENCY} {NUMBER}",
    rf"round trip {LOT}: (?:long|short) {NUMBER} {SYMBOL} {DATE} @ {NUMBER} to {DATE} @ {NUMBER} "
    rf"pnl {NUMBER}(?: base {NUMBER})? return (?:{NUMBER}|undefined) days \d+",
    r"no round trips",
)
EIGHT_DECIMALS = Decimal("0.00000001")


@dataclass(frozen=True)
class Step:
    """One fact, and where it must be refused the words that the refusal has to contain."""

    line: str
    session: dt.date
    event: AnyEvent
    refusal: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Scenario:
    """Settings, facts, and the lines of the book that must follow from them."""

    policy: AccountingPolicy
    currency: str
    steps: tuple[Step, ...]
    expected: tuple[str, ...]


def check(text: str) -> Ledger:
    """Book the facts of `text` and compare the book with the expected one, line by line.

    Returns the ledger. AssertionError shows expected and booked lines; ScenarioError names a line
    that is not in the notation.
    """
    scenario = parse(text)
    round_trips: list[RoundTrip] = []
    ledger = Ledger(scenario.policy, scenario.currency, round_trips.append)
    for step in scenario.steps:
        _book(ledger, step, round_trips)
    stated = [line for line in scenario.expected if line != "no round trips"]
    booked = book_lines(ledger)
    booked += _where_stated(scenario.expected, ledger, round_trips)
    assert sorted(stated) == sorted(booked), difference(stated, booked)
    return ledger


def difference(expected: list[str], booked: list[str]) -> str:
    """The two books beside each other: `-` is expected and missing, `+` is booked and unstated."""
    lines = difflib.ndiff(sorted(expected), sorted(booked))
    shown = [line for line in lines if not line.startswith("?")]
    return "\n".join(["the book is not the expected one (- expected, + booked):", *shown])


def _book(ledger: Ledger, step: Step, round_trips: list[RoundTrip]) -> None:
    """One fact into the ledger; the book must balance after it, and be as before if refused."""
    before = (_everything(ledger), len(round_trips))
    refusal = _refusal(ledger, step)
    if step.refusal is None:
        assert refusal is None, f"refused, though it can be booked: {step.line}\n{refusal}"
        problems = imbalances(ledger)
        assert not problems, f"out of balance after {step.line}: {problems}"
        return
    assert refusal is not None, f"booked, though it must be refused: {step.line}"
    missing = [word for word in step.refusal if word.lower() not in refusal.lower()]
    assert not missing, f"{step.line}: {missing} not in the refusal: {refusal}"
    after = (_everything(ledger), len(round_trips))
    assert after == before, f"refused, and yet booked: {step.line}\n{before}\n{after}"


def _refusal(ledger: Ledger, step: Step) -> str | None:
    """Why the ledger refuses the fact, None where it books it."""
    try:
        ledger.apply_event(step.session, step.event)
    except LedgerError as error:
        return str(error)
    return None


def imbalances(ledger: Ledger) -> list[str]:
    """What must hold of any book at any moment and does not; empty when all is well."""
    problems = []
    totals: dict[str, Decimal] = {}
    for (_, currency), balance in ledger.accounts.items():
        totals[currency] = totals.get(currency, Decimal(0)) + balance
    problems += [f"the trial balance in {c} is {t}" for c, t in totals.items() if t]
    for symbol, position in ledger.positions.items():
        lots = ledger.lots(symbol)
        if sum((lot.quantity for lot in lots), Decimal(0)) != position:
            problems.append(f"lots of {symbol} are not its position {position}: {lots}")
        if sum((lot.cost_basis for lot in lots), Decimal(0)) != ledger.cost_basis(symbol):
            problems.append(f"lots of {symbol} do not cost {ledger.cost_basis(symbol)}: {lots}")
        if any(not lot.quantity or (lot.quantity > 0) is not (position > 0) for lot in lots):
            problems.append(f"a lot of {symbol} is empty or of the other side: {lots}")
        if [lot.opened for lot in lots] != sorted(lot.opened for lot in lots):
            problems.append(f"lots of {symbol} are not oldest first: {lots}")
    return problems


def book_lines(ledger: Ledger) -> list[str]:
    """The whole book in the notation: what is zero is left out."""
    lines = []
    for symbol, position in ledger.positions.items():
        lines.append(f"{symbol} {spelled(position)} cost {spelled(ledger.cost_basis(symbol))}")
        for lot in ledger.lots(symbol):
            base = f" base {spelled(lot.base_cost_basis)}"
            lines.append(
                f"{symbol} lot {lot.lot_id} {spelled(lot.quantity)} cost "
                f"{spelled(lot.cost_basis)}{base * (lot.base_cost_basis != lot.cost_basis)} "
                f"opened {lot.opened}"
            )
    lines += [f"cash {c} {spelled(v)}" for c, v in ledger.cash_balances.items() if v]
    lines += [f"realized {s} {spelled(v)}" for s, v in ledger.realized_pnl.items() if v]
    lines += [f"fees {spelled(ledger.fees)}"] * bool(ledger.fees)
    lines += [f"accruals {spelled(ledger.accruals)}"] * bool(ledger.accruals)
    lines += [f"fx gain {spelled(ledger.realized_fx_gain)}"] * bool(ledger.realized_fx_gain)
    for (account, currency), balance in ledger.accounts.items():
        if account in RESULTS and balance:
            name, sign = RESULTS[account]
            lines.append(f"{name} {currency} {spelled(sign * balance)}")
    return lines


def _everything(ledger: Ledger) -> list[str]:
    accounts = [f"account {a} {c} {v}" for (a, c), v in ledger.accounts.items()]
    return [*book_lines(ledger), f"flows {ledger.flows}", f"cash {ledger.cash}", *sorted(accounts)]


def _where_stated(
    expected: tuple[str, ...], ledger: Ledger, round_trips: list[RoundTrip]
) -> Iterator[str]:
    """The parts of the book that a scenario states only where it is about them."""
    if any(line.startswith("flows ") for line in expected):
        yield f"flows {spelled(ledger.flows)}"
    if any(line.startswith("total cash ") for line in expected):
        yield f"total cash {spelled(ledger.cash)}"
    for line in expected:
        if line.startswith("account "):
            account, currency = line.split()[1:3]
            balance = ledger.accounts.get((account, currency), Decimal(0))
            yield f"account {account} {currency} {spelled(balance)}"
    if any("round trip" in line for line in expected):
        yield from map(round_trip_line, round_trips)


def round_trip_line(trip: RoundTrip) -> str:
    """A round trip in the notation."""
    ratio = "undefined" if trip.return_ is None else eight_decimals(trip.return_)
    base = f" base {spelled(trip.base_pnl)}"
    return (
        f"round trip {trip.lot_id}: {trip.side} {spelled(trip.quantity)} {trip.symbol} "
        f"{trip.opened} @ {eight_decimals(trip.entry_price)} to {trip.closed} @ "
        f"{eight_decimals(trip.exit_price)} pnl {spelled(trip.pnl)}"
        f"{base * (trip.base_pnl != trip.pnl)} return {ratio} days {trip.holding_days}"
    )


def spelled(value: Decimal) -> str:
    """One spelling for each number: no exponent, no zeros at the end, no minus before zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def eight_decimals(value: Decimal) -> str:
    """A price or ratio, which may have no end, as it is compared."""
    return spelled(value.quantize(EIGHT_DECIMALS))


def parse(text: str) -> Scenario:
    """Read a scenario; ScenarioError names the first line that is not in the notation."""
    lines = [line.split(";")[0].rstrip() for line in text.splitlines()]
    lines = [line for line in lines if line.strip()]
    dashes = [at for at, line in enumerate(lines) if line.strip() == "---"]
    if len(dashes) != 1:
        raise ScenarioError("one line of dashes (---) stands between the facts and the book")
    policy: dict[str, str] = {}
    facts = lines[: dashes[0]]
    if facts and facts[0].split()[0] == "policy":
        policy = dict(_setting(word) for word in facts.pop(0).split()[1:])
    context = Context(policy.pop("currency", "USD"))
    steps: list[Step] = []
    for line in (line.strip() for line in facts):
        if line.startswith("refused:"):
            if not steps or steps[-1].refusal is not None:
                raise ScenarioError(f"refuses nothing: {line!r}")
            words = tuple(word.strip() for word in line.removeprefix("refused:").split(","))
            steps[-1] = Step(steps[-1].line, steps[-1].session, steps[-1].event, words)
        else:
            session, event = fact(line, context)
            steps.append(Step(line, session, event))
    return Scenario(
        policy=AccountingPolicy.model_validate(policy),
        currency=context.currency,
        steps=tuple(steps),
        expected=tuple(_expected(lines[dashes[0] + 1 :])),
    )


def _setting(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not (name and equals and value):
        raise ScenarioError(f"a setting of the policy is name=value, not {word!r}")
    return name, value


def _expected(lines: list[str]) -> Iterator[str]:
    """The lines of the expected book, each number in its one spelling."""
    symbol = ""
    for line in (line.strip() for line in lines):
        if not any(re.fullmatch(pattern, line) for pattern in BOOK):
            raise ScenarioError(f"no line of a book: {line!r}")
        one_spelling = re.sub(
            rf"(?<![\w.:-]){NUMBER}(?![\w.:-])", lambda n: spelled(Decimal(n[0])), line
        )
        if line.startswith("lot "):
            if not symbol:
                raise ScenarioError(f"a lot stands under its position: {line!r}")
            yield f"{symbol} {one_spelling}"
            continue
        symbol = line.split()[0] if re.match(rf"{SYMBOL} {NUMBER} cost", line) else ""
        if not re.fullmatch(r"(fees|accruals|fx gain|realized \S+|cash \S+) 0", one_spelling):
            yield one_spelling
