"""Closed forms for single Gaussians, in any dimension."""

from __future__ import annotations

import numpy as np

from ..core.estimates import Estimate
from ..core.types import FloatArray
from ..laws.mixture import GaussianMixture
from ._divergences_line import excess, root_of

_EPS = float(np.finfo(float).eps)


def _relative(p: GaussianMixture, q: GaussianMixture) -> tuple[FloatArray, FloatArray, float]:
    """Eigenvalues minus 1 of q^{-1/2} S_p q^{-1/2}, the mean difference in q's units, and a rounding scale."""
    s, t = p.covariances[0], q.covariances[0]
    factor = np.linalg.cholesky(t)
    whitened = np.linalg.solve(factor, np.linalg.solve(factor, s - t).T)
    offsets = np.asarray(np.linalg.eigvalsh(0.5 * (whitened + whitened.T)), dtype=np.float64)
    shift = np.linalg.solve(factor, p.means[0] - q.means[0])
    condition = float(np.linalg.cond(t)) * len(offsets)
    return offsets, shift, 8.0 * _EPS * condition


def kl(p: GaussianMixture, q: GaussianMixture) -> Estimate:
    """KL = sum_j [l_j - 1 - log l_j] / 2 + norm(shift)^2 / 2, each term without cancellation."""
    offsets, shift, rounding = _relative(p, q)
    logs = np.log1p(offsets)
    value = 0.5 * float(excess(logs).sum() + shift @ shift)
    error = rounding * float(np.abs(offsets).sum() + shift @ shift + np.abs(shift).max())
    return Estimate(value, error, "bound", "closed_form")


def hellinger(p: GaussianMixture, q: GaussianMixture) -> Estimate:
    """H^2 = 1 - det(S)^{1/4} det(T)^{1/4} det((S+T)/2)^{-1/2} exp(-shift^2 / 8) in the units of (S+T)/2."""
    offsets, _, rounding = _relative(p, q)
    middle = 0.5 * (p.covariances[0] + q.covariances[0])
    difference = p.means[0] - q.means[0]
    square = float(difference @ np.linalg.solve(middle, difference))
    # sqrt(l) / ((1 + l) / 2) = sqrt(1 - u^2) with u = (l - 1) / (l + 1).
    ratios = offsets / (2.0 + offsets)
    value = -np.expm1(0.25 * float(np.log1p(-(ratios**2)).sum()) - square / 8.0)
    return root_of(value, rounding * (value + float(np.abs(ratios).sum())), "closed_form")


def chi_square(p: GaussianMixture, q: GaussianMixture) -> Estimate:
    """1 + chi2 = sum_jk w_j w_k int p_j p_k / q, for q one Gaussian; finite is the caller's business."""
    s, m = q.covariances[0], q.means[0]
    base = np.linalg.inv(s)
    inverses = np.linalg.inv(np.asarray(p.covariances))
    pulls = np.einsum("kij,kj->ki", inverses, p.means - m)
    constants = 0.5 * np.linalg.slogdet(inverses)[1] - 0.5 * np.einsum("ki,ki->k", pulls, p.means - m)
    constant_q = 0.5 * np.linalg.slogdet(base)[1]
    logs = np.empty((len(pulls), len(pulls)))
    for j in range(len(pulls)):
        precision = inverses[j] + inverses - base
        linear = pulls[j] + pulls
        solved = np.linalg.solve(precision, linear[:, :, None])[:, :, 0]
        logs[j] = constants[j] + constants - constant_q + 0.5 * np.einsum("ki,ki->k", linear, solved)
        logs[j] -= 0.5 * np.linalg.slogdet(precision)[1]
    if len(logs) == 1:
        value = float(np.expm1(logs[0, 0]))
        magnitude = (1.0 + value) * (1.0 + abs(float(logs[0, 0])))
    else:
        terms = np.outer(p.weights, p.weights) * np.exp(logs)
        value = float(terms.sum()) - 1.0
        magnitude = (value + 1.0) * (1.0 + float(np.abs(logs).max()))
    return Estimate(value, 32.0 * _EPS * len(m) * magnitude, "bound", "closed_form")
