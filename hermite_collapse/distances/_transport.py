r"""Wasserstein distances of one-dimensional Gaussian mixtures, and their total variation.

Sign changes.  The integral of abs(g), for g = F - G (Wasserstein-1) or g = p - q (twice the total variation), is a
sum of differences of the antiderivative of g between the zeros of g, and that antiderivative is a closed form.  On
a cell of width h the sign of g is taken from linear interpolation; with M a bound on abs(g'') there, g and the
interpolant differ by at most M h^2 / 8, so that what a wrong sign costs is bounded cell by cell, and cells are halved
until the bound is small.  The bound holds for narrow components too: M comes from g'' at the ends and a bound on
the fourth derivative.

Wasserstein-2.  W2^2 = int (y - x)^2 (f g / (f + g)) dt along the monotone coupling, t = x + y: x and y are 1-Lipschitz
in t, so that nothing jumps where a law has a gap, and y - x is solved for directly, never formed as a difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..core.errors import ConvergenceError
from ..core.estimates import Estimate
from ..core.types import FloatArray
from ._divergences_line import root_of
from ._divergences_local import at_components, is_narrow, variation_share
from ._kernels import couple, fourth_derivative_bound, quantiles, signed_measure, tails
from .line import REACH, LineMixture, common_unit, spaced
from .quadrature import Integrand, integrate

_EPS = float(np.finfo(float).eps)
_LEVELS = 60
_REFINEMENTS = 5
_JOINED = 4.0 * _EPS
_STEPS = np.array([-7.0, -2.5, 2.5, 7.0])


def absolute_integral(
    p: LineMixture, q: LineMixture, order: int, relative: float = 1e-10
) -> tuple[float, float]:
    """Integral of abs(F - G) (order 0) or abs(p - q) (order 1) over the line, and a bound on its error."""
    c, m, s, joined = _signed(p, q, order)
    if len(c) == 0:
        return 0.0, joined
    centre = 0.5 * (m.min() + m.max())
    m = m - centre
    steps = np.arange(-8.0, 9.0, 2.0)
    low, high = (m - REACH * s).min(), (m + REACH * s).max()
    edges = np.unique(np.concatenate([(m[:, None] + s[:, None] * steps).ravel(), [low, high]]))
    measure = (c, m, s, order)
    primitive, value, curvature = signed_measure(edges, *measure)
    # Rounding of one antiderivative value; it enters once for every change of sign.
    rounding = 4.0 * _EPS * float(np.abs(c) @ (np.abs(m) + s)) if order == 0 else 4.0 * _EPS

    left, right = edges[:-1], edges[1:]
    ends = np.stack([np.arange(len(left)), np.arange(1, len(edges))])
    settled = 0.0
    for _ in range(_LEVELS):
        width = right - left
        bend = np.abs(curvature[ends]).max(axis=0)
        # signed_measure's curvature at the ends is exact to rounding; between them it moves by at most this.
        bend = bend + 0.125 * width**2 * fourth_derivative_bound(left, right, *measure)
        apart = 0.125 * width**2 * bend
        a, b = value[ends[0]], value[ends[1]]
        smallest = np.where(a * b > 0.0, np.minimum(np.abs(a), np.abs(b)), 0.0)
        slope = np.abs(b - a) / width
        with np.errstate(over="ignore"):
            strip = np.minimum(width, 2.0 * apart / np.maximum(slope, 1e-300))
        doubt = np.where(smallest > apart, 0.0, 2.0 * apart * strip)
        total, changes = _area(edges, primitive, value, measure)
        allowed = max(relative * total, rounding)
        if settled + doubt.sum() <= allowed:
            settled += float(doubt.sum())
            break
        split = doubt > 0.25 * allowed / max(64, len(doubt))
        settled += float(doubt[~split].sum())
        middle = 0.5 * (left[split] + right[split])
        if len(edges) + len(middle) > 2_000_000 or np.any((middle <= left[split]) | (middle >= right[split])):
            raise ConvergenceError(
                "the sign changes of the difference of the two laws could not be resolved.",
                value=total,
                bound=settled + float(doubt[split].sum()),
            )
        new = signed_measure(middle, *measure)
        first = len(edges)
        # New points are appended; cells refer to their ends by index, and the sum sorts once.
        where = first + np.arange(len(middle))
        edges = np.concatenate([edges, middle])
        primitive = np.concatenate([primitive, new[0]])
        value = np.concatenate([value, new[1]])
        curvature = np.concatenate([curvature, new[2]])
        ends = np.concatenate([np.stack([ends[0, split], where]), np.stack([where, ends[1, split]])], axis=1)
        left = np.concatenate([left[split], middle])
        right = np.concatenate([middle, right[split]])
    else:
        raise ConvergenceError(
            "the sign changes of the difference of the two laws could not be resolved.",
            value=total,
            bound=settled + float(doubt.sum()),
        )
    return total, settled + (changes + 2) * rounding + joined + _outside(p, q, order)


def _signed(p: LineMixture, q: LineMixture, order: int) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Weights, means and scales of p - q, and a bound on what joining its components changes in the integral.

    Components that both laws have are one.  So are those that rounding alone sets apart: their difference is all
    rounding, which changes sign without end.  To move a component by dm in its mean and ds in its scale changes the
    integral by at most dm + ds (order 0) or (dm + ds) / s (order 1).
    """
    shapes = np.concatenate([np.stack([law.means, law.scales], axis=1) for law in (p, q)])
    distinct, label = np.unique(shapes, axis=0, return_inverse=True)
    c = np.bincount(label.reshape(-1), weights=np.concatenate([p.weights, -q.weights]))
    m, s = distinct.T
    apart = np.any(np.abs(np.diff(distinct, axis=0)) > _JOINED * s[1:, None], axis=1)
    group = np.concatenate([[0], np.cumsum(apart)])
    first = np.concatenate([[0], np.flatnonzero(apart) + 1])
    moved = np.abs(m - m[first][group]) + np.abs(s - s[first][group])
    joined = float(np.abs(c) @ (moved if order == 0 else moved / s))
    c = np.bincount(group, weights=c)
    keep = first[c != 0.0]
    return c[c != 0.0], m[keep], s[keep], joined


def _area(
    edges: FloatArray,
    primitive: FloatArray,
    value: FloatArray,
    measure: tuple[FloatArray, FloatArray, FloatArray, int],
) -> tuple[float, int]:
    """Sum of absolute antiderivative differences between the zeros of the linear interpolant, and their number."""
    by = np.argsort(edges)
    x, top, g = edges[by], primitive[by], value[by]
    known = np.flatnonzero(g)
    turns = np.sign(g[known[:-1]]) != np.sign(g[known[1:]])
    before, after = known[:-1][turns], known[1:][turns]
    share = np.abs(g[before]) / (np.abs(g[before]) + np.abs(g[after]))
    turning = signed_measure(x[before] + share * (x[after] - x[before]), *measure)[0]
    # Cells of one sign telescope, so that rounding enters once a sign change.
    levels = np.concatenate([top[:1], turning, top[-1:]])
    return float(np.abs(np.diff(levels)).sum()), len(before)


def _outside(p: LineMixture, q: LineMixture, order: int) -> float:
    """What lies beyond 12 standard deviations of every component: 2e-33 of each, times its scale for order 0."""
    if order == 1:
        return 4e-33
    return 4e-33 * float(p.weights @ p.scales + q.weights @ q.scales)


def wasserstein1(p: LineMixture, q: LineMixture) -> Estimate:
    """W1 = int abs(F - G), with a bound on the error."""
    unit = common_unit(p, q)
    p, q = p.divided(unit), q.divided(unit)
    value, error = absolute_integral(p, q, 0)
    # Weights sum to 1 within a few ulp, before and after they are joined: F - G may end that far from 0.
    ends = np.array([p.window(), q.window()])
    excess = abs(math.fsum(_signed(p, q, 0)[0]))
    missing = excess * float(ends[:, 1].max() - ends[:, 0].min())
    return Estimate(unit * value, unit * (error + missing), "bound", "quadrature")


def total_variation(p: LineMixture, q: LineMixture) -> Estimate:
    """TV = int abs(p - q) / 2, with a bound on the error."""
    if is_narrow(p, q):
        return at_components(p, q, variation_share)
    unit = common_unit(p, q)
    value, error = absolute_integral(p.divided(unit), q.divided(unit), 1)
    return Estimate(0.5 * value, 0.5 * error, "bound", "quadrature")


def wasserstein2(
    p: LineMixture, q: LineMixture, displacement: Callable[[FloatArray], FloatArray] | None = None
) -> Estimate:
    """Return W2 along the monotone coupling; the error is what halving every panel changed, plus rounding.

    If `displacement` is given, the distance is that of the image of p under the increasing map
    x -> x + displacement(x), which has the same coupling.
    """
    centre = 0.5 * (p.mean + q.mean)
    p, q = p.moved(-centre), q.moved(-centre)
    below = 0.0
    if displacement is None:
        first = wasserstein1(p, q)
        below = max(first.value - first.error, 0.0)
    edges = _coupled_panels(p, q)
    for _ in range(_REFINEMENTS):
        estimate = _along_the_coupling(p, q, edges, below, centre, displacement)
        # W1 <= W2, and W1 has a proved bound: less than that is a feature that every node missed.
        if estimate.value + estimate.error >= below * (1.0 - 1e-12):
            return estimate
        edges = np.sort(np.concatenate([edges, 0.5 * (edges[:-1] + edges[1:])]))
    raise ConvergenceError(
        "the coupling of the two laws could not be resolved: Wasserstein-2 came out below Wasserstein-1.",
        value=estimate.value,
        bound=np.inf,
    )


def _coupled_panels(p: LineMixture, q: LineMixture) -> FloatArray:
    """Panel ends in t = x + y at the pairs whose x or y lies near a component of its law."""
    (p_low, p_high), (q_low, q_high) = p.window(), q.window()
    points, widths = [], []
    for law, other, low, high in ((p, q, q_low, q_high), (q, p, p_low, p_high)):
        x, scales = law.breakpoints(_STEPS)
        by = np.argsort(x, kind="stable")
        x = x[by]
        lower, upper = tails(x, *law.arrays)
        points.append(x + quantiles(lower, upper, *other.arrays, low, high))
        widths.append(4.0 * scales[by])  # t moves with both x and y
    ends = np.linspace(p_low + q_low, p_high + q_high, 9)
    return spaced(ends, np.concatenate(points), np.concatenate(widths))


def _along_the_coupling(
    p: LineMixture,
    q: LineMixture,
    edges: FloatArray,
    below: float,
    centre: float,
    displacement: Callable[[FloatArray], FloatArray] | None,
) -> Estimate:
    """Return the root of int (y - x)^2 dm over these panels; `below` is a lower bound on it."""
    (p_low, p_high), (q_low, q_high) = p.window(), q.window()
    reach = max(q_high - p_low, p_high - q_low)
    fine = 1e-12 * min(p.scales.min(), q.scales.min())

    def evaluate(t: FloatArray) -> Integrand:
        shift, density, _, _, noise, blur = couple(t, *p.arrays, *q.arrays, reach, fine)
        if displacement is not None:
            shift = shift - displacement(0.5 * (t - shift) + centre)
        square = shift**2
        # What rounding of the tails does, chiefly where both laws have a gap.
        blurred = ((2.0 * np.abs(shift) + noise) * noise + blur * square) * density
        return Integrand(square * density, blurred, square, density)

    def mass(t: FloatArray) -> tuple[FloatArray, FloatArray]:
        by = np.argsort(t, kind="stable")
        both, rounding = np.empty((len(t), 2)), np.empty(len(t))
        shift, density, lower, upper, _, _ = couple(t[by], *p.arrays, *q.arrays, reach, fine)
        both[by, 0], both[by, 1] = lower, -upper
        rounding[by] = 2.0 * _EPS * (density * (np.abs(t[by]) + np.abs(shift)) + np.minimum(lower, upper))
        return both, rounding

    # Mass that no node sees counts with the distance's own size where the laws agree at the nodes.
    result = integrate(evaluate, edges, control=mass, least_leverage=below**2)
    square = float(result.values[0])
    error = float(result.errors[0]) + 4e-33 * max(map(abs, (p_low, p_high, q_low, q_high))) ** 2
    return root_of(square, error, "quadrature")
