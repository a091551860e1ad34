"""Everything about Interactive Brokers runs on both libraries, each with the event library of its
own: ib_insync in this process, ib_async in another that finds it first."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trading_assets.brokers.ibkr_library import library

IB_ASYNC = Path(sys.prefix) / "ib_async"
ROOT = Path(__file__).parents[2]
BROKERS = ROOT / "assets_tests" / "brokers"
SUITES = (
    "assets_tests/ibkr",
    "assets_tests/execution/ibkr_session_test.py",
    "assets_tests/execution/manual_session_test.py",
    *sorted(str(path) for path in BROKERS.glob("ibkr*_test.py")),
)


async def _name() -> str:
    return str(library().__name__)


@pytest.mark.skipif(
    not IB_ASYNC.exists(), reason="ib_async is not there: make .venv/ib_async/installed"
)
@pytest.mark.skipif("ib_async" in os.environ.get("PYTHONPATH", ""), reason="this is ib_async")
def test_every_suite_passes_on_ib_async_too() -> None:
    assert asyncio.run(_name()) == "ib_insync"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *SUITES],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(IB_ASYNC)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif("ib_async" not in os.environ.get("PYTHONPATH", ""), reason="this is ib_insync")
def test_ib_async_is_preferred_where_it_is_installed() -> None:
    assert asyncio.run(_name()) == "ib_async"
