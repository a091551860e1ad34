"""The library that speaks to TWS and IB Gateway: ib_async where it is installed, else ib_insync.

Both log account numbers and everything that they receive, at every level. Nothing of that is let
out: their loggers end here. Two things they only log and never raise, a message that they cannot
read and an error in one of their own handlers, are counted for the thread in which they happen,
for an order that could not be read must not look like no order.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections import Counter
from functools import lru_cache
from typing import Any

LIBRARIES = ("ib_async", "ib_insync")
_SILENCED = (*LIBRARIES, "eventkit")
_MISREADINGS: Counter[int] = Counter()


class _MisreadingCounter(logging.Handler):
    """Counts what the library could not read, without keeping any of it."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR and record.exc_info:
            _MISREADINGS[threading.get_ident()] += 1


def misreadings() -> int:
    """How many messages the calling thread's connections could not read so far."""
    return _MISREADINGS[threading.get_ident()]


@lru_cache(maxsize=1)
def library() -> Any:
    """The module; to be called first where an event loop is running, which its import needs."""
    counter = _MisreadingCounter()
    for name in _SILENCED:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(counter)
    try:
        return importlib.import_module(LIBRARIES[0])
    except ModuleNotFoundError:
        return importlib.import_module(LIBRARIES[1])
