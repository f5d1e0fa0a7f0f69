"""What is said of refits whose curves are steadier than sets of so few samples leave them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..core.numbers import rough_count, significant
from .fits.fitting import MechanismFit
from .observed.observations import Observations

_UNSAID = (
    "How much refits scatter, and so how many samples they have, depends on the number of runs whose mean each value "
    "is: give it (runs, --runs)."
)
_LEAST_LOSS = 1e-6
"""Of a round, from which it is said how much so few samples scatter."""


def on_steadiness(fits: Mapping[str, MechanismFit], observations: Observations) -> list[str]:
    """Return why a refit is rejected whose curves fit, or of how many runs such steady ones would be the mean."""
    sentences = [
        _rejected(one, observations) if one.scatters_too_little else _mean_of_runs(one, one.mean_of_runs)
        for one in fits.values()
        if one.scatters_too_little or one.mean_of_runs is not None
    ]
    if not sentences and observations.are_of_unsaid_runs:
        sentences = [_UNSAID for one in fits.values() if one.is_accepted and "samples" in one.fitted]
    exact = observations.runs is not None and bool(np.isinf(observations.runs).any())
    return sentences + [
        _of_exact_errors(one)
        for one in fits.values()
        if exact and one.is_accepted and one.fitted.get("samples", (0.0, 0.0))[0] > _LEAST_LOSS
    ]


def _of_exact_errors(one: MechanismFit) -> str:
    loss = one.fitted["samples"][0]
    return (
        f"One run of refits to sets of {rough_count(1.0 / loss)} samples scatters variances by "
        f"{_scatter(1.0 / loss)} a round, so that exact errors are those of very many runs of them. Whatever else "
        f"multiplies variances by {significant(1.0 - loss, 3)} gives the same curves."
    )


def _scatter(samples: float, runs: float = 1.0) -> str:
    return f"{significant(100.0 * float(np.sqrt(2.0 / samples / runs)), 2)} %"


def _rejected(one: MechanismFit, observations: Observations) -> str:
    samples = (
        1.0 / one.fitted["samples"][0]
        if one.parameters["samples"] is None
        else one.parameters["samples"].value
    )
    runs = 1.0 if observations.runs is None else float(np.median(observations.runs))
    scattered = "it" if runs == 1.0 else f"the mean of {runs:g} runs"
    return (
        f"Refitting is rejected since the rounds are too steady: sets of {significant(samples, 2)} samples, "
        f"which lose so much variance, would scatter {scattered} by {_scatter(samples, runs)} a round."
    )


def _mean_of_runs(one: MechanismFit, runs: float | None) -> str:
    assert runs is not None
    loss = one.fitted["samples"][0]
    return (
        f"Refits to sets of {rough_count(1.0 / loss)} samples scatter variances by {_scatter(1.0 / loss)} a round: "
        f"curves as steady as these are the mean of about {rough_count(runs)} runs of them. Whatever else multiplies "
        f"variances by {significant(1.0 - loss, 3)} gives the same curves; if they are means of runs, give their "
        "number (runs, --runs)."
    )
