"""Log-density and score of mixtures, against mpmath and against a plain NumPy twin."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite._exponential import exp_nonpositive
from hermite_collapse.laws._log_density import mixture_log_density, mixture_log_density_and_score


def twin(x, log_weights, means, variances, frames=None, frame_of=None):
    """Log-density and score, written as the formula in NumPy."""
    count, dimension = x.shape
    exponents = np.empty((count, len(log_weights)))
    slopes = np.empty((count, len(log_weights), dimension))
    for k in range(len(log_weights)):
        frame = np.eye(dimension) if frames is None else frames[frame_of[k]]
        y = (x - means[k]) @ frame
        exponents[:, k] = log_weights[k] - 0.5 * np.sum(
            y**2 / variances[k] + np.log(2 * np.pi * variances[k]), axis=1
        )
        slopes[:, k] = (y / variances[k]) @ frame.T
    peak = exponents.max(axis=1, keepdims=True)
    power = np.exp(exponents - peak)
    share = power / power.sum(axis=1, keepdims=True)
    return peak[:, 0] + np.log(power.sum(axis=1)), -np.einsum("nk,nkd->nd", share, slopes)


def exact(x, log_weights, means, variances, frames=None, frame_of=None, digits=30):
    """Log-density and score of one point with mpmath."""
    with mpmath.workdps(digits):
        dimension = len(x)
        terms, slopes = [], []
        for k, log_weight in enumerate(log_weights):
            frame = np.eye(dimension) if frames is None else frames[frame_of[k]]
            away = [mpmath.mpf(float(a)) - mpmath.mpf(float(b)) for a, b in zip(x, means[k])]
            y = [
                mpmath.fsum(mpmath.mpf(float(frame[i, j])) * away[i] for i in range(dimension))
                for j in range(dimension)
            ]
            v = [mpmath.mpf(float(value)) for value in variances[k]]
            quadratic = mpmath.fsum(a * a / b for a, b in zip(y, v))
            norm = mpmath.fsum(mpmath.log(2 * mpmath.pi * b) for b in v)
            terms.append(mpmath.exp(mpmath.mpf(float(log_weight)) - (quadratic + norm) / 2))
            slopes.append(
                [
                    mpmath.fsum(mpmath.mpf(float(frame[i, j])) * y[j] / v[j] for j in range(dimension))
                    for i in range(dimension)
                ]
            )
        total = mpmath.fsum(terms)
        score = [-mpmath.fsum(t * s[i] for t, s in zip(terms, slopes)) / total for i in range(dimension)]
        return float(mpmath.log(total)), np.array([float(s) for s in score])


def law(rng, components, dimension, frames=0):
    log_weights = np.log(rng.dirichlet(np.ones(components)))
    means = 3.0 * rng.standard_normal((components, dimension))
    variances = np.exp(rng.uniform(-3.0, 2.0, (components, dimension)))
    if frames == 0:
        return log_weights, means, variances, None, None
    matrices = np.array([np.linalg.qr(rng.standard_normal((dimension, dimension)))[0] for _ in range(frames)])
    return log_weights, means, variances, matrices, rng.integers(frames, size=components)


def close(value, reference):
    """Relative 1e-13, absolute where the reference is below 1."""
    return np.abs(value - reference) <= 1e-13 * np.maximum(1.0, np.abs(reference))


@pytest.mark.parametrize(
    ("components", "dimension", "frames"), [(1, 1, 0), (40, 1, 0), (33, 3, 0), (7, 3, 2), (5, 12, 5)]
)
@pytest.mark.parametrize("spread", [2.0, 1e3, 1e7])
def test_against_mpmath(components, dimension, frames, spread):
    rng = np.random.default_rng(components + dimension)
    parameters = law(rng, components, dimension, frames)
    x = spread * rng.standard_normal((4, dimension))
    value, score = mixture_log_density_and_score(x, *parameters)
    alone = mixture_log_density(x, *parameters)
    for n in range(4):
        reference, slope = exact(x[n], *parameters)
        assert (reference, *slope) == (lambda pair: (pair[0], *pair[1]))(exact(x[n], *parameters, digits=60))
        assert close(value[n], reference)
        assert close(alone[n], reference)
        assert np.all(np.abs(score[n] - slope) <= 1e-12 * np.linalg.norm(slope))


def test_the_oracle_sees_one_part_in_ten_to_the_eleven():
    rng = np.random.default_rng(3)
    log_weights, means, variances, _, _ = law(rng, 4, 2)
    x = rng.standard_normal((5, 2))
    value = mixture_log_density(x, log_weights, means, variances * (1 + 1e-11))
    assert not np.any([close(value[n], exact(x[n], log_weights, means, variances)[0]) for n in range(5)])


@given(
    count=st.sampled_from([1, 2, 63, 64, 65, 130, 1100]),
    components=st.sampled_from([1, 2, 31, 32, 33, 70]),
    dimension=st.integers(1, 6),
    frames=st.integers(0, 3),
    seed=st.integers(0, 10**6),
)
def test_against_the_twin_at_block_edges(count, components, dimension, frames, seed):
    rng = np.random.default_rng(seed)
    parameters = law(rng, components, dimension, frames)
    x = 4.0 * rng.standard_normal((count, dimension))
    value, score = mixture_log_density_and_score(x, *parameters)
    reference, slope = twin(x, *parameters)
    assert np.all(close(value, reference))
    assert np.all(close(mixture_log_density(x, *parameters), reference))
    assert np.all(np.abs(score - slope) <= 1e-12 * (1.0 + np.linalg.norm(slope, axis=1, keepdims=True)))


def test_the_score_is_the_gradient():
    rng = np.random.default_rng(5)
    parameters = law(rng, 40, 3, 2)
    x = 2.0 * rng.standard_normal((20, 3))
    step = 1e-5
    _, score = mixture_log_density_and_score(x, *parameters)
    for j in range(3):
        shift = step * np.eye(3)[j]
        difference = mixture_log_density(x + shift, *parameters) - mixture_log_density(x - shift, *parameters)
        # central differences: step^2 / 6 times a third derivative (variances from e^-3), plus rounding / step
        assert np.allclose(score[:, j], difference / (2 * step), rtol=1e-6, atol=1e-6)


def test_the_far_tail_is_finite_and_right():
    x = np.array([[1e3], [1e8], [-1e100], [1e154]])
    value, score = mixture_log_density_and_score(
        x, np.log([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.full((2, 1), 4.0)
    )
    reference = [
        exact(point, np.log([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.full((2, 1), 4.0), digits=400)
        for point in x
    ]
    assert np.all(close(value, np.array([r[0] for r in reference])))
    assert np.allclose(score[:, 0], [r[1][0] for r in reference], rtol=1e-13, atol=0)


def test_points_at_infinity():
    x = np.array([[0.0, 1.0], [np.inf, 0.0]])
    parameters = law(np.random.default_rng(1), 3, 2, 2)
    value = mixture_log_density(x, *parameters)
    assert value[1] == -np.inf
    assert value[0] == mixture_log_density(x[:1], *parameters)[0]
    with pytest.raises(InputError, match="x must lie where"):
        mixture_log_density_and_score(x, *parameters)


def test_each_point_is_served_alike_wherever_it_stands():
    rng = np.random.default_rng(8)
    parameters = law(rng, 45, 4)
    x = rng.standard_normal((5000, 4))
    value, score = mixture_log_density_and_score(x, *parameters)
    pick = rng.permutation(5000)[:333]
    part, slope = mixture_log_density_and_score(x[pick], *parameters)
    assert np.array_equal(part, value[pick])
    assert np.array_equal(slope, score[pick])


def test_components_of_weight_zero_are_left_out():
    rng = np.random.default_rng(9)
    log_weights, means, variances, frames, frame_of = law(rng, 6, 2, 3)
    log_weights[frame_of == 1] = -np.inf
    log_weights[0] = 0.0
    used = log_weights > -np.inf
    x = rng.standard_normal((50, 2))
    whole = mixture_log_density(x, log_weights, means, variances, frames, frame_of)
    part = mixture_log_density(x, log_weights[used], means[used], variances[used], frames, frame_of[used])
    assert np.array_equal(whole, part)
    variances[~used] = 0.0
    assert np.array_equal(mixture_log_density(x, log_weights, means, variances, frames, frame_of), part)
    with pytest.raises(InputError, match="log_weights must hold a finite number"):
        mixture_log_density(x, np.full(6, -np.inf), means, variances)


def test_a_flat_direction_has_no_density():
    with pytest.raises(InputError, match="positive definite.*component 1 has variance 0"):
        mixture_log_density(
            np.zeros((1, 2)), np.zeros(2), np.zeros((2, 2)), np.array([[1.0, 1.0], [1.0, 0.0]])
        )
    with pytest.raises(InputError, match="component 0 has variance nan"):
        mixture_log_density(np.zeros((1, 1)), np.zeros(1), np.zeros((1, 1)), np.array([[np.nan]]))


def test_no_points():
    value, score = mixture_log_density_and_score(
        np.empty((0, 2)), np.zeros(1), np.zeros((1, 2)), np.ones((1, 2))
    )
    assert value.shape == (0,)
    assert score.shape == (0, 2)


def test_polynomial_exponential():
    t = -np.concatenate(
        [np.linspace(0.0, 40.0, 4001), np.linspace(41.0, 708.0, 700), [1e-300, 708.5, 1e4, np.inf]]
    )
    value = np.array([exp_nonpositive(s) for s in t])
    reference = np.array([math.exp(s) for s in t])
    assert np.all(np.abs(value - reference) <= 2.3e-16)
    assert np.all(np.abs(value - reference)[t > -700] <= 2e-13 * reference[t > -700])
    assert exp_nonpositive(0.0) == 1.0
    assert exp_nonpositive(-np.inf) == 0.0
