"""What is wrong with arrays is said in one sentence: the argument, the rule, and the value that breaks it."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc

CURVE = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=6)
ERRORS = np.full(CURVE.shape, 0.01)
LATER = {"curve": CURVE[1:], "rounds": range(1, 7), "data": 1.0}


def changed(array, **entries):
    """An array with other entries, by index as text."""
    other = np.array(array, dtype=float)
    for index, value in entries.items():
        other[tuple(int(digit) for digit in index.split("_")[1:])] = value
    return other


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"standard_errors": -ERRORS}, "standard_errors must be >= 0, got -0.01 in round 0 of column 1."),
        (
            {"standard_errors": changed(ERRORS, at_3_1=-0.02), "rounds": [0, 1, 2, 5, 6, 7, 8]},
            "standard_errors must be >= 0, got -0.02 in round 5 of column 2.",
        ),
        (
            {"standard_errors": -ERRORS[:3]},
            "standard_errors must be >= 0 and shaped like curve, (7, 2), got (3, 2).",
        ),
        (
            {"covariance": -np.eye(14)},
            "covariance must be positive semidefinite, with variances >= 0, got -1.0 in round 0 of column 1.",
        ),
        (
            {"covariance": changed(np.eye(14), at_5_5=-2.0)},
            "covariance must be positive semidefinite, with variances >= 0, got -2.0 in round 2 of column 2.",
        ),
        (
            {"covariance": changed(np.eye(14), at_0_1=0.3)},
            "covariance must be symmetric, got 0.3 at (0, 1) and 0.0 at (1, 0).",
        ),
        (
            {"covariance": changed(np.eye(14), at_2_3=2.0, at_3_2=2.0)},
            "covariance must be positive definite where it is used, got correlations whose least eigenvalue is "
            "-1.",
        ),
        (
            {"covariance": np.zeros((14, 14))},
            "covariance must hold variances > 0 of values that are used, got zeros only.",
        ),
        *(
            (
                {"curve": CURVE[:1], **errors},
                "curve must hold rounds after round 0, the data, got one row only, that of round 0.",
            )
            for errors in ({}, {"standard_errors": ERRORS[:1]}, {"standard_errors": 0.0 * ERRORS[:1]})
        ),
        *(
            (
                {"kind": kind, "degrees": [1, 2]},
                f"degrees must be left out for {kind.replace('_', ' ')}, which have none, got [1, 2].",
            )
            for kind in ("variances", "deviations", "distances", "squared_distances")
        ),
        (
            LATER | {"data_errors": 0.1},
            "data_errors must come with standard_errors or covariance, without which nothing is tested, got "
            "[0.1, 0.1] alone.",
        ),
        (
            LATER | {"data_errors": -0.1, "standard_errors": ERRORS[1:]},
            "data_errors must be >= 0, got -0.1.",
        ),
        ({"data_errors": 0.1}, "data_errors must come with data, got data_errors alone."),
        ({"rounds": [0, 1]}, "rounds must be whole numbers >= 0, one a row of curve (7), got 2 of them."),
        ({"rounds": np.arange(7) - 1}, "rounds must be whole numbers >= 0, got -1.0."),
        ({"rounds": [0, 1, 2, 3, 4, 5, 6.5]}, "rounds must be whole numbers >= 0, got 6.5."),
    ],
)
def test_the_value_that_is_wrong_is_said(settings, text):
    with pytest.raises(hc.InputError) as problem:
        hc.diagnose(**({"curve": CURVE} | settings))
    assert str(problem.value) == text
