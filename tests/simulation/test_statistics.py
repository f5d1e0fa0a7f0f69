"""Streamed Hermite statistics against sums written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hermite_collapse.hermite.basis import hermite_values
from hermite_collapse.hermite.indices import total_degree_indices
from hermite_collapse.simulation.noise import plan_chunks
from hermite_collapse.simulation.statistics import HermiteStatistics

CPU = torch.device("cpu")


def _stream(x, degree, chunk):
    runs, particles, dimension = x.shape
    statistics = HermiteStatistics(
        dimension, degree, runs=runs, particles=particles, products=True, device=CPU
    )
    rows = torch.from_numpy(x.reshape(-1, dimension))
    for c in plan_chunks(runs, particles, chunk):
        statistics.add(rows[c.start : c.stop], c)
    return statistics.result()


@pytest.mark.parametrize(
    ("dimension", "degree", "particles"),
    [(1, 0, 5), (1, 12, 9001), (2, 6, 50), (3, 1, 8193), (3, 4, 700), (7, 2, 64)],
)
def test_statistics_are_the_sums_written_out(dimension, degree, particles):
    x = np.random.default_rng(dimension).normal(0.4, 0.8, (2, particles, dimension))
    found = _stream(x, degree, 9000)
    indices = total_degree_indices(dimension, degree)
    values = hermite_values(x, degree)  # (runs, N, d, n + 1)
    h = np.prod([values[:, :, j, indices[:, j]] for j in range(dimension)], axis=0)
    np.testing.assert_allclose(found.coefficients, h.mean(1), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found.second_moments, (h**2).mean(1), rtol=1e-12)
    np.testing.assert_allclose(
        found.products, np.einsum("rnj,rnk->rjk", h, h) / particles, rtol=1e-11, atol=1e-11
    )
    np.testing.assert_allclose(found.means, x.mean(1), rtol=1e-13)
    for run in range(2):
        expected = np.cov(x[run].T, bias=True).reshape(dimension, dimension)
        np.testing.assert_allclose(found.covariances[run], expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("particles", [70, 20_001])
def test_bytes_do_not_depend_on_the_chunk_size(particles):
    x = np.random.default_rng(5).normal(size=(3, particles, 3))
    one, other = _stream(x, 4, 1).arrays(), _stream(x, 4, 50_000).arrays()
    for name in one:
        assert one[name].tobytes() == other[name].tobytes(), name


def test_covariance_far_from_the_origin_keeps_its_digits():
    x = 1e6 + np.random.default_rng(1).normal(size=(1, 400, 2))
    found = _stream(x, 1, 10_000).covariances[0]
    np.testing.assert_allclose(found, np.cov(x[0].T, bias=True), rtol=1e-9, atol=1e-9)
