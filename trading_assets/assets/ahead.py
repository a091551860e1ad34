"""Work on many sessions in a second process, ahead of the one that asks for it.

Problem: a backfill spends as much time on making its thousands of small files as on trading, one
core at it while the other idles, and then waits for Dagster to store what it is told.

Choice: what makes a session's files from what is already decided is a function of that session
alone. A forked process, which finds the sessions in the memory that it shares, computes them in
order and sends back what the caller needs of each, while the caller trades on or tells Dagster.
It is a shortcut and nothing else: where there is no second core, no Linux or only a few sessions,
where the process cannot be made, dies, raises, or is silent for too long, the caller computes the
same itself, and an error is raised where it would have been without.

Rejected: threads (the interpreter runs one at a time; 3 to 6 % were gained), a pool of processes
that are sent their sessions (to pickle and unpickle one takes as long as to make its files).
"""

from __future__ import annotations

import fcntl
import gc
import logging
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, ForkProcess
from typing import ClassVar, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOG = logging.getLogger(__name__)
FEWEST = 64
"""Fewer items are not worth a process: to fork one takes as long as the files of some sessions."""
MOST = 512
"""More items are given to several processes, one after the other: whatever a process looks at it
copies, so its share of the sessions is what it costs in memory."""
SILENCE_SECONDS = 60.0
PIPE_BYTES = 1 << 20
"""Results that wait to be read, while Dagster stores a batch: as many as Linux grants anybody."""


def computed_ahead(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[Result, None, None]:
    """As `map(function, items)`, with `function` running in a second process where that pays.

    `function` may read, compute and write files, and nothing else: connections, locks and streams
    belong to the caller's process, and what it changes in memory the caller does not see. What it
    returns is pickled, so it should not be much. `items` are taken in the caller's process, up to
    MOST of them ahead; where taking one raises, those before it are computed first. Closed
    (`contextlib.closing`), it leaves no process that still writes.
    """
    remaining = iter(items)
    while True:
        part: list[Item] = []
        error: Exception | None = None
        try:
            part.extend(islice(remaining, MOST))
        except Exception as raised:  # noqa: BLE001 - raised again below; `part` holds what came
            error = raised
        if not part and error is None:
            return
        if len(part) < FEWEST or not _may_fork():
            yield from map(function, part)
        else:
            with closing(_Forked(function, part)) as forked:
                yield from forked.results()
            # Or these sessions would be kept while the next are taken.
            del forked
        if error is not None:
            raise error


class Ahead(Generic[Item, Result]):
    """`computed_ahead` for items that come one by one: each FEWEST of them are computed in a second
    process while the next are awaited. `close` leaves no process that still writes.

    With `forks` False all are computed here, by `add`.
    """

    def __init__(self, function: Callable[[Item], Result], *, forks: bool = True) -> None:
        self._function = function
        self._forks = forks
        self._waiting: list[Item] = []
        self._running: _Forked[Item, Result] | None = None
        self._results: list[Result] = []

    def add(self, item: Item) -> None:
        """Take one in. Raises what `function` did of an item that was taken in before."""
        self._waiting.append(item)
        if not self._forks:
            self._compute_waiting()
        elif len(self._waiting) >= FEWEST and _may_fork():
            self._collect()
            self._running = _Forked(self._function, self._waiting)
            self._waiting = []

    def finish(self) -> list[Result]:
        """Results of all items that were added since the last call, in their order; raises what
        `function` did."""
        self._collect()
        self._compute_waiting()
        results, self._results = self._results, []
        return results

    def _compute_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._results += map(self._function, waiting)

    def _collect(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            with closing(running):
                self._results += running.results()

    def close(self) -> None:
        """Compute nothing more."""
        if self._running is not None:
            self._running.close()


class _Forked(Generic[Item, Result]):
    """A process that computes some items, until it is closed."""

    given_up: ClassVar[bool] = False
    """Whether one failed at what this process could do: no other is tried then."""

    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._function = function
        self._items = items
        self._process: ForkProcess | None = None
        with suppress(OSError):
            self._start(multiprocessing.get_context("fork"))

    def _start(self, context: ForkContext) -> None:
        self._receiver, sender = context.Pipe(duplex=False)
        try:
            with suppress(OSError):
                fcntl.fcntl(sender.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            process = context.Process(
                target=_compute,
                args=(self._function, self._items, self._receiver, sender, os.getpid()),
                daemon=True,
            )
            with warnings.catch_warnings():
                # Newer Pythons warn that a lock may be held by another thread for ever. The child
                # then is silent, and the caller computes itself.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
        except BaseException:
            self._receiver.close()
            raise
        finally:
            # Held by the child alone, so that its end is the stream's end.
            sender.close()
        self._process = process

    def results(self) -> Iterator[Result]:
        """Of each item in order: the child's, or, once it has failed, computed here."""
        for place, item in enumerate(self._items):
            received = self._receive()
            if not received:
                # Two that write the same file do no harm, but one is enough.
                self.close()
                yield self._function(item)
                self._give_up()
                yield from map(self._function, self._items[place + 1 :])
                return
            yield received[0]

    def _receive(self) -> tuple[Result] | tuple[()]:
        """The child's next result; empty where there will be none."""
        if self._process is None:
            return ()
        try:
            if self._receiver.poll(SILENCE_SECONDS):
                return (self._receiver.recv(),)
        except (EOFError, OSError):
            pass
        return ()

    def _give_up(self) -> None:
        """What the child could not do was done here: it would happen again."""
        if not _Forked.given_up:
            _LOG.warning("The second process failed; everything is computed in this one from here.")
        _Forked.given_up = True

    def close(self) -> None:
        """Return once the child does nothing more."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.join()
            self._receiver.close()


def _compute(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    receiver: Connection,
    sender: Connection,
    parent: int,
) -> None:
    """The child: results one by one; ends without a word where it cannot go on."""
    # It would copy all memory that it passes over, and may end what is the parent's to end.
    gc.disable()
    # Ctrl-C reaches all processes of the terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        # Held by the parent alone, so that waiting for it to read ends with it.
        receiver.close()
        for item in items:
            if os.getppid() != parent:
                # Killed. Whoever runs next must not find files written behind its back.
                break
            sender.send(function(item))
    except BaseException:  # noqa: BLE001 - the parent meets it when it computes the item itself
        pass
    finally:
        # Nothing that is the parent's is flushed, closed or finalised twice.
        os._exit(0)


def _may_fork() -> bool:
    """Whether a process is worth its while here; a daemonic one may have none."""
    return (
        sys.platform == "linux"
        and len(os.sched_getaffinity(0)) > 1
        and not multiprocessing.current_process().daemon
        and not _Forked.given_up
    )
