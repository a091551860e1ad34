"""What befalls a gateway between two runs, by seed: the same seed, the same days."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assets_tests.ibkr.server import GatewayStandIn

KINDS = (
    "nightly reset",
    "client id taken",
    "order ids begin anew",
    "time in force by preset",
    "rejection",
    "connectivity lost",
)


class SeededMishaps:
    """At most one mishap before each run; `happened` names them."""

    def __init__(self, seed: int, rate: float = 0.5) -> None:
        self._random = random.Random(f"mishaps {seed}")
        self._rate = rate
        self.happened: list[str] = []

    def befall(self, gateway: GatewayStandIn) -> None:
        """What happens now; what was lost before is restored."""
        account = gateway.account
        if not gateway.has_connectivity:
            gateway.restore_connectivity(data_lost=self._random.random() < 0.5)
        account.preset_time_in_force = False
        if self._random.random() >= self._rate:
            return
        kind = self._random.choice(KINDS)
        self.happened.append(kind)
        if kind == "nightly reset":
            gateway.drop_all()
            gateway.refuse_logins = self._random.randint(0, 4)
        elif kind == "client id taken":
            gateway.taken_logins = self._random.randint(1, 4)
        elif kind == "order ids begin anew":
            gateway.reset_order_ids()
        elif kind == "time in force by preset":
            account.preset_time_in_force = True
        elif kind == "rejection":
            account.reject_next(self._random.choice(["SXLK", "SXLE"]), "MARGIN")
        else:
            gateway.lose_connectivity()

    def end(self, gateway: GatewayStandIn) -> None:
        """All is well again."""
        gateway.taken_logins = gateway.refuse_logins = 0
        if not gateway.has_connectivity:
            gateway.restore_connectivity(data_lost=True)
