"""Many tests at one level, on examples that a hand can check."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from hermite_collapse.core.estimates import Estimate, standard_error_of_mean
from hermite_collapse.core.numbers import percent
from hermite_collapse.core.significance import Test, expected_largest, holm, normal_test


@pytest.mark.parametrize("z", [0.0, 0.5, -1.0, 1.959963984540054, -3.3, 6.0])
def test_normal_tests_are_two_sided(z):
    assert normal_test("z", z).p_value == pytest.approx(2 * norm.sf(abs(z)), rel=1e-12)


def rejected(p_values, weights=None, level=0.05):
    weights = [1.0] * len(p_values) if weights is None else weights
    tests = [Test(str(i), 0.0, p, weight=w) for i, (p, w) in enumerate(zip(p_values, weights, strict=True))]
    return [test.name for test in holm(tests, level, 0).rejected]


def test_each_rejection_frees_its_share_of_the_level():
    assert rejected([0.01, 0.02, 0.03]) == ["0", "1", "2"]  # 3 x 0.01, 2 x 0.02, 1 x 0.03
    assert rejected([0.01, 0.03, 0.03]) == ["0"]  # 2 x 0.03 is too much
    assert rejected([0.02, 0.02, 0.02]) == []


def test_weights_are_shares_of_the_level():
    assert rejected([0.03, 0.5], weights=[3.0, 1.0]) == ["0"]  # 0.03 x 4/3 = 0.04
    assert rejected([0.03, 0.5], weights=[1.0, 3.0]) == []  # 0.03 x 4 = 0.12


def test_the_adjusted_p_value_is_that_of_the_strongest():
    verdict = holm([Test("a", 0.0, 0.01), Test("b", 0.0, 0.2)], 0.05, 3)
    assert verdict.adjusted_p_value == pytest.approx(0.02)
    assert (verdict.tests, verdict.untested, verdict.passed) == (2, 3, False)


def test_standard_errors_of_means_divide_by_one_less():
    estimate = Estimate.of_mean([1.0, 2.0, 3.0, 4.0])
    assert estimate.error == pytest.approx(np.sqrt(5.0 / 3.0) / 2.0, rel=1e-15)
    rows = np.array([[1.0, 5.0], [2.0, 5.0], [6.0, 8.0]])
    np.testing.assert_allclose(standard_error_of_mean(rows), [np.sqrt(7.0 / 3.0), 1.0])


@pytest.mark.parametrize(
    ("share", "written"),
    [(0.5234, "52 %"), (0.0123, "1.2 %"), (1.0, "100 %"), (0.0995, "10 %"), (0.0994, "9.9 %")],
)
def test_shares_in_per_cent(share, written):
    assert percent(share) == written


def test_the_largest_z_score_stands_beside_what_chance_makes_of_so_many():
    draws = np.abs(np.random.default_rng(0).standard_normal((4000, 85))).max(axis=1)
    assert expected_largest(85) == pytest.approx(np.median(draws), abs=0.03)
    assert expected_largest(1) == pytest.approx(norm.ppf(0.75), rel=1e-12)
    singles = [normal_test(f"degree {i}", z) for i, z in enumerate([0.5, -2.4, 1.0])]
    weighted = Test("implied", 2.2, 0.028, weight=20.0, is_z=True)
    verdict = holm([*singles, weighted], 0.01, 0)
    assert verdict.largest is singles[1] and verdict.z_scores == 3 and verdict.strongest is weighted
    assert "strongest deviation after weighting is implied" in verdict.text and "-2.40" in verdict.text
    assert f"about {expected_largest(3):.1f}" in verdict.text and verdict.head == "Agreement"


def test_nothing_tested_is_neither_agreement_nor_disagreement():
    verdict = holm([], 0.01, 7)
    assert (
        verdict.head == "Not tested" and not verdict.passed and not verdict.rejected and not verdict.is_tested
    )


@pytest.mark.parametrize("level", [0.05, 1e-10, 5e-324])
def test_the_size_that_rejects_is_finite_at_every_level(level):
    critical = holm([Test(str(i), 0.0, 0.5) for i in range(77)], level, 0).critical_z
    assert norm.logsf(critical) == pytest.approx(np.log(level) - np.log(2 * 77), rel=1e-12)
