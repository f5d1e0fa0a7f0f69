r"""Robustness: how far imperfect rounds can take the recursion, from their defects.

A simulated or trained recursion p^_0, p^_1, ... misses each round by a defect

    delta_i = W2(p^_{i+1}, C_i q^_i),        d_k(i) = c_k(p^_{i+1}) - a_i^n c_k(q^_i),   n = abs(k),

with q^_i = alpha p* + (1-alpha) p^_i.  Then, with rho_i = sqrt(1-alpha) a_i and kappa_n(i) = (1-alpha) a_i^n,

    ball       W2(p^_N, p_N) <= prod rho_i W2(p^_0, p_0) + sum_j (prod_{i>j} rho_i) delta_j;   radius delta / (1 - rho)
    modes      c_k(p^_{i+1}) - c_k(p*) = kappa_n(i) (c_k(p^_i) - c_k(p*)) - (1 - a_i^n) c_k(p*) + d_k(i)      (exact)
    ellipsoid  abs(c_k(p^_N) - c_k(p_inf)) <= kappa^N abs(...) + d / (1 - kappa_n)

p_N is the exact recursion of the same rounds; for constant rounds p_inf may stand in its place.  The second line is
`recursion.identity` for replacement.

Since it is an identity, any curves have defects that fulfil it: `constant_defects` has a test that can fail.

References: arXiv:2606.13796, Theorem 5.2, Proposition 5.3, Appendix E; for defects, arXiv:2602.16601.
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
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from ..laws.channels import OrnsteinUhlenbeck
from ..recursion.identity import ProcessRounds, accumulate_defects, round_defects
from ..recursion.modes import contraction_rate, mode_contraction
from ..recursion.regimes import as_regime
from ..recursion.schedules import Schedule, as_schedule


@public
def ball_radius(defect: float, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5) -> float:
    """Return the radius of the Wasserstein-2 ball around the limit law that the recursion ends in.

        delta / (1 - sqrt(1-alpha) a)

    Parameters
    ----------
    defect : float
        Bound on W2(p^_{i+1}, C q^_i), every round; units of x.
    fresh_fraction, truncation_time, rate : float
        The recursion's.

    Returns
    -------
    float
        Infinity if the rate is 1 and the defect is not 0.

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    arXiv:2606.13796, Theorem 5.2.

    Examples
    --------
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


@public
def mode_radius(
    degree: ArrayLike, defect: ArrayLike, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> FloatArray:
    """Return the radius of each mode's interval around its coefficient in the limit law.

        d / (1 - kappa_n)

    Parameters
    ----------
    degree : int or array of int
    defect : float or array
        Bounds on abs(d_k(i)), every round; broadcast against degree.
    fresh_fraction, truncation_time, rate : float
        The recursion's.

    Returns
    -------
    float or array
        Of the common shape.

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    arXiv:2606.13796, Proposition 5.3.

    Examples
    --------
    >>> mode_radius([1, 2], 0.01, fresh_fraction=0.3, truncation_time=0.1).round(4).tolist()
    [0.0299, 0.0273]
    """
    n = checks.degrees(degree)
    size = checks.real_array(defect, "defect")
    if not np.all(size >= 0.0):
        raise InputError(f"defect must be >= 0, got {float(size.min())!r}.")
    kappa = mode_contraction(n, fresh_fraction=fresh_fraction, truncation_time=truncation_time, rate=rate)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        radius = np.where(size == 0.0, 0.0, size / (1.0 - kappa))
    return radius if radius.ndim else float(radius)  # type: ignore[return-value]


@public
def wasserstein_bound(
    defects: ArrayLike,
    *,
    initial_distance: float = 0.0,
    fresh_fraction: float | Sequence[float],
    truncation_time: float | Sequence[float] | Schedule,
    rate: float = 0.5,
) -> FloatArray:
    """Return bounds on W2(p^_i, p_i) for i = 0..N from the defects of the rounds.

        B_0 = initial_distance,   B_{i+1} = sqrt(1-alpha_i) a_i B_i + delta_i

    Parameters
    ----------
    defects : array, shape (N,)
        W2(p^_{i+1}, C_i q^_i), >= 0.
    initial_distance : float
        W2(p^_0, p_0).
    fresh_fraction, truncation, rate
        The recursion's: numbers, or one a round.

    Returns
    -------
    array, shape (N + 1,)
        With constant rounds and initial_distance = W2(p^_0, p_inf) it bounds W2(p^_i, p_inf).

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    arXiv:2606.13796, Theorem 5.2.

    Examples
    --------
    >>> wasserstein_bound([0.1, 0.1], fresh_fraction=0.0, truncation_time=0.2).round(4).tolist()
    [0.0, 0.1, 0.1905]
    """
    size = checks.vector(defects, "defects")
    if size.min() < 0.0:
        raise InputError(f"defects must be >= 0, got {float(size.min())!r}.")
    rounds = replacement_rounds(fresh_fraction, truncation_time, rate)
    bound = np.empty(len(size) + 1)
    bound[0] = checks.nonnegative(initial_distance, "initial_distance")
    for i, delta in enumerate(size):
        fresh, _ = rounds.mixing(i)
        bound[i + 1] = np.sqrt(1.0 - fresh) * rounds.channel(i).scale * bound[i] + delta
    return bound


@public
def mode_deviation(
    degree: ArrayLike,
    defects: ArrayLike,
    *,
    target: ArrayLike,
    initial: ArrayLike | None = None,
    fresh_fraction: float | Sequence[float],
    truncation_time: float | Sequence[float] | Schedule,
    rate: float = 0.5,
) -> FloatArray:
    """Return c_k(p^_i) - c_k(p*) for i = 0..N from the defects, exactly.

    Parameters
    ----------
    degree : array of int, shape (m,)
        Degree of each mode.
    defects : array, shape (N, m)
        d_k(i).
    target : array, shape (m,)
        c_k(p*).
    initial : array, shape (m,), optional
        c_k(p^_0); the target's by default.
    fresh_fraction, truncation, rate
        The recursion's: numbers, or one a round.

    Returns
    -------
    array, shape (N + 1, m)

    Raises
    ------
    InputError
        If shapes do not match or an argument is out of range.

    References
    ----------
    arXiv:2606.13796, Proposition 5.3.

    Examples
    --------
    >>> mode_deviation([1], [[0.1], [0.1]], target=[0.0], fresh_fraction=0.5, truncation_time=0.2).round(4).tolist()
    [[0.0], [0.1], [0.1452]]
    """
    n = checks.degrees(degree).reshape(-1)
    size, data = checks.real_array(defects, "defects"), checks.real_array(target, "target")
    if size.ndim != 2 or size.shape[1] != len(n) or data.shape != n.shape:
        raise InputError(
            f"defects must have shape (rounds, {len(n)}) and target ({len(n)},), got {size.shape} and {data.shape}."
        )
    start = None if initial is None else checks.real_array(initial, "initial")[None] - data
    rounds = replacement_rounds(fresh_fraction, truncation_time, rate)
    return deviations(rounds, n, size[None], data, start)[0]


def deviations(
    rounds: ProcessRounds, n: IntArray, defects: FloatArray, data: FloatArray, start: FloatArray | None
) -> FloatArray:
    """c_k(p^_i) - c_k(p*) of every run, (runs, N + 1, m), from defects (runs, N, m)."""
    scales = np.array([rounds.channel(i).scale for i in range(defects.shape[1])])
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = np.where(n == 0, 0.0, np.expm1(n * np.log(scales)[:, None])) * data
    return accumulate_defects(rounds, defects + bias, n[:, None], start=start)


@dataclass(frozen=True, eq=False)
class ModeDefects(Value):
    """Defects of each round and mode, averaged over runs.

    Attributes
    ----------
    values : array, shape (rounds, m)
    standard_error : array, shape (rounds, m)
        From the spread over runs.
    runs : int
        How many.
    """

    values: FloatArray
    standard_error: FloatArray
    runs: int

    @property
    def largest(self) -> FloatArray:
        """The largest absolute defect over the rounds, shape (m,)."""
        return np.asarray(np.abs(self.values).max(axis=0))


@public
def mode_defects(
    coefficients: ArrayLike,
    degree: ArrayLike,
    *,
    target: ArrayLike,
    fresh_fraction: float | Sequence[float],
    truncation_time: float | Sequence[float] | Schedule,
    rate: float = 0.5,
) -> ModeDefects:
    """Return the defects of simulated runs.

        d_k(i) = c_k(p^_{i+1}) - a_i^n (alpha c_k(p*) + (1-alpha) c_k(p^_i))

    Parameters
    ----------
    coefficients : array, shape (runs, rounds + 1, m)
        Measured coefficients of each run, at least two runs.
    degree : array of int, shape (m,)
        Degree of each mode.
    target : array, shape (m,)
        c_k(p*).
    fresh_fraction, truncation, rate
        The recursion's: numbers, or one a round.

    Returns
    -------
    ModeDefects

    Raises
    ------
    InputError
        If shapes do not match or an argument is out of range.

    References
    ----------
    arXiv:2606.13796, Proposition 5.3.

    Examples
    --------
    >>> runs = [[[0.0], [0.1]], [[0.0], [0.3]]]
    >>> mode_defects(runs, [1], target=[0.0], fresh_fraction=0.5, truncation_time=0.2).values.round(4).tolist()
    [[0.2]]
    """
    measured, n, data = measured_runs(coefficients, degree, target)
    each = round_defects(
        replacement_rounds(fresh_fraction, truncation_time, rate), measured, n[:, None], target=data
    )
    return ModeDefects(each.mean(axis=0), standard_error_of_mean(each), len(each))


def replacement_rounds(
    fresh_fraction: float | Sequence[float],
    truncation_time: float | Sequence[float] | Schedule,
    rate: float,
) -> ProcessRounds:
    """Return rounds of replacement with Ornstein-Uhlenbeck truncation, one number or one a round."""
    return ProcessRounds(
        as_regime("replace", fresh_fraction), as_schedule(truncation_time), OrnsteinUhlenbeck(rate)
    )


def measured_runs(
    coefficients: ArrayLike, degree: ArrayLike, target: ArrayLike
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return measured coefficients (runs, rounds + 1, m), degrees (m,) and the target's coefficients (m,)."""
    measured = checks.real_array(coefficients, "coefficients")
    n = checks.degrees(degree).reshape(-1)
    data = checks.real_array(target, "target")
    if measured.ndim != 3 or measured.shape[2] != len(n) or measured.shape[0] < 2 or measured.shape[1] < 2:
        raise InputError(
            f"coefficients must have shape (runs >= 2, rounds + 1 >= 2, {len(n)}), got {measured.shape}."
        )
    if data.shape != n.shape:
        raise InputError(f"target must have shape {n.shape}, got {data.shape}.")
    return measured, n, data
