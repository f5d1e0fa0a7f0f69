"""The solvable family and linear-Gaussian errors against mpmath, sympy-free closed forms and each other."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.bounds.propagation.solvable import (
    SolvableFamily,
    SolvableRecursion,
)
from hermite_collapse.core.errors import InputError
from tests.linear_gaussian import LinearGaussianError


def law(weights, means, variances):
    return hc.GaussianMixture(weights, means, variances)


def components(mixture):
    """Weights, means and variances as lists of numbers."""
    return zip(mixture.weights.tolist(), mixture.means[:, 0].tolist(), mixture.variances[:, 0].tolist())


POINT = law([1.0], [0.0], [0.0])
TWO = law([0.35, 0.65], [-1.4, 0.9], [0.05, 0.4])
FAR = law([0.5, 0.3, 0.2], [-6.0, 0.0, 5.0], [0.0, 0.2, 1.5])


def mp_density(start, sigma):
    def density(x):
        total = mpmath.mpf(0)
        for w, m, v in components(start):
            spread = mpmath.mpf(v) + mpmath.mpf(sigma) ** 2
            total += (
                mpmath.mpf(w)
                * mpmath.exp(-((x - m) ** 2) / (2 * spread))
                / mpmath.sqrt(2 * mpmath.pi * spread)
            )
        return total

    return density


def mp_integral(f, low=-18, high=18):
    return mpmath.quad(f, mpmath.linspace(low, high, 25))


@pytest.mark.parametrize(("start", "rho"), [(POINT, 1.0), (TWO, 0.2), (FAR, 0.0), (FAR, 1.0)])
def test_closed_forms_against_mpmath(start, rho):
    beta, sigma = 0.7, 1.1
    family = SolvableFamily(start, beta, rho, sigma)
    with mpmath.workdps(20):
        p = mp_density(start, sigma)
        shift = mpmath.mpf(sigma) * beta * mpmath.sqrt(rho)

        def fisher(x):
            slope = sum(
                w * (m - x) / (v + sigma**2) * mpmath.npdf(x, m, mpmath.sqrt(v + sigma**2))
                for w, m, v in components(start)
            )
            return slope**2 / p(x)

        information = mp_integral(fisher)
        chi = mp_integral(lambda x: p(x - shift) ** 2 / p(x)) - 1
        kl = mp_integral(lambda x: p(x - shift) * mpmath.log(p(x - shift) / p(x)))
    assert family.energy == beta**2
    assert family.fisher_information().value == pytest.approx(float(information), rel=1e-10)
    assert family.observability().value == pytest.approx(
        float(rho * sigma**2 * information), rel=1e-10, abs=1e-15
    )
    assert family.chi_square().value == pytest.approx(float(chi), rel=1e-10, abs=1e-14)
    assert family.kl().value == pytest.approx(float(kl), rel=1e-10, abs=1e-14)


def test_errors_are_stated_and_honest():
    for start in (TWO, FAR):
        family = SolvableFamily(start, 0.7, 0.6)
        for estimate in (family.fisher_information(), family.chi_square(), family.kl()):
            assert estimate.route == "quadrature"
            assert 0.0 <= estimate.error < 1e-11 * max(estimate.value, 1e-3)


def test_point_mass_has_the_textbook_values():
    family = SolvableFamily(POINT, 0.8, 0.3)
    assert family.observability().value == pytest.approx(0.3, rel=1e-15)
    assert family.chi_square().value == pytest.approx(math.expm1(0.64 * 0.3), rel=1e-14)
    assert family.kl().value == pytest.approx(0.64 * 0.3 / 2, rel=1e-14)
    # A mixture of equal components must take the quadrature and agree with the closed form.
    split = law([0.5, 0.5], [0.0, 1e-13], [0.0, 0.0])
    assert SolvableFamily(split, 0.8, 0.3).chi_square().value == pytest.approx(math.expm1(0.192), rel=1e-11)


@given(
    rho=st.floats(0.0, 1.0),
    beta=st.floats(1e-3, 1.2),
    gap=st.floats(0.0, 6.0),
    variance=st.floats(0.0, 2.0),
    weight=st.floats(0.05, 0.95),
)
def test_properties(rho, beta, gap, variance, weight):
    family = SolvableFamily(law([weight, 1 - weight], [0.0, gap], [variance, variance / 2]), beta, rho)
    found = (family.observability(), family.chi_square(), family.kl())
    eta, chi, kl = (e.value for e in found)
    # What log-densities of two laws cannot tell apart (shifts near 1e-15) is in the stated error.
    assert found[1].error < 1e-10 * chi + 1e-12 * math.sqrt(chi) + 1e-27
    assert 0.0 <= eta <= rho * (1 + 1e-12)
    assert kl <= family.energy / 2 * (1 + 1e-12)  # Proposition 3.1
    assert kl <= math.log1p(chi) * (1 + 1e-9) + 1e-15
    # Convolution contracts: never more than the point mass's value.
    assert chi - found[1].error <= math.expm1(rho * beta**2) * (1 + 1e-10)
    grid = np.linspace(0.0, 1.0, 4097)
    assert np.trapezoid(family.drift_error(grid) ** 2, grid) == pytest.approx(beta**2, rel=1e-6)
    assert np.trapezoid(family.drift_error(grid), grid) == pytest.approx(beta * math.sqrt(rho), abs=1e-9)


def test_small_errors_have_constant_one():
    """I = eta eps^2 (1 + o(1)), KL half of it: not 1/4 and not 4."""
    for beta in (1e-2, 1e-3):
        family = SolvableFamily(TWO, beta, 0.5)
        visible = family.observability().value * family.energy
        assert family.chi_square().value / visible == pytest.approx(1.0, abs=2 * beta)
        assert family.kl().value / visible == pytest.approx(0.5, abs=2 * beta)


def test_wrong_constants_are_seen():
    """The oracle tells sqrt(rho) from rho and sigma from sigma^2."""
    right = SolvableFamily(TWO, 0.7, 0.36, 1.1)

    def moved(shift):
        return hc.GaussianMixture(right.end.weights, right.end.means + shift, right.end.variances)

    chi_square = hc.distances.chi_square(moved(1.1 * 0.7 * 0.36), right.end).value
    kl = hc.distances.kl(moved(1.1**2 * 0.7 * 0.6), right.end).value
    assert abs(chi_square / right.chi_square().value - 1) > 0.1
    assert abs(kl / right.kl().value - 1) > 0.1


def test_recursion_record_against_mpmath():
    target = law([0.4, 0.6], [-1.5, 1.0], [1.0, 1.3])
    run = SolvableRecursion(target, 0.3, [0.3, -0.4, 0.2], 0.8)
    record = run.record()
    laws = run.laws()
    with mpmath.workdps(17):
        last = len(record.rounds) - 1
        p_star, before, after = (mp_density(part, 0) for part in (laws[0], laws[last], laws[last + 1]))

        def mixed(x):
            return 0.3 * p_star(x) + 0.7 * before(x)

        entry = record.rounds[last]
        d = mp_integral(lambda x: (after(x) - p_star(x)) ** 2 / p_star(x))
        r = mp_integral(lambda x: (after(x) - mixed(x)) ** 2 / p_star(x))
        s = mp_integral(lambda x: (after(x) - mixed(x)) * (before(x) - p_star(x)) / p_star(x))
        i = mp_integral(lambda x: (after(x) - mixed(x)) ** 2 / mixed(x))
    assert entry.divergence_after.value == pytest.approx(float(d), rel=1e-10)
    assert entry.residual.value == pytest.approx(float(r), rel=1e-10)
    assert entry.cross.value == pytest.approx(float(s), rel=1e-9)
    assert entry.innovation.value == pytest.approx(float(i), rel=1e-10)


def test_input_errors():
    with pytest.raises(InputError, match="integrated_share"):
        SolvableFamily(POINT, 0.1, 1.2)
    with pytest.raises(InputError, match="smallest component"):
        SolvableRecursion(law([1.0], [0.0], [1.0]), 0.5, [0.1], 1.0, 1.5)
    with pytest.raises(InputError, match="start must be a law, a Gaussian mixture"):
        SolvableFamily(3.0, 0.1, 1.0)


def _linear_oracle(mean, variance, slope, offset, span, rate):
    """Moments of the learned path by mpmath's Taylor-series ODE solver; energies as further components."""
    k, c, th = slope, offset, rate

    def right(s, state):
        m_hat, v_hat = state[:2]
        age = span - s
        a = mpmath.exp(-th * age)
        m, v = a * mean, 1 + (variance - 1) * a * a
        rate_here = th * (1 + 2 * k) - 2 * th / v
        return [
            rate_here * m_hat + 2 * th * (c + m / v),
            2 * rate_here * v_hat + 2 * th,
            2 * th * ((k * m_hat + c) ** 2 + k * k * v_hat),
            2 * th * ((k * m + c) ** 2 + k * k * v),
        ]

    a = mpmath.exp(-th * span)
    start = [a * mean, 1 + (variance - 1) * a * a, 0, 0]
    return mpmath.odefun(right, 0, start, tol=mpmath.mpf(10) ** -14)(span)


@pytest.mark.parametrize("variance", [0.3, 1.0, 4.0])
def test_linear_gaussian_against_ode(variance):
    with mpmath.workdps(18):
        oracle = _linear_oracle(0.7, variance, 0.1, -0.2, mpmath.mpf(2), 0.7)
    m_hat, v_hat, hat, star = map(float, oracle)
    error = LinearGaussianError(0.7, variance, 0.1, -0.2, 2.0, 0.0, 0.7)
    assert error.learned_end == pytest.approx((m_hat, v_hat), rel=1e-11)
    assert error.learned_energy == pytest.approx(hat, rel=1e-11)
    assert error.ideal_energy == pytest.approx(star, rel=1e-11)
    ratio = v_hat / variance
    kl = (ratio - 1 - math.log(ratio) + (m_hat - 0.7) ** 2 / variance) / 2
    assert error.kl().value == pytest.approx(kl, rel=1e-9)
    assert error.kl().value <= error.learned_energy / 2


@pytest.mark.parametrize(("slope", "offset"), [(0.1, 0.0), (0.0, 0.1), (0.1, -0.3)])
def test_linear_gaussian_observability_is_the_small_error_limit(slope, offset):
    """chi2 / eps^2 of a vanishing error: moments of the learned law against the Stein form, which share nothing."""
    values = []
    for size in (1e-3, 5e-4):
        error = LinearGaussianError(0.4, 0.6, size * slope, size * offset, 4.0, 0.02)
        values.append(error.chi_square().value / error.ideal_energy)
    limit = 2 * values[1] - values[0]
    eta = LinearGaussianError(0.4, 0.6, 1e-3 * slope, 1e-3 * offset, 4.0, 0.02).observability.value
    assert limit == pytest.approx(eta, rel=1e-6)
    assert 0.0 < eta <= 1.0


def test_linear_gaussian_time_integral_decides_only_with_its_weight():
    """On a reverse diffusion a constant error is seen through exp(-theta t) sqrt(v)/v_t, not its plain integral."""
    short = LinearGaussianError(0.0, 1.0, 0.0, 0.1, 1.0)
    long = LinearGaussianError(0.0, 1.0, 0.0, 0.1, 8.0)
    # v = 1: A = c int exp(-t/2) dt = 2 c (1 - exp(-T/2)); eps^2 = c^2 T.
    for error, span in ((short, 1.0), (long, 8.0)):
        expected = (2 * (1 - math.exp(-span / 2))) ** 2 / span
        assert error.observability.value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("variance", [1e-4, 1e-2, 1e4])
def test_linear_gaussian_quadrature_has_converged(variance, monkeypatch):
    """Five times the nodes change nothing at the stated accuracy, for laws far narrower and wider than the noise."""

    def quantities():
        error = LinearGaussianError(0.7, variance, 0.1, -0.2, 10.0)
        return [error.ideal_energy, error.learned_energy, *error.learned_end, *error.visible_modes]

    plain = quantities()
    monkeypatch.setattr("tests.linear_gaussian._NODES", 400)
    np.testing.assert_allclose(plain, quantities(), rtol=1e-12)
    monkeypatch.setattr("tests.linear_gaussian._NODES", 8)
    assert np.abs(np.array(plain) / np.array(quantities()) - 1).max() > 1e-9


def test_linear_gaussian_infinite_chi_square():
    assert math.isinf(LinearGaussianError(0.0, 1.0, 0.6, 0.0, 4.0).chi_square().value)
    with pytest.raises(InputError, match="must exceed"):
        LinearGaussianError(0.0, 1.0, 0.1, 0.0, 0.5, 0.5)
