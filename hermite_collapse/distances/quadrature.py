"""Adaptive Gauss-Legendre panels: integrals on a line, and how far each is known.

A panel is accepted when its own rule and the sum over its two halves agree; the halves' sum is kept.  The reported
error is the sum of those differences, which overstates the error of what is kept by many orders for a smooth
integrand, plus what rounding of the integrand can do.

A control keeps a feature between two nodes from being missed: a density whose mass on any panel is known from a
distribution function at the panel's ends.  The mass that a panel's rule misses, times the leverage that the integrand
states for it, must be small too and counts as error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..core.errors import ConvergenceError
from ..core.types import FloatArray

_ORDER = 12
_MOST_POINTS = 4_000_000
_LEVELS = 60
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Integrand:
    """Values of the integrands at the nodes, each array of shape (n, c) or (n,).

    Attributes
    ----------
    values : array, shape (n, c)
    noise : array, shape (n, c), or None
        Bounds on what rounding of the evaluation does to the values.
    leverage, mass : array, shape (n,), or None
        For a control: how much one unit of missed mass may change the first integral, and the density of the mass.
    """

    values: FloatArray
    noise: FloatArray | None = None
    leverage: FloatArray | None = None
    mass: FloatArray | None = None


@dataclass(frozen=True)
class Integrals:
    """Integrals of c functions: values (c,) and bounds on their errors (c,)."""

    values: FloatArray
    errors: FloatArray


Control = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Panel ends (m,) -> antiderivatives of the mass (m, j) and their rounding (m,).

Several antiderivatives differ by constants, and the one that is smallest on a panel counts: of two tails the smaller
knows the mass of a remote feature, which the larger has rounded away.
"""


@dataclass(frozen=True)
class _Panels:
    """Rules on panels: per panel the integrals, their noise, the integrals of the moduli, leverage and mass."""

    values: FloatArray
    noise: FloatArray
    sizes: FloatArray
    leverage: FloatArray | None
    mass: FloatArray | None


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_ORDER)


def _rule(evaluate: Callable[[FloatArray], Integrand], left: FloatArray, right: FloatArray) -> _Panels:
    half = 0.5 * (right - left)
    x = 0.5 * (left + right)[:, None] + half[:, None] * _NODES
    result = evaluate(x.ravel())
    weights = (half[:, None] * _WEIGHTS)[:, :, None]
    values = result.values.reshape(len(left), _ORDER, -1) * weights
    sizes = np.abs(values).sum(axis=1)
    noise = np.zeros_like(sizes)
    if result.noise is not None:
        noise = (result.noise.reshape(len(left), _ORDER, -1) * weights).sum(axis=1)
    leverage = mass = None
    if result.mass is not None and result.leverage is not None:
        leverage = result.leverage.reshape(len(left), _ORDER).max(axis=1)
        mass = (result.mass.reshape(len(left), _ORDER) * weights[:, :, 0]).sum(axis=1)
    return _Panels(values.sum(axis=1), noise, sizes, leverage, mass)


def integrate(
    evaluate: Callable[[FloatArray], Integrand],
    edges: FloatArray,
    *,
    relative: float = 1e-11,
    floor: float = 1e-300,
    control: Control | None = None,
    least_leverage: float = 0.0,
) -> Integrals:
    """Integrate c functions at once over [edges[0], edges[-1]].

    Parameters
    ----------
    evaluate : function of nodes (n,), increasing within a panel
        Gives an `Integrand`; with `control` also its leverage and mass.
    edges : array, shape (m,)
        Increasing panel ends.
    relative : float
        Accepted change of one panel under halving, relative to the running total of its function.
    floor : float
        Absolute change that is accepted whatever the total.
    control : function or None
        See `Control`.
    least_leverage : float
        Leverage of missed mass beyond rounding, where the nodes see no more.

    Returns
    -------
    Integrals

    Raises
    ------
    ConvergenceError
        With the best values, if four million points do not suffice.
    """
    left, right = edges[:-1].copy(), edges[1:].copy()
    rule = _rule(evaluate, left, right)
    coarse, total = rule.values, rule.values.sum(axis=0)
    value, error, rounded = np.zeros_like(total), np.zeros_like(total), np.zeros_like(total)
    points = _ORDER * len(left)
    for _ in range(_LEVELS):
        middle = 0.5 * (left + right)
        ends = np.stack([left, middle, middle, right], axis=1).reshape(-1, 2)
        fine = _rule(evaluate, ends[:, 0], ends[:, 1])
        points += _ORDER * len(ends)
        both, noise, sizes = (
            part.reshape(len(left), 2, -1).sum(axis=1) for part in (fine.values, fine.noise, fine.sizes)
        )
        change = np.abs(both - coarse)
        total = total + (both - coarse).sum(axis=0)
        allowed = np.maximum(relative * np.abs(total), floor)
        # Below a few rounding errors of the panel's own sum no halving can bring the two closer.
        resolved = np.maximum(allowed, 8.0 * _EPS * sizes + noise)
        good = np.all(change <= resolved, axis=1)
        if control is not None:
            missed, unseen = _missed(control, least_leverage, left, middle, right, fine)
            good &= missed <= np.maximum(resolved[:, 0], unseen)
            change[:, 0] += missed
        value += both[good].sum(axis=0)
        error += change[good].sum(axis=0)
        rounded += (8.0 * _EPS * sizes + noise)[good].sum(axis=0)
        if good.all():
            return Integrals(value, error + rounded)
        again = np.repeat(~good, 2)
        left, right, coarse = ends[again, 0], ends[again, 1], fine.values[again]
        if points > _MOST_POINTS or np.any(right <= left):
            break
    raise ConvergenceError(
        f"the quadrature stopped with {len(left)} panels unresolved near {float(left[0]):.6g}.",
        value=value + coarse.sum(axis=0),
        bound=error + np.abs(coarse).sum(axis=0),
    )


def _missed(
    control: Control,
    least_leverage: float,
    left: FloatArray,
    middle: FloatArray,
    right: FloatArray,
    fine: _Panels,
) -> tuple[FloatArray, FloatArray]:
    """Return what missed mass may have changed on each panel, and how much of that is rounding of the masses."""
    assert fine.mass is not None and fine.leverage is not None
    primitive, rounding = control(np.stack([left, middle, right], axis=1).ravel())
    values = primitive.reshape(len(left), 3, -1)
    smallest = np.abs(values).max(axis=1).argmin(axis=1)
    known = np.diff(np.take_along_axis(values, smallest[:, None, None], axis=2)[:, :, 0], axis=1)
    leverage = fine.leverage.reshape(-1, 2)
    gap = np.abs(known - fine.mass.reshape(-1, 2))
    unseen = 4.0 * rounding.reshape(-1, 3).max(axis=1)
    missed = gap * leverage + np.maximum(gap - unseen[:, None], 0.0) * least_leverage
    return missed.sum(axis=1), unseen * leverage.max(axis=1)
