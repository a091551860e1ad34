"""What goes wrong between the client and the broker, by script or by seed.

A fault belongs to one request, chosen by method, path and which one of its kind it is. `stage`
says whether the broker had taken the request in when it happened: `before` nothing came of it,
`after` it was carried out and only the answer was lost.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["status", "hang", "drop", "rate_limit"]
Stage = Literal["before", "after"]
KINDS: tuple[Kind, ...] = ("status", "hang", "drop", "rate_limit")

HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


@dataclass
class Fault:
    """One misfortune. It meets the `nth` matching request from when it was added (1: the next)
    and the `times - 1` after it."""

    kind: Kind
    method: str = "POST"
    path: str = "/v2/orders"
    stage: Stage = "before"
    status: int = 504
    html: bool = False
    retry_after_seconds: int = 1
    hidden_reads: int = 0
    nth: int = 1
    times: int = 1
    seen: int = 0

    def meets(self, method: str, path: str) -> bool:
        """Whether it strikes this request; counts it when it is of the right kind."""
        if method != self.method or re.fullmatch(self.path, path) is None:
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times

    def content(self) -> str:
        """The body of the answer, JSON or what a proxy in front of the broker would send."""
        phrase = {500: "Internal Server Error", 502: "Bad Gateway", 504: "Gateway Timeout"}
        title = f"{self.status} {phrase.get(self.status, 'Error')}"
        return HTML.format(title) if self.html else f'{{"message": "{title}"}}'


@dataclass
class SeededFaults:
    """Draws a fault for each request on its own: the same seed and requests, the same faults.

    `rate` is the share of requests that meet one. Hangs are left out unless asked for, because
    each costs the client's time-out. At most `longest_run` faults follow each other, so that a
    client that tries often enough gets through.
    """

    seed: int
    rate: float = 0.2
    kinds: Sequence[Kind] = ("status", "drop", "rate_limit")
    methods: Sequence[str] = ("GET", "POST", "PATCH", "DELETE")
    longest_run: int = 3
    hidden_reads_most: int = 2

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._run = 0

    def draw(self, method: str, path: str) -> Fault | None:
        """The fault of this request, if any."""
        struck = self._random.random() < self.rate
        kind = self._random.choice(list(self.kinds))
        stage: Stage = self._random.choice(["before", "after"])
        status, html = self._random.choice([500, 502, 504]), self._random.random() < 0.5
        hidden = self._random.randint(0, self.hidden_reads_most)
        if not struck or method not in self.methods or self._run >= self.longest_run:
            self._run = 0
            return None
        self._run += 1
        return Fault(
            kind,
            method,
            path,
            stage="before" if kind == "rate_limit" else stage,
            status=status,
            html=html,
            hidden_reads=hidden if method == "POST" and stage == "after" else 0,
        )


class Faults:
    """All that goes wrong, in one place; nothing does unless the test says so."""

    def __init__(self) -> None:
        self.scripted: list[Fault] = []
        self.seeded: SeededFaults | None = None
        # Rows of activity pages that are sent twice.
        self.duplicate_activities = False
        # Answers to GET that do not know an order yet, by order id: how many more times.
        self.hidden: dict[str, int] = {}

    def add(self, fault: Fault) -> Fault:
        """Adds a scripted fault."""
        self.scripted.append(fault)
        return fault

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that meets this request: the first of the script, else the seed's."""
        struck = [fault for fault in self.scripted if fault.meets(method, path)]
        if struck:
            return struck[0]
        return None if self.seeded is None else self.seeded.draw(method, path)

    def hide(self, order_id: str, reads: int) -> None:
        """The order is not found by the next `reads` look-ups and listings."""
        if reads > 0:
            self.hidden[order_id] = reads

    def is_hidden(self, order_id: str) -> bool:
        """Whether this look-up misses the order; each asking counts."""
        left = self.hidden.get(order_id, 0)
        if left:
            self.hidden[order_id] = left - 1
        return left > 0
