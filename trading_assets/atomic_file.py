"""Files that are either the old one or the new one, whole, whenever the process dies."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> Path:
    """Write `content` beside `path`, flush it to disk, then take the place of `path` in one step.

    The folder is made if absent. A kill leaves at most a stray temporary file, whose name starts
    with a dot so that no reader's pattern matches it; the next write of the same path reuses it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return path
