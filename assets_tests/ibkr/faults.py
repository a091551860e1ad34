"""What goes wrong between a client and the gateway, by script or by seed.

A fault belongs to one request, chosen by its message number and which one of its kind it is.
`silence`: carried out, never answered. `drop`: the connection ends, `before` the gateway took the
request in or `after` (carried out, the answer lost).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["silence", "drop"]
Stage = Literal["before", "after"]
PLACE_ORDER, CANCEL_ORDER, OPEN_ORDERS, EXECUTIONS, CONTRACTS = 3, 4, 16, 7, 9
BARS, SERVER_TIME, POSITIONS, SUMMARY, COMPLETED_ORDERS, SNAPSHOT = 20, 49, 61, 62, 99, 1


@dataclass
class Fault:
    """One misfortune of the `nth` request of its kind from when it was added (1: the next) and of
    the `times - 1` after it."""

    kind: Kind
    request: int
    stage: Stage = "before"
    nth: int = 1
    times: int = 1
    seen: int = 0

    def meets(self, request: int) -> bool:
        """Whether it strikes this request; counts it when it is of the right kind."""
        if request != self.request:
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass
class SeededFaults:
    """Draws a fault for each request on its own: the same seed and requests, the same faults.

    `rate` is the share of requests that meet one, at most `longest_run` in a row. Silence costs the
    client's whole time limit, so that it is rarer than a drop.
    """

    seed: int
    rate: float = 0.1
    requests: Sequence[int] = (
        *(PLACE_ORDER, CANCEL_ORDER, OPEN_ORDERS, EXECUTIONS),
        *(CONTRACTS, POSITIONS, SUMMARY, COMPLETED_ORDERS),
    )
    silence_share: float = 0.2
    longest_run: int = 2

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._run = 0

    def draw(self, request: int) -> Fault | None:
        """The fault of this request, if any."""
        if request not in self.requests:
            return None
        struck = self._random.random() < self.rate
        kind: Kind = "silence" if self._random.random() < self.silence_share else "drop"
        stage: Stage = self._random.choice(["before", "after"])
        if not struck or self._run >= self.longest_run:
            self._run = 0
            return None
        self._run += 1
        return Fault(kind, request, stage)


class Faults:
    """All that goes wrong, in one place; nothing does unless the test says so."""

    def __init__(self) -> None:
        self.scripted: list[Fault] = []
        self.seeded: SeededFaults | None = None

    def add(self, fault: Fault) -> Fault:
        """Adds a scripted fault."""
        self.scripted.append(fault)
        return fault

    def strike(self, request: int) -> Fault | None:
        """The fault that meets this request: the first of the script, else the seed's."""
        struck = [fault for fault in self.scripted if fault.meets(request)]
        if struck:
            return struck[0]
        return None if self.seeded is None else self.seeded.draw(request)
