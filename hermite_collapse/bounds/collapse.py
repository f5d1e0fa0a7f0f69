r"""How far the limit law is from the data, in Wasserstein-2: the distance itself and the bounds on it, together.

    Bures distance  <=  W2(p_inf, p*)  <=  sqrt((1 - 2 g_1 + g_2) I)
                        W2(p_inf, p*)  <=  sqrt((1 - 2 g_1 + g_2) E norm(X)^2 + (1 - g_2) d)

and, for small truncation times, W2(p_inf, p*) ~ (rate t / alpha) sqrt(I), I the relative Fisher information.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import distances
from ..core.display import Displayed
from ..core.estimates import Estimate
from ..core.signature import public
from ..recursion.recursion import Recursion
from .constants import constant_rounds
from .fisher import coupling_bound, fisher_bound, relative_fisher_information, small_time_distance


@dataclass(frozen=True)
class CollapseBounds(Displayed):
    """W2(p_inf, p*) and the bounds on it; None is not available.

    Attributes
    ----------
    distance : Estimate or None
        The distance itself, in one dimension.
    bures : Estimate
        The lower bound from means and covariances.
    fisher : float or None
        The upper bound through the relative Fisher information, for data with a density.
    coupling : float
        The upper bound through the second moment.
    small_time : float or None
        The leading term for small truncation times, for data with a density and fresh_fraction > 0.
    information : Estimate or None
        Relative Fisher information of the data.
    """

    distance: Estimate | None
    bures: Estimate
    fisher: float | None
    coupling: float
    small_time: float | None
    information: Estimate | None


@public
def collapse_bounds(recursion: Recursion) -> CollapseBounds:
    """Return the Wasserstein-2 distance of the limit law to the data with its bounds.

    Parameters
    ----------
    recursion : Recursion
        Constant rounds of replacement, Ornstein-Uhlenbeck without blur.

    Returns
    -------
    CollapseBounds

    Raises
    ------
    InputError
        For other rounds.

    References
    ----------
    arXiv:2606.13796, Theorem 5.2 and Appendix E; Gelbrich, Math. Nachr. 147 (1990).

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> data = hc.GaussianMixture([1.0], [0.5], 1.0)
    >>> found = hc.bounds.collapse_bounds(hc.Recursion(data, fresh_fraction=0.5, truncation_time=0.1))
    >>> found.bures.value <= found.distance.value <= min(found.fisher, found.coupling)
    True
    """
    rounds = constant_rounds(recursion, fresh=False)
    setting = {
        "fresh_fraction": rounds.fresh_fraction,
        "truncation_time": recursion.schedule.final,
        "rate": recursion.rate,
    }
    limit, target, dimension = recursion.limit(), recursion.target, recursion.dimension
    moment = float(np.trace(target.covariance) + np.sum(target.mean**2))
    information = relative_fisher_information(target) if target.has_density else None
    return CollapseBounds(
        distance=distances.wasserstein(limit, target) if dimension == 1 else None,
        bures=distances.bures(limit, target),
        fisher=None if information is None else fisher_bound(information, **setting),
        coupling=coupling_bound(moment, dimension=dimension, **setting),
        small_time=small_time_distance(information, **setting)
        if information is not None and rounds.fresh_fraction > 0.0
        else None,
        information=information,
    )
