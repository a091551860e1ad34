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
    """True while the switch is set."""
    # Asked before each order: a third of the time of the path's own method.
    return os.path.exists(switch)  # noqa: PTH110
