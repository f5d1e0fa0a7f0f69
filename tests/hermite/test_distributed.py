"""Samples in Dask arrays: the same bits for coefficients, the same spectra."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite import distributed
from hermite_collapse.hermite.degree_sums import one_sample_sums
from hermite_collapse.hermite.sums import BLOCK, SampleSums, sample_coefficients

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")


def sample(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    return 0.2 + 0.9 * np.random.default_rng(seed).standard_normal((count, dimension))


def assert_same_bits(found, expected) -> None:
    assert found.values.tobytes() == expected.values.tobytes()
    assert found.standard_error.tobytes() == expected.standard_error.tobytes()
    assert np.array_equal(found.indices, expected.indices)


def assert_same_spectrum(found, expected, scale) -> None:
    assert np.array_equal(found.degree, expected.degree)
    assert (np.abs(found.energy - expected.energy) <= 1e-14 * scale).all()
    np.testing.assert_allclose(found.standard_error, expected.standard_error, rtol=1e-11)
    assert found.noise_floor.tobytes() == expected.noise_floor.tobytes()
    assert found.resolvable_degree == expected.resolvable_degree


def root_mean_squares(x: np.ndarray, degree: int) -> np.ndarray:
    return np.sqrt(one_sample_sums(x, degree).squares / (len(x) * (len(x) - 1.0)))


def test_coefficients_on_a_cluster_have_the_same_bits(client) -> None:
    for x, chunks in (
        (sample(5 * BLOCK + 100, 2), (3 * BLOCK, 1)),
        (sample(3 * BLOCK + 1, 2), (10_000, 2)),
        (sample(40_000, 1)[:, 0], 1500),
    ):
        assert_same_bits(
            distributed.sample_coefficients(da.from_array(x, chunks=chunks), 5), sample_coefficients(x, 5)
        )


def test_spectra_on_a_cluster_are_the_same(client) -> None:
    x, y = sample(BLOCK + 400, 3), sample(BLOCK + 1, 3, seed=1)
    left, right = da.from_array(x, chunks=(7000, 2)), da.from_array(y, chunks=(BLOCK, 3))
    scale = root_mean_squares(x, 4)
    assert_same_spectrum(distributed.degree_spectrum(left, degree=4), hc.degree_spectrum(x, degree=4), scale)
    assert_same_spectrum(
        distributed.degree_spectrum(left, right, degree=4), hc.degree_spectrum(x, y, degree=4), scale
    )


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, 30_000), max_size=8), dimension=st.integers(1, 3))
def test_any_chunks_give_the_same_bits(cuts, dimension) -> None:
    x = sample(30_000, dimension)
    edges = [0, *sorted(cuts), len(x)]
    array = da.from_array(x, chunks=(tuple(np.diff(edges).tolist()), 1))
    with dask.config.set(scheduler="synchronous"):
        assert_same_bits(distributed.sample_coefficients(array, 3), sample_coefficients(x, 3))


def test_chunks_at_wrong_blocks_would_show() -> None:
    """Control: sums that begin elsewhere than at a block of 8192 differ in their last bits."""
    x = sample(4 * BLOCK, 1)
    parts = [SampleSums(1, 5).add(part) for part in (x[:9000], x[9000:])]
    shifted = SampleSums(1, 5, first_block=8)
    shifted.add(x[9000:])
    total = parts[0].merge(shifted).coefficients()
    expected = sample_coefficients(x, 5)
    np.testing.assert_allclose(total.values, expected.values, atol=1e-13)
    assert total.values.tobytes() != expected.values.tobytes()


def test_spectra_need_both_orders_of_each_pair(monkeypatch) -> None:
    """Control: counting pairs of different blocks once changes the standard errors."""
    x = sample(BLOCK + 2000, 2)
    right, scale = hc.degree_spectrum(x, degree=3), root_mean_squares(x, 3)
    array = da.from_array(x, chunks=(5000, 2))
    assert_same_spectrum(distributed.degree_spectrum(array, degree=3), right, scale)
    cross = distributed._cross_pairs
    monkeypatch.setattr(distributed, "_cross_pairs", lambda x, y, degree, orders: cross(x, y, degree, 1.0))
    with pytest.raises(AssertionError):
        assert_same_spectrum(distributed.degree_spectrum(array, degree=3), right, scale)


def test_spectra_do_not_depend_on_chunks() -> None:
    x = sample(BLOCK + 3000, 2)
    one, other = (
        distributed.degree_spectrum(da.from_array(x, chunks=chunks), degree=3)
        for chunks in ((1700, 1), (len(x), 2))
    )
    assert one.energy.tobytes() == other.energy.tobytes()
    assert one.standard_error.tobytes() == other.standard_error.tobytes()


def test_threads_of_one_process_do_not_meet_in_the_kernels() -> None:
    """Without a client Dask uses threads; in a process of its own, as Numba would abort it."""
    script = (
        "import dask, dask.array as da, numpy as np\n"
        "from hermite_collapse import distributed\n"
        "x = da.from_array(np.random.default_rng(0).standard_normal((100_000, 2)), chunks=(8192, 2))\n"
        "with dask.config.set(scheduler='threads', num_workers=4):\n"
        "    for _ in range(5):\n"
        "        distributed.sample_coefficients(x, 6)\n"
        "    distributed.degree_spectrum(x[:10_000], degree=2)\n"
    )
    environment = os.environ | {"NUMBA_THREADING_LAYER": "workqueue"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def with_nan(x: np.ndarray, *rows: int) -> np.ndarray:
    x[list(rows), 1] = np.nan
    return x


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((10, 2)), "samples must be a Dask array .* got ndarray"),
        (da.zeros((1, 2)), "samples must hold at least 2 samples, got 1"),
        (da.zeros((4, 2, 2)), r"samples must have shape \(n,\) or \(n, d\), got \(4, 2, 2\)"),
        (da.zeros(4, dtype=complex), "samples must hold real numbers, got an array of complex128"),
        (da.zeros((9, 2))[da.arange(9) > 3], "samples must have chunks of known size"),
        (
            da.from_array(with_nan(sample(20_000, 2), 9000, 9007), chunks=(4000, 1)),
            r"got 2 NaN or infinite entries among samples 8192 to 16383, the first of them at \(9000, 1\)",
        ),
        (
            da.full((5, 2), 1e200),
            "must keep the squares of the polynomials to degree 3 within double precision",
        ),
    ],
)
def test_bad_samples_are_refused(samples, message) -> None:
    with pytest.raises(InputError, match=message):
        distributed.sample_coefficients(samples, 3)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((10, 2)), None, "x must be a Dask array .* got ndarray"),
        (da.zeros((10, 2)), np.zeros((10, 2)), "y must be a Dask array .* got ndarray"),
        (da.zeros((3, 2)), None, "x must hold at least 4 samples, got 3"),
        (da.zeros((10, 2)), da.zeros((10, 3)), "x and y must have the same dimension, got 2 and 3"),
        (
            da.zeros((10, 2)),
            da.from_array(with_nan(sample(10, 2), 3)),
            r"y must be finite, got 1 .* at \(3, 1\)",
        ),
        (da.full((5, 2), 1e150), None, "degree must be low enough"),
    ],
)
def test_bad_pairs_of_samples_are_refused(x, y, message) -> None:
    with pytest.raises(InputError, match=message):
        distributed.degree_spectrum(x, y, degree=3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: distributed.sample_coefficients(da.zeros(9), 2),
        lambda: distributed.degree_spectrum(da.zeros(9), degree=2),
    ],
)
def test_without_the_extra_one_sentence_names_it(call, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "hermite-collapse\[distributed\]"\.$'):
        call()


def test_importing_the_module_loads_no_dask() -> None:
    script = (
        "import sys\nimport hermite_collapse as hc\nhc.distributed\n"
        "assert not {'dask', 'distributed'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
