"""At most so many requests in any minute, whoever makes them in this process.

Libraries for this run a thread of their own, hide the clock and do not say how long a request was
held; what is needed is a wait that is measured, can be tried without sleeping, and gives way when
the broker itself says that it is too much. That is this window of moments.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 60.0


class RateLimiter:
    """Lets `requests_per_minute` requests through in any 60 seconds. Shared between threads."""

    def __init__(
        self,
        requests_per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if requests_per_minute < 1:
            raise ValueError(f"requests_per_minute must be at least 1, not {requests_per_minute}")
        self._most = requests_per_minute
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._passed: deque[float] = deque()
        self._held_until = 0.0

    def acquire(self) -> float:
        """Wait until one more request may leave; the seconds waited, 0 where it could at once.

        Places are given in the order of asking: a thread that waits has its moment already.
        """
        with self._lock:
            now = self._clock()
            moment = max(now, self._held_until)
            if len(self._passed) == self._most:
                moment = max(moment, self._passed.popleft() + WINDOW_SECONDS)
            self._passed.append(moment)
        wait = moment - now
        if wait > 0:
            self._sleep(wait)
        return wait

    def hold(self, seconds: float) -> None:
        """Let nothing through for so many seconds from now: the broker has said so."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)
