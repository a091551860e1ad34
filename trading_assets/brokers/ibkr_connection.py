"""One login to TWS or IB Gateway, and the ways in which asking it can end.

Problem: both libraries live on an asyncio loop, and both turn doubt into data: a request that timed
out while logging in leaves an empty list, a refused one ends with what there was so far, an answer
that comes too late is taken for that of the next question.
Choice: the loop runs in a thread of its own, so that it does not matter whether the caller is a
command, a worker thread or inside another loop. The library's synchronisation at login is not used:
each question is asked when its answer is needed, and a connection on which one was not answered, or
whose gateway had lost the broker (1100, 1101, 1102), is given up, so that no late answer can be
mistaken and after each reconnect everything is asked anew. Questions are asked again after a login;
an order never is.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec

from trading_assets.brokers.ibkr_library import library, misreadings
from trading_assets.errors import ConfigurationError
from trading_assets.model.account import Known, Unknown

T = TypeVar("T")

QUESTION_ATTEMPTS = 3
CLIENT_ID_TAKEN = 326
CONNECTIVITY_LOST, RESTORED_DATA_LOST, RESTORED_DATA_KEPT = 1100, 1101, 1102
PAPER_PREFIX = "D"
"""Account numbers of paper accounts begin with it."""
_POLL_SECONDS = 0.005


class GatewayAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gateway listens, and as whom to log in.

    `client_id` must be nobody else's. `account_number` may be None where the login manages a single
    account; `is_paper` says which kind it must be. `timeout_seconds` is for each question,
    `login_delays_seconds` the pauses before each attempt to log in.
    """

    host: str
    port: int
    client_id: int
    is_paper: bool
    account_number: str | None = None
    timeout_seconds: float = 10.0
    login_delays_seconds: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0)

    def __repr__(self) -> str:
        return f"GatewayAccess({self.host}:{self.port}, client id {self.client_id})"


class Refusal(msgspec.Struct, frozen=True):
    """The gateway said no to this question: its code, and why in its own words."""

    code: int
    message: str


Reply = Known[T] | Refusal | Unknown


def answer_of(reply: Reply[T]) -> Known[T] | Unknown:
    """A reply to a question that asks for nothing which could be refused."""
    if isinstance(reply, Refusal):
        return Unknown(f"refused with {reply.code}: {reply.message}")
    return reply


class GatewayConnection:
    """Logs in when something is asked, and again when a connection was lost."""

    def __init__(self, access: GatewayAccess, sleep: Callable[[float], None] = time.sleep) -> None:
        self.access = access
        self.account_number = ""
        self._sleep = sleep
        self._ib: Any = None
        self._has_connectivity = True
        self._is_stale = False
        self._last_notice = (0, "")
        self._asking = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="ibkr", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"GatewayConnection({self.access!r})"

    def ask(self, what: str, question: Callable[[Any], Awaitable[T]]) -> Reply[T]:
        """The answer to a question that changes nothing, asked again where a connection ends.

        Raises ConfigurationError where the login is not the account that is meant.
        """
        return self._ask(what, question, QUESTION_ATTEMPTS)

    def ask_once(self, what: str, question: Callable[[Any], Awaitable[T]]) -> Reply[T]:
        """The answer to what may change something: it leaves once. Where the login failed it never
        left, which is a Refusal with code 0."""
        return self._ask(what, question, 1)

    def close(self) -> None:
        """Log out and end the thread."""
        with self._asking:
            if self._thread.is_alive():
                self._run(self._log_out())
                self._run(self._cancel_everything())
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()

    # In the caller's thread

    def _ask(self, what: str, question: Callable[[Any], Awaitable[T]], attempts: int) -> Reply[T]:
        with self._asking:
            doubt = ""
            for _ in range(attempts):
                doubt = self._not_logged_in()
                if doubt and attempts == 1:
                    return Refusal(0, f"{what}: {doubt}")
                if doubt:
                    break
                reply = self._run(self._reply(question))
                if not isinstance(reply, Unknown):
                    return reply
                doubt = reply.reason
                self._run(self._log_out())
            return Unknown(f"{what}: {doubt}")

    def _not_logged_in(self) -> str:
        """Log in where that is needed; why it could not be done, empty where it could."""
        if self._run(self._is_usable()):
            return ""
        doubt = ""
        for delay in self.access.login_delays_seconds:
            if delay:
                self._sleep(delay)
            doubt = self._run(self._log_in())
            if not doubt:
                return ""
        return doubt

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    # In the loop's thread

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._loop.run_forever()

    async def _is_usable(self) -> bool:
        if self._ib is None:
            return False
        if not self._has_connectivity:
            await self._connectivity()
        if self._ib.isConnected() and self._has_connectivity and not self._is_stale:
            return True
        await self._log_out()
        return False

    async def _connectivity(self) -> None:
        """Wait until the gateway has the broker again, at most as long as for an answer."""
        deadline = self._loop.time() + self.access.timeout_seconds
        while not self._has_connectivity and self._loop.time() < deadline:
            await asyncio.sleep(_POLL_SECONDS)

    async def _log_in(self) -> str:
        access = self.access
        await self._log_out()
        ib = library().IB()
        ib.RaiseRequestErrors = True
        ib.errorEvent += self._on_notice
        ended = asyncio.Event()
        ib.client.conn.disconnected += lambda _: ended.set()
        ib.wrapper.clientId = access.client_id
        login = asyncio.ensure_future(
            ib.client.connectAsync(
                access.host, access.port, access.client_id, access.timeout_seconds
            )
        )
        self._last_notice, self._has_connectivity, self._is_stale = (0, ""), True, False
        # The library waits for its whole time limit although the gateway has hung up.
        hung_up = asyncio.ensure_future(ended.wait())
        await asyncio.wait({login, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        for task in (login, hung_up):
            task.cancel()
        outcomes = await asyncio.gather(login, hung_up, return_exceptions=True)
        if outcomes[0] is not None or not ib.isConnected():
            ib.disconnect()
            return self._login_failure(outcomes[0])
        self._ib = ib
        try:
            self.account_number = self._chosen(ib.client.getAccounts())
        except ConfigurationError:
            await self._log_out()
            raise
        return ""

    def _login_failure(self, failure: object) -> str:
        where = f"{self.access.host}:{self.access.port}"
        if self._last_notice[0] == CLIENT_ID_TAKEN:
            return (
                f"client id {self.access.client_id} is in use at {where}. End that connection, or "
                "choose another `client_id`."
            )
        if isinstance(failure, ConnectionRefusedError):
            return f"nothing listens at {where}. Start TWS or IB Gateway with its API enabled."
        if isinstance(failure, TimeoutError):
            return f"{where} did not complete the login in {self.access.timeout_seconds:g} s"
        return f"the connection to {where} ended before the login was complete"

    def _chosen(self, numbers: list[str]) -> str:
        """The account to work with; ConfigurationError where it is not the one meant."""
        where, wanted = f"{self.access.host}:{self.access.port}", self.access.account_number
        if wanted is not None and wanted not in numbers:
            raise ConfigurationError(
                f"the gateway at {where} is not logged in to the account that "
                "TRADING_ASSETS_IBKR_ACCOUNT names. Correct the variable or log in with the other "
                "user."
            )
        if wanted is None and len(numbers) != 1:
            raise ConfigurationError(
                f"the gateway at {where} manages {len(numbers)} accounts. Name the one to trade in "
                "TRADING_ASSETS_IBKR_ACCOUNT."
            )
        number = wanted or numbers[0]
        if number.startswith(PAPER_PREFIX) is not self.access.is_paper:
            found, meant = ("live", "paper") if self.access.is_paper else ("paper", "live")
            raise ConfigurationError(
                f"the mode is {meant}, the gateway at {where} is logged in to a {found} account. "
                "Correct `mode` or `port` (paper 7497 or 4002, live 7496 or 4001)."
            )
        return number

    async def _reply(self, question: Callable[[Any], Awaitable[T]]) -> Reply[T]:
        misread_before = misreadings()
        try:
            answer = await asyncio.wait_for(question(self._ib), self.access.timeout_seconds)
        except TimeoutError:
            return Unknown(f"no answer within {self.access.timeout_seconds:g} s")
        except ConnectionError:
            return Unknown("the connection ended before the answer")
        except library().RequestError as refused:
            return Refusal(refused.code, refused.message)
        if misreadings() != misread_before:
            return Unknown(f"{library().__name__} could not read what the gateway sent")
        return Known(answer)

    def _on_notice(self, request_id: int, code: int, words: str, *_: Any) -> None:
        if request_id == -1:
            self._last_notice = (code, words)
        if code == CONNECTIVITY_LOST:
            self._has_connectivity = False
        elif code in (RESTORED_DATA_LOST, RESTORED_DATA_KEPT):
            self._has_connectivity, self._is_stale = True, True

    async def _log_out(self) -> None:
        ib, self._ib = self._ib, None
        if ib is not None:
            ib.disconnect()
            # The socket closes in the loop's next turns.
            await asyncio.sleep(0)

    async def _cancel_everything(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
