"""A portfolio's settings as they leave the machine: without the folders that its files lie in.

Settings hold no secrets, which come from the environment alone.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trading_assets.errors import EvidenceError
from trading_assets.model.money import plain
from trading_assets.settings import PortfolioSettings


def configuration_of(settings: PortfolioSettings) -> dict[str, Any]:
    """The settings as JSON values; of each file only the name is left."""
    content: dict[str, Any] = _as_json(settings.model_dump())
    return content


def settings_of(configuration: dict[str, Any]) -> PortfolioSettings:
    """The settings that `configuration_of` was given, but for folders.

    Raises EvidenceError where they are no valid settings of this version.
    """
    try:
        return PortfolioSettings.model_validate(configuration)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise EvidenceError(
            f"the configuration in the evidence is not valid here: {key}: {first['msg']}. Verify "
            "with the version of trading-assets that the report names."
        ) from error


def settings_digest(settings: PortfolioSettings) -> str:
    """SHA-256 of a portfolio's settings, without the places where its files lie."""
    text = json.dumps(configuration_of(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(_as_json, value))
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    if isinstance(value, Path):
        return value.name
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value
