"""The figures of a result: which ones a recursion and its simulation call for, each with its caption."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..recursion.prediction import Prediction, predict
from ..recursion.recursion import Recursion
from .result_attenuation import attenuation_figure
from .result_distances import limit_distances
from .result_laws import density_figure, heat_map
from .result_modes import coefficient_values, moment_drift

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..comparison.result import Comparison
    from ..storage.record import SimulatedRecursion


def comparison_figures(
    comparison: Comparison,
    recursion: Recursion,
    simulated: SimulatedRecursion,
    *,
    prediction: Prediction | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Figure]:
    """Return the figures of a simulated recursion beside its prediction, in the order they should be read.

    Parameters
    ----------
    comparison : Comparison
    recursion : Recursion
    simulated : SimulatedRecursion
    prediction : Prediction, optional
        Of as many rounds and degrees; made here where not given.
    progress : callable, optional
        Called with how many figures are drawn, and of how many.

    Returns
    -------
    dict of str to Figure
        "attenuation" (or "coefficients" where degrees mix), "density" and "approach" where the laws allow them,
        "heat_map" in two dimensions and "moments" above.  A figure's label is its caption.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> run = hc.simulation.simulate(recursion, rounds=2, particles=1000, degree=3, generator="channel", seed=1)
    >>> list(comparison_figures(hc.compare(recursion, run), recursion, run))
    ['attenuation', 'density', 'approach']
    """
    if prediction is None:
        prediction = predict(recursion, rounds=simulated.rounds, degree=max(1, simulated.degree))
    return _drawn(recursion, prediction, comparison, simulated, progress)


def prediction_figures(
    prediction: Prediction, *, progress: Callable[[int, int], object] | None = None
) -> dict[str, Figure]:
    """Return the figures of a prediction alone, without anything measured.

    Parameters
    ----------
    prediction : Prediction
    progress : callable, optional
        As for `comparison_figures`.

    Returns
    -------
    dict of str to Figure
        As for `comparison_figures`.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> list(prediction_figures(hc.predict(recursion, rounds=2, degree=3)))
    ['attenuation', 'density', 'approach']
    """
    return _drawn(prediction.recursion, prediction, None, None, progress)


def _drawn(
    recursion: Recursion,
    prediction: Prediction,
    comparison: Comparison | None,
    simulated: SimulatedRecursion | None,
    progress: Callable[[int, int], object] | None,
) -> dict[str, Figure]:
    recipes: dict[str, Callable[[], Figure | None]] = {
        "attenuation": lambda: attenuation_figure(prediction, comparison),
        "coefficients": lambda: coefficient_values(recursion, comparison),
        "density": lambda: density_figure(recursion, prediction, simulated),
        "approach": lambda: limit_distances(prediction, comparison),
        "heat_map": lambda: heat_map(recursion, prediction),
        "moments": lambda: moment_drift(recursion, prediction, comparison),
    }
    figures = {}
    for done, (name, draw) in enumerate(recipes.items(), start=1):
        figure = draw()
        if figure is not None:
            figures[name] = figure
        if progress is not None:
            progress(done, len(recipes))
    return figures
