"""The report of one result: a single HTML page that opens offline."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from ..core.estimates import Estimate
from ..laws.mixture import GaussianMixture
from ..recursion.prediction import Prediction, predict
from ..recursion.schedules import Constant
from ..storage.folder import write_atomically
from . import page, tables, words
from .result_page import REPORT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..comparison.result import Comparison
    from ..figures.saving import Drawing
    from ..laws.mixture import Law
    from ..recursion.recursion import Recursion
    from ..storage.record import SimulatedRecursion


def write_report(
    folder: str | os.PathLike[str],
    *,
    comparison: Comparison | None,
    recursion: Recursion,
    simulated: SimulatedRecursion | None,
    config_text: str = "",
    command: str = "",
    figures: Mapping[str, Figure | Drawing] | None = None,
    prediction: Prediction | None = None,
    budget: Mapping[str, Estimate | float] | None = None,
) -> Path:
    """Write `report.html` into a folder and return its path.

    Parameters
    ----------
    folder : path
        Made where it is missing; the page is written atomically.
    comparison, simulated : Comparison and SimulatedRecursion, or None
        Both None for a report of the theory alone.
    recursion : Recursion
        What was asked.
    config_text : str
        The configuration as run, TOML.
    command : str
        The command line that repeats it.
    figures : mapping of str to Figure or Drawing, optional
        By name, with captions as labels; made here where not given.
    prediction : Prediction, optional
        Made here where not given, of 12 rounds if there is no record.
    budget : mapping of str to Estimate or float, optional
        Name of a part and its contribution to the error of the result, as `error_shares` gives them.

    Returns
    -------
    Path

    Examples
    --------
    >>> import hermite_collapse as hc, tempfile
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(folder, comparison=None, recursion=recursion, simulated=None, figures={}).name
    'report.html'
    """
    text = report_text(
        comparison=comparison,
        recursion=recursion,
        simulated=simulated,
        config_text=config_text,
        command=command,
        figures=figures,
        prediction=prediction,
        budget=budget,
    )
    path = Path(folder) / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode("utf-8"))
    return path


def report_text(
    *,
    comparison: Comparison | None,
    recursion: Recursion,
    simulated: SimulatedRecursion | None,
    config_text: str = "",
    command: str = "",
    figures: Mapping[str, Figure | Drawing] | None = None,
    prediction: Prediction | None = None,
    budget: Mapping[str, Estimate | float] | None = None,
) -> str:
    """Return the text of the page that `write_report` writes.

    Parameters
    ----------
    comparison, recursion, simulated, config_text, command, figures, prediction, budget
        As for `write_report`.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> text = report_text(comparison=None, recursion=recursion, simulated=None, figures={})
    >>> text.startswith("<!DOCTYPE html>")
    True
    """
    from ..figures.comparison import comparison_figures, prediction_figures

    if prediction is None:
        rounds = simulated.rounds if simulated is not None else 12
        degree = max(1, simulated.degree) if simulated is not None else None
        prediction = predict(recursion, rounds=rounds, degree=degree)
    if figures is None:
        figures = (
            prediction_figures(prediction)
            if comparison is None or simulated is None
            else comparison_figures(comparison, recursion, simulated, prediction=prediction)
        )
    explorer = explorer_data(recursion, highest_degree=int(prediction.degrees[-1]))
    table = tables.prediction_table(prediction) if comparison is None else tables.comparison_table(comparison)
    return page.render(
        "report.html.j2",
        title=_title(recursion, comparison),
        kicker="hermite_collapse",
        prediction=words.prediction(recursion, prediction),
        question=words.question(recursion, simulated),
        verdict=_verdict(comparison),
        figures=page.captioned(figures),
        table=table,
        distances=tables.distance_table(prediction),
        budget=None if budget is None else tables.budget_table(budget),
        caveats=[*prediction.notes, *words.caveats(recursion, simulated=simulated, comparison=comparison)],
        explorer=explorer,
        explorer_script=_script(),
        config_text=config_text.strip(),
        command=command,
        versions=_versions(simulated),
        colophon="Theory: arXiv:2606.13796 and arXiv:2602.16601. This page is one file and loads nothing.",
    )


def explorer_data(recursion: Recursion, *, highest_degree: int) -> dict[str, Any] | None:
    """Return what the sliders start from: parameters and, for mixtures, a one-dimensional law to carry through.

    None where the closed forms do not describe the recursion (blur, variance-exploding rounds, a table).
    """
    if not recursion.is_diagonal or recursion.regime.name not in ("replace", "accumulate_with_fresh"):
        return None
    alpha, time = recursion.regime.final_fraction, float(recursion.schedule.final)
    return {
        "fresh_fraction": alpha,
        "truncation_time": time if time > 0.0 else float(recursion.schedule.times(1)[0]),
        "rate": recursion.rate,
        "highest_degree": max(8, highest_degree),
        "law": _shown_law(recursion.target),
    }


def _shown_law(target: Law) -> dict[str, Any] | None:
    """A one-dimensional mixture that stands for the target: itself, or its projection on the widest direction."""
    if not isinstance(target, GaussianMixture) or len(target.weights) > 64:
        return None
    caption = "Density."
    line = target
    if target.dimension > 1:
        from ..figures.projections import telling_directions

        line = target.project(telling_directions(target)[0].vector)
        caption = "Density along the first principal axis of the data."
    variances = line.variances[:, 0]
    if np.min(variances) <= 0.0:
        return None
    reach = 3.6 * np.sqrt(np.maximum(variances, 1.0))
    return {
        "weights": line.weights.tolist(),
        "means": line.means[:, 0].tolist(),
        "variances": variances.tolist(),
        "range": [float(np.min(line.means[:, 0] - reach)), float(np.max(line.means[:, 0] + reach))],
        "words": caption,
    }


@lru_cache(maxsize=1)
def _script() -> Markup:
    return Markup(files("hermite_collapse.reporting").joinpath("templates/explorer.js").read_text("utf-8"))


def _title(recursion: Recursion, comparison: Comparison | None) -> str:
    alpha = np.atleast_1d(np.asarray(recursion.fresh_fraction, dtype=float))
    share = f"fresh fraction {alpha[0]:g}" if alpha.size == 1 else "varying fresh fraction"
    if isinstance(recursion.schedule, Constant):
        share += f", truncation time {recursion.schedule.time:g}"
    return (
        f"{'What recursive training keeps' if comparison is None else 'Theory against simulation'}: {share}"
    )


def _verdict(comparison: Comparison | None) -> dict[str, str] | None:
    if comparison is None:
        return None
    head = comparison.verdict.head
    tone = {"Agreement": "good", "Disagreement": "bad"}.get(head, "open")
    text = comparison.verdict.text.replace("= -", "= −") + words.implied(comparison)
    return {"tone": tone, "head": f"{head}.", "text": text}


def _versions(simulated: SimulatedRecursion | None) -> str:
    from ..core.version import __version__

    others = {} if simulated is None else simulated.versions
    names = [f"{name} {version}" for name, version in others.items() if name != "hermite_collapse"]
    return f"Versions: {', '.join([f'hermite_collapse {__version__}', *names])}."
