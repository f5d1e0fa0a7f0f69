r"""Divergences by sampling, in any dimension, with estimators whose variance exists.

Total variation, KL and Hellinger are means under r = (p + q) / 2 of functions that r keeps tame:

    TV  = E_r abs(p - q) / (p + q)                               between 0 and 1
    KL  = E_r 2 p (expm1(l) - l) / (p + q),   l = log q - log p  >= 0; grows like abs(l) only
    H^2 = E_r (sqrt p - sqrt q)^2 / (p + q)                      between 0 and 1

Each term is non-negative and small where p and q agree.  Sampling is stratified, half from each law.

chi2(p || q) = int (p - q)^2 / q has no such form: its terms under p or q may have infinite variance where the
integral is finite.  They are drawn from the Gaussians that dominate p_j^2 / q (`finiteness`) together with q, so that
every weight is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..core.types import FloatArray, Seed
from ..laws.mixture import GaussianMixture, Law
from ._divergences_local import excess
from .finiteness import Domination
from .line import density_mixture


@dataclass(frozen=True)
class SampledEstimate(Estimate):
    """An Estimate by importance sampling.

    Attributes
    ----------
    effective_sample_size : float
        (sum w)^2 / sum w^2 of the terms that were averaged; a handful means that the standard error itself is not to
        be trusted.
    """

    effective_sample_size: float = 0.0


def _stratified(
    p: Law, q: Law, sample_count: int, rng: Seed, term: Callable[[FloatArray, FloatArray], FloatArray]
) -> SampledEstimate:
    """Mean of term(log p, log q) under (p + q) / 2, half of the points from each law."""
    half = (checks.integer(sample_count, "sample_count", minimum=16) + 1) // 2
    generator = checks.generator(rng)
    p, q = density_mixture(p, "p"), density_mixture(q, "q")
    parts = []
    for law in (p, q):
        x = law.sample(half, generator)
        parts.append(term(p.log_density(x), q.log_density(x)))
    value = 0.5 * (parts[0].mean() + parts[1].mean())
    variance = 0.25 * (parts[0].var(ddof=1) + parts[1].var(ddof=1)) / half
    everything = np.concatenate(parts)
    squares = float(everything @ everything)
    size = float(everything.sum() ** 2 / squares) if squares > 0.0 else float(len(everything))
    return SampledEstimate(float(value), float(np.sqrt(variance)), "standard_error", "samples", size)


def total_variation(p: Law, q: Law, sample_count: int, rng: Seed) -> SampledEstimate:
    """E_r abs(p - q) / (p + q) = E_r abs(tanh(l / 2))."""
    return _stratified(p, q, sample_count, rng, lambda a, b: np.abs(np.tanh(0.5 * (b - a))))


def kl(p: Law, q: Law, sample_count: int, rng: Seed) -> SampledEstimate:
    """E_r 2 (expm1(l) - l) / (1 + exp(l))."""

    def term(log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        ratio = log_q - log_p
        near = np.minimum(ratio, 0.5)
        left = 2.0 * excess(near) / (1.0 + np.exp(near))
        far = np.maximum(ratio, 0.5)
        right = 2.0 * (-np.expm1(-far) - far * np.exp(-far)) / (1.0 + np.exp(-far))
        return np.where(ratio < 0.5, left, right)

    return _stratified(p, q, sample_count, rng, term)


def hellinger(p: Law, q: Law, sample_count: int, rng: Seed) -> SampledEstimate:
    """The root of E_r (1 - sqrt(q/p))^2 / (1 + q/p); the error is carried to first order."""

    def term(log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        gap = -np.abs(log_p - log_q)
        return np.expm1(0.5 * gap) ** 2 / (1.0 + np.exp(gap))

    square = _stratified(p, q, sample_count, rng, term)
    root = float(np.sqrt(square.value))
    error = 0.5 * square.error / root if root > 0.0 else float(np.sqrt(square.error))
    return SampledEstimate(root, error, "standard_error", "samples", square.effective_sample_size)


def chi_square(
    p: Law, q: Law, upper: list[Domination | None], sample_count: int, rng: Seed
) -> SampledEstimate:
    """E_r (p - q)^2 / (q r) with r from the dominating Gaussians and q, in proportion to their masses."""
    count = checks.integer(sample_count, "sample_count", minimum=16)
    p, q = density_mixture(p, "p"), density_mixture(q, "q")
    if any(entry is None for entry in upper):
        raise InputError(
            "route must be 'quadrature' for a chi-square on the boundary of finiteness, got 'samples'."
        )
    known = [entry for entry in upper if entry is not None]
    used = p.weights > 0.0
    logs = np.log(p.weights[used]) + np.array([entry.log_mass for entry in known])
    # (p - q)^2 / q <= p^2 / q + q: one share for q, the rest by the masses of the bounds.
    logs = np.append(logs, 0.0)
    shares = np.exp(logs - logs.max())
    shares /= shares.sum()
    shares = 0.9 * shares
    shares[-1] += 0.1
    bounds = GaussianMixture(
        shares[:-1] / shares[:-1].sum(),
        np.stack([entry.centre for entry in known]),
        np.linalg.inv(np.stack([entry.precision for entry in known])),
    )
    generator = checks.generator(rng)
    from_q = round(count * float(shares[-1]))
    x = np.concatenate([bounds.sample(count - from_q, generator), q.sample(from_q, generator)])
    log_p, log_q = p.log_density(x), q.log_density(x)
    weight = from_q / count
    log_r = np.logaddexp(np.log1p(-weight) + bounds.log_density(x), np.log(weight) + log_q)
    ratio = log_p - log_q
    near = np.minimum(ratio, 300.0)
    terms = np.where(
        ratio < 300.0,
        np.expm1(near) ** 2 * np.exp(log_q - log_r),
        np.exp(np.minimum(2 * log_p - log_q - log_r, 700.0)),
    )
    groups = (terms[: count - from_q], terms[count - from_q :])
    variance = sum((len(g) / count) ** 2 * g.var(ddof=1) / len(g) for g in groups if len(g) > 1)
    squares = float(terms @ terms)
    size = float(terms.sum() ** 2 / squares) if squares > 0.0 else float(count)
    return SampledEstimate(float(terms.mean()), float(np.sqrt(variance)), "standard_error", "samples", size)
