r"""Mehler distance: all Hermite degrees at once, degree n with weight r^n.

    D_r(p, q)^2 = sum_n r^n norm(c_n(p) - c_n(q))^2

It is the maximum mean discrepancy of Mehler's kernel (1 - r^2)^(-d/2) exp((r x.y - r^2 A) / (1 - r^2)),
A = (|x|^2 + |y|^2) / 2, and the L2(gamma) distance of the densities (to gamma) after Ornstein-Uhlenbeck smoothing by
the scale sqrt(r).  A component whose covariance has an eigenvalue l with r abs(l - 1) >= 1 and that the two laws do
not share makes it infinite: among distinct Gaussians the one with the heaviest tail in a cone is not cancelled there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import Estimate
from .determinant import Components, components, pair_log_values
from .pair_sums import OneSampleSums, TwoSampleSums, shared_covariance

Array = NDArray[np.float64]

_PANEL_ROWS = 512
_PANEL_ENTRIES = 1 << 21
_EPS = float(np.finfo(np.float64).eps)


def mehler_distance(p: Any, q: Any, ratio: float) -> Estimate:
    r"""Mehler distance of two mixtures of Gaussians, in closed form.

        D_r^2 = sum_{k,l} s_k s_l F_kl(r),      s the weights of p and minus those of q,

    F_kl the determinant formula for the components k and l.

    Parameters
    ----------
    p, q : mixtures (.weights, .means, .variances, .frames, .covariances), or triples (weights, means, covariances);
        zero covariances (point masses) are allowed.
    ratio : r in (0, 1].

    Returns
    -------
    Estimate of D_r with a rounding bound; infinite, exactly, where D_r is.

    Accuracy : D_r^2 is right to about 1e-15 of sum_kl abs(s_k s_l) F_kl; components that both laws share cancel
        exactly before the sum.
    Raises : InputError if ratio is outside (0, 1], or D_r^2 exceeds the largest double.
    """
    r = _ratio(ratio)
    if r == 0.0:
        raise InputError(f"ratio must lie in (0, 1], got {ratio!r}.")
    left, right = components(p), components(q)
    if left.means.shape[1] != right.means.shape[1]:
        raise InputError(
            f"q must have the dimension of p, {left.means.shape[1]}, got {right.means.shape[1]}."
        )
    signed = _difference(left, right)
    if len(signed.weights) == 0:
        return Estimate(0.0, 0.0)
    spread = np.abs(signed.excess if signed.diagonal else np.linalg.eigvalsh(signed.excess)).max()
    if r * spread >= 1.0:
        return Estimate(float("inf"), 0.0)
    square = magnitude = 0.0
    step = max(1, _PANEL_ENTRIES // len(signed.weights))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(signed.weights), step):
            part = Components(*(array[start : start + step] for array in signed))
            logs = pair_log_values(part, signed, r)
            terms = part.weights[:, None] * signed.weights * np.exp(logs)
            square += float(terms.sum())
            magnitude += float((np.abs(terms) * (np.abs(logs) + 1.0)).sum())
    if not np.isfinite(square):
        raise InputError(f"ratio must keep the distance below 1e154, got {ratio!r}: lower it.")
    error = 8.0 * _EPS * np.sqrt(signed.means.shape[1]) * magnitude
    value = np.sqrt(max(square, 0.0))
    # abs(sqrt(s) - sqrt(t)) <= sqrt(abs(s - t)), and <= abs(s - t) / sqrt(s)
    return Estimate(float(value), float(min(np.sqrt(error), error / value if value > 0.0 else np.inf)))


def sample_mehler_square(x: ArrayLike, y: ArrayLike, *, ratio: float) -> Estimate:
    r"""Unbiased estimate of the squared Mehler distance from two samples.

        mean over i != j of M(x_i, x_j) + mean over i != j of M(y_i, y_j) - 2 mean over i, j of M(x_i, y_j)

    Parameters
    ----------
    x, y : (N, d) and (M, d) samples, N, M >= 4, independent.
    ratio : r in (0, 1); E M(X, X')^2 is finite for N(0, I) at every r.

    Returns
    -------
    Estimate of D_r^2 (not of D_r: the root would be biased); may be negative.  error is the standard error, with the
    second-order terms that remain where p = q.
    """
    r = _ratio(ratio)
    if not 0.0 < r < 1.0:
        raise InputError(f"ratio must lie in (0, 1), got {ratio!r}.")
    first, second = checks.samples(x, "x", 4), checks.samples(y, "y", 4)
    if first.shape[1] != second.shape[1]:
        raise InputError(f"x and y must have the same dimension, got {first.shape[1]} and {second.shape[1]}.")
    of_x, of_y, cross = _one_sample(first, r), _one_sample(second, r), _two_samples(first, second, r)
    if not (of_x.finite and of_y.finite and cross.finite):
        raise InputError(f"ratio must keep the kernel below 1e154 on the samples, got {ratio!r}: lower it.")
    square = of_x.mean + of_y.mean - 2.0 * cross.mean
    variance = of_x.unbiased_variance() + of_y.unbiased_variance() + 4.0 * cross.unbiased_variance()
    variance = variance - 4.0 * shared_covariance(of_x, cross.rows, len(second))
    variance = variance - 4.0 * shared_covariance(of_y, cross.columns, len(first))
    least = of_x.degenerate_variance() + of_y.degenerate_variance() + 4.0 * cross.degenerate_variance()
    error = np.sqrt(np.maximum(variance, least))
    return Estimate(float(square[0]), float(error[0]), kind="standard_error", route="samples")


def _ratio(ratio: float) -> float:
    return checks.fraction(ratio, "ratio")


def _difference(left: Components, right: Components) -> Components:
    """The signed mixture p - q; components with equal mean and covariance are merged, those of weight 0 dropped."""
    if left.diagonal and right.diagonal:
        excess = np.concatenate([left.excess, right.excess])
    else:
        excess = np.concatenate([left.full(), right.full()])
    means = np.concatenate([left.means, right.means])
    weights = np.concatenate([left.weights, -right.weights])
    rows = np.concatenate([means, excess.reshape(len(means), -1)], axis=1)
    _, first, label = np.unique(rows + 0.0, axis=0, return_index=True, return_inverse=True)
    merged = np.bincount(label.ravel(), weights=weights, minlength=len(first))
    kept = merged != 0.0
    return Components(merged[kept], means[first[kept]], excess[first[kept]])


def _panels(x: Array, y: Array, ratio: float) -> Iterator[tuple[int, Array]]:
    """Panels of Mehler's kernel: first row, and the values (rows, M)."""
    scale = 1.0 / (1.0 - ratio**2)
    constant = -0.5 * x.shape[1] * np.log1p(-(ratio**2))
    norms, other_norms = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    step = max(1, min(_PANEL_ROWS, _PANEL_ENTRIES // len(y)))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        half = 0.5 * ratio**2 * scale
        yield (
            start,
            np.exp(
                constant + ratio * scale * (x[rows] @ y.T) - half * norms[rows, None] - half * other_norms
            ),
        )


def _one_sample(x: Array, ratio: float) -> OneSampleSums:
    rows = np.empty((len(x), 1))
    squares = np.zeros(1)
    with np.errstate(over="ignore", invalid="ignore"):
        for start, panel in _panels(x, x, ratio):
            here = np.arange(len(panel))
            panel[here, start + here] = 0.0
            rows[start : start + len(panel), 0] = panel.sum(axis=1)
            squares += np.square(panel).sum()
    return OneSampleSums(rows, squares)


def _two_samples(x: Array, y: Array, ratio: float) -> TwoSampleSums:
    rows = np.empty((len(x), 1))
    columns = np.zeros((len(y), 1))
    squares = np.zeros(1)
    with np.errstate(over="ignore", invalid="ignore"):
        for start, panel in _panels(x, y, ratio):
            rows[start : start + len(panel), 0] = panel.sum(axis=1)
            columns[:, 0] += panel.sum(axis=0)
            squares += np.square(panel).sum()
    return TwoSampleSums(rows, columns, squares)
