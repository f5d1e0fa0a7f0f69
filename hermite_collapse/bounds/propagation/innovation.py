"""What score errors do to the law of the next round: the quantities of error propagation and their bounds.

Round i reverses a diffusion whose *ideal path*, with the exact score, ends with law q_i, and whose *learned
path* ends with p_{i+1}; e(x, t) is the drift difference over the diffusion coefficient, L the Girsanov
density of the learned path against the ideal one, M the stochastic integral of e along the ideal path.

| symbol | field | meaning |
|---|---|---|
| eps_star^2 | `ideal_energy` | E of int norm(e)^2 dt along the ideal path |
| eps_hat^2 | `learned_energy` | the same along the learned path |
| eta | `observability` | Var(E[M given the end point]) / eps_star^2, in [0, 1] |
| B | `supremum_energy` | int sup_x norm(e(x, t))^2 dt; infinite for unbounded errors |
| I_i | `innovation` | chi2(p_{i+1} against q_i) |
| | `innovation_kl` | KL(p_{i+1} against q_i) |
| D_i, D_{i+1} | `divergence_before`, `divergence_after` | chi2(p_i against p*), chi2(p_{i+1} against p*) |
| R_i | `residual` | int (p_{i+1} - q_i)^2 / p* |
| S_i | `cross` | int (p_{i+1} - q_i)(p_i - p*) / p* |

The constants C and c of the published Proposition 3.3 and Theorem 3.4 are not known here.  Both are
replaced by constants proved for errors with a bounded supremum energy B:

    norm(L - 1 - M)^2 <= tau^2 = exp(B) - 1 - B.

Proof.  L solves L_t - 1 = int L dM, so L - 1 - M = int (L_t - 1) dM and its second moment is
E int (L_t - 1)^2 d<M>_t.  With <M>_t <= B_t, L_t^2 = exp(<M>_t) times the exponential martingale of 2M, so
E (L_t - 1)^2 <= exp(B_t) - 1; as d<M>_t <= dB_t, the integral is at most exp(B) - 1 - B.

The density of p_{i+1} against q_i is E[L given the end point], conditioning contracts, and
norm(E[M given the end point])^2 = eta eps_star^2.  Hence, with s = sqrt(eta) eps_star,

    max(0, s - tau)^2 <= I <= min((s + tau)^2, exp(B) - 1),

and, by (s - tau)^2 >= s^2/4 - tau^2/3, the published form I >= eta eps^2/4 - C eps^4 with
C = tau^2/(3 eps^4).  As eps -> 0 both sides close in: I = eta eps^2 (1 + o(1)).  Without a finite B the
constants are set to zero and the rows say "empirical": they then describe a run and prove nothing.

Proposition 3.1, with the KL of the starts added to its bound, is an identity whenever the learned score is
the exact score of another law (a kernel density estimate, say): both path laws are then time reversals of
one forward process and differ by a function of the end point alone.  For such errors eta tends to 1.

References: arXiv:2602.16601, Propositions 3.1, 3.3, 4.1, Theorems 3.4, 4.2, Definition 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...core import checks
from ...core.errors import InputError
from ...core.estimates import Estimate
from ...core.signature import public


@dataclass(frozen=True)
class PropagationRound:
    """What is known about one round; None is not measured.  Symbols: see the module's table."""

    ideal_energy: Estimate | None = None
    learned_energy: Estimate | None = None
    observability: Estimate | None = None
    supremum_energy: float = math.inf
    innovation: Estimate | None = None
    innovation_kl: Estimate | None = None
    divergence_before: Estimate | None = None
    divergence_after: Estimate | None = None
    residual: Estimate | None = None
    cross: Estimate | None = None


@public
@dataclass(frozen=True)
class PropagationRecord:
    """The rounds of one recursion q_i = fresh_fraction p* + (1 - fresh_fraction) p_i, in order."""

    fresh_fraction: float
    rounds: Sequence[PropagationRound]
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fresh_fraction", checks.fraction(self.fresh_fraction))


@dataclass(frozen=True)
class InnovationBounds:
    """Proved bounds on I = chi2(p_{i+1} against q_i), and the published forms with proved constants.

    lower = max(0, sqrt(eta) eps - tau)^2          upper = min((sqrt(eta) eps + tau)^2, exp(B) - 1)
    published_lower = eta eps^2 / 4 - C eps^4      published_upper = 4 eps^2 + c eps^4
    tau^2 = exp(B) - 1 - B,   C = tau^2 / (3 eps^4),   c = max(0, exp(B) - 1 - 4 eps^2) / eps^4
    """

    lower: float
    upper: float
    published_lower: float
    published_upper: float
    lower_constant: float
    upper_constant: float
    smallness: float


@public
def innovation_bounds(
    ideal_energy: float, observability: float, *, supremum_energy: float = math.inf
) -> InnovationBounds:
    """Return bounds on chi2 between the learned and the ideal end point, from the energy of the score error.

        max(0, sqrt(eta) eps - tau)^2 <= I <= min((sqrt(eta) eps + tau)^2, exp(B) - 1)
        tau^2 = exp(B) - 1 - B

    Parameters
    ----------
    ideal_energy : float
        eps^2 >= 0, dimensionless.
    observability : float
        eta in [0, 1].
    supremum_energy : float
        B >= ideal_energy, int sup_x norm(e)^2 dt.  Infinite (the default): nothing is proved, the lower bound is 0
        and the upper one infinite.

    Returns
    -------
    InnovationBounds
        `smallness` is the largest eps^2 at which the published eta eps^2 / 8 follows from C.

    Raises
    ------
    InputError
        If an argument is out of range or supremum_energy < ideal_energy.

    Accuracy
    --------
    A few ulp; tau^2 by its series where B < 1e-2.

    References
    ----------
    arXiv:2602.16601, Proposition 3.3 and Theorem 3.4; constants: module docstring.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> found = hc.bounds.innovation_bounds(0.01, 0.5, supremum_energy=0.01)
    >>> round(found.lower, 5), round(found.upper, 5)
    (0.00405, 0.00605)
    """
    energy = checks.nonnegative(ideal_energy, "ideal_energy")
    eta = checks.share(observability, "observability")
    supremum = checks.nonnegative_or_infinite(supremum_energy, "supremum_energy")
    if supremum < energy * (1.0 - 1e-9):
        raise InputError(f"supremum_energy must be at least ideal_energy = {energy!r}, got {supremum!r}.")
    if energy == 0.0 and supremum == 0.0:
        return InnovationBounds(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, smallness=1.0)
    if not supremum < 700.0:
        return InnovationBounds(0.0, math.inf, -math.inf, math.inf, math.inf, math.inf, 0.0)
    tail = _exponential_tail(supremum)
    visible, tau = math.sqrt(eta * energy), math.sqrt(tail)
    total = math.expm1(supremum)
    square = energy * energy
    lower_constant = tail / (3.0 * square) if square > 0.0 else math.inf
    upper_constant = max(0.0, total - 4.0 * energy) / square if square > 0.0 else math.inf
    return InnovationBounds(
        lower=max(0.0, visible - tau) ** 2,
        upper=min((visible + tau) ** 2, total),
        published_lower=eta * energy / 4.0 - tail / 3.0,
        published_upper=max(4.0 * energy, total),
        lower_constant=lower_constant,
        upper_constant=upper_constant,
        smallness=min(1.0, eta / (8.0 * lower_constant)) if lower_constant > 0.0 else 1.0,
    )


def _exponential_tail(value: float) -> float:
    """exp(x) - 1 - x without cancellation."""
    if value > 1e-2:
        return math.expm1(value) - value
    term, total = value * value / 2.0, 0.0
    for k in range(3, 12):
        total += term
        term *= value / k
    return total


@public
def refreshed_divergence(divergence: float, *, fresh_fraction: float) -> float:
    """Return chi2(q against p*) after mixing with fresh data, exactly.

        (1 - alpha)^2 chi2(p against p*)

    Parameters
    ----------
    divergence : float
        chi2(p against p*) >= 0; may be infinite.
    fresh_fraction : float
        alpha.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    arXiv:2602.16601, refresh identity.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> hc.bounds.refreshed_divergence(0.4, fresh_fraction=0.5)
    0.1
    """
    remaining = 1.0 - checks.fraction(fresh_fraction)
    if remaining == 0.0:
        return 0.0
    return remaining * remaining * checks.nonnegative_or_infinite(divergence, "divergence")


@public
def persistence_floor(
    energy_floor: float, observability_floor: float, *, fresh_fraction: float
) -> tuple[float, float]:
    """Return two floors of limsup D_i when eps_i^2 >= e and eta_i >= h from some round on.

        published  alpha h e / (16 (1 + (1 - alpha)^2))
        improved   alpha h e / (8 (2 - alpha)^2)

    Parameters
    ----------
    energy_floor : float
        e.
    observability_floor : float
        h in [0, 1].
    fresh_fraction : float
        alpha.

    Returns
    -------
    tuple of float
        Published and improved.

    Raises
    ------
    InputError
        If an argument is out of range.

    Notes
    -----
    Both start from I_i >= h e / 8.  The improved one: R_i >= alpha I_i because q_i >= alpha p*, and the
    triangle inequality in L2(p*) gives sqrt(D_{i+1}) + (1 - alpha) sqrt(D_i) >= sqrt(R_i), so limsup
    sqrt(D) (2 - alpha) is at least sqrt(alpha h e / 8).  It is larger by 2 (1 + (1-alpha)^2) / (2-alpha)^2,
    between 1 and 2 (1 only at alpha = 0).

    References
    ----------
    arXiv:2602.16601, Proposition 4.1.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> [round(floor, 6) for floor in hc.bounds.persistence_floor(0.1, 0.5, fresh_fraction=0.5)]
    [0.00125, 0.001389]
    """
    alpha = checks.fraction(fresh_fraction)
    visible = checks.nonnegative(energy_floor, "energy_floor") * checks.share(
        observability_floor, "observability_floor"
    )
    return alpha * visible / (16.0 * (1.0 + (1.0 - alpha) ** 2)), alpha * visible / (8.0 * (2.0 - alpha) ** 2)


@public
def discounted_divergence(
    residuals: Sequence[float], *, fresh_fraction: float, start: float = 0.0, coherence: str = "coherent"
) -> list[float]:
    """Return the accumulated chi2 against p* predicted from the residuals R_i alone, rounds 0 .. len(residuals).

        coherent    sqrt(D_N) = (1-alpha)^N sqrt(D_0) + sum_i (1-alpha)^{N-1-i} sqrt(R_i)     never exceeded
        incoherent  D_N = (1-alpha)^{2N} D_0 + sum_i (1-alpha)^{2(N-1-i)} R_i                 if S_i = 0

    Parameters
    ----------
    residuals : sequence of float
        R_i >= 0.
    fresh_fraction : float
        alpha.
    start : float
        D_0.
    coherence : str
        "coherent" or "incoherent".

    Returns
    -------
    list of float

    Raises
    ------
    InputError
        If an argument is out of range.

    Notes
    -----
    The squared discount of Theorem 4.2 is the second: it needs defects without a common direction.  With
    the same defect R every round the first gives R / alpha^2 in the limit, the second
    R / (alpha (2 - alpha)).

    References
    ----------
    arXiv:2602.16601, Theorem 4.2.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> hc.bounds.discounted_divergence([1.0, 1.0], fresh_fraction=0.5)
    [0.0, 1.0, 2.25]
    """
    remaining = 1.0 - checks.fraction(fresh_fraction)
    values = [checks.nonnegative_or_infinite(r, "residuals") for r in checks.items(residuals, "residuals")]
    current = checks.nonnegative_or_infinite(start, "start")
    path = [current]
    if checks.one_of(coherence, ("coherent", "incoherent"), "coherence") == "coherent":
        for residual in values:
            current = (remaining * math.sqrt(current) + math.sqrt(residual)) ** 2
            path.append(current)
    else:
        for residual in values:
            current = remaining * remaining * current + residual
            path.append(current)
    return path


@public
def divergence_to_limit(
    residuals: Sequence[float], *, fresh_fraction: float, start: float = 0.0
) -> list[float]:
    """Return bounds on chi2(p_N against p_inf), N = 0, 1, ..., from r_i = int (p_{i+1} - C q_i)^2 / p_inf.

        sqrt(chi2_N) <= (1-alpha)^{N/2} sqrt(chi2_0) + sum_i (1-alpha)^{(N-1-i)/2} sqrt(r_i)

    Parameters
    ----------
    residuals : sequence of float
        r_i >= 0.
    fresh_fraction : float
        alpha.
    start : float
        chi2(p_0 against p_inf).

    Returns
    -------
    list of float

    Raises
    ------
    InputError
        If an argument is out of range.

    Notes
    -----
    Unlike D_i these are finite with truncation and blur: p_inf is the limit of the recursion with C itself.
    Proof.  p_{i+1} - p_inf = (p_{i+1} - C q_i) + (1-alpha) C (p_i - p_inf), and C has norm at most
    (1-alpha)^{-1/2} in L2(1/p_inf), since p_inf >= (1-alpha) C p_inf and, by the data processing inequality,
    int (C f)^2 / C p_inf <= int f^2 / p_inf.

    References
    ----------
    arXiv:2606.13796, Theorem 3.1 (the limit); the bound is derived above.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> [round(bound, 3) for bound in hc.bounds.divergence_to_limit([0.0, 0.01], fresh_fraction=0.5, start=1.0)]
    [1.0, 0.5, 0.36]
    """
    factor = math.sqrt(1.0 - checks.fraction(fresh_fraction))
    root = math.sqrt(checks.nonnegative_or_infinite(start, "start"))
    path = [root**2]
    for residual in checks.items(residuals, "residuals"):
        root = factor * root + math.sqrt(checks.nonnegative_or_infinite(residual, "residuals"))
        path.append(root**2)
    return path
