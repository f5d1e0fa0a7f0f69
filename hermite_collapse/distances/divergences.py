r"""Total variation, KL, chi-square and Hellinger: which route for which laws.

    TV(p, q)     = int abs(p - q) / 2
    KL(p || q)   = int p log(p / q)
    chi2(p || q) = int p^2 / q - 1
    H(p, q)      = sqrt(1 - int sqrt(p q))

One dimension: quadrature by default.  Single Gaussians: closed forms.  Otherwise: sampling, with a standard error.
"""

from __future__ import annotations

import numpy as np

from ..core import checks
from ..core.errors import ConvergenceError, InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.types import Seed
from ..laws.protocol import Law
from . import _divergences_line, _gaussians, _transport, sampled
from .finiteness import chi_square_finiteness, dominating_line, dominations
from .line import LineMixture, density_mixture, same_dimension

_ROUTES = ("closed_form", "quadrature", "samples")


@public
def total_variation(
    p: Law, q: Law, *, route: str | None = None, sample_count: int = 65536, rng: Seed = 0
) -> Estimate:
    """Total variation distance, int abs(p - q) / 2, in [0, 1].

    Parameters
    ----------
    p, q : GaussianMixture or AgedLaw over mixtures, of one dimension.
    route : "quadrature" (one dimension, the default there) or "samples" (the default otherwise).
    sample_count, rng : for "samples"; rng is anything `numpy.random.default_rng` takes.

    Accuracy : quadrature: relative 1e-8 or better with a proved bound, down to about 1e-14 absolute; samples: the
        standard error, at most 0.5 / sqrt(sample_count).
    Raises : InputError for laws without a density, of different dimensions, or an impossible route.
    """
    if _route(p, q, route, None) == "quadrature":
        return _transport.total_variation(LineMixture.of(p, "p"), LineMixture.of(q, "q"))
    return sampled.total_variation(p, q, sample_count, rng)


@public
def kl(p: Law, q: Law, *, route: str | None = None, sample_count: int = 65536, rng: Seed = 0) -> Estimate:
    """Kullback-Leibler divergence KL(p || q) = int p log(p / q); finite for all Gaussian mixtures.

    Parameters
    ----------
    p, q : GaussianMixture or AgedLaw over mixtures, of one dimension.
    route : "closed_form" (single Gaussians), "quadrature" (one dimension), "samples"; the first that exists.
    sample_count, rng : for "samples".

    Accuracy : quadrature: relative 1e-8 or better, for values down to 1e-25; samples: the standard error.
    Raises : as `total_variation`.
    """
    chosen = _route(p, q, route, _both_gaussian(p, q))
    if chosen == "closed_form":
        return _gaussians.kl(density_mixture(p, "p"), density_mixture(q, "q"))
    if chosen == "quadrature":
        return _divergences_line.kl(LineMixture.of(p, "p"), LineMixture.of(q, "q"))
    return sampled.kl(p, q, sample_count, rng)


@public
def hellinger(
    p: Law, q: Law, *, route: str | None = None, sample_count: int = 65536, rng: Seed = 0
) -> Estimate:
    """Hellinger distance H = sqrt(1 - int sqrt(p q)), in [0, 1].

    Arguments, accuracy and errors as for `kl`.
    """
    chosen = _route(p, q, route, _both_gaussian(p, q))
    if chosen == "closed_form":
        return _gaussians.hellinger(density_mixture(p, "p"), density_mixture(q, "q"))
    if chosen == "quadrature":
        return _divergences_line.hellinger(LineMixture.of(p, "p"), LineMixture.of(q, "q"))
    return sampled.hellinger(p, q, sample_count, rng)


@public
def chi_square(
    p: Law, q: Law, *, route: str | None = None, sample_count: int = 65536, rng: Seed = 0
) -> Estimate:
    """Chi-square divergence chi2(p || q) = int p^2 / q - 1; infinite where it is infinite.

    Parameters
    ----------
    p, q : GaussianMixture or AgedLaw over mixtures, of one dimension.
    route : "closed_form" (q a single Gaussian), "quadrature" (one dimension), "samples"; in one dimension quadrature
        is preferred, since the closed form cancels where p is near q.
    sample_count, rng : for "samples".

    Returns
    -------
    Estimate; value inf with error 0 where `chi_square_finiteness` proves it.  "samples" draws from a law that
    dominates p^2 / q, so that its weights are bounded and its standard error exists.

    Raises : ConvergenceError where finiteness is undecided (dimension > 1, near the boundary); InputError as
        `total_variation`.
    """
    one_gaussian = len(density_mixture(q, "q").weights) == 1
    chosen = _route(p, q, route, one_gaussian)
    if route is None and same_dimension(p, q) == 1 and not _both_gaussian(p, q):
        chosen = "quadrature"
    verdict = chi_square_finiteness(p, q)
    if verdict.is_infinite:
        return Estimate(np.inf, 0.0, "bound", "closed_form")
    if not verdict.is_finite:
        raise ConvergenceError(
            f"whether the chi-square is finite could not be decided: {verdict.reason}",
            value=np.nan,
            bound=np.inf,
        )
    if chosen == "closed_form":
        return _gaussians.chi_square(density_mixture(p, "p"), density_mixture(q, "q"))
    if chosen == "quadrature":
        return _divergences_line.chi_square(
            LineMixture.of(p, "p"), LineMixture.of(q, "q"), dominating_line(p, q)
        )
    return sampled.chi_square(p, q, dominations(p, q), sample_count, rng)


def _both_gaussian(p: Law, q: Law) -> bool:
    return len(density_mixture(p, "p").weights) == 1 and len(density_mixture(q, "q").weights) == 1


def _route(p: Law, q: Law, route: str | None, closed: bool | None) -> str:
    """The route asked for if it exists, else the first that does; `closed` None: there never is a closed form."""
    density_mixture(p, "p")
    density_mixture(q, "q")
    dimension = same_dimension(p, q)
    open_routes = [
        name
        for name, exists in (("closed_form", bool(closed)), ("quadrature", dimension == 1), ("samples", True))
        if exists
    ]
    if route is None:
        return open_routes[0]
    checks.one_of(route, _ROUTES, "route")
    if route not in open_routes:
        raise InputError(
            f"route must be one of {', '.join(map(repr, open_routes))} for these laws, got {route!r}."
        )
    return route
