"""Which data files a block of code opens through Python, for the look-ahead guard.

An audit hook stays as long as the process does, so there is one, which does nothing outside of such
a block.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CODE = (".py", ".pyc", ".so", ".pth")
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/")
_open_blocks: list[set[str]] = []
_is_hooked = False


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _open_blocks and event == "open" and isinstance(arguments[0], str):
        for found in _open_blocks:
            found.add(arguments[0])


@contextmanager
def files_opened() -> Iterator[set[str]]:
    """The paths of data files that are opened in the block, there once it is left. Code and what
    belongs to the installation or the system is left out."""
    global _is_hooked
    if not _is_hooked:
        sys.addaudithook(_note)
        _is_hooked = True
    seen, found = set[str](), set[str]()
    _open_blocks.append(seen)
    try:
        yield found
    finally:
        _open_blocks.remove(seen)
        found.update(path for path in seen if _is_data(path))


def _is_data(path: str) -> bool:
    absolute = str(Path(path).absolute())
    installed = (sys.prefix, sys.base_prefix, *sysconfig.get_paths().values())
    is_ours = absolute.startswith(str(Path(__file__).parents[1]))
    return not (is_ours or absolute.endswith(_CODE) or absolute.startswith((*_SYSTEM, *installed)))
