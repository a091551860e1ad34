"""The fields of a Flex statement, read."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def amount_of(text: str) -> Decimal | None:
    """A number; None for anything else."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def moment_of(text: str) -> dt.datetime | None:
    """`20240603;202000`, with dashes or colons or without, or a date alone, in New York, as UTC."""
    digits = "".join(character for character in text if character.isdigit())
    if len(digits) not in (8, 14):
        return None
    pattern = "%Y%m%d" if len(digits) == 8 else "%Y%m%d%H%M%S"
    local = dt.datetime.strptime(digits, pattern).replace(tzinfo=NEW_YORK)
    return local.astimezone(dt.UTC)
