"""One running UI for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assets_tests.ui.running_ui import PROCESSES, RunningUi, running_ui


@pytest.fixture(scope="session")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUi]:
    """Webserver and daemon, started on an empty home as `make ui` starts them."""
    if not PROCESSES.is_dir():
        pytest.skip("telling whether the UI left anything behind needs Linux's /proc")
    with running_ui(tmp_path_factory.mktemp("ui")) as running:
        yield running
