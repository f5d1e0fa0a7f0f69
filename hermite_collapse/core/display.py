"""Views and plots of results: one registry through which lower modules reach reporting and figures.

    class Prediction(Displayed): ...        a notebook shows it as HTML, prediction.plot() draws it

A result knows nothing of tables and axes.  The registry names, by class, the function that shows it; the module of
that function is imported when it is first needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .printable import printable_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VIEWS = {
    "Law": "reporting.notebook:view_law",
    "Recursion": "reporting.notebook:view_recursion",
    "Prediction": "reporting.notebook:view_prediction",
    "Comparison": "reporting.notebook:view_comparison",
    "SimulatedRecursion": "reporting.notebook:view_record",
    "Audit": "reporting.audit:view_audit",
    "LearnedComparison": "reporting.learned:view_learned",
    "StepsComparison": "reporting.steps:view_steps",
    "Diagnosis": "reporting.diagnosis:view_diagnosis",
    "Measured": "reporting.measured:view_measured",
    "DegreeSpectrum": "reporting.notebook:view_spectrum",
    "Schedule": "reporting.notebook:view_schedule",
    "SchedulePlan": "reporting.plan:view_plan",
    "CollapseBounds": "reporting.bounds:view_collapse",
    "ObservedRates": "reporting.bounds:view_observed_rates",
    "BoundColumns": "reporting.bounds:view_bound_columns",
}
"""Class -> "module:function" that takes a value of it and returns an HTML fragment."""

PLOTS = {
    "Law": "figures.result_theory:draw_law",
    "Recursion": "figures.result_theory:draw_recursion",
    "Comparison": "figures.result_comparison:draw_comparison",
    "SimulatedRecursion": "figures.result_comparison:draw_record",
    "DegreeSpectrum": "figures.spectrum:draw_degree_spectrum",
    "Schedule": "figures.result_theory:draw_schedule",
    "SchedulePlan": "figures.result_theory:draw_plan",
    "CollapseBounds": "figures.result_bounds:draw_collapse",
    "ObservedRates": "figures.result_bounds:draw_observed_rates",
    "BoundColumns": "figures.result_bounds:draw_bound_columns",
    "Prediction": "figures.result_attenuation:draw_prediction",
    "Audit": "figures.audit:draw_audit",
    "LearnedComparison": "figures.learned:draw_learned",
    "StepsComparison": "figures.steps:draw_steps",
    "Diagnosis": "figures.diagnosis:draw_diagnosis",
    "Measured": "figures.measured:draw_measured",
}
"""Class -> "module:function" that takes a value of it, an Axes or None, and returns the Axes drawn on."""


class Displayed:
    """Base of results that notebooks show as HTML and that some function of `figures` draws."""

    def _repr_html_(self) -> str:
        return printable_lines(shown_by(VIEWS, self)(self))

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the result on one Axes, a new one where none is given.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        InputError
            If there is no single figure of such a result.
        """
        drawn: Axes = shown_by(PLOTS, self)(self, axes)
        return drawn


def shown_by(registry: dict[str, str], value: object) -> Any:
    """Return the function that the registry names for a value, by the most derived of its classes."""
    for kind in type(value).__mro__:
        if kind.__name__ in registry:
            module, name = registry[kind.__name__].split(":")
            package = __name__.split(".")[0]
            return getattr(importlib.import_module(f"{package}.{module}"), name)
    raise InputError(f"value must be one of {', '.join(registry)}, got {type(value).__name__}.")
