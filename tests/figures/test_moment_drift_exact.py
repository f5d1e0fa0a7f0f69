"""Error bars of second moments: E x_j^2 = 1 + sqrt(2) c_(2 e_j), and so for their standard errors."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc

pytest.importorskip("torch")

from hermite_collapse.figures.result_modes import moment_drift


def test_bars_are_one_standard_error_of_the_second_moment():
    law = hc.GaussianMixture(
        [0.5, 0.5], [[-1.5, 0.0, 0.4], [1.5, 0.0, -0.4]], [[0.3, 0.5, 1.0], [0.3, 0.5, 1.0]]
    )
    recursion = hc.Recursion(law, fresh_fraction=0.3, truncation_time=0.3)
    run = hc.simulation.simulate(recursion, rounds=3, particles=2000, generator="channel", degree=2, seed=4)
    comparison = hc.compare(recursion, run)
    figure = moment_drift(recursion, hc.predict(recursion, rounds=3, degree=2), comparison)
    rows = {
        f"$E\\,x_{{{int(np.flatnonzero(k)[0]) + 1}}}^2$": row
        for row, k in enumerate(comparison.indices)
        if k.max() == 2
    }
    (axes,) = figure.axes
    names = [name for name in sorted(rows) if any(name in text.get_text() for text in axes.texts)]
    assert len(names) == len(axes.containers) >= 2
    for name, container in zip(names, axes.containers, strict=True):
        _, _, (bars,) = container.lines
        half = np.array([(segment[-1, 1] - segment[0, 1]) / 2 for segment in bars.get_segments()])
        exact = np.sqrt(2.0) * comparison.standard_error[:, rows[name]]
        np.testing.assert_allclose(half, exact[-len(half) :], rtol=1e-9)
