"""A month's commentary as a person leaves it in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_assets.errors import InputError
from trading_assets.reporting.commentary import read_commentary


def written(folder: Path, content: bytes) -> Path:
    path = folder / "sectors" / "2024-03.txt"
    path.parent.mkdir()
    path.write_bytes(content)
    return path


def test_a_month_without_a_file_has_no_commentary(tmp_path: Path) -> None:
    assert read_commentary(tmp_path, "sectors", "2024-03") is None


def test_text_is_taken_as_it_is_without_a_byte_order_mark(tmp_path: Path) -> None:
    written(tmp_path, "\ufeffZinsen fielen — spät.\n\nZweiter Absatz\n".encode())
    found = read_commentary(tmp_path, "sectors", "2024-03")
    assert found is not None
    assert found.text == "Zinsen fielen — spät.\n\nZweiter Absatz"
    assert found.file == "sectors/2024-03.txt"


def test_what_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"2024-03\.txt: the file is not UTF-8 text"):
        read_commentary(tmp_path, "sectors", "2024-03")
    path.write_text("x" * 20_001)
    with pytest.raises(InputError, match="20001: a commentary has at most 20,000 characters"):
        read_commentary(tmp_path, "sectors", "2024-03")
