"""Floating-point events inside the package, whatever a caller has asked NumPy to do about its own.

An exponential that becomes 0 is the right result of many formulas here.  Under `np.errstate(all="raise")` it would be
an exception; public functions and the methods of values ignore it, at 0.8 microseconds a call.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numpy as np

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def ignoring_underflow(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a function inside which numbers may become 0 by underflow, with the same name and signature."""

    errstate = np.errstate  # in a cell: see `standing_for`

    def call(*args: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        with errstate(under="ignore"):
            return function(*args, **keywords)

    return standing_for(function, call)


def standing_for(
    function: Callable[..., object], call: Callable[Arguments, Result]
) -> Callable[Arguments, Result]:
    """Return `call` under the name, documentation, signature and module of the function that it calls."""
    # With the globals of that function, which is how doctest and others tell where it is defined; its own are cells.
    own = types.FunctionType(call.__code__, function.__globals__, function.__name__, None, call.__closure__)
    return cast("Callable[Arguments, Result]", functools.wraps(function)(own))
