r"""Factors of degrees above 2 under linear maps with noise, x -> rho x + s z, whose variances do not add up to 1.

With d = rho^2 + s^2 - 1 the generating function of Hermite coefficients G(t) becomes G(rho t) exp(d |t|^2 / 2): what is
lost or added to the variance of all directions feeds degree n from degrees n - 2, n - 4, ...  Coefficients stay in the
span of |t|^{2 j} c*_{n - 2 j}(t), those of the data times powers of |t|^2, and the factor of degree n is

    f_n = y_0 v_{n,0} + phi_1 v_{n,1} + phi_2 v_{n,2},

with one number phi_j a column, (d / 2)^j times an inner product of the data's coefficients, and

    v_{n,0}' = rho^n w_{n,0}
    v_{n,1}' = rho^n w_{n,1} + rho^{n-2} w_{n-2,0}
    v_{n,2}' = rho^n w_{n,2} + rho^{n-2} w_{n-2,1} + rho^{n-4} w_{n-4,0} / 2,      w = alpha v(data) + (1 - alpha) v,

v(data) = 1 for j = 0 and 0 otherwise; w is the mean of what is kept where generations are (`accumulated`).  This is
exact up to degree 5, and leaves out (d / 2)^3 from degree 6 on.
"""

from __future__ import annotations

import numpy as np

from ...core.types import FloatArray, IntArray
from ...recursion.accumulated import ACCUMULATE, REPLACE

STATES = 6
_DATA = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0])
"""v_{n,0..2}, v_{n-2,0}, v_{n-2,1}, v_{n-4,0} of the data."""


def basis_curves(
    degree: int | IntArray, root: FloatArray, alpha: FloatArray, rounds: FloatArray, regime: str = REPLACE
) -> FloatArray:
    """Return v_{n,0}, v_{n,1}, v_{n,2} in these rounds, (s, r, 3), of n and rho and fresh fractions, each (s,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        curves = (
            _replaced(degree, root, alpha, rounds)
            if regime == REPLACE
            else _accumulated(degree, root, alpha, rounds, regime)
        )
    return np.nan_to_num(curves, nan=_LARGEST, posinf=_LARGEST, neginf=-_LARGEST)


def basis_limits(
    degree: int | IntArray, root: FloatArray, alpha: FloatArray, regime: str = REPLACE
) -> FloatArray:
    """Return where v_{n,0}, v_{n,1}, v_{n,2} lead, (s, 3); infinite where a lower degree does not settle."""
    share = np.zeros_like(alpha) if regime == ACCUMULATE else alpha
    matrix, constant = _with_fresh_data(*_round_map(degree, root), share)
    rates = np.einsum("saa->sa", matrix)
    settles = np.all(rates < 1.0, axis=1)
    safe = np.where(settles[:, None, None], np.eye(STATES) - matrix, np.eye(STATES))
    return np.where(settles[:, None], np.linalg.solve(safe, constant[..., None])[:, :3, 0], np.inf)


_LARGEST = 1e100
"""No curve grows so far; a search that tries it must come back."""


def _replaced(degree: int | IntArray, root: FloatArray, alpha: FloatArray, rounds: FloatArray) -> FloatArray:
    """Return curves of generations that replace each other, by powers of one round."""
    matrix, constant = _with_fresh_data(*_round_map(degree, root), alpha)
    # One more number that stays 1 carries the constant.
    affine = np.zeros((len(root), STATES + 1, STATES + 1))
    affine[:, :STATES, :STATES], affine[:, :STATES, STATES], affine[:, STATES, STATES] = matrix, constant, 1.0
    state = np.tile(np.append(_DATA, 1.0)[:, None], (len(root), 1, 1))
    curves = np.empty((len(root), len(rounds), 3))
    powers: dict[int, FloatArray] = {}
    reached = 0
    for row in np.argsort(rounds, kind="stable").tolist():
        gap = int(rounds[row]) - reached
        if gap not in powers:
            powers[gap] = np.linalg.matrix_power(affine, gap)
        state = powers[gap] @ state
        reached += gap
        curves[:, row] = state[:, :3, 0]
    return curves


def _accumulated(
    degree: int | IntArray, root: FloatArray, alpha: FloatArray, rounds: FloatArray, regime: str
) -> FloatArray:
    """Return curves of generations that are kept, round by round."""
    from ._kernels_couplings import accumulated

    matrix, constant = _round_map(degree, root)
    states = accumulated(
        matrix, constant, _DATA, np.ascontiguousarray(alpha), int(rounds.max()), regime != ACCUMULATE
    )
    return np.asarray(states[:, rounds.astype(np.int64), :3])


def _with_fresh_data(
    matrix: FloatArray, constant: FloatArray, alpha: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return a round as a map of the last one."""
    return (1.0 - alpha)[:, None, None] * matrix, alpha[:, None] * (matrix @ _DATA) + constant


def _round_map(degree: int | IntArray, root: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return matrix (s, 6, 6) and constant (s, 6) of one round as a map of what it trains on."""
    top, middle = root**degree, root ** (degree - 2)
    low = np.where(np.greater(degree, 3), root ** np.maximum(degree - 4, 0), 0.0)
    matrix, constant = np.zeros((len(root), STATES, STATES)), np.zeros((len(root), STATES))
    matrix[:, 0, 0] = top
    matrix[:, 1, 1], matrix[:, 1, 3] = top, middle
    matrix[:, 2, 2], matrix[:, 2, 4], matrix[:, 2, 5] = top, middle, low / 2.0
    matrix[:, 3, 3] = middle
    matrix[:, 4, 4], matrix[:, 4, 5] = middle, low
    is_above = np.greater(degree, 4)
    matrix[:, 5, 5], constant[:, 5] = np.where(is_above, low, 0.0), ~is_above  # degree 0 is 1 for every law
    return matrix, constant
