"""Tables of measured curves: columns go together by their names, and every bad table is one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.curves import read_curve


def test_curves_by_name(tmp_path):
    file = tmp_path / "c.csv"
    file.write_text(
        "degree 4, degree 4 error, round, degree 11, degree 11_error\n1,0.1,0,1,0.2\n0.5,0.3,2,0.4,0.4\n"
    )
    curve = read_curve(file)
    np.testing.assert_array_equal(curve.rounds, [0, 2])
    np.testing.assert_array_equal(curve.values, [[1, 1], [0.5, 0.4]])
    np.testing.assert_array_equal(curve.standard_errors, [[0.1, 0.2], [0.3, 0.4]])
    assert curve.degrees == (4, 11) and curve.names == ("degree 4", "degree 11")


def test_curves_without_names_rounds_or_errors(tmp_path):
    (tmp_path / "c.txt").write_text("1 1\n0.9 0.8\n0.85 0.7\n")
    curve = read_curve(tmp_path / "c.txt")
    np.testing.assert_array_equal(curve.rounds, [0, 1, 2])
    assert curve.standard_errors is None and curve.degrees == (1, 2)
    (tmp_path / "n.csv").write_text("variance\n1\n2\n")
    assert read_curve(tmp_path / "n.csv").degrees is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("round\n1\n2\n", "must have a column of values, got round"),
        ("a, b, a error\n1,2,3\n", "must have a column of errors for each of a, b or for none, got a error"),
        ("a, b\n1,2,3\n", "must have one name for each of 3 columns, got 2"),
        ("a\nx\n", "'x' on line 2, which is not a number"),
    ],
)
def test_bad_curves(tmp_path, text, message):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_curve(tmp_path / "c.csv")
