"""Channels other than Ornstein-Uhlenbeck on coefficients: against the coefficients of the law after the channel."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.laws.channel_action import through_channel
from hermite_collapse.laws.channels import GaussianChannel

LAWS = {
    1: hc.GaussianMixture([0.4, 0.6], [-1.3, 0.9], [0.3, 0.5]),
    2: hc.GaussianMixture(
        [0.3, 0.7], [[-1.0, 0.4], [0.6, -0.2]], [[[0.5, 0.2], [0.2, 0.4]], [[0.3, 0.0], [0.0, 0.7]]]
    ),
}


@pytest.mark.parametrize("dimension", LAWS)
@pytest.mark.parametrize(("scale", "variance"), [(1.0, 0.36), (0.8, 0.9), (0.8, 0.1), (0.8, 0.36)])
def test_equal_to_the_coefficients_of_the_law_after_the_channel(dimension, scale, variance):
    channel = GaussianChannel(scale, variance)
    before = LAWS[dimension].hermite_coefficients(8)
    after = LAWS[dimension].through(channel).hermite_coefficients(8)
    found = through_channel(before.values, before.indices, channel)
    np.testing.assert_allclose(found, after.values, rtol=1e-11, atol=1e-12)
