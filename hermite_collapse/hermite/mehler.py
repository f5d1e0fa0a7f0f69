r"""Mehler distance: all Hermite degrees at once, degree n with weight r^n.

    D_r(p, q)^2 = sum_n r^n norm(c_n(p) - c_n(q))^2

It is the maximum mean discrepancy of Mehler's kernel (1 - r^2)^(-d/2) exp((r x.y - r^2 A) / (1 - r^2)),
A = (|x|^2 + |y|^2) / 2, and the L2(gamma) distance of the densities (to gamma) after Ornstein-Uhlenbeck smoothing by
the scale sqrt(r).  A component whose covariance has an eigenvalue l with r abs(l - 1) >= 1 and that the two laws do
not share makes it infinite: among distinct Gaussians the one with the heaviest tail in a cone is not cancelled there.
"""

from __future__ import annotations

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import Estimate
from .determinant import SignedMixture, pair_log_values, signed_mixture
from .mixture import Mixture, spread

_PANEL_ENTRIES = 1 << 21
_EPS = float(np.finfo(np.float64).eps)


def mehler_distance(p: Mixture, q: Mixture, r: float) -> Estimate:
    r"""Return the Mehler distance of two mixtures of Gaussians, in closed form.

        D_r^2 = sum_{k,l} s_k s_l F_kl(r),      s the weights of p and minus those of q,

    F_kl the determinant formula for the components k and l.

    Parameters
    ----------
    p, q : Mixture
        Of one dimension; zero variances (point masses) are allowed.
    r : float
        In (0, 1].

    Returns
    -------
    Estimate
        D_r with a rounding bound; infinite, exactly, where D_r is.

    Raises
    ------
    InputError
        If r is outside (0, 1], or D_r^2 exceeds the largest double.

    Accuracy
    --------
    D_r^2 is right to about 1e-15 of sum_kl abs(s_k s_l) F_kl; components that both laws share cancel exactly before
    the sum.
    """
    ratio = checks.share(r, "r")
    if ratio == 0.0:
        raise InputError(f"r must lie in (0, 1], got {r!r}.")
    signed = _difference(signed_mixture(p), signed_mixture(q))
    if len(signed.weights) == 0:
        return Estimate(0.0, 0.0)
    largest = np.abs(signed.excess if signed.diagonal else np.linalg.eigvalsh(signed.excess)).max()
    if ratio == largest == 1.0 and min(float(spread(law)[0].min()) for law in (p, q)) > 0.0:
        # The variance is positive, its distance from 1 rounded: the distance is finite and cannot be formed.
        raise InputError("r must be below 1 for laws with a variance below 1e-16, got 1.")
    if ratio * largest >= 1.0:
        return Estimate(float("inf"), 0.0)
    square = magnitude = 0.0
    step = max(1, _PANEL_ENTRIES // len(signed.weights))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(signed.weights), step):
            part = signed.rows(start, start + step)
            logs = pair_log_values(part, signed, ratio)
            terms = part.weights[:, None] * signed.weights * np.exp(logs)
            square += float(terms.sum())
            magnitude += float((np.abs(terms) * (np.abs(logs) + 1.0)).sum())
    if not np.isfinite(square):
        raise InputError(f"r must keep the distance below 1e154, got {r!r}: lower it.")
    error = 8.0 * _EPS * np.sqrt(signed.means.shape[1]) * magnitude
    value = np.sqrt(max(square, 0.0))
    # abs(sqrt(s) - sqrt(t)) <= sqrt(abs(s - t)), and <= abs(s - t) / sqrt(s)
    return Estimate(float(value), float(min(np.sqrt(error), error / value if value > 0.0 else np.inf)))


def _difference(left: SignedMixture, right: SignedMixture) -> SignedMixture:
    """Return p - q; components with equal mean and covariance are merged, those of weight 0 dropped."""
    if left.diagonal and right.diagonal:
        excess = np.concatenate([left.excess, right.excess])
    else:
        excess = np.concatenate([left.full(), right.full()])
    means = np.concatenate([left.means, right.means])
    weights = np.concatenate([left.weights, -right.weights])
    rows = np.concatenate([means, excess.reshape(len(means), -1)], axis=1)
    _, first, label = np.unique(rows + 0.0, axis=0, return_index=True, return_inverse=True)
    merged = np.bincount(label.ravel(), weights=weights, minlength=len(first))
    selected = merged != 0.0
    return SignedMixture(merged[selected], means[first[selected]], excess[first[selected]])
