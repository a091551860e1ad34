"""The committed schemas are those of the records; a record cannot change without its contract."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_committed_schemas_are_what_the_records_give() -> None:
    spec = importlib.util.spec_from_file_location("make_schemas", ROOT / "scripts/make_schemas.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    differing = [path.name for path, text in module.schemas().items() if path.read_text() != text]
    assert not differing, (
        f"{', '.join(differing)} differ from their records. Where stored events still fit, run "
        "`make schemas`; where they do not, give the event a new version (see past_versions.py)."
    )
