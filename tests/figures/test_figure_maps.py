"""Heat maps and budgets: every cell is the number it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse import presets
from hermite_collapse.advice.samplers import KNOWN_SAMPLERS
from hermite_collapse.core.errors import InputError
from hermite_collapse.figures import (
    coefficient_figure,
    draw_budget,
    draw_coefficients,
    draw_discount_weights,
    draw_parameter_map,
)
from hermite_collapse.recursion.modes import attenuation
from tests.figures.figure_checks import assert_readable


def cells(mesh: object) -> np.ndarray:
    return np.ma.filled(mesh.get_array().astype(float), np.nan)


def test_limit_map_is_the_data_map_times_one_factor_a_degree() -> None:
    coefficients = presets.load("tilted_2d").hermite_coefficients(6)
    figure = coefficient_figure(coefficients=coefficients, fresh_fraction=0.3, truncation_time=0.1)
    data, limit = (cells(axes.collections[0]) for axes in figure.axes[:2])
    for (k1, k2), value in zip(coefficients.indices, coefficients.values, strict=True):
        if k1 + k2 == 0:
            assert np.isnan(data[k2, k1])
            continue
        assert data[k2, k1] == value
        g = 0.3 / (0.3 + np.expm1(0.05 * (k1 + k2)))
        assert limit[k2, k1] == pytest.approx(g * value, rel=1e-13)
    assert figure.axes[0].collections[0].norm.vmax == figure.axes[1].collections[0].norm.vmax
    assert_readable(figure)


def test_contours_on_the_parameter_map_hold_lambda_constant() -> None:
    alpha, time = np.geomspace(0.01, 0.9, 12), np.geomspace(0.005, 1.0, 15)
    table = np.array(
        [[attenuation(4, fresh_fraction=a, truncation_time=t, rate=0.7) for t in time] for a in alpha]
    )
    axes = draw_parameter_map(
        fresh_fraction=alpha, truncation_time=time, values=table, label="kept", rate=0.7, levels=(3.0, 30.0)
    )
    np.testing.assert_array_equal(cells(axes.collections[0]), table)
    for contour, level in zip(axes.lines, (3.0, 30.0), strict=True):
        t, a = contour.get_data()
        np.testing.assert_allclose(a / (0.7 * t), level)
    assert_readable(axes.get_figure())


def test_known_samplers_stand_at_their_times_on_the_parameter_map() -> None:
    alpha, time = np.geomspace(0.01, 0.9, 12), np.geomspace(1e-5, 0.1, 15)
    table = np.array([[np.log1p(a) / (0.5 * t) for t in time] for a in alpha])
    times = {name: sampler.truncation_time for name, sampler in KNOWN_SAMPLERS.items()}
    axes = draw_parameter_map(
        fresh_fraction=alpha,
        truncation_time=time,
        values=table,
        label="half-amplitude degree",
        levels=(1000.0, 10.0),
        logarithmic=True,
        marks={**times, "far out": 5.0},
    )
    assert sorted(line.get_xdata()[0] for line in axes.lines[2:]) == sorted(times.values())
    words = [text.get_text() for text in axes.texts[2:]]
    assert sorted(", ".join(words).split(", ")) == sorted(times)
    assert "ddpm, score_sde_vp" in words  # a tenth apart: one line of text
    assert_readable(axes.get_figure())


def test_budget_stacks_signed_parts_from_zero() -> None:
    parts = {"bias": [0.4, 0.3], "score": [-0.1, 0.2], "sampling": [0.05, -0.2]}
    axes = draw_budget(parts=parts, total=[0.35, 0.3], labels=["a", "b"])
    for j in range(2):
        pieces = [bars.patches[j] for bars in axes.containers]
        above = sum(p.get_height() for p in pieces if p.get_height() > 0)
        below = sum(p.get_height() for p in pieces if p.get_height() < 0)
        tops = [p.get_y() + p.get_height() for p in pieces] + [p.get_y() for p in pieces]
        assert max(tops) == pytest.approx(above) and min(tops) == pytest.approx(below)
    assert_readable(axes.get_figure())


def test_discount_weights_are_powers_of_what_is_kept() -> None:
    for coherence, power in (("incoherent", 2), ("coherent", 1)):
        axes = draw_discount_weights(fresh_fraction=0.2, rounds=6, coherence=coherence)
        table = cells(axes.collections[0])  # rows N = 1, ..., 6; columns i = 0, ..., 5
        assert np.all(np.isnan(table[np.triu_indices(6, 1)])) and np.all(np.diag(table) == 1.0)
        np.testing.assert_allclose(table[5, 2], 0.8 ** (3 * power))
        assert coherence in axes.get_title("left")
        assert_readable(axes.get_figure())


def test_bad_shapes_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="indices"):
        draw_coefficients(indices=[[1], [2]], values=[0.1, 0.2])
    with pytest.raises(InputError, match="values"):
        draw_parameter_map(fresh_fraction=[0.1, 0.2], truncation_time=[0.1], values=[[1.0]], label="x")
    with pytest.raises(InputError, match="> 0"):
        draw_parameter_map(fresh_fraction=[0.0, 0.2], truncation_time=[0.1], values=[[1.0], [1.0]], label="x")
    with pytest.raises(InputError, match="parts"):
        draw_budget(parts={"a": [1.0], "b": [1.0, 2.0]})
    with pytest.raises(InputError, match="coherence"):
        draw_discount_weights(fresh_fraction=0.2, rounds=3, coherence="none")
