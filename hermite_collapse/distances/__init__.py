"""Distances and divergences between laws, each an Estimate that says what its error is.

Every function takes laws (GaussianMixture, AgedLaw; some also EmpiricalLaw) and offers the routes that exist for
them: "closed_form", "quadrature" (one dimension, relative 1e-8 or better), "samples" (any dimension, with a standard
error).  A divergence that is infinite is reported as infinite, and that is decided before anything is integrated.
"""

from __future__ import annotations

import importlib
from typing import Any

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

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
