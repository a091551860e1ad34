"""At most so many requests in any minute, by everybody who keeps count in the same place.

An account's limit is one for all that use its keys: a run that trades, another portfolio's prices,
a backtest that fetches bars. With a file they count together, threads and processes alike; without
one, the threads of this limiter.

Libraries for this run a thread of their own, hide the clock and do not say how long a request was
held; what is needed is a wait that is measured, can be tried without sleeping, and gives way when
the broker itself says that it is too much. That is this window of moments.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right, insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock

WINDOW_SECONDS = 60.0
_POLL_SECONDS = 0.002


class Counted(msgspec.Struct):
    """The moments (seconds of a clock, ascending) at which requests left or will leave, and until
    when none may."""

    moments: list[float] = []
    held_until: float = 0.0


class RateLimiter:
    """Lets `requests_per_minute` requests through in any window of 60 seconds. Shared between
    threads, and with all limiters that have the same `file`, each of which keeps to its own number.

    `clock` is one that all processes of the machine share, as the monotonic one is.
    """

    def __init__(
        self,
        requests_per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        *,
        file: Path | None = None,
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        if requests_per_minute < 1:
            raise ValueError(f"requests_per_minute must be at least 1, not {requests_per_minute}")
        self._most = requests_per_minute
        self._clock = clock
        self._sleep = sleep
        self._window = window_seconds
        self._lock = threading.Lock()
        self._counted = Counted()
        self._file = file
        self._file_lock = None if file is None else FileLock(f"{file}.lock")

    def acquire(self) -> float:
        """Wait until one more request may leave; the seconds waited, 0 where it could at once.

        Places are given in the order of asking: a thread that waits has its moment already.
        """
        with self._counting() as counted:
            now, moments = self._clock(), counted.moments
            moment = max(now, counted.held_until)
            # Those of another clock, before the machine was started again, are no moments of ours.
            del moments[bisect_right(moments, now + 2 * self._window) :]
            del moments[: bisect_right(moments, now - self._window)]
            if len(moments) >= self._most:
                moment = max(moment, moments[-self._most] + self._window)
            insort(moments, moment)
        wait = moment - now
        if wait > 0:
            self._sleep(wait)
        return wait

    def hold(self, seconds: float) -> None:
        """Let nothing through for so many seconds from now: the broker has said so."""
        with self._counting() as counted:
            counted.held_until = max(counted.held_until, self._clock() + seconds)

    @contextmanager
    def _counting(self) -> Iterator[Counted]:
        """What was counted so far, for one at a time; changes of it are kept."""
        with self._lock:
            if self._file is None or self._file_lock is None:
                yield self._counted
                return
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file_lock.acquire(poll_interval=_POLL_SECONDS):
                counted = _read(self._file)
                counted.held_until = min(counted.held_until, self._clock() + self._window)
                yield counted
                self._file.write_bytes(msgspec.json.encode(counted))


def _read(file: Path) -> Counted:
    """What the file holds; nothing where it is missing, or a process died while it wrote."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Counted)
    except (FileNotFoundError, msgspec.DecodeError):
        return Counted()
