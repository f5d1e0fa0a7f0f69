"""Which drift regime a recorded run is in, and how much of each round's error is still felt later.

Round i's error is remembered in D_N with weight (1-alpha)^{2(N-1-i)} if defects have no common direction, and enters
sqrt(D_N) with (1-alpha)^{N-1-i} if they have.  What becomes of D depends on the energies:

| regime | energies | consequence |
|---|---|---|
| "summable" | fall faster than 1/i | every bound of the accumulated sum is finite; D_i -> 0 |
| "vanishing" | -> 0, not summable | sum D_i diverges (with observable errors), D_i itself may still go to 0 |
| "persistent" | bounded below | limsup D_i >= the persistence floor |

A finite record proves none of these.  The energies' exponent p of eps_i^2 ~ C (i+1)^{-p} is fitted by weighted least
squares in logarithms, with the scatter about the line as error; a regime is named when p is more than two standard
errors from both of its neighbours' ranges (p > 1, 0 < p <= 1, p = 0), otherwise the record is "undecided" between the
two.  Geometric decay bends below every power law; it shows as a large p and counts as summable.

References: arXiv:2602.16601, Proposition 4.1 and Theorem 4.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core import checks
from ...core.errors import InputError
from ...core.estimates import Estimate
from ...core.memory import require_memory
from ...core.signature import public
from ...core.types import FloatArray


@dataclass(frozen=True)
class DriftRegime:
    """What a record of energies says about its future.

    Attributes
    ----------
    name : str
        "summable", "vanishing", "persistent" or "undecided".
    between : tuple of str
        If "undecided", the regimes that the record cannot tell apart.
    exponent : Estimate
        p of eps_i^2 ~ C (i+1)^-p, with standard error.
    floor : float
        Smallest energy of the record's second half: the e of the persistence floor if the regime is "persistent".
    partial_sum : float
        Sum of the recorded energies.
    memory : float
        1 / (-2 log(1-alpha)) rounds, after which an incoherent error's weight has fallen by e.
    fresh_share : float
        alpha (2 - alpha), the last round's share of all discount weights.
    accumulation : str
        "fresh data" if that share is above one half (alpha > 1 - 1/sqrt(2)): D follows the last error; "memory" if it
        is below and the record is longer than three memories: D has forgotten its start; "growth" if the record is
        shorter: D still adds up.
    """

    name: str
    between: tuple[str, ...]
    exponent: Estimate
    floor: float
    partial_sum: float
    memory: float
    fresh_share: float
    accumulation: str


@public
def discount_weights(rounds: int, *, fresh_fraction: float, coherence: str = "incoherent") -> FloatArray:
    """Return the weight of the error of round i in the divergence after N rounds.

        incoherent   (1-alpha)^{2 (N-1-i)} in D_N,         coherent   (1-alpha)^{N-1-i} in sqrt(D_N);     0 for i >= N

    Parameters
    ----------
    rounds : int
        >= 1.
    fresh_fraction : float
        alpha.
    coherence : str
        "incoherent" or "coherent".

    Returns
    -------
    array, shape (rounds + 1, rounds)
        Rows N, columns i.

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    arXiv:2602.16601, Theorem 4.2.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> hc.bounds.discount_weights(2, fresh_fraction=0.5).tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.25, 1.0]]
    """
    count = checks.integer(rounds, "rounds", 1)
    require_memory(32.0 * count * count, f"rounds = {count}", keys="rounds")
    remaining = 1.0 - checks.fraction(fresh_fraction)
    power = 2.0 if checks.one_of(coherence, ("incoherent", "coherent"), "coherence") == "incoherent" else 1.0
    age = np.arange(count + 1)[:, None] - 1 - np.arange(count)
    return np.where(age >= 0, remaining ** (power * np.maximum(age, 0)), 0.0)


@public
def drift_regime(
    energies: ArrayLike, *, fresh_fraction: float, standard_errors: ArrayLike | None = None
) -> DriftRegime:
    """Name the drift regime of recorded energies eps_0^2, eps_1^2, ...

    Parameters
    ----------
    energies : array, shape (rounds,)
        Positive, at least 6 of them.
    fresh_fraction : float
        alpha.
    standard_errors : array, shape (rounds,), optional
        Of the energies.  The exponent's error is the larger of what they imply and what the scatter about the fitted
        line implies.

    Returns
    -------
    DriftRegime

    Raises
    ------
    InputError
        If there are fewer than 6 energies or one is not positive.

    References
    ----------
    arXiv:2602.16601, Proposition 4.1 and Theorem 4.2.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> hc.bounds.drift_regime([1.0 / (1 + i) ** 2 for i in range(20)], fresh_fraction=0.3).name
    'summable'
    """
    values = checks.vector(energies, "energies")
    alpha = checks.fraction(fresh_fraction)
    if len(values) < 6 or values.min() <= 0.0:
        raise InputError(
            f"energies must hold at least 6 positive numbers, got {len(values)} with minimum {values.min():.3g}."
        )
    relative = np.zeros(len(values))
    if standard_errors is not None:
        errors = checks.vector(standard_errors, "standard_errors")
        if len(errors) != len(values) or errors.min() < 0.0:
            raise InputError(f"standard_errors must be {len(values)} numbers >= 0, got {len(errors)}.")
        relative = errors / values
    # The second half of the record: the regime is a statement about what comes later.
    begin = len(values) // 3
    exponent = _fit(np.log(np.arange(begin, len(values)) + 1.0), np.log(values[begin:]), relative[begin:])
    p, error = exponent.value, 2.0 * exponent.error
    between: tuple[str, ...] = ()
    if p - error > 1.0:
        name = "summable"
    elif p + error < 1.0 and p - error > 0.0:
        name = "vanishing"
    elif (abs(p) <= error and error < 0.25) or p + error < 0.0:
        name = "persistent"
    else:
        name = "undecided"
        ranges = (
            ("persistent", p - error <= 0.0),
            ("vanishing", p + error > 0.0),
            ("summable", p + error >= 1.0),
        )
        between = tuple(
            regime for regime, possible in ranges if possible and (regime != "vanishing" or p - error <= 1.0)
        )
    memory = 0.0 if alpha == 1.0 else (math.inf if alpha == 0.0 else -0.5 / math.log1p(-alpha))
    share = alpha * (2.0 - alpha)
    if share > 0.5:
        accumulation = "fresh data"
    else:
        accumulation = "memory" if len(values) > 3.0 * memory else "growth"
    return DriftRegime(
        name=name,
        between=between,
        exponent=exponent,
        floor=float(values[len(values) // 2 :].min()),
        partial_sum=float(values.sum()),
        memory=memory,
        fresh_share=share,
        accumulation=accumulation,
    )


def _fit(x: FloatArray, y: FloatArray, relative: FloatArray) -> Estimate:
    """Minus the slope of y on x, with the larger of the scatter's and the stated errors' standard error."""
    weights = 1.0 / (relative**2 + max(1e-12, float(np.mean(relative**2))))
    weights = weights / weights.sum()
    centre = weights @ x
    spread = weights @ (x - centre) ** 2
    slope = weights @ ((x - centre) * (y - weights @ y)) / spread
    residual = y - weights @ y - slope * (x - centre)
    lever = weights * (x - centre) / spread
    freedom = max(1, len(x) - 2)
    scatter = math.sqrt(float(lever**2 @ residual**2) * len(x) / freedom)
    stated = math.sqrt(float(lever**2 @ relative**2))
    return Estimate(-float(slope), max(scatter, stated), "standard_error", "least squares")
