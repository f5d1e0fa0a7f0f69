r"""Divergences of mixtures whose components are too narrow for their distances, by quadrature at each component.

Where doubles on the line are further apart than a component is wide, points are given by a component and z:

    x = m_j + s_j z,     (x - m_i) / s_i = ((m_j - m_i) + s_j z) / s_i

is right to rounding for any sizes.  With l = log q - log p every divergence is

    int (p + q) B(l) dx = sum_j c_j int phi(z) B(l(m_j + s_j z)) dz,     j over the components of both laws

    KL          B = (expm1(l) - l) / (1 + e^l)
    Hellinger^2 B = (1 - e^{l / 2})^2 / (2 (1 + e^l))
    TV          B = abs(e^l - 1) / (2 (1 + e^l)) = abs(tanh(l / 2)) / 2
    chi-square  B = (1 - e^l)^2 / (e^l (1 + e^l)),     with the components of a law above p^2 / q beside those of both

No function is large where the sum of these laws is small, so that 12 standard deviations of every component suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..core.errors import ConvergenceError
from ..core.estimates import Estimate
from ..core.types import FloatArray
from .line import REACH, LineMixture, spaced
from .quadrature import Integrand, integrate

_EPS = float(np.finfo(float).eps)
_NARROWEST = 1e-6  # of the window: narrower components lose digits on the line
_MOST_COMPONENTS = 128
_FARTHEST = 1.2e154  # standard deviations, of which half the square is a double
_LARGEST = 1e305
_LEAST_WIDTH = (
    1e4 * _EPS
)  # in standard deviations: narrower features of a component are bounded, not resolved
_SPANS = np.array([-40.0, -12.0, -5.0, -2.0, 0.0, 2.0, 5.0, 12.0, 40.0])
_OWN = np.array([-12.0, -9.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 9.0, 12.0])

Share = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Values of l -> B(l), and bounds on abs(B'(l))."""


def excess(t: FloatArray) -> FloatArray:
    """expm1(t) - t to full relative accuracy; infinite where exp overflows."""
    small = np.abs(t) < 0.5
    series = np.zeros_like(t)
    x = np.where(small, t, 0.0)
    for k in range(16, 1, -1):
        series = (series * x + 1.0) / k if k > 2 else 0.5 * x * x * (series * x + 1.0)
    with np.errstate(over="ignore"):
        return np.where(small, series, np.expm1(t) - t)


def is_narrow(p: LineMixture, q: LineMixture) -> bool:
    """Whether a component is too narrow to be integrated on the line together with the others."""
    ends = np.array([p.window(), q.window()])
    smallest = min(float(p.scales.min()), float(q.scales.min()))
    with np.errstate(over="ignore"):
        return bool(smallest < _NARROWEST * (ends[:, 1].max() - ends[:, 0].min()))


def kl_share(ratio: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(expm1(l) - l) / (1 + e^l)."""
    size = np.abs(ratio)
    small = np.exp(-size)
    below = excess(np.minimum(ratio, 0.0))
    # exp(-l) (expm1(l) - l) = 1 - (1 + l) exp(-l), which cancels near 0
    near = excess(np.minimum(size, 1.0)) * small
    far = 1.0 - small - np.where(small > 0.0, size, 0.0) * small
    value = np.where(ratio < 0.0, below, np.where(size < 1.0, near, far)) / (1.0 + small)
    falling = np.where(ratio < 0.0, 1.0, (2.0 + np.minimum(size, 800.0)) * small)
    return value, np.minimum(size, falling)


def hellinger_share(ratio: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(1 - e^{l/2})^2 / (2 (1 + e^l)), which is even in l."""
    size = np.abs(ratio)
    value = 0.5 * np.expm1(-0.5 * size) ** 2 / (1.0 + np.exp(-size))
    return value, np.minimum(size, np.exp(-0.5 * size))


def variation_share(ratio: FloatArray) -> tuple[FloatArray, FloatArray]:
    """abs(tanh(l / 2)) / 2."""
    size = np.abs(ratio)
    return 0.5 * np.tanh(0.5 * size), np.exp(-size)


def chi_square_share(ratio: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(1 - e^l)^2 / (e^l (1 + e^l)), or infinite."""
    size = np.maximum(np.abs(ratio), 1e-300)
    # abs(1 - e^l) = e^max(l, 0) (1 - e^-abs(l))
    logs = 2.0 * np.log(-np.expm1(-size)) + np.maximum(-ratio, 0.0) - np.log1p(np.exp(-size))
    value = np.exp(logs)
    saturating = 4.0 * np.minimum(size, 1.0) * np.exp(-size)
    return value, np.where(ratio > 0.0, saturating, value * (2.0 + 2.0 / size))


def at_components(p: LineMixture, q: LineMixture, share: Share, above: LineMixture | None = None) -> Estimate:
    """Return int (p + q) B(log q - log p), with a bound on the error.

    share : B and a bound on its slope.  above : a law whose components are integrated at as well.
    """
    laws = [p, q] if above is None else [p, q, above]
    count = sum(len(law.means) for law in laws)
    if count > _MOST_COMPONENTS:
        raise ConvergenceError(
            f"components are narrower than {_NARROWEST:g} of the laws' width, and {count} of them are too many "
            f"to be integrated one by one (at most {_MOST_COMPONENTS}).",
            value=np.nan,
            bound=np.inf,
        )
    value = error = 0.0
    for own in laws:
        for weight, mean, scale in zip(*own.arrays, strict=True):
            part, doubt = _at(float(mean), float(scale), laws, share)
            value += float(weight) * part
            error += float(weight) * doubt
    if not value < _LARGEST:  # beyond, `_FARTHEST` may have cut it
        raise _too_large()
    return Estimate(value, error + 4.0 * _EPS * value, "bound", "quadrature")


def _too_large() -> ConvergenceError:
    return ConvergenceError(f"the divergence is finite but exceeds {_LARGEST:g}.", value=np.inf, bound=np.inf)


@np.errstate(over="ignore")
def _at(mean: float, scale: float, laws: Sequence[LineMixture], share: Share) -> tuple[float, float]:
    """Return int phi(z) B(l(mean + scale z)) dz, with the share of p + q in the sum of the laws, and its error."""

    def integrand(z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        log_p, log_q, *others = (_log_density(z, mean, scale, law) for law in laws)
        ratio = log_q - log_p
        value, slope = share(ratio)
        size = 1.0 + np.abs(ratio)
        for log_other in others:
            rest = log_other - np.logaddexp(log_p, log_q)
            part = np.exp(-np.logaddexp(0.0, rest))
            # Where B is no double, p + q has no share beside what is above p^2 / q.
            value, slope = (np.where(part > 0.0, each * part, 0.0) for each in (value, slope))
            size = size + np.minimum(np.abs(rest), 1e4)
        if not np.all(value < _LARGEST):
            raise _too_large()
        return value, slope, size

    centres = np.concatenate([(law.means - mean) / scale for law in laws]).clip(-1e200, 1e200)
    widths = np.concatenate([law.scales / scale for law in laws]).clip(0.0, 1e200)
    fine = widths < _LEAST_WIDTH * np.maximum(1.0, np.abs(centres))
    inside = np.abs(centres) < REACH
    # What a feature that is too narrow for nodes may hide: its width, the density there, and the largest B near it.
    hidden = fine & inside
    doubt = 4e-33
    for centre, width in zip(centres[hidden], widths[hidden], strict=True):
        there = integrand(centre + width * _SPANS)[0].max()
        doubt += 80.0 * float(width * np.exp(-0.5 * centre**2) * there)
    points = centres[~fine, None] + widths[~fine, None] * _SPANS
    edges = spaced(_OWN, points.ravel(), np.repeat(widths[~fine], len(_SPANS)))

    def evaluate(z: FloatArray) -> Integrand:
        density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        value, slope, size = integrand(z)
        # A logarithm is known to a few roundings of its own size, the difference to those of both.
        rounding = 16.0 * _EPS * (size + z * z) * slope
        return Integrand(density * value, density * rounding)

    result = integrate(evaluate, edges)
    return float(result.values[0]), float(result.errors[0]) + doubt


def _log_density(z: FloatArray, mean: float, scale: float, law: LineMixture) -> FloatArray:
    offsets = ((mean - law.means) + scale * z[:, None]) / law.scales
    offsets = offsets.clip(-_FARTHEST, _FARTHEST)
    exponents = np.log(law.weights) - np.log(law.scales) - 0.5 * np.log(2.0 * np.pi) - 0.5 * offsets**2
    peak = exponents.max(axis=1)
    return np.asarray(peak + np.log(np.exp(exponents - peak[:, None]).sum(axis=1)))
