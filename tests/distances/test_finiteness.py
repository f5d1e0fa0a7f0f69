"""When a chi-square is finite: complete on the line, by certificates and witnesses in space."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse import distances
from hermite_collapse.distances.finiteness import dominations, oldest_variance
from tests.random_laws import line_mixtures, normal, random_mixture


def _log_integrand(p, q, x):
    return 2.0 * p.log_density(x) - q.log_density(x)


@given(st.floats(0.05, 5.0), st.floats(0.05, 5.0), st.floats(-3, 3))
def test_single_gaussians(w, v, m):
    verdict = distances.chi_square_finiteness(normal(m, w), normal(0.0, v))
    if w != 2.0 * v:
        assert verdict.is_finite == (w < 2.0 * v)
    if w < 1.9 * v:
        # int N(m,w)^2 / N(0,v) = v exp(m^2 / (2v - w)) / sqrt(w (2v - w))
        truth = v / np.sqrt(w * (2 * v - w)) * np.exp(m * m / (2 * v - w)) - 1.0
        found = distances.chi_square(normal(m, w), normal(0.0, v))
        assert found.value == pytest.approx(truth, rel=1e-9, abs=1e-13)


@given(line_mixtures(), line_mixtures())
def test_on_the_line_the_tails_of_the_integrand_decide(p, q):
    verdict = distances.chi_square_finiteness(p, q)
    assume(abs(verdict.margin) > 1e-3)
    # Far enough out the integrand grows or falls, and its slope says which.
    far = 1e5
    slopes = [_log_integrand(p, q, s * (far + 1)) - _log_integrand(p, q, s * far) for s in (1.0, -1.0)]
    assert verdict.is_finite == (max(slopes) < 0)


@pytest.mark.parametrize(
    "centres, verdict",
    [([0.5, -0.5], "finite"), ([0.5, 1.0], "infinite"), ([-2.0, -1.0], "infinite"), ([0.0, 1.0], "infinite")],
)
def test_ties_on_the_line(centres, verdict):
    """v_j = 2 v_l: finite iff q has tied means on both sides of p's."""
    p, q = normal(0.0, 2.0), hc.GaussianMixture([0.5, 0.5], centres, 1.0)
    assert distances.chi_square_finiteness(p, q).verdict == verdict
    if verdict == "finite":
        # The integrand is a hyperbolic secant, summed plainly.
        x = np.linspace(-120.0, 120.0, 480001)
        plain = np.sum(np.exp(_log_integrand(p, q, x))) * (x[1] - x[0]) - 1.0
        assert distances.chi_square(p, q).value == pytest.approx(plain, rel=1e-9)


@given(st.integers(0, 10_000), st.integers(2, 4))
def test_verdicts_in_space_carry_their_proof(seed, dimension):
    rng = np.random.default_rng(seed)
    p = random_mixture(rng, dimension, 3, variances=(0.2, 1.2))
    q = random_mixture(rng, dimension, 3, variances=(0.3, 1.5))
    verdict = distances.chi_square_finiteness(p, q)
    precisions = np.linalg.inv(q.covariances)
    if verdict.is_infinite:
        # A witness: along it the integrand of one component grows.
        u = verdict.direction
        worst = [
            np.einsum("i,lij,j->l", u, np.linalg.inv(s)[None] - 0.5 * precisions, u).max()
            for s in p.covariances
        ]
        assert min(worst) < 0
        x = np.outer([1e3, 2e3], u)
        first, second = _log_integrand(p, q, x)
        assert second > first
    elif verdict.is_finite:
        # A certificate: a Gaussian above p_j^2 / q, everywhere.
        points = rng.uniform(-30, 30, (400, dimension))
        for j, bound in enumerate(dominations(p, q)):
            component = hc.GaussianMixture([1.0], p.means[j][None], p.covariances[j][None])
            gaussian = hc.GaussianMixture([1.0], bound.centre[None], np.linalg.inv(bound.precision)[None])
            upper = bound.log_mass + gaussian.log_density(points)
            assert np.all(_log_integrand(component, q, points) <= upper + 1e-8 * (1 + np.abs(upper)))


def test_what_two_components_decide_together_is_undecided():
    """Each component of q covers one axis only; together they dominate the narrow law and not the wide one."""
    q = hc.GaussianMixture([0.5, 0.5], np.zeros((2, 2)), [np.diag([4.0, 0.45]), np.diag([0.45, 4.0])])
    narrow, inside, outside = (hc.GaussianMixture([1.0], np.zeros((1, 2)), v) for v in (0.8, 1.3, 9.0))
    single = [np.linalg.eigvalsh(2 * np.diag(v) - 1.3 * np.eye(2))[0] for v in q.variances]
    assert max(single) < 0
    assert distances.chi_square_finiteness(narrow, q).is_finite
    verdict = distances.chi_square_finiteness(inside, q)
    assert verdict.verdict == "undecided" and "alone" in verdict.reason
    with pytest.raises(hc.ConvergenceError, match="could not be decided"):
        distances.chi_square(inside, q)
    assert distances.chi_square_finiteness(outside, q).is_infinite


def test_random_pairs_in_space_are_mostly_decided():
    rng = np.random.default_rng(5)
    undecided = 0
    for _ in range(60):
        p, q = (
            random_mixture(rng, 3, 1, variances=(0.3, 2.0)),
            random_mixture(rng, 3, 4, variances=(0.3, 2.0)),
        )
        undecided += distances.chi_square_finiteness(p, q).verdict == "undecided"
    print("undecided:", undecided)
    assert undecided <= 12


def test_limit_laws_are_decided_by_their_oldest_ages():
    """chi2(p_inf || p*) is infinite iff p*'s tail variance is below 1/2, whatever the listed ages say."""
    for variance, verdict in ((0.45, "infinite"), (0.49999, "infinite"), (0.51, "finite"), (1.7, "finite")):
        target = hc.GaussianMixture([0.4, 0.6], [-0.5, 0.8], [0.2, variance])
        limit = hc.Recursion(target, fresh_fraction=0.9, truncation_time=0.01).limit(4)
        assert oldest_variance(limit) == 1.0
        listed = float(limit.mixture.variances.max())
        found = distances.chi_square_finiteness(limit, target)
        assert found.verdict == verdict
        if verdict == "infinite":
            assert listed < 2 * variance  # the ages listed would have said finite
            assert distances.chi_square(limit, target).value == np.inf
        assert distances.chi_square_finiteness(target, limit).is_finite
        assert np.isfinite(distances.kl(limit, target).value)


def test_limit_laws_of_other_rounds():
    """Blurred rounds tend to a wider Gaussian; variance-exploding rounds have ages of any variance."""
    target = normal(0.0, 0.6)
    blurred = hc.Recursion(target, fresh_fraction=0.5, truncation_time=0.5, blur=0.8).limit()
    channel = hc.Recursion(target, fresh_fraction=0.5, truncation_time=0.5, blur=0.8).channel(0)
    attractor = channel.variance / (1 - channel.scale**2)
    assert oldest_variance(blurred) == pytest.approx(attractor, rel=1e-9)
    assert attractor > 1.2
    assert distances.chi_square_finiteness(blurred, target).is_infinite
    exploding = hc.Recursion(
        target, fresh_fraction=0.5, truncation_time=0.01, process=hc.VarianceExploding()
    ).limit()
    assert distances.chi_square_finiteness(exploding, normal(0.0, 1e6)).is_infinite
    assert distances.chi_square_finiteness(normal(0.0, 1e6), exploding).is_finite


def test_the_published_experiment_is_infinite_after_one_round():
    """Blur 0.6 on standard deviation 0.6, then t0 = 0.02: variance 0.7255 against 2 x 0.36 (arXiv:2602.16601)."""
    target = hc.presets.load("five_modes_10d")
    first = hc.Recursion(target, fresh_fraction=0.5, truncation_time=0.02, blur=0.6).law(1)
    assert first.mixture.variances.max() == pytest.approx(0.7255, abs=1e-4)
    assert distances.chi_square_finiteness(first, target).is_infinite
    assert distances.chi_square(first, target).value == np.inf
    plain = hc.Recursion(target, fresh_fraction=0.0, truncation_time=0.02)
    verdicts = [distances.chi_square_finiteness(plain.law(i), target).verdict for i in (29, 41, 42)]
    assert verdicts[0] == "finite"
    assert verdicts[2] == "infinite"


def test_a_divergence_beyond_the_largest_float_says_so():
    with pytest.raises(hc.ConvergenceError, match="exceeds"):
        distances.chi_square(normal(60.0, 1.0), normal(0.0, 1.0))
