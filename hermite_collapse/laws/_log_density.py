r"""Log-density and score of Gaussian mixtures: where every law with a density ends.

    log p(x)      = log sum_k exp( log w_k - 1/2 sum_j [ log(2 pi v_kj) + (y_j - mu_kj)^2 / v_kj ] )
    grad log p(x) = - sum_k rho_k(x) Q_k diag(1 / v_k) (y - mu_k),      y = Q_k^T x,   mu_k = Q_k^T m_k

with rho_k(x) the responsibilities.  Component k has covariance Q diag(v_k) Q^T, Q = frames[frame_of[k]]; all ages
of one component share one frame, so the points are rotated once per frame and every component is diagonal then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.threads import parallel_region
from ..core.types import FloatArray, IntArray

_LOG_TWO_PI = float(np.log(2.0 * np.pi))
_CHUNK_ENTRIES = 1 << 20
_SMALLEST_CHUNK = 1 << 10
_LANES = 16
_SMALLEST_NORMAL = float(np.finfo(float).tiny)
# Below this exponent the sum beside it is less than its last bit, and the two passes of the kernel, rounded in
# different ways, differ by more than an exponential holds.
FAR = -(2.0**60)
_SMALL_TASK = 1 << 16  # points x components x axes: below, starting threads costs more than the sums


class _Group(NamedTuple):
    """Components that share one frame, in that frame's coordinates and about the group's own centre.

    log_heights: log of weight times density at the mean; roots: 1 / sqrt(2 variance).
    """

    frame: FloatArray | None
    centre: FloatArray
    log_heights: FloatArray
    means: FloatArray
    roots: FloatArray


def _groups(
    log_weights: FloatArray,
    means: FloatArray,
    variances: FloatArray,
    frames: FloatArray | None,
    frame_of: IntArray | None,
) -> list[_Group]:
    log_weights = np.ascontiguousarray(log_weights, dtype=np.float64)
    means = np.ascontiguousarray(means, dtype=np.float64)
    variances = np.ascontiguousarray(variances, dtype=np.float64)
    used = np.flatnonzero(log_weights > -np.inf)
    if len(used) == 0:
        raise InputError("log_weights must hold a finite number, got none.")
    smallest = variances[used].min(axis=1)
    if not np.all(smallest > 0.0):
        worst = int(np.argmin(np.where(np.isnan(smallest), -np.inf, smallest)))
        raise InputError(
            "covariances must be positive definite for a density to exist: "
            f"component {used[worst]} has variance {smallest[worst]:.6g} in one direction."
        )
    memberships: list[tuple[int | None, NDArray[np.intp]]] = [(None, used)]
    if frames is not None:
        owner = np.zeros(len(used), dtype=np.int64) if frame_of is None else np.asarray(frame_of)[used]
        memberships = [(f, used[owner == f]) for f in range(len(frames))]
    groups = []
    for f, members in memberships:
        if len(members) == 0:
            continue
        # The rotation loses eps * |x - centre| absolutely: the means' own middle keeps that small for laws
        # far from the origin.
        centre = 0.5 * (means[members].min(axis=0) + means[members].max(axis=0))
        moved = means[members] - centre
        frame = None if f is None or frames is None else np.ascontiguousarray(frames[f], dtype=np.float64)
        if frame is not None:
            moved = moved @ frame
        spread = variances[members]
        log_heights = log_weights[members] - 0.5 * (
            np.log(spread).sum(axis=1) + spread.shape[1] * _LOG_TWO_PI
        )
        normal = np.maximum(spread, _SMALLEST_NORMAL)  # half the inverse of a smaller variance overflows
        roots = np.sqrt(0.5 / normal) * np.sqrt(normal / spread)
        groups.append(_Group(frame, centre, log_heights, moved, roots))
    return groups


def _evaluate(x: FloatArray, groups: list[_Group], with_slope: bool) -> tuple[FloatArray, FloatArray]:
    """Log-density (n,), and the gradient (n, d) or an empty array."""
    count, dimension = x.shape
    log_density = np.empty(count)
    score = np.empty((count, dimension) if with_slope else (0, dimension))
    step = max(_SMALLEST_CHUNK, _CHUNK_ENTRIES // dimension)
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        peak, total, slope = _group_sums(x[rows], groups[0], with_slope)
        for group in groups[1:]:
            other_peak, other_total, other_slope = _group_sums(x[rows], group, with_slope)
            higher = np.maximum(peak, other_peak)
            finite = np.where(higher > -np.inf, higher, 0.0)
            share, other_share = np.exp(peak - finite), np.exp(other_peak - finite)
            peak = higher
            total = share * total + other_share * other_total
            if with_slope:
                slope = share[:, None] * slope + other_share[:, None] * other_slope
        # The total is 0 where even the highest component overflows: log p = -inf.
        with np.errstate(divide="ignore"):
            log_density[rows] = peak + np.log(total)
        if with_slope:
            np.divide(slope, -total[:, None], out=score[rows], where=total[:, None] > 0.0)
    return log_density, score


def _group_sums(x: FloatArray, group: _Group, with_slope: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the peak of the exponents of a group, the sum of exp(exponent - peak), and the sum of S_k^-1 (x - m_k)."""
    from . import _kernels_log_density as kernels

    count, dimension = x.shape
    peak, total = np.empty(count), np.empty(count)
    slope = np.empty((dimension, count if with_slope else 0))
    y = x - group.centre
    if group.frame is not None:
        y = y @ group.frame
    lane: Callable[..., None]
    every: Callable[..., None]
    arguments: tuple[object, ...]
    small = count * group.means.size < _SMALL_TASK
    if dimension == 1 and not with_slope:
        heights, means, roots = group.log_heights, group.means[:, 0].copy(), group.roots[:, 0].copy()
        lane, every = kernels.log_density_line_lane, kernels.log_density_line
        arguments = (y[:, 0].copy(), heights, means, roots, peak, total)
    else:
        y = np.ascontiguousarray(y.T)
        lane, every = kernels.log_density_axes_lane, kernels.log_density_axes
        arguments = (y, group.log_heights, group.means, group.roots, with_slope, peak, total, slope)
    if small:
        lane(0, 1, *arguments)
    else:
        with parallel_region:
            every(_LANES, *arguments)
    if dimension == 1 and not with_slope:
        total[peak < FAR] = 1.0
    lost = peak == -np.inf
    if lost.any():  # where every exponent overflows, shares of the highest are not numbers
        total[lost] = 0.0
        if with_slope:
            slope[:, lost] = 0.0
    if group.frame is not None and with_slope:
        slope = group.frame @ slope
    return peak, total, slope.T


def mixture_log_density(
    x: FloatArray,
    log_weights: FloatArray,
    means: FloatArray,
    variances: FloatArray,
    frames: FloatArray | None = None,
    frame_of: IntArray | None = None,
) -> FloatArray:
    """Return the log-density of a Gaussian mixture at many points.

    Parameters
    ----------
    x : array, shape (n, d)
    log_weights : array, shape (K,)
        log w_k; -inf leaves the component out.
    means : array, shape (K, d)
        In the original coordinates.
    variances : array, shape (K, d)
        Eigenvalues of the covariances, all positive.
    frames : array, shape (F, d, d), or None
        Orthogonal matrices whose columns are eigenvectors; None for the coordinate axes.
    frame_of : array of int, shape (K,), or None
        Frame of each component; None for frame 0.

    Returns
    -------
    array, shape (n,)
        log p(x).  In the far tail the value is the true one: nothing underflows.  -inf at infinity.

    Raises
    ------
    InputError
        If a component of positive weight has a variance that is not positive: it has no density.

    Accuracy
    --------
    Relative 1e-13, absolute where abs(log p) < 1.
    """
    x = np.ascontiguousarray(x, dtype=np.float64)
    groups = _groups(log_weights, means, variances, frames, frame_of)
    finite = np.isfinite(x).all(axis=1)
    if finite.all():
        return _evaluate(x, groups, False)[0]
    log_density = np.where(np.isnan(x).any(axis=1), np.nan, -np.inf)
    log_density[finite] = _evaluate(x[finite], groups, False)[0]
    return log_density


def mixture_log_density_and_score(
    x: FloatArray,
    log_weights: FloatArray,
    means: FloatArray,
    variances: FloatArray,
    frames: FloatArray | None = None,
    frame_of: IntArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the log-density (n,) and its gradient (n, d) in one pass; arguments as for `mixture_log_density`.

    Raises
    ------
    InputError
        As there, and at points where the log-density or the score is not finite.

    Accuracy
    --------
    The score to 1e-12 of its norm.
    """
    x = np.ascontiguousarray(x, dtype=np.float64)
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        raise _no_score(x[int(np.argmin(finite))])
    log_density, score = _evaluate(x, _groups(log_weights, means, variances, frames, frame_of), True)
    finite = np.isfinite(log_density) & np.isfinite(score).all(axis=1)
    if not finite.all():
        raise _no_score(x[int(np.argmin(finite))])
    return log_density, score


def _no_score(point: FloatArray) -> InputError:
    return InputError(
        f"x must lie where log-density and score are doubles for a score, got {point.tolist()}."
    )
