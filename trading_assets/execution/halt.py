"""The halt switch: while its file exists, no order is sent for any portfolio."""

from __future__ import annotations

import os
from pathlib import Path

from trading_assets.atomic_file import replace_file


def halt(switch: Path, reason: str) -> None:
    """Set the switch; a switch that is set stays set and takes the new reason."""
    replace_file(switch, f"{reason}\n".encode(), durable=True)


def resume(switch: Path) -> None:
    """Lift the switch; nothing happens where it is not set."""
    switch.unlink(missing_ok=True)


def is_halted(switch: Path) -> bool:
    """True while the switch is set. Raises OSError where that cannot be known: nothing is sent
    then."""
    # Asked before each order: half of the time of the path's own method.
    try:
        os.stat(switch)  # noqa: PTH116
    except FileNotFoundError:
        return False
    return True
