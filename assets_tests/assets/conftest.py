"""What Dagster warns of while it runs a graph is not this project's to mend."""

from pathlib import Path

import pytest

DAGSTER_WARNINGS = ("ignore:The `__fields__` attribute is deprecated",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let these warnings pass in the tests of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for warning in DAGSTER_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))
