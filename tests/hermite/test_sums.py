"""Sums over samples: the compiled kernels against NumPy, and the same bits however the samples are cut."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import mpmath
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite import _plan
from hermite_collapse.hermite.basis import hermite_values
from hermite_collapse.hermite.indices import total_degree_indices
from hermite_collapse.hermite.sums import BLOCK, SampleSums, sample_coefficients


def twin(samples: np.ndarray, degree: int) -> tuple[np.ndarray, np.ndarray]:
    """The definition: a matrix of all polynomials at all samples, its mean and its standard error."""
    samples = samples.reshape(len(samples), -1).astype(float)
    indices = total_degree_indices(samples.shape[1], degree)
    table = hermite_values(samples, degree)
    product = np.prod([table[:, j][:, indices[:, j]] for j in range(samples.shape[1])], axis=0)
    return product.mean(axis=0), product.std(axis=0) / np.sqrt(len(samples) - 1)


def assert_close_to_twin(samples: np.ndarray, degree: int) -> None:
    values, errors = twin(samples, degree)
    found = sample_coefficients(samples, degree)
    # a mean of n terms is good to a few ulp of the terms' root mean square
    size = np.sqrt(errors**2 * (len(samples) - 1) + values**2)
    assert (np.abs(found.values - values) <= 2e-14 * size).all()
    # the variance is a difference of two such means; each step of the recurrence adds an ulp to h_k, two to h_k^2
    variances = [(len(samples) - 1) * error**2 for error in (found.standard_error, errors)]
    assert (np.abs(variances[0] - variances[1]) <= (2e-14 + 4e-16 * degree) * size**2).all()
    assert found.values[0] == 1.0 and found.standard_error[0] == 0.0


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4, 5, 6, 9, 64])
@pytest.mark.parametrize("count", [2, 1023, 1025, 8192, 20000])
def test_one_axis(degree: int, count: int) -> None:
    samples = 0.3 + 0.8 * np.random.default_rng(count).standard_normal(count)
    assert_close_to_twin(samples, degree)


@pytest.mark.parametrize(
    ("dimension", "degree"),
    [(2, 0), (2, 1), (2, 2), (2, 9), (3, 5), (4, 4), (5, 3), (10, 3), (25, 2), (60, 2), (300, 1)],
)
@pytest.mark.parametrize("count", [2, 130, 9000])
def test_several_axes(dimension: int, degree: int, count: int) -> None:
    if count * dimension * len(total_degree_indices(dimension, degree)) > 10_000_000:
        count = 200
    samples = 0.2 + 0.9 * np.random.default_rng(dimension).standard_normal((count, dimension))
    assert_close_to_twin(samples, degree)


@pytest.mark.parametrize(("dimension", "degree"), [(2, 7), (3, 4), (4, 3), (6, 2), (5, 1)])
def test_both_plans_give_every_coefficient(
    dimension: int, degree: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = np.random.default_rng(3).standard_normal((500, dimension))
    for build in (
        lambda d, n: _plan._halves(d, n, d // 2),
        lambda d, n: _plan._halves(d, n, 1),
        _plan._last_axis,
    ):
        monkeypatch.setattr(_plan, "plan", build)
        assert_close_to_twin(samples, degree)


def test_high_degree_far_out() -> None:
    samples = np.random.default_rng(8).uniform(-36, 36, size=3000)
    assert_close_to_twin(samples, 300)


def test_a_wrong_constant_of_the_recurrence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from hermite_collapse.hermite import sums

    steps, scale = sums.line_constants(8)
    wrong = steps.copy()
    wrong[3] *= 1 + 1e-9
    monkeypatch.setattr(sums, "line_constants", lambda degree: (wrong, scale))
    with pytest.raises(AssertionError):
        assert_close_to_twin(np.random.default_rng(0).standard_normal(4000), 8)


def same_bits(a, b) -> bool:
    return np.array_equal(a.values, b.values) and np.array_equal(a.standard_error, b.standard_error)


@settings(max_examples=15)
@given(st.integers(1, 3), st.lists(st.integers(1, 3 * BLOCK), min_size=1, max_size=8))
def test_pieces_of_any_length_give_the_same_bits(dimension: int, lengths: list[int]) -> None:
    samples = np.random.default_rng(sum(lengths)).standard_normal((sum(lengths) + 1, dimension))
    whole = sample_coefficients(samples, 4)
    sums, start = SampleSums(dimension, 4), 0
    for length in [*lengths, 1]:
        sums.add(samples[start : start + length])
        start += length
    assert sums.count == len(samples)
    assert same_bits(sums.coefficients(), whole)


@settings(max_examples=15)
@given(st.integers(1, 2), st.lists(st.integers(1, 5), min_size=2, max_size=6), st.randoms())
def test_merging_parts_in_any_order_gives_the_same_bits(dimension: int, blocks: list[int], random) -> None:
    count = sum(blocks) * BLOCK - 77  # the last block is not full
    samples = np.random.default_rng(count).standard_normal((count, dimension))
    parts, first = [], 0
    for length in blocks:
        part = SampleSums(dimension, 3, first_block=first)
        parts.append(part.add(samples[first * BLOCK : (first + length) * BLOCK]))
        first += length
    random.shuffle(parts)
    while len(parts) > 1:  # a random tree of merges
        a, b = parts.pop(), parts.pop(random.randrange(len(parts)))
        parts.insert(random.randrange(len(parts) + 1), a.merge(b))
    assert same_bits(parts[0].coefficients(), sample_coefficients(samples, 3))


@pytest.mark.parametrize("shape", [(50_000,), (30_000, 4)])
def test_the_number_of_threads_does_not_matter(shape: tuple[int, ...]) -> None:
    samples = np.random.default_rng(1).standard_normal(shape)
    both = sample_coefficients(samples, 5)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert same_bits(sample_coefficients(samples, 5), both)
    finally:
        numba.set_num_threads(threads)


def test_layouts_and_types_agree(tmp_path: Path) -> None:
    samples = np.random.default_rng(2).standard_normal((20_000, 3)).astype(np.float32)
    expected = sample_coefficients(samples.astype(np.float64), 4)
    samples.tofile(tmp_path / "samples.f32")
    mapped = np.memmap(tmp_path / "samples.f32", dtype=np.float32, mode="r").reshape(-1, 3)
    wide = np.zeros((20_000, 7))
    wide[:, ::3] = samples
    for layout in (samples, mapped, np.asfortranarray(samples), wide[:, ::3], samples[::-1][::-1]):
        assert same_bits(sample_coefficients(layout, 4), expected)


def test_layouts_are_not_compiled_for_one_by_one() -> None:
    from hermite_collapse.hermite._kernels_samples import line_sums, plane_sums

    for samples in (
        np.zeros(300),
        np.zeros((300, 2)),
        np.zeros((300, 6))[:, ::3],
        np.zeros(900, np.float32)[::3],
    ):
        samples.setflags(write=False)
        sample_coefficients(samples, 2)
    assert len(line_sums.signatures) == len(plane_sums.signatures) == 1


def test_a_bad_piece_leaves_the_earlier_ones() -> None:
    sums = SampleSums(1, 2).add(np.ones(100))
    with pytest.raises(InputError, match="the first at 3"):
        sums.add([0.0, 0.0, 0.0, np.nan])
    assert sums.count == 100
    sums.add(np.zeros(50))
    assert sums.coefficients().values[1] == pytest.approx(100 / 150, rel=1e-15)


def test_memory_does_not_grow_with_the_samples(tmp_path: Path) -> None:
    peaks = []
    for count in (1_000_000, 4_000_000):
        path = tmp_path / f"{count}.f32"
        np.random.default_rng(0).standard_normal(count, dtype=np.float32).tofile(path)
        mapped = np.memmap(path, dtype=np.float32, mode="r")
        sample_coefficients(mapped[:10_000], 30)
        tracemalloc.start()
        sample_coefficients(mapped, 30)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    matrix = 8 * 31 * 4_000_000
    assert peaks[1] < matrix / 20
    assert peaks[1] < 4 * 4_000_000 * 4


def test_a_standard_error_is_not_smaller_than_rounding_allows() -> None:
    found = sample_coefficients(np.full(1000, 1.7), 6)
    size = np.abs(hermite_values(1.7, 6)[1:])
    assert (found.standard_error[1:] > 0).all()
    assert (found.standard_error[1:] <= 1e-7 * size / np.sqrt(999) + 1e-300).all()


@pytest.mark.parametrize(
    ("samples", "degree", "words"),
    [
        ([], 3, "samples must hold at least 1 sample, got 0"),
        ([1.0, np.nan, np.inf], 3, "samples must be finite, got 2 NaN or infinite entries, the first at 1"),
        (
            [[1.0, 0.0], [0.0, np.nan]],
            3,
            r"samples must be finite, got 1 NaN or infinite entries, the first at \(1, 1\)",
        ),
        ([1.0, np.nan], 0, "samples must be finite, got 1 NaN"),
        ([1.0, 2.0], -1, "degree must be an integer >= 0, got -1"),
        ([1.0, 2.0], 2.0, "degree must be an integer, got 2.0"),
        (np.array([1.0, "x"], dtype=object), 2, "samples must hold real numbers, got an array of object"),
        ([[1.0], [1.0, 2.0]], 2, "rectangular array"),
        (np.zeros((4, 0)), 2, r"samples must have shape \(n,\) or \(n, d\), got \(4, 0\)"),
        (np.zeros((2, 2, 2)), 2, r"got \(2, 2, 2\)"),
        (np.array([40.0, 41.0]), 900, "within double precision, got a sample of size 41"),
    ],
)
def test_bad_samples(samples: object, degree: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        sample_coefficients(samples, degree)


def test_the_first_bad_entry_is_found_in_a_later_piece() -> None:
    samples = np.zeros(700_000)
    samples[[600_001, 690_000]] = np.nan
    with pytest.raises(InputError, match="got 2 NaN or infinite entries, the first at 600001"):
        sample_coefficients(samples, 2)


def test_parts_that_overlap_or_differ_are_refused() -> None:
    part = SampleSums(1, 3).add(np.zeros(2 * BLOCK))
    with pytest.raises(InputError, match="got block 1 which is already there"):
        part.merge(SampleSums(1, 3, first_block=1).add(np.zeros(10)))
    with pytest.raises(InputError, match="other must have dimension 1 and degree 3, got 2 and 3"):
        part.merge(SampleSums(2, 3))
    with pytest.raises(InputError, match=r"samples must have dimension 1, got an array of shape \(3, 2\)"):
        part.add(np.zeros((3, 2)))


def exact_hermite(degree, x):
    size = mpmath.sqrt(mpmath.mpf(2) ** degree * mpmath.factorial(degree))
    return mpmath.hermite(degree, mpmath.mpf(x) / mpmath.sqrt(2)) / size


def test_a_single_sample_has_exact_coefficients_and_no_standard_error():
    found = sample_coefficients([0.3], 4)
    np.testing.assert_allclose(found.values, hermite_values(0.3, 4), rtol=1e-15)
    assert np.isnan(found.standard_error).all()


@pytest.mark.parametrize("dimension", [1, 3])
def test_samples_that_hardly_vary_keep_their_standard_errors(dimension):
    """N(2, s^2) with s down to 1e-8: the spread of each mode is h'(2) s, whatever the size of the mode itself."""
    rng = np.random.default_rng(4)
    for deviation in (1e-3, 1e-5, 1e-8):
        samples = 2.0 + deviation * rng.standard_normal((100, dimension))
        found = sample_coefficients(samples, 3)
        with mpmath.workdps(50):
            for k, error in zip(found.indices, found.standard_error, strict=True):
                values = [
                    mpmath.fprod(exact_hermite(int(n), x) for n, x in zip(k, row, strict=True))
                    for row in samples.tolist()
                ]
                mean = mpmath.fsum(values) / 100
                exact = mpmath.sqrt(mpmath.fsum((v - mean) ** 2 for v in values) / 100 / 99)
                assert error == pytest.approx(float(exact), rel=2e-6, abs=1e-16)
