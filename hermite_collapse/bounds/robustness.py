r"""Robustness: how far imperfect rounds can take the recursion, from their defects.

A simulated or trained recursion p^_0, p^_1, ... misses each round by a defect

    delta_i = W2(p^_{i+1}, C_i q^_i),        d_k(i) = c_k(p^_{i+1}) - a_i^n c_k(q^_i),   n = abs(k),

with q^_i = alpha p* + (1-alpha) p^_i.  Then, with rho_i = sqrt(1-alpha) a_i and kappa_n(i) = (1-alpha) a_i^n,

    ball       W2(p^_N, p_N) <= prod rho_i W2(p^_0, p_0) + sum_j (prod_{i>j} rho_i) delta_j;   radius delta / (1 - rho)
    modes      c_k(p^_{i+1}) - c_k(p*) = kappa_n(i) (c_k(p^_i) - c_k(p*)) - (1 - a_i^n) c_k(p*) + d_k(i)      (exact)
    ellipsoid  abs(c_k(p^_N) - c_k(p_inf)) <= kappa^N abs(...) + d / (1 - kappa_n)

p_N is the exact recursion of the same rounds; for constant rounds p_inf may stand in its place.  The identity joins
truncation bias and estimation error mode by mode, and needs no moments.

Since the second line is an identity, defects measured on the runs that are then compared with it prove nothing:
`check_robustness` measures on one half of the runs and tests on the other.

References: arXiv:2606.13796, Theorem 5.2, Proposition 5.3, Appendix E; for defects, arXiv:2602.16601.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError
from ..recursion.modes import contraction_rate, mode_contraction
from ..recursion.schedules import Schedule, as_schedule

FloatArray = NDArray[np.float64]


def ball_radius(defect: float, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5) -> float:
    """Radius delta / (1 - sqrt(1-alpha) a) of the Wasserstein-2 ball around p_inf that the recursion ends in.

    defect : bound on W2(p^_{i+1}, C q^_i), every round; units of x.
    Returns infinity if the rate is 1 and the defect is not 0.
    References : arXiv:2606.13796, Theorem 5.2.

    >>> round(ball_radius(0.01, fresh_fraction=0.3, truncation_time=0.1), 4)
    0.049
    """
    size = checks.nonnegative(defect, "defect")
    rho = contraction_rate(
        fresh_fraction=fresh_fraction, truncation_time=truncation_time, metric="wasserstein2", rate=rate
    )
    if size == 0.0:
        return 0.0
    return size / (1.0 - rho) if rho < 1.0 else np.inf


def mode_radius(
    degree: ArrayLike, defect: ArrayLike, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> FloatArray:
    """Radius d / (1 - kappa_n) of each mode's interval around c_k(p_inf).

    degree : int or array of int.
    defect : bounds on abs(d_k(i)), every round; broadcast against degree.
    Returns an array of their common shape (a float for scalars).
    References : arXiv:2606.13796, Proposition 5.3.
    """
    n = checks.degrees(degree)
    size = np.asarray(defect, dtype=float)
    if not np.all(size >= 0.0):
        raise InputError(f"defect must be >= 0, got {defect!r}.")
    kappa = mode_contraction(n, fresh_fraction=fresh_fraction, truncation_time=truncation_time, rate=rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = np.where(size == 0.0, 0.0, size / (1.0 - kappa))
    return radius if radius.ndim else float(radius)  # type: ignore[return-value]


def wasserstein_bound(
    defects: ArrayLike,
    *,
    initial_distance: float = 0.0,
    fresh_fraction: float | Sequence[float],
    truncation: float | Sequence[float] | Schedule,
    rate: float = 0.5,
) -> FloatArray:
    """Bounds on W2(p^_i, p_i) for i = 0..N from the defects of the rounds.

        B_0 = initial_distance,   B_{i+1} = sqrt(1-alpha_i) a_i B_i + delta_i

    defects : (N,) W2(p^_{i+1}, C_i q^_i), >= 0.
    Returns (N + 1,).  With constant rounds and initial_distance = W2(p^_0, p_inf) it bounds W2(p^_i, p_inf).
    References : arXiv:2606.13796, Theorem 5.2.
    """
    size = checks.vector(defects, "defects")
    if size.min() < 0.0:
        raise InputError(f"defects must be >= 0, got {float(size.min())!r}.")
    keep, damping = _rounds(len(size), fresh_fraction, truncation, rate)
    bound = np.empty(len(size) + 1)
    bound[0] = checks.nonnegative(initial_distance, "initial_distance")
    for i, delta in enumerate(size):
        bound[i + 1] = np.sqrt(keep[i]) * damping[i] * bound[i] + delta
    return bound


def mode_deviation(
    degree: ArrayLike,
    defects: ArrayLike,
    *,
    target: ArrayLike,
    initial: ArrayLike | None = None,
    fresh_fraction: float | Sequence[float],
    truncation: float | Sequence[float] | Schedule,
    rate: float = 0.5,
) -> FloatArray:
    """c_k(p^_i) - c_k(p*) for i = 0..N from the defects, exactly.

    Parameters
    ----------
    degree : (m,) degree of each mode.
    defects : (N, m) d_k(i).
    target : (m,) c_k(p*).
    initial : (m,) c_k(p^_0); the target's if None.

    Returns (N + 1, m).
    References : arXiv:2606.13796, Proposition 5.3.
    """
    n = checks.degrees(degree).reshape(-1)
    size, data = np.asarray(defects, dtype=float), np.asarray(target, dtype=float)
    if size.ndim != 2 or size.shape[1] != len(n) or data.shape != n.shape:
        raise InputError(
            f"defects must have shape (rounds, {len(n)}) and target ({len(n)},), got {size.shape} and {data.shape}."
        )
    keep, damping = _rounds(len(size), fresh_fraction, truncation, rate)
    deviation = np.zeros((len(size) + 1, len(n)))
    if initial is not None:
        deviation[0] = np.asarray(initial, dtype=float) - data
    for i, defect in enumerate(size):
        decay = damping[i] ** n
        deviation[i + 1] = (
            keep[i] * decay * deviation[i] - (-np.expm1(n * np.log(damping[i]))) * data + defect
        )
    return deviation


@dataclass(frozen=True)
class ModeDefects:
    """Defects of each round and mode, averaged over runs.

    values : (rounds, m);  standard_error : (rounds, m), from the spread over runs;  runs : how many.
    """

    values: FloatArray
    standard_error: FloatArray
    runs: int

    @property
    def largest(self) -> FloatArray:
        """(m,) the largest absolute defect over the rounds."""
        return np.abs(self.values).max(axis=0)


def mode_defects(
    coefficients: ArrayLike,
    degree: ArrayLike,
    *,
    target: ArrayLike,
    fresh_fraction: float | Sequence[float],
    truncation: float | Sequence[float] | Schedule,
    rate: float = 0.5,
) -> ModeDefects:
    """Defects d_k(i) = c_k(p^_{i+1}) - a_i^n (alpha c_k(p*) + (1-alpha) c_k(p^_i)) of simulated runs.

    Parameters
    ----------
    coefficients : (runs, rounds + 1, m) measured coefficients of each run, at least two runs.
    degree : (m,) degree of each mode;  target : (m,) c_k(p*).
    """
    measured, n, data = _runs(coefficients, degree, target)
    keep, damping = _rounds(measured.shape[1] - 1, fresh_fraction, truncation, rate)
    decay = damping[:, None] ** n
    trained = (1.0 - keep)[:, None] * data + keep[:, None] * measured[:, :-1]
    each = measured[:, 1:] - decay * trained
    spread = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    return ModeDefects(each.mean(axis=0), spread, len(each))


@dataclass(frozen=True)
class RobustnessCheck:
    """Defects of one half of the runs, held against the other half.

    defects : of the first half.
    predicted : (rounds + 1, m) mean c_k(p^_i) - c_k(p*) that one constant defect a mode, the first half's average over
        rounds, leads to.
    observed : (rounds + 1, m) the second half's mean.
    standard_error : (rounds + 1, m) of their difference.
    z : (observed - predicted) / standard_error, 0 where both are exact.
    radius : (m,) the ellipsoid's half-axes, the first half's largest defect over 1 - kappa (last round's kappa).
    allowed, deviation : (rounds + 1, m) bound on, and the second half's value of, abs(c_k(p^_i) - c_k(p_i)).
    inside : (rounds + 1, m) whether deviation <= allowed + 4 standard errors.
    """

    defects: ModeDefects
    predicted: FloatArray
    observed: FloatArray
    standard_error: FloatArray
    z: FloatArray
    radius: FloatArray
    allowed: FloatArray
    deviation: FloatArray
    inside: NDArray[np.bool_]

    @property
    def holds(self) -> bool:
        """Whether the second half lies in the ellipsoid everywhere."""
        return bool(self.inside.all())


def check_robustness(
    coefficients: ArrayLike,
    degree: ArrayLike,
    *,
    target: ArrayLike,
    fresh_fraction: float | Sequence[float],
    truncation: float | Sequence[float] | Schedule,
    rate: float = 0.5,
) -> RobustnessCheck:
    """Measure defects on the first half of the runs, test identity and ellipsoid on the second.

    Parameters
    ----------
    coefficients : (runs, rounds + 1, m), at least four runs of different seeds.
    degree, target, fresh_fraction, truncation, rate : as for `mode_defects`.

    The prediction takes the defect of a mode to be the same every round; z-scores say whether it is.
    References : arXiv:2606.13796, Theorem 5.2, Proposition 5.3.
    """
    measured, n, data = _runs(coefficients, degree, target)
    if len(measured) < 4:
        raise InputError(f"coefficients must hold at least 4 runs to be split, got {len(measured)}.")
    half = len(measured) // 2
    first, second = measured[:half], measured[half:]
    parameters = {"fresh_fraction": fresh_fraction, "truncation": truncation, "rate": rate}
    defects = mode_defects(first, n, target=data, **parameters)  # type: ignore[arg-type]
    rounds = measured.shape[1] - 1
    keep, damping = _rounds(rounds, fresh_fraction, truncation, rate)
    decay = keep[:, None] * damping[:, None] ** n

    # Each run of the first half by itself, so that the prediction's error contains all correlations over rounds.
    trained = (1.0 - keep)[:, None] * data + keep[:, None] * first[:, :-1]
    each = (first[:, 1:] - damping[:, None] ** n * trained).mean(axis=1)
    paths = np.stack(
        [
            mode_deviation(n, np.tile(d, (rounds, 1)), target=data, initial=start, **parameters)  # type: ignore[arg-type]
            for d, start in zip(each, first[:, 0], strict=True)
        ]
    )
    predicted, observed = paths.mean(axis=0), second.mean(axis=0) - data
    error_first = paths.std(axis=0, ddof=1) / np.sqrt(len(first))
    error_second = second.std(axis=0, ddof=1) / np.sqrt(len(second))
    error = np.sqrt(error_first**2 + error_second**2)
    difference = observed - predicted
    z = np.divide(difference, error, out=np.where(difference == 0.0, 0.0, np.inf), where=error > 0.0)

    exact = mode_deviation(n, np.zeros((rounds, len(n))), target=data, **parameters)  # type: ignore[arg-type]
    allowed = np.empty_like(exact)
    allowed[0] = np.abs(first[:, 0].mean(axis=0) - data)
    largest = defects.largest
    for i in range(rounds):
        allowed[i + 1] = decay[i] * allowed[i] + largest
    deviation = np.abs(observed - exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = np.where(largest == 0.0, 0.0, largest / (1.0 - decay[-1]))
    inside = deviation <= allowed + 4.0 * error + 1e-12
    return RobustnessCheck(defects, predicted, observed, error, z, radius, allowed, deviation, inside)


def _rounds(
    rounds: int,
    fresh_fraction: float | Sequence[float],
    truncation: float | Sequence[float] | Schedule,
    rate: float,
) -> tuple[FloatArray, FloatArray]:
    """1 - alpha_i and a_i of every round."""
    fractions = [checks.fraction(value) for value in np.atleast_1d(np.asarray(fresh_fraction, dtype=float))]
    keep = 1.0 - np.array([fractions[min(i, len(fractions) - 1)] for i in range(rounds)])
    times = as_schedule(truncation).times(rounds)
    return keep, np.exp(-checks.positive(rate, "rate") * times)


def _runs(
    coefficients: ArrayLike, degree: ArrayLike, target: ArrayLike
) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    measured = np.asarray(coefficients, dtype=float)
    n = checks.degrees(degree).reshape(-1)
    data = np.asarray(target, dtype=float)
    if measured.ndim != 3 or measured.shape[2] != len(n) or measured.shape[0] < 2 or measured.shape[1] < 2:
        raise InputError(
            f"coefficients must have shape (runs >= 2, rounds + 1 >= 2, {len(n)}), got {measured.shape}."
        )
    if data.shape != n.shape:
        raise InputError(f"target must have shape {n.shape}, got {data.shape}.")
    return measured, n, data
