"""Doors under attack: whatever is passed for a number or a sequence, the answer is one sentence on one line."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc

LAW = hc.GaussianMixture([1.0], [0.0], [1.0])
ROUND = {"fresh_fraction": 0.3, "truncation_time": 0.1}
DOORS = {
    "ball_radius": lambda x: hc.bounds.ball_radius(x, **ROUND),
    "mode_radius": lambda x: hc.bounds.mode_radius([1], x, **ROUND),
    "fisher_bound": lambda x: hc.bounds.fisher_bound(x, **ROUND),
    "small_time_distance": lambda x: hc.bounds.small_time_distance(x, **ROUND),
    "refreshed_divergence": lambda x: hc.bounds.refreshed_divergence(x, fresh_fraction=0.3),
    "discounted_divergence": lambda x: hc.bounds.discounted_divergence(x, fresh_fraction=0.3),
    "divergence_to_limit": lambda x: hc.bounds.divergence_to_limit(x, fresh_fraction=0.3),
    "coupling_bound": lambda x: hc.bounds.coupling_bound(1.0, dimension=x, **ROUND),
    "contraction_rate": lambda x: hc.contraction_rate(metric=x, **ROUND),
    "attenuation": lambda x: hc.attenuation(1, fresh_fraction=x, truncation_time=0.1),
    "restore_modes": lambda x: hc.repair.restore_modes(x, **ROUND),
    "save": lambda x: hc.figures.save(x, "nowhere"),
    "new_figure": lambda x: hc.figures.new_figure(width=x),
    "panels": lambda x: hc.figures.panels(x, 1),
    "sample": LAW.sample,
    "through": LAW.through,
}


VALUES = {
    "none": None,
    "word": "x",
    "mapping": {},
    "object": object(),
    "huge integer": 10**400,
    "array with nan": np.array([[1.0, 2.0], [3.0, np.nan]]),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("door", DOORS)
def test_one_sentence_on_one_line(door, name):
    value = VALUES[name]
    if isinstance(value, dict) and door in ("discounted_divergence", "divergence_to_limit"):
        pytest.skip("an empty sequence")
    with pytest.raises(hc.InputError) as caught:
        DOORS[door](value)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and " must " in message and ", got " in message


@pytest.mark.parametrize("axes", ["axes", 1, [], hc.figures.new_figure()])
def test_what_is_no_axes_is_not_drawn_on(axes):
    for draw in (hc.plot_attenuation, hc.figures.draw_attenuation):
        with pytest.raises(hc.InputError, match="axes must be an? Axes, got"):
            draw(axes, **ROUND)


def test_words_in_the_place_of_many_and_effects_that_need_too_many_particles():
    with pytest.raises(hc.InputError, match="formats must be a sequence, got 'svg'"):
        hc.figures.save(hc.figures.new_figure(), "nowhere", formats="svg")
    recursion = hc.Recursion(hc.presets.load("two_modes_1d"), **ROUND)
    with pytest.raises(hc.InputError, match="effect must be so large .* got 5e-324"):
        hc.required_particles(4, 5e-324, recursion=recursion, rounds=2)


@pytest.mark.parametrize("door", ["fisher_bound", "small_time_distance", "refreshed_divergence"])
@pytest.mark.parametrize("value", [np.inf, np.float32(np.inf)])
def test_an_infinite_divergence_is_one(door, value):
    assert DOORS[door](value) == np.inf
