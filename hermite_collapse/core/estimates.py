"""A number together with what is known about its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["bound", "standard_error"]


@dataclass(frozen=True)
class Estimate:
    """A computed number, its error and the route that led to it.

    Parameters
    ----------
    value : the number; may be infinite, and is then exact.
    error : a bound on abs(value - truth) if `kind` is "bound", one standard error if "standard_error".
    kind : "bound" or "standard_error".
    route : how it was computed: "closed_form", "quadrature", "series", "samples", ...
    """

    value: float
    error: float
    kind: Kind = "bound"
    route: str = "closed_form"

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        sign = "±" if self.kind == "standard_error" else "error <="
        return f"{self.value:.10g} ({sign} {self.error:.2g}, {self.route.replace('_', ' ')})"
