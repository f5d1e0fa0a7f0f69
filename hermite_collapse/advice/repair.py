r"""Repair: what can be done about the limit law after the fact.

Two ways back from p_inf to the data law p*, with alpha the fresh fraction and t the truncation time.

**One deterministic step.**  Ages of p_inf average 1/alpha rounds, so p_inf is, to first order, the data carried along
the probability flow dx = -rate (x + grad log p) ds for a time t/alpha.  One step against it,

    x -> x + (rate t / alpha) (x + grad log p_inf(x)),

leaves W2 = O((t/alpha)^2): the spread of the ages is not undone.  Each point moves; nothing is reweighted.

**One deconvolution.**  However many rounds were run, p_inf = C(alpha p* + (1-alpha) p_inf), hence

    p* = (C^{-1} p_inf - (1-alpha) p_inf) / alpha,

a *signed* combination: in Hermite modes a division by g_n.  The undoing of C over its time t alone is inexact to
O(t^2) and the spread of ages is exact, but densities may come out negative, and noise grows by 1 / g_n.

What neither can restore: modes whose g_n has sunk below the noise (degrees far above `half_degree`), and directions or
components narrower than the step: x + c (x + grad log p) stays increasing only while every variance exceeds
c / (1 + c), c = rate t / alpha.  From samples the score is a kernel estimate, which adds the bias of its bandwidth.

References: the recursion is that of arXiv:2606.13796 (Theorem 3.1, Proposition 3.3); the repairs are this package's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..laws.channels import GaussianChannel, OrnsteinUhlenbeck
from ..recursion.operators import AttenuationOperator

FloatArray = NDArray[np.float64]
Score = Callable[[FloatArray], FloatArray]


def deterministic_step(
    x: ArrayLike, score: Any, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> FloatArray:
    """The points x + (rate t / alpha) (x + score(x)): one step against the probability flow of 1/alpha rounds.

    Parameters
    ----------
    x : points (n, d), or (n,) in one dimension: samples of the limit law.
    score : a law with a score (`recursion.limit()`), or a function (n, d) -> (n, d), grad log p_inf.
    fresh_fraction, truncation_time, rate : of the recursion; fresh_fraction > 0.

    Returns
    -------
    Array shaped like x.

    Accuracy : W2 to the data is O((t / alpha)^2), against (rate t / alpha) sqrt(I) before.
    """
    points = checks.samples(x, "x")
    moved = points + _step(fresh_fraction, truncation_time, rate) * (points + _score_of(score)(points))
    return moved.reshape(np.shape(x))


def repair_samples(
    samples: ArrayLike,
    *,
    fresh_fraction: float,
    truncation_time: float,
    rate: float = 0.5,
    bandwidth: float | None = None,
) -> FloatArray:
    """The deterministic step with a kernel score of the samples themselves.

    Parameters
    ----------
    samples : (n, d) or (n,), n >= 2, drawn from the limit law.
    bandwidth : of the kernel score; `default_bandwidth(samples)` if None.

    Returns
    -------
    Moved samples, shaped like the input.  See `kernel_score_at_samples` for the bias that the bandwidth brings.
    """
    points = checks.samples(samples, minimum=2)
    score = kernel_score_at_samples(points, bandwidth=bandwidth)
    return (points + _step(fresh_fraction, truncation_time, rate) * (points + score)).reshape(
        np.shape(samples)
    )


def default_bandwidth(samples: ArrayLike) -> float:
    """sigma (4 / (d + 4))^{1/(d+6)} n^{-1/(d+6)}: the order that balances bias and variance of a density's gradient.

    sigma is the root mean variance of the coordinates.  Derived for one Gaussian; several separate modes want less.
    """
    points = checks.samples(samples, minimum=2)
    n, d = points.shape
    sigma = float(np.sqrt(points.var(axis=0, ddof=1).mean()))
    if sigma == 0.0:
        raise InputError("samples must not all be equal, got a variance of 0.")
    return sigma * (4.0 / ((d + 4.0) * n)) ** (1.0 / (d + 6.0))


def kernel_score_at_samples(samples: ArrayLike, *, bandwidth: float | None = None) -> FloatArray:
    """Score of the kernel density estimate at each sample, with that sample left out; (n, d).

    It estimates the score of the law blurred by the bandwidth h: a direction of variance v is pulled by 1 / (v + h^2)
    instead of 1 / v.  A sample more than about six bandwidths from all others has score 0.
    """
    from ..laws.empirical import EmpiricalLaw

    points = checks.samples(samples, minimum=2)
    n, d = points.shape
    h = default_bandwidth(points) if bandwidth is None else checks.positive(bandwidth, "bandwidth")
    law = EmpiricalLaw(points).through(GaussianChannel(1.0, h**2)).mixture
    # A sample's own kernel adds to the density there and nothing to its gradient: leaving it out rescales the score.
    own = np.exp(-0.5 * d * np.log(2.0 * np.pi * h**2) - np.log(n) - law.log_density(points)).reshape(n, 1)
    others = 1.0 - own
    score = law.score(points).reshape(n, d)
    return np.divide(score, others, out=np.zeros_like(score), where=others > 1e-8)


@dataclass(frozen=True)
class RestoredModes:
    """Hermite coefficients of the data, recovered from those of the recursion's law.

    coefficients : HermiteCoefficients with values c_k / g_n and standard errors scaled alike.
    amplification : (m,) 1 / g_n of each mode: how much noise grew.
    significant : (m,) whether the value exceeds three standard errors; all True for exact coefficients.
    """

    coefficients: Any
    amplification: FloatArray
    significant: NDArray[np.bool_]


def restore_modes(
    coefficients: Any,
    *,
    fresh_fraction: float,
    truncation_time: float,
    rate: float = 0.5,
    rounds: int | None = None,
) -> RestoredModes:
    """Divide out the attenuation: the one-deconvolution inverse, mode by mode.

        c_k(p*) = c_k(p_inf) / g_n,     or c_k(p_rounds) / f_n(rounds) for a run that started at the data

    Parameters
    ----------
    coefficients : HermiteCoefficients of the limit law (rounds None) or of the law after `rounds` rounds.

    Returns
    -------
    RestoredModes.  Nothing is refused: modes that are not `significant` are noise, however large their value.
    """
    operator = AttenuationOperator(fresh_fraction=fresh_fraction, truncation_time=truncation_time, rate=rate)
    acting = operator if rounds is None else operator.power(checks.integer(rounds, "rounds"))
    share = np.atleast_1d(acting.eigenvalues(coefficients.degrees))
    if np.any(share == 0.0):
        worst = int(coefficients.degrees[np.argmin(share)])
        raise InputError(
            f"fresh_fraction must leave something of every mode, got attenuation 0 at degree {worst}."
        )
    restored = acting.inverse(coefficients, smallest=float(share.min()))
    error = restored.standard_error
    significant = (
        np.ones(len(share), bool) if error is None else np.abs(restored.values) > 3.0 * np.asarray(error)
    )
    return RestoredModes(restored, 1.0 / share, significant)


@dataclass(frozen=True)
class SignedMixture:
    """A signed combination of two Gaussian mixtures, positive part minus negative part: sum of weights 1.

    What one deconvolution gives.  For the exact limit law it is the data law to the accuracy of the age rule; for a
    fitted law it may be negative somewhere, which `negative_mass` measures.
    """

    positive: Any
    negative: Any
    positive_weight: float
    negative_weight: float

    @property
    def dimension(self) -> int:
        return self.positive.dimension

    def density(self, x: ArrayLike) -> FloatArray:
        """The signed density at x (..., d)."""
        return self.positive_weight * self.positive.density(x) - self.negative_weight * self.negative.density(
            x
        )

    def hermite_coefficients(self, degree: int) -> Any:
        """Coefficients of the signed law."""
        plus, minus = self.positive.hermite_coefficients(degree), self.negative.hermite_coefficients(degree)
        return replace(plus, values=self.positive_weight * plus.values - self.negative_weight * minus.values)

    def negative_mass(self, *, sample_count: int = 65536, rng: Any = 0) -> Estimate:
        """The mass of the negative part of the density, E over the positive component of max(0, -density) / itself."""
        x = self.positive.sample(checks.integer(sample_count, "sample_count", 16), np.random.default_rng(rng))
        ratio = np.exp(self.negative.log_density(x) - self.positive.log_density(x)).reshape(-1)
        terms = np.maximum(0.0, self.negative_weight * ratio - self.positive_weight)
        error = float(terms.std(ddof=1) / np.sqrt(len(terms)))
        return Estimate(float(terms.mean()), error, "standard_error", "samples")


def deconvolve(
    law: Any, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> SignedMixture:
    """The one-deconvolution inverse of a limit law: (C^{-1} p_inf - (1-alpha) p_inf) / alpha.

    Parameters
    ----------
    law : GaussianMixture or AgedLaw over mixtures; the exact limit law, or a mixture fitted to the model's output.

    Raises
    ------
    InputError if a component is narrower than the noise of one round (variance below 1 - a^2 in some direction): such a
    law is no output of the channel, and has no deconvolution.
    """
    from ..distances._components import mixture_of
    from ..laws.mixture import GaussianMixture

    alpha = _positive_fraction(fresh_fraction)
    channel = OrnsteinUhlenbeck(rate).channel(truncation_time)
    mixture = mixture_of(law, "law")
    smallest = float(mixture.variances.min())
    if smallest <= channel.variance:
        raise InputError(
            f"law must have variances above the noise of one round, {channel.variance:.6g}, to be deconvolved,"
            f" got {smallest:.6g}."
        )
    sharp = GaussianMixture._from_spectra(
        mixture.weights,
        mixture.means / channel.scale,
        (mixture.variances - channel.variance) / channel.scale**2,
        mixture.frames,
        mixture.frame_of,
    )
    return SignedMixture(sharp, mixture, 1.0 / alpha, (1.0 - alpha) / alpha)


def restored_mean(
    function: Callable[[FloatArray], FloatArray],
    samples: ArrayLike,
    *,
    fresh_fraction: float,
    truncation_time: float,
    rate: float = 0.5,
    score: Any = None,
    bandwidth: float | None = None,
) -> Estimate:
    """E f under the data law, from samples of the limit law: the one-deconvolution inverse for samples.

        (E f(x') - (1-alpha) E f(x)) / alpha,     x' = x + rate t (x + score(x)) against the flow of one round

    Parameters
    ----------
    function : f, (n, d) -> (n,).
    samples : (n, d) or (n,), drawn from the limit law.
    score : a law with a score or a function, grad log p_inf; a kernel score of the samples if None.
    bandwidth : of the kernel score.

    Returns
    -------
    Estimate with the standard error of the paired terms [f(x') - (1-alpha) f(x)] / alpha, which for smooth f is barely
    larger than that of f.  The bias is O(t^2 / alpha) of the step, plus that of a kernel score; the spread of ages
    leaves none.
    """
    alpha = _positive_fraction(fresh_fraction)
    points = checks.samples(samples, minimum=2)
    slope = (
        kernel_score_at_samples(points, bandwidth=bandwidth) if score is None else _score_of(score)(points)
    )
    step = checks.positive(rate, "rate") * checks.nonnegative(truncation_time, "truncation_time")
    before = np.asarray(function(points), dtype=float)
    after = np.asarray(function(points + step * (points + slope)), dtype=float)
    if before.shape != (len(points),):
        raise InputError(
            f"function must return one number a sample, shape ({len(points)},), got {before.shape}."
        )
    terms = (after - (1.0 - alpha) * before) / alpha
    error = float(terms.std(ddof=1) / np.sqrt(len(terms)))
    return Estimate(float(terms.mean()), error, "standard_error", "samples")


@dataclass(frozen=True)
class RepairQuality:
    """Wasserstein-2 distances to the data law: of the limit law, and of its image under the deterministic step."""

    before: Estimate
    after: Estimate

    @property
    def remaining(self) -> float:
        """The share of the distance that is left."""
        return self.after.value / self.before.value


def repair_quality(recursion: Any) -> RepairQuality:
    """How much of the distance between limit law and data one deterministic step removes, exactly.

    recursion : one-dimensional, constant rounds of replacement, Ornstein-Uhlenbeck without blur, fresh_fraction > 0.
    Raises : InputError if the step is not increasing (some mode is narrower than the step allows).
    """
    from ..bounds.constants import constant_rounds
    from ..distances._components import line_of
    from ..distances._kernels import log_density_and_score
    from ..distances._transport import wasserstein2

    alpha, time, rate = constant_rounds(recursion)
    limit, data = line_of(recursion.limit(), "limit"), line_of(recursion.target, "target")
    c = _step(alpha, time, rate)

    def displacement(x: FloatArray) -> FloatArray:
        return c * (x + log_density_and_score(x, limit.log_weights, limit.means, limit.scales)[1])

    # The score falls at most like 1 / variance of the narrowest component: this slope is positive or the step folds.
    grid = np.sort((limit.means[:, None] + limit.scales[:, None] * np.linspace(-5.0, 5.0, 41)).ravel())
    if np.any(np.diff(grid + displacement(grid)) < -1e-12 * (1.0 + np.abs(grid[1:]))):
        raise InputError(
            f"truncation_time must be small enough for the step to keep the order of points, got {time:.6g}"
            f" at fresh_fraction {alpha:.6g}: some mode has a variance below {c / (1.0 + c):.3g}."
        )
    return RepairQuality(wasserstein2(limit, data), wasserstein2(limit, data, displacement))


def _step(fresh_fraction: Any, truncation_time: Any, rate: Any) -> float:
    """rate t / alpha."""
    time = checks.nonnegative(truncation_time, "truncation_time")
    return checks.positive(rate, "rate") * time / _positive_fraction(fresh_fraction)


def _positive_fraction(fresh_fraction: Any) -> float:
    alpha = checks.fraction(fresh_fraction)
    if alpha == 0.0:
        raise InputError("fresh_fraction must be > 0 for a repair, since nothing of the data is left at 0.0.")
    return alpha


def _score_of(score: Any) -> Score:
    """A function from a law with a score or a function."""
    found = getattr(score, "score", score)
    if not callable(found):
        raise InputError(f"score must be a law with a score or a function, got {type(score).__name__}.")

    def evaluate(points: FloatArray) -> FloatArray:
        values = np.asarray(found(points), dtype=float)
        if values.shape != points.shape:
            raise InputError(
                f"score must return an array shaped like its points, {points.shape}, got {values.shape}."
            )
        return values

    return evaluate
