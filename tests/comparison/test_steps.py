"""Samplers of K steps: simulations in torch against the exact laws of the line and of products, and wrong theories.

The laws come from grids, their errors from the influence of each particle; the particles are those of the simulation,
whose refits, samplers and denoisers share no code with either.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
import pytest
import torch
from scipy import stats

import hermite_collapse as hc
from hermite_collapse.comparison.direction_rounds import product_of
from hermite_collapse.comparison.line_refit import mixture_on_line, refit_on_line
from hermite_collapse.comparison.line_rounds import LinePath, predict_line_rounds
from hermite_collapse.comparison.refit_draws import mixture_coefficients
from hermite_collapse.comparison.steps import compare_steps
from hermite_collapse.core.significance import whitened
from hermite_collapse.pipeline.line_grid import can_be_followed, law_points, line_output
from hermite_collapse.pipeline.line_laws import WeightedPoints
from hermite_collapse.simulation import StepsGeneration, simulate
from hermite_collapse.simulation.refits import refitted

Steps = hc.mechanisms.SamplerSteps
TWO, THREE = hc.presets.load("two_modes_1d"), hc.presets.load("three_modes_1d")
WIDE = {"schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}  # Stable Diffusion's


def recursion_of(law, fresh_fraction=0.3, **options):
    return hc.Recursion(law, fresh_fraction=fresh_fraction, truncation_time=0.0, **options)


def record_of(recursion, sampler, *, rounds=3, particles=4000, runs=4, degree=8, scale=1.0, seed=1):
    return simulate(
        recursion,
        rounds=rounds,
        particles=particles,
        runs=runs,
        degree=degree,
        generator=StepsGeneration(sampler, scale),
        device="cpu",
        seed=seed,
    )


def degrees_of(error, count):
    """Covariance of the first degrees of rounds 1, 2, ... as a matrix, rounds outermost."""
    joint = error.joint[1:, 1:, :count, :count]
    size = len(joint) * count
    return joint.transpose(0, 2, 1, 3).reshape(size, size)


@lru_cache(maxsize=4)
def drawn_record(sampler, *, rounds, particles, runs, degree=8, seed=0):
    """A record as the theory has it: coefficients from their predicted law, without a simulation."""
    path = LinePath(recursion_of(TWO), sampler, 1.0)
    predicted = predict_line_rounds(path, degree, rounds=rounds, particles=particles, runs=runs).error
    size = degree + 1
    joint = predicted.joint.transpose(0, 2, 1, 3).reshape((rounds + 1) * size, -1)
    values, vectors = np.linalg.eigh(joint)
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((runs, len(values))) * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    drawn = predicted.expected + noise.reshape(runs, rounds + 1, size)
    record = record_of(path.recursion, Steps.flow(steps=1), rounds=rounds, particles=10, runs=runs)
    coefficients = np.concatenate([np.ones((runs, rounds + 1, 1)), drawn[:, :, :-1]], axis=2)
    return dataclasses.replace(
        record, particles=particles, coefficients=coefficients, covariances=drawn[:, :, -1:, None]
    )


def skewed(count=400):
    """Points of a law that is no mixture, with unequal masses."""
    x = np.concatenate([np.linspace(-2.0, -0.4, count), np.linspace(0.1, 2.2, count)])
    masses = np.exp(-0.5 * x**2) * (1.2 + np.sin(3.0 * x))
    return WeightedPoints(x, masses / masses.sum(), np.repeat([0, 1], count))


def test_the_refit_is_that_of_the_simulation():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(-1.0, 0.5, 3000), rng.gamma(2.0, 0.6, 2000)])
    points = WeightedPoints(x, np.full(5000, 1 / 5000), np.repeat([0, 1], [3000, 2000]))
    start = hc.GaussianMixture([0.5, 0.5], [-0.9, 0.9], 0.19)
    line = mixture_on_line(start.weights, start.means[:, 0], start.variances[:, 0])
    rows = torch.tensor(x)[:, None]
    for labels in (None, torch.tensor([0] * 3000 + [1] * 2000)):
        fit = refit_on_line(points, line, classes_known=labels is not None)
        other = refitted(rows, start, labels)
        np.testing.assert_allclose(fit.weights, other.weights, rtol=1e-9)
        np.testing.assert_allclose(fit.means, other.means[:, 0], rtol=1e-9)
        np.testing.assert_allclose(fit.variances, other.variances[:, 0], rtol=1e-9)


@pytest.mark.parametrize("classes_known", [False, True])
def test_the_influence_of_a_particle_is_the_derivative_of_the_refit(classes_known):
    points = skewed()
    line = mixture_on_line(np.array([0.5, 0.5]), np.array([-0.9, 0.9]), np.array([0.3, 0.3]))
    fit = refit_on_line(points, line, classes_known=classes_known)
    influence = fit.influence(points)
    influence = influence - points.masses @ influence
    step = 1e-4
    for index in (10, 390, 410, 700):
        moved = [
            refit_on_line(
                WeightedPoints(
                    points.points,
                    points.masses * (1.0 - sign * step)
                    + sign * step * (np.arange(len(points.masses)) == index),
                    points.labels,
                ),
                line,
                classes_known=classes_known,
            ).parameters
            for sign in (1.0, -1.0)
        ]
        derivative = (moved[0] - moved[1]) / (2.0 * step)
        # Steps of EM stop a little short of the maximum, at another one for another law.
        np.testing.assert_allclose(influence[index], derivative, atol=2e-3 * np.abs(influence).max())
        assert np.abs(1.05 * influence[index] - derivative).max() > 2e-3 * np.abs(influence[index]).max()


CASES = {
    "DDIM": (TWO, Steps.ddim(steps=8), 1.0, {}),
    "with noise": (THREE, Steps.ddpm(steps=8), 1.0, {}),
    "guided": (TWO, Steps.ddim(steps=8), 1.5, {}),
    "Gaussian, blurred": (hc.GaussianMixture([1.0], [0.4], 0.5), Steps.edm(steps=5), 1.0, {"blur": 0.2}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_run_is_drawn_from_the_predicted_law(name):
    """Chi-squares of single runs over rounds and degrees are uniform in p; without the covariance they are not."""
    law, sampler, scale, options = CASES[name]
    recursion = recursion_of(law, **options)
    rounds, runs, particles, degrees = 3, 24, 3000, 4
    record = record_of(
        recursion, sampler, rounds=rounds, particles=particles, runs=runs, degree=degrees, scale=scale
    )
    path = LinePath(recursion, sampler, scale)
    predicted = predict_line_rounds(path, degrees, rounds=rounds, particles=particles, runs=1)
    assert predicted.is_linear.all()
    assert np.all(predicted.grid_error[:, 1:] < 1e-6 * predicted.error.standard_error[:, :-1])
    deviations = (record.coefficients[:, 1:, 1:] - predicted.error.expected[1:, :degrees]).reshape(runs, -1).T
    covariance = degrees_of(predicted.error, degrees)
    white = whitened(covariance, deviations)
    p_values = stats.chi2.sf(np.sum(white**2, axis=0), len(white))
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    alone = np.sum(deviations**2 / np.diagonal(covariance)[:, None], axis=0)
    wrong = stats.chi2.sf(np.sum(whitened(2.0 * covariance, deviations) ** 2, axis=0), len(white))
    assert stats.kstest(wrong, "uniform").pvalue < 1e-3  # control: errors 41 % too large
    assert not np.allclose(alone, np.sum(white**2, axis=0), rtol=0.05)
    spread = record.covariances[:, :, 0, 0]
    z = (spread.mean(axis=0) - predicted.error.expected[:, -1]) / predicted.error.standard_error[:, -1]
    assert np.abs(z * np.sqrt(runs)).max() < 4.5


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_verdicts_keep_their_level_over_seeds(name):
    """Twelve minutes: forty recursions of each kind at full size."""
    law, sampler, scale, options = CASES[name]
    recursion = recursion_of(law, **options)
    smallest = []
    for seed in range(40):
        record = record_of(recursion, sampler, rounds=6, particles=20_000, scale=scale, seed=100 + seed)
        comparison = compare_steps(recursion, record, sampler, guidance_scale=scale, level=0.05)
        smallest.append(comparison.verdict.adjusted_p_value)
    # Holm's p-value is at least as large as a uniform one.
    assert np.sum(np.array(smallest) < 0.05) <= 6


@pytest.mark.parametrize(
    ("regime", "initial"),
    [("accumulate_with_fresh", None), ("replace", hc.GaussianMixture([0.4, 0.6], [-0.5, 1.2], 0.3))],
)
def test_other_regimes_and_starts(regime, initial):
    recursion = recursion_of(TWO, regime=regime, initial=initial)
    sampler = Steps.flow(steps=6)
    record = record_of(recursion, sampler, rounds=3, particles=6000)
    assert compare_steps(recursion, record, sampler).verdict.passed
    assert not compare_steps(recursion_of(TWO), record, sampler).verdict.passed  # control


def test_wrong_theories_are_rejected_and_the_true_one_is_not():
    recursion, sampler = recursion_of(THREE), Steps.ddim(steps=12)
    record = record_of(recursion, sampler, particles=20_000)
    comparison = compare_steps(recursion, record, sampler)
    assert comparison.verdict.passed and comparison.verdict.tests > 40
    assert abs(comparison.implied_fresh_fraction.value - 0.3) < 4.0 * comparison.implied_fresh_fraction.error
    assert comparison.largest_grid_error < 1e-6
    assert "fresh fraction" in comparison.text and comparison.reason == ""
    short = record_of(recursion, sampler, particles=20_000, rounds=2)  # two rounds reject them already
    assert compare_steps(recursion, short, sampler).verdict.passed
    for other in (Steps.ddim(steps=11), Steps.ddim(steps=12, eta=0.5), Steps.flow(steps=12)):
        assert not compare_steps(recursion, short, other).verdict.passed
    assert not compare_steps(recursion_of(THREE, 0.33), short, sampler).verdict.passed
    assert not compare_steps(recursion, short, sampler, guidance_scale=1.05).verdict.passed


SIZE = {"rounds": 12, "particles": 100_000, "runs": 4}  # of `compare` without options
DDIM = Steps.ddim(steps=25)
WRONG = [
    (DDIM, Steps.ddim(steps=24), 0.3),
    (DDIM, Steps.ddim(steps=25, eta=0.25), 0.3),
    (DDIM, Steps.ddpm(steps=25), 0.3),
    (DDIM, Steps.ddim(steps=25), 0.315),
    (DDIM, Steps.ddim(steps=25), 0.285),
    (Steps.ddim(steps=25, **WIDE), Steps.ddim(steps=25, set_alpha_to_one=False, **WIDE), 0.3),
    (Steps.edm(steps=25), Steps.edm(steps=24), 0.3),
    (Steps.edm(steps=25), Steps.edm(steps=25, method="euler"), 0.3),
]


@pytest.mark.parametrize(
    ("sampler", "other", "fresh_fraction", "rounds"),
    [
        *[pytest.param(*WRONG[i], 5, id=f"{i}-5 rounds") for i in (0, 3, 5)],
        *[pytest.param(*case, 12, id=f"{i}", marks=pytest.mark.slow) for i, case in enumerate(WRONG)],
    ],
)
def test_small_errors_are_rejected_at_the_default_size(sampler, other, fresh_fraction, rounds):
    """Records are drawn from the predicted law, which tests above hold against particles; five rounds say enough."""
    record = drawn_record(sampler, **{**SIZE, "rounds": rounds})
    assert not compare_steps(recursion_of(TWO, fresh_fraction), record, other).verdict.passed


@pytest.mark.parametrize("rounds", [5, pytest.param(12, marks=pytest.mark.slow)])
def test_the_true_sampler_passes_at_the_default_size(rounds):
    sampler = WRONG[0][0]
    record = drawn_record(sampler, **{**SIZE, "rounds": rounds})
    assert compare_steps(recursion_of(TWO), record, sampler).verdict.passed


@pytest.mark.slow
def test_simulations_of_the_default_size():
    """A minute: the particles themselves, at the size of `compare` without options."""
    recursion = recursion_of(THREE)
    for sampler, other, fresh_fraction in WRONG[:1] + WRONG[4:7]:
        record = record_of(recursion, sampler, **SIZE)
        assert compare_steps(recursion, record, sampler).verdict.passed
        assert not compare_steps(recursion_of(THREE, fresh_fraction), record, other).verdict.passed


def test_an_uncertain_refit_is_not_tested():
    law = hc.GaussianMixture([0.5, 0.5], [-0.3, 0.3], 0.5)  # one hump, two components
    recursion, sampler = recursion_of(law), Steps.ddim(steps=8)
    comparison = compare_steps(recursion, record_of(recursion, sampler, particles=300, degree=4), sampler)
    assert comparison.tested[1].any() and not comparison.tested[2:].any()
    assert "From round 2 on nothing is tested" in comparison.text
    assert comparison.implied_fresh_fraction is None


SPLIT = hc.GaussianMixture([0.15, 0.25, 0.6], [-1.4, 0.2, 1.1], [0.3, 0.02, 0.08])


def test_a_refit_with_two_ends_is_not_tested():
    """Five steps of EDM stretch this law so that a draw of the particles decides where EM ends in round 2."""
    recursion, sampler = recursion_of(SPLIT), Steps.edm(steps=5)
    record = record_of(recursion, sampler, particles=30_000, runs=2, seed=5)
    predicted = predict_line_rounds(LinePath(recursion, sampler, 1.0), 8, rounds=3, particles=30_000, runs=2)
    spread = np.sqrt(predicted.error.covariance[3, 3, 2])
    missed = record.coefficients[:, 3, 3] - predicted.error.expected[3, 2]
    assert (
        np.abs(missed).max() > 8.0 * spread
    )  # what error bars of first order say of a run that went elsewhere
    assert predicted.is_linear.tolist() == [True, True, True, False]
    comparison = compare_steps(recursion, record, sampler)
    assert comparison.verdict.passed and comparison.tested[2].any() and not comparison.tested[3].any()
    assert "which of several mixtures the refit ends in" in comparison.reason


def test_a_draw_leaves_the_symmetry_that_the_law_keeps():
    """EM settles early on the symmetric law itself; what moves it aside is followed to the end all the same."""
    path = LinePath(recursion_of(TWO), Steps.ddpm(steps=5, variance="beta"), 1.0)
    points = path.output(path.training(0, {}))
    change = 0.02 * points.masses * np.tanh(points.points)  # as far as 2500 particles go
    refit = path.refit(points)
    ends = [
        path.refit(WeightedPoints(points.points, points.masses + sign * change, points.labels)).parameters
        for sign in (1.0, -1.0)
    ]
    move = change @ refit.influence(points)
    odd = [
        0.5 * (mixture_coefficients(above, 5) - mixture_coefficients(below, 5))[2::2]
        for above, below in (ends, (refit.parameters + move, refit.parameters - move))
    ]
    np.testing.assert_allclose(odd[0], odd[1], rtol=0.05)
    assert np.abs(odd[0]).min() > 1e-3
    assert predict_line_rounds(path, 8, rounds=3, particles=20_000, runs=2).is_linear.all()


@pytest.mark.parametrize("sampler", [Steps.ddim(steps=20), Steps.edm(steps=18)], ids=["DDIM", "EDM"])
def test_a_refit_with_one_end_stays_tested(sampler):
    path = LinePath(recursion_of(SPLIT), sampler, 1.0)
    assert predict_line_rounds(path, 8, rounds=3, particles=20_000, runs=2).is_linear.all()


TURN = np.array([[0.8, -0.6], [0.6, 0.8]])


def test_products_are_found_in_any_direction_and_nothing_else():
    plain = product_of(hc.presets.load("grid_2d"))
    assert [len(line.weights) for line in plain.lines] == [3, 3]
    np.testing.assert_allclose(plain.lines[0].weights, 1.0 / 3.0)
    means = np.array([[-0.8, 0.0], [1.2, 0.0]]) @ TURN.T
    shared = TURN * [0.2, 0.7] @ TURN.T
    turned = product_of(hc.GaussianMixture([0.6, 0.4], means, [shared, shared]))
    assert sorted(len(line.weights) for line in turned.lines) == [1, 2]
    number = [len(line.weights) for line in turned.lines].index(2)
    assert abs(turned.basis[:, number] @ TURN[:, 0]) == pytest.approx(1.0)
    assert product_of(hc.GaussianMixture([1.0], [[0.3, 0.1]], [shared])) is not None
    assert product_of(hc.presets.load("tilted_2d")) is None
    uneven = hc.GaussianMixture([0.3, 0.2, 0.2, 0.3], [[-1, -1], [-1, 1], [1, -1], [1, 1]], 0.1)
    assert product_of(uneven) is None
    skew = hc.GaussianMixture([0.5, 0.5], [[-1, -0.1], [1, 0.1]], [np.diag([0.1, 0.2]), np.diag([0.2, 0.1])])
    assert product_of(skew) is None


@pytest.mark.parametrize(
    ("law", "fresh_fraction", "tested"),
    [
        (hc.GaussianMixture([1.0], [[0.3, 0.0]], [TURN * [0.04, 0.9] @ TURN.T]), 0.3, [1]),
        (hc.GaussianMixture([1.0], [[0.3, 0.0]], [TURN * [0.04, 0.9] @ TURN.T]), 0.0, [1, 2, 3]),
        (hc.presets.load("grid_2d"), 1.0, [1, 2, 3]),
        (hc.GaussianMixture([0.5, 0.5], [[-0.9, 0.0], [0.9, 0.0]], [np.diag([0.19, 0.5])] * 2), 0.3, [1]),
    ],
    ids=["Gaussian", "Gaussian without fresh data", "grid", "mixture times Gaussian"],
)
def test_directions_of_products(law, fresh_fraction, tested):
    recursion, sampler = recursion_of(law, fresh_fraction), Steps.ddim(steps=10)
    record = record_of(recursion, sampler, particles=5000, degree=1)
    comparison = compare_steps(recursion, record, sampler)
    assert comparison.verdict.passed
    assert np.flatnonzero(comparison.tested[:, 2:].all(axis=1)).tolist() == [0, *tested]
    assert not compare_steps(recursion, record, Steps.ddim(steps=7)).verdict.passed
    if len(tested) < 3:
        assert comparison.reason.startswith("Rounds 2 to 3 are not tested: fresh and generated data together")
        assert np.isfinite(comparison.closure).all()


def test_round_two_of_a_gaussian_is_no_round_of_the_map():
    """Why it is not tested: the denoiser of alpha p* + (1 - alpha) p_1 is that of two Gaussians, exactly on a line."""
    law, sampler = hc.GaussianMixture([1.0], [0.0], 0.25), Steps.ddim(steps=4)
    path = LinePath(recursion_of(law, 0.5), sampler, 1.0)
    first = float(sampler.variance(0.25))
    rows = path.coefficients(2, 2)
    variances = np.sqrt(2.0) * rows[:, 2] + 1.0 - rows[:, 1] ** 2
    assert variances[1] == pytest.approx(first, rel=1e-9)
    closure = float(sampler.variance(0.5 * 0.25 + 0.5 * first))
    assert abs(variances[2] / closure - 1.0) > 1e-3


@pytest.mark.parametrize(
    ("law", "scale", "words"),
    [
        (hc.presets.load("tilted_2d"), 1.0, "the data are no product of laws on lines"),
        (hc.presets.load("grid_2d"), 2.0, "guidance couples the directions"),
    ],
)
def test_what_is_not_known_is_not_tested(law, scale, words):
    recursion, sampler = recursion_of(law), Steps.ddim(steps=4)
    record = record_of(recursion, sampler, particles=500, rounds=2, degree=1, scale=scale)
    comparison = compare_steps(recursion, record, sampler, guidance_scale=scale)
    assert not comparison.verdict.is_tested and not comparison.tested.any()
    assert comparison.text.startswith("Nothing is tested") and words in comparison.text
    assert np.isfinite(comparison.closure).all() == (scale == 1.0)
    assert "untested" in comparison.table() and max(map(len, comparison.table().splitlines())) <= 80


def test_samplers_with_noise_that_look_back_are_not_followed():
    pytest.importorskip("diffusers")
    config = {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"}
    for other in ("SASolverScheduler", "KDPM2AncestralDiscreteScheduler"):
        assert not can_be_followed(Steps.of_scheduler({"_class_name": other}, steps=6))
    sampler = Steps.of_scheduler(config, steps=6)
    assert not can_be_followed(sampler) and can_be_followed(Steps.ddpm(steps=4))
    assert can_be_followed(Steps.of_scheduler({"_class_name": "DPMSolverMultistepScheduler"}, steps=6))
    recursion = recursion_of(TWO, 1.0)
    record = record_of(recursion, sampler, particles=500, rounds=1)
    assert "draws noise in steps that look further back" in compare_steps(recursion, record, sampler).text
    gaussian = recursion_of(hc.GaussianMixture([1.0], [0.2], 0.5), 1.0)
    comparison = compare_steps(gaussian, record_of(gaussian, sampler, rounds=1), sampler)
    assert comparison.verdict.passed and comparison.labels == ("mean 1", "variance 1")


def test_a_finer_grid_says_the_same():
    training = mixture_on_line(np.array([0.3, 0.7]), np.array([-1.0, 0.8]), np.array([0.05, 0.2]))
    for sampler in (Steps.edm(steps=8), Steps.ddpm(steps=20)):
        coarse, fine = (line_output(sampler, training, refinement=k).coefficients(8) for k in (1, 3))
        np.testing.assert_allclose(coarse, fine, atol=1e-7)
    assert law_points(training).mean == pytest.approx(0.26)


def test_dataset_and_views(tmp_path):
    recursion, sampler = recursion_of(TWO), Steps.flow(steps=5)
    comparison = compare_steps(recursion, record_of(recursion, sampler, particles=800, rounds=2), sampler)
    dataset = comparison.dataset
    assert dict(dataset.sizes) == {"round": 3, "statistic": 9}
    dataset.to_netcdf(tmp_path / "results.nc", engine="h5netcdf")
    np.testing.assert_allclose(dataset["z"], comparison.z)
    assert "closure" in comparison._repr_html_() and "9 rounds" not in repr(comparison)
    lines = comparison.table([1]).splitlines()
    assert len(lines) == 1 + 9 and "-0.000000" not in comparison.table()
