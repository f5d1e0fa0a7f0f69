r"""Closed forms in any dimension: L2, Gaussian-kernel MMD, Mehler's distance and the Bures bound.

With c the signed weights of p - q and S the covariances,

    int (p - q)^2                     = sum_jk c_j c_k N(m_j - m_k; 0, S_j + S_k)
    MMD^2, kernel exp(-r^2 / (2 b^2)) = (2 pi b^2)^{d/2} sum_jk c_j c_k N(m_j - m_k; 0, S_j + S_k + b^2 I)

Both sums cancel where p is near q; the error says what is left.
"""

from __future__ import annotations

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.types import FloatArray
from ..laws.mixture import GaussianMixture, Law
from ._divergences_line import root_of
from .line import density_mixture, same_dimension

_EPS = float(np.finfo(float).eps)
_CHUNK_ENTRIES = 1 << 22


@public
def l2(p: Law, q: Law) -> Estimate:
    """Return the L2 distance of the densities, in units of length^(-d/2).

        sqrt(int (p - q)^2)

    Parameters
    ----------
    p, q : GaussianMixture or AgedLaw
        With densities, of one dimension.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        For laws without a density or of different dimensions.
    ConvergenceError
        If the densities are so high that the square exceeds the largest float.

    Accuracy
    --------
    Rounding of the pair sum, about 1e-15 of int p^2 + int q^2 in the square; times the condition number for covariances
    that are not diagonal.  Laws closer than that get 0 with an error that says so.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> p, q = hc.GaussianMixture([1.0], [0.0], 1.0), hc.GaussianMixture([1.0], [1.0], 1.0)
    >>> round(hc.distances.l2(p, q).value, 6)
    0.353268
    """
    left, right = density_mixture(p, "p"), density_mixture(q, "q")
    same_dimension(p, q)
    square, rounding = _pair_sum(left, right, 0.0, 2.0 * np.pi)
    return root_of(square, rounding, "closed_form")


@public
def gaussian_mmd(p: Law, q: Law, *, bandwidth: float) -> Estimate:
    """Return the maximum mean discrepancy with a Gaussian kernel, in [0, sqrt 2].

        kernel exp(-norm(x - y)^2 / (2 bandwidth^2))

    Parameters
    ----------
    p, q : Law
        Of one dimension; for an EmpiricalLaw the distance is that of the empirical law itself, n^2 terms.
    bandwidth : float
        Length scale of the kernel, > 0.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        For laws of different dimensions, or a bandwidth outside (1e-150, 1e150).

    Accuracy
    --------
    About 1e-15 in the square.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> p, q = hc.EmpiricalLaw([0.0]), hc.EmpiricalLaw([1.0])
    >>> round(hc.distances.gaussian_mmd(p, q, bandwidth=1.0).value, 6)
    0.887096
    """
    left, right = _any_mixture(p, "p"), _any_mixture(q, "q")
    same_dimension(left, right)
    width = checks.positive(bandwidth, "bandwidth")
    if not 1e-150 < width < 1e150:
        raise InputError(f"bandwidth must lie in (1e-150, 1e150), got {width!r}.")
    square, rounding = _pair_sum(left, right, width**2, width**-2)
    return root_of(square, rounding, "closed_form")


@public
def mehler(p: Law, q: Law, r: float) -> Estimate:
    """Return the Mehler distance: two laws compared degree by degree.

        D_r = sqrt(sum_n r^n norm(c_n(p) - c_n(q))^2)

    Parameters
    ----------
    p, q : Law
        Of one dimension.
    r : float
        Weight of a degree over the one before, in (0, 1].

    Returns
    -------
    Estimate
        Infinite where a component that is not shared has an eigenvalue of at least 1 + 1 / r (finite for samples and
        r < 1).

    Raises
    ------
    InputError
        For laws of different dimensions, or r outside (0, 1].

    Notes
    -----
    It is the L2(gamma) distance of the densities after Ornstein-Uhlenbeck smoothing by scale sqrt(r).  For p_i and
    p_inf of one recursion, (1-alpha)^i D_{r a^{2i}}(p_0, p_inf) is D_r(p_i, p_inf).

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> p, q = hc.GaussianMixture([1.0], [0.0], 1.0), hc.GaussianMixture([1.0], [0.5], 1.0)
    >>> round(hc.distances.mehler(p, q, 0.5).value, 6)
    0.364895
    """
    from ..hermite.mehler import mehler_distance

    left, right = _any_mixture(p, "p"), _any_mixture(q, "q")
    same_dimension(left, right)
    return mehler_distance(left, right, r)


@public
def bures(p: Law, q: Law) -> Estimate:
    """Return the Bures distance of means and covariances: a lower bound on Wasserstein-2, equal for Gaussians.

        sqrt(norm(m - m')^2 + norm(F - F' U)_F^2),   F F^T = S,   F' F'^T = S',   U the polar factor of F'^T F

    Parameters
    ----------
    p, q : Law
        Of one dimension.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        For laws of different dimensions.

    Notes
    -----
    The trace formula tr(S + S' - 2 (S^{1/2} S' S^{1/2})^{1/2}) cancels for near covariances; this does not.

    References
    ----------
    Gelbrich, Math. Nachr. 147 (1990).

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> p, q = hc.GaussianMixture([1.0], [0.0], 1.0), hc.GaussianMixture([1.0], [3.0], 25.0)
    >>> round(hc.distances.bures(p, q).value, 9)
    5.0
    """
    for law, name in ((p, "p"), (q, "q")):
        _require_law(law, name)
    same_dimension(p, q)
    s, t = p.covariance_factor, q.covariance_factor
    u, _, v = np.linalg.svd(t.T @ s)
    spread = s - t @ (u @ v)
    shift = np.asarray(p.mean) - np.asarray(q.mean)
    # In units of the largest, squares neither overflow nor vanish.
    unit = float(max(np.abs(part).max() for part in (s, t, shift))) or 1.0
    s, t, spread, shift = s / unit, t / unit, spread / unit, shift / unit
    square = float(shift @ shift) + float((spread**2).sum())
    size = float((s**2).sum() + (t**2).sum()) ** 0.5
    rounding = 32.0 * _EPS * size * (np.sqrt(square) + _EPS * size) * len(shift)
    root = root_of(square, rounding, "closed_form")
    return Estimate(unit * root.value, unit * root.error + _EPS * unit * root.value, root.kind, root.route)


def _any_mixture(law: Law, name: str) -> GaussianMixture:
    """Return a law as a mixture whose covariances may vanish."""
    _require_law(law, name)
    return law.as_mixture()


def _require_law(law: object, name: str) -> None:
    if not isinstance(law, Law):
        raise InputError(
            f"{name} must be a GaussianMixture, AgedLaw or EmpiricalLaw, got {type(law).__name__}."
        )


@np.errstate(over="ignore")
def _pair_sum(p: GaussianMixture, q: GaussianMixture, added: float, unit: float) -> tuple[float, float]:
    """Return the sum over the signed components of p - q, and its rounding.

    sum_jk c_j c_k exp(-(m_j - m_k).M^-1 (m_j - m_k) / 2) / sqrt(det(unit M)),   M = S_j + S_k + added I
    """
    weights = np.concatenate([p.weights, -q.weights])
    means = np.concatenate([p.means, q.means])
    diagonal = p.frames is None and q.frames is None
    spread = np.concatenate([p.variances, q.variances] if diagonal else [p.covariances, q.covariances])
    count, dimension = means.shape
    step = max(1, _CHUNK_ENTRIES // (count * dimension * (1 if diagonal else dimension)))
    eigenvalues = np.concatenate([p.variances, q.variances])
    smallest, largest = eigenvalues.min(axis=1), eigenvalues.max(axis=1)
    value = rounding = 0.0
    for start in range(0, count, step):
        rows = slice(start, start + step)
        offset = means[rows, None, :] - means[None, :, :]
        joint = spread[rows, None] + spread[None]
        if diagonal:
            joint = joint + added
            form = (offset**2 / joint).sum(axis=2)
            volume = np.log(unit * joint).sum(axis=2)
            condition: FloatArray | float = 0.0
        else:
            joint = joint + added * np.eye(dimension)
            solved = np.linalg.solve(joint, offset[..., None])[..., 0]
            form = (offset * solved).sum(axis=2)
            volume = np.linalg.slogdet(unit * joint)[1]
            condition = (largest[rows, None] + largest + added) / (smallest[rows, None] + smallest + added)
        terms = np.exp(-0.5 * (form + volume)) * weights[rows, None] * weights[None, :]
        value += float(terms.sum())
        # An exponent is known to its own rounding, and through a matrix to that of its entries times the condition.
        form = np.minimum(np.abs(form), 1e4)  # beyond, the term is 0
        relative = 16.0 + form + np.abs(volume) + 4.0 * dimension * condition * (1.0 + form)
        rounding += _EPS * float(np.abs(terms * relative).sum())
    return value, rounding
