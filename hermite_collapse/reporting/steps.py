"""A simulation by a sampler of K steps beside its exact laws, for readers: table, view in a notebook, and page."""

from __future__ import annotations

import math
from html import escape

import numpy as np

from ..comparison.steps_result import StepsComparison
from ..core.estimates import Estimate
from ..core.numbers import grouped, significant, spread_rounds, with_error
from ..figures.steps import draw_steps
from ..figures.style import figure_of
from ..recursion.recursion import Recursion
from . import tables
from .result_page import Page
from .tables import Row, Table

WORDS = (
    "Predicted values are exact laws of the sampler's steps; z is the difference in predicted standard errors. The "
    "last column is the Gaussian closure V(w), which is never tested."
)


def recursion_in_words(recursion: Recursion) -> str:
    """Return the recursion in a few words; the sampler is said beside."""
    alpha = np.atleast_1d(np.asarray(recursion.fresh_fraction, dtype=float))
    share = f"fresh fraction {alpha[0]:g}" if alpha.size == 1 else "varying fresh fraction"
    regime = (
        "" if recursion.regime.name == "replace" else f", regime {recursion.regime.name.replace('_', ' ')}"
    )
    return f"{share}{regime}, with the exact denoiser of the training law"


def _predicted(value: float, error: float) -> str:
    """Return an exact value; what is no more than rounding beside the standard error of its measurement is zero."""
    if not math.isfinite(value):
        return "–"
    return significant(0.0 if abs(value) <= 1e-9 * error else value, 4)


def steps_table(comparison: StepsComparison) -> Table:
    """Return predicted and measured values of a few rounds."""
    rounds = spread_rounds(comparison.rounds)
    rows = []
    entries = comparison.rows(rounds)
    shown = entries[: tables.LONGEST]
    for number, (i, k) in enumerate(shown):
        first = number == 0 or shown[number - 1][0] != i
        is_tested = bool(comparison.tested[i, k])
        measured = Estimate(
            float(comparison.measured[i, k]), float(comparison.standard_error[i, k]), "standard_error"
        )
        kind = " ".join(["group"] * first + ["untested"] * (not is_tested))
        predicted = float(comparison.expected[i, k])
        rows.append(
            Row(
                (
                    str(i) if first else "",
                    comparison.labels[k],
                    _predicted(predicted, measured.error),
                    with_error(measured) if math.isfinite(predicted) else significant(measured.value, 4),
                    f"{comparison.z[i, k]:+.2f}" if is_tested else "untested",
                    significant(float(comparison.closure[i, k]), 4)
                    if math.isfinite(comparison.closure[i, k])
                    else "–",
                ),
                kind,
            )
        )
    left = len(comparison.rows(range(comparison.rounds + 1))) - len(shown)
    return Table(
        head=("round", "statistic", "predicted", "measured", "z", "closure"),
        rows=tuple(rows),
        words=WORDS,
        more=f"{left} more rows are in results.nc." if left else "",
        title="Predicted and measured",
        text_columns=(1,),
    )


def view_steps(comparison: StepsComparison) -> str:
    """Return the sentences and the table as an HTML fragment."""
    return f"<p>{escape(comparison.text)}</p>{tables.html(steps_table(comparison))}"


def steps_page(comparison: StepsComparison, *, title: str = "") -> Page:
    """Return the page of a comparison; `title` says what was asked."""
    head = comparison.verdict.head
    guided = (
        () if comparison.guidance_scale == 1.0 else (("guidance scale", f"{comparison.guidance_scale:g}"),)
    )
    return Page(
        title="Theory against a sampler of K steps",
        lead=f"{head}. {comparison.text}",
        tone={"Agreement": "good", "Disagreement": "bad"}.get(head, "open"),
        figures={"steps": figure_of(draw_steps(comparison))},
        tables=(steps_table(comparison),),
        facts=(
            ("recursion", title),
            ("sampler", comparison.sampler),
            *guided,
            ("particles", grouped(comparison.particles)),
            ("runs", grouped(comparison.runs)),
        ),
        notes=(
            "The steps of the sampler are the map itself: nothing is left to be refined.",
            "From the second round on, the training law is a mixture refitted to the particles, in theory as well.",
        ),
    )
