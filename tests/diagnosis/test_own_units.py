"""Curves of no unit are fitted in their own size, whatever it is, and answered in the unit that was given."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError

RNG = np.random.default_rng(0)
CURVES = np.stack([5 + 3 * 0.6 ** np.arange(9), 1 - 0.4 * 0.7 ** np.arange(9)], axis=1)
CURVES += RNG.normal(size=CURVES.shape) * [0.02, 0.003]
ERRORS = np.broadcast_to([0.02, 0.003], CURVES.shape)


@pytest.mark.parametrize("unit", [1e-120, 1e-16, 1e3, 1e100, 1e129])
@pytest.mark.parametrize("errors", ["none", "standard", "joint"])
def test_the_answer_is_the_same_in_any_unit(unit, errors):
    units = np.array([unit, 1.0])
    given = {
        "none": lambda u: {},
        "standard": lambda u: {"standard_errors": ERRORS * u},
        "joint": lambda u: {"covariance": np.diag(np.square(ERRORS * u).ravel())},
    }[errors]
    plain = hc.diagnose(CURVES, kind="distances", **given(np.ones(2)))
    other = hc.diagnose(CURVES * units, kind="distances", **given(units))
    assert other.verdict == plain.verdict and other.accepted == plain.accepted
    np.testing.assert_allclose(other.plateau, plain.plateau * units, rtol=1e-6)
    np.testing.assert_allclose(other.plateau_error, plain.plateau_error * units, rtol=1e-4)
    np.testing.assert_allclose(other.rounds, plain.rounds, rtol=1e-4)
    assert other.p_value == pytest.approx(plain.p_value, rel=1e-6, nan_ok=True)
    np.testing.assert_allclose(other.leading.predicted, plain.leading.predicted * units, rtol=1e-6)
    np.testing.assert_array_equal(other.observations.values, CURVES * units)
    spread = np.sqrt(other.observations.covariance)
    spread = np.diagonal(spread) if spread.ndim > 1 else spread
    if errors != "none":
        np.testing.assert_allclose(spread, (ERRORS * units).ravel(), rtol=1e-12)


@pytest.mark.parametrize("kind", ["variances", "deviations", "factors"])
def test_a_unit_that_says_something_is_not_changed(kind):
    with pytest.raises(InputError, match="curve must hold largest values within .*: change its unit"):
        hc.diagnose(CURVES * 1e20, kind=kind)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_sizes_whose_squares_are_no_doubles_are_refused(unit):
    with pytest.raises(InputError, match=r"within \[1e-130, 1e\+130\], got .* in column 1: change its unit"):
        hc.diagnose(CURVES * unit, kind="distances", standard_errors=ERRORS * unit)
