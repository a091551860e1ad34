"""Work on many sessions in a second process, ahead of the one that asks for it.

Problem: a backfill spends as much time on making its thousands of small files as on trading, one
core at it while the other idles, and then waits for Dagster to store what it is told.

Choice: what makes a session's files from what is already decided is a function of that session
alone. A forked process, which finds the sessions in the memory that it shares, computes them in
order and sends back what the caller needs of each, while the caller trades on or tells Dagster.
It is a shortcut and nothing else: where there is no second core, no Linux or only a few sessions,
where the process dies, raises, or is silent for too long, the caller computes the same itself, and
an error is raised where it would have been without.

Rejected: threads (the interpreter runs one at a time; 3 to 6 % were gained), a pool of processes
that are sent their sessions (to pickle and unpickle one takes as long as to make its files).
"""

from __future__ import annotations

import fcntl
import gc
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

FEWEST = 64
"""Fewer items are not worth a process: to fork one takes as long as the files of several sessions.
A real broker's run has one session, so it never forks."""
MOST = 512
"""More items are given to several processes, one after the other: whatever a process looks at it
copies, so its share of the sessions is what it costs in memory."""
SILENCE_SECONDS = 60.0
PIPE_BYTES = 1 << 20
"""Results that wait to be read, while Dagster stores a batch: as many as Linux grants anybody."""


def computed_ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """As `map(function, items)`, with `function` running in a second process where that pays.

    `function` may read, compute and write files, and nothing else: connections, locks and streams
    belong to the caller's process, and what it changes in memory the caller does not see. What it
    returns must be small, for it is pickled. `items` are taken in the caller's process, up to MOST
    of them ahead.
    """
    remaining = iter(items)
    while part := list(islice(remaining, MOST)):
        if len(part) < FEWEST or not _second_core():
            yield from map(function, part)
        else:
            with _Forked(function, part) as forked:
                yield from forked.results()


class Ahead(Generic[Item, Result]):
    """`computed_ahead` for items that come one by one: each FEWEST of them are computed in a second
    process while the next are awaited."""

    def __init__(self, function: Callable[[Item], Result]) -> None:
        self._function = function
        self._waiting: list[Item] = []
        self._running: _Forked[Item, Result] | None = None
        self._results: list[Result] = []

    def add(self, item: Item) -> None:
        """Take one in."""
        self._waiting.append(item)
        if len(self._waiting) >= FEWEST and _second_core():
            self._collect()
            self._running = _Forked(self._function, self._waiting)
            self._waiting = []

    def finish(self) -> list[Result]:
        """Results of all items that were added since the last call, in their order. Whatever
        `function` raises is raised here or by a later `add`."""
        self._collect()
        self._results += map(self._function, self._waiting)
        results, self._results, self._waiting = self._results, [], []
        return results

    def _collect(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            with running:
                self._results += running.results()


class _Forked(Generic[Item, Result]):
    """A process that computes some items; leaving the block ends it."""

    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._function = function
        self._items = items
        context = multiprocessing.get_context("fork")
        self._receiver, sender = context.Pipe(duplex=False)
        with suppress(OSError):
            fcntl.fcntl(sender.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._process = context.Process(
            target=_compute, args=(function, items, sender, os.getpid()), daemon=True
        )
        with warnings.catch_warnings():
            # Newer Pythons warn that a lock may be held by another thread for ever. The child then
            # is silent, and the caller computes itself.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        # Held by the child alone, so that its end is the stream's end.
        sender.close()

    def results(self) -> Iterator[Result]:
        """Of each item in order: the child's, or, once it has failed, computed here."""
        for place in range(len(self._items)):
            received = self._receive()
            if not received:
                # Two that write the same file do no harm, but one is enough.
                self._end()
                yield from map(self._function, self._items[place:])
                return
            yield received[0]

    def _receive(self) -> tuple[Result] | tuple[()]:
        """The child's next result; empty where there will be none."""
        try:
            if self._receiver.poll(SILENCE_SECONDS):
                return (self._receiver.recv(),)
        except (EOFError, OSError):
            pass
        return ()

    def __enter__(self) -> _Forked[Item, Result]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        self._receiver.close()

    def _end(self) -> None:
        self._process.kill()
        self._process.join()


def _compute(
    function: Callable[[Item], Result], items: Sequence[Item], sender: Connection, parent: int
) -> None:
    """The child: results one by one; ends without a word where it cannot go on."""
    # It would copy all memory that it passes over, and may end what is the parent's to end.
    gc.disable()
    # Ctrl-C reaches all processes of the terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
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


def _second_core() -> bool:
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1
