"""Short views of results in notebooks: small tables and a sentence or two, as HTML fragments.

Colours and fonts are the notebook's own, so a view reads in light and dark alike.  `core.display` names the view of
each class.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..core.display import VIEWS, shown_by
from ..core.estimates import Estimate
from ..core.numbers import grouped, significant, with_error
from ..core.signature import public
from . import tables, words

if TYPE_CHECKING:
    from ..comparison.result import Comparison
    from ..hermite.degree import DegreeSpectrum
    from ..laws.mixture import Law
    from ..recursion.prediction import Prediction
    from ..recursion.recursion import Recursion
    from ..recursion.schedules import Schedule
    from ..storage.record import SimulatedRecursion

MOST_ROWS = 12
"""Rows of a table that a view shows."""


@public
def notebook_view(value: object) -> str:
    """Return an HTML fragment that says what a law, recursion, prediction, comparison or record holds.

    Parameters
    ----------
    value : object
        A law, a recursion, a schedule, a bound, or a result; what can be shown has a `_repr_html_`.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If value is anything else.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> "axis 1" in hc.notebook_view(hc.presets.load("two_modes_1d"))
    True
    """
    view: str = shown_by(VIEWS, value)(value)
    return view


def view_law(law: Law) -> str:
    """Return mean and standard deviation by axis."""
    shown = range(min(law.dimension, MOST_ROWS))
    mean, spread = law.mean, np.sqrt(np.diag(law.covariance))
    facts = [
        (f"axis {j + 1}", f"{significant(mean[j], 4)} \u00b1 {significant(spread[j], 4)}") for j in shown
    ]
    left_out = law.dimension - len(shown)
    more = f"<p>and {left_out} more axes</p>" if left_out > 0 else ""
    return _facts(repr(law), facts) + more


def view_recursion(recursion: Recursion) -> str:
    """Return the settings and the prediction in sentences."""
    sentences = " ".join(words.prediction(recursion))
    return _facts("Recursion", words.question(recursion)) + f"<p>{escape(sentences)}</p>"


def view_prediction(prediction: Prediction) -> str:
    """Return the prediction in sentences and its table of degrees."""
    sentences = " ".join(words.prediction(prediction.recursion, prediction))
    table = tables.prediction_table(prediction)
    return f"<p>{escape(sentences)}</p>" + ("" if table is None else tables.html(table.first(MOST_ROWS)))


def view_comparison(comparison: Comparison) -> str:
    """Return the verdict and the table of measured values."""
    table = tables.comparison_table(comparison).first(MOST_ROWS)
    verdict = comparison.verdict
    return f"<p><b>{verdict.head}.</b> {escape(verdict.text + words.implied(comparison))}</p>{tables.html(table)}"


def view_record(simulated: SimulatedRecursion) -> str:
    """Return what was simulated and how long it took."""
    seconds = simulated.wall_seconds[simulated.wall_seconds > 0].sum()
    facts = [
        ("generator", simulated.generator),
        ("rounds", str(simulated.rounds)),
        ("particles", grouped(simulated.particles)),
        ("runs", str(simulated.runs)),
        ("dimension", str(simulated.dimension)),
        ("highest degree", str(simulated.degree)),
        ("seed", str(simulated.seed)),
        ("device", simulated.device),
        ("random numbers", simulated.random_numbers),
        ("wall time", f"{significant(float(seconds), 2)} s"),
    ]
    return _facts("Simulated recursion", facts)


def view_spectrum(spectrum: DegreeSpectrum) -> str:
    """Return the energies of the degrees beside the noise floor."""
    rows = tuple(
        tables.Row(
            (
                str(int(n)),
                with_error(Estimate(float(energy), float(error), "standard_error")),
                significant(float(floor)),
            ),
            "untested" if n > spectrum.resolvable_degree else "",
        )
        for n, energy, error, floor in zip(
            spectrum.degree, spectrum.energy, spectrum.standard_error, spectrum.noise_floor, strict=True
        )
        if n > 0
    )
    said = f"Highest degree that stands out of the noise: {spectrum.resolvable_degree}."
    return f"<p>{said}</p>{tables.html(tables.Table(('degree', 'energy', 'noise floor'), rows))}"


def view_schedule(schedule: Schedule) -> str:
    """Return the truncation times of the first rounds."""
    times = schedule.times(MOST_ROWS)
    facts = [(f"round {i}", significant(float(time), 4)) for i, time in enumerate(times, start=1)]
    facts += [("in the end", significant(schedule.final, 4)), ("sum of all", significant(schedule.total, 4))]
    return _facts(repr(schedule), facts)


def _facts(title: str, facts: list[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><td style="text-align:left;opacity:.7">{escape(name)}</td>'
        f'<td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in facts
    )
    return f"<p><b>{escape(title)}</b></p><table>{rows}</table>"
