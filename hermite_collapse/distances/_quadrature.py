"""Adaptive Gauss-Legendre panels: an integral, and how much it moved when every panel was halved.

A panel is accepted when its own rule and the sum over its two halves agree; the halves' sum is kept.  The reported
error is the sum of those differences, which overstates the error of what is kept by many orders for a smooth
integrand.  A control, a last column whose integral over any panel is known from an antiderivative at the panel's
ends, keeps a narrow feature between two nodes from being missed: what a panel misses of it, times the largest ratio
of the first column to it, must be small too and counts as error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ConvergenceError

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
    judged: int | None = None,
    control: Callable[[Array], Array] | None = None,
) -> Integral:
    """Integral over [edges[0], edges[-1]] of each column of evaluate(x), where x is sorted.

    Parameters
    ----------
    evaluate : nodes (n,), increasing -> (n, c).
    edges : increasing panel ends.
    relative : accepted change of one panel under halving, relative to the running total of its column.
    floor : absolute change that is accepted whatever the total.
    judged : how many of the first columns must converge; all by default.  The others are only summed.
    control : antiderivative of the last column, edges (m,) -> (m,); that column is left out of the result.

    Raises : ConvergenceError, with the best value, if four million points do not suffice.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)

    def rule(left: Array, right: Array) -> tuple[Array, Array, Array]:
        half = 0.5 * (right - left)
        x = 0.5 * (left + right)[:, None] + half[:, None] * nodes
        values = evaluate(x.ravel()).reshape(len(left), _ORDER, -1)
        scaled = values * (weights * half[:, None])[:, :, None]
        first, last = np.abs(values[:, :, 0]), values[:, :, -1]
        ratio = np.divide(first, last, out=np.zeros_like(first), where=last > 0.0).max(axis=1)
        return scaled.sum(axis=1), np.abs(scaled).sum(axis=1), ratio

    left, right = edges[:-1].copy(), edges[1:].copy()
    coarse, _, _ = rule(left, right)
    total = coarse.sum(axis=0)
    value = np.zeros_like(total)
    error = np.zeros_like(total)
    magnitude = np.zeros_like(total)
    used = coarse.shape[1] - (control is not None)
    checked = used if judged is None else judged
    spent = _ORDER * len(left)
    for _ in range(_LEVELS):
        middle = 0.5 * (left + right)
        ends = np.stack([left, middle, middle, right], axis=1).reshape(-1, 2)
        fine, size, ratio = rule(ends[:, 0], ends[:, 1])
        spent += _ORDER * len(ends)
        both = fine.reshape(len(left), 2, -1).sum(axis=1)
        change = np.abs(both - coarse)
        total = total + (both - coarse).sum(axis=0)
        allowed = np.maximum(relative * np.abs(total), floor)
        # Below a few rounding errors of the panel's own sum no halving can bring the two closer.
        rounding = 8.0 * np.finfo(float).eps * size.reshape(len(left), 2, -1).sum(axis=1)
        good = np.all((change <= np.maximum(allowed, rounding))[:, :checked], axis=1)
        if control is not None:
            points = np.stack([left, middle, right], axis=1)
            known = np.diff(control(points.ravel()).reshape(points.shape), axis=1)
            missed = (np.abs(known - fine[:, -1].reshape(-1, 2)) * ratio.reshape(-1, 2)).sum(axis=1)
            good &= missed <= np.maximum(allowed[0], rounding[:, 0])
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
