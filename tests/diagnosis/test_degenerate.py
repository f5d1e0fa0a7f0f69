"""Samples that do not differ, or hardly: a variance of 0, other rounds as without them, and no range of values."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc

RNG = np.random.default_rng(5)
REAL = RNG.normal(size=(300, 5)) * [1.2, 1.0, 0.8, 0.7, 0.5]
GENERATIONS = [0.9 * REAL, 0.8 * REAL, 0.7 * REAL]


@pytest.mark.parametrize(
    "still",
    [np.ones((300, 5)), np.zeros((300, 5)), np.full((300, 5), 1 / 3), 1.0 + 1e-12 * REAL],
    ids=["ones", "zeros", "thirds", "nearly ones"],
)
@pytest.mark.parametrize("position", [0, 3])
def test_a_generation_without_spread_has_variance_0_and_leaves_the_others_alone(still, position):
    expected = hc.measure(REAL, GENERATIONS, degrees=0)
    generations = [*GENERATIONS[:position], still, *GENERATIONS[position:]]
    measured = hc.measure(REAL, generations, degrees=0)
    others = np.delete(np.arange(4), position)
    assert np.all(measured.values[position] == 0.0)
    assert np.all(measured.standard_errors[position] <= 1e-9 * measured.data * (1.0 + 1e-12))
    assert np.array_equal(measured.values[others], expected.values)
    assert np.allclose(measured.noise[others], expected.noise, rtol=1e-12)
    assert np.all(np.linalg.eigvalsh(measured.noise[position] / measured.noise[position].max()) > 0.0)
    assert measured.clipping.text == "" and np.all(measured.clipping.bias == 0.0)


def test_a_column_that_is_constant_and_two_values_are_ordinary_samples():
    column = 0.8 * REAL
    column[:, 1] = 0.3
    two = np.sign(REAL)
    expected = hc.measure(REAL, GENERATIONS, degrees=0)
    measured = hc.measure(REAL, [*GENERATIONS, column, two], degrees=0)
    for one, samples in zip(measured.values[3:], (column, two), strict=True):
        total = np.trace(np.cov(samples.T))
        assert one.min() > 0.0 and one.sum() < total * (1.0 + 1e-9)
    assert np.allclose(measured.standard_errors[:3], expected.standard_errors, rtol=0.15)
    assert "(-1 and 1)" in measured.clipping.text and "100 %" in measured.clipping.text


@pytest.mark.parametrize("value", [0.0, 1.0, 1 / 3])
def test_data_without_spread_are_refused(value):
    with pytest.raises(hc.InputError, match="real must hold samples that differ, got 300 equal ones"):
        hc.measure(np.full((300, 5), value), GENERATIONS)


@pytest.mark.parametrize(
    "units",
    [
        {"scale": 1e308},
        {"scale": 1e-200},
        {"scale": 1e200},
        {"scale": 1e-308},
        {"shift": 1e308},
        {"shift": 1e17},
        {"value_range": (-1e308, 1e308)},
    ],
    ids=str,
)
def test_units_that_leave_no_digits_are_refused(units):
    with pytest.raises(
        hc.InputError, match=r"real must (have second moments within|be finite after)|value_range"
    ):
        hc.measure(REAL, GENERATIONS, **units)


@pytest.mark.parametrize("count", [4, 5, 8])
@pytest.mark.parametrize("kind", ["variances", "distances", "factors"])
def test_a_constant_curve_changes_by_no_more_than_its_errors(count, kind):
    diagnosis = hc.diagnose(np.ones(count), standard_errors=np.full(count, 0.01), kind=kind)
    assert diagnosis.verdict == "undetermined" and "nothing changes beyond the errors" in diagnosis.text


CURVE = 3.0 - 2.0 * 0.6 ** np.arange(8) + 0.02 * RNG.normal(size=8)


@pytest.mark.parametrize("kind", ["variances", "distances"])
def test_fits_are_the_same_in_any_unit_or_refuse_it(kind):
    errors = np.full(8, 0.02)
    expected = hc.diagnose(CURVE, standard_errors=errors, kind=kind)
    for unit in (1e-14, 1e-7, 1e7, 1e14, *((1e-100, 1e100) if kind == "distances" else ())):
        other = hc.diagnose(unit * CURVE, standard_errors=unit * errors, kind=kind)
        assert other.verdict == expected.verdict
        assert np.isclose(other.chi_square, expected.chi_square, rtol=1e-6)
        assert np.allclose(other.plateau / unit, expected.plateau, rtol=1e-6)
    # The unit of a distance says nothing: its curve is fitted in units of its own size.
    for unit in (1e-300, 1e300) if kind == "distances" else (1e-300, 1e-30, 1e30, 1e300):
        with pytest.raises(hc.InputError, match="curve must hold largest values within"):
            hc.diagnose(unit * CURVE, standard_errors=unit * errors, kind=kind)
    for unit in (1e-300, 1e-20, 1e20, 1e290):
        with pytest.raises(hc.InputError, match="standard_errors must be 0 or within"):
            hc.diagnose(CURVE, standard_errors=unit * errors, kind=kind)


def test_errors_that_are_rounding_are_none():
    """As that of equal seeds: exact data in round 0, elsewhere left out, however they are given."""
    errors = np.full((8, 1), 0.02)
    told = {"kind": "variances", "fresh_fraction": 0.3}
    for row in (0, 3):
        exact, tiny = errors.copy(), errors.copy()
        exact[row], tiny[row] = 0.0, 7.4e-17
        expected = hc.diagnose(CURVE, standard_errors=exact[:, 0], **told).chi_square
        assert hc.diagnose(CURVE, standard_errors=tiny[:, 0], **told).chi_square == expected
        joint = [hc.diagnose(CURVE, covariance=np.diag(one[:, 0] ** 2), **told) for one in (exact, tiny)]
        assert joint[0].chi_square == joint[1].chi_square
    later = {"rounds": np.arange(1, 8), "standard_errors": errors[1:, 0], "data": CURVE[0], **told}
    known = hc.diagnose(CURVE[1:], **later).chi_square
    assert hc.diagnose(CURVE[1:], data_errors=7.4e-17, **later).chi_square == known


def test_rates_are_units_of_time():
    factors = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=6)
    errors = np.full(factors.shape, 0.002)
    for rate in (1e-4, 1e4):
        diagnosis = hc.diagnose(factors, standard_errors=errors, rate=rate, mechanism="truncation")
        assert diagnosis.truncation_time is not None
        assert np.isclose(diagnosis.truncation_time.value * rate, 0.05, rtol=1e-4)
    for rate in (1e-308, 1e-5, 1e5, 1e308):
        with pytest.raises(hc.InputError, match=r"rate must lie within \[0.0001, 10000\] for a fit"):
            hc.diagnose(factors, standard_errors=errors, rate=rate)


def test_coefficients_that_are_no_shares_of_the_data_are_noticed():
    """Rejected, as factors begin at 1, and said; not said of factors that do and are rejected, nor of variances."""
    factors = hc.mode_factors([1, 2], fresh_fraction=0.25, truncation_time=0.05, rounds=12)
    errors = np.full(factors.shape, 0.002)
    said = "divide coefficients by those of the data"
    scaled = hc.diagnose([0.7, -0.4] * factors, standard_errors=errors, fresh_fraction=0.25)
    assert (
        scaled.verdict == "rejected" and said in scaled.text and "(column 1, column 2 differ" in scaled.text
    )
    restless = 1.0 + 0.2 * np.sin(3.0 * np.arange(13.0))[:, None] * [1.0, 1.0]
    told = {"fresh_fraction": 0.25, "noise": "independent"}
    other = hc.diagnose(restless, standard_errors=errors, **told)
    assert other.verdict == "rejected" and said not in other.text
    one, error = 0.6 * restless[:, :1], errors[:, :1]
    variances = hc.diagnose(one, kind="variances", standard_errors=error, **told)
    assert variances.verdict == "rejected" and said not in variances.text


def test_plateaus_of_standard_deviations_are_standard_deviations():
    rng = np.random.default_rng(0)
    slope, variance = np.exp(-0.05), 0.05
    values = [variance]
    for _ in range(14):
        values.append(slope * (0.2 * variance + 0.8 * values[-1]) + 1.0 - slope)
    deviations = np.sqrt(values)
    errors = 0.005 * deviations
    errors[0] = 0.0
    curve = deviations + errors * rng.standard_normal(15)
    told = {"standard_errors": errors, "fresh_fraction": 0.2, "noise": "independent"}
    result = hc.diagnose(curve, kind="deviations", **told)
    limit = ((0.2 * slope * variance + 1.0 - slope) / (1.0 - 0.8 * slope)) ** 0.5
    assert abs(result.plateau[0] - limit) < 4.0 * result.plateau_error[0] < 0.01
    squared = hc.diagnose(curve**2, kind="variances", **(told | {"standard_errors": 2 * curve * errors}))
    assert result.plateau**2 == pytest.approx(squared.plateau, rel=1e-9)
    assert 2.0 * result.plateau * result.plateau_error == pytest.approx(squared.plateau_error, rel=1e-9)
    assert f"levels off at {result.long_run[0][1]}" in result.text and result.long_run[0][1].startswith(
        "0.49"
    )
    axes = result.plot()
    assert axes.get_ylabel() == "standard deviation"
    assert axes.lines[0].get_ydata() == pytest.approx(
        curve[1:] if len(axes.lines[0].get_ydata()) == 14 else curve
    )


def test_text_and_table_agree_on_curves_that_stay():
    """A curve whose rate may be 1 has no plateau, even where that of its fit lies among its values."""
    curve = np.column_stack([np.full(10, 0.3), 0.5 + 0.3 * (1 - 0.6 ** np.arange(10))])
    errors = 0.01 * curve
    errors[0] = 0.0
    for seed in range(8):
        values = curve + errors * np.random.default_rng(seed).standard_normal(curve.shape)
        result = hc.diagnose(values, kind="variances", standard_errors=errors, noise="independent")
        (name, plateau, _), (other, level, _) = result.long_run
        assert plateau == "undetermined" and f"Without a plateau in sight: {name}" in result.text
        assert f"{other} at {level} (by a factor of" in result.text


def test_a_curve_that_flattens_by_chance_leads_nowhere():
    """Six rounds of a slow curve, whose last ones lie level: 0.933 +- 0.013 was said, and 0.832 is true."""
    values = np.array(
        [[1.0, 0.963, 0.929, 0.951, 0.948, 0.952, 0.903], [1.0, 0.916, 0.865, 0.827, 0.827, 0.817, 0.729]]
    )
    errors = np.full((7, 2), 0.02)
    errors[0] = 0.0
    result = hc.diagnose(
        values.T, degrees=[2, 6], standard_errors=errors, noise="independent", regime="replace"
    )
    assert np.isnan(result.plateau[0]) and "0.93" not in result.text
