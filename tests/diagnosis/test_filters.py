"""Noise of training sets of few samples, which is in proportion to what a round really trained on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gamma, kstest, norm

import hermite_collapse as hc
from hermite_collapse.diagnosis.observed.filters import Filter, Sets, of_innovations, of_runs
from hermite_collapse.diagnosis.observed.residuals import normal_scores
from tests.diagnosis.own_samples import models

SLOPE, ADDED, FRESH, ROUNDS = 0.9, 0.1, 0.2, 12
KAPPA = (1.0 - FRESH) * SLOPE


def recursions(samples, evaluated, count, seed):
    """Return curves of exact rounds (ROUNDS + 1,), and values of recursions of few samples (count, ROUNDS + 1)."""
    rng = np.random.default_rng(seed)
    told = {"fresh": FRESH, "rounds": ROUNDS, "slope": SLOPE, "added": ADDED}
    values = models(rng, samples, starts=np.full((count, 1), 2.0), **told)[..., 0]
    mean = [2.0]
    for _ in range(ROUNDS):
        mean.append(SLOPE * (FRESH * 2.0 + (1.0 - FRESH) * mean[-1]) + ADDED)
    if evaluated is not None:
        values = values * rng.chisquare(evaluated, values.shape) / evaluated
    return np.array(mean), values


@pytest.mark.parametrize(("samples", "evaluated"), [(10, None), (10, 100), (40, 40)])
def test_what_each_value_adds_has_the_stated_variance(samples, evaluated):
    """Of 3000 recursions: mean squares in every round, and none of it goes with what the last value added."""
    mean, values = recursions(samples, evaluated, 3000, 1)
    kappa, added = np.full((ROUNDS, 1), KAPPA), 2.0 / (samples - 1)
    errors = np.full(ROUNDS + 1, 0.0 if evaluated is None else 2.0 / evaluated)
    rounds, news = np.arange(1, ROUNDS + 1), []
    for one in values:
        sets = Sets(rounds, one[1:], errors[1:], unscattered=ADDED, are_relative=True)
        white = sets.filter(kappa, mean[:, None], added)
        news.append(white.whitened((one - mean)[None, 1:, None])[0, :, 0])
    news = np.array(news)
    spread = 5.0 * np.sqrt((2.0 + 12.0 / samples) / len(news))
    assert np.abs(np.mean(news**2, axis=0) - 1.0).max() < spread
    assert np.abs(np.mean(news, axis=0)).max() < 4.5 / np.sqrt(len(news))
    assert np.abs(np.mean(news[:, 1:] * news[:, :-1], axis=0)).max() < 5.5 / np.sqrt(len(news))


def test_rounds_without_a_value_add_up():
    """A value two rounds on is as far off as two rounds make it: (1 + kappa^2) times what one adds, to first order."""
    sets = Sets(np.array([1, 3]), np.ones(2), np.zeros(2))
    white = sets.filter(np.full((3, 1), 0.5), np.ones((4, 1)), np.array(1e-6))
    assert white.gains.tolist() == [[1.0, 1.0]] and white.rates.tolist() == [[0.0, 0.25]]
    np.testing.assert_allclose(white.innovations, [[1e-6, 1e-6 * (1.25 + 0.25e-6)]], rtol=1e-12)


def test_filters_are_white_by_their_own_covariance():
    """Vectors of that covariance, and the covariance of what a round adds, written out as sums over rounds."""
    rng = np.random.default_rng(0)
    rounds, kappa = np.array([1, 2, 5, 6]), rng.uniform(0.1, 1.0, (6, 3))
    stated, sizes = rng.uniform(0.5, 2.0, 4), rng.uniform(0.5, 2.0, (7, 3))
    passed = np.zeros((3, 7, 7))
    for i in range(1, 7):
        passed[:, i] = kappa[i - 1][:, None] * passed[:, i - 1]
        passed[:, i, i] = 1.0
    joint = np.einsum("gik,kg,gjk->gij", passed, sizes**2, passed)[:, rounds][:, :, rounds]
    sets = Sets(rounds, np.ones(4), stated, follows=False)
    alike, as_they_are = (of_runs(rounds, stated, kappa, sizes, 0.7, is_shape=one) for one in (True, False))
    of_rounds = np.diagonal(joint, axis1=1, axis2=2)
    in_the_mean = stated / np.mean(stated / of_rounds, axis=1)[:, None]
    for white, expected in (
        (sets.filter(kappa, sizes, np.array(0.3)), 0.3 * joint + np.diag(stated)),
        (as_they_are, _of_parts(joint, stated, of_rounds)),
        (alike, _of_parts(joint, stated, in_the_mean)),
    ):
        np.testing.assert_allclose(white.covariance(), expected, rtol=1e-12)
        ahead = Filter(*(np.array(part) for part in white)).after_data(0.3)
        assert np.all(ahead.covariance()[:, 0, 1:] == 0.0) and np.all(
            ahead.covariance()[:, 0, 0] == pytest.approx(0.3)
        )
        vectors = rng.standard_normal((3, 4, 5))
        squares = np.einsum("gik,gij,gjk->gk", vectors, np.linalg.inv(expected), vectors)
        np.testing.assert_allclose((white.whitened(vectors) ** 2).sum(axis=1), squares, rtol=1e-9)
    alone = of_innovations(rounds, kappa, np.tile(stated, (3, 1)))
    behind = np.cumprod(np.concatenate([np.ones((1, 3)), kappa]), axis=0)[rounds]
    response = np.tril(np.einsum("ig,jg->gij", behind, 1.0 / behind))
    np.testing.assert_allclose(
        alone.covariance(), (response * stated) @ np.swapaxes(response, 1, 2), rtol=1e-12
    )


def test_scores_of_gamma_laws_are_normal():
    for shape in (3.0, 10.0, 1000.0):
        probabilities = np.array([0.001, 0.025, 0.3, 0.7, 0.975, 0.999])
        values = gamma.ppf(probabilities, shape) * 2.0 / shape
        spread = 2.0 / np.sqrt(shape)
        scores = normal_scores((values - 2.0) / spread, np.full(6, spread), values)
        np.testing.assert_allclose(scores, norm.ppf(probabilities), atol=0.5 / shape)
    assert normal_scores(np.array([1.5]), np.array([1.0]), np.array([0.0])).tolist() == [1.5]
    assert normal_scores(np.array([3.0]), np.array([1.0]), np.array([2.0])).tolist() == [3.0]


def _of_parts(joint, stated, of_rounds):
    scale = np.sqrt(0.7 * stated / of_rounds)
    return joint * scale[:, :, None] * scale[:, None, :] + 0.3 * np.diag(stated)


def refits(samples, seed, *, evaluated, fresh=0.2, rounds=10):
    """Return variances of refits of three directions, and their errors."""
    rng = np.random.default_rng([seed, samples])
    told = {"fresh": fresh, "rounds": rounds, "slope": 1.0 - 1.0 / samples, "added": 0.0}
    values = models(rng, samples, starts=np.array([2.0, 0.7, 0.15]), **told)
    values = values * rng.chisquare(evaluated, values.shape) / evaluated
    return values, np.sqrt(2.0 / evaluated) * values


def test_noise_of_too_many_values_to_be_followed_rejects_nothing():
    rng = np.random.default_rng(1)
    values = models(rng, 100, starts=np.linspace(0.2, 2.0, 4), fresh=0.2, rounds=260)
    result = hc.diagnose(values, kind="variances", standard_errors=0.02 * values)
    assert result.verdict == "undetermined" and not result.accepted
    assert "is not followed for more than 1000 values (these are 1044): leave out" in result.text


@pytest.mark.parametrize("samples", [10, 40])
def test_refits_to_few_samples_are_not_rejected_by_their_own_noise(samples):
    """Which nobody says, or which is known; of 80 tables of 10 samples 6 are rejected where nobody says, of 20 none."""
    rejected, everything, p_values = 0, 0, []
    for seed in range(20):
        values, errors = refits(samples, seed, evaluated=(2000, 20_000)[seed % 2])
        told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": 0.2}
        unsaid = hc.diagnose(values, **told)
        rejected += "refit" not in unsaid.accepted
        everything += unsaid.verdict == "rejected"
        p_values.append(
            hc.diagnose(values, training_samples=samples, mechanism="refit", **told).leading.p_value
        )
    assert rejected <= 5 and everything <= 3 and np.sum(np.array(p_values) < 0.05) <= 4
    assert kstest(p_values, "uniform").pvalue > 0.001
