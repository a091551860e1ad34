"""Both websockets: trade updates (JSON in binary frames) and stock data (msgpack)."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack
from starlette.websockets import WebSocket, WebSocketDisconnect

Message = dict[str, Any]
CLOSE = None


class Connection:
    """One client: what it subscribed to, and what waits to be sent to it (None: hang up)."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.subscribed: dict[str, set[str]] = {}

    def send(self, data: bytes | None) -> None:
        """Queues a frame from any thread."""
        self.loop.call_soon_threadsafe(self.outgoing.put_nowait, data)


class Stream:
    """The connections of one websocket and the ways in which it fails."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.accepts = True
        self.connected = 0

    @property
    def listeners(self) -> list[Connection]:
        """The connections that subscribed to anything."""
        return [each for each in list(self.connections) if any(each.subscribed.values())]

    def drop(self) -> None:
        """Hangs up on every client; they may come back."""
        for connection in list(self.connections):
            connection.send(CLOSE)

    async def serve(
        self, socket: WebSocket, connection: Connection, answer: Callable[[bytes], bool]
    ) -> None:
        """Sends what is queued and answers what comes in, until either side hangs up."""
        sender = asyncio.create_task(self._send(socket, connection))
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("bytes") or (message.get("text") or "").encode()
                if not answer(data):
                    connection.send(CLOSE)
        except (WebSocketDisconnect, RuntimeError):
            return
        finally:
            if connection in self.connections:
                self.connections.remove(connection)
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender

    async def _send(self, socket: WebSocket, connection: Connection) -> None:
        while (data := await connection.outgoing.get()) is not CLOSE:
            await socket.send_bytes(data)
        with suppress(RuntimeError):
            await socket.close(code=1011)


class TradeUpdates(Stream):
    """`/stream`. Updates reach those who listen when they happen; nothing is kept for later.

    `duplicates` and `disorder` are the shares of updates sent twice, and held back until the next
    one has gone out, drawn from the seed. `mute` loses updates while the socket stays open.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.duplicates = 0.0
        self.disorder = 0.0
        self.mute = False
        self._random = random.Random(seed)
        self._held_back: list[Message] = []

    def publish(self, update: Message) -> None:
        """Sends an update, or two, or later."""
        if self.mute:
            return
        if self._random.random() < self.disorder:
            self._held_back.append(update)
            return
        times = 2 if self._random.random() < self.duplicates else 1
        self._deliver([update] * times + self._held_back)
        self._held_back = []

    def flush(self) -> None:
        """Sends what was held back."""
        self._deliver(self._held_back)
        self._held_back = []

    def _deliver(self, updates: list[Message]) -> None:
        for update in updates:
            frame = json.dumps({"stream": "trade_updates", "data": update}).encode()
            for connection in list(self.connections):
                if "trade_updates" in connection.subscribed.get("streams", set()):
                    connection.send(frame)

    async def handle(self, socket: WebSocket, is_known: Callable[[str, str], bool]) -> None:
        """One client's conversation: authenticate, then listen."""
        await socket.accept()
        connection = Connection()
        authorised = False

        def answer(data: bytes) -> bool:
            nonlocal authorised
            message = json.loads(data)
            content = message.get("data") or {}
            if message.get("action") in ("auth", "authenticate"):
                key = content.get("key_id") or message.get("key") or ""
                secret = content.get("secret_key") or message.get("secret") or ""
                authorised = self.accepts and is_known(key, secret)
                status = "authorized" if authorised else "unauthorized"
                reply = {"status": status, "action": "authenticate"}
                connection.send(_json({"stream": "authorization", "data": reply}))
                if authorised:
                    self.connections.append(connection)
                    self.connected += 1
                return authorised
            if message.get("action") == "listen" and authorised:
                streams = [name for name in content.get("streams", []) if name == "trade_updates"]
                connection.subscribed["streams"] = set(streams)
                connection.send(_json({"stream": "listening", "data": {"streams": streams}}))
            return authorised

        await self.serve(socket, connection, answer)


class StockData(Stream):
    """`/v2/iex` and `/v2/sip`. One connection at a time, as the broker allows."""

    channels = ("trades", "quotes", "bars", "dailyBars", "updatedBars", "statuses")

    def publish(self, channel: str, symbol: str, message: Message) -> None:
        """Sends a message to those who subscribed to the symbol or to all (`*`).

        `t` must be a msgpack.Timestamp, as the client expects.
        """
        for connection in list(self.connections):
            if connection.subscribed.get(channel, set()) & {symbol, "*"}:
                connection.send(_pack([message]))

    async def handle(self, socket: WebSocket, is_known: Callable[[str, str], bool]) -> None:
        """One client's conversation: connected, authenticate, subscribe."""
        await socket.accept()
        connection = Connection()
        connection.send(_pack([{"T": "success", "msg": "connected"}]))

        def answer(data: bytes) -> bool:
            message = msgpack.unpackb(data)
            action = message.get("action")
            if action == "auth":
                return self._authenticate(connection, message, is_known)
            if connection not in self.connections:
                connection.send(_pack([{"T": "error", "code": 401, "msg": "not authenticated"}]))
                return False
            for channel in self.channels:
                names = set(message.get(channel) or [])
                kept = connection.subscribed.setdefault(channel, set())
                connection.subscribed[channel] = (
                    kept | names if action == "subscribe" else kept - names
                )
            listed = {name: sorted(kept) for name, kept in connection.subscribed.items()}
            connection.send(_pack([{"T": "subscription", **listed}]))
            return True

        await self.serve(socket, connection, answer)

    def _authenticate(
        self, connection: Connection, message: Message, is_known: Callable[[str, str], bool]
    ) -> bool:
        error: Message | None = None
        if not self.accepts or not is_known(message.get("key", ""), message.get("secret", "")):
            error = {"T": "error", "code": 402, "msg": "auth failed"}
        elif self.connections:
            error = {"T": "error", "code": 406, "msg": "connection limit exceeded"}
        if error is not None:
            connection.send(_pack([error]))
            return False
        self.connections.append(connection)
        self.connected += 1
        connection.send(_pack([{"T": "success", "msg": "authenticated"}]))
        return True


def _json(message: Message) -> bytes:
    return json.dumps(message).encode()


def _pack(messages: list[Message]) -> bytes:
    packed = msgpack.packb(messages)
    assert isinstance(packed, bytes)
    return packed
