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
    "10^-3; first direction": 1e-3,
    "‰": 1e-3,
    "per mille": 1e-3,
    "milli": 1e-3,
    "thousandths": 1e-3,
    "%": 1e-2,
    "ppm": 1e-6,
    "10^2": 1e2,
    "thousands": 1e3,
    "first direction": 1.0,
    "10": 1.0,  # the tenth one
}


def curve_of(folder, names):
    lines = [f"{i}" + f",{value}" * names.count(",") for i, value in enumerate(VALUES)]
    (folder / "c.csv").write_text("\n".join([names, *lines]))
    return read_curve(folder / "c.csv")


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        (name, factor)
        for name in ("variance", "std", "degree 2", "FID")
        for factor in FACTORS
        if factor != "%" or name not in ("variance", "std")  # refused, below
    ],
)
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
        ("degree 2 (1e-3) (%)", "which may mean to multiply or to divide"),
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
        with pytest.raises(InputError, match="leave it out of the name|factor in the name|relative to one"):
            read_curve(tmp_path / "c.csv")


@pytest.mark.parametrize(
    "name",
    [
        "variance (%)",
        "variance (% of data)",
        "relative variance",
        "variance (relative)",
        "variance (normalised)",
        "std (normalized)",
        "variance (x data)",
        "variance / data",
        "direction 1 (a.u.)",
        "var 3 (rel.)",
    ],
)
def test_variances_relative_to_others_are_no_variances_of_the_diffusion(tmp_path, name):
    with pytest.raises(InputError) as problem:
        curve_of(tmp_path, f"round,{name}")
    message = str(problem.value)
    assert "\n" not in message and (
        "relative to one that the table does not say" in message or "=ROLE" in message
    )
    asked = read_curve(tmp_path / "c.csv", columns={name: "value"})
    np.testing.assert_array_equal(asked.values[:, 0], VALUES * (0.01 if "%" in name else 1.0))
    said = read_curve(tmp_path / "c.csv", columns={name: "variance"})
    assert said.kind == "variances" and np.array_equal(said.values, asked.values)


def test_names_that_only_look_relative(tmp_path):
    for name in ("direction 2", "variance (first direction)", "var 2 (1st direction)"):
        assert curve_of(tmp_path, f"round,{name}").kind == "variances"


def test_errors_in_per_cent_beside_plain_values_may_be_relative(tmp_path):
    with pytest.raises(InputError, match=r"unit of their values, got '500.0' in column 'se \(%\)', row 1"):
        curve_of(tmp_path, "round,variance,se (%)")


def test_errors_of_zero_after_the_data_are_named(tmp_path):
    (tmp_path / "c.csv").write_text("round,variance,se\n0,1,0\n1,1.2,0.1\n2,1.3,0\n3,1.3,0.1\n")
    assert read_curve(tmp_path / "c.csv").notes == (
        "1 value with an error of 0 left out, in round 2: only the data, in round 0, may be known exactly.",
    )
    (tmp_path / "c.csv").write_text("round,variance,se\n1,1,0\n2,1.2,0\n3,1.3,0.1\n")
    (note,) = read_curve(tmp_path / "c.csv").notes
    assert note.startswith("2 values with errors of 0 left out, the first in round 1")
    assert note.endswith("where round 1 is the data, give it the number 0.")
