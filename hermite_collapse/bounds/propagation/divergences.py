"""Divergences of a recursion's laws, round by round: first whether they are finite, then their value.

| field | quantity | finite |
|---|---|---|
| `target` | D_i = chi2(p_i against p*) | iff no age of p_i has twice the data's widest variance in some direction |
| `innovation` | chi2(p_{i+1} against q_i), the total defect | decided the same way |
| `limit` | chi2(p_i against p_inf) | always from p_0 = p*: p_i <= p_inf / fresh_fraction |
| `mehler`, `mehler_limit` | D_r(p_i, p*), D_r(p_i, p_inf), r < 1 | whenever r (variance - 1) < 1 |
| `l2_gamma` | L2(gamma) distance of p_i and p*, r = 1 | iff every variance not shared is below 2 |

D_i is the quantity of error propagation, in the idealisation in which generation ends at time zero and without blur.
With truncation or blur it becomes infinite after finitely many rounds as soon as the channel's stationary variance
exceeds twice the data's, however small the defect: a number printed for it would measure the sample size.  The other
distances stay finite and say the same about the bulk.

References: arXiv:2602.16601 (D_i, innovation, refresh); arXiv:2606.13796, Theorem 3.1 (limit law).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from ... import distances
from ...core import checks
from ...core.errors import ConvergenceError, InputError
from ...core.estimates import Estimate
from ...core.signature import public
from ...core.types import FloatArray, Seed
from ...distances.finiteness import dominating_line
from ...distances.line import LineMixture, panels
from ...distances.quadrature import Integrand, integrate
from ...laws.mixture import Law
from ...recursion.recursion import Recursion
from .innovation import PropagationRecord, PropagationRound

_ROUNDING = 4.0 * float(np.finfo(float).eps)


@dataclass(frozen=True)
class DivergenceRow:
    """The divergences of one round's law; the module's table has the symbols.

    Attributes
    ----------
    round : int
    target_verdict, target_reason : str
        "finite", "infinite" or "undecided", and the reason in words.
    target, limit, mehler, mehler_limit, l2_gamma : Estimate or None
        None where undecided or not available.
    """

    round: int
    target_verdict: str
    target_reason: str
    target: Estimate | None
    limit: Estimate | None
    mehler: Estimate
    mehler_limit: Estimate | None
    l2_gamma: Estimate

    def as_dict(self) -> dict[str, object]:
        """Return nested plain values, for JSON."""
        return asdict(self)


@public
def divergence_table(
    recursion: Recursion, *, rounds: int, ratio: float = 0.5, sample_count: int = 65536, rng: Seed = 0
) -> list[DivergenceRow]:
    """Return the divergences of p_0, ..., p_rounds from the data and from the limit.

    Parameters
    ----------
    recursion : Recursion
        Over a GaussianMixture.
    rounds : int
    ratio : float
        r of the Mehler distance, in (0, 1).
    sample_count, rng : int and seed
        For chi-squares in more than one dimension, which are sampled; one-dimensional ones are integrated to 1e-8.

    Returns
    -------
    list of DivergenceRow
        rounds + 1 of them; `limit` and `mehler_limit` are None where there is no limit law.

    Raises
    ------
    InputError
        For laws without a density, or a ratio outside (0, 1).

    References
    ----------
    arXiv:2602.16601; arXiv:2606.13796, Theorem 3.1.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> [row.target_verdict for row in hc.bounds.divergence_table(recursion, rounds=2)]
    ['finite', 'finite', 'infinite']
    """
    count = checks.entries(rounds, "rounds")
    r = checks.positive(ratio, "ratio")
    if r >= 1.0:
        raise InputError(f"ratio must lie in (0, 1), got {ratio!r}.")
    target = recursion.target
    try:
        limit = recursion.limit()
    except InputError:
        limit = None
    rows = []
    for i in range(count + 1):
        law = recursion.law(i)
        verdict = distances.chi_square_finiteness(law, target)
        rows.append(
            DivergenceRow(
                round=i,
                target_verdict=verdict.verdict,
                target_reason=verdict.reason,
                target=_chi_square(law, target, sample_count, rng),
                limit=None if limit is None else _chi_square(law, limit, sample_count, rng),
                mehler=distances.mehler(law, target, r),
                mehler_limit=None if limit is None else distances.mehler(law, limit, r),
                l2_gamma=distances.mehler(law, target, 1.0),
            )
        )
    return rows


@public
def first_infinite_round(recursion: Recursion, *, rounds: int = 1000) -> int | None:
    """Return the first i with chi2(p_i against p*) proved infinite; None if there is none up to `rounds`.

    Parameters
    ----------
    recursion : Recursion
    rounds : int

    Returns
    -------
    int or None

    Notes
    -----
    Ages only accumulate, so that once infinite D_i stays so: found by bisection.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> hc.bounds.first_infinite_round(recursion)
    2
    """
    count = checks.entries(rounds, "rounds")
    target = recursion.target

    def infinite(i: int) -> bool:
        return distances.chi_square_finiteness(recursion.law(i), target).is_infinite

    if not infinite(count):
        return None
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if infinite(middle) else (middle, high)
    return high


@public
def propagation_record(
    recursion: Recursion, *, rounds: int, sample_count: int = 65536, rng: Seed = 0
) -> PropagationRecord:
    """Return a recursion with exact scores as a propagation record: its defects are truncation and blur.

    Parameters
    ----------
    recursion : Recursion
        With regime "replace" and one fresh fraction.
    rounds : int
        >= 1.
    sample_count, rng : int and seed
        For chi-squares in more than one dimension.

    Returns
    -------
    PropagationRecord
        I_i = chi2(p_{i+1} against q_i), KL likewise, D_i, and in one dimension R_i and the cross term; energies are
        not set, since the score is exact.  `propagation_table` then judges the accumulation rows.

    Raises
    ------
    InputError
        For another regime, whose training law is not fresh_fraction p* + (1 - fresh_fraction) p_i.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("wide_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> record = hc.bounds.propagation_record(recursion, rounds=2)
    >>> {row.verdict for row in hc.bounds.propagation_table(record)} <= {"holds", "vacuous"}
    True
    """
    count = checks.entries(rounds, "rounds", 1)
    alpha = recursion.fresh_fraction
    if isinstance(alpha, tuple) or len(recursion.mixing(2)[1]) != 3 or np.any(recursion.mixing(2)[1][:2]):
        raise InputError(f"recursion must have regime 'replace' and one fresh_fraction, got {recursion!r}.")
    target = recursion.target
    line = recursion.dimension == 1
    entries = []
    before = (
        Estimate(0.0, 0.0) if recursion.initial is None else _chi_square(recursion.law(0), target, 65536, rng)
    )
    for i in range(count):
        law, training, after = recursion.law(i), recursion.training_law(i), recursion.law(i + 1)
        end = _chi_square(after, target, sample_count, rng)
        residual = cross = None
        if line and before is not None and end is not None and math.isfinite(before.value + end.value):
            end, residual, cross = against_target(target, law, training, after)
        entries.append(
            PropagationRound(
                innovation=_chi_square(after, training, sample_count, rng),
                innovation_kl=distances.kl(after, training, sample_count=sample_count, rng=rng),
                divergence_before=before,
                divergence_after=end,
                residual=residual,
                cross=cross,
            )
        )
        before = end
    return PropagationRecord(alpha, tuple(entries), "exact scores")


def _chi_square(p: Law, q: Law, sample_count: int, rng: Seed) -> Estimate | None:
    try:
        return distances.chi_square(p, q, sample_count=sample_count, rng=rng)
    except ConvergenceError:
        return None


def against_target(target: Law, law: Law, training: Law, after: Law) -> tuple[Estimate, Estimate, Estimate]:
    """Return D_{i+1}, R_i and S_i on the line: integrals against 1/p*, all three finite."""
    star, start, mixed, end = (LineMixture.of(part, "law") for part in (target, law, training, after))
    above = [dominating_line(part, target) for part in (law, after)]

    def evaluate(x: FloatArray) -> Integrand:
        # Each density over sqrt(p*): products of two such are the integrands and neither factor overflows.
        half = 0.5 * star.log_density(x)
        logs = [part.log_density(x) - half for part in (start, mixed, end)]
        root, old, new_ideal, new = np.exp(half), *(np.exp(log) for log in logs)
        gap, defect, memory = new - root, new - new_ideal, old - root
        blur = _ROUNDING * (1.0 + np.abs(half)) * (root + new + old + new_ideal)
        values = np.stack([gap**2, defect**2, defect * memory], axis=1)
        noise = np.stack([np.abs(gap), np.abs(defect), 0.5 * (np.abs(defect) + np.abs(memory))], axis=1)
        return Integrand(values, 2.0 * blur[:, None] * noise + (blur**2)[:, None])

    laws = [star, start, end, *above]
    windows = np.array([part.window(13.0) for part in laws])
    result = integrate(evaluate, panels(laws, float(windows[:, 0].min()), float(windows[:, 1].max())))
    estimates = [
        Estimate(float(value), float(error), "bound", "quadrature")
        for value, error in zip(result.values, result.errors, strict=True)
    ]
    return estimates[0], estimates[1], estimates[2]
