"""The table of a sampler's steps: values below their errors beside exact zeros, and z from what is printed."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.comparison.steps_result import StepsComparison
from hermite_collapse.core.significance import Test, holm
from hermite_collapse.reporting.steps import steps_page, steps_table


def comparison() -> StepsComparison:
    measured = np.array([[0.0, 0.5, 0.0], [0.001103, 0.4961, -0.000624]])
    expected = np.array([[0.0, 0.5, 0.0], [3.248e-17, 0.4983, np.nan]])
    error = np.array([[0.0, 0.0, 0.0], [0.0015, 0.0021, 0.00084]])
    return StepsComparison(
        labels=("degree 1", "degree 2", "degree 3"),
        expected=expected,
        measured=measured,
        standard_error=error,
        tested=np.isfinite(expected) & (error > 0.0),
        closure=np.full((2, 3), np.nan),
        grid_error=np.zeros((2, 3)),
        data=np.array([0.0, 0.5, 0.0]),
        implied_fresh_fraction=None,
        fresh_fraction=0.3,
        reason="",
        sampler="DDIM, 25 steps",
        guidance_scale=1.0,
        runs=1,
        particles=1000,
        verdict=holm([Test("degree 2", 1.05, 0.3)], 0.01, 0),
    )


def test_z_can_be_had_from_the_numbers_of_its_row() -> None:
    rows = {row.cells[1]: row.cells for row in steps_table(comparison()).rows}
    assert rows["degree 1"][2:5] == ("0", "0.0011 ± 0.0015", "+0.74")
    assert rows["degree 3"][2] == "–" and rows["degree 3"][4] == "untested"
    value, error = (float(part) for part in rows["degree 2"][3].split(" ± "))
    assert (value - float(rows["degree 2"][2])) / error == pytest.approx(float(rows["degree 2"][4]), abs=0.05)


def test_the_verdict_stands_once_on_a_page() -> None:
    page = steps_page(comparison())
    text = comparison().verdict.text
    assert page.lead.count(text) == 1
    captions = [figure.get_label() for figure in page.figures.values()]
    assert captions and all(text not in caption and caption.endswith("Agreement.") for caption in captions)
