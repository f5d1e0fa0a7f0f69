r"""KL, chi-square and Hellinger of one-dimensional Gaussian mixtures, by quadrature in log space.

With l = log q - log p every integrand is written as a non-negative function that loses nothing where p and q agree:

    KL(p || q)    = int p (expm1(l) - l)
    chi2(p || q)  = int q expm1(-l)^2
    H^2(p, q)     = int max(p, q) expm1(-abs(l) / 2)^2 / 2

(the added terms p and q integrate to zero together).  So a divergence of 1e-12 keeps its digits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ConvergenceError
from ..core.estimates import Estimate
from ._components import Line
from ._kernels import log_density_and_score
from ._quadrature import integrate

Array = NDArray[np.float64]

_EPS = float(np.finfo(float).eps)
_REACH = 12.0
_STEPS = np.array([-12.0, -7.0, -4.0, -2.0, 0.0, 2.0, 4.0, 7.0, 12.0])


def excess(t: Array) -> Array:
    """expm1(t) - t to full relative accuracy; infinite where exp overflows."""
    small = np.abs(t) < 0.5
    series = np.zeros_like(t)
    x = np.where(small, t, 0.0)
    for k in range(16, 1, -1):
        series = (series * x + 1.0) / k if k > 2 else 0.5 * x * x * (series * x + 1.0)
    with np.errstate(over="ignore"):
        return np.where(small, series, np.expm1(t) - t)


def log_density(law: Line, x: Array) -> Array:
    """log p at every point."""
    return log_density_and_score(x, law.log_weights, law.means, law.scales)[0]


def panels(laws: list[Line], low: float, high: float, widest: float = np.inf) -> Array:
    """Panel ends that no component can hide between; panels of at most `widest`, up to 4000 of them."""
    ends = [(law.means[:, None] + law.scales[:, None] * _STEPS).ravel() for law in laws]
    even = np.linspace(low, high, 1 + max(1, int(np.ceil(min((high - low) / widest, 4000.0)))))
    inside = np.unique(np.concatenate([*ends, even]))
    inside = inside[(inside >= low) & (inside <= high)]
    # Ends that rounding or near-equal components put side by side add panels and no information.
    gap = 0.05 * min(float(law.scales.min()) for law in laws)
    keep = np.concatenate([[True], np.diff(inside) > 0.0])
    last = inside[0]
    for i in range(1, len(inside) - 1):
        keep[i] = inside[i] - last > gap
        last = inside[i] if keep[i] else last
    return inside[keep]


def _quadrature(
    p: Line, q: Line, integrand: Callable[[Array, Array], tuple[Array, Array]], edges: Array
) -> tuple[float, float]:
    """The integral of the first function, and its error; the second is its sensitivity to the log-densities."""
    # Log-densities carry a few rounding errors of their size and of x / scale.
    middle = 0.5 * (p.mean + q.mean)
    reach = float(max(np.abs((law.means - middle) / law.scales).max() for law in (p, q)))
    sharpness = 8.0 * _EPS * (1.0 + reach)

    def evaluate(x: Array) -> Array:
        value, sensitivity = integrand(log_density(p, x), log_density(q, x))
        return np.stack([value, sharpness * sensitivity], axis=1)

    result = integrate(evaluate, edges, floor=1e-300, noise=True)
    value = float(result.value[0])
    return value, float(result.error[0] + result.value[1]) + 8.0 * _EPS * float(result.magnitude[0])


def _joint_window(p: Line, q: Line) -> Array:
    both = np.array([p.window(_REACH), q.window(_REACH)])
    return np.array([both[:, 0].min(), both[:, 1].max()])


def _joint_panels(p: Line, q: Line) -> Array:
    return panels([p, q], *_joint_window(p, q))


def kl(p: Line, q: Line) -> Estimate:
    """KL(p || q); always finite for mixtures."""

    def integrand(log_p: Array, log_q: Array) -> tuple[Array, Array]:
        ratio = log_q - log_p
        density = np.exp(log_p)
        near = ratio < 1.0
        value = np.where(
            near, density * excess(np.minimum(ratio, 1.0)), np.exp(log_q) - density * (1.0 + ratio)
        )
        return value, np.abs(np.exp(log_q) - density)

    value, error = _quadrature(p, q, integrand, _joint_panels(p, q))
    # Beyond 12 standard deviations p log(p / q) is a Gaussian tail times a quadratic: 2e-33 (1 + (x / s)^2).
    spread = float(np.abs(_joint_window(p, q)).max() / q.scales.min())
    return Estimate(value, error + 4e-33 * (1.0 + spread**2), "bound", "quadrature")


def hellinger(p: Line, q: Line) -> Estimate:
    """Hellinger distance sqrt(1 - int sqrt(p q))."""

    def integrand(log_p: Array, log_q: Array) -> tuple[Array, Array]:
        top = np.maximum(log_p, log_q)
        loss = np.expm1(-0.5 * np.abs(log_p - log_q))
        return 0.5 * np.exp(top) * loss**2, 0.5 * np.exp(top) * np.abs(loss)

    square, error = _quadrature(p, q, integrand, _joint_panels(p, q))
    return root_of(square, error + 4e-33, "quadrature")


def chi_square(p: Line, q: Line, dominating: Line) -> Estimate:
    """chi2(p || q) where it is finite.

    dominating : Gaussians N(c_j, v_j) that bound p_j^2 / q in turn, one a component of p; they say where p^2 / q has
        its mass, which may be far from both laws.
    """

    def peak(x: Array) -> Array:
        log_p, log_q = log_density(p, x), log_density(q, x)
        return np.maximum(2.0 * log_p - log_q, log_q)

    ends = _joint_window(p, q)
    extra = dominating.window(_REACH) if len(dominating.weights) else (ends[0], ends[1])
    ends = np.array([min(ends[0], extra[0]), max(ends[1], extra[1])])
    extra_laws = [dominating] if len(dominating.weights) else []
    # The dominating Gaussians bound the integrand, perhaps loosely: its mass may lie further out than theirs.
    for _ in range(200):
        # Between panel ends it may change by many powers of e; between 32 points of a panel it does not.
        starts = panels([p, q, *extra_laws], ends[0], ends[1], 4.0 * float(p.scales.min()))
        inside = starts[:-1, None] + np.diff(starts)[:, None] * (np.arange(32) / 32.0)
        top = float(peak(np.append(inside.ravel(), ends[1])).max())
        width = ends[1] - ends[0]
        open_sides = peak(ends) > top - 75.0
        if not open_sides.any():
            break
        ends = ends + np.array([-0.5, 0.5]) * width * open_sides
    else:
        raise ConvergenceError(
            "the chi-square decays too slowly to be integrated.", value=np.nan, bound=np.inf
        )

    def integrand(log_p: Array, log_q: Array) -> tuple[Array, Array]:
        ratio = log_p - log_q
        large = np.maximum(ratio, 1.0)
        with np.errstate(divide="ignore"):
            small = np.log(np.abs(np.expm1(np.minimum(ratio, 1.0))))
        # log abs(expm1(ratio)), without overflow; everything is relative to the highest point.
        log_gap = np.where(ratio > 1.0, large + np.log1p(-np.exp(-large)), small)
        return np.exp(log_q - top + 2.0 * log_gap), 2.0 * np.exp(log_p - top + log_gap)

    value, error = _quadrature(p, q, integrand, starts)
    error += 1e-30 * width
    if top + np.log(max(value, 1e-300)) > 709.0:
        raise ConvergenceError(
            "the chi-square is finite but exceeds the largest float.", value=np.inf, bound=np.inf
        )
    # Formed by logarithms: the value may be near the largest float where exp(top) alone is beyond it.
    size = np.exp(0.5 * top)
    return Estimate(float(value * size * size), float(error * size * size), "bound", "quadrature")


def root_of(square: float, error: float, route: str) -> Estimate:
    """The square root of a non-negative quantity that is known to an error."""
    value = float(np.sqrt(max(square, 0.0)))
    low, high = np.sqrt(max(square - error, 0.0)), np.sqrt(max(square, 0.0) + error)
    return Estimate(value, float(max(value - low, high - value)), "bound", route)
