"""Figures of diagnoses: curves of very different sizes on one axis, and names that keep clear of the plateaus."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc


def variances(*of_data: float) -> np.ndarray:
    """Variances under truncation at 0.002 with 20 % of fresh data, rounds 0 to 8."""
    data = values = np.array(of_data)
    rows = [data]
    for _ in range(8):
        values = np.exp(-0.002) * (0.2 * data + 0.8 * values) - np.expm1(-0.002)
        rows.append(values)
    return np.array(rows)


def drawn(curves: np.ndarray):
    answer = hc.diagnose(curves, standard_errors=0.01 * curves, kind="variances", fresh_fraction=0.2)
    return hc.figures.draw_diagnosis(answer)


@pytest.mark.parametrize(("smallest", "scale"), [(0.2, "linear"), (0.0005, "log")])
def test_small_curves_are_seen(smallest, scale):
    assert drawn(variances(0.9, smallest, 8.0 * smallest)).get_yscale() == scale


def test_names_stand_outside_the_axes():
    axes = drawn(variances(0.9, 0.0005))
    assert len(axes.texts) == 2
    assert all(text.xy[0] == axes.get_xlim()[1] for text in axes.texts)


def test_marks_of_plateaus_keep_clear_of_the_labels():
    curve = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=8)
    answer = hc.diagnose(curve, standard_errors=np.full(curve.shape, 0.01), regime="replace")
    axes = hc.figures.draw_diagnosis(answer)
    axes.figure.canvas.draw()
    labels = [text.get_window_extent() for text in axes.texts]
    marks = [line for line in axes.lines if line.get_transform() == axes.get_yaxis_transform()]
    assert len(labels) == 2 and len(marks) == 2
    right = axes.bbox.x1
    for mark in marks:
        path = mark.get_marker()
        assert path == 8  # a triangle whose base is at the edge of the axes, and which points into them
    assert min(box.x0 for box in labels) > right + 2.0
