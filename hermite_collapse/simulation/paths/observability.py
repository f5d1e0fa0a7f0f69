"""How much of a score error reaches the end of the path: eta = Var(E[M given Y]) / eps^2, Y the end point.

With m(Y) = E[M given Y] and eps^2 = E M^2, three estimators, each with its direction:

**From below, by regression.**  For any function f fitted on other paths,

    E[2 M f(Y) - f(Y)^2] = E m^2 - E (m - f)^2 <= E m^2,

because E[M f(Y)] = E[m f].  So the mean of 2 M f - f^2 over the paths *not* used for the fit is, given the fit, an
unbiased estimate of something that never exceeds eta eps^2, whatever the features: Hermite polynomials or nearest
neighbours.  (In-sample fits, R^2 and squared predictions err upward by features/paths.)

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

References : arXiv:2602.16601, Definition 3.2; the bounds are derived above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ...core import checks
from ...core.errors import InputError
from ...core.estimates import Estimate
from .ideal import IdealPaths

FloatArray = NDArray[np.float64]

METHODS = ("hermite", "neighbours")


@dataclass(frozen=True)
class ObservabilityBounds:
    """eta from both sides, with standard errors, and the visible energy eta eps^2 likewise; `energy` is eps^2.

    Expectations of the visible energies: lower <= truth <= upper.  Without backward-noise integrals the upper eta is
    1, exactly.
    """

    lower: Estimate
    upper: Estimate
    visible_lower: Estimate
    visible_upper: Estimate
    energy: Estimate


@dataclass(frozen=True)
class PairedObservability:
    """Unbiased estimates from pairs of ideal paths through common end points.

    `observability` eta, `visible` eta eps^2, `energy` eps^2, `innovation` I = chi2(learned end against ideal end);
    all extrapolated in the time step, with standard errors over end points.
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
    method: str = "hermite",
    degree: int = 3,
    neighbours: int | None = None,
    folds: int = 2,
    seed: int = 0,
) -> ObservabilityBounds:
    """eta from below and from above by cross-fitted regression; directions are proved in the module docstring.

    Parameters
    ----------
    end : (n, d), end points of ideal paths.
    integral : (n,), M.
    energy : (n,), int norm(e)^2 along each path; its mean is eps^2.
    martingales : (n, features), integrals against the backward noise; None: the upper estimate is 1.
    method : "hermite" (polynomials of total degree <= `degree` in the standardised end point) or "neighbours" (mean
        over the `neighbours` nearest end points of the other folds; default n^(4/(4+d))/4 within 5 and 200).
    degree, neighbours, folds : sizes; folds >= 2.
    seed : of the split into folds.

    Accuracy : standard errors over paths, given the fits; ratios by the delta method.
    Raises   : InputError if shapes disagree or there are fewer paths than twice the features.
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
    checks.one_of(method, METHODS, "method")
    parts = checks.integer(folds, "folds", 2)
    fold = np.random.default_rng(checks.integer(seed, "seed")).permutation(n) % parts
    features = _hermite_features(y, checks.integer(degree, "degree", 1)) if method == "hermite" else None
    width = noise.shape[1] + (0 if features is None else features.shape[1])
    if 2 * width > n - n // parts:
        raise InputError(
            f"end must hold at least {math.ceil(2 * width * parts / (parts - 1))} paths for {width} features, got {n}."
        )
    below, above = np.empty(n), np.empty(n)
    for part in range(parts):
        train, test = fold != part, fold == part
        xi = noise @ _noise_fit(noise, features, m, train)
        residual = m - xi
        if features is not None:
            f = features @ _least_squares(features[train], residual[train])
        else:
            f = np.zeros(n)
            f[test] = _neighbour_means(y[train], residual[train], y[test], neighbours)
        below[test] = (2.0 * residual * f - f**2)[test]
        above[test] = (residual**2)[test]
    whole = _mean(square)
    lower, visible_lower = _ratio(below, square)
    if noise.shape[1]:
        upper, visible_upper = _ratio(above, square)
    else:
        upper, visible_upper = Estimate(1.0, 0.0, "bound", "samples"), whole
    return ObservabilityBounds(lower, upper, visible_lower, visible_upper, whole)


def observability_of(paths: IdealPaths, *, method: str = "hermite", degree: int = 3) -> ObservabilityBounds:
    """`observability_bounds` of drawn ideal paths: their first copy, with the energy extrapolated in the time step.

    Both directions hold at every step size for the conditional mean of the discrete M, which with the Stein form
    differs from the true one by the second order of the step.
    """
    energy = (4.0 * paths.energy[0] - paths.coarse_energy[0]) / 3.0
    parts = [
        part.cpu().numpy() for part in (paths.end, paths.stochastic_integral[0], energy, paths.martingales[0])
    ]
    return observability_bounds(*parts[:3], martingales=parts[3], method=method, degree=degree)


def paired_observability(paths: IdealPaths, *, folds: int = 2, seed: int = 0) -> PairedObservability:
    """eta, eta eps^2 and I from pairs of paths through common end points, unbiased.

        eta eps^2 = E[(M - xi)(M' - xi')],    eps^2 = E int norm(e)^2,    I = E[(L - 1 - zeta)(L' - 1 - zeta')]

    L = exp(M - energy/2); xi and zeta are backward-noise integrals fitted on the other folds' end points, so that
    their conditional means are zero and only the noise shrinks.  Means are extrapolated in the step by the order of
    their error: 2 fine - coarse where it is one (the weights, and M without the Stein form), (4 fine - coarse)/3
    where it is two.

    Raises : InputError if the paths were drawn with a single copy, or are too few for their features.
    """
    copies, n = paths.integral.shape
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

    order = 1 if paths.stein is None else 2
    visible = extrapolated(paths.stochastic_integral, paths.coarse_stochastic_integral, order)
    weights, coarse_weights = torch.expm1(paths.log_weight), torch.expm1(paths.coarse_log_weight)
    innovation = extrapolated(weights, coarse_weights, 1)
    energy = ((4.0 * paths.energy - paths.coarse_energy) / 3.0).mean(dim=0).cpu().numpy()
    share, seen = _ratio(visible, energy)
    return PairedObservability(share, seen, _mean(energy), _mean(innovation))


def _noise_fit(
    noise: FloatArray, features: FloatArray | None, values: FloatArray, train: NDArray[np.bool_]
) -> FloatArray:
    """Coefficients of the backward-noise integrals, fitted jointly with the end-point features where there are any:
    the two spaces are orthogonal, and fitted together each is spared the other's noise."""
    if noise.shape[1] == 0:
        return np.zeros(0)
    joint = noise if features is None else np.hstack([noise, features])
    return _least_squares(joint[train], values[train])[: noise.shape[1]]


def _pair_products(values: FloatArray) -> FloatArray:
    """Mean over pairs of copies of their product: (copies, n) -> (n,)."""
    copies = values.shape[0]
    return (values.sum(axis=0) ** 2 - (values**2).sum(axis=0)) / (copies * (copies - 1))


def _mean(values: FloatArray) -> Estimate:
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    return Estimate(float(values.mean()), error, "standard_error", "samples")


def _ratio(part: FloatArray, whole: FloatArray) -> tuple[Estimate, Estimate]:
    """mean(part)/mean(whole) and mean(part), with standard errors (delta method for the ratio)."""
    top, bottom = _mean(part), float(whole.mean())
    if bottom <= 0.0:
        raise InputError(f"energy must have a positive mean for a ratio, got {bottom!r}.")
    ratio = top.value / bottom
    deviation = float((part - ratio * whole).std(ddof=1)) / (bottom * math.sqrt(len(part)))
    return Estimate(ratio, deviation, "standard_error", "samples"), top


def _least_squares(features: FloatArray, values: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(features, values, rcond=None)[0], dtype=np.float64)


def _hermite_features(y: FloatArray, degree: int) -> FloatArray:
    """Products of orthonormal Hermite polynomials of total degree <= `degree` in the standardised coordinates."""
    from ...hermite.basis import hermite_values
    from ...hermite.indices import total_degree_indices

    spread = y.std(axis=0)
    standard = (y - y.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    values = hermite_values(standard, degree)  # (n, d, degree + 1)
    indices = total_degree_indices(y.shape[1], degree)
    features = np.ones((y.shape[0], len(indices)))
    for j in range(y.shape[1]):
        features *= values[:, j, indices[:, j]]
    return features


def _neighbour_means(
    known: FloatArray, values: FloatArray, asked: FloatArray, neighbours: int | None
) -> FloatArray:
    from scipy.spatial import cKDTree

    count, dimension = known.shape
    if neighbours is None:
        neighbours = min(200, max(5, round(count ** (4.0 / (4.0 + dimension)) / 4.0)))
    k = min(checks.integer(neighbours, "neighbours", 1), count)
    _, nearest = cKDTree(known).query(asked, k=k)
    return values[nearest.reshape(len(asked), k)].mean(axis=1)
