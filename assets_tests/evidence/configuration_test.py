"""Settings leave the machine without folders, and come back as the same rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_assets.errors import EvidenceError
from trading_assets.evidence.configuration import configuration_of, settings_digest, settings_of
from trading_assets.settings import PortfolioSettings, load_portfolio

PORTFOLIOS = sorted((Path(__file__).parents[2] / "data" / "portfolios").glob("*.yaml"))


@pytest.fixture(params=PORTFOLIOS, ids=lambda path: path.stem)
def settings(request: pytest.FixtureRequest) -> PortfolioSettings:
    return load_portfolio(request.param)


def test_no_folder_is_left_and_the_rules_are_the_same(settings: PortfolioSettings) -> None:
    content = configuration_of(settings)
    assert str(Path.cwd()) not in str(content)
    again = settings_of(content)
    assert configuration_of(again) == content
    assert settings_digest(again) == settings_digest(settings)
    for part in ("accounting", "report", "sessions", "combination", "planning", "simulation"):
        assert getattr(again, part) == getattr(settings, part)


def test_a_setting_that_is_not_known_here_is_named(settings: PortfolioSettings) -> None:
    content = configuration_of(settings) | {"from_the_future": 1}
    with pytest.raises(EvidenceError, match="not valid here: from_the_future"):
        settings_of(content)
