"""The law that a sampler's stages leave, without particles: Gaussians by covariances, mixtures on a line by a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.polynomial.hermite_e import hermeval

Array = np.ndarray


def levels_of(stages: Sequence[Any], stop: float, rate: float) -> list[tuple[float, float]]:
    """Signal scale and noise variance before each stage, and at the end."""
    end = (math.exp(-rate * stop), -math.expm1(-2.0 * rate * stop))
    return [*((stage.level.scale, stage.level.variance) for stage in stages), end]


def defect_of_stages(stages: Sequence[Any], stop: float, rate: float, variances: Array) -> Array:
    """V_K / V - 1 for Gaussian data, by the covariance of a particle and the one before."""
    levels = levels_of(stages, stop, rate)
    own = levels[0][0] ** 2 * variances + levels[0][1]
    both, earlier, gain_before = (np.zeros_like(variances) for _ in range(3))
    for stage, (scale, noise) in zip(stages, levels, strict=False):
        gain = scale * variances / (scale**2 * variances + noise)
        a, b = stage.x + stage.data * gain, stage.x_before + stage.data_before * gain_before
        own, both, earlier = (
            a**2 * own + 2.0 * a * b * both + b**2 * earlier + stage.noise**2,
            a * own + b * both,
            own,
        )
        gain_before = gain
    scale, noise = levels[-1]
    return own / (scale**2 * variances + noise) - 1.0


class LineMixture:
    """A mixture on a line at any level."""

    def __init__(self, weights: Array, means: Array, variances: Array) -> None:
        self.weights, self.means, self.variances = map(np.asarray, (weights, means, variances))

    @property
    def variance(self) -> float:
        mean = self.weights @ self.means
        return float(self.weights @ (self.variances + (self.means - mean) ** 2))

    def _at(self, x: Array, level: tuple[float, float]) -> tuple[Array, Array, Array]:
        scale, noise = level
        spread = scale**2 * self.variances + noise
        centred = x[:, None] - scale * self.means
        return centred, spread, np.log(self.weights / np.sqrt(2 * np.pi * spread)) - centred**2 / (2 * spread)

    def density(self, x: Array, level: tuple[float, float]) -> Array:
        return np.exp(self._at(x, level)[2]).sum(axis=1)

    def denoised(self, x: Array, level: tuple[float, float]) -> Array:
        centred, spread, logits = self._at(x, level)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        posterior = self.means + level[0] * self.variances / spread * centred
        return (shares * posterior).sum(axis=1) / shares.sum(axis=1)

    def points(self, level: tuple[float, float], width: float, most: int) -> Array:
        """Equally spaced points to 8.5 deviations, close enough for sums of smooth functions of that width."""
        spread = np.sqrt(level[0] ** 2 * self.variances + level[1])
        low, high = (
            float(np.min(level[0] * self.means - 8.5 * spread)),
            float(np.max(level[0] * self.means + 8.5 * spread)),
        )
        count = math.ceil((high - low) / (0.6 * min(width, float(spread.min()))))
        return np.linspace(low, high, min(most, max(60, count)))


def _normal(y: Array, mean: Array, deviation: float) -> Array:
    return np.exp(-((y - mean) ** 2) / (2.0 * deviation**2)) / (deviation * math.sqrt(2.0 * math.pi))


def effects_on_modes(
    law: LineMixture, stages: Sequence[Any], stop: float, rate: float, *, degree: int = 8, most: int = 260
) -> Array | None:
    """Biases of the coefficients to a degree, in deviations of one particle; None where the grid is too coarse."""
    levels = levels_of(stages, stop, rate)
    if stages[0].noise == 0.0:
        x = law.points(levels[0], 1e-2, 4000)
        masses = law.density(x, levels[0]) * (x[1] - x[0])
        ends, weights = _transported(law, stages, levels, x), masses
    else:
        ends, weights = _diffused(law, stages, levels, most)
    exact = law.points(levels[-1], 1e-2, 4000)
    density = law.density(exact, levels[-1]) * (exact[1] - exact[0])
    if abs(weights.sum() - 1.0) > 1e-7 or abs(density.sum() - 1.0) > 1e-7:
        return None
    biases = []
    for k in range(1, degree + 1):
        unit = np.zeros(k + 1)
        unit[k] = 1.0 / math.sqrt(math.factorial(k))
        values = hermeval(exact, unit)
        mean = density @ values
        spread = math.sqrt(density @ values**2 - mean**2)
        biases.append((weights @ hermeval(ends, unit) - mean) / spread)
    return np.array(biases)


def _transported(law: LineMixture, stages: Sequence[Any], levels: Any, x: Array) -> Array:
    before = data_before = x
    for stage, level in zip(stages, levels, strict=False):
        data = law.denoised(x, level)
        moved = stage.x * x + stage.x_before * before + stage.data * data + stage.data_before * data_before
        before, data_before, x = x, data, moved
    return x


def _diffused(law: LineMixture, stages: Sequence[Any], levels: Any, most: int) -> tuple[Array, Array]:
    """Points and masses at the end; a stage that uses the denoiser before is followed in pairs of particles."""
    x = law.points(levels[0], stages[0].noise, most)
    masses, pairs, data_before = law.density(x, levels[0]) * (x[1] - x[0]), None, x
    for number, stage in enumerate(stages):
        following = stages[min(number + 1, len(stages) - 1)].noise
        y = law.points(levels[number + 1], min(stage.noise, following), most)
        width = y[1] - y[0]
        data = law.denoised(x, levels[number])
        mean = stage.x * x + stage.data * data
        if pairs is None or stage.data_before == 0.0:
            pairs = masses[:, None] * _normal(y[None], mean[:, None], stage.noise) * width
        else:
            moved = np.empty((len(x), len(y)))
            for k in range(len(x)):
                centre = mean[k] + stage.data_before * data_before
                moved[k] = pairs[:, k] @ _normal(y[None], centre[:, None], stage.noise) * width
            pairs = moved
        masses, data_before, x = pairs.sum(axis=0), data, y
    return x, masses
