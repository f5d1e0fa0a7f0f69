"""How much of a score error reaches the end of the path: eta = Var(E[M given Y]) / eps^2, Y the end point.

With m(Y) = E[M given Y] and eps^2 = E M^2, three estimators, each with its direction:

**From below, by regression.**  For any function f fitted on other paths,

    E[2 M f(Y) - f(Y)^2] = E m^2 - E (m - f)^2 <= E m^2,

because E[M f(Y)] = E[m f].  So the mean of 2 M f - f^2 over the paths *not* used for the fit is, given the fit, an
unbiased estimate of something that never exceeds eta eps^2, whatever the features; here they are Hermite polynomials.
(In-sample fits, R^2 and squared predictions err upward by features/paths.)

**From above, by its dual.**  Functions of Y and integrals against the backward noise are orthogonal and together span
everything (martingale representation).  For any integral xi of the path with E[xi given Y] = 0, fitted on other
paths,

    E (M - xi)^2 = E m^2 + E (M - m - xi)^2 >= E m^2,

so the mean of (M - xi)^2 over the other paths never falls below eta eps^2, in expectation.  The first estimate uses
M - xi in place of M, which leaves its expectation as it is and removes most of the noise.

**Without regression, by pairs.**  Two ideal paths that share their end point and are independent given it have
E[M M' given Y] = m(Y)^2: the mean of M M' is unbiased for eta eps^2, from neither side, in any dimension, and remains
so with M - xi in place of M.  In the same way E[L L'] - 1 is unbiased for I = chi2 of the learned end law against
the ideal one: no density is ever estimated.

References: arXiv:2602.16601, Definition 3.2; the bounds are derived above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...core import checks
from ...core.errors import InputError
from ...core.estimates import Estimate
from ...core.types import BoolArray, FloatArray
from ...hermite.basis import hermite_values
from ...hermite.indices import total_degree_indices
from .ideal import IdealPaths


@dataclass(frozen=True)
class ObservabilityBounds:
    """The observability from both sides, with standard errors.

    Attributes
    ----------
    lower, upper : Estimate
        Of eta; without backward-noise integrals the upper one is 1, exactly.
    visible_lower, visible_upper : Estimate
        Of the visible energy eta eps^2.  Expectations: lower <= truth <= upper.
    energy : Estimate
        eps^2.
    """

    lower: Estimate
    upper: Estimate
    visible_lower: Estimate
    visible_upper: Estimate
    energy: Estimate


@dataclass(frozen=True)
class PairedObservability:
    """Unbiased estimates from pairs of ideal paths through common end points.

    Attributes
    ----------
    observability : Estimate
        eta.
    visible : Estimate
        eta eps^2.
    energy : Estimate
        eps^2.
    innovation : Estimate
        I = chi2(learned end against ideal end).

    Notes
    -----
    All are extrapolated in the time step, with standard errors over end points.
    """

    observability: Estimate
    visible: Estimate
    energy: Estimate
    innovation: Estimate


def observability_bounds(
    end: ArrayLike,
    integral: ArrayLike,
    energy: ArrayLike,
    *,
    martingales: ArrayLike | None = None,
    degree: int = 3,
    folds: int = 2,
    seed: int = 0,
) -> ObservabilityBounds:
    """Return eta from below and from above by cross-fitted regression on Hermite polynomials of the end point.

        lower = mean(2 M f - f^2) / eps^2,      upper = mean((M - xi)^2) / eps^2

    Parameters
    ----------
    end : array, shape (n, d)
        End points of ideal paths.
    integral : array, shape (n,)
        M.
    energy : array, shape (n,)
        int norm(e)^2 along each path; its mean is eps^2.
    martingales : array, shape (n, features), optional
        Integrals against the backward noise; the upper estimate is 1 unless given.
    degree : int
        Total degree of the polynomials in the standardised end point, >= 1.
    folds : int
        Parts of the paths, each estimated with fits to the others; >= 2.
    seed : int
        Of the split into folds.

    Returns
    -------
    ObservabilityBounds

    Raises
    ------
    InputError
        If shapes disagree or there are fewer paths than twice the features.

    Accuracy
    --------
    Standard errors over paths, given the fits; ratios by the delta method.  The directions are proved in the module's
    docstring.

    Examples
    --------
    >>> y = np.random.default_rng(0).standard_normal((400, 1))
    >>> round(observability_bounds(y, y[:, 0], y[:, 0] ** 2).lower.value, 6)
    1.0
    """
    y = checks.samples(end, "end", 8)
    m = checks.vector(integral, "integral")
    square = checks.vector(energy, "energy")
    n = y.shape[0]
    if not (len(m) == len(square) == n):
        raise InputError(
            f"integral and energy must have one entry an end point, got {len(m)} and {len(square)} for {n}."
        )
    noise = np.zeros((n, 0)) if martingales is None else checks.samples(martingales, "martingales")
    if noise.shape[0] != n:
        raise InputError(f"martingales must have one row an end point, got {noise.shape[0]} rows for {n}.")
    parts = checks.integer(folds, "folds", 2)
    fold = np.random.default_rng(checks.integer(seed, "seed")).permutation(n) % parts
    features = _hermite_features(y, checks.integer(degree, "degree", 1))
    width = noise.shape[1] + features.shape[1]
    if 2 * width > n - n // parts:
        raise InputError(
            f"end must hold at least {math.ceil(2 * width * parts / (parts - 1))} paths for {width} features, got {n}."
        )
    below, above = np.empty(n), np.empty(n)
    for part in range(parts):
        train, test = fold != part, fold == part
        residual = m - noise @ _noise_fit(noise, features, m, train)
        f = features @ _least_squares(features[train], residual[train])
        below[test] = (2.0 * residual * f - f**2)[test]
        above[test] = (residual**2)[test]
    whole = Estimate.of_mean(square)
    lower, visible_lower = _ratio(below, square)
    if noise.shape[1]:
        upper, visible_upper = _ratio(above, square)
    else:
        upper, visible_upper = Estimate(1.0, 0.0, "bound", "samples"), whole
    return ObservabilityBounds(lower, upper, visible_lower, visible_upper, whole)


def observability_of(paths: IdealPaths, *, degree: int = 3) -> ObservabilityBounds:
    """Return `observability_bounds` of drawn ideal paths: their first copy, the energy extrapolated in the time step.

    Parameters
    ----------
    paths : IdealPaths
    degree : int
        As for `observability_bounds`.

    Returns
    -------
    ObservabilityBounds

    Notes
    -----
    Both directions hold at every step size for the conditional mean of the discrete M, which with the Stein form
    differs from the true one by the second order of the step.
    """
    energy = (4.0 * paths.fine.energy[0] - paths.coarse.energy[0]) / 3.0
    arrays = (paths.end, paths.fine.stochastic_integral[0], energy, paths.martingales[0])
    end, integral, energies, martingales = (array.cpu().numpy() for array in arrays)
    return observability_bounds(end, integral, energies, martingales=martingales, degree=degree)


def paired_observability(paths: IdealPaths, *, folds: int = 2, seed: int = 0) -> PairedObservability:
    """Return eta, eta eps^2 and I from pairs of paths through common end points, unbiased.

        eta eps^2 = E[(M - xi)(M' - xi')],    eps^2 = E int norm(e)^2,    I = E[(L - 1 - zeta)(L' - 1 - zeta')]

    L = exp(M - energy/2); xi and zeta are backward-noise integrals fitted on the other folds' end points, so that
    their conditional means are zero and only the noise shrinks.

    Parameters
    ----------
    paths : IdealPaths
        With copies >= 2.
    folds : int
        Parts of the end points, each estimated with fits to the others; >= 2.
    seed : int
        Of the split into folds.

    Returns
    -------
    PairedObservability

    Raises
    ------
    InputError
        If the paths were drawn with a single copy, or are too few for their features.

    Notes
    -----
    Means are extrapolated in the step by the order of their error: 2 fine - coarse where it is one (the weights, and M
    without the Stein form), (4 fine - coarse)/3 where it is two.
    """
    fine, coarse = paths.fine, paths.coarse
    copies, n = fine.integral.shape
    if copies < 2:
        raise InputError(f"paths must be drawn with copies >= 2, got {copies}.")
    parts = checks.integer(folds, "folds", 2)
    noise = paths.martingales.cpu().numpy()
    if 2 * noise.shape[2] > copies * (n - n // parts):
        raise InputError(f"paths must outnumber the {noise.shape[2]} features by far, got {n} end points.")
    fold = np.random.default_rng(checks.integer(seed, "seed")).permutation(n) % parts

    def extrapolated(fine: torch.Tensor, coarse: torch.Tensor, order: int) -> FloatArray:
        gain = 1.0 / (2.0**order - 1.0)
        values, rough = fine.cpu().numpy(), coarse.cpu().numpy()
        products = np.empty(n)
        for part in range(parts):
            train, test = fold != part, fold == part
            pooled = noise[:, train].reshape(-1, noise.shape[2])
            slope = _least_squares(pooled, values[:, train].reshape(-1))
            control = noise[:, test] @ slope
            products[test] = (1.0 + gain) * _pair_products(values[:, test] - control)
            products[test] -= gain * _pair_products(rough[:, test] - control)
        return products

    order = 1 if fine.stein is None else 2
    visible = extrapolated(fine.stochastic_integral, coarse.stochastic_integral, order)
    innovation = extrapolated(torch.expm1(fine.log_weight), torch.expm1(coarse.log_weight), 1)
    energy = ((4.0 * fine.energy - coarse.energy) / 3.0).mean(dim=0).cpu().numpy()
    return PairedObservability(
        *_ratio(visible, energy), energy=Estimate.of_mean(energy), innovation=Estimate.of_mean(innovation)
    )


def _noise_fit(noise: FloatArray, features: FloatArray, values: FloatArray, train: BoolArray) -> FloatArray:
    """Coefficients of the backward-noise integrals, fitted jointly with the end-point features.

    The two spaces are orthogonal, and fitted together each is spared the other's noise.
    """
    if noise.shape[1] == 0:
        return np.zeros(0)
    return _least_squares(np.hstack([noise, features])[train], values[train])[: noise.shape[1]]


def _pair_products(values: FloatArray) -> FloatArray:
    """Mean over pairs of copies of their product: (copies, n) -> (n,)."""
    copies = values.shape[0]
    return np.asarray((values.sum(axis=0) ** 2 - (values**2).sum(axis=0)) / (copies * (copies - 1)))


def _ratio(part: FloatArray, whole: FloatArray) -> tuple[Estimate, Estimate]:
    """mean(part)/mean(whole) and mean(part), with standard errors (delta method for the ratio)."""
    top, bottom = Estimate.of_mean(part), float(whole.mean())
    if bottom <= 0.0:
        raise InputError(f"energy must have a positive mean for a ratio, got {bottom!r}.")
    ratio = top.value / bottom
    deviation = float((part - ratio * whole).std(ddof=1)) / (bottom * math.sqrt(len(part)))
    return Estimate(ratio, deviation, "standard_error", "samples"), top


def _least_squares(features: FloatArray, values: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(features, values, rcond=None)[0], dtype=np.float64)


def _hermite_features(y: FloatArray, degree: int) -> FloatArray:
    """Products of orthonormal Hermite polynomials of total degree <= `degree` in the standardised coordinates."""
    spread = y.std(axis=0)
    standard = (y - y.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    values = hermite_values(standard, degree)  # (n, d, degree + 1)
    indices = total_degree_indices(y.shape[1], degree)
    features = np.ones((y.shape[0], len(indices)))
    for j in range(y.shape[1]):
        features *= values[:, j, indices[:, j]]
    return features
