"""A file is the old one or the new one, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_assets.atomic_file import replace_file


@pytest.mark.parametrize("durable", [True, False])
def test_the_new_content_takes_the_place_of_the_old(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "made" / "on demand" / "a.csv"
    replace_file(path, b"old", durable=durable)
    replace_file(path, b"new", durable=durable)
    assert path.read_bytes() == b"new"
    assert [each.name for each in path.parent.iterdir()] == ["a.csv"]


def test_a_kill_before_the_rename_leaves_the_old_file_and_nothing_a_reader_would_match(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    replace_file(path, b"old")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.glob("[!.]*")) == [path]
    replace_file(path, b"newer")
    assert path.read_bytes() == b"newer"
