"""Mixtures over ages: sum_m w_m C_m base, the form of every law a recursion produces."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray, IntArray, Seed
from .ages import AgeRule
from .channel_action import through_channel
from .channels import GaussianChannel
from .mixture import DensityLaw, GaussianMixture, Law, joined_mixture

if TYPE_CHECKING:
    from ..hermite.coefficients import HermiteCoefficients

PROBED_WEIGHT = 1e-12  # of a component, at least
PROBED_COMPONENTS = 24  # at whose means and out to four deviations the error bound is measured
UNIT_ROUNDING = 2.0**-53


@public
class AgedLaw(DensityLaw):
    """The law sum_m w_m C_m base_m with Gaussian channels C_m.

    Serves the law after finitely many rounds, the limit law, training mixtures and kernel density estimates.

    Parameters
    ----------
    bases : tuple of Law
        The distinct base laws, none of them an AgedLaw.
    weights, scales, variances : array, shape (M,)
        Weight and channel of each age.
    base_of : array of int, shape (M,)
        Index of the base of each age.
    rule : AgeRule, optional
        For a limit law, the rule its finitely many ages come from; they stand for infinitely many, and questions about
        far tails are decided by `tail_channel`, not by the ages listed.

    Attributes
    ----------
    age_count : int
        M.
    error_bound : float
        Bound on the relative error of the density within four standard deviations of the components of weight 1e-12 or
        more (far tails can be worse): the change when the number of ages is doubled, plus rounding.  0 for laws whose
        ages are exact.

    Raises
    ------
    InputError
        If a base is an AgedLaw or no law.

    Examples
    --------
    >>> from hermite_collapse import Recursion, presets
    >>> limit = Recursion(presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1).limit()
    >>> limit.age_count, limit.error_bound < 1e-12, limit.density(0.0).round(6).tolist()
    (32, True, 0.27754)
    """

    _fields = ("bases", "weights", "scales", "variances", "base_of", "rule")

    bases: tuple[Law, ...]
    weights: FloatArray
    scales: FloatArray
    variances: FloatArray
    base_of: IntArray
    rule: AgeRule | None

    def __init__(
        self,
        bases: tuple[Law, ...],
        weights: FloatArray,
        scales: FloatArray,
        variances: FloatArray,
        base_of: IntArray,
        *,
        rule: AgeRule | None = None,
    ) -> None:
        for base in bases:
            if not isinstance(base, Law) or isinstance(base, AgedLaw):
                raise InputError(f"bases must be GaussianMixture or EmpiricalLaw, got {type(base).__name__}.")
        for name, value in zip(self._fields, (bases, weights, scales, variances, base_of, rule), strict=True):
            self._set(name, value)

    @classmethod
    def of_rule(cls, base: Law, rule: AgeRule) -> AgedLaw:
        """Return the limit law of one base under a rule of ages."""
        weights, scales, variances = rule.nodes()
        return cls((base,), weights, scales, variances, np.zeros(len(weights), dtype=np.int64), rule=rule)

    @classmethod
    def single(cls, base: Law, channel: GaussianChannel) -> AgedLaw:
        """Return one base carried through one channel."""
        return cls(
            (base,),
            np.ones(1),
            np.array([channel.scale]),
            np.array([channel.variance]),
            np.zeros(1, dtype=np.int64),
        )

    def __repr__(self) -> str:
        return f"AgedLaw({self.age_count} ages of {', '.join(map(repr, self.bases))})"

    @property
    def age_count(self) -> int:
        return len(self.weights)

    @property
    def dimension(self) -> int:
        return self.bases[0].dimension

    @property
    def has_density(self) -> bool:
        return all(base.has_density or v > 0.0 for _, _, v, base in self._ages())

    @property
    def unbounded_ages(self) -> bool:
        return self.rule is not None and self.rule.fresh_fraction < 1.0

    @property
    def tail_channel(self) -> GaussianChannel | None:
        """Where the channels of ever older ages tend: (0, v / (1 - A^2)) for rounds (A, v), (0, 1) for OU rounds."""
        return self.rule.tail if self.rule is not None and self.unbounded_ages else None

    @cached_property
    def mean(self) -> FloatArray:
        return np.asarray(sum(w * a * base.mean for w, a, _, base in self._ages()))

    @cached_property
    def covariance(self) -> FloatArray:
        mean, eye = self.mean, np.eye(self.dimension)
        total = np.zeros((self.dimension, self.dimension))
        for w, a, v, base in self._ages():
            shift = a * base.mean - mean
            total += w * (a**2 * base.covariance + np.outer(shift, shift) + v * eye)
        return total

    @cached_property
    def mixture(self) -> GaussianMixture:
        """The law as one Gaussian mixture of (ages x components); for an empirical base, of (ages x samples)."""
        return joined_mixture(
            [base.as_mixture().through(GaussianChannel(a, v)) for _, a, v, base in self._ages()], self.weights
        )

    def as_mixture(self) -> GaussianMixture:
        return self.mixture

    def _ages(self) -> list[tuple[float, float, float, Law]]:
        return [
            (float(w), float(a), float(v), self.bases[b])
            for w, a, v, b in zip(self.weights, self.scales, self.variances, self.base_of, strict=True)
        ]

    @cached_property
    def _has_few_components(self) -> bool:
        """Whether all bases are mixtures: an empirical base has too many components to list them at every age."""
        return all(isinstance(base, GaussianMixture) for base in self.bases)

    def _log_density_and_score(self, x: FloatArray, score: bool) -> tuple[FloatArray, FloatArray | None]:
        if self._has_few_components:
            return self.mixture._log_density_and_score(x, score)
        logs, gradients = [], []
        for w, a, v, base in self._ages():
            aged = base.as_mixture().through(GaussianChannel(a, v))
            log, gradient = aged._log_density_and_score(x, score)
            logs.append(np.log(w) + log)
            gradients.append(gradient)
        total = np.logaddexp.reduce(logs, axis=0)
        if not score:
            return total, None
        shares = np.exp(np.array(logs) - total)
        return total, np.einsum("mn,mnj->nj", shares, np.array(gradients))

    def sample(self, n: int, rng: Seed = None) -> FloatArray:
        generator = checks.generator(rng)
        count = checks.entries(n, "n", each=24.0 * self.dimension)
        label = generator.choice(self.age_count, size=count, p=self.weights / self.weights.sum())
        start = np.empty((count, self.dimension))
        for index, base in enumerate(self.bases):
            selected = self.base_of[label] == index
            start[selected] = base.sample(int(selected.sum()), generator)
        noise = generator.standard_normal((count, self.dimension))
        return self.scales[label, None] * start + np.sqrt(self.variances[label, None]) * noise

    def through(self, channel: GaussianChannel) -> AgedLaw:
        checks.instance(channel, GaussianChannel, "channel")
        return AgedLaw(
            self.bases,
            self.weights,
            channel.scale * self.scales,
            channel.scale**2 * self.variances + channel.variance,
            self.base_of,
            rule=None if self.rule is None else self.rule.then(channel),
        )

    def project(self, direction: ArrayLike) -> AgedLaw:
        """Return the marginal law along a direction (d,) or orthonormal columns (d, k): ages of projected bases."""
        return self.replace(bases=tuple(base.project(direction) for base in self.bases))

    def hermite_coefficients(self, degree: int) -> HermiteCoefficients:
        """Return each base's coefficients, carried through each channel and averaged; exact at degrees < 2 ages."""
        from ..hermite.coefficients import HermiteCoefficients

        base_coefficients = [base.hermite_coefficients(degree) for base in self.bases]
        indices = base_coefficients[0].indices
        values = np.zeros(len(indices))
        for w, a, v, b in zip(self.weights, self.scales, self.variances, self.base_of, strict=True):
            values += w * through_channel(base_coefficients[b].values, indices, GaussianChannel(a, v))
        return HermiteCoefficients(indices, values, square_integrable=self._square_integrable)

    def degree_energy(self, degree: int) -> FloatArray:
        """Return the energies sum_{abs(k)=n} c_k^2 for n = 0..degree, shape (degree + 1,)."""
        return self.mixture.degree_energy(degree)

    def second_moments(self, indices: ArrayLike) -> FloatArray:
        moments = [
            base.as_mixture().through(GaussianChannel(a, v)).second_moments(indices)
            for _, a, v, base in self._ages()
        ]
        return np.asarray(self.weights @ np.array(moments))

    @property
    def _square_integrable(self) -> bool:
        """Whether density / gamma is in L2(gamma): every covariance eigenvalue below 2, at every age."""
        return all(
            a**2 * (float(base.variances.max()) if isinstance(base, GaussianMixture) else 0.0) + v < 2.0
            for _, a, v, base in self._ages()
        )

    @cached_property
    def error_bound(self) -> float:
        if not self.unbounded_ages or self.rule is None:
            return 0.0
        weights, scales, variances = self.rule.doubled().nodes()
        refined = AgedLaw(self.bases, weights, scales, variances, np.zeros(len(weights), dtype=np.int64))
        probes, resolution = self._probe_points()
        change = np.abs(np.expm1(self.log_density(probes) - refined.log_density(probes)))
        # A mean rounded by an ulp moves the density by four deviations times the move in units of the deviation; the
        # variances of the ages are right to 64 ulp.
        return float(np.max(change)) + UNIT_ROUNDING * (64.0 + 8.0 * resolution)

    def _probe_points(self) -> tuple[FloatArray, float]:
        """Return points within four deviations of the components, and the largest mean in units of its deviation."""
        if not self._has_few_components:
            deviation = np.sqrt(np.diag(self.covariance))
            smallest = np.sqrt(self.variances.min())
            largest = max(float(np.abs(base.as_mixture().means).max()) for base in self.bases)
            return self.mean + np.linspace(-3.0, 3.0, 25)[:, None] * deviation, largest / smallest
        law = self.mixture
        visible = np.flatnonzero(law.weights >= PROBED_WEIGHT)
        index = visible[np.unique(np.linspace(0, len(visible) - 1, PROBED_COMPONENTS).astype(int))]
        deviation = np.sqrt(law.variances[index].max(axis=1))
        offsets = np.linspace(-4.0, 4.0, 17)[None, :, None] * deviation[:, None, None]
        points = law.means[index][:, None, :] + offsets * np.ones(self.dimension) / np.sqrt(self.dimension)
        resolution = np.abs(law.means).max(axis=1) / np.sqrt(law.variances.min(axis=1))
        return points.reshape(-1, self.dimension), float(resolution.max())
