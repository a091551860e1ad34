"""Compiled code on disk, and what has it made anew."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

SUM = """
from loops_terms import ADDED
from trading_assets.engine.compilation import compiled

@compiled
def plus(number):
    return number + ADDED
"""


def run(folder: Path, added: int) -> tuple[int, int]:
    """1 + `added` by a compiled loop, and how often it was loaded from disk."""
    (folder / "loops_sum.py").write_text(SUM, encoding="utf-8")
    (folder / "loops_terms.py").write_text(f"ADDED = {added}", encoding="utf-8")
    for name in ("loops_sum", "loops_terms"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    plus = importlib.import_module("loops_sum").plus
    return plus(1), sum(plus.stats.cache_hits.values())


def test_a_source_beside_a_loop_that_changes_has_it_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself numba would go on with the old number: the file of `plus` is the same."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert run(tmp_path, 10) == (11, 0)
    assert run(tmp_path, 10) == (11, 1)
    assert run(tmp_path, 20) == (21, 0)
