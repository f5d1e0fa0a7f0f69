"""The covariance of a sampler's own rounds: that of the likeliest fresh fraction."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

import hermite_collapse as hc
from hermite_collapse.diagnosis.fits.fitting import fit
from hermite_collapse.diagnosis.fits.reweighting import followed
from hermite_collapse.diagnosis.samplers.sampler_errors import with_own_errors
from hermite_collapse.diagnosis.samplers.sampler_model import SamplerModel

SIGNAL = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
LEVELS = [*SIGNAL[np.arange(0, 1000, 50)[::-1]], 1.0]
WIDTHS = {"five": np.array([1.2, 0.8, 0.5, 0.3, 0.15]), "four": np.array([1.3, 0.8, 0.5, 0.3])}


def ddim(x, mean, w, rng):
    """The deterministic sampler's own update with the exact denoiser of a Gaussian, along its axes."""
    for a, b in pairwise(LEVELS):
        deviation = x - np.sqrt(a) * mean
        clean = mean + np.sqrt(a) * w / (a * w + 1 - a) * deviation
        x = np.sqrt(b) * clean + np.sqrt((1 - b) * (1 - a)) / (a * w + 1 - a) * deviation
    return x


def ddpm(x, mean, w, rng):
    """Ancestral steps with the variance of the posterior, 25 of them."""
    levels = [*SIGNAL[np.arange(0, 1000, 40)[::-1]], 1.0]
    for a, b in pairwise(levels):
        deviation = x - np.sqrt(a) * mean
        clean = mean + np.sqrt(a) * w / (a * w + 1 - a) * deviation
        x = np.sqrt(b) * (1 - a / b) / (1 - a) * clean + np.sqrt(a / b) * (1 - b) / (1 - a) * x
        x = x + np.sqrt((1 - a / b) * (1 - b) / (1 - a)) * rng.standard_normal(x.shape)
    return x


def heun(x, mean, w, rng):
    """EDM's second-order sampler."""
    sigmas = (80 ** (1 / 7) + np.arange(18) / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    x = 80.0 * x
    for a, b in pairwise([*sigmas, 0.0]):
        slope = (x - mean) * a / (w + a * a)
        ahead = x + (b - a) * slope
        if b > 0:
            ahead = x + (b - a) * 0.5 * (slope + (ahead - mean) * b / (w + b * b))
        x = ahead
    return x


STEPS = hc.mechanisms.SamplerSteps
SAMPLERS = {
    "ddim": (ddim, STEPS.ddim(steps=20)),
    "ddpm": (ddpm, STEPS.ddpm(steps=25)),
    "heun": (heun, STEPS.edm(steps=18)),
}


def unseen_history(name, widths, *, fresh, real, trained, rounds, seed):
    """Measured generations of a sampler whose training sets are new samples and a part of the last generation."""
    return sampler_history(name, widths, fresh, real, trained, rounds, seed, unseen=True)


def sampler_history(name, widths, fresh, real, trained, rounds, seed, *, unseen):
    """The same, or with training sets drawn anew from the measured data themselves."""
    rng = np.random.default_rng([31, seed])
    turn = np.linalg.qr(rng.normal(size=(len(widths),) * 2))[0]
    centre = 0.7 * rng.normal(size=len(widths))

    def law(count):
        return centre + (rng.standard_normal((count, len(widths))) * widths) @ turn.T

    data, last, generations = law(real), None, []
    for _ in range(rounds):
        new = trained if last is None else round(fresh * trained)
        drawn = law(new) if unseen else data[rng.integers(real, size=new)]
        if last is not None:
            drawn = np.concatenate([drawn, last[rng.permutation(trained)[: trained - new]]])
        w, axes = np.linalg.eigh(np.cov(drawn.T, bias=True))
        start = rng.standard_normal((trained, len(w)))
        last = SAMPLERS[name][0](start, drawn.mean(axis=0) @ axes, w, rng) @ axes.T
        generations.append(last)
    return hc.measure(data, generations, degrees=0, unseen=unseen, training_samples=trained)


def test_the_covariance_is_that_of_the_likeliest_fresh_fraction():
    """By whole fits at held fractions: not where chi-square alone is smallest."""
    measured = unseen_history("heun", WIDTHS["five"], fresh=0.5, real=1000, trained=500, rounds=6, seed=4)
    model, observations = SamplerModel.of(SAMPLERS["heun"][1]), followed(measured, None)
    shares = np.linspace(0.38, 0.56, 19)
    held = [with_own_errors(model.maps, observations, share) for share in shares]
    chi_squares = np.array([fit(model, observations, fresh_fraction=share).chi_square for share in shares])
    misfits = chi_squares + [one.log_determinant for one in held]
    free = with_own_errors(model.maps, observations, None)
    distances = [np.linalg.norm(one.covariance - free.covariance) for one in held]
    best = int(np.argmin(misfits))
    assert 0 < best < len(shares) - 1 and abs(int(np.argmin(distances)) - best) <= 1
    assert abs(int(np.argmin(chi_squares)) - best) > 3


def test_curves_without_a_history_keep_the_errors_that_they_have():
    model = SamplerModel.of(SAMPLERS["ddim"][1])
    values = np.linspace(1.0, 0.8, 5)[:, None] * [1.0, 0.5]
    result = hc.diagnose(
        values, kind="variances", standard_errors=np.full(values.shape, 0.01), sampler=SAMPLERS["ddim"][1]
    )
    assert with_own_errors(model.maps, result.observations, None) is result.observations


def test_directions_of_very_different_widths_are_fitted():
    """Whether a covariance of variances 1 and 1e-24 is positive definite, its correlations say, not its eigenvalues."""
    values = np.linspace(1.0, 0.8, 6)[:, None] * [1.0, 1e-12]
    scale = 0.01 * values.ravel()
    apart = np.abs(np.subtract.outer(np.arange(12) // 2, np.arange(12) // 2))
    joint = np.outer(scale, scale) * 0.9**apart * (np.arange(12)[:, None] % 2 == np.arange(12) % 2)
    joint += 0.3 * np.outer(scale, scale)
    result = hc.diagnose(values, kind="variances", covariance=joint, mechanism="affine")
    assert result.freedom == 12 - 6
