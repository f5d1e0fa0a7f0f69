"""Errors that are printed with one digit reject a true mechanism no more often than those of many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import polygamma

import hermite_collapse as hc
from hermite_collapse.diagnosis.observed.few_runs import with_runs
from hermite_collapse.diagnosis.observed.printed_errors import with_printed_digits
from tests.diagnosis.observed_arrays import observed

UNIT = 0.01
ROUNDS = 10


def printed(path, values, errors, digits=2):
    """Return the curve of a table of shares of degrees 1 and 2 in rounds 1, 2, ..."""
    rows = [
        f"{i}," + ",".join(f"{v:.{digits}f},{e:.{digits}f}" for v, e in zip(*pair, strict=True))
        for i, pair in enumerate(zip(values, errors, strict=True), start=1)
    ]
    path.write_text("round,degree 1,degree 1 error,degree 2,degree 2 error\n" + "\n".join(rows))
    return hc.read_curve(path)


def of_table(curve):
    told = {"kind": "factors", "degrees": curve.degrees, "rounds": curve.rounds, "names": curve.names}
    return observed(curve.values, curve.standard_errors, **told)


def test_what_digits_leave_open(tmp_path):
    errors = np.full((3, 2), 0.02)
    errors[:, 1] = (0.01, 0.01, 0.03)
    curve = printed(tmp_path / "c.csv", np.full((3, 2), 0.5), errors)
    stated = of_table(curve)
    found = with_printed_digits(stated, stated, curve)
    np.testing.assert_allclose(found.covariance, errors.ravel() ** 2 + UNIT**2 / 12.0, rtol=1e-12)
    assert found.are_rounded and len(set(found.error_groups[[0, 2, 4]])) == 1
    assert found.error_groups[1] == found.error_groups[3] != found.error_groups[5]
    for freedom, error in zip(found.error_freedom, errors.ravel(), strict=True):
        sizes = error + UNIT * ((np.arange(100_000) + 0.5) / 100_000 - 0.5)
        assert polygamma(1, freedom / 2.0) == pytest.approx(np.log(sizes**2).var(), rel=1e-6)


def test_what_is_known_otherwise(tmp_path):
    values, errors = np.full((6, 2), 0.5), np.tile([[0.02, 0.01], [0.01, 0.03]], (3, 1))
    curve = printed(tmp_path / "c.csv", values, errors)
    stated = of_table(curve)
    for runs in (np.array(3.0), np.array(np.inf)):  # few runs are as rough, exact errors are not
        known = with_runs(stated, runs)
        found = with_printed_digits(known, stated, curve)
        np.testing.assert_allclose(found.covariance, known.covariance + UNIT**2 / 12.0, rtol=1e-12)
        assert not found.are_rounded
        np.testing.assert_array_equal(
            np.zeros(0) if found.error_freedom is None else found.error_freedom,
            np.zeros(0) if known.error_freedom is None else known.error_freedom,
        )
    longer = printed(tmp_path / "c.csv", values, errors, digits=4)
    assert with_printed_digits(stated, stated, longer).error_freedom is None
    assert with_printed_digits(stated, stated, values) is stated


def test_what_is_said_of_them(tmp_path):
    values = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=ROUNDS)[1:]
    curve = printed(tmp_path / "c.csv", values, np.full(values.shape, 0.02))
    alone = {"mechanism": "truncation", "regime": "replace", "noise": "independent"}
    assert "Errors are printed with one digit" in hc.diagnose(curve, **alone).text
    assert "Errors are printed" not in hc.diagnose(curve, runs=np.inf, **alone).text
    scattered = values + 0.02 * np.random.default_rng(0).standard_normal(values.shape)
    finer = printed(tmp_path / "c.csv", scattered, np.full(values.shape, 0.02), digits=4)
    assert "Errors are printed" not in hc.diagnose(finer, **alone).text
    rows = [f"{i},{a:.4f},.02,{b - 0.2 * (i == 5):.4f},.02" for i, (a, b) in enumerate(values, start=1)]
    (tmp_path / "c.csv").write_text(
        "round,degree 1,degree 1 error,degree 2,degree 2 error\n" + "\n".join(rows)
    )
    rough = hc.diagnose(hc.read_curve(tmp_path / "c.csv"), **alone)
    assert "Errors with one digit were taken as exact" in rough.text and rough.verdict == "rejected"


def share_rejected(path, sizes, tables, *, as_printed, jump=0.0):
    """Return how often truncation is rejected in tables of it, errors of `sizes` in units of the last digit."""
    rng, count = np.random.default_rng(11), 0
    for _ in range(tables):
        fresh, time = rng.uniform(0.15, 0.5), rng.uniform(0.03, 0.2)
        exact = hc.mode_factors([1, 2], fresh_fraction=fresh, truncation_time=time, rounds=ROUNDS)[1:].copy()
        exact[5, 1] -= jump
        errors = np.full(exact.shape, UNIT * rng.uniform(*sizes))
        curve = printed(path, exact + errors * rng.standard_normal(exact.shape), errors)
        curve = curve if as_printed else curve.replace(rounding=None)
        result = hc.diagnose(curve, mechanism="truncation", regime="replace", noise="independent")
        count += result.fits_by_mechanism["truncation"].is_rejected
    return count / tables


def test_true_truncations_are_held_to_errors_as_they_are_printed(tmp_path):
    """The worst case, of errors near 1.5 units that are printed as 1."""
    assert share_rejected(tmp_path / "c.csv", (1.4, 1.5), 16, as_printed=False) > 0.5
    assert share_rejected(tmp_path / "c.csv", (1.4, 1.5), 16, as_printed=True) <= 0.19
    assert share_rejected(tmp_path / "c.csv", (1.0, 1.5), 8, as_printed=True, jump=0.2) >= 0.9


@pytest.mark.slow
def test_true_truncations_with_errors_of_one_to_three_units(tmp_path):
    """The promised 5 per cent, and two standard errors of 200 tables."""
    assert share_rejected(tmp_path / "c.csv", (1.0, 3.0), 200, as_printed=False) > 0.12
    assert share_rejected(tmp_path / "c.csv", (1.0, 3.0), 200, as_printed=True) <= 0.08
    assert share_rejected(tmp_path / "c.csv", (1.4, 1.5), 200, as_printed=True) <= 0.08
