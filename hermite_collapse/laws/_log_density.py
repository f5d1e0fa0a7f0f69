r"""Log-density and score of Gaussian mixtures: where every law with a density ends.

    log p(x)      = log sum_k exp( log w_k - 1/2 sum_j [ log(2 pi v_kj) + (y_j - mu_kj)^2 / v_kj ] )
    grad log p(x) = - sum_k rho_k(x) Q_k diag(1 / v_k) (y - mu_k),      y = Q_k^T x,   mu_k = Q_k^T m_k

with rho_k(x) the responsibilities.  Component k has covariance Q diag(v_k) Q^T, Q = frames[frame_of[k]]; all ages
of one component share one frame, so the points are rotated once per frame and every component is diagonal then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hermite_collapse.errors import InputError

_LOG_TWO_PI = float(np.log(2.0 * np.pi))
_CHUNK_ENTRIES = 1 << 19

Array = NDArray[np.float64]


class _Group(NamedTuple):
    """Components that share one frame, in that frame's coordinates and about the group's own centre."""

    frame: Array | None
    centre: Array
    log_heights: Array
    means: Array
    precisions: Array


def _groups(
    log_weights: Array,
    means: Array,
    variances: Array,
    frames: Array | None,
    frame_of: NDArray[np.int64] | None,
) -> list[_Group]:
    log_weights = np.ascontiguousarray(log_weights, dtype=np.float64)
    means = np.ascontiguousarray(means, dtype=np.float64)
    variances = np.ascontiguousarray(variances, dtype=np.float64)
    smallest = variances.min(axis=1)
    if not np.all(smallest > 0.0):
        worst = int(np.argmin(np.where(np.isnan(smallest), -np.inf, smallest)))
        raise InputError(
            "covariances must be positive definite for a density to exist: "
            f"component {worst} has variance {smallest[worst]:.6g} in one direction."
        )
    log_heights = log_weights - 0.5 * (np.log(variances).sum(axis=1) + variances.shape[1] * _LOG_TWO_PI)
    used = log_weights > -np.inf
    if frames is None:
        chosen = [(None, np.flatnonzero(used))]
    else:
        owner = np.zeros(len(log_weights), dtype=np.int64) if frame_of is None else np.asarray(frame_of)
        chosen = [(f, np.flatnonzero(used & (owner == f))) for f in range(len(frames))]
    groups = []
    for f, members in chosen:
        if len(members) == 0:
            continue
        # The rotation loses eps * |x - centre| absolutely: the means' own middle keeps that small for laws
        # far from the origin.
        centre = 0.5 * (means[members].min(axis=0) + means[members].max(axis=0))
        moved = means[members] - centre
        frame = None if f is None else np.ascontiguousarray(frames[f], dtype=np.float64)
        if frame is not None:
            moved = moved @ frame
        groups.append(_Group(frame, centre, log_heights[members], moved, 1.0 / variances[members]))
    return groups


def _evaluate(x: Array, groups: list[_Group], with_score: bool) -> tuple[Array, Array | None]:
    count, dimension = x.shape
    components = sum(len(g.log_heights) for g in groups)
    log_density = np.full(count, -np.inf)
    score = np.zeros((count, dimension)) if with_score else None
    step = max(1, _CHUNK_ENTRIES // max(1, components * dimension))
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        logits, slopes = [], []
        for g in groups:
            y = x[rows] - g.centre
            if g.frame is not None:
                y = y @ g.frame
            offset = y[:, None, :] - g.means
            weighted = offset * g.precisions
            logits.append(g.log_heights - 0.5 * np.einsum("nkd,nkd->nk", offset, weighted))
            slopes.append(weighted)
        if not groups:
            continue
        peak = np.max([part.max(axis=1) for part in logits], axis=0)
        powers = [np.exp(part - peak[:, None]) for part in logits]
        total = sum(part.sum(axis=1) for part in powers)
        log_density[rows] = peak + np.log(total)
        if score is not None:
            for g, power, slope in zip(groups, powers, slopes, strict=True):
                part = np.einsum("nk,nkd->nd", power / total[:, None], slope)
                score[rows] -= part if g.frame is None else part @ g.frame.T
    return log_density, score


def mixture_log_density(
    x: Array,
    log_weights: Array,
    means: Array,
    variances: Array,
    frames: Array | None = None,
    frame_of: NDArray[np.int64] | None = None,
) -> Array:
    """Log-density of a Gaussian mixture at many points.

    Parameters
    ----------
    x : (n, d)                  points
    log_weights : (K,)          log w_k; -inf leaves the component out
    means : (K, d)              in the original coordinates
    variances : (K, d)          eigenvalues of the covariances, all positive
    frames : (F, d, d) or None  orthogonal matrices whose columns are eigenvectors; None: the coordinate axes
    frame_of : (K,) or None     frame of each component; None: all in frame 0

    Returns
    -------
    (n,) log p(x).  In the far tail the value is the true one: nothing underflows.

    Raises : InputError if a variance is not positive: such a component has no density.
    """
    groups = _groups(log_weights, means, variances, frames, frame_of)
    return _evaluate(np.ascontiguousarray(x, dtype=np.float64), groups, False)[0]


def mixture_log_density_and_score(
    x: Array,
    log_weights: Array,
    means: Array,
    variances: Array,
    frames: Array | None = None,
    frame_of: NDArray[np.int64] | None = None,
) -> tuple[Array, Array]:
    """Log-density (n,) and its gradient (n, d), in one pass.  Arguments and errors: `mixture_log_density`."""
    groups = _groups(log_weights, means, variances, frames, frame_of)
    log_density, score = _evaluate(np.ascontiguousarray(x, dtype=np.float64), groups, True)
    assert score is not None
    return log_density, score
