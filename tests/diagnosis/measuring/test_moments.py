"""Directions that are no eigenvectors: curves of samplers against functions of whole matrices, and histories."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.diagnosis.measuring import moments as module
from hermite_collapse.diagnosis.measuring.moments import OWN_WEIGHT, Moments, moments_of
from hermite_collapse.diagnosis.observed.observations import Observations
from hermite_collapse.diagnosis.samplers.sampler_model import SamplerModel

SAMPLER = hc.mechanisms.SamplerSteps.ddim(steps=25)
ALPHA, ROUNDS = 0.2, 6


def samples(dimension=8, count=600, seed=0):
    """Correlated samples whose mean lies along no axis."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0]
    return (rng.normal(size=(count, dimension)) * np.geomspace(1.5, 0.1, dimension)) @ axes + np.linspace(
        0.3, 1.5, dimension
    )


def directions_of(data, number):
    mean = data.mean(axis=0) / np.linalg.norm(data.mean(axis=0))
    deviations = data - data.mean(axis=0)
    deviations = deviations - np.outer(deviations @ mean, mean)
    return np.linalg.eigh(deviations.T @ deviations)[1][:, -number:][:, ::-1].T


def one_round(sampler, alpha, covariance, mean, model, centre):
    """The Gaussian closure, with functions of whole matrices."""
    drift = mean - centre
    mixed = alpha * covariance + (1 - alpha) * model + alpha * (1 - alpha) * np.outer(drift, drift)
    values, axes = np.linalg.eigh(mixed)
    gained = axes @ (sampler.gain(values) * (axes.T @ (alpha * mean + (1 - alpha) * centre)))
    return (axes * sampler.variance(values)) @ axes.T, gained


def history(sampler, alpha, covariance, mean, rounds):
    model, centre, out = covariance, mean, [covariance]
    for _ in range(rounds):
        model, centre = one_round(sampler, alpha, covariance, mean, model, centre)
        out.append(model)
    return np.array(out), centre


def along(matrices, directions):
    return np.einsum("kd,...de,ke->...k", directions, matrices, directions)


def observed(moments, number, rounds=ROUNDS):
    starts = np.diagonal(moments.covariance)[:number].copy()
    return Observations(
        values=np.tile(starts, (rounds + 1, 1)),
        rounds=np.arange(rounds + 1.0),
        used=np.arange(rounds + 1)[:, None] * np.ones(number) > 0,
        covariance=np.eye(rounds * number),
        degrees=np.zeros(number, dtype=np.int64),
        starts=starts,
        names=tuple(map(str, range(number))),
        has_errors=True,
        moments=moments,
    )


def predicted(observations, alpha=ALPHA):
    nothing = np.empty((1, 0))
    return SamplerModel.of(SAMPLER).predict(
        np.array([[alpha]]), nothing, observations.starts[None], observations
    )[0]


def whole(data):
    return np.cov(data.T, bias=True), data.mean(axis=0)


def test_curves_are_those_of_whole_matrices_and_not_of_one_direction():
    data = samples()
    directions = directions_of(data, 5)
    observations = observed(moments_of(data, data.mean(axis=0), directions), 5)
    exact = along(history(SAMPLER, ALPHA, *whole(data), ROUNDS)[0], directions)
    np.testing.assert_allclose(predicted(observations), exact, rtol=1e-6)
    alone = predicted(observations.replace(moments=None))
    assert np.abs(alone[-1] / exact[-1] - 1.0).max() > 0.1
    still = observations.moments.replace(mean=np.zeros_like(observations.moments.mean))  # without the drift
    assert np.abs(predicted(observations.replace(moments=still))[-1] / exact[-1] - 1.0).max() > 3e-4


def test_the_limit_is_where_many_rounds_lead_and_an_error_shrinks_by_the_contraction():
    data = samples()
    directions = directions_of(data, 5)
    observations = observed(moments_of(data, data.mean(axis=0), directions), 5)
    law = whole(data)
    matrices, centre = history(SAMPLER, 0.05, *law, 1500)
    run = SamplerModel.of(SAMPLER).long_run(
        np.array([[0.05]]), np.empty((1, 0)), observations.starts[None], observations
    )
    np.testing.assert_allclose(run.plateau[0], along(matrices[-1], directions), rtol=1e-6)
    for k, direction in enumerate(directions):
        moved = 1e-4 * run.plateau[0, k] * np.outer(direction, direction)
        ahead, behind = (
            along(one_round(SAMPLER, 0.05, *law, matrices[-1] + sign * moved, centre)[0], directions)[k]
            for sign in (1.0, -1.0)
        )
        contraction = (ahead - behind) / (2e-4 * run.plateau[0, k])
        assert run.contraction[0, k] == pytest.approx(contraction, rel=1e-4)


def test_a_few_powers_are_a_gauss_rule(monkeypatch):
    """Forms of C^j are exact up to j = 2 p + 1 with powers p of C, and here C q needs one power less than C m."""
    data = samples(dimension=12)
    directions = directions_of(data, 2)
    covariance = np.cov(data.T, bias=True)
    monkeypatch.setattr(module, "LARGEST_MATRIX", 0)
    monkeypatch.setattr(module, "MOST_POWERS", 2)
    moments = moments_of(data, data.mean(axis=0), directions)
    assert len(moments.mean) == 5  # two directions, the mean, and two powers of C on it
    for power in range(10):
        exact = along(np.linalg.matrix_power(covariance, power), directions)
        own = np.diagonal(np.linalg.matrix_power(moments.covariance, power))[:2]
        assert np.allclose(own, exact, rtol=1e-11, atol=0.0) == (power <= 7)


def test_images_need_no_more_axes_than_are_kept():
    data = samples(dimension=64, count=1500)
    directions = directions_of(data, 16)
    moments = moments_of(data, data.mean(axis=0), directions)
    assert len(moments.mean) == 25
    exact = along(history(SAMPLER, ALPHA, *whole(data), ROUNDS)[0], directions)
    np.testing.assert_allclose(predicted(observed(moments, 16)), exact, rtol=1e-3)


def narrow(monkeypatch, **settings):
    """Error of a curve of a direction that holds 1e-6 of the widest variance, off by what other samples give."""
    for name, value in settings.items():
        monkeypatch.setattr(module, name, value)
    rng = np.random.default_rng(2)
    data = rng.normal(size=(1000, 40)) * np.geomspace(1.5, 0.0015, 40)
    other = rng.normal(size=(1000, 40)) * np.geomspace(1.5, 0.0015, 40)
    directions = np.linalg.eigh(np.cov(other.T))[1][:, [0, 20, 39]].T
    moments = moments_of(data, data.mean(axis=0), directions)
    exact = along(history(SAMPLER, ALPHA, *whole(data), ROUNDS)[0], directions)
    return len(moments.mean), np.abs(predicted(observed(moments, 3)) / exact - 1.0).max()


def test_directions_far_narrower_than_others_need_functions_on_all_scales(monkeypatch):
    count, error = narrow(monkeypatch, MOST_AXES=20)
    assert count == 20 and error < 0.02
    count, of_powers = narrow(monkeypatch, MOST_AXES=20, LARGEST_MATRIX=0)
    assert count == 20 and of_powers > 5.0 * error


def test_halves_that_choose_directions_are_weighed_so_that_errors_do_not_add():
    """|C q - (q C q) q|^2 of the law for directions of one half: the other half says too much, both too little."""
    rng = np.random.default_rng(0)
    scale, sums = np.geomspace(1.5, 0.1, 12), np.zeros(4)
    for _ in range(80):
        first, second = rng.normal(size=(2, 300, 12)) * scale
        own, other = np.cov(first.T), np.cov(second.T)
        q = np.linalg.eigh(other)[1][:, 0]
        for j, matrix in enumerate(
            [np.diag(scale**2), own, OWN_WEIGHT * own + (1 - OWN_WEIGHT) * other, 0.5 * (own + other)]
        ):
            sums[j] += np.square(matrix @ q).sum() - (q @ matrix @ q) ** 2
    law, alone, weighed, mean = sums
    assert weighed == pytest.approx(law, rel=0.15) and alone > 1.5 * law and mean < 0.7 * law
    moments = moments_of(first, np.zeros(12), np.eye(12)[:3], second)
    np.testing.assert_allclose(
        np.diagonal(moments.covariance)[:3],
        np.diagonal(OWN_WEIGHT * own + (1 - OWN_WEIGHT) * other)[:3],
        rtol=1e-12,
    )
    assert moments.samples == round(300 / (0.5 + (1 - OWN_WEIGHT) ** 2))


def test_a_part_keeps_the_curves_that_it_has():
    data = samples()
    observations = observed(moments_of(data, data.mean(axis=0), directions_of(data, 5)), 5)
    index = np.array([1, 3, 4])
    np.testing.assert_allclose(
        predicted(observations.only(index)), predicted(observations)[:, index], rtol=1e-9
    )


def test_moments_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"covariance must be symmetric of shape \(2, 2\)"):
        Moments(np.zeros(2), np.eye(3))
    with pytest.raises(InputError, match=r"covariance must be symmetric of shape \(2, 2\)"):
        Moments(np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(InputError, match="covariance must hold variances >= 0, got -1.0"):
        Moments(np.zeros(2), -np.eye(2))
    with pytest.raises(InputError, match="samples must be an integer"):
        Moments(np.zeros(2), np.eye(2), -1)


def ddim_history(real, *, fresh_fraction, rounds, rng, steps=25):
    """Generations of a deterministic sampler with the exact score of a Gaussian, written from its update."""
    signal = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    levels = [*signal[np.arange(0, 1000, 1000 // steps)[::-1]], 1.0]
    generations, last, count = [], None, len(real)
    for _ in range(rounds):
        new = real[rng.permutation(count)[: round(fresh_fraction * count)]]
        drawn = (
            real[rng.integers(count, size=count)]
            if last is None
            else np.concatenate([new, last[rng.permutation(count)[: count - len(new)]]])
        )
        mean, (w, axes) = drawn.mean(axis=0), np.linalg.eigh(np.cov(drawn.T, bias=True))
        x = rng.standard_normal(drawn.shape)
        for a, b in pairwise(levels):
            spread = a * w + 1 - a
            deviation = x - np.sqrt(a) * (mean @ axes)
            clean = mean @ axes + np.sqrt(a) * w / spread * deviation
            x = np.sqrt(b) * clean + np.sqrt((1 - b) * (1 - a)) / spread * deviation
        last = x @ axes.T
        generations.append(last)
    return generations


CENTRES = {"zero": 0.0, "generic": 1.0, "along an axis": 2.0 * np.eye(6)[0]}


def deviations_of(centre, seeds, *, is_centred=False):
    """Errors of the fresh fraction in its standard errors, p-values, and the same with directions as eigenvectors."""
    found = []
    for seed in seeds:
        rng = np.random.default_rng(9000 + seed)
        real = centre + rng.normal(size=(1500, 6)) * np.geomspace(1.2, 0.15, 6)
        if is_centred:
            real -= real.mean(axis=0)
        generations = ddim_history(real, fresh_fraction=0.2, rounds=8, rng=rng)
        measured = hc.measure(real, generations, degrees=0, training_samples=1500)
        row = []
        for one in (measured, measured.replace(moments=None)):
            fit = hc.diagnose(one, sampler=SAMPLER, mechanism="sampler").fits_by_mechanism["sampler"]
            value, error = fit.fitted["fresh_fraction"]
            row += [(value - 0.2) / error, fit.p_value]
        found.append(row)
    return np.array(found).T


def test_the_fresh_fraction_of_a_sampler_is_right_where_the_mean_lies_along_no_axis():
    z, p, z_alone, _ = deviations_of(CENTRES["generic"], range(6))
    assert 0.4 < np.sqrt(np.mean(z**2)) < 1.7 and np.sum(p < 0.05) <= 2
    assert np.sqrt(np.mean(z_alone**2)) > 2.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zero", "centred", "generic", "along an axis"])
def test_errors_of_the_fresh_fraction_of_a_sampler_are_right(kind):
    """Over 48 histories, whose root of the mean square scatters by a tenth."""
    z, p, _, _ = deviations_of(CENTRES.get(kind, 0.0), range(48), is_centred=kind == "centred")
    assert 0.75 < np.sqrt(np.mean(z**2)) < 1.25 and np.sum(p < 0.05) <= 7
