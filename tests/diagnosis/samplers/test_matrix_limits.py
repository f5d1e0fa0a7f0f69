"""Plateaus of a sampler's matrices, where some directions hardly vary: by very many rounds of whole matrices."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis.measuring.moments import Moments
from hermite_collapse.diagnosis.observed.gathering import from_arrays
from hermite_collapse.diagnosis.samplers.sampler_model import SamplerModel

SAMPLER = hc.mechanisms.SamplerSteps.edm(steps=18)
FRESH = 0.2
TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))[0]


def after(data, rounds):
    """Return the variances along the first axes after so many rounds."""
    model = data
    for _ in range(rounds):
        values, axes = np.linalg.eigh(FRESH * data + (1.0 - FRESH) * model)
        values = np.where(values > 1e-13 * values[-1], values, 0.0)
        model = (axes * SAMPLER.variance(values)) @ axes.T
    return np.diagonal(model)[:2]


def limits(data):
    curves = np.tile(np.diagonal(data)[:2], (4, 1))
    observations = from_arrays(
        curves,
        kind="variances",
        degrees=None,
        rounds=None,
        standard_errors=0.01 * curves,
        covariance=None,
        data=None,
        data_errors=None,
        names=None,
        error_freedom=None,
    ).replace(moments=Moments(np.zeros(6), data))
    alpha = np.array([[FRESH], [FRESH + 1e-5]])
    return SamplerModel.of(SAMPLER).long_run(
        alpha, np.empty((2, 0)), np.diagonal(data)[None, :2].repeat(2, 0), observations
    )


@pytest.mark.parametrize("narrow", [1e-3, 1e-6, 0.0])
def test_plateaus_beside_directions_that_hardly_vary(narrow):
    data = (TURN * [3.0, 1.0, 0.3, 1.3 * narrow, narrow, 0.0]) @ TURN.T
    found = limits(data)
    np.testing.assert_allclose(found.plateau[0], after(data, 400), rtol=1e-4)
    rise = (found.plateau[1] - found.plateau[0]) / 1e-5
    assert np.all(np.abs(rise) < 100.0)
