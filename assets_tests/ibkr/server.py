"""A stateful stand-in for TWS or IB Gateway on 127.0.0.1: the wire protocol over real sockets.

    with running_gateway() as gateway:                       # or running_gateway(GatewayAccount(…))
        gateway.account.market.add(SXLK, "62.50")
        ib = IB(); ib.connect("127.0.0.1", gateway.port, clientId=7)

gateway       port, connections, requests (every request's fields, in order), logins
  .account    what the test drives and what is true (account.py)
  .faults     add(Fault(kind, request, stage, …)), seeded = SeededFaults(seed)
  .next_order_id      what the next login is told; `reset_order_ids()` begins anew at 1
  .drop_all()         ends every connection (the nightly reset); `refuse_logins` times the next
                      logins are refused
  .lose_connectivity() / .restore_connectivity(data_lost=…)   notices 1100, and 1101 or 1102;
                      between them no request is answered
  .taken_client_ids   somebody else uses these: error 326, then the connection ends; the next
                      `taken_logins` logins find theirs used
`invariants.violations(gateway.account)` says whether an order was placed twice, and whether cash,
positions and executions agree.

A market order fills right after it was acknowledged, so that a client sees the fill only by the
messages that follow or by asking again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from assets_tests.ibkr import messages
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.answers import Answers
from assets_tests.ibkr.faults import PLACE_ORDER, Faults
from assets_tests.ibkr.messages import SERVER_VERSION, Message
from assets_tests.ibkr.orders import order_ask
from assets_tests.ibkr.wire import GREETING, fields_of, frame, read_frame

START_SECONDS = 10.0
START_API, CANCEL_ORDER = 71, 4
NOTICES = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)


class Connection:
    """One client's socket."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.client_id = -1
        self.is_started = False
        self.is_muted = False

    def send(self, told: list[Message]) -> None:
        """Send messages in one go."""
        if not self.writer.is_closing() and not self.is_muted:
            self.writer.write(b"".join(frame(message) for message in told))

    def end(self) -> None:
        """Drop the connection without a word."""
        self.writer.transport.abort()


class GatewayStandIn:
    """The running server; see the module's docstring."""

    def __init__(self, account: GatewayAccount) -> None:
        self.account = account
        self.faults = Faults()
        self.requests: list[list[str]] = []
        self.logins: list[int] = []
        self.connections: list[Connection] = []
        self.taken_client_ids: set[int] = set()
        self.refuse_logins = 0
        self.taken_logins = 0
        self.next_order_id = 1
        self.has_connectivity = True
        self.port = 0
        self._answers = Answers(account)
        self._loop = asyncio.new_event_loop()
        self._leave = asyncio.Event()
        self._conversations: set[asyncio.Task[None]] = set()
        account.listeners.append(self._publish)

    # What the test does

    def drop_all(self) -> None:
        """End every connection, as the nightly reset does."""

        def drop() -> None:
            for connection in list(self.connections):
                connection.end()

        self._in_loop(drop)

    def lose_connectivity(self) -> None:
        """The gateway loses its connection to the broker: notice 1100, and silence."""
        self.has_connectivity = False
        words = "Connectivity between IBKR and Trader Workstation has been lost."
        self._broadcast([messages.error(-1, 1100, words)])

    def restore_connectivity(self, *, data_lost: bool) -> None:
        """It is back; with `data_lost` what was subscribed to has to be asked for again."""
        self.has_connectivity = True
        code, words = (1101, "data lost.") if data_lost else (1102, "data maintained.")
        told = f"Connectivity between IBKR and Trader Workstation has been restored- {words}"
        self._broadcast([messages.error(-1, code, told)])

    def reset_order_ids(self) -> None:
        """Order ids begin anew, as after a reset in the gateway's settings."""
        self.next_order_id = 1

    def placed(self, order_ref: str) -> int:
        """How often an order was asked for under a reference."""
        asks = [order_ask(fields) for fields in self.requests if int(fields[0]) == PLACE_ORDER]
        return sum(ask.order_ref == order_ref for ask in asks)

    # The server

    async def _serve(self, ready: threading.Event) -> None:
        async with await asyncio.start_server(self._handle, "127.0.0.1", self.port) as server:
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._leave.wait()
            for connection in self.connections:
                connection.end()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer)
        self.connections.append(connection)
        conversation = asyncio.current_task()
        assert conversation is not None
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._converse(connection, reader)
        finally:
            self.connections.remove(connection)
            writer.close()

    async def _converse(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        if self.refuse_logins > 0:
            self.refuse_logins -= 1
            return
        assert await reader.readexactly(len(GREETING)) == GREETING
        versions = (await read_frame(reader)).decode()
        assert versions.startswith("v157.."), versions
        connection.send([[SERVER_VERSION, f"{self.account.now:%Y%m%d %H:%M:%S} GMT"]])
        while True:
            fields = fields_of(await read_frame(reader))
            self.requests.append(fields)
            if not self._serve_request(connection, fields):
                await connection.writer.drain()
                return

    def _serve_request(self, connection: Connection, fields: list[str]) -> bool:
        """Answer one request; False where the connection ends with it."""
        number = int(fields[0])
        if number == START_API:
            return self._start(connection, int(fields[2]))
        if not self.has_connectivity:
            return True
        fault = self.faults.strike(number)
        if fault is not None and fault.kind == "drop" and fault.stage == "before":
            connection.end()
            return False
        connection.is_muted = fault is not None
        connection.send(self._answer(connection, number, fields))
        self._after(number)
        if fault is not None and fault.kind == "drop":
            connection.end()
            return False
        # What is published is sent in the loop's next turn.
        self._in_loop(lambda: setattr(connection, "is_muted", False))
        return True

    def _after(self, number: int) -> None:
        if number == PLACE_ORDER and self.account.fills_by_itself:
            self.account.match()

    def _start(self, connection: Connection, client_id: int) -> bool:
        self.logins.append(client_id)
        used = {each.client_id for each in self.connections if each.is_started}
        is_taken = self.taken_logins > 0
        self.taken_logins -= is_taken
        if is_taken or client_id in used | self.taken_client_ids:
            words = "Unable to connect as the client id is already in use."
            connection.send([messages.error(-1, 326, words)])
            return False
        connection.client_id, connection.is_started = client_id, True
        connection.send(
            [
                messages.managed_accounts([self.account.number]),
                messages.next_valid_id(self.next_order_id),
                *(messages.error(-1, code, words) for code, words in NOTICES),
            ]
        )
        return True

    def _answer(self, connection: Connection, number: int, fields: list[str]) -> list[Message]:
        if number == PLACE_ORDER:
            ask = order_ask(fields)
            self.next_order_id = max(self.next_order_id, ask.order_id + 1)
            return self.account.place(connection.client_id, ask)
        if number == CANCEL_ORDER:
            return self.account.cancel(connection.client_id, int(fields[2]))
        return self._answers.to(connection.client_id, number, fields, self.next_order_id)

    def _publish(self, client_id: int, told: list[Message]) -> None:
        """Send what an order's client is told; nobody else hears it."""

        def send() -> None:
            for connection in self.connections:
                if connection.is_started and connection.client_id == client_id:
                    connection.send(told)

        self._in_loop(send)

    def _broadcast(self, told: list[Message]) -> None:
        def send() -> None:
            for connection in self.connections:
                connection.send(told)

        self._in_loop(send)

    def _in_loop(self, act: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(act)

    def run(self, ready: threading.Event) -> None:
        """The server's thread."""
        self._loop.run_until_complete(self._serve(ready))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def stop(self) -> None:
        """End every connection and the server."""
        self._in_loop(self._leave.set)


@contextmanager
def running_gateway(account: GatewayAccount | None = None) -> Iterator[GatewayStandIn]:
    """Runs the stand-in on a free port of 127.0.0.1 until the block is left."""
    stand_in = GatewayStandIn(account or GatewayAccount())
    ready = threading.Event()
    thread = threading.Thread(target=stand_in.run, args=[ready], name="gateway", daemon=True)
    thread.start()
    assert ready.wait(START_SECONDS), "the stand-in did not start"
    try:
        yield stand_in
    finally:
        stand_in.stop()
        thread.join(timeout=START_SECONDS)
        assert not thread.is_alive(), "the stand-in did not stop"
