"""Many tests at one level: normal and chi-square tests of simulated statistics, Holm's correction, a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .types import FloatArray

SMALLEST_EIGENVALUE = 1e-9  # of a correlation matrix; directions below are rounding, not information


@dataclass(frozen=True)
class Test:
    """One test: what was tested, its statistic, its p-value, its share of the level, and whether it is a z-score."""

    __test__ = False  # not a pytest class

    name: str
    statistic: float
    p_value: float
    weight: float = 1.0
    is_z: bool = False


@dataclass(frozen=True)
class Verdict:
    """Outcome of all tests after Holm's correction.

    Attributes
    ----------
    passed : bool
        Whether something was tested and nothing rejected at `level`.
    level : float
        Probability of any false rejection.
    tests : int
        Number of tests.
    untested : int
        Mode-round pairs left out because their statistic is not near normal.
    rejected : tuple of Test
        The tests that were rejected, strongest first.
    strongest : Test or None
        The test with the smallest p-value, rejected or not; None if nothing could be tested.
    adjusted_p_value : float
        Holm-adjusted p-value of the strongest test.
    critical_z : float or None
        Size that the z-score of a single test of weight 1 must pass to be rejected first; None without tests.
    largest : Test or None
        The largest z-score of a single test of weight 1; None without one.
    z_scores : int
        Number of such z-scores.
    reason : str
        Why nothing was tested, where it is not for the modes.
    """

    passed: bool
    level: float
    tests: int
    untested: int
    rejected: tuple[Test, ...]
    strongest: Test | None
    adjusted_p_value: float
    critical_z: float | None = None
    largest: Test | None = None
    z_scores: int = 0
    reason: str = ""

    @property
    def is_tested(self) -> bool:
        """Whether anything could be tested."""
        return self.strongest is not None

    @property
    def head(self) -> str:
        """The verdict in one word or two."""
        return "Not tested" if not self.is_tested else "Agreement" if self.passed else "Disagreement"

    @property
    def text(self) -> str:
        """The verdict in a few sentences."""
        left = (
            f" {self.untested} mode-round pairs were left untested (too far from normal)."
            if self.untested
            else ""
        )
        if self.strongest is None:
            return self.reason or (
                "Nothing could be tested after the start: every mode is too far from normal for so few particles."
                + left
            )
        weighted = " after weighting" if self.strongest.weight > 1.0 else ""
        below = f" (below {self.level:g} would reject)" if self.passed else ""
        worst = f"{self.strongest.name}, adjusted p = {self.adjusted_p_value:.2g}{below}"
        more = self._largest_text() + left
        if self.passed:
            return (
                f"Theory and simulation agree in all {self.tests} tests; the strongest deviation{weighted} is "
                f"{worst}.{more}"
            )
        return (
            f"Theory and simulation disagree: {len(self.rejected)} of {self.tests} tests reject at level "
            f"{self.level:g}; the strongest{weighted} is {worst}.{more}"
        )

    def _largest_text(self) -> str:
        """The largest plain z-score beside what chance makes of so many; nothing if it is the strongest test."""
        if self.largest is None:
            return ""
        chance = f"the largest of {self.z_scores} independent z-scores is about {expected_largest(self.z_scores):.1f}"
        if self.largest is self.strongest:
            return f" By chance alone, {chance}."
        return f" The largest single deviation is {self.largest.name}; by chance alone, {chance}."


def expected_largest(count: int) -> float:
    """Return the median of the largest size among independent standard normal numbers.

    (2 Phi(z) - 1)^count = 1/2
    """
    from scipy.special import ndtri

    return float(-ndtri(-0.5 * np.expm1(-np.log(2.0) / count)))


def normal_test(name: str, z: float) -> Test:
    """Return the two-sided test of a standard normal z."""
    from scipy.special import erfc

    return Test(f"{name} (z = {z:.2f})", float(z), float(erfc(abs(z) / np.sqrt(2.0))), is_z=True)


def least_eigenvalue(covariance: FloatArray) -> float:
    """Return the smallest eigenvalue of the correlations of a covariance, whatever the units of its entries are."""
    scale = np.sqrt(np.maximum(np.diagonal(covariance), 1e-300))
    return float(np.linalg.eigvalsh(covariance / np.outer(scale, scale))[0])


def chi_square_p_value(chi_square: float, freedom: float) -> float:
    """Return the probability of a chi-square at least as large on so many degrees of freedom; 1 below 0."""
    from scipy.special import gammaincc

    return float(gammaincc(freedom / 2.0, max(chi_square, 0.0) / 2.0))


def holm(tests: list[Test], level: float, untested: int, reason: str = "") -> Verdict:
    """Return the verdict of weighted Holm.

    In the order of p / weight, each p is held against its share of the level among those left.
    """
    from scipy.special import ndtri_exp

    ordered = sorted(tests, key=lambda test: test.p_value / test.weight)
    rejected, left = [], sum(test.weight for test in tests)
    for test in ordered:
        if not test.p_value * left <= level * test.weight:
            break
        rejected.append(test)
        left -= test.weight
    total = sum(test.weight for test in tests)
    critical = -float(ndtri_exp(math.log(level) - math.log(2.0 * total))) if ordered else None
    single = [test for test in tests if test.is_z and test.weight == 1.0]
    return Verdict(
        passed=bool(ordered) and not rejected,
        level=level,
        tests=len(tests),
        untested=untested,
        rejected=tuple(rejected),
        strongest=ordered[0] if ordered else None,
        adjusted_p_value=min(1.0, ordered[0].p_value * total / ordered[0].weight) if ordered else 1.0,
        critical_z=critical,
        largest=max(single, key=lambda test: abs(test.statistic), default=None),
        z_scores=len(single),
        reason=reason,
    )


def whitened(covariance: FloatArray, columns: FloatArray) -> FloatArray:
    """Return S^{-1/2} columns on the numerically visible directions of S; as many rows as there are of these."""
    scale = np.sqrt(np.diagonal(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    visible = values > SMALLEST_EIGENVALUE * values[-1]
    scaled = (columns.T / scale).T
    rotated = vectors[:, visible].T @ scaled
    return (rotated.T / np.sqrt(values[visible])).T
