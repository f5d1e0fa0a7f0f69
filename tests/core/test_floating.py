"""What underflows inside the package is none of the caller's events; what else he asks NumPy to raise still is."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.floating import ignoring_underflow

DATA = hc.GaussianMixture([0.3, 0.7], [-1.0, 1.0], [0.1, 0.2])
RECURSION = hc.Recursion(DATA, fresh_fraction=0.3, truncation_time=3.0)
POINTS = np.array([-1e200, -100.0, 0.0, 100.0])
RATES = {"fresh_fraction": 0.3, "truncation_time": 0.1}

CALLS = {
    "attenuation": lambda: hc.attenuation(np.arange(1, 20000, 500), **RATES),
    "mode_factors": lambda: hc.mode_factors(20000, **RATES, rounds=3),
    "mode_contraction": lambda: hc.mode_contraction(20000, **RATES),
    "predict": lambda: hc.predict(RECURSION, rounds=30, degree=600).factors,
    "density": lambda: DATA.density(POINTS),
    "density of the limit": lambda: RECURSION.limit().density(POINTS),
    "log-density of the limit": lambda: RECURSION.limit().log_density(POINTS),
    "total variation": lambda: (
        hc.distances.total_variation(hc.GaussianMixture([1], [50], [1e-3]), DATA).value
    ),
    "alpha_bar_from_time": lambda: hc.alpha_bar_from_time(2000.0),
    "sigma_from_time": lambda: hc.sigma_from_time(1e-300),
}


@pytest.mark.parametrize("name", CALLS)
def test_callers_who_raise_everything_get_the_same_numbers(name):
    expected = CALLS[name]()
    with np.errstate(all="raise"):
        assert np.array_equal(CALLS[name](), expected)


def test_other_events_are_raised_as_asked():
    @ignoring_underflow
    def quotient(a, b=1e-300):
        """Return a quotient."""
        return np.float64(a) / np.float64(b)

    with np.errstate(all="raise"):
        assert quotient(1e-300, b=1e300) == 0.0
        with pytest.raises(FloatingPointError, match="overflow"):
            quotient(1e300)
        with pytest.raises(FloatingPointError, match="underflow"):
            _ = np.float64(1e-300) * np.float64(1e-300)


def test_a_function_keeps_its_name_signature_and_module():
    for wrapped in (hc.attenuation, hc.GaussianMixture.density, hc.GaussianMixture.sample):
        plain = inspect.unwrap(wrapped)
        assert plain is not wrapped and wrapped.__globals__ is plain.__globals__
        assert (wrapped.__name__, wrapped.__doc__) == (plain.__name__, plain.__doc__)
        assert inspect.signature(wrapped) == inspect.signature(plain)
