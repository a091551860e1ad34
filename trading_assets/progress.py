"""Telling whoever waits how far a long loop has come, without the loop knowing who that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Observer = Callable[[str, int, int], None]

_OBSERVER: ContextVar[Observer | None] = ContextVar("progress_observer", default=None)


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Within the block, call `observer(label, done, total)` as loops pass."""
    token = _OBSERVER.set(observer)
    try:
        yield
    finally:
        _OBSERVER.reset(token)


def tracked(label: str, items: Sequence[T]) -> Iterator[T]:
    """The items one by one, reporting each that is done; silent where nobody observes."""
    return tracked_until(label, items, len(items))


def tracked_until(label: str, items: Iterable[T], total: int) -> Iterator[T]:
    """As `tracked`, of `total` items that are made as they are asked for."""
    observer = _OBSERVER.get()
    for done, item in enumerate(items, start=1):
        yield item
        if observer is not None:
            observer(label, done, total)
