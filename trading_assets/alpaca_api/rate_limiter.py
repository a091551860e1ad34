"""At most so many requests in any minute, by everybody who keeps count in the same place.

An account's limit is one for all that use its keys: a run that trades, another portfolio's prices,
a backtest that fetches bars. With a file they count together, threads and processes alike; without
one, the threads of this limiter.

The file is a courtesy, orders and cancellations are not: where it cannot be used (a process that
is stopped holds its lock, the disk is full), a limiter says so in the log and counts alone for a
minute, going on from what it saw in the file last, before it tries again.

Libraries for this run a thread of their own, hide the clock and do not say how long a request was
held; what is needed is a wait that is measured, can be tried without sleeping, and gives way when
the broker itself says that it is too much. That is this window of moments.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock

WINDOW_SECONDS = 60.0
LOCK_SECONDS = 3.0
"""How long the lock of the file is waited for; who holds it does so for less than 0.01 s."""
_POLL_SECONDS = 0.002
_LOG = logging.getLogger(__name__)


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
        lock_seconds: float = LOCK_SECONDS,
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
        self._file_lock = None if file is None else FileLock(f"{file}.lock", timeout=lock_seconds)
        self._alone_until: float | None = None

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
            is_shared = self._taken_from_file()
            try:
                yield self._counted
            finally:
                if is_shared:
                    self._give_to_file()

    def _taken_from_file(self) -> bool:
        """Lock the file and go on from what it holds; False where there is none, or it cannot be
        used now."""
        if self._file is None or self._file_lock is None:
            return False
        if self._alone_until is not None and self._clock() < self._alone_until:
            return False
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file_lock.acquire(poll_interval=_POLL_SECONDS)
            found = _read(self._file)
        except OSError as error:
            # So is that the lock was not had in time.
            self._file_lock.release()
            self._go_on_alone(error)
            return False
        if self._alone_until is not None:
            # What left meanwhile is in no file yet.
            found = _joined(found, self._counted)
            self._alone_until = None
        found.held_until = min(found.held_until, self._clock() + self._window)
        self._counted = found
        return True

    def _give_to_file(self) -> None:
        assert self._file is not None
        assert self._file_lock is not None
        try:
            self._file.write_bytes(msgspec.json.encode(self._counted))
        except OSError as error:
            self._go_on_alone(error)
        finally:
            self._file_lock.release()

    def _go_on_alone(self, error: OSError) -> None:
        self._alone_until = self._clock() + self._window
        _LOG.warning(
            "requests cannot be counted with those of other processes for the next %g s (%s): "
            "together they may be more than the key allows. Look at %s and its .lock.",
            self._window,
            error,
            self._file,
        )


def _joined(one: Counted, other: Counted) -> Counted:
    """What either has counted; a moment that both know is one."""
    moments = Counter(one.moments) | Counter(other.moments)
    return Counted(sorted(moments.elements()), max(one.held_until, other.held_until))


def _read(file: Path) -> Counted:
    """What the file holds; nothing where it is missing, or a process died while it wrote."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Counted)
    except (FileNotFoundError, msgspec.DecodeError):
        return Counted()
