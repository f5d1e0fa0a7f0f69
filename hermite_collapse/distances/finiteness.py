r"""Whether a chi-square divergence is finite, decided before anything is integrated.

For Gaussian mixtures p = sum w_j p_j and q, with precisions P_j and R_l,

    w_j^2 int p_j^2 / q  <=  int p^2 / q  <=  sum_j w_j int p_j^2 / q            (Jensen)

so chi2(p || q) is finite iff every int p_j^2 / q is.  At infinity p_j^2 / q = exp(-max_l [x.M_jl x + linear] + O(1)),
with M_jl = P_j - R_l / 2: what counts is the sign of max_l u.M_jl u over directions u.

- One M_jl positive definite: finite; p_j^2 / q is then below a multiple of an explicit Gaussian.
- All M_jl negative in one direction, looked for among their eigenvectors: infinite.
- One dimension: complete, ties included (2 v_l = v_j: the linear terms decide).
- Otherwise undecided, and said so: several components of q may dominate together where none does alone.

A limit law stands for infinitely many ages.  Its oldest ages tend to a Gaussian (the standard normal for
Ornstein-Uhlenbeck rounds), which counts as one more component of either law.

References: arXiv:2602.16601 uses chi2(p_i || p*) throughout; with its own parameters it is infinite after one round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import Value
from ..laws.aged import AgedLaw
from ..laws.mixture import Law
from .line import LineMixture, density_mixture, same_dimension

_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Finiteness(Value):
    """A verdict on whether a divergence is finite.

    Attributes
    ----------
    verdict : str
        "finite", "infinite" or "undecided".
    margin : float
        The smallest eigenvalue of the best certificate relative to the precisions: positive for finite, negative for
        infinite, near zero close to the boundary.
    reason : str
        One sentence.
    direction : array, shape (d,), or None
        For "infinite", a direction in which the integrand does not decay.
    """

    verdict: str
    margin: float
    reason: str
    direction: FloatArray | None = None

    @property
    def is_finite(self) -> bool:
        """Whether the divergence is proved to be finite."""
        return self.verdict == "finite"

    @property
    def is_infinite(self) -> bool:
        """Whether the divergence is proved to be infinite."""
        return self.verdict == "infinite"


@dataclass(frozen=True, eq=False)
class Domination(Value):
    """An upper bound on p_j^2 / q: exp(log_mass) N(centre, inverse precision), for one component j of p."""

    log_mass: float
    centre: FloatArray
    precision: FloatArray


@dataclass(frozen=True)
class _Tail:
    """Components of a law as far as tails are concerned; the limit of ever older ages is one without a weight."""

    means: FloatArray
    covariances: FloatArray
    log_weights: FloatArray
    own: int  # components that belong to the law itself
    spreads: bool  # variances of older ages grow without bound

    @property
    def stands_for_ages(self) -> bool:
        """Whether components stand for real-valued ages, so that one failing proves nothing about integer ages."""
        return self.own < len(self.means)


def _tail_of(law: Law, name: str) -> _Tail:
    mixture = density_mixture(law, name)
    used = mixture.weights > 0.0
    means, covariances = mixture.means[used], mixture.covariances[used]
    log_weights = np.log(mixture.weights[used])
    own = len(means)
    variance = oldest_variance(law)
    if variance is not None and np.isfinite(variance):
        d = means.shape[1]
        means = np.concatenate([means, np.zeros((1, d))])
        covariances = np.concatenate([covariances, variance * np.eye(d)[None]])
        log_weights = np.append(log_weights, -np.inf)
    return _Tail(means, covariances, log_weights, own, variance is not None and not np.isfinite(variance))


def oldest_variance(law: Law) -> float | None:
    """Return the variance (every direction) that ever older ages of a limit law tend to; None for finitely many ages.

    The channels of all ages lie on one line in (scale^2, variance); the answer is its value at scale 0, and infinite
    where every scale is the same (variance-exploding rounds).
    """
    if not isinstance(law, AgedLaw) or not law.unbounded_ages:
        return None
    square, variance, channel = law.scales**2, law.variances, law.tail_channel
    i, k = int(np.argmax(square)), int(np.argmin(square))
    if square[i] - square[k] <= 1e-14 * square[i]:
        return np.inf if channel is None else float(channel.variance)
    value = float((variance[k] * square[i] - variance[i] * square[k]) / (square[i] - square[k]))
    if channel is not None and abs(value - channel.variance) < 1e-9:
        return float(channel.variance)
    return value


@public
def chi_square_finiteness(p: Law, q: Law) -> Finiteness:
    """Decide whether chi2(p || q) = int p^2 / q - 1 is finite, for Gaussian mixtures and limit laws.

    Parameters
    ----------
    p, q : GaussianMixture or AgedLaw over mixtures
        Of one dimension.

    Returns
    -------
    Finiteness
        In one dimension complete up to ties within 1e-12; in several it may be "undecided".

    Raises
    ------
    InputError
        For laws without a density.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> wide, narrow = hc.GaussianMixture([1.0], [0.0], 1.0), hc.GaussianMixture([1.0], [0.0], 0.4)
    >>> hc.distances.chi_square_finiteness(wide, narrow).verdict
    'infinite'
    >>> hc.distances.chi_square_finiteness(narrow, wide).verdict
    'finite'
    """
    left, right = _tail_of(p, "p"), _tail_of(q, "q")
    same_dimension(p, q)
    if left.spreads and not right.spreads:
        axis = np.eye(left.means.shape[1])[0]
        return Finiteness("infinite", -np.inf, "the variances of p's older ages exceed every bound.", axis)
    if left.spreads:
        return Finiteness("undecided", 0.0, "both laws have ages of unbounded variance.")
    if right.spreads:
        return Finiteness("finite", np.inf, "q has ages of larger variance than any component of p.")
    if left.means.shape[1] == 1:
        return _on_the_line(left, right)
    return _in_space(left, right)


def _on_the_line(left: _Tail, right: _Tail) -> Finiteness:
    v, m = left.covariances[:, 0, 0], left.means[:, 0]
    s, c = right.covariances[:, 0, 0], right.means[:, 0]
    widest = float(s.max())
    margins = 2.0 * widest / v - 1.0
    worst = int(np.argmin(margins))
    margin = float(margins[worst])
    unit = np.array([1.0])
    if margin < 0.0:
        reason = f"a component of p has variance {v[worst]:.6g} > 2 x {widest:.6g}, q's largest."
        return Finiteness("infinite", margin, reason, unit)
    for j in np.flatnonzero(margins == 0.0):
        # 2 v_l = v_j: the integrand decays like exp(-(c_l - m_j) x) to the right, its mirror image to the left.
        tied = c[2.0 * s == v[j]]
        if not (tied.max() > m[j] and tied.min() < m[j]):
            side = 1.0 if not tied.max() > m[j] else -1.0
            reason = "a variance of p is twice q's largest, no mean beyond."
            return Finiteness("infinite", 0.0, reason, side * unit)
        if right.stands_for_ages or left.stands_for_ages:
            return Finiteness("undecided", 0.0, "the oldest ages of a limit law lie on the boundary.")
    if left.stands_for_ages and worst < left.own and margin <= 0.0:
        return Finiteness("undecided", margin, "only intermediate ages of the limit law decide.")
    return Finiteness("finite", margin, "every component of p has less than twice the largest variance of q.")


def _in_space(left: _Tail, right: _Tail) -> Finiteness:
    precisions = _inverse(right.covariances)
    smallest = np.inf
    undecided: Finiteness | None = None
    # Of an infinite pair the oldest age shows it first.
    for j in range(len(left.means) - 1, -1, -1):
        forms = _forms(left.covariances[j], precisions)
        values, vectors = np.linalg.eigh(forms)
        margin = float(values[:, 0].max())
        if margin > _TOLERANCE:
            smallest = min(smallest, margin)
            continue
        directions = vectors.transpose(0, 2, 1).reshape(-1, forms.shape[1])
        heights = np.max([((directions @ form) * directions).sum(axis=1) for form in forms], axis=0)
        lowest = int(np.argmin(heights))
        if heights[lowest] >= -_TOLERANCE:
            reason = (
                f"no component of q alone dominates component {j} of p, and no direction shows that all fail."
            )
            undecided = Finiteness("undecided", margin, reason)
        elif j < left.own and left.stands_for_ages:
            undecided = Finiteness("undecided", margin, "only intermediate ages of the limit law fail.")
        else:
            reason = f"component {j} of p is not dominated by q in one direction."
            return Finiteness("infinite", float(heights[lowest]), reason, directions[lowest])
        if undecided is not None and left.stands_for_ages:
            break  # younger ages are never infinite
    if undecided is not None:
        return undecided
    return Finiteness("finite", smallest, "every component of p is dominated by a component of q.")


def _forms(covariance: FloatArray, precisions: FloatArray) -> FloatArray:
    """M_l = P - R_l / 2 for every l, relative to their size."""
    forms = _inverse(covariance)[None] - 0.5 * precisions
    forms = 0.5 * (forms + np.swapaxes(forms, 1, 2))
    return np.asarray(forms / max(float(np.abs(forms).max()), 1e-300))


def _inverse(matrices: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.inv(matrices), dtype=np.float64)


def _lowest(forms: FloatArray) -> FloatArray:
    """The smallest eigenvalue of each form."""
    return np.asarray(np.linalg.eigh(forms)[0][:, 0])


def dominations(p: Law, q: Law) -> list[Domination | None]:
    """Return for each component j of p a Gaussian above p_j^2 / q; None where no component of q gives one.

    Since q >= w_l q_l, p_j^2 / q <= p_j^2 / (w_l q_l) = exp(log_mass) N(centre, inverse precision); l is the one of
    the smallest mass.
    """
    left, right = _tail_of(p, "p"), _tail_of(q, "q")
    own = slice(0, right.own)
    precisions = _inverse(right.covariances[own])
    pulls = np.einsum("lij,lj->li", precisions, right.means[own])
    heights = np.einsum("li,li->l", right.means[own], pulls) - np.linalg.slogdet(precisions)[1]
    offsets = 0.5 * heights - right.log_weights[own]
    bounds: list[Domination | None] = []
    for j in range(left.own):
        able = np.flatnonzero(_lowest(_forms(left.covariances[j], precisions)) > _TOLERANCE)
        if len(able) == 0:
            bounds.append(None)
            continue
        inverse, mean = np.linalg.inv(left.covariances[j]), left.means[j]
        precision = 2.0 * inverse - precisions[able]
        linear = 2.0 * inverse @ mean - pulls[able]
        centres = np.linalg.solve(precision, linear[:, :, None])[:, :, 0]
        # The (2 pi)^{-d} of p_j^2 over the (2 pi)^{-d/2} of q, against the (2 pi)^{d/2} of the integral: all cancel.
        log_masses = offsets[able] - mean @ inverse @ mean + np.linalg.slogdet(inverse)[1]
        log_masses += 0.5 * np.einsum("li,li->l", linear, centres) - 0.5 * np.linalg.slogdet(precision)[1]
        best = int(np.argmin(log_masses))
        bounds.append(Domination(float(log_masses[best]), centres[best], precision[best]))
    return bounds


def dominating_line(p: Law, q: Law) -> LineMixture:
    """Return the `dominations` of two laws on the line, equally weighted, for those components of p that have one."""
    left, right = LineMixture.of(p, "p"), LineMixture.of(q, "q")
    narrow, m = left.scales[:, None], left.means[:, None]
    wide, c = right.scales, right.means
    with np.errstate(over="ignore"):
        # The precision 2 / v - 1 / s in units of 1 / v: neither overflows nor cancels where the laws are narrow.
        ratio = (narrow / wide) ** 2
        precision = 2.0 - ratio
        able = precision > _TOLERANCE * np.maximum(1.0, 0.5 * ratio)
        safe, ratio = np.where(able, precision, 1.0), np.where(able, ratio, 1.0)
        centres = m + (m - c) * (ratio / safe)
        # (m - c)^2 / (2 s - v) is what m^2 / v, c^2 / s and the centre leave of each other.
        log_masses = ((m - c) / wide) ** 2 / safe
    log_masses = log_masses + np.log(wide) + np.log(narrow) - 0.5 * np.log(safe) - np.log(right.weights)
    best = np.where(able, log_masses, np.inf).argmin(axis=1)
    rows = np.flatnonzero(able.any(axis=1))
    centres = centres[rows, best[rows]]
    scales = left.scales[rows] / np.sqrt(safe[rows, best[rows]])
    return LineMixture(np.full(len(rows), 1.0 / max(1, len(rows))), centres, scales)
