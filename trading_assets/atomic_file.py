"""Files that are either the old one or the new one, whole, whenever the process dies.

A rename is enough for that: a process that is killed leaves the kernel's view intact. A power cut
is another matter, for which data must be flushed before the rename counts. Flushing each of the
thousands of small projections of a backfill would cost more than computing them, and they can be
made again; so they are flushed together, once a stage is complete and before Dagster is told so.
What cannot be made again asks for `durable`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, content: bytes, *, durable: bool = False) -> Path:
    """Write `content` beside `path`, then take the place of `path` in one step.

    With `durable` the content is on disk before that step. The folder is made if absent. A kill
    leaves at most a stray temporary file, whose name starts with a dot so that no reader's pattern
    matches it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with _opened(temporary) as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)
    return path


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")


def flush_files() -> None:
    """Return once everything written so far is on disk."""
    os.sync()
