"""Cash that moved without a trade, and trades of before today, from Flex statements.

The gateway tells balances, never why they changed. An activity query of the Flex Web Service does:
its template (made in the client portal, sections Cash Transactions with all fields, period of at
least 30 days) is asked for by number, and its statement fetched when it is ready. Statements are
made anew once a day, after the close: what moves today is known tomorrow.

The token is part of the address, and urllib3 logs addresses; so this is the standard library's HTTP
client, which logs nothing, and no exception of it is passed on.
"""

from __future__ import annotations

import datetime as dt
import http.client
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import msgspec
from pydantic import SecretStr

from trading_assets.brokers.ibkr_connection import Refusal
from trading_assets.brokers.ibkr_flex_fields import NEW_YORK, amount_of, moment_of
from trading_assets.brokers.ibkr_flex_trades import InstrumentOf, flex_execution, is_execution
from trading_assets.model.account import (
    Answer,
    CashActivity,
    CashActivityKind,
    Execution,
    Known,
    Unknown,
)

FLEX_URL = "https://ndcdyn.interactivebrokers.com/AccountManagement/FlexWebService"
KINDS: dict[str, CashActivityKind] = {
    "Dividends": CashActivityKind.DIVIDEND,
    "Payment In Lieu Of Dividends": CashActivityKind.DIVIDEND,
    "Withholding Tax": CashActivityKind.TAX,
    "871(m) Withholding": CashActivityKind.TAX,
    "Broker Interest Received": CashActivityKind.INTEREST,
    "Broker Interest Paid": CashActivityKind.INTEREST,
    "Broker Fees": CashActivityKind.FEE,
    "Other Fees": CashActivityKind.FEE,
    "Commission Adjustments": CashActivityKind.FEE,
    "Deposits/Withdrawals": CashActivityKind.DEPOSIT,
    "Deposits & Withdrawals": CashActivityKind.DEPOSIT,
}
_NOT_READY = frozenset({"1001", "1004", "1005", "1006", "1007", "1008", "1009", "1018", "1019"})
_OK = 200
_FIRST_YEAR = 1990


class FlexAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Which query to ask for, and with which token, which shows itself to nobody by accident."""

    token: SecretStr
    query_id: str
    url: str = FLEX_URL
    timeout_seconds: float = 30.0
    attempts: int = 8
    pause_seconds: float = 5.0


class FlexStatements:
    """One account's statements; fetched once for as long as this lives.

    `account_number` says whose rows count, `instrument_of` what a contract id is called here.
    """

    def __init__(
        self,
        access: FlexAccess,
        account_number: Callable[[], str],
        instrument_of: InstrumentOf,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._access = access
        self._account_number = account_number
        self._instrument_of = instrument_of
        self._sleep = sleep
        self._response: ElementTree.Element | None = None
        self._failure: Unknown | None = None

    def cash_activities_since(self, moment: dt.datetime) -> Answer[tuple[CashActivity, ...]]:
        """Cash activities later than `moment`, oldest first; Unknown where the statement does not
        reach back to it. A moment before there was anything asks for all that the statement has."""
        statement = self._statement()
        if isinstance(statement, Unknown):
            return statement
        return self._activities(statement, moment)

    def executions_since(self, moment: dt.datetime) -> Answer[tuple[Execution, ...]]:
        """Executions later than `moment` that the statement tells, oldest first; none where the
        query has no section of them, or the statement cannot be had now, which is not tried twice.

        What is missing then shows as a difference between book and account. Unknown where a row
        cannot be read.
        """
        statement = self._failure or self._statement()
        if isinstance(statement, Unknown):
            return Known(())
        found = []
        for row in statement.iter("Trade"):
            executed_at = moment_of(row.get("dateTime", ""))
            if not is_execution(row) or (executed_at is not None and executed_at <= moment):
                continue
            execution = flex_execution(row, self._instrument_of)
            if isinstance(execution, Unknown):
                return execution
            found.append(execution.value)
        found.sort(key=lambda each: (each.executed_at, each.execution_id))
        return Known(tuple(found))

    def _statement(self) -> ElementTree.Element | Unknown:
        """The account's part of the response."""
        if self._response is None:
            fetched = self._fetch()
            if isinstance(fetched, Unknown):
                self._failure = fetched
                return fetched
            self._response, self._failure = fetched.value, None
        number = self._account_number()
        for statement in self._response.iter("FlexStatement"):
            if statement.get("accountId") == number:
                return statement
        return Unknown("Flex statement: it does not contain the account. Correct the query.")

    def _activities(
        self, statement: ElementTree.Element, moment: dt.datetime
    ) -> Answer[tuple[CashActivity, ...]]:
        first = moment_of(statement.get("fromDate", ""))
        is_ever = moment.year < _FIRST_YEAR
        if not is_ever and (first is None or first.date() > moment.astimezone(NEW_YORK).date()):
            return Unknown(
                f"Flex statement: it begins with {first and first.date()}, asked was for "
                f"{moment.date()} on. Give the query a longer period."
            )
        found = []
        for row in statement.iter("CashTransaction"):
            if row.get("levelOfDetail", "DETAIL") != "DETAIL":
                continue
            activity = self._activity(row)
            if isinstance(activity, Unknown):
                return activity
            if activity.value.occurred_at > moment:
                found.append(activity.value)
        found.sort(key=lambda activity: (activity.occurred_at, activity.activity_id))
        return Known(tuple(found))

    def _activity(self, row: ElementTree.Element) -> Known[CashActivity] | Unknown:
        identity, kind = row.get("transactionID", ""), KINDS.get(row.get("type", ""))
        what = f"Flex statement: cash transaction {identity or 'without transactionID'}"
        amount, occurred_at = amount_of(row.get("amount", "")), moment_of(row.get("dateTime", ""))
        currency = row.get("currency", "")
        if kind is None:
            return Unknown(f"{what}: type {row.get('type')!r} has no translation")
        if not identity or amount is None or occurred_at is None or len(currency) != 3:
            return Unknown(f"{what}: an id, amount, currency or time is missing. Add all fields.")
        symbol = ""
        if row.get("conid"):
            instrument = self._instrument_of(int(row.get("conid", "0")), row.get("symbol", ""))
            if not isinstance(instrument, Known):
                reason = (
                    instrument.message if isinstance(instrument, Refusal) else instrument.reason
                )
                return Unknown(f"{what}: {reason}")
            symbol = instrument.value.symbol
        if kind is CashActivityKind.DEPOSIT and amount < 0:
            kind = CashActivityKind.WITHDRAWAL
        ex_date = moment_of(row.get("exDate", ""))
        return Known(
            CashActivity(
                activity_id=f"flex-{identity}",
                kind=kind,
                amount=amount,
                currency=currency,
                occurred_at=occurred_at,
                symbol=symbol,
                ex_date=None if ex_date is None else ex_date.astimezone(NEW_YORK).date(),
            )
        )

    def _fetch(self) -> Known[ElementTree.Element] | Unknown:
        """The statement: ordered, then asked for until it is ready."""
        place, question = f"{self._access.url}/SendRequest", self._access.query_id
        doubt = "no answer"
        for _ in range(self._access.attempts):
            answer = self._get(place, question)
            if isinstance(answer, Unknown):
                doubt = answer.reason
            elif answer.tag == "FlexQueryResponse":
                return Known(answer)
            elif answer.findtext("Status") == "Success":
                place = f"{self._access.url}/GetStatement"
                question = answer.findtext("ReferenceCode") or ""
                continue
            else:
                code = answer.findtext("ErrorCode") or "no code"
                doubt = f"refused with {code}: {answer.findtext('ErrorMessage')}"
                if code not in _NOT_READY:
                    break
            self._sleep(self._access.pause_seconds)
        return Unknown(f"Flex statement: {doubt}")

    def _get(self, place: str, question: str) -> ElementTree.Element | Unknown:
        url = urlsplit(place)
        kind: Any = http.client.HTTPSConnection
        if url.scheme == "http":
            kind = http.client.HTTPConnection
        asked = {"t": self._access.token.get_secret_value(), "q": question, "v": "3"}
        connection = kind(url.hostname, url.port, timeout=self._access.timeout_seconds)
        try:
            connection.request(
                "GET", f"{url.path}?{urlencode(asked)}", headers={"User-Agent": "Java"}
            )
            response = connection.getresponse()
            if response.status != _OK:
                return Unknown(f"HTTP status {response.status}")
            return ElementTree.fromstring(response.read())
        except (OSError, http.client.HTTPException) as error:
            return Unknown(f"no answer ({type(error).__name__})")
        except ElementTree.ParseError:
            return Unknown("the answer is no XML")
        finally:
            connection.close()
