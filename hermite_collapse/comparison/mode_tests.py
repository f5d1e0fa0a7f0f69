"""Tests of simulated statistics against the theory's expectation and covariance, by round and over all rounds."""

from __future__ import annotations

import numpy as np

from ..core.significance import Test, chi_square_p_value, normal_test, whitened
from ..core.types import BoolArray, FloatArray
from ..recursion.sampling_error import SamplingError


def tested_statistics(error: SamplingError, runs: int) -> BoolArray:
    """Return which statistics enter a verdict, (rounds + 1, s): none if no round after the start can be tested.

    The draw of the start alone says nothing about what is trained and sampled after it.
    """
    tested = error.is_testable(runs)
    return tested if tested[1:].any() else np.zeros_like(tested)


def statistic_tests(error: SamplingError, measured: FloatArray, labels: list[str], runs: int) -> list[Test]:
    """Return the tests of each statistic in each round, and over all its rounds."""
    tests, tested = [], tested_statistics(error, runs)
    deviation, standard_error = measured - error.expected, error.standard_error / np.sqrt(runs)
    for s, label in enumerate(labels):
        rounds = np.flatnonzero(tested[:, s])
        for i in rounds:
            tests.append(normal_test(f"{label} in round {i}", deviation[i, s] / standard_error[i, s]))
        if len(rounds) > 1:
            covariance = error.covariance[np.ix_(rounds, rounds, np.array([s]))][:, :, 0] / runs
            white = whitened(covariance, deviation[rounds, s])
            chi_square, freedom = float(white @ white), len(white)
            p_value = chi_square_p_value(chi_square, freedom)
            tests.append(
                Test(
                    f"{label} over all rounds (chi-square {chi_square:.1f} on {freedom})", chi_square, p_value
                )
            )
    return tests
