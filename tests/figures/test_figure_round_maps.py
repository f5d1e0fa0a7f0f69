"""The figure of round maps: one curve a sampler, in one round or in the limit."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.figures import draw_round_maps
from hermite_collapse.pipeline.mechanisms import Autoencoder, SamplerSteps
from tests.figures.figure_checks import assert_readable

SAMPLERS = {
    "EDM, Heun 18": SamplerSteps.edm(),
    "DDIM 50": SamplerSteps.ddim(),
    "flow 28": SamplerSteps.flow(steps=28, shift=3.0),
}
W = np.geomspace(1.0, 1e-3, 7)


def test_one_curve_a_sampler_in_one_round_and_in_the_limit():
    for share in (None, 0.1):
        axes = draw_round_maps(SAMPLERS, fresh_fraction=share, variance=W)
        lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
        assert len(lines) == len(SAMPLERS)
        for line, sampler in zip(lines, SAMPLERS.values(), strict=True):
            pipeline = hc.Pipeline([sampler], fresh_fraction=1.0 if share is None else share)
            np.testing.assert_allclose(line.get_xdata(), W)
            np.testing.assert_allclose(line.get_ydata(), pipeline.limit(W) / W, rtol=1e-9)
        assert axes.get_xlim()[0] > axes.get_xlim()[1]  # coarse first
        assert_readable(axes.get_figure())


def test_curves_without_a_limit_are_left_out_and_many_are_told_apart():
    axes = draw_round_maps({"growing": Autoencoder(2.0)}, fresh_fraction=0.1)
    assert np.isnan(axes.lines[-1].get_ydata()).all() and not axes.texts
    many = {f"DDIM {k}": SamplerSteps.ddim(steps=k) for k in range(10, 18)}
    lines = draw_round_maps(many).lines[1:]
    looks = {(line.get_color(), line.get_linestyle()) for line in lines}
    assert len(looks) == len(many)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: draw_round_maps({}), "mechanisms must hold at least one"),
        (lambda: draw_round_maps({"a": "edm"}), "mechanisms must be a Mechanism"),
        (lambda: draw_round_maps(SAMPLERS, variance=[0.0, 1.0]), "variance must be one axis"),
    ],
)
def test_bad_input_is_one_sentence(call, words):
    with pytest.raises(hc.InputError, match=words):
        call()
