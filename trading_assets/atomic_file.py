"""Files that are either the old one or the new one, whole, whenever the process dies.

A rename is enough for that: a process that is killed leaves the kernel's view intact. A power cut
is another matter, for which data must be flushed before the rename counts. Flushing each of the
thousands of small projections of a backfill would cost more than computing them, and they can be
made again; so they are flushed together, once a stage is complete and before Dagster is told so.
What cannot be made again asks for `durable`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def replace_file(path: Path, content: bytes, *, durable: bool = False) -> Path:
    """Write `content` beside `path`, then take the place of `path` in one step.

    With `durable` the content is on disk before that step. The folder is made if absent. A kill
    leaves at most a stray temporary file, whose name starts with a dot so that no reader's pattern
    matches it.
    """
    # Thousands of small files in a backfill: the bare calls take half the time of file objects.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    file = _opened(temporary)
    try:
        remaining = memoryview(content)
        while remaining:
            remaining = remaining[os.write(file, remaining) :]
        if durable:
            os.fsync(file)
    finally:
        os.close(file)
    temporary.replace(path)
    return path


def replace_file_by_parts(path: Path, parts: Iterable[bytes]) -> Path:
    """As `replace_file`, durably, of content that is made part by part and need not fit in memory;
    where making it raises, `path` stays as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _opened(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def flush_files() -> None:
    """Return once everything written so far is on disk."""
    os.sync()
