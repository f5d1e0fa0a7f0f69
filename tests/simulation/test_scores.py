"""Denoisers against the densities of the package and against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.simulation import scores
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.scores import MixtureDenoiser, ScoreDenoiser, score_of

CPU = torch.device("cpu")
LAWS = {name: hc.presets.load(name) for name in hc.presets.names()}
LAWS["far_off"] = hc.GaussianMixture(
    [0.5, 0.5],
    [[1000.0, -2000.0], [1001.0, -2001.0]],
    [[0.3, 0.1], [0.2, 0.6]],
    covariance_type="diagonal",
)


def _points(law, scale, variance, n=60):
    rng = np.random.default_rng(0)
    return scale * law.sample(n, rng) + 1.5 * np.sqrt(variance) * rng.standard_normal((n, law.dimension))


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("time", [1e-3, 0.3, 4.0])
def test_mixture_denoiser_gives_the_score_of_the_density(name, time):
    law, rate = LAWS[name], 0.7
    channel = hc.OrnsteinUhlenbeck(rate).channel(time)
    x = _points(law, channel.scale, channel.variance)
    denoiser = MixtureDenoiser(components_of(law, CPU), rate=rate)
    found = score_of(denoiser, torch.from_numpy(x), time).numpy()
    expected = np.asarray(law.through(channel).score(x)).reshape(found.shape)
    # The score is (a D - x)/v: rounding of D and x enters divided by v.
    rounding = 1e-14 * np.abs(x).max() / channel.variance
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=rounding + 1e-9)


def test_a_wrong_variance_is_seen():
    law = LAWS["tilted_2d"]
    wrong = hc.GaussianMixture(law.weights, law.means, 1.001 * law.covariances)
    x = torch.from_numpy(_points(law, 1.0, 0.1))
    right_score = score_of(MixtureDenoiser(components_of(law, CPU)), x, 0.1)
    wrong_score = score_of(MixtureDenoiser(components_of(wrong, CPU)), x, 0.1)
    assert not torch.allclose(right_score, wrong_score, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ["grid_2d", "tilted_2d"])
def test_tiles_of_components_add_up_to_the_whole(name, monkeypatch):
    law = hc.Recursion(LAWS[name], fresh_fraction=0.3, truncation_time=0.1).training_law(5)
    x = torch.from_numpy(_points(LAWS[name], 1.0, 0.1))
    whole = MixtureDenoiser(components_of(law, CPU)).denoise(x, 0.2)
    monkeypatch.setattr(scores, "_TILE", 4)
    tiled = MixtureDenoiser(components_of(law, CPU)).denoise(x, 0.2)
    torch.testing.assert_close(tiled, whole, rtol=1e-12, atol=1e-13)


def test_score_and_denoiser_say_the_same():
    law = LAWS["grid_2d"]
    exact = MixtureDenoiser(components_of(law, CPU), rate=0.5)
    again = ScoreDenoiser(lambda x, t: score_of(exact, x, t), rate=0.5)
    x = torch.from_numpy(_points(law, 0.9, 0.2))
    torch.testing.assert_close(again.denoise(x, 0.4), exact.denoise(x, 0.4), rtol=1e-12, atol=1e-12)


def test_empirical_law_is_denoised_to_posterior_means_of_its_samples():
    points = np.random.default_rng(3).normal(size=(37, 2))
    recursion = hc.Recursion(hc.EmpiricalLaw(points), fresh_fraction=0.4, truncation_time=0.2)
    law = recursion.training_law(2)
    x = np.random.default_rng(4).normal(size=(11, 2))
    a, v = np.exp(-0.5 * 0.3), -np.expm1(-0.3)
    # By hand: every age puts (scale * y, variance) at every sample; the posterior mean is averaged with its weights.
    log_r, means = [], []
    for w, s, u, _ in zip(law.weights, law.scales, law.variances, law.base_of, strict=True):
        spread = a**2 * u + v
        gap = x[:, None, :] - a * s * points[None]
        log_r.append(np.log(w / 37) - np.log(spread) - (gap**2).sum(-1) / (2 * spread))
        means.append(s * points[None] + a * u / spread * gap)
    log_r, means = np.concatenate(log_r, 1), np.concatenate(means, 1)
    r = np.exp(log_r - log_r.max(1, keepdims=True))
    expected = np.einsum("nk,nkj->nj", r / r.sum(1, keepdims=True), means)
    found = MixtureDenoiser(components_of(law, CPU)).denoise(torch.from_numpy(x), 0.3).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["tilted_2d", "off_centre_1d"])
def test_components_draw_their_law(name):
    law = LAWS[name]
    n = 40_000
    rng = np.random.default_rng(8)
    uniforms = torch.from_numpy(rng.random(n))
    normals = torch.from_numpy(rng.standard_normal((n, law.dimension)))
    x = components_of(law, CPU).draw(uniforms, normals).numpy()
    found = hc.EmpiricalLaw(x).hermite_coefficients(4)
    exact = law.hermite_coefficients(4).values
    z = (found.values - exact)[1:] / found.standard_error[1:]
    assert np.abs(z).max() < 4.0


def test_a_denoiser_is_carried_to_a_device():
    """The host stands for itself; a device without memory shows that everything goes there."""
    law = hc.GaussianMixture([0.5, 0.5], [[0.0, 1.0], [2.0, 0.0]], [[[1.0, 0.5], [0.5, 1.0]], np.eye(2)])
    denoiser = MixtureDenoiser(components_of(law, CPU), rate=0.7, piece=100)
    assert denoiser.to(CPU) is denoiser
    components = components_of(law, CPU).to(torch.device("meta"))
    tensors = [value for value in vars(components).values() if value is not None]
    assert len(tensors) == 5 and {tensor.device.type for tensor in tensors} == {"meta"}
