"""A server that writes bytes as the test says, for answers that no proper server gives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class RawServer:
    """Answers each connection with the next of some bytes, written as the test says."""

    def __init__(self, write: Callable[[socket.socket], None]) -> None:
        self._write = write
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.asked: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(65536))
                try:
                    self._write(connection)
                except OSError:
                    # The client has given up, which is what some tests want.
                    continue

    def close(self) -> None:
        self._socket.close()


@contextmanager
def served(write: Callable[[socket.socket], None] | bytes) -> Iterator[RawServer]:
    answer = write if callable(write) else (lambda connection: connection.sendall(write))
    server = RawServer(answer)
    try:
        yield server
    finally:
        server.close()


def reply(status: str, body: str, kind: str = "application/json", headers: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n{headers}\r\n{body}"
    ).encode()
