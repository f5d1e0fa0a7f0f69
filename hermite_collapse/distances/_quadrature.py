"""Adaptive Gauss-Legendre panels: an integral, and how much it moved when every panel was halved.

A panel is accepted when its own rule and the sum over its two halves agree; the halves' sum is kept.  The reported
error is the sum of those differences, which overstates the error of what is kept by many orders for a smooth
integrand.  A control keeps a narrow feature between two nodes from being missed: a last column whose integral over any
panel is known from an antiderivative at the panel's ends.  What a panel misses of it, times the leverage that the
column before it states, must be small too and counts as error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ConvergenceError

Array = NDArray[np.float64]

_ORDER = 12
_MOST_POINTS = 4_000_000
_LEVELS = 60


class Integral(NamedTuple):
    """The value, the sum of what halving the panels changed, and the sum of absolute values (for rounding)."""

    value: Array
    error: Array
    magnitude: Array


def integrate(
    evaluate: Callable[[Array], Array],
    edges: Array,
    *,
    relative: float = 1e-11,
    floor: float = 0.0,
    noise: bool = False,
    control: Callable[[Array], tuple[Array, Array]] | None = None,
) -> Integral:
    """Integral over [edges[0], edges[-1]] of each column of evaluate(x), where x is sorted.

    Parameters
    ----------
    evaluate : nodes (n,), increasing -> (n, c).
    edges : increasing panel ends.
    relative : accepted change of one panel under halving, relative to the running total of its column.
    floor : absolute change that is accepted whatever the total.
    noise : the second column bounds what rounding does to the first; it is summed, and no panel is halved to
        resolve less than it.
    control : antiderivatives of the last column and their rounding, edges (m,) -> (m, j), (m,).  Several
        antiderivatives differ by constants, and the one that is smallest on a panel counts: of two tails the smaller
        knows a remote feature's mass, which the larger has rounded away.  The last two columns, leverage and control,
        are left out of the result.

    Raises : ConvergenceError, with the best value, if four million points do not suffice.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    leverage = 0 if control is None else -2

    def rule(left: Array, right: Array) -> tuple[Array, Array, Array]:
        half = 0.5 * (right - left)
        x = 0.5 * (left + right)[:, None] + half[:, None] * nodes
        values = evaluate(x.ravel()).reshape(len(left), _ORDER, -1)
        scaled = values * (weights * half[:, None])[:, :, None]
        return scaled.sum(axis=1), np.abs(scaled).sum(axis=1), values[:, :, leverage].max(axis=1)

    left, right = edges[:-1].copy(), edges[1:].copy()
    coarse, _, _ = rule(left, right)
    total = coarse.sum(axis=0)
    value = np.zeros_like(total)
    error = np.zeros_like(total)
    magnitude = np.zeros_like(total)
    used = coarse.shape[1] - (0 if control is None else 2)
    checked = 1 if noise else used
    spent = _ORDER * len(left)
    for _ in range(_LEVELS):
        middle = 0.5 * (left + right)
        ends = np.stack([left, middle, middle, right], axis=1).reshape(-1, 2)
        fine, size, largest = rule(ends[:, 0], ends[:, 1])
        spent += _ORDER * len(ends)
        both = fine.reshape(len(left), 2, -1).sum(axis=1)
        change = np.abs(both - coarse)
        total = total + (both - coarse).sum(axis=0)
        allowed = np.maximum(relative * np.abs(total), floor)
        # Below a few rounding errors of the panel's own sum no halving can bring the two closer.
        rounding = 8.0 * np.finfo(float).eps * size.reshape(len(left), 2, -1).sum(axis=1)
        if noise:
            rounding[:, 0] += both[:, 1]
        good = np.all((change <= np.maximum(allowed, rounding))[:, :checked], axis=1)
        if control is not None:
            points = np.stack([left, middle, right], axis=1)
            primitive, blurred = control(points.ravel())
            values = primitive.reshape(len(left), 3, -1)
            smallest = np.abs(values).max(axis=1).argmin(axis=1)
            known = np.diff(np.take_along_axis(values, smallest[:, None, None], axis=2)[:, :, 0], axis=1)
            gap = np.abs(known - fine[:, -1].reshape(-1, 2))
            missed = (gap * largest.reshape(-1, 2)).sum(axis=1)
            unseen = 4.0 * blurred.reshape(-1, 3).max(axis=1) * largest.reshape(-1, 2).max(axis=1)
            good &= missed <= np.maximum(np.maximum(allowed[0], rounding[:, 0]), unseen)
            change[:, 0] += missed
        value += both[good].sum(axis=0)
        error += change[good].sum(axis=0)
        magnitude += size.reshape(len(left), 2, -1).sum(axis=1)[good].sum(axis=0)
        if good.all():
            return Integral(value[:used], error[:used], magnitude[:used])
        again = np.repeat(~good, 2)
        left, right, coarse = ends[again, 0], ends[again, 1], fine[again]
        if spent > _MOST_POINTS or np.any(right <= left):
            break
    rest = coarse.sum(axis=0)
    raise ConvergenceError(
        f"the quadrature stopped with {len(left)} panels unresolved near {float(left[0]):.6g}.",
        value=(value + rest)[:used],
        bound=(error + np.abs(coarse).sum(axis=0))[:used],
    )
