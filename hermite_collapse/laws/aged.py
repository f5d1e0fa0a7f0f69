"""Mixtures over ages: sum_m w_m C_m base, the form of every law a recursion produces."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError
from .channels import GaussianChannel
from .empirical import EmpiricalLaw
from .mixture import GaussianMixture, mixture_of
from .protocol import DensityLaw, Law

if TYPE_CHECKING:
    from ..hermite.coefficients import HermiteCoefficients

FloatArray = NDArray[np.float64]


class AgedLaw(DensityLaw):
    """The law sum_m w_m C_m base_m with Gaussian channels C_m.

    Serves the law after finitely many rounds, the limit law, training mixtures and kernel density estimates.

    Parameters
    ----------
    bases : the distinct base laws, each a GaussianMixture or an EmpiricalLaw.
    weights, scales, variances : (M,) weight and channel of each age.
    base_of : (M,) index of the base of each age.
    unbounded_ages : True for a limit law whose finitely many ages stand for infinitely many; questions about far
        tails are then decided by `tail_channel`, not by the ages listed.
    refine : for a limit law, the same law with twice as many ages.

    Attributes
    ----------
    age_count : M.
    error_bound : measured relative change of the density when the number of ages is doubled, at probe points that
        cover every component to four standard deviations (far tails can be worse); 0 for laws whose ages are exact.
    """

    def __init__(
        self,
        bases: tuple[Law, ...],
        weights: FloatArray,
        scales: FloatArray,
        variances: FloatArray,
        base_of: NDArray[np.int64],
        *,
        unbounded_ages: bool = False,
        refine: Callable[[], AgedLaw] | None = None,
    ) -> None:
        for base in bases:
            if not isinstance(base, GaussianMixture | EmpiricalLaw):
                raise InputError(f"bases must be GaussianMixture or EmpiricalLaw, got {type(base).__name__}.")
        self.bases = bases
        self.weights, self.scales, self.variances, self.base_of = weights, scales, variances, base_of
        self.unbounded_ages = unbounded_ages
        self._refine = refine

    def __repr__(self) -> str:
        return f"AgedLaw({self.age_count} ages of {', '.join(map(repr, self.bases))})"

    @property
    def age_count(self) -> int:
        return len(self.weights)

    @property
    def dimension(self) -> int:
        return self.bases[0].dimension

    @property
    def tail_channel(self) -> GaussianChannel | None:
        """Where the channels of ever older ages tend; None if ages are finite, or if their variance grows for ever.

        (0, v / (1 - A^2)), the same for every age (A, v) of a semigroup: (0, 1) for Ornstein-Uhlenbeck rounds.
        """
        if not self.unbounded_ages or self.scales[-1] == 1.0:
            return None
        excess = (1.0 - self.scales[-1]) * (1.0 + self.scales[-1])
        return GaussianChannel(0.0, float(self.variances[-1] / excess))

    @property
    def mean(self) -> FloatArray:
        return np.asarray(sum(w * a * base.mean for w, a, _, base in self._ages()))

    @property
    def covariance(self) -> FloatArray:
        second, eye = np.zeros((self.dimension, self.dimension)), np.eye(self.dimension)
        for w, a, v, base in self._ages():
            second += w * (a**2 * (base.covariance + np.outer(base.mean, base.mean)) + v * eye)
        return second - np.outer(self.mean, self.mean)

    @cached_property
    def mixture(self) -> GaussianMixture:
        """The law as one Gaussian mixture of (ages x components); for an empirical base, of (ages x samples)."""
        return mixture_of(
            [_as_mixture(base).through(GaussianChannel(a, v)) for _, a, v, base in self._ages()], self.weights
        )

    def _ages(self) -> list[tuple[float, float, float, Law]]:
        return [
            (float(w), float(a), float(v), self.bases[b])
            for w, a, v, b in zip(self.weights, self.scales, self.variances, self.base_of, strict=True)
        ]

    def _log_density_and_score(self, x: FloatArray, score: bool) -> tuple[FloatArray, FloatArray | None]:
        if all(isinstance(base, GaussianMixture) for base in self.bases):
            return self.mixture._log_density_and_score(x, score)
        # An empirical base has too many components to list at every age: one age at a time.
        logs, gradients = [], []
        for w, a, v, base in self._ages():
            log, gradient = _as_mixture(base).through(GaussianChannel(a, v))._log_density_and_score(x, score)
            logs.append(np.log(w) + log)
            gradients.append(gradient)
        total = np.logaddexp.reduce(logs, axis=0)
        if not score:
            return total, None
        shares = np.exp(np.array(logs) - total)
        return total, np.einsum("mn,mnj->nj", shares, np.array(gradients))

    def sample(self, n: int, rng: Any = None) -> FloatArray:
        generator = np.random.default_rng(rng)
        count = checks.integer(n, "n")
        label = generator.choice(self.age_count, size=count, p=self.weights / self.weights.sum())
        start = np.empty((count, self.dimension))
        for index, base in enumerate(self.bases):
            chosen = self.base_of[label] == index
            start[chosen] = base.sample(int(chosen.sum()), generator)
        noise = generator.standard_normal((count, self.dimension))
        return self.scales[label, None] * start + np.sqrt(self.variances[label, None]) * noise

    def through(self, channel: GaussianChannel) -> AgedLaw:
        refine = self._refine
        return AgedLaw(
            self.bases,
            self.weights,
            channel.scale * self.scales,
            channel.scale**2 * self.variances + channel.variance,
            self.base_of,
            unbounded_ages=self.unbounded_ages,
            refine=None if refine is None else lambda: refine().through(channel),
        )

    def project(self, direction: ArrayLike) -> AgedLaw:
        """The marginal law along a direction (d,) or orthonormal columns (d, k): the ages of the projected bases."""
        refine = self._refine
        return AgedLaw(
            tuple(base.project(direction) for base in self.bases),  # type: ignore[attr-defined]
            self.weights,
            self.scales,
            self.variances,
            self.base_of,
            unbounded_ages=self.unbounded_ages,
            refine=None if refine is None else lambda: refine().project(direction),
        )

    def hermite_coefficients(self, degree: int) -> HermiteCoefficients:
        """Coefficients of each base, carried through each channel and averaged; exact at every degree < 2 ages."""
        from ..hermite.coefficients import HermiteCoefficients
        from .channel_action import through_channel

        base_coefficients = [base.hermite_coefficients(degree) for base in self.bases]
        indices = base_coefficients[0].indices
        values = np.zeros(len(indices))
        for w, a, v, b in zip(self.weights, self.scales, self.variances, self.base_of, strict=True):
            values += w * through_channel(base_coefficients[b].values, indices, GaussianChannel(a, v))
        return HermiteCoefficients(indices, values, square_integrable=self._square_integrable)

    def degree_energy(self, degree: int) -> FloatArray:
        """Energies sum_{abs(k)=n} c_k^2 for n = 0..degree, shape (degree + 1,)."""
        return self.mixture.degree_energy(degree)

    def second_moments(self, indices: ArrayLike) -> FloatArray:
        moments = [
            _as_mixture(base).through(GaussianChannel(a, v)).second_moments(indices)
            for _, a, v, base in self._ages()
        ]
        return self.weights @ np.array(moments)

    @property
    def _square_integrable(self) -> bool:
        """Whether density / gamma is in L2(gamma): every covariance eigenvalue below 2, at every age."""
        return all(
            a**2 * (float(base.variances.max()) if isinstance(base, GaussianMixture) else 0.0) + v < 2.0
            for _, a, v, base in self._ages()
        )

    @cached_property
    def error_bound(self) -> float:
        if self._refine is None:
            return 0.0
        probes = self._probe_points()
        return float(np.max(np.abs(np.expm1(self.log_density(probes) - self._refine().log_density(probes)))))

    def _probe_points(self) -> FloatArray:
        """Points within four standard deviations of the components, along the axes: where the law has its mass."""
        law = self.mixture if all(isinstance(b, GaussianMixture) for b in self.bases) else None
        if law is None:
            spread = np.sqrt(np.diag(self.covariance))
            return self.mean + np.linspace(-3.0, 3.0, 25)[:, None] * spread
        chosen = np.unique(np.linspace(0, len(law.weights) - 1, 24).astype(int))
        spread = np.sqrt(law.variances[chosen].max(axis=1))
        steps = np.linspace(-4.0, 4.0, 17)
        offsets = (
            steps[None, :, None] * spread[:, None, None] * np.ones(self.dimension) / np.sqrt(self.dimension)
        )
        return (law.means[chosen][:, None, :] + offsets).reshape(-1, self.dimension)


def _as_mixture(base: Law) -> GaussianMixture:
    return base if isinstance(base, GaussianMixture) else base.as_mixture()  # type: ignore[attr-defined]
