"""The part of `bounds` about error propagation: divergences round by round, their bounds, the discount of errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.numbers import spread_rounds, with_error
from .output import Output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...bounds.propagation.drift import DriftRegime
    from ...bounds.propagation.overview import PropagationOverview
    from ...bounds.propagation.rows import BoundRow
    from ...recursion.recursion import Recursion
    from ..config import Config

# Chi-squares in more than one dimension are sampled: seconds for a dozen rounds, 1 % of the value.
_SAMPLES = 16_384


_WEIGHTS = {
    "incoherent": "Share of the error energy of round i that is left in D_N, the chi-square divergence of round N from "
    "the data, where errors of different rounds have nothing to do with each other (incoherent).",
    "coherent": "Share of the size of the error of round i that is left in the root of D_N, where errors of different "
    "rounds all point the same way (coherent); D_N is the chi-square divergence of round N from the data.",
}


_CONSEQUENCES = {
    "summable": "they add up to a finite sum, every bound of it is finite, and the divergence tends to 0",
    "vanishing": "they tend to 0 but add up to infinity; with observable errors so do the divergences, each of which "
    "may still tend to 0",
    "persistent": "they stay above a floor, and so does the largest divergence of late rounds where errors are "
    "observable",
    "undecided": "the record is too short or too noisy to tell which",
}


def regime_of(file: Path, fresh_fraction: float) -> DriftRegime:
    """The drift regime of the energies recorded in a file."""
    from ... import bounds
    from ...storage.curves import read_curve

    curve = read_curve(file, {"energy": "value"})
    errors = None if curve.standard_errors is None else curve.standard_errors[:, 0]
    return bounds.drift_regime(curve.values[:, 0], fresh_fraction=fresh_fraction, standard_errors=errors)


def show_regime(regime: DriftRegime, name_of_file: str, output: Output) -> None:
    """Print what a record of energies says about its future."""
    name = " or ".join(regime.between) + ", undecided" if regime.name == "undecided" else regime.name
    output.heading(f"Drift regime of the energies in {name_of_file}: {name}")
    output.text(
        f"Energies fall like (1 + round)^-p with p = {with_error(regime.exponent)}: "
        f"{_CONSEQUENCES[regime.name]}. An incoherent error is forgotten over {regime.memory:.3g} rounds; the last "
        f"round has {100.0 * regime.fresh_share:.0f} % of all weight ({regime.accumulation})."
    )


def overview(recursion: Recursion, *, rounds: int, seed: int) -> PropagationOverview:
    """Divergences of p_0, ..., p_rounds and each bound on them, for exact scores."""
    from ...bounds.propagation.overview import propagation_overview

    return propagation_overview(recursion, rounds=rounds, sample_count=_SAMPLES, rng=seed)


def show(overview: PropagationOverview, output: Output) -> None:
    """Print the divergences of some rounds, and each bound with the rounds it was judged in."""
    rows, first = overview.divergences, overview.first_infinite_round
    output.heading("Divergence of the model law after some rounds, exact scores")
    if first is None:
        output.text("Chi-square from the data stays finite for at least a thousand rounds.")
    else:
        output.text(
            f"Chi-square from the data is infinite from round {first} on: any finite estimate of it then measures "
            "the number of samples. What is finite below says the same about the bulk."
        )
    shown = [rows[i] for i in spread_rounds(len(rows) - 1, count=6)]
    output.table(
        ["round", "chi2 from data", "chi2 from limit", "Mehler from data", "from limit", "L2(gamma)"],
        [[row.round, row.target, row.limit, row.mehler, row.mehler_limit, row.l2_gamma] for row in shown],
    )
    output.heading("Bounds of error propagation, judged in each round (ratio: bound / value)")
    output.text(
        "D(i) is the chi-square divergence of round i from the data, I(i) that of round i + 1 from the law it was "
        "trained on (innovation), α the fresh fraction."
    )
    output.table(["statement", "bound on", "verdict in rounds", "ratio"], _judged(overview.bounds))


def draw(overview: PropagationOverview | None, *, config: Config) -> dict[str, Figure]:
    """Return the heat maps of the discount weights, and the divergences with their bounds."""
    from ... import figures
    from ...figures.style import figure_of

    alpha, rounds = config.recursion.fresh_fraction, config.recursion.rounds
    drawn = {}
    dimension = config.target.build_law().dimension
    for name, axes in (
        _curves(overview, "exact" if dimension == 1 else "sampled") if overview is not None else ()
    ):
        words = "from the limit" if name.endswith("limit") else "from the data"
        where = "above it" if name.endswith("limit") else "dashed below, solid above"
        sampled = "" if dimension == 1 else ", sampled, with bars of one standard error"
        caption = (
            f"Chi-square divergence {words} by round with exact scores (points{sampled}); its proved bounds are the "
            f"lines, {where}."
        )
        drawn[name] = figures.describe(figure_of(axes), name, caption)
    for coherence in ("incoherent", "coherent"):
        axes = figures.draw_discount_weights(fresh_fraction=alpha, rounds=rounds, coherence=coherence)
        name = f"discount_weights_{coherence}"
        caption = _WEIGHTS[coherence]
        drawn[name] = figures.describe(figure_of(axes), name, caption)
    return drawn


def _curves(overview: PropagationOverview, how: str) -> Iterator[tuple[str, Axes]]:
    """Divergences between their bounds: from the limit always, from the data where two rounds are finite."""
    from ... import bounds, figures

    limit = [row.limit for row in overview.divergences if row.limit is not None]
    if overview.limit_bound is not None and len(limit) == len(overview.divergences):
        yield (
            "divergence_from_limit",
            figures.draw_bounds(
                measured=[entry.value for entry in limit],
                errors=[entry.error for entry in limit],
                upper={"proved rate": overview.limit_bound},
                ylabel=r"$\chi^2(p_i\,\Vert\,p_\infty)$",
                label=how,
                first_round=0,
            ),
        )
    finite = {row.round for row in overview.bounds if row.quantity == "D_{i+1}" and np.isfinite(row.measured)}
    if len(finite) > 1:
        columns = bounds.bound_columns(overview.bounds, "D_{i+1}")
        yield (
            "divergence_from_data",
            figures.draw_bounds(
                measured=columns.measured,
                errors=columns.errors,
                lower=columns.lower,
                upper=columns.upper,
                ylabel=r"$\chi^2(p_i\,\Vert\,p^*)$",
                label=how,
            ),
        )


def _written(quantity: str) -> str:
    """Return the name of a bounded quantity as people write it."""
    for symbol, text in (("_{i+1}", "(i+1)"), ("_i", "(i)"), ("(1-alpha)^2", "(1−α)²")):
        quantity = quantity.replace(symbol, text)
    return quantity


def _judged(rows: Sequence[BoundRow]) -> list[list[object]]:
    """One line a bound: its verdicts with the rounds that have them, and the ratio nearest to 1."""
    lines: dict[tuple[str, str], list[BoundRow]] = {}
    for row in rows:
        relation = "≤" if row.side == "above" else "≥"
        lines.setdefault((row.statement, f"{_written(row.quantity)} {relation}"), []).append(row)
    judged: list[list[object]] = []
    for (statement, quantity), group in lines.items():
        counts = Counter(row.verdict for row in group)
        ratios = [row.ratio for row in group if np.isfinite(row.ratio) and row.ratio > 0.0]
        nearest = min(ratios, key=lambda ratio: abs(np.log(ratio)), default=None)
        judged.append([statement, quantity, ", ".join(f"{v} {n}" for v, n in counts.items()), nearest])
    return judged
