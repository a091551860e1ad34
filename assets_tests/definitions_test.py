"""The code location as the webserver and the daemon load it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from trading_assets.definitions import build_definitions
from trading_assets.settings import directories


def test_portfolios_that_are_shipped_load_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_ASSETS_STATE", str(tmp_path))
    places = directories()
    assert {"sample", "minvar", "momentum"} <= {path.stem for path in places.portfolios.iterdir()}
    # Names that clash are found by nothing less: a single job resolves without it.
    dg.Definitions.validate_loadable(build_definitions(places))
