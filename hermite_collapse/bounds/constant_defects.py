"""One constant defect for each mode: a restrictive model of imperfect rounds, and a test that it can fail.

    d_k(i) = d_k for all rounds i:     c_k(p^_N) - c_k(p*) = -(1 - f_n(N)) c_k(p*) + sum_j kappa_n^{N-1-j} d_k

The identity of `robustness` holds for any curves if their defects are measured round by round.  With one number a
mode it is a model: measured on one half of the runs, tested on the other.

References: arXiv:2606.13796, Theorem 5.2, Proposition 5.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import standard_error_of_mean
from ..core.signature import public
from ..core.significance import Test, Verdict, holm
from ..core.types import BoolArray, FloatArray, IntArray
from ..core.value import Value
from ..recursion.identity import accumulate_defects, round_defects
from ..recursion.schedules import Schedule
from .robustness import ModeDefects, deviations, measured_runs, replacement_rounds


@dataclass(frozen=True, eq=False)
class RobustnessCheck(Value):
    """One constant defect for each mode, from one half of the runs, held against the other half.

    Attributes
    ----------
    verdict : Verdict
        Student's t of every round and mode, corrected by Holm: does the second half's defect of this round equal the
        average defect of the first half over all rounds?
    scores : array, shape (rounds, m)
        These t statistics; 0 where both are exact and equal.
    defects : ModeDefects
        Of the first half, round by round.
    predicted : array, shape (rounds + 1, m)
        Mean c_k(p^_i) - c_k(p*) that the constant defects lead to.
    observed : array, shape (rounds + 1, m)
        The second half's mean.
    standard_error : array, shape (rounds + 1, m)
        Of their difference.
    z : array, shape (rounds + 1, m)
        (observed - predicted) / standard_error, 0 where both are exact.
    radius : array, shape (m,)
        The ellipsoid's half-axes, the first half's largest defect over 1 - kappa (last round's kappa).
    allowed, deviation : array, shape (rounds + 1, m)
        Bound on, and the second half's value of, abs(c_k(p^_i) - c_k(p_i)).
    inside : array of bool, shape (rounds + 1, m)
        Whether deviation <= allowed + quantile * standard_error.
    quantile : float
        Of Student's t with runs - 2 degrees of freedom, at the level divided by the number of rounds and modes: few
        runs know their standard errors badly.
    """

    verdict: Verdict
    scores: FloatArray
    defects: ModeDefects
    predicted: FloatArray
    observed: FloatArray
    standard_error: FloatArray
    z: FloatArray
    radius: FloatArray
    allowed: FloatArray
    deviation: FloatArray
    inside: BoolArray
    quantile: float

    @property
    def holds(self) -> bool:
        """Whether one constant defect for each mode explains the second half, at the verdict's level.

        This fails for runs whose defects change from round to round, and for halves that differ.
        """
        return self.verdict.passed

    @property
    def is_inside(self) -> bool:
        """Whether the second half lies in the ellipsoid everywhere.

        The ellipsoid is drawn from the first half's defects of every round, so that this only compares the halves:
        it is true for arbitrary curves that both halves share, and no evidence for the identity.
        """
        return bool(self.inside.all())


@public
def check_robustness(
    coefficients: ArrayLike,
    degree: ArrayLike,
    *,
    target: ArrayLike,
    fresh_fraction: float | Sequence[float],
    truncation_time: float | Sequence[float] | Schedule,
    rate: float = 0.5,
    level: float = 0.01,
) -> RobustnessCheck:
    """Measure one constant defect for each mode on the first half of the runs, and test it on the second.

    Parameters
    ----------
    coefficients : array, shape (runs, rounds + 1, m)
        Measured coefficients, at least four runs of different seeds.
    degree : array of int, shape (m,)
        Degree of each mode.
    target : array, shape (m,)
        c_k(p*).
    fresh_fraction, truncation, rate
        The recursion's: numbers, or one a round.
    level : float
        Probability of rejecting a true model in any of the tests.

    Returns
    -------
    RobustnessCheck

    Raises
    ------
    InputError
        For fewer than four runs, shapes that do not match, or an argument out of range.

    Notes
    -----
    Under the model the defects of different runs and rounds are independent with a mean that depends on the mode
    alone.  Their variance is pooled over the rounds, within each half, so that four runs already give a test.

    References
    ----------
    arXiv:2606.13796, Theorem 5.2, Proposition 5.3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> runs = np.zeros((8, 5, 1))
    >>> for i in range(4):
    ...     runs[:, i + 1] = 0.5 * np.exp(-0.1) * runs[:, i] + 0.1 + 0.01 * rng.standard_normal((8, 1))
    >>> options = {"target": [0.0], "fresh_fraction": 0.5, "truncation_time": 0.2}
    >>> check_robustness(runs, [1], **options).holds
    True
    >>> runs[:, 2:] += 0.1  # a second defect, in one round of every run
    >>> check_robustness(runs, [1], **options).holds
    False
    """
    from scipy.special import stdtrit

    measured, n, data = measured_runs(coefficients, degree, target)
    if len(measured) < 4:
        raise InputError(f"coefficients must hold at least 4 runs to be split, got {len(measured)}.")
    rounds = replacement_rounds(fresh_fraction, truncation_time, rate)
    half, count = len(measured) // 2, measured.shape[1] - 1
    first, second = measured[:half], measured[half:]
    each = round_defects(rounds, measured, n[:, None], target=data)
    defects = ModeDefects(each[:half].mean(axis=0), standard_error_of_mean(each[:half]), half)
    level = checks.probability(level, "level")
    scores, verdict = _constant_defects(each[:half], each[half:], n, level)

    # Each run of the first half by itself, so that the prediction's error contains all correlations over rounds.
    constant = np.repeat(each[:half].mean(axis=1)[:, None], count, axis=1)
    paths = deviations(rounds, n, constant, data, first[:, 0] - data)
    predicted, observed = paths.mean(axis=0), second.mean(axis=0) - data
    error = np.hypot(standard_error_of_mean(paths), standard_error_of_mean(second))
    z = _ratio(observed - predicted, error)

    exact = deviations(rounds, n, np.zeros((1, count, len(n))), data, None)[0]
    largest, start = defects.largest, np.abs(first[:, 0].mean(axis=0) - data)
    allowed = accumulate_defects(rounds, np.tile(largest, (1, count, 1)), n[:, None], start=start[None])[0]
    deviation = np.abs(observed - exact)
    kappa = (1.0 - rounds.mixing(count - 1)[0]) * rounds.channel(count - 1).scale ** n
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = np.where(largest == 0.0, 0.0, largest / (1.0 - kappa))
    quantile = float(stdtrit(len(measured) - 2, 1.0 - level / (count * max(1, np.count_nonzero(n)))))
    inside = deviation <= allowed + quantile * error + 1e-12
    return RobustnessCheck(
        verdict, scores, defects, predicted, observed, error, z, radius, allowed, deviation, inside, quantile
    )


def _constant_defects(
    first: FloatArray, second: FloatArray, n: IntArray, level: float
) -> tuple[FloatArray, Verdict]:
    """Student's t of the second half's defects (runs, rounds, m) against the first half's average, and a verdict."""
    from scipy.special import stdtr

    rounds = first.shape[1]
    freedom = rounds * (len(first) + len(second) - 2)
    squares = sum(((part - part.mean(axis=0)) ** 2).sum(axis=(0, 1)) for part in (first, second))
    variance = squares / freedom * (1.0 / len(second) + 1.0 / (len(first) * rounds))
    gap = second.mean(axis=0) - first.mean(axis=(0, 1))
    gap[np.abs(gap) <= 1e-13 * (1.0 + np.abs(first).max(axis=(0, 1)))] = 0.0
    scores = _ratio(gap, np.broadcast_to(np.sqrt(variance), gap.shape))
    tests = [
        Test(
            f"defect of mode {k} (degree {n[k]}) in round {i}, t = {scores[i, k]:.2f}",
            float(scores[i, k]),
            float(2.0 * stdtr(freedom, -abs(scores[i, k]))),
        )
        for i in range(rounds)
        for k in np.flatnonzero(n > 0)
    ]
    return scores, holm(tests, level, 0)


def _ratio(difference: FloatArray, error: FloatArray) -> FloatArray:
    """difference / error; without an error 0 where there is no difference, else infinite."""
    exact = np.where(difference == 0.0, 0.0, np.copysign(np.inf, difference))
    return np.divide(difference, error, out=exact, where=error > 0.0)
