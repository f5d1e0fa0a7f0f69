"""Factors of degrees above 2 under x -> rho x + s z: against the moments of a skewed law, exact in any round."""

from __future__ import annotations

from math import comb, perm

import numpy as np
import pytest
from numpy.polynomial.hermite_e import herme2poly

import hermite_collapse as hc
from hermite_collapse.diagnosis.fits.couplings import basis_curves, basis_limits

ALPHA, ROUNDS = 0.2, 12
NORMAL = [1.0, 0.0, 1.0, 0.0, 3.0, 0.0, 15.0]


def moments_of_the_data():
    """Raw moments 0, ..., 6 of a mixture of two normal laws: .4 N(1, .7) + .6 N(-.6, .4)."""
    parts = [(0.4, 1.0, 0.7), (0.6, -0.6, 0.4)]
    return np.array(
        [
            sum(
                w * sum(comb(k, i) * m ** (k - i) * v ** (i / 2) * NORMAL[i] for i in range(k + 1))
                for w, m, v in parts
            )
            for k in range(7)
        ]
    )


def factors(degree, rho, s, rounds=ROUNDS, regime="replace"):
    """f_n = E He_n(round i) / E He_n(data), by the binomial law of moments."""
    data = moments_of_the_data()
    moments, curve, generations = data, [], []
    polynomial = herme2poly([0.0] * degree + [1.0])
    for _ in range(rounds + 1):
        curve.append(polynomial @ moments[: degree + 1] / (polynomial @ data[: degree + 1]))
        mixed = {
            "replace": ALPHA * data + (1 - ALPHA) * moments,
            "accumulate": np.mean([data, *generations], axis=0),
            "accumulate_with_fresh": ALPHA * data + (1 - ALPHA) * np.mean(generations or [data], axis=0),
        }[regime]
        moments = np.array(
            [
                sum(comb(k, i) * rho**i * mixed[i] * s ** (k - i) * NORMAL[k - i] for i in range(k + 1))
                for k in range(7)
            ]
        )
        generations.append(moments)
    return np.array(curve)


@pytest.mark.parametrize("degree", [3, 4, 5])
@pytest.mark.parametrize(("rho", "s"), [(0.95, 0.08), (1.0, 0.3), (0.8, 0.9)])
def test_factors_are_combinations_of_the_basis(degree, rho, s):
    exact = factors(degree, rho, s)
    basis = basis_curves(degree, np.array([rho]), np.array([ALPHA]), np.arange(ROUNDS + 1.0))[0]
    rest = exact - basis[:, 0]
    weights = np.linalg.lstsq(basis[:, 1:], rest, rcond=None)[0]
    assert np.abs(basis[:, 1:] @ weights - rest).max() < 1e-9 * np.abs(exact).max()
    # A constant offset, which leaves lower degrees out, does not describe them.
    old = (1 - ALPHA) * rho**degree
    sums = ((1 - old ** np.arange(ROUNDS + 1)) / (1 - old))[:, None]
    offset = np.linalg.lstsq(sums, rest, rcond=None)[0]
    if (rho, degree) != (1.0, 3):  # a mean that stays feeds degree 3 by the same amount in each round
        assert np.abs(sums @ offset - rest).max() > 1e-3 * np.abs(rest).max()
    far = basis_curves(degree, np.array([rho]), np.array([ALPHA]), np.array([3000.0, 400.0]))[0]
    limit = basis_limits(degree, np.array([rho]), np.array([ALPHA]))[0]
    np.testing.assert_allclose(far, [limit, limit], rtol=1e-9)


@pytest.mark.parametrize("regime", ["replace", "accumulate", "accumulate_with_fresh"])
@pytest.mark.parametrize("degree", [3, 4, 5])
def test_weights_are_inner_products_of_the_data(degree, regime):
    """On a line phi_j = (d / 2)^j n! / (n - 2 j)! c*_{n - 2 j} / c*_n, as t^n stands for c_n t^n / n!."""
    rho, s = 0.9, 0.3
    data = moments_of_the_data()
    c = [herme2poly([0.0] * n + [1.0]) @ data[: n + 1] for n in range(6)]
    half = 0.5 * (rho**2 + s**2 - 1.0)
    weights = [half**j * perm(degree, 2 * j) * c[degree - 2 * j] / c[degree] for j in range(degree // 2 + 1)]
    gain, fresh = np.array([rho]), np.array([ALPHA])
    basis = basis_curves(degree, gain, fresh, np.arange(ROUNDS + 1.0), regime)[0]
    predicted = basis[:, : len(weights)] @ weights
    np.testing.assert_allclose(predicted, factors(degree, rho, s, regime=regime), rtol=1e-9, atol=1e-12)
    rows = basis_curves(degree, gain, fresh, np.array([7.0, 0.0, 3.0]), regime)[0]
    np.testing.assert_allclose(rows, basis[[7, 0, 3]], rtol=1e-12)


@pytest.mark.parametrize("regime", ["accumulate", "accumulate_with_fresh"])
@pytest.mark.parametrize("degree", [3, 4, 5, 6])
def test_limits_where_generations_are_kept(degree, regime):
    gain, fresh = np.array([0.3]), np.array([ALPHA])
    far = basis_curves(degree, gain, fresh, np.array([4000.0]), regime)[0, 0]
    limit = basis_limits(degree, gain, fresh, regime)[0]
    slowest = 4000.0 ** -(1.0 - 0.3 ** max(degree - 4, 1))  # deviations fall as i^(kappa - 1)
    np.testing.assert_allclose(far, limit, atol=4.0 * slowest)


def test_an_autoencoder_is_accepted_on_skewed_data():
    curves = np.stack([factors(n, 0.9, 0.2) for n in (1, 2, 3, 4)], axis=1)
    noise = 2e-3 * np.random.default_rng(1).standard_normal(curves.shape)
    errors = np.full(curves.shape, 2e-3)
    told = {"degrees": [1, 2, 3, 4], "standard_errors": errors, "noise": "independent"}
    result = hc.diagnose(curves + noise, **told)
    one = result.fits_by_mechanism["autoencoder"]
    assert one.is_accepted and "truncation" not in result.accepted
    for name, truth in (("fresh_fraction", ALPHA), ("gain", 0.9)):
        value, error = one.fitted[name]
        assert abs(value - truth) < 3.5 * error < 0.2
    limit = factors(4, 0.9, 0.2, rounds=300)[-1]
    assert abs(one.plateau[3] - limit) < 4.0 * one.plateau_error[3]


@pytest.mark.parametrize("seed", [9, 22, 47])
def test_two_minima_along_a_valley_are_seen(seed):
    """Fresh data and gains make up for each other on degrees 2, 3, 5: errors of one minimum alone were 0.2 of it."""
    exact = np.stack([factors(n, 0.9, 0.2) for n in (2, 3, 5)], axis=1)
    errors = 2e-3 * np.abs(exact).max(axis=0) * (np.arange(ROUNDS + 1) > 0)[:, None]
    curves = exact + errors * np.random.default_rng(seed).standard_normal(exact.shape)
    told = {"degrees": [2, 3, 5], "standard_errors": errors, "noise": "independent", "regime": "replace"}

    def fitted(**held):
        return hc.diagnose(curves, mechanism="autoencoder", **told, **held).fits_by_mechanism["autoencoder"]

    one = fitted()
    assert one.chi_square <= fitted(fresh_fraction=ALPHA).chi_square + 1e-6
    for name, truth in (("fresh_fraction", ALPHA), ("gain", 0.9)):
        value, error = one.fitted[name]
        assert abs(value - truth) < 3.0 * error < 0.1
