"""The distances between two laws by every metric that exists for them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..core.errors import ConvergenceError, InputError
from ..core.estimates import Estimate
from ..laws.aged import AgedLaw
from ..laws.empirical import EmpiricalLaw
from ..laws.mixture import Law

LARGEST_PAIRED = 4000
"""Number of components above which no distance that compares every pair is computed."""

METRIC_NAMES = {
    "total_variation": "total variation",
    "kl": "Kullback-Leibler divergence",
    "chi_square": "chi-square divergence",
    "wasserstein1": "Wasserstein-1",
    "wasserstein2": "Wasserstein-2",
    "sliced_wasserstein": "sliced Wasserstein-2",
    "mehler": "Mehler, r = 1/2",
    "bures": "Bures (mean, covariance)",
}
RATE_NAMES = METRIC_NAMES | {"l2_gamma": "L2(gamma)"}
"""Names of what rates are known in: the metrics, and the distance whose square is the sum over all Hermite modes."""


def law_distances(p: Law, q: Law, *, metrics: Collection[str] | None = None) -> dict[str, Estimate]:
    """Return the distances between two laws by every metric that exists for them, by name.

    One dimension: total variation, KL, chi-square, Wasserstein 1 and 2 by quadrature.  Several: total variation,
    KL and chi-square by sampling, sliced Wasserstein-2.  Any: Mehler and Bures in closed form.

    Parameters
    ----------
    p, q : Law
        Of one dimension.
    metrics : collection of str, optional
        Names in `METRIC_NAMES` to be computed; all if None.

    Returns
    -------
    dict of str to Estimate
        Without those that do not exist (a law without density has no divergence), are undecided, or would compare
        every pair of more than 4000 components.
    """
    from .. import distances

    computations: dict[str, Callable[[], Estimate]] = {}
    if max(_component_count(p), _component_count(q)) <= LARGEST_PAIRED:
        computations = {
            "total_variation": lambda: distances.total_variation(p, q),
            "kl": lambda: distances.kl(p, q),
            "chi_square": lambda: distances.chi_square(p, q),
        }
        if p.dimension == 1:
            computations["wasserstein1"] = lambda: distances.wasserstein(p, q, order=1)
            computations["wasserstein2"] = lambda: distances.wasserstein(p, q, order=2)
        else:
            computations["sliced_wasserstein"] = lambda: distances.sliced_wasserstein(p, q, order=2)
        computations["mehler"] = lambda: distances.mehler(p, q, 0.5)
    computations["bures"] = lambda: distances.bures(p, q)
    results = {}
    for name, compute in computations.items():
        if metrics is None or name in metrics:
            try:
                results[name] = compute()
            except (InputError, ConvergenceError):
                continue
    return results


def _component_count(law: Law) -> int:
    """Number of Gaussians (or points) the law consists of."""
    if isinstance(law, AgedLaw):
        return sum(_component_count(law.bases[base]) for base in law.base_of)
    return len(law.samples) if isinstance(law, EmpiricalLaw) else len(law.as_mixture().weights)
