"""Factors in names of columns are applied or refused, never left unread."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.curves import read_curve

VALUES = np.array([500.0, 525.5, 541.7])
FACTORS = {
    "1e-3": 1e-3,
    "1E-3": 1e-3,
    "10^-3": 1e-3,
    "10⁻³": 1e-3,
    "10**-3": 1e-3,
    "$10^{-3}$": 1e-3,
    "in 10^-3": 1e-3,
    "10^-3 px^2": 1e-3,
    "‰": 1e-3,
    "per mille": 1e-3,
    "milli": 1e-3,
    "thousandths": 1e-3,
    "%": 1e-2,
    "ppm": 1e-6,
    "10^2": 1e2,
    "thousands": 1e3,
    "px^2": 1.0,
    "10": 1.0,  # the tenth one
}


def curve_of(folder, names):
    lines = [f"{i}" + f",{value}" * names.count(",") for i, value in enumerate(VALUES)]
    (folder / "c.csv").write_text("\n".join([names, *lines]))
    return read_curve(folder / "c.csv")


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ["variance", "std", "degree 2", "FID"])
def test_factors_in_brackets_are_applied(tmp_path, name, factor):
    curve = curve_of(tmp_path, f"round,{name} ({factor})")
    np.testing.assert_allclose(curve.values[:, 0], FACTORS[factor] * VALUES, rtol=1e-14)
    said = any("multiplied by" in note for note in curve.notes)
    assert said == (FACTORS[factor] not in (1.0, 1e-2) or factor == "10^2")


@pytest.mark.parametrize(
    ("names", "scale"),
    [
        ("variance 1 (10⁻³),variance 1 error (10⁻³)", 1e-3),
        ("variance 1 (1e-3),variance 1 (1e-3) error", 1e-3),
        ("variance (1e-3),±", 1e-3),
        ("variance,variance std (1e-6)", 1e-6),
        ("variance (1e-3),variance std (1e-6)", 1e-6),
        ("variance (‰),sem (‰)", 1e-3),
    ],
)
def test_errors_have_their_own_factor(tmp_path, names, scale):
    curve = curve_of(tmp_path, f"round,{names}")
    np.testing.assert_allclose(curve.standard_errors[:, 0], scale * VALUES, rtol=1e-14)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("variance (dB)", "got a logarithm in 'variance .dB.'"),
        ("variance (log10)", "got a logarithm in"),
        ("variance (x10^-3)", "numbers in their own unit, got a power of ten"),
        ("variance (1000)", "'variance .1000.', which may mean to multiply or to divide"),
        ("variance (0.001)", "which may mean to multiply or to divide"),
        ("variance (/1000)", "which may mean to multiply or to divide"),
        ("variance / 1000", "which may mean to multiply or to divide"),
        ("variance (1/1000)", "which may mean to multiply or to divide"),
        ("variance (10-3)", "which may mean to multiply or to divide"),
        ("variance (1e-3) (%)", "which may mean to multiply or to divide"),
        (
            "variance (1e-3),std",
            "the factor of errors as that of their values, got 'std' beside 'variance .1e-3.'",
        ),
    ],
)
def test_what_may_be_meant_in_two_ways_is_refused(tmp_path, names, message):
    with pytest.raises(InputError, match=message) as problem:
        curve_of(tmp_path, f"round,{names}")
    assert "\n" not in str(problem.value)


def test_factors_in_names_of_curves_in_rows_are_refused(tmp_path):
    for label in ("variance (1e-3)", "variance (%)"):
        (tmp_path / "c.csv").write_text(f"round,metric,value\n0,{label},1\n1,{label},2\n")
        with pytest.raises(InputError, match="multiply, and leave it out of the name|factor in the name"):
            read_curve(tmp_path / "c.csv")
