"""How far the numbers of a table are rounded is read off their digits."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.storage.curves import read_curve

COARSE = [1.0, 0.5, 0.1]
"""Units of the last digit in errors of one, two and ten of them."""
EXACT = [0.0, 0.0, 0.0]
TABLES = {
    # text without its rounds: units of values in standard errors, units of errors in these
    "variance;sem\n.53;.01\n.60;.02\n.66;.10": (COARSE, COARSE),
    "variance;sem\n.53;.01\n.6;.02\n.66;.1": (COARSE, COARSE),  # the last 0 is not always written
    "variance;sem\n0,53;0,01\n0,60;0,02\n0,66;0,10": (COARSE, COARSE),
    "variance;sem\n.5312;.01\n.6;.02\n.66;.1": ([0.01, 0.005, 0.001], EXACT),  # not cut to the same digits
    "variance;sem\n.53;.010\n.60;.020\n.66;.100": (COARSE, [0.1, 0.05, 0.01]),
    "variance\n.53 ± .01\n.60 (.02)\n.66 +/- .10": (COARSE, COARSE),
    "variance\n.53(1)\n.60(2)\n.66(10)": (COARSE, COARSE),
    "variance\n53e-2 ± 1e-2\n60e-2 ± 2e-2\n66e-2 ± 10e-2": (COARSE, COARSE),
    "variance;sem\n5.3e-3;1e-4\n6.0e-2;2e-3\n6.6e-3;10e-4": (COARSE, COARSE),
    "recall\n53 % ± 1 %\n(60 ± 2) %\n66% ± 10%": (COARSE, COARSE),
    "recall (%);std (%)\n53;1\n60;2\n66;10": (COARSE, COARSE),
    "degree 2;error\n100;1\n80;2\n70;10": (COARSE, COARSE),
    "variance (1e-3);sem (1e-3)\n53;1\n60;2\n66;10": (COARSE, COARSE),
    "variance (n=4);std\n.53;.01\n.60;.02\n.66;.10": ([2.0, 1.0, 0.2], COARSE),
    "variance;error (2σ)\n.53;.01\n.60;.02\n.66;.10": ([2.0, 1.0, 0.2], COARSE),
    "variance;error (relative)\n.50;.02\n.50;.04\n.50;.20": (COARSE, EXACT),
    "value;error (variance)\n.5;.01\n.5;.04\n.5;.25": ([1.0, 0.5, 0.2], EXACT),
    "variance;sem\n1;0\n.60;.02\n.66;.10": ([0.0, 0.5, 0.1], [0.0, 0.5, 0.1]),
    "variance;sem\n.53;.01\n;.02\n.66;.10": ([1.0, 0.0, 0.1], [1.0, 0.0, 0.1]),
}


@pytest.mark.parametrize("text", TABLES)
def test_units_of_last_digits(tmp_path, text):
    head, *rows = text.split("\n")
    numbered = "\n".join(f"{i};{row}" for i, row in enumerate(rows))
    (tmp_path / "c.csv").write_text(f"round;{head}\n{numbered}")
    found = read_curve(tmp_path / "c.csv").rounding
    of_values, of_errors = TABLES[text]
    np.testing.assert_allclose(found.values[:, 0], of_values, rtol=1e-12)
    np.testing.assert_allclose(found.errors[:, 0], of_errors, rtol=1e-12)


def test_each_curve_of_a_long_table_has_its_own(tmp_path):
    rows = "0;FID;12.3;.1\n1;FID;13.1;.2\n0;recall;.912;.001\n1;recall;.83;.002"
    (tmp_path / "c.csv").write_text(f"round;metric;value;std\n{rows}")
    np.testing.assert_allclose(read_curve(tmp_path / "c.csv").rounding.values, [[1, 1], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("text", "one_digit"),
    [(".5312;.01\n1;.60;.02", True), (".5312;.012\n1;.60;.02", False), (".53;.01\n1;.60;.02", False)],
)
def test_errors_of_one_digit_beside_longer_values(tmp_path, text, one_digit):
    (tmp_path / "c.csv").write_text(f"round;variance;sem\n0;{text}")
    assert read_curve(tmp_path / "c.csv").rounding.has_one_digit == one_digit


@pytest.mark.parametrize(
    "text",
    [
        "round;variance;sem\n0;1e-200;1e-200\n1;2e-200;1e-200",
        "round;variance\n0;.5\n1;.6",
        "seed;round;fid\n1;0;1.2\n2;0;1.3\n1;1;1.4\n2;1;1.5",
    ],
)
def test_without_errors_or_digits_that_stand_there_nothing_is_said(tmp_path, text):
    (tmp_path / "c.csv").write_text(text)
    assert read_curve(tmp_path / "c.csv").rounding is None
