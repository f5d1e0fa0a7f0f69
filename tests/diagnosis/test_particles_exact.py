"""Required particles where the variance is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

import hermite_collapse as hc


@pytest.mark.parametrize(("level", "power"), [(0.01, 0.9), (0.05, 0.8)])
def test_independent_particles_of_an_off_centre_law(level, power):
    """Degree one of N(m, v): E h_1 = m, Var h_1 = v; the factor is the coefficient over m, one round without error."""
    m, v, effect = 3.0, 0.4, 0.01
    run = hc.Recursion(hc.GaussianMixture([1.0], [m], [v]), fresh_fraction=0.5, truncation_time=0.2)
    found = hc.required_particles(
        1, effect, recursion=run, rounds=0, generator="exact", level=level, power=power
    )
    z = norm.isf(level / 2) + norm.ppf(power)
    assert found == pytest.approx((z / effect) ** 2 * v / m**2, abs=2)


def test_never_fewer_than_near_normality_needs():
    run = hc.Recursion(hc.GaussianMixture([1.0], [3.0], [0.4]), fresh_fraction=0.5, truncation_time=0.2)
    found = hc.required_particles(1, 1e3, recursion=run, rounds=0, generator="exact")
    assert found == np.ceil(3 / 0.05)
