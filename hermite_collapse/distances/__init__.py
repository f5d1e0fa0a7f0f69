"""Distances and divergences between laws, each an Estimate that says what its error is.

Every function takes laws (GaussianMixture, AgedLaw; some also EmpiricalLaw) and offers the routes that exist for
them: "closed_form", "quadrature" (one dimension, relative 1e-8 or better), "samples" (any dimension, with a standard
error).  A divergence that is infinite is reported as infinite, and that is decided before anything is integrated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .closed_form import bures as bures
    from .closed_form import gaussian_mmd as gaussian_mmd
    from .closed_form import l2 as l2
    from .closed_form import mehler as mehler
    from .divergences import chi_square as chi_square
    from .divergences import hellinger as hellinger
    from .divergences import kl as kl
    from .divergences import total_variation as total_variation
    from .finiteness import Finiteness as Finiteness
    from .finiteness import chi_square_finiteness as chi_square_finiteness
    from .sampled import SampledEstimate as SampledEstimate
    from .transport import optimal_transport as optimal_transport
    from .transport import sliced_wasserstein as sliced_wasserstein
    from .transport import wasserstein as wasserstein

if not TYPE_CHECKING:  # type checkers refuse names that are not imported above
    __getattr__, __dir__, __all__ = lazy_names(__spec__)
