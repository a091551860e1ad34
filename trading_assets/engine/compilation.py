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


def inlined(function: Function) -> Function:
    """`function` compiled into those that call it, so that their loops stay free of calls."""
    return compiled(function, forceinline=True)


def reordered(function: Function) -> Function:
    """`function` compiled with leave to add in any order, which changes no sum of whole units."""
    return compiled(function, fastmath={"reassoc"})
