r"""Whether a chi-square divergence is finite, decided before anything is integrated.

For Gaussian mixtures p = sum w_j p_j and q, with precisions P_j and R_l,

    w_j^2 int p_j^2 / q  <=  int p^2 / q  <=  sum_j w_j int p_j^2 / q            (Jensen)

so chi2(p || q) is finite iff every int p_j^2 / q is.  At infinity p_j^2 / q = exp(-max_l [x.M_jl x + linear] + O(1)),
with M_jl = P_j - R_l / 2: what counts is the sign of max_l u.M_jl u over directions u.

- Positive in all directions: finite.  It is certified by weights t_l >= 0, sum 1, with sum_l t_l M_jl positive
  definite: then, by the arithmetic-geometric inequality, p_j^2 / q is below a multiple of an explicit Gaussian.  One
  l suffices iff 2 S_l - S_j is positive definite.
- Negative in one direction: infinite.
- One dimension: complete, ties included (2 v_l = v_j: the linear terms decide).
- Covariances that commute, or a q of two components: certificate and direction are dual (a matrix game; Yuan's
  lemma), so one of the two exists unless the best value is 0.
- Otherwise neither may be found: undecided, and said so.

A limit law stands for infinitely many ages.  Its oldest ages tend to a Gaussian (the standard normal for
Ornstein-Uhlenbeck rounds), which counts as one more component of either law.

References: arXiv:2602.16601 uses chi2(p_i || p*) throughout; with its own parameters it is infinite after one round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._components import mixture_of, same_dimension, unbounded_ages

Array = NDArray[np.float64]

_TOLERANCE = 1e-12
_CUTS = 200


@dataclass(frozen=True)
class Finiteness:
    """A verdict on a divergence.

    verdict : "finite", "infinite" or "undecided".
    margin : the smallest eigenvalue of the best certificate relative to the precisions (positive: finite; negative:
        infinite; near zero: close to the boundary).
    reason : one sentence.
    direction : for "infinite", a direction (d,) in which the integrand does not decay; None otherwise.
    """

    verdict: str
    margin: float
    reason: str
    direction: Array | None = None

    @property
    def is_finite(self) -> bool:
        return self.verdict == "finite"

    @property
    def is_infinite(self) -> bool:
        return self.verdict == "infinite"


@dataclass(frozen=True)
class Domination:
    """An upper bound on p_j^2 / q: exp(log_mass) N(centre, inverse precision), for one component j of p."""

    log_mass: float
    centre: Array
    precision: Array


@dataclass(frozen=True)
class _Tail:
    """Components of a law as far as tails are concerned; the limit of ever older ages is one without a weight."""

    means: Array
    covariances: Array
    log_weights: Array
    own: int  # components that belong to the law itself
    spreads: bool  # variances of older ages grow without bound


def _tail_of(law: Any, name: str) -> _Tail:
    mixture = mixture_of(law, name)
    keep = mixture.weights > 0.0
    means, covariances = mixture.means[keep], np.asarray(mixture.covariances)[keep]
    log_weights = np.log(mixture.weights[keep])
    own = len(means)
    variance = oldest_variance(law)
    if variance is not None and np.isfinite(variance):
        d = means.shape[1]
        means = np.concatenate([means, np.zeros((1, d))])
        covariances = np.concatenate([covariances, variance * np.eye(d)[None]])
        log_weights = np.append(log_weights, -np.inf)
    return _Tail(means, covariances, log_weights, own, variance is not None and not np.isfinite(variance))


def oldest_variance(law: Any) -> float | None:
    """Variance (every direction) that ever older ages of a limit law tend to; None for a law of finitely many ages.

    The channels of all ages lie on one line in (scale^2, variance); the answer is its value at scale 0, and infinite
    where every scale is the same (variance-exploding rounds).
    """
    if not unbounded_ages(law):
        return None
    square, variance = np.asarray(law.scales) ** 2, np.asarray(law.variances)
    channel = getattr(law, "tail_channel", None)
    i, k = int(np.argmax(square)), int(np.argmin(square))
    if square[i] - square[k] <= 1e-14 * square[i]:
        return np.inf if channel is None else float(channel.variance)
    value = float((variance[k] * square[i] - variance[i] * square[k]) / (square[i] - square[k]))
    if channel is not None and abs(value - channel.variance) < 1e-9:
        return float(channel.variance)
    return value


def chi_square_finiteness(p: Any, q: Any) -> Finiteness:
    """Whether chi2(p || q) = int p^2 / q - 1 is finite, for Gaussian mixtures and limit laws.

    Parameters
    ----------
    p, q : GaussianMixture or AgedLaw over mixtures, of one dimension.

    Returns
    -------
    Finiteness.  In one dimension, for commuting covariances and for a q of at most two components the verdict is
    complete up to ties within 1e-12; in general it may be "undecided".

    Raises : InputError for laws without a density.
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
        return Finiteness(
            "infinite",
            margin,
            f"a component of p has variance {v[worst]:.6g} > 2 x {widest:.6g}, q's largest.",
            unit,
        )
    for j in np.flatnonzero(margins == 0.0):
        # 2 v_l = v_j: the integrand decays like exp(-(c_l - m_j) x) to the right, its mirror image to the left.
        tied = c[2.0 * s == v[j]]
        if not (tied.max() > m[j] and tied.min() < m[j]):
            side = 1.0 if not tied.max() > m[j] else -1.0
            return Finiteness(
                "infinite", 0.0, "a variance of p is twice q's largest, no mean beyond.", side * unit
            )
        if right.own < len(c) or left.own < len(v):
            return Finiteness("undecided", 0.0, "the oldest ages of a limit law lie on the boundary.")
    if left.own < len(v) and worst < left.own and margin <= 0.0:
        return Finiteness("undecided", margin, "only intermediate ages of the limit law decide.")
    return Finiteness("finite", margin, "every component of p has less than twice the largest variance of q.")


def _in_space(left: _Tail, right: _Tail) -> Finiteness:
    precisions = _inverse(right.covariances)
    smallest = np.inf
    undecided: Finiteness | None = None
    # Of an infinite pair the oldest age shows it first: last come, first served.
    for j in range(len(left.means) - 1, -1, -1):
        forms, scale = _forms(left.covariances[j], precisions)
        value, _, direction = _game(forms / scale)
        if direction is not None:
            if j < left.own and unbounded_ages_only(left):
                undecided = Finiteness("undecided", value, "only intermediate ages of the limit law fail.")
                continue
            return Finiteness(
                "infinite", value, f"component {j} of p is not dominated by q in one direction.", direction
            )
        if value <= _TOLERANCE:
            undecided = Finiteness(
                "undecided", value, f"component {j} of p is on the boundary, or undecided."
            )
        smallest = min(smallest, value)
    if undecided is not None:
        return undecided
    return Finiteness("finite", smallest, "every component of p is dominated by components of q.")


def unbounded_ages_only(tail: _Tail) -> bool:
    """Whether components stand for real-valued ages, so that one failing proves nothing about integer ages."""
    return tail.own < len(tail.means)


def _inverse(matrices: Array) -> Array:
    return np.asarray(np.linalg.inv(matrices), dtype=np.float64)


def _forms(covariance: Array, precisions: Array) -> tuple[Array, float]:
    forms = np.linalg.inv(covariance)[None] - 0.5 * precisions
    forms = 0.5 * (forms + np.swapaxes(forms, 1, 2))
    return forms, float(max(np.abs(forms).max(), 1e-300))


def _game(forms: Array) -> tuple[float, Array, Array | None]:
    """max over convex weights t of the smallest eigenvalue of sum t_l forms_l, and a direction where all are negative.

    Returns (value, weights, direction or None).  Cutting planes: a linear program over the directions seen so far,
    then the direction that the current weights do worst in.
    """
    values, vectors = np.linalg.eigh(forms)
    best = int(np.argmax(values[:, 0]))
    weights = np.zeros(len(forms))
    weights[best] = 1.0
    value = float(values[best, 0])
    if value > _TOLERANCE or len(forms) == 1:
        direction = vectors[best, :, 0] if value < -_TOLERANCE else None
        return value, weights, direction
    from scipy.optimize import linprog

    frame = vectors.transpose(0, 2, 1).reshape(-1, forms.shape[1])
    seen = np.concatenate([frame, np.eye(forms.shape[1])])
    for _ in range(_CUTS):
        heights = _heights(seen, forms)
        lowest = int(np.argmin(heights.max(axis=1)))
        if heights[lowest].max() < -_TOLERANCE:
            return float(heights[lowest].max()), weights, seen[lowest]
        count = len(forms)
        solution = linprog(
            np.append(np.zeros(count), -1.0),
            A_ub=np.hstack([-heights, np.ones((len(seen), 1))]),
            b_ub=np.zeros(len(seen)),
            A_eq=np.append(np.ones(count), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0.0, None)] * count + [(None, None)],
        )
        trial = np.clip(solution.x[:count], 0.0, None)
        trial /= trial.sum()
        eigenvalues, eigenvectors = np.linalg.eigh(np.tensordot(trial, forms, 1))
        if eigenvalues[0] > value:
            value, weights = float(eigenvalues[0]), trial
        if value > _TOLERANCE:
            return value, weights, None
        if -solution.fun < value + 1e-13:
            break
        seen = np.concatenate([seen, eigenvectors[:, :1].T])
    direction = _common_direction(forms, seen, -solution.ineqlin.marginals)
    return value, weights, direction


def _heights(directions: Array, forms: Array) -> Array:
    return np.einsum("ui,lij,uj->ul", directions, forms, directions, optimize=True)


def _common_direction(forms: Array, seen: Array, shares: Array) -> Array | None:
    """A direction in which every form is negative, or None.

    The linear program's dual is a matrix Y = sum of shares u u^T with tr(forms_l Y) < 0 for all l.  A direction is Y of
    rank one: sums of sqrt(share) u with free signs, exact where the forms share the frame u, then polished.
    """
    from scipy.optimize import minimize

    used = np.clip(shares, 0.0, None)
    signs = np.sign(np.random.default_rng(0).random((64, len(used))) - 0.5)
    candidates = (signs * np.sqrt(used)) @ seen
    lengths = np.linalg.norm(candidates, axis=1)
    candidates = candidates[lengths > 1e-8] / lengths[lengths > 1e-8, None]
    candidates = np.concatenate([candidates, seen])
    order = np.argsort(_heights(candidates, forms).max(axis=1))
    for start in candidates[order[:4]]:
        result = minimize(
            lambda z: z[-1],
            np.append(start, _heights(start[None], forms).max()),
            jac=lambda z: np.append(np.zeros(len(z) - 1), 1.0),
            constraints=[
                {"type": "ineq", "fun": lambda z: z[-1] - _heights(z[None, :-1], forms)[0]},
                {"type": "eq", "fun": lambda z: z[:-1] @ z[:-1] - 1.0},
            ],
            method="SLSQP",
        )
        for point in (start, result.x[:-1]):
            unit = point / np.linalg.norm(point)
            if _heights(unit[None], forms).max() < -_TOLERANCE:
                return unit
    return None


def dominations(p: Any, q: Any) -> list[Domination | None]:
    """For each component j of p a Gaussian above p_j^2 / q; None where only the boundary certificate exists.

    With weights t of the certificate, q >= prod_l (w_l q_l / t_l)^{t_l}, so p_j^2 / q <= exp(log_mass) N(centre, .).
    Meant for a pair whose chi-square is finite.
    """
    left, right = _tail_of(p, "p"), _tail_of(q, "q")
    precisions = _inverse(right.covariances[: right.own])
    found: list[Domination | None] = []
    for j in range(left.own):
        forms, scale = _forms(left.covariances[j], precisions)
        single = np.linalg.eigvalsh(forms)[:, 0] > _TOLERANCE * scale
        if single.any():
            options = [
                _dominate(left, right, precisions, j, _unit(int(l), right.own))
                for l in np.flatnonzero(single)
            ]
            found.append(min(options, key=lambda option: option.log_mass))
            continue
        value, weights, _ = _game(forms / scale)
        found.append(_dominate(left, right, precisions, j, weights) if value > _TOLERANCE else None)
    return found


def _unit(index: int, count: int) -> Array:
    weights = np.zeros(count)
    weights[index] = 1.0
    return weights


def _dominate(left: _Tail, right: _Tail, precisions: Array, j: int, weights: Array) -> Domination:
    """log p_j^2 - sum t_l log(w_l q_l / t_l), as a Gaussian with its mass."""
    inverse = np.linalg.inv(left.covariances[j])
    used = np.flatnonzero(weights > 0.0)
    precision = 2.0 * inverse - np.tensordot(weights[used], precisions[used], 1)
    linear = 2.0 * inverse @ left.means[j]
    constant = -left.means[j] @ inverse @ left.means[j] + np.linalg.slogdet(inverse)[1]
    for l in used:
        pull = precisions[l] @ right.means[l]
        linear = linear - weights[l] * pull
        constant += weights[l] * (0.5 * right.means[l] @ pull - 0.5 * np.linalg.slogdet(precisions[l])[1])
        constant -= weights[l] * (right.log_weights[l] - np.log(weights[l]))
    centre = np.linalg.solve(precision, linear)
    # The (2 pi)^{-d} of p_j^2 over the (2 pi)^{-d/2} of q, against the (2 pi)^{d/2} of the integral: all cancel.
    log_mass = constant + 0.5 * linear @ centre - 0.5 * np.linalg.slogdet(precision)[1]
    return Domination(float(log_mass), centre, precision)
