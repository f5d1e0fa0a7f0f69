"""z-scores of the mean over several runs, from deviations of known size."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.comparison.mode_tests import statistic_tests
from hermite_collapse.recursion.sampling_error import predict_sampling_error


@pytest.mark.parametrize("runs", [1, 4, 9])
def test_deviations_are_in_standard_errors_of_the_mean_over_runs(runs):
    law = hc.GaussianMixture([0.4, 0.6], [-1.3, 0.9], [0.3, 0.5])
    recursion = hc.Recursion(law, fresh_fraction=0.3, truncation_time=0.2)
    error = predict_sampling_error(recursion, 2, rounds=2, particles=100_000)
    measured = error.expected + 1.5 * error.standard_error / np.sqrt(runs)
    tests = statistic_tests(error, measured, ["0", "1", "2"], runs)
    single = [test for test in tests if "in round" in test.name]
    assert len(single) == 6  # degrees 1 and 2 in rounds 0, 1, 2; degree 0 does not fluctuate
    np.testing.assert_allclose([test.statistic for test in single], 1.5, rtol=1e-9)
    joint = [test for test in tests if "all rounds" in test.name]
    for degree, test in zip((1, 2), joint, strict=True):
        covariance = error.covariance[:, :, degree] / runs
        deviation = measured[:, degree] - error.expected[:, degree]
        assert test.statistic == pytest.approx(deviation @ np.linalg.solve(covariance, deviation), rel=1e-9)
