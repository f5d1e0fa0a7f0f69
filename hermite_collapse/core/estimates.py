"""A number together with what is known about its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .types import FloatArray
from .value import Value

Kind = Literal["bound", "standard_error"]


@dataclass(frozen=True, eq=False)
class Estimate(Value):
    """A computed number, its error and the route that led to it.

    Parameters
    ----------
    value : float
        The number; may be infinite, and is then exact.
    error : float
        A bound on abs(value - truth) if `kind` is "bound", one standard error if "standard_error".
    kind : str
        "bound" or "standard_error".
    route : str
        How it was computed: "closed_form", "quadrature", "series", "samples", ...

    Examples
    --------
    >>> print(Estimate(0.25, 1e-12, route="quadrature"))
    0.25 (error <= 1e-12, quadrature)
    >>> Estimate(0.25, 0.01, "standard_error", "samples")
    Estimate: 0.25 (± 0.01, samples)
    """

    value: float
    error: float
    kind: Kind = "bound"
    route: str = "closed_form"

    @classmethod
    def of_mean(cls, values: ArrayLike, *, route: str = "samples") -> Estimate:
        """Return the mean of independent values with its standard error, NaN for a single value."""
        array = np.asarray(values, dtype=np.float64).reshape(-1)
        error = float(array.std(ddof=1) / np.sqrt(array.size)) if array.size > 1 else float("nan")
        return cls(float(array.mean()), error, "standard_error", route)

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"Estimate: {self}"

    def __str__(self) -> str:
        sign = "±" if self.kind == "standard_error" else "error <="
        return f"{self.value:.10g} ({sign} {self.error:.2g}, {self.route.replace('_', ' ')})"


def standard_error_of_mean(values: FloatArray) -> FloatArray:
    """Return the standard error of the mean of independent values along the first axis: (n, ...) -> (...)."""
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))
