"""How loops over arrays are compiled: by numba, kept on disk, without checks of their indices.

A loop is compiled together with what it calls, while numba asks only whether the file that it
stands in has changed. What is kept here is made anew when any of the sources has: this one, and
those beside the loop's own that share the first word of its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import (
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

Function = TypeVar("Function", bound=Callable[..., object])


class _AllSources:
    """A place for compiled code that knows the sources of the loop and of what it calls."""

    _py_file: str

    def get_source_stamp(self) -> str:
        """A digest of all of them."""
        own = Path(self._py_file)
        first_word = own.stem.split("_")[0]
        sources = [Path(__file__), *sorted(own.parent.glob(f"{first_word}*.py"))]
        return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


class ProvidedFolder(_AllSources, UserProvidedCacheLocator):
    """The folder that NUMBA_CACHE_DIR names."""


class FolderBesideSource(_AllSources, InTreeCacheLocator):
    """The package's own, where it may be written to."""


class FolderOfUser(_AllSources, UserWideCacheLocator):
    """The user's cache."""


_FOLDERS = (ProvidedFolder, FolderBesideSource, FolderOfUser)


@contextmanager
def _kept_in(folders: tuple[type, ...]) -> Iterator[None]:
    """Let numba look for compiled code in `folders`, and afterwards where it looked before."""
    config: Any = numba.config
    before = config.CACHE_LOCATOR_CLASSES
    names = (f"{folder.__module__}.{folder.__qualname__}" for folder in folders)
    config.CACHE_LOCATOR_CLASSES = ",".join(names)
    try:
        yield
    finally:
        config.CACHE_LOCATOR_CLASSES = before


def compiled(function: Function, **options: Any) -> Function:
    """`function` compiled when it is first called, and kept on disk for the next process."""
    with _kept_in(_FOLDERS):
        make: Callable[[Function], Function] = numba.njit(
            cache=True, error_model="numpy", **options
        )
        return make(function)


def borrowing(function: Function, **options: Any) -> Function:
    """The same for a function that makes no array and returns none: who refers to one is then not
    counted, which between short loops takes longer than the loops."""
    return compiled(function, _nrt=False, **options)


def inlined(function: Function) -> Function:
    """A borrowing function, compiled into those that call it, so that loops stay free of calls."""
    return borrowing(function, forceinline=True)


def reordered(function: Function) -> Function:
    """A borrowing function with leave to add in any order, which changes no sum of whole units."""
    return borrowing(function, fastmath={"reassoc"})
