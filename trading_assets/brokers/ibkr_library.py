"""The library that speaks to TWS and IB Gateway: ib_async where it is installed, else ib_insync.

Both log account numbers and everything that they receive, at every level. Nothing of that is let
out: their loggers are off. Two things they only log and never raise, a message that they cannot
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
_MISREADERS = (*(f"{name}.Decoder" for name in LIBRARIES), "eventkit")
_NEVER = logging.CRITICAL + 1
_MISREADINGS: Counter[int] = Counter()


def misreadings() -> int:
    """How many messages the calling thread's connections could not read so far."""
    return _MISREADINGS[threading.get_ident()]


def _counted(record: logging.LogRecord) -> bool:
    """Counts what the library could not read; no handler gets to see it."""
    if record.exc_info:
        _MISREADINGS[threading.get_ident()] += 1
    return False


@lru_cache(maxsize=1)
def library() -> Any:
    """The module; to be called first where an event loop is running, which its import needs."""
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(_NEVER)
    for name in _MISREADERS:
        logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger(name).addFilter(_counted)
    try:
        return importlib.import_module(LIBRARIES[0])
    except ModuleNotFoundError:
        return importlib.import_module(LIBRARIES[1])
