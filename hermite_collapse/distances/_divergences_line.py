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

from ..core.errors import ConvergenceError
from ..core.estimates import Estimate
from ..core.types import FloatArray
from ._divergences_local import at_components, chi_square_share, excess, hellinger_share, is_narrow, kl_share
from .line import LineMixture, panels
from .quadrature import Integrand, integrate

_EPS = float(np.finfo(float).eps)


def _quadrature(
    p: LineMixture,
    q: LineMixture,
    integrand: Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]],
    edges: FloatArray,
) -> tuple[float, float]:
    """Return the integral of the first function, and its error; the second is its sensitivity to the log-densities."""
    # Log-densities carry a few rounding errors of their size and of x / scale.
    middle = 0.5 * (p.mean + q.mean)
    reach = float(max(np.abs((law.means - middle) / law.scales).max() for law in (p, q)))
    sharpness = 8.0 * _EPS * (1.0 + reach)

    def evaluate(x: FloatArray) -> Integrand:
        value, sensitivity = integrand(p.log_density(x), q.log_density(x))
        return Integrand(value, sharpness * sensitivity)

    result = integrate(evaluate, edges)
    return float(result.values[0]), float(result.errors[0])


def _window(p: LineMixture, q: LineMixture) -> tuple[float, float]:
    """The interval that holds both laws up to 12 standard deviations."""
    (p_low, p_high), (q_low, q_high) = p.window(), q.window()
    return min(p_low, q_low), max(p_high, q_high)


def kl(p: LineMixture, q: LineMixture) -> Estimate:
    """KL(p || q); always finite for mixtures."""
    if is_narrow(p, q):
        return at_components(p, q, kl_share)

    def integrand(log_p: FloatArray, log_q: FloatArray) -> tuple[FloatArray, FloatArray]:
        ratio = log_q - log_p
        density = np.exp(log_p)
        near = ratio < 1.0
        value = np.where(
            near, density * excess(np.minimum(ratio, 1.0)), np.exp(log_q) - density * (1.0 + ratio)
        )
        return value, np.abs(np.exp(log_q) - density)

    value, error = _quadrature(p, q, integrand, panels([p, q], *_window(p, q)))
    # Beyond 12 standard deviations p log(p / q) is a Gaussian tail times a quadratic: 2e-33 (1 + (x / s)^2).
    spread = float(max(map(abs, _window(p, q))) / q.scales.min())
    return Estimate(value, error + 4e-33 * (1.0 + spread**2), "bound", "quadrature")


def hellinger(p: LineMixture, q: LineMixture) -> Estimate:
    """Hellinger distance sqrt(1 - int sqrt(p q))."""
    if is_narrow(p, q):
        square_here = at_components(p, q, hellinger_share)
        return root_of(square_here.value, square_here.error, "quadrature")

    def integrand(log_p: FloatArray, log_q: FloatArray) -> tuple[FloatArray, FloatArray]:
        top = np.maximum(log_p, log_q)
        loss = np.expm1(-0.5 * np.abs(log_p - log_q))
        return 0.5 * np.exp(top) * loss**2, 0.5 * np.exp(top) * np.abs(loss)

    square, error = _quadrature(p, q, integrand, panels([p, q], *_window(p, q)))
    return root_of(square, error + 4e-33, "quadrature")


def chi_square(p: LineMixture, q: LineMixture, above: LineMixture) -> Estimate:
    """Return chi2(p || q) where it is finite.

    The components of `above` bound p_j^2 / q in turn, for those components j of p that are dominated;
    they say where p^2 / q may have its mass, which can be far from both laws.
    """
    if is_narrow(p, q):
        return at_components(p, q, chi_square_share, above)
    low, high = _window(p, q)
    if len(above.means):
        low, high = min(low, above.window()[0]), max(high, above.window()[1])
    finest = 4.0 * float(p.scales.min())
    # The bounds may be loose: the mass of p^2 / q may lie further out than theirs.
    for _ in range(200):
        edges = panels([p, q, above], low, high, finest)
        # Between panel ends it may change by many powers of e; between 32 points of a panel it does not.
        inside = edges[:-1, None] + np.diff(edges)[:, None] * (np.arange(32) / 32.0)
        x = np.append(inside.ravel(), high)
        log_p, log_q = p.log_density(x), q.log_density(x)
        peaks = np.maximum(2.0 * log_p - log_q, log_q)
        top, width = float(peaks.max()), high - low
        open_left, open_right = peaks[0] > top - 75.0, peaks[-1] > top - 75.0
        if not (open_left or open_right):
            break
        low, high = low - 0.5 * width * open_left, high + 0.5 * width * open_right
    else:
        raise ConvergenceError(
            "the chi-square decays too slowly to be integrated.", value=np.nan, bound=np.inf
        )

    def integrand(log_p: FloatArray, log_q: FloatArray) -> tuple[FloatArray, FloatArray]:
        ratio = log_p - log_q
        large = np.maximum(ratio, 1.0)
        with np.errstate(divide="ignore"):
            small = np.log(np.abs(np.expm1(np.minimum(ratio, 1.0))))
        # log abs(expm1(ratio)), without overflow; everything is relative to the highest point.
        log_gap = np.where(ratio > 1.0, large + np.log1p(-np.exp(-large)), small)
        return np.exp(log_q - top + 2.0 * log_gap), 2.0 * np.exp(log_p - top + log_gap)

    value, error = _quadrature(p, q, integrand, edges)
    error += 1e-30 * width
    if top + np.log(max(value, 1e-300)) > 709.0:
        raise ConvergenceError(
            "the chi-square is finite but exceeds the largest float.", value=np.inf, bound=np.inf
        )
    # Formed by logarithms: the value may be near the largest float where exp(top) alone is beyond it.
    size = np.exp(0.5 * top)
    return Estimate(float(value * size * size), float(error * size * size), "bound", "quadrature")


def root_of(square: float, error: float, route: str) -> Estimate:
    """The square root of a non-negative quantity that is known to an error; ConvergenceError beyond the doubles."""
    if not (np.isfinite(square) and np.isfinite(error)):
        raise ConvergenceError("the distance exceeds what doubles can hold.", value=square, bound=np.inf)
    value = float(np.sqrt(max(square, 0.0)))
    low, high = np.sqrt(max(square - error, 0.0)), np.sqrt(max(square, 0.0) + error)
    return Estimate(value, float(max(value - low, high - value)), "bound", route)
