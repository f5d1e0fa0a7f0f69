"""The last step decides the sign of the collapse: four final steps, three noise levels, one round and the limit.

One round and the limit are measured without noise in one dimension, where the final step is an increasing map and so
carries quantiles to quantiles: the points it is applied to are quantiles of the noisy law, the map is the sampler's own
`ending`.  The variance after one round is measured again with particles, by the whole reverse diffusion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr

import hermite_collapse as hc
from hermite_collapse.recursion.final_steps import limit_distance
from hermite_collapse.simulation import ExponentialMultistep, MixtureDenoiser, simulate
from hermite_collapse.simulation.laws import TorchMixture, components_of
from hermite_collapse.simulation.samplers import FINAL_STEPS, ending
from hermite_collapse.simulation.scores import Level
from hermite_collapse.simulation.stages import carry

from ..experiment import Experiment, Result, Settings

FloatArray = NDArray[np.float64]

LAW = hc.GaussianMixture([0.4, 0.6], [-1.0, 0.9], [0.3, 0.2])
SIGMAS = (0.05, 0.1, 0.2)
SLOPES = {"noisy": 2, "rescaled": 2, "half": 4, "full": 2}
FRESH_FRACTION = 0.5


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "final_steps/one_round", "W2 and variance after one round, slopes in sigma 2, 2, 2, 4", one_round
        ),
        Experiment(
            "final_steps/simulated", "variance after one round by reverse diffusion, z-scores", simulated
        ),
        Experiment("final_steps/limit", "W2 of the limit in units of sigma^2 sqrt(J) / (2 alpha)", limit),
    ]


def one_round(settings: Settings) -> Result:
    """Distances and variance drifts of one round on the data, and their powers of sigma."""
    u = (np.arange(20_000) + 0.5) / 20_000
    data = quantiles(LAW.weights, LAW.means[:, 0], LAW.variances[:, 0], u)
    rows, slopes = [], {}
    for final_step in FINAL_STEPS:
        out = [after_round(LAW_COMPONENTS, sigma, final_step, u) for sigma in SIGMAS]
        distances = np.array([np.sqrt(np.mean((x - data) ** 2)) for x in out])
        slopes[final_step] = np.diff(np.log(distances)) / np.diff(np.log(SIGMAS))
        rows += [
            {
                "final_step": final_step,
                "sigma": s,
                "w2": float(w),
                "variance_drift": float(x.var() - data.var()),
            }
            for s, w, x in zip(SIGMAS, distances, out, strict=True)
        ]
    passed = all(abs(slopes[name][0] - power) < 0.1 for name, power in SLOPES.items())
    found = ", ".join(f"{name} {slopes[name][0]:.3f}" for name in FINAL_STEPS)
    return Result(
        passed, f"W2 of one round grows with sigma to the power: {found}.", {"rows": rows, "slopes": slopes}
    )


def simulated(settings: Settings) -> Result:
    """Particles through the whole reverse diffusion against the quantile computation."""
    n = 4_000_000 if settings.is_full else 40_000
    u = (np.arange(20_000) + 0.5) / 20_000
    rows = []
    for final_step in FINAL_STEPS:
        for sigma in SIGMAS:
            recursion = hc.Recursion(
                LAW, fresh_fraction=FRESH_FRACTION, truncation_time=float(hc.time_from_sigma(sigma))
            )
            record = simulate(
                recursion,
                rounds=1,
                particles=n,
                generator="exact",
                sampler=ExponentialMultistep(final_step=final_step),
                steps=150,
                degree=2,
                keep="last",
                device=settings.device,
                seed=settings.seed + len(rows),
            )
            x = record.samples.ravel()
            predicted = after_round(LAW_COMPONENTS, sigma, final_step, u).var()
            error = np.std((x - x.mean()) ** 2) / np.sqrt(n)
            rows.append(
                {
                    "final_step": final_step,
                    "sigma": sigma,
                    "predicted": float(predicted),
                    "measured": float(x.var()),
                    "standard_error": float(error),
                    "z": float((x.var() - predicted) / error),
                }
            )
    largest = max(abs(row["z"]) for row in rows)
    return Result(
        largest < 4.0,
        f"Variance after one round, four final steps at three noise levels: largest z {largest:.2f}.",
        {"rows": rows, "particles": n},
    )


def limit(settings: Settings) -> Result:
    """The recursion iterated to its limit; the ratio of W2 to what each step is compared with.

    With y = x + sigma z the noisy sample and T the final step, the model's law is the image under T of the law of y,
    whose density is smooth: the trapezoidal rule in y is exact to rounding, and the points T(y_j) with weights
    p(y_j) dy carry the model's law from round to round.
    """
    sigma = 0.1
    grid = np.linspace(-8.0, 8.0, 801)
    width = grid[1] - grid[0]
    information = float(
        np.sum(np.asarray(LAW.score(grid)).ravel() ** 2 * np.asarray(LAW.density(grid)).ravel()) * width
    )
    unit = limit_distance(information, sigma=sigma, fresh_fraction=FRESH_FRACTION, final_step="rescaled")
    level = Level.at(float(hc.time_from_sigma(sigma)), 0.5)
    ratios = {}
    for final_step in ("rescaled", "full", "half"):
        training = LAW_COMPONENTS
        for _ in range(40):  # what is left of the start is 2^-40
            weights, means, variances = (
                t.numpy().ravel() for t in (training.weights, training.means, training.variances)
            )
            spread = np.sqrt(variances + sigma**2)
            gap = (grid[:, None] - means) / spread
            density = np.exp(-0.5 * gap**2) @ (weights / spread) / np.sqrt(2.0 * np.pi)
            noisy = torch.from_numpy(level.scale * grid[:, None])
            x = carry(noisy, MixtureDenoiser(training), ending(level, final_step)).numpy().ravel()
            below = ndtr(gap) @ weights
            training = _training(x, density * width)
        inside = (below > 1e-12) & (below < 1.0 - 1e-12)
        data = quantiles(LAW.weights, LAW.means[:, 0], LAW.variances[:, 0], below[inside])
        distance = np.sqrt(np.sum((x[inside] - data) ** 2 * density[inside]) * width)
        ratios[final_step] = float(distance / unit)
    passed = abs(ratios["rescaled"] - 1.0) < 0.1 and abs(ratios["full"] - 1.0) < 0.1 and ratios["half"] < 0.05
    return Result(
        passed,
        "W2 of the limit over sigma^2 sqrt(J) / (2 alpha): "
        + ", ".join(f"{name} {ratio:.4f}" for name, ratio in ratios.items())
        + ".",
        {
            "ratios": ratios,
            "sigma": sigma,
            "fresh_fraction": FRESH_FRACTION,
            "fisher_information": information,
        },
    )


LAW_COMPONENTS = components_of(LAW, torch.device("cpu"))


def _training(x: FloatArray, shares: FloatArray) -> TorchMixture:
    """Fresh data and the weighted points of the last round as components."""
    kept = shares > 1e-18
    weights = np.concatenate(
        [FRESH_FRACTION * LAW.weights, (1.0 - FRESH_FRACTION) * (shares / shares.sum())[kept]]
    )
    means = np.concatenate([LAW.means[:, 0], x[kept]])
    variances = np.concatenate([LAW.variances[:, 0], np.zeros(kept.sum())])
    return TorchMixture(*(torch.from_numpy(a) for a in (weights, means[:, None], variances[:, None])))


def after_round(law: TorchMixture, sigma: float, final_step: str, u: FloatArray) -> FloatArray:
    """Quantiles after one round on a one-dimensional training law."""
    level = Level.at(float(hc.time_from_sigma(sigma)), 0.5)
    weights, means, variances = (t.numpy().ravel() for t in (law.weights, law.means, law.variances))
    x = quantiles(weights, level.scale * means, level.scale**2 * variances + level.variance, u)
    return (
        carry(torch.from_numpy(x[:, None]), MixtureDenoiser(law), ending(level, final_step)).numpy().ravel()
    )


def quantiles(weights: Any, means: Any, variances: Any, u: FloatArray) -> FloatArray:
    """Quantiles of a one-dimensional mixture, by bisection of its distribution function."""
    spreads = np.sqrt(variances)
    low = np.full_like(u, float(np.min(means - 12.0 * spreads)))
    high = np.full_like(u, float(np.max(means + 12.0 * spreads)))
    for _ in range(46):
        middle = 0.5 * (low + high)
        below = ndtr((middle[:, None] - means) / spreads) @ weights < u
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)
