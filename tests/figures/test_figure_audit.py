"""The figure of an audit: one curve a mechanism with the ledger's numbers, the limit thick, labels apart."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.figures import draw_audit, style
from hermite_collapse.pipeline.mechanisms import (
    Autoencoder,
    Guidance,
    Rounding,
    SamplerSteps,
    ScoreError,
)
from tests.figures.figure_checks import assert_readable

REAL = [0.242, 0.0248, 0.00322]


def curves(axes) -> list:
    """The curves drawn, without the rule at 1."""
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


@pytest.mark.parametrize(
    "parts",
    [
        [SamplerSteps.edm(steps=18)],
        [SamplerSteps.ddpm()],
        [SamplerSteps.ddim(steps=25), Autoencoder(0.99, 1e-4), Rounding()],
        [Guidance(1.5, 0.02), ScoreError(0.001, 1e-5)],
        [ScoreError(-0.001)],
        [],
    ],
    ids=len,
)
def test_one_curve_a_mechanism_and_the_limit_thick(parts):
    pipeline = hc.Pipeline(parts, fresh_fraction=0.3, images=None if len(parts) < 3 else 50_000)
    result = hc.audit(pipeline, directions=np.geomspace(1.0, 1e-3, 9))
    axes = draw_audit(result)
    lines, ledger = curves(axes), result.curve
    expected = [*(ledger.limits if len(ledger.names) > 1 else ())]
    expected += [ledger.last_step[1]] if np.isfinite(ledger.last_step).any() else []
    expected.append(ledger.limit)
    assert len(lines) == len(expected)
    for line, values in zip(lines, expected, strict=True):
        np.testing.assert_allclose(line.get_ydata(), values, rtol=1e-12)
        assert line.get_xdata()[0] == pytest.approx(1e-3) and line.get_xdata()[-1] == pytest.approx(1.0)
    widths = [line.get_linewidth() for line in lines]
    assert widths[-1] > 2 * max([1.0, *widths[:-1]]) and lines[-1].get_color() == style.LIMIT
    assert axes.get_xlim()[0] > axes.get_xlim()[1]  # coarse first
    assert_readable(axes.get_figure())


def test_pipelines_of_their_own_are_points():
    pipelines = [
        hc.Pipeline([SamplerSteps.edm(steps=18, guidance=Guidance(1.2, b))], fresh_fraction=0.5)
        for b in (0.1, 0.01, 0.001)
    ]
    axes = draw_audit(hc.audit(pipelines, directions=REAL))
    assert all(line.get_marker() == "o" and len(line.get_xdata()) == 3 for line in curves(axes))
    assert_readable(axes.get_figure())


def test_curves_break_where_there_is_no_limit():
    result = hc.audit(
        hc.Pipeline([ScoreError(0.2), Rounding()], fresh_fraction=0.1), directions=[1.0, 0.1, 0.01]
    )
    axes = draw_audit(result)
    ends = [np.isfinite(line.get_ydata()).any() for line in curves(axes)]
    assert ends == [False, True, False]  # (1 - alpha) 1.2 > 1
    assert_readable(axes.get_figure())


def test_it_draws_where_it_is_told_and_says_what_it_shows():
    figure = style.new_figure()
    own = figure.add_subplot()
    result = hc.audit(hc.Pipeline([SamplerSteps.edm()], fresh_fraction=0.1), directions=REAL)
    assert result.plot(own) is own
    assert "fresh fraction 0.1" in figure.get_label() and "Gaussian closure" in figure.get_label()
