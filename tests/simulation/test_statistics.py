"""Streamed Hermite statistics against sums written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hermite_collapse.hermite.basis import hermite_values
from hermite_collapse.hermite.indices import total_degree_indices
from hermite_collapse.simulation import devices
from hermite_collapse.simulation.noise import plan_chunks
from hermite_collapse.simulation.statistics import HermiteStatistics

CPU = torch.device("cpu")


@pytest.fixture(params=["blocks", "batches"])
def route(request, monkeypatch):
    """Block by block as on a CPU, or in batches as on other devices."""
    monkeypatch.setattr(devices, "works_in_blocks", lambda device: request.param == "blocks")


def _stream(x, degree, chunk, whole=False):
    """Statistics of particles (runs, N, d)."""
    runs, particles, dimension = x.shape
    statistics = HermiteStatistics(
        dimension, degree, runs=runs, particles=particles, products=True, device=CPU
    )
    rows = torch.from_numpy(x.reshape(-1, dimension))
    for c in plan_chunks(runs, particles, chunk, whole=whole):
        part = rows[c.start : c.stop]
        statistics.add(part, c, statistics.sums(part, c))
    return statistics.result()


@pytest.mark.parametrize(
    ("dimension", "degree", "particles"),
    [(1, 0, 5), (1, 12, 9001), (2, 6, 50), (3, 1, 8193), (3, 4, 700), (7, 2, 64), (60, 1, 300)],
)
def test_statistics_are_the_sums_written_out(dimension, degree, particles, route):
    x = np.random.default_rng(dimension).normal(0.4, 0.8, (2, particles, dimension))
    result = _stream(x, degree, 9000)
    indices = total_degree_indices(dimension, degree)
    values = hermite_values(x, degree)  # (runs, N, d, n + 1)
    h = np.prod([values[:, :, j, indices[:, j]] for j in range(dimension)], axis=0)
    np.testing.assert_allclose(result.coefficients, h.mean(1), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(result.second_moments, (h**2).mean(1), rtol=1e-12)
    np.testing.assert_allclose(
        result.products, np.einsum("rnj,rnk->rjk", h, h) / particles, rtol=1e-11, atol=1e-11
    )
    np.testing.assert_allclose(result.means, x.mean(1), rtol=1e-13)
    for run in range(2):
        expected = np.cov(x[run].T, bias=True).reshape(dimension, dimension)
        np.testing.assert_allclose(result.covariances[run], expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("particles", [70, 20_001])
def test_bytes_do_not_depend_on_the_chunk_size(particles, route):
    x = np.random.default_rng(5).normal(size=(3, particles, 3))
    one, *others = (
        _stream(x, 4, chunk, whole).arrays()
        for chunk, whole in ((1, False), (50_000, False), (50_000, True), (100_000, True))
    )
    for other in others:
        for name in one:
            assert one[name].tobytes() == other[name].tobytes(), name


def test_covariance_far_from_the_origin_keeps_its_digits(route):
    x = 1e6 + np.random.default_rng(1).normal(size=(1, 400, 2))
    covariance = _stream(x, 1, 10_000).covariances[0]
    np.testing.assert_allclose(covariance, np.cov(x[0].T, bias=True), rtol=1e-9, atol=1e-9)


def test_particles_that_are_not_finite_are_recorded_as_such(route):
    x = np.random.default_rng(1).normal(size=(2, 30, 2))
    x[1, 3, 0] = np.nan
    result = _stream(x, 2, 100)
    assert np.isfinite(result.coefficients[0]).all()
    assert np.isnan(result.coefficients[1, 1:]).any()
