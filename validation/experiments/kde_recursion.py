"""The recursion with a kernel density estimate as the model: one generation, and what theory predicts for the chain.

Generation i trains on a pool of N points, fresh_fraction N of them fresh draws of the data and the others outputs of
the generation before; the model is the score of the pool's kernel density estimate with bandwidth h, run backwards
from OU time T to t0.  Exactly sampled, an output is

    a (y + h Z) + sqrt(1 - a^2) Z',      y a point of the pool,  a = exp(-t0/2),

whatever N is: the pair of blur and truncation is a channel, and the chain a channel recursion with particles.

Prediction of any mean of squares T = sum_j u_j x_j^2, sum u_j = 1, with its error bar: given the pool,
E T = a^2 (mean of T over the pool + h^2) + 1 - a^2, so with F fresh and G = N - F kept points

    Var(mean of T over the pool i) = (F/N)^2 Var_{p*}(T)/F + (G/N)^2 [U_i + tau_i / G],
    U_{i+1} = a^4 Var(mean of T over the pool i),     tau_i = Var_{p_i}(T) - U_i,
    Var(mean of T over N outputs) = U_i + tau_i / N.

The kept points are the first G of the N outputs; fresh points are drawn anew each generation.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import hermite_collapse as hc
from hermite_collapse.simulation.attention import PoolDenoiser
from hermite_collapse.simulation.grids import time_grid
from hermite_collapse.simulation.laws import TorchMixture
from hermite_collapse.simulation.samplers import EulerMaruyama, ExponentialMultistep
from hermite_collapse.simulation.scores import Denoiser, MixtureDenoiser

FloatArray = NDArray[np.float64]

MODELS = ("channel", "matmul", "attention")
STARTS = ("normal", "marginal")
SAMPLERS = {"euler": EulerMaruyama(), "multistep": ExponentialMultistep()}


@dataclass(frozen=True)
class Setting:
    """One chain.

    model : "channel" (outputs drawn exactly), "matmul" (the kernel score in float64, as matrix products) or
        "attention" (in float32, as fused attention).
    start : where reverse diffusion begins at time T: "normal", N(0, I) as printed, or "marginal", the pool's own law.
    """

    fresh_fraction: float
    particles: int
    generations: int = 20
    blur: float = 0.6
    truncation: float = 0.02
    horizon: float = 4.0
    steps: int = 500
    sampler: str = "euler"
    start: str = "normal"
    model: str = "attention"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("model", MODELS), ("start", STARTS), ("sampler", SAMPLERS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}.")
        if self.model != "channel" and self.blur == 0.0 and self.truncation == 0.0:
            raise ValueError("blur and truncation must not both be 0: the pool's score is then singular.")

    @property
    def fresh(self) -> int:
        """F, fresh points in each pool."""
        return round(self.fresh_fraction * self.particles)

    def recursion(self) -> hc.Recursion:
        """The channel recursion of the population, with the fraction as it is in the pool."""
        return hc.Recursion(
            hc.presets.load("five_modes_10d"),
            fresh_fraction=self.fresh / self.particles,
            truncation_time=self.truncation,
            blur=self.blur,
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Noise:
    """Standard normals of one generation in fixed pieces: the same numbers for every sampler with as many steps."""

    def __init__(self, rows: int, *, seed: tuple[int, ...], device: torch.device) -> None:
        self._rows, self._device = rows, device
        self._generator: Any
        if device.type == "cpu":
            self._generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))
        else:
            state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]) >> 1
            self._generator = torch.Generator(device=device).manual_seed(state)

    def normal(self, columns: int) -> torch.Tensor:
        """(rows, columns), float64."""
        if self._device.type == "cpu":
            return torch.from_numpy(self._generator.standard_normal((self._rows, columns)))
        shape = (self._rows, columns)
        return torch.randn(shape, dtype=torch.float64, device=self._device, generator=self._generator)


class RefinedNoise:
    """Noise of a chain of 1/refinement as many steps, in finer ones: pairs of chains driven by one Brownian motion.

    `normal` of the coarse chain is the scaled sum of `refinement` normals of the fine chain.
    """

    def __init__(self, fine: Noise, refinement: int) -> None:
        self._fine, self._refinement = fine, refinement

    def normal(self, columns: int) -> torch.Tensor:
        total = self._fine.normal(columns)
        for _ in range(self._refinement - 1):
            total = total + self._fine.normal(columns)
        return total / math.sqrt(self._refinement)


def kernel_denoiser(pool: torch.Tensor, setting: Setting) -> Denoiser:
    """E[X_0 | X_t] of the pool's kernel density estimate at OU time t."""
    if setting.model == "attention":
        return PoolDenoiser(pool[None], setting.blur)
    count = pool.shape[0]
    ones = torch.ones(count, dtype=torch.float64, device=pool.device)
    return MixtureDenoiser(TorchMixture(ones / count, pool, setting.blur**2 * ones[:, None]))


def starts(pool: torch.Tensor, setting: Setting, seed: tuple[int, ...]) -> torch.Tensor:
    """Where the reverse diffusion begins: as many points as the pool has."""
    noise = Noise(pool.shape[0], seed=(*seed, 2), device=pool.device)
    normals = noise.normal(pool.shape[1])
    if setting.start == "normal":
        return normals
    a = math.exp(-setting.horizon / 2.0)
    spread = math.sqrt(a**2 * setting.blur**2 - math.expm1(-setting.horizon))
    order = np.random.default_rng([*seed, 3]).integers(0, pool.shape[0], pool.shape[0])
    return a * pool[torch.from_numpy(order).to(pool.device)] + spread * normals


def generate(pool: torch.Tensor, setting: Setting, generation: int) -> torch.Tensor:
    """N outputs of the model trained on the pool."""
    seed = (setting.seed, generation)
    if setting.model == "channel":
        n, d = pool.shape
        order = np.random.default_rng([*seed, 3]).integers(0, n, n)
        a = math.exp(-setting.truncation / 2.0)
        spread = math.sqrt(a**2 * setting.blur**2 - math.expm1(-setting.truncation))
        normals = Noise(n, seed=(*seed, 2), device=pool.device).normal(d)
        return a * pool[torch.from_numpy(order).to(pool.device)] + spread * normals
    begin = starts(pool, setting, seed)
    noise = Noise(pool.shape[0], seed=(*seed, 4), device=pool.device)
    return SAMPLERS[setting.sampler].run(
        begin,
        kernel_denoiser(pool, setting),
        noise,
        steps=setting.steps,
        start=setting.horizon,
        stop=setting.truncation,
    )


def make_pool(
    outputs: torch.Tensor | None, setting: Setting, generation: int, device: torch.device
) -> torch.Tensor:
    """The training pool of a generation: fresh data, then the first outputs of the generation before."""
    target = hc.presets.load("five_modes_10d")
    rng = np.random.default_rng([setting.seed, generation, 1])
    fresh = setting.particles if outputs is None else setting.fresh
    data = torch.from_numpy(target.sample(fresh, rng)).to(device)
    return data if outputs is None else torch.cat([data, outputs[: setting.particles - fresh]])


@dataclass(frozen=True)
class Prediction:
    """Expected statistics of generations 1, ... with standard errors; rows generations, columns statistics."""

    names: tuple[str, ...]
    value: FloatArray
    standard_error: FloatArray


def statistics_weights(dimension: int = 10) -> tuple[tuple[str, ...], FloatArray]:
    """Names and weights u (statistics, d): each coordinate's second moment, and the within-mode variance.

    All modes share the idle coordinates' law, N(0, w) with the within-mode variance w: its estimate is their mean.
    """
    names = tuple(f"second_moment_{j + 1}" for j in range(dimension)) + ("within_mode_variance",)
    idle = np.zeros(dimension)
    idle[2:] = 1.0 / (dimension - 2)
    return names, np.concatenate([np.eye(dimension), idle[None]])


def predict(setting: Setting) -> Prediction:
    """Population values and predicted standard errors of the statistics, by the recursion of the module docstring."""
    names, u = statistics_weights()
    recursion = setting.recursion()
    n, fresh = setting.particles, setting.fresh
    kept = n - fresh
    a4 = math.exp(-2.0 * setting.truncation)
    _, data_variance = _moments(recursion.target, u)
    pool_variance = data_variance / n
    values, errors = [], []
    for i in range(1, setting.generations + 1):
        mean, variance = _moments(recursion.law(i).mixture, u)
        inherited = a4 * pool_variance
        own = variance - inherited
        values.append(mean)
        errors.append(np.sqrt(inherited + own / n))
        pool_variance = fresh * data_variance / n**2
        if kept:
            pool_variance = pool_variance + (kept / n) ** 2 * (inherited + own / kept)
    return Prediction(names, np.array(values), np.array(errors))


def _moments(mixture: Any, u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of sum_j u_j x_j^2 under a mixture of isotropic components."""
    spread = np.diagonal(np.asarray(mixture.covariances), axis1=1, axis2=2)
    square = np.asarray(mixture.means) ** 2
    inner = (square + spread) @ u.T
    inner_variance = (2.0 * spread**2 + 4.0 * spread * square) @ (u**2).T
    weights = np.asarray(mixture.weights)
    mean = weights @ inner
    return mean, weights @ (inner_variance + (inner - mean) ** 2)


def euler_variance(
    setting: Setting, *, start_variance: float | None = None, data_variance: float = 0.36
) -> float:
    """Within-mode variance after one generation by Euler's rule, with the population's kernel score.

    In an idle coordinate the score is -x / V_t, V_t = a^2 (w_0 + h^2) + 1 - a^2 for every mode, and the Euler chain
    is linear: w <- (1 + (1/2 - 1/V_t) dt)^2 w + dt.

    start_variance : variance at T; None: V_T, the exact law's.
    data_variance : w_0, the variance that the generation trains on.
    """
    times = time_grid("uniform", setting.steps, start=setting.horizon, stop=setting.truncation)
    variance = 1.0 + (data_variance + setting.blur**2 - 1.0) * np.exp(-times)
    w = float(variance[0]) if start_variance is None else start_variance
    for now, step in zip(variance[:-1], times[:-1] - times[1:], strict=True):
        w = (1.0 + (0.5 - 1.0 / now) * step) ** 2 * w + step
    return float(w)
