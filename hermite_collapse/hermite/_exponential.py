"""The exponential function of compiled kernels, for doubles in loops that vectorise and for vectors."""

from __future__ import annotations

import math

from numba import types
from numba.extending import overload

from ._jit import jit
from ._vectors import Vector, larger, rounded_down, spread, times_power_of_two

_LOG2_E = 1.0 / math.log(2.0)
_LN2 = math.log(2.0)
LOWEST = -708.0  # exp of anything lower is below the smallest normal number


def like(number, example):
    """Return a number as what the example is: a double, or a vector of it."""
    raise NotImplementedError


@overload(like, inline="always")
def _like(number, example):
    if isinstance(example, Vector):
        return lambda number, example: spread(number)
    if isinstance(example, types.Float):
        return lambda number, example: number
    return None


@jit(inline=True)
def exp_above_lowest(t):
    """exp(t) for LOWEST <= t <= 0, and exp(LOWEST) for t below it: absolute error 2e-16.

    t = k ln 2 + r, abs(r) <= ln(2)/2, Taylor's polynomial of degree 13 (remainder 4e-18).  The product k ln 2 is not
    split in two: its error k 2^-54 is outweighed by the factor 2^k.
    """
    s = larger(t, like(LOWEST, t))
    k = rounded_down(s * _LOG2_E + 0.5)
    r = s - k * _LN2
    p = like(1.0 / 6227020800.0, t)
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return times_power_of_two(p, k)


@jit(inline=True)
def exp_nonpositive(t):
    """exp(t) for doubles t <= 0: absolute error 2e-16; 0 below LOWEST."""
    value = exp_above_lowest(t)
    return value if t > LOWEST else 0.0
