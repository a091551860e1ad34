"""Asking again for what changes nothing, where no answer comes; nothing else is asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trading_assets.model.account import Unknown

Reply = TypeVar("Reply")

ATTEMPTS = 4
PAUSE_SECONDS = 0.5


def until_answered(
    ask: Callable[[], Reply | Unknown],
    sleep: Callable[[float], None],
    before_retry: Callable[[], None] = lambda: None,
) -> Reply | Unknown:
    """The first reply of `ask` that is not Unknown, or the last of ATTEMPTS. The pause (seconds)
    doubles from one attempt to the next; `before_retry` is called once it is over."""
    reply = ask()
    for attempt in range(1, ATTEMPTS):
        if not isinstance(reply, Unknown):
            break
        sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        before_retry()
        reply = ask()
    return reply
