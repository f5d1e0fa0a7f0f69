"""The score of a pool as fused attention, and the kernel generator against its own variance formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.recursion.sampling_error import predict_sampling_error
from hermite_collapse.simulation import (
    KernelGeneration,
    PoolDenoiser,
    attention,
    attention_means,
    plain_means,
    simulate,
)
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.scores import MixtureDenoiser


def _spread_pool(points=900, queries=150, dimension=10, shift=0.0, seed=0):
    """A pool of well separated clusters and queries near it, where logits reach thousands."""
    rng = np.random.default_rng(seed)
    y = (
        4.0 * rng.integers(-1, 2, (points, dimension))
        + 0.6 * rng.standard_normal((points, dimension))
        + shift
    )
    x = y[rng.integers(0, points, queries)] + 0.15 * rng.standard_normal((queries, dimension))
    return torch.from_numpy(y), torch.from_numpy(x)


@pytest.mark.parametrize("dimension", [1, 3, 10])
@pytest.mark.parametrize(("scale", "variance"), [(0.99, 0.02), (0.8, 0.36), (0.02, 0.9996)])
def test_fused_means_are_the_differences_written_out(dimension, scale, variance):
    y, x = _spread_pool(dimension=dimension)
    expected = plain_means(scale * x, y, scale, variance)
    double = attention_means(scale * x[None], y[None], scale, variance, precision="float64")[0]
    single = attention_means(scale * x[None], y[None], scale, variance)[0]
    torch.testing.assert_close(double, expected, rtol=1e-11, atol=1e-11)
    # float32 logits carry 2^-24 of the largest summand; a mean moves by at most that times the spread of the pool.
    largest = float((scale / variance) * (x.abs().max() * y.abs().max()) * dimension)
    assert (single - expected).abs().max() < 2.0**-23 * max(largest, 1.0) * float(y.abs().max()) / 8


def test_half_precision_would_not_carry_the_logits(monkeypatch):
    y, x = _spread_pool()
    expected = plain_means(x, y, 0.99, 0.02)
    with pytest.raises(hc.InputError, match="precision must be one of 'float32', 'float64', got 'bfloat16'"):
        attention_means(x[None], y[None], 0.99, 0.02, precision="bfloat16")
    monkeypatch.setitem(attention._DTYPES, "bfloat16", torch.bfloat16)
    coarse = attention_means(x[None], y[None], 0.99, 0.02, precision="bfloat16")[0]
    single = attention_means(x[None], y[None], 0.99, 0.02)[0]
    assert (coarse - expected).abs().max() > 1e3 * (single - expected).abs().max()


def test_centring_is_what_keeps_single_precision_accurate_far_from_the_origin():
    y, x = _spread_pool(shift=300.0)
    means = attention_means(0.99 * x[None], y[None], 0.99, 0.02)[0]
    expected = plain_means(0.99 * x, y, 0.99, 0.02)
    assert (means - expected).abs().max() < 1e-3
    assert (expected.abs().max() / 300.0) > 0.9


def test_tiles_without_a_fused_kernel_give_the_same_means(monkeypatch):
    y, x = _spread_pool(queries=37)
    expected = attention_means(0.99 * x[None], y[None], 0.99, 0.02, precision="float64")
    monkeypatch.setattr(attention, "_TILE_WEIGHTS", 10 * len(y))
    monkeypatch.setattr(attention, "_fused", attention._in_tiles)
    tiled = attention_means(0.99 * x[None], y[None], 0.99, 0.02, precision="float64")
    torch.testing.assert_close(tiled, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("blur", [0.0, 0.4])
def test_pool_denoiser_is_that_of_the_mixture_of_its_points(blur):
    y, x = _spread_pool(points=60, queries=40, dimension=2)
    mixture = hc.GaussianMixture(np.full(60, 1 / 60), y.numpy(), max(blur, 1e-9) ** 2)
    exact = MixtureDenoiser(components_of(mixture, torch.device("cpu"))).denoise(x, 0.2)
    found = PoolDenoiser(y[None], blur, precision="float64").denoise(x, 0.2)
    torch.testing.assert_close(found, exact, rtol=1e-8, atol=1e-9)


def test_every_group_of_rows_asks_its_own_pool():
    y, x = _spread_pool(points=200, queries=60, dimension=3)
    pools = y.view(2, 100, 3)
    together = PoolDenoiser(pools).denoise(x, 0.3)
    for g in range(2):
        alone = PoolDenoiser(pools[g : g + 1]).denoise(x[30 * g : 30 * g + 30], 0.3)
        assert torch.equal(together[30 * g : 30 * g + 30], alone)


RUNS = 200


def _kernel_scores(recursion, *, particles, pool, steps=20, runs=RUNS, rounds=2, seed=0, formula_pool=None):
    """z-scores of the mean over the runs, and of the variance over the runs, by round >= 1 and mode >= 1."""
    degree = 3
    simulated = simulate(
        recursion,
        rounds=rounds,
        particles=particles,
        generator="kernel",
        pool=pool,
        degree=degree,
        runs=runs,
        steps=steps,
        seed=seed,
        device="cpu",
    )
    error = predict_sampling_error(
        recursion, degree, rounds=rounds, particles=particles, generator="kernel", pool=formula_pool or pool
    )
    bar = error.standard_error[1:, 1:]
    deviation = (simulated.coefficients - error.expected)[:, 1:, 1:]
    mean_z = deviation.mean(0) / bar * np.sqrt(runs)
    squares = (deviation / bar) ** 2  # mean 1 if the formula holds; its own scatter gives the bar
    variance_z = (squares.mean(0) - 1.0) / (squares.std(0, ddof=1) / np.sqrt(runs))
    return mean_z, variance_z


@pytest.mark.parametrize("blur", [0.0, 0.3])
@pytest.mark.parametrize("pool", [40, 320])
def test_kernel_generation_has_the_predicted_mean_and_variance(pool, blur):
    recursion = hc.Recursion(
        hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.3, blur=blur
    )
    mean_z, variance_z = _kernel_scores(recursion, particles=120, pool=pool)
    assert np.abs(mean_z).max() < 4.0
    assert np.abs(variance_z).max() < 4.0


def test_the_formula_of_another_pool_is_rejected():
    recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.3)
    _, variance_z = _kernel_scores(recursion, particles=120, pool=40, formula_pool=120, runs=3 * RUNS)
    assert variance_z.max() > 5.0


@pytest.mark.slow
@pytest.mark.parametrize(("particles", "pool"), [(4096, 1024), (1024, 4096)])
def test_kernel_generation_with_thousands_of_particles(particles, pool):
    recursion = hc.Recursion(hc.presets.load("grid_2d"), fresh_fraction=0.3, truncation_time=0.2, blur=0.1)
    # 200 runs make 800 000 particles, at which the step of 25 steps shows: its bias is then 5 standard errors.
    mean_z, variance_z = _kernel_scores(recursion, particles=particles, pool=pool, rounds=1, steps=60, seed=1)
    assert np.abs(mean_z).max() < 4.0
    assert np.abs(variance_z).max() < 4.0


@pytest.mark.parametrize(("particles", "runs"), [(9_000, 2), (100, 5)])
def test_bytes_do_not_depend_on_the_chunk_size(particles, runs):
    recursion = hc.Recursion(hc.presets.load("grid_2d"), fresh_fraction=0.3, truncation_time=0.2, blur=0.1)
    one, other = (
        simulate(
            recursion,
            rounds=2,
            particles=particles,
            generator="kernel",
            pool=70,
            degree=2,
            runs=runs,
            steps=3,
            keep="all",
            chunk=chunk,
            device="cpu",
        )
        for chunk in (1, 100_000)
    )
    assert one.samples.tobytes() == other.samples.tobytes()
    assert one.pool == 70
    assert one.generator == "kernel"


def test_the_pool_defaults_to_the_number_of_particles_and_belongs_to_kernel():
    recursion = hc.Recursion(hc.presets.load("grid_2d"), fresh_fraction=0.3, truncation_time=0.2)
    options = {"rounds": 1, "particles": 50, "degree": 1, "device": "cpu"}
    assert simulate(recursion, generator="kernel", steps=2, **options).pool == 50
    with pytest.raises(hc.InputError, match="pool must be left out with generator='exact'"):
        simulate(recursion, generator="exact", pool=9, **options)
    with pytest.raises(hc.InputError, match="precision must be one of 'float32', 'float64', got 'float16'"):
        KernelGeneration(precision="float16")


@pytest.mark.gpu
@pytest.mark.parametrize("pool", [30_000, 200_000])
def test_gpu_kernel_agrees_with_its_formula_at_a_hundred_thousand_particles(pool):
    recursion = hc.Recursion(
        hc.presets.load("five_modes_10d"), fresh_fraction=0.3, truncation_time=0.1, blur=0.3
    )
    simulated = simulate(
        recursion, rounds=2, particles=100_000, generator="kernel", pool=pool, degree=2, device="cuda"
    )
    error = predict_sampling_error(recursion, 2, rounds=2, particles=100_000, generator="kernel", pool=pool)
    z = (simulated.mean_coefficients - error.expected)[:, 1:] / error.standard_error[:, 1:]
    assert np.abs(z).max() < 4.5
