"""The report of one result: a single HTML page that opens offline."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from ..laws.mixture import GaussianMixture
from ..recursion import prediction as theory
from ..recursion.schedules import Constant
from ..storage import folder as runfolder
from . import page, tables, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..comparison.comparison import Comparison
    from ..recursion.recursion import Recursion
    from ..storage.record import SimulatedRecursion

REPORT = "report.html"


def write_report(
    folder: str | os.PathLike[str],
    *,
    comparison: Comparison | None,
    recursion: Recursion,
    simulated: SimulatedRecursion | None,
    config_text: str = "",
    command: str = "",
    figures: Mapping[str, Figure] | None = None,
    prediction: theory.Prediction | None = None,
    budget: Mapping[str, Any] | None = None,
) -> Path:
    """Write `report.html` into a folder and return its path.

    Parameters
    ----------
    folder : made if need be; the page is written atomically.
    comparison, simulated : the comparison and the record, both None for a report of the theory alone.
    recursion : what was asked.
    config_text : the configuration as run, TOML.
    command : the command line that repeats it.
    figures : by name, with captions as labels; made here where not given.
    prediction : the theory, where it is at hand; else made here, of 12 rounds and degree 8 if there is no record.
    budget : name of a part -> its contribution (number or Estimate) to the error of the result.

    The page refers to nothing outside itself.
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
    runfolder.write_atomically(path, text.encode("utf-8"))
    return path


def report_text(
    *,
    comparison: Comparison | None,
    recursion: Recursion,
    simulated: SimulatedRecursion | None,
    config_text: str = "",
    command: str = "",
    figures: Mapping[str, Figure] | None = None,
    prediction: theory.Prediction | None = None,
    budget: Mapping[str, Any] | None = None,
) -> str:
    """The text of the page that `write_report` writes; arguments as there."""
    from ..figures.comparison import comparison_figures, prediction_figures

    known = prediction
    if known is None:
        rounds = simulated.rounds if simulated is not None else 12
        degree = max(1, simulated.degree) if simulated is not None else 8
        known = theory.predict(recursion, rounds=rounds, degree=degree)
    if figures is None:
        figures = (
            prediction_figures(known)
            if comparison is None or simulated is None
            else comparison_figures(comparison, recursion, simulated, prediction=known)
        )
    explorer = explorer_data(recursion, highest_degree=int(known.degrees[-1]))
    table = tables.prediction_table(known) if comparison is None else tables.comparison_table(comparison)
    return page.render(
        "report.html.j2",
        title=_title(recursion, comparison),
        kicker="hermite_collapse",
        prediction=words.prediction(recursion),
        question=words.question(recursion, simulated),
        verdict=_verdict(comparison),
        figures=[
            {"svg": page.inline_svg(figure, name=name), "caption": figure.get_label()}
            for name, figure in figures.items()
        ],
        table=table,
        distances=tables.distance_table(known),
        budget=None if budget is None else tables.budget_table(budget),
        caveats=[*known.notes, *words.caveats(recursion, simulated=simulated, comparison=comparison)],
        explorer=explorer,
        explorer_script=_script(),
        config_text=config_text.strip(),
        command=command,
        versions=_versions(simulated),
        colophon="Theory: arXiv:2606.13796 and arXiv:2602.16601. This page is one file and loads nothing.",
    )


def explorer_data(recursion: Recursion, *, highest_degree: int) -> dict[str, Any] | None:
    """What the sliders start from: parameters and, for mixtures, a one-dimensional law to carry through.

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


def _shown_law(target: Any) -> dict[str, Any] | None:
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
    verdict = comparison.verdict
    if verdict.strongest is None:
        return {"tone": "open", "head": "Not tested.", "text": verdict.text}
    return {
        "tone": "good" if verdict.passed else "bad",
        "head": "Agreement." if verdict.passed else "Disagreement.",
        "text": verdict.text.replace("= -", "= −"),
    }


def _versions(simulated: SimulatedRecursion | None) -> str:
    from .. import __version__

    known: Sequence[str] = [f"hermite_collapse {__version__}"]
    if simulated is not None:
        known = [
            *known,
            *(
                f"{name} {version}"
                for name, version in simulated.versions.items()
                if name != "hermite_collapse"
            ),
        ]
    return "Versions: " + ", ".join(known) + "."
