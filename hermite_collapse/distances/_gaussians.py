r"""Closed forms for single Gaussians p = N(m, S) and q = N(m', T), in any dimension.

With l_j the eigenvalues of T^{-1/2} S T^{-1/2} and y the mean difference in their axes, in units of q,

    KL(p || q)    = sum_j [l_j - 1 - log l_j + y_j^2] / 2
    H^2(p, q)     = 1 - prod_j [2 sqrt(l_j) / (1 + l_j)]^{1/2} exp(-y_j^2 / (4 (1 + l_j)))
    1 + chi2      = prod_j [l_j (2 - l_j)]^{-1/2} exp(y_j^2 / (2 - l_j))

Near l = 1 they are formed from l - 1, far from it from log det S - log det T: neither cancels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import ConvergenceError
from ..core.estimates import Estimate
from ..core.types import FloatArray
from ..laws.mixture import GaussianMixture
from ._divergences_line import root_of
from ._divergences_local import excess

_EPS = float(np.finfo(float).eps)
_NEAR = 0.5


@dataclass(frozen=True)
class _Relative:
    """One Gaussian in the units of another: l_j and l_j - 1, log prod l_j, y_j, and the relative rounding of them."""

    ratios: FloatArray
    offsets: FloatArray
    log_determinant: float
    shift: FloatArray
    rounding: float
    shares_axes: bool

    @property
    def is_near(self) -> bool:
        return bool(np.abs(self.offsets).max() < _NEAR)

    @property
    def size(self) -> float:
        """What the roundings multiply."""
        if not self.is_near:
            spread = float(np.abs(self.offsets).sum()) + abs(self.log_determinant) + len(self.ratios)
        else:
            # The distances are quadratic in l - 1, which is known relatively where the axes are shared.
            spread = float((self.offsets**2 if self.shares_axes else np.abs(self.offsets)).sum())
        return spread + float(self.shift @ self.shift)


@np.errstate(over="ignore")
def _relative(p: GaussianMixture, q: GaussianMixture) -> _Relative:
    s, t = p.variances[0], q.variances[0]
    difference, rounding = p.means[0] - q.means[0], 8.0 * _EPS
    shares_axes = p.frames is None and q.frames is None
    if shares_axes:
        offsets, ratios, shift = (s - t) / t, s / t, difference / np.sqrt(t)
    else:
        # T = (frame roots) (frame roots)^T, so that T^{-1/2} is frame^T over roots up to a rotation.
        roots, frame = np.sqrt(t), _frame(q)
        gap = frame.T @ (p.covariances[0] - q.covariances[0]) @ frame / np.outer(roots, roots)
        offsets, axes = np.linalg.eigh(0.5 * (gap + gap.T))
        turned = frame.T @ _frame(p) * np.sqrt(s) / roots[:, None]
        ratios = np.sort(np.linalg.svd(turned, compute_uv=False) ** 2)
        shift = axes.T @ (frame.T @ difference / roots)
        # Eigenvalues of a full matrix are known to a rounding of the largest.
        rounding *= len(s) * float(max(t.max() / t.min(), s.max() / s.min()))
    near = np.abs(offsets).max() < _NEAR
    log_determinant = np.log1p(offsets).sum() if near else np.log(s).sum() - np.log(t).sum()
    return _Relative(ratios, offsets, float(log_determinant), shift, rounding, shares_axes)


def _frame(law: GaussianMixture) -> FloatArray:
    """Eigenvectors of the first component's covariance."""
    if law.frames is None or law.frame_of is None:
        return np.eye(law.dimension)
    return law.frames[law.frame_of[0]]


@np.errstate(over="ignore")
def kl(p: GaussianMixture, q: GaussianMixture) -> Estimate:
    """Return KL(p || q)."""
    r = _relative(p, q)
    if r.is_near:
        spread = float(excess(np.log1p(r.offsets)).sum())
    else:
        spread = float(r.ratios.sum()) - len(r.ratios) - r.log_determinant
    value = 0.5 * (spread + float(r.shift @ r.shift))
    if not np.isfinite(value):
        raise ConvergenceError(
            "the divergence is finite but exceeds the largest float.", value=np.inf, bound=np.inf
        )
    return Estimate(value, r.rounding * r.size, "bound", "closed_form")


@np.errstate(over="ignore")
def hellinger(p: GaussianMixture, q: GaussianMixture) -> Estimate:
    """Return H(p, q)."""
    r = _relative(p, q)
    square = float((r.shift**2 / (1.0 + r.ratios)).sum())
    if r.is_near:
        # 2 sqrt(l) / (1 + l) = sqrt(1 - u^2) with u = (l - 1) / (l + 1).
        log_overlap = 0.5 * float(np.log1p(-((r.offsets / (2.0 + r.offsets)) ** 2)).sum())
    else:
        log_overlap = 0.5 * r.log_determinant - float(np.log(0.5 * (1.0 + r.ratios)).sum())
    exponent = 0.5 * log_overlap - 0.25 * square
    value = 0.0 - float(np.expm1(exponent))  # of one law and itself 0 without a sign
    # The relative size of 1 + l counts here, not that of l.
    size = min(r.size, 1.0 + abs(exponent)) if not r.is_near else r.size
    left = 0.0 if exponent < -800.0 else (1.0 - value) * size  # what the exponent's rounding moves
    return root_of(value, r.rounding * (value + left), "closed_form")


def chi_square(p: GaussianMixture, q: GaussianMixture) -> Estimate:
    """Return chi2(p || q) for q one Gaussian; that it is finite is known."""
    if len(p.weights) == 1:
        return _chi_square_of_one(_relative(p, q))
    # 1 + chi2 = sum_jk w_j w_k int p_j p_k / q; the weights sum to 1, so that each term may lose its own 1.
    s, m = q.covariances[0], q.means[0]
    base = np.linalg.inv(s)
    inverses = np.linalg.inv(p.covariances)
    pulls = np.einsum("kij,kj->ki", inverses, p.means - m)
    constants = 0.5 * np.linalg.slogdet(inverses)[1] - 0.5 * np.einsum("ki,ki->k", pulls, p.means - m)
    constant_q = 0.5 * np.linalg.slogdet(base)[1]
    logs = np.empty((len(pulls), len(pulls)))
    norms, amplified = 1.0 / p.variances.min(axis=1), 1.0
    for j in range(len(pulls)):
        precision = inverses[j] + inverses - base
        linear = pulls[j] + pulls
        solved = np.linalg.solve(precision, linear[:, :, None])[:, :, 0]
        logs[j] = constants[j] + constants - constant_q + 0.5 * np.einsum("ki,ki->k", linear, solved)
        logs[j] -= 0.5 * np.linalg.slogdet(precision)[1]
        # Each precision is a difference, and as uncertain as the largest of its terms.
        terms = norms[j] + norms + 1.0 / q.variances.min()
        amplified = max(amplified, float((terms / np.linalg.eigvalsh(precision)[:, 0]).max()))
    shares = np.outer(p.weights, p.weights)
    if float((logs + np.log(np.maximum(shares, 1e-300))).max()) > 708.0:
        raise ConvergenceError(
            "the chi-square is finite but exceeds the largest float.", value=np.inf, bound=np.inf
        )
    value = float((shares * np.expm1(logs)).sum())
    magnitude = float((shares * np.exp(logs)).sum()) * (1.0 + float(np.abs(logs).max()))
    return Estimate(value, 32.0 * _EPS * len(m) * magnitude * amplified, "bound", "closed_form")


def _chi_square_of_one(r: _Relative) -> Estimate:
    rest = 1.0 - r.offsets  # 2 - l
    if r.is_near:
        spread = -0.5 * float(np.log1p(-(r.offsets**2)).sum())
    else:
        spread = -0.5 * (r.log_determinant + float(np.log(rest).sum()))
    exponent = spread + float((r.shift**2 / rest).sum())
    value = float(np.expm1(exponent)) if exponent < 709.0 else np.inf
    if not np.isfinite(value):
        raise ConvergenceError(
            "the chi-square is finite but exceeds the largest float.", value=np.inf, bound=np.inf
        )
    error = r.rounding * (1.0 + value) * r.size / float(rest.min())
    return Estimate(value, error, "bound", "closed_form")
