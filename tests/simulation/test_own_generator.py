"""The generator of one's own that the documentation shows: public names alone, against its variance in closed form."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import hermite_collapse as hc

PAGE = Path(__file__).parents[2] / "docs" / "simulations.md"


def test_the_generator_of_the_page_runs(capsys):
    pytest.importorskip("torch")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    assert capsys.readouterr().out.startswith("[")
    run, recursion, simulate = names["run"], names["recursion"], names["simulate"]
    assert run.generator == "cooled_gaussian" and run.degree == 4
    data = float(recursion.target.covariance[0, 0])
    expected = [data]
    for _ in range(4):
        expected.append(0.9 * (0.3 * data + 0.7 * expected[-1]))  # of equal means, which mix without a spread
    np.testing.assert_allclose(run.covariances[:, :, 0, 0].mean(axis=0), expected, rtol=0.03)
    assert expected[-1] < 0.8 * data  # so that a round that does nothing fails
    options = {"rounds": 4, "particles": 20_000, "degree": 4, "runs": 3, "seed": 1}
    again = simulate(recursion, generator=names["CooledGaussian"](0.9), chunk=8192, **options)
    np.testing.assert_array_equal(again.coefficients, run.coefficients)


def test_numbers_for_an_unknown_purpose_are_refused():
    pytest.importorskip("torch")
    import torch

    from hermite_collapse.simulation import Chunk, RoundContext

    recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.0)
    context = RoundContext(recursion, 0, 1, 10, 0, torch.device("cpu"), {})
    with pytest.raises(hc.InputError, match="purpose must be one of .*'path'.*, got 'mine'"):
        context.noise(Chunk(0, 0, ()), "mine")
