"""How loops over arrays are compiled: by numba, kept on disk, without checks of their indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function, **options: Any) -> Function:
    """`function` compiled when it is first called, and kept on disk for the next process."""
    make: Callable[[Function], Function] = numba.njit(cache=True, error_model="numpy", **options)
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
