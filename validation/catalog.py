"""All experiments by name, in the order in which they run."""

from __future__ import annotations

import fnmatch

from .experiment import Experiment


def experiments() -> list[Experiment]:
    """All of them, in the order in which they run."""
    from .experiments import (
        annealing,
        budget,
        controls,
        diagnosis,
        figures_of_the_papers,
        final_steps,
        identity,
        neural_errors,
        neural_images,
        neural_mixtures,
        planned_schedules,
        presets,
        schedulers,
        ten_dimensions,
    )

    modules = (
        presets,
        controls,
        final_steps,
        budget,
        identity,
        figures_of_the_papers,
        annealing,
        planned_schedules,
        schedulers,
        diagnosis,
        ten_dimensions,
        neural_mixtures,
        neural_errors,
        neural_images,
    )
    return [experiment for module in modules for experiment in module.experiments()]


def chosen(names: list[str] | None, *, long_ones: bool) -> list[Experiment]:
    """The experiments that names select: a name, a part in front of a slash, the last part, or a pattern with stars.

    Without names all of them, the long ones only if asked for.  Raises KeyError with a name that selects nothing.
    """
    everything = experiments()
    if not names:
        return [e for e in everything if long_ones or not e.is_long]
    result: list[Experiment] = []
    for name in names:
        found = [e for e in everything if _matches(e.name, name)]
        if not found:
            raise KeyError(name)
        result += [e for e in found if e not in result]
    return result


def _matches(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(wanted + "/") or fnmatch.fnmatchcase(name, wanted)
