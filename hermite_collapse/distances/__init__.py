"""Distances and divergences between laws, each an Estimate that says what its error is.

Every function takes laws (GaussianMixture, AgedLaw; some also EmpiricalLaw) and offers the routes that exist for
them: "closed_form", "quadrature" (one dimension, relative 1e-8 or better), "samples" (any dimension, with a standard
error).  A divergence that is infinite is reported as infinite, and that is decided before anything is integrated.
"""

from __future__ import annotations

from ..core.lazy import lazy_names

_PUBLIC = {
    "total_variation": "divergences",
    "kl": "divergences",
    "chi_square": "divergences",
    "hellinger": "divergences",
    "wasserstein": "transport",
    "sliced_wasserstein": "transport",
    "optimal_transport": "transport",
    "bures": "closed_form",
    "gaussian_mmd": "closed_form",
    "l2": "closed_form",
    "mehler": "closed_form",
    "chi_square_finiteness": "finiteness",
    "Finiteness": "finiteness",
    "SampledEstimate": "sampled",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _PUBLIC)
