"""hermite-collapse compare: predict, simulate, compare; the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from cyclopts import Parameter

from ...core.numbers import spread_rounds
from ...hermite.indices import mode_label
from ..config import Config
from . import learned, steps
from .options import command as _command
from .output import Output, status_of, verdict_document
from .predict import print_caveats, print_distances, title
from .simulate import Resume, simulate, start

if TYPE_CHECKING:
    from ...comparison.approach import SimulatedRate
    from ...comparison.result import Comparison
    from ...core.estimates import Estimate
    from ...recursion.prediction import Prediction
    from ..run import Results

AllRows = Annotated[bool, Parameter(help="Print every round, not a few of them.", negative=())]

MOST_ROWS = 40
"""Rows of a table of modes beyond which the strongest deviations are printed alone."""


def run(config: Config, output: Output, *, resume: Resume = False, all_rows: AllRows = False) -> int:
    """Predict the recursion, simulate it, and hold one against the other.

    Leaves a folder with the configuration as run, the simulation, the results (netCDF), figures (SVG, PNG) and one
    self-contained page.  Exit status 1 if the comparison rejects the theory, 4 if nothing could be tested.  Learned
    scores (generator = "neural") are shown with their measured defects and the bound that these give; they test no
    prediction.  Samplers of K steps (generator = "steps", truncation_time = 0) are held against the exact laws of their
    steps.
    """
    from ..run import require_reportable

    require_reportable(config)
    results = start(config, output, resume)
    with results.claimed():
        simulate(results, output)
        return outcome(results, output, all_rows=all_rows)


def outcome(results: Results, output: Output, *, all_rows: bool = False) -> int:
    """Write and print what a finished run says; return the exit status of its verdict."""
    if learned.is_learned(results):
        return learned.outcome(results, output)
    if steps.has_steps(results):
        return steps.outcome(results, output, all_rows=all_rows)
    from ...recursion.prediction import predict
    from ...reporting import words
    from ..run import write_outcome

    config, recursion = results.config, results.recursion
    prediction = predict(recursion, rounds=config.recursion.rounds, degree=config.analysis.degree)
    comparison = results.comparison
    output.note("drawing figures and writing the page")
    with output.progress("figures") as advance:
        written = write_outcome(
            results,
            prediction,
            command=f"hermite-collapse compare {results.folder / 'config.toml'}",
            save=output.save_figures,
            progress=advance,
        )
    sentences = words.prediction(recursion, prediction)
    caveats = [
        *prediction.notes,
        *words.caveats(recursion, simulated=results.simulated, comparison=comparison),
    ]
    rates = observed_rates(prediction, comparison)
    distances = prediction.distances_to_data()
    implied = words.implied(comparison)
    title(config, output)
    output.verdict(comparison.verdict, implied)
    output.heading("Prediction")
    output.text(" ".join(sentences))
    print_comparison(comparison, output, all_rows=all_rows)
    print_implied(comparison, results, output)
    print_rates(prediction, rates, output)
    print_distances(distances, prediction, output)
    print_target_error(results, output)
    print_caveats(caveats, output)
    output.verdict(comparison.verdict, implied)
    output.heading(f"Written to {results.folder}")
    names = [str(path.relative_to(results.folder)) for path in written.values()]
    output.text(", ".join(["config.toml", *names]))
    output.document(_document(results, prediction, rates, distances, sentences, caveats, written))
    return status_of(comparison.verdict)


def print_comparison(comparison: Comparison, output: Output, *, all_rows: bool = False) -> None:
    """Print predicted and measured values of some rounds or of all."""
    statistics = comparison.statistics
    what = "Share of each Hermite degree kept" if statistics.kind == "degree" else "Hermite coefficients"
    rounds = range(comparison.rounds + 1) if all_rows else spread_rounds(comparison.rounds)
    entries = statistics.random_entries(rounds)
    total = len(statistics.random_entries(range(comparison.rounds + 1)))
    shown = "of some rounds"
    if not all_rows and statistics.kind == "mode" and len(entries) > MOST_ROWS:
        shown = "with the largest deviations"
        size = np.where(statistics.tested, np.abs(statistics.z), -1.0)
        entries = sorted(sorted(entries, key=lambda entry: -size[entry])[:MOST_ROWS])
    output.heading(f"{what} (z: difference in standard errors)")
    output.table(
        ["round", statistics.kind, "predicted", "measured", "standard error", "z"],
        [
            [
                i,
                statistics.labels[k],
                f"{statistics.expected[i, k]:.5f}",
                f"{statistics.measured[i, k]:.5f}",
                f"{statistics.standard_error[i, k]:.5f}",
                f"{statistics.z[i, k]:+.2f}" if statistics.tested[i, k] else "untested",
            ]
            for i, k in entries
        ],
        keys=2,
    )
    if len(entries) < total:
        output.text(f"{len(entries)} of {total} rows, {shown}; --all-rows prints every one.")
    print_discretisation(comparison, output)


def print_implied(comparison: Comparison, results: Results, output: Output) -> None:
    """Print the parameters that all degrees and rounds together imply, beside those that were asked for."""
    from ...comparison.implied import is_determined

    rows = [
        [name, asked, estimate.value, estimate.error, f"{(estimate.value - asked) / estimate.error:+.2f}"]
        if is_determined(estimate, upper=upper)
        else [name, asked, "undetermined", None, None]
        for name, asked, upper, estimate in (
            (
                "fresh fraction",
                results.recursion.regime.final_fraction,
                1.0,
                comparison.implied_fresh_fraction,
            ),
            ("truncation times, as a multiple", 1.0, np.inf, comparison.implied_truncation),
        )
        if estimate is not None
    ]
    if rows:
        output.heading("Parameters implied by all degrees and rounds together")
        output.table(["parameter", "asked", "implied", "standard error", "z"], rows)


def print_discretisation(comparison: Comparison, output: Output) -> None:
    """Print what the sampler's step size contributes to the last round, beside the statistical error."""
    effect, error = comparison.discretisation, comparison.discretisation_error
    if effect is None or error is None:
        return
    output.heading(
        "Effect of the step size on the last round, from twice the steps, taken out of the measured values"
    )
    degree = comparison.indices.sum(axis=1)
    shown = [k for k in np.argsort(degree, kind="stable") if degree[k] > 0 and comparison.tested[-1, k]][:12]
    output.table(
        ["mode", "measured - predicted", "standard error", "step size", "its error"],
        [
            [
                mode_label(comparison.indices[k].tolist()),
                float(comparison.measured[-1, k] - comparison.modes.expected[-1, k]),
                float(comparison.standard_error[-1, k]),
                float(effect[-1, k]),
                float(error[-1, k]),
            ]
            for k in shown
        ],
    )


class Rates(NamedTuple):
    """Factors of one round: of the exact laws' last round by metric, and of the simulated modes."""

    exact: dict[str, float]
    simulated: SimulatedRate | None


def print_rates(prediction: Prediction, observed: Rates, output: Output) -> None:
    """Print the contraction of one round: proved, in the end, of the exact laws, and simulated beside exact."""
    if prediction.rates:
        from ...recursion.law_distances import RATE_NAMES

        final, exact = prediction.final_rates, observed.exact
        output.heading("Contraction of one round towards the limit")
        output.table(
            [
                "metric",
                "proved",
                *(["in the end"] if final else []),
                *(["exact law, last round"] if exact else []),
            ],
            [
                [RATE_NAMES[metric], rate, *(known.get(metric) for known in (final, exact) if known)]
                for metric, rate in prediction.rates.items()
            ],
        )
    one = observed.simulated
    if one is not None:
        output.heading("Mean factor of a round on the distance of Hermite coefficients to the limit's")
        output.table(
            ["rounds", "modes", "exact", "simulated", "standard error", "z"],
            [
                [
                    f"1 to {one.rounds}",
                    one.modes,
                    one.exact,
                    one.measured.value,
                    one.measured.error,
                    f"{one.z:+.2f}",
                ]
            ],
        )
        output.text(
            "A mean over early rounds, so not the rate in the end; exact and simulated are of the same modes and "
            "rounds, those that stand out of the noise."
        )


def observed_rates(prediction: Prediction, comparison: Comparison) -> Rates:
    """Return the observed factor of one round by metric, of the exact laws' last round and of the simulated modes."""
    from ...comparison.approach import mode_distances, observed_rate, shown_distances, simulated_rate

    rows = shown_distances(prediction).items()
    rates = {name: observed_rate([e.value for e in row], [e.error for e in row]) for name, row in rows}
    modes = mode_distances(prediction)
    if modes is not None:
        rates["l2_gamma"] = observed_rate(modes.exact, modes.error)
    known = {name: rate for name, rate in rates.items() if rate is not None and name in prediction.rates}
    return Rates(known, simulated_rate(prediction, comparison))


def _rates_document(rates: Rates) -> dict[str, object]:
    one = rates.simulated
    if one is None:
        return {"exact law": rates.exact, "simulated": {}}
    simulated = {"l2_gamma": one.measured, "exact": one.exact, "z": one.z, "rounds": one.rounds}
    return {"exact law": rates.exact, "simulated": simulated}


def print_target_error(results: Results, output: Output) -> None:
    """Print what the sample says about the population it came from; no part of the comparison."""
    comparison = results.comparison
    if comparison.target_standard_error is None:
        return
    output.heading("Sampling error of the data, about the population (in no z-score)")
    coefficients = results.recursion.target.hermite_coefficients(results.simulated.degree)
    order = np.argsort(-np.abs(coefficients.values), kind="stable")
    largest = [k for k in order if coefficients.indices[k].sum() > 0][:8]
    output.table(
        ["mode", "coefficient", "standard error"],
        [
            [
                mode_label(coefficients.indices[k].tolist()),
                coefficients.values[k],
                comparison.target_standard_error[k],
            ]
            for k in largest
        ],
    )


def _document(
    results: Results,
    prediction: Prediction,
    rates: Rates,
    distances: dict[str, Estimate],
    sentences: list[str],
    caveats: list[str],
    written: dict[str, Path],
) -> dict[str, object]:
    comparison = results.comparison
    verdict = comparison.verdict
    return {
        "command": "compare",
        "config": results.config.as_document(),
        "folder": results.folder,
        "files": written,
        "prediction": sentences,
        "half_degree": prediction.half_degree,
        "attenuation": prediction.attenuation,
        "factors": None
        if comparison.degrees is None
        else {
            "predicted": comparison.degrees.expected,
            "measured": comparison.measured_factors,
            "standard_error": comparison.factor_standard_error,
            "z": comparison.factor_z,
            "tested": comparison.factor_tested,
        },
        "modes": {
            "multi_indices": comparison.indices,
            "predicted": comparison.modes.expected,
            "measured": comparison.measured,
            "standard_error": comparison.standard_error,
            "z": comparison.z,
            "tested": comparison.tested,
            "step_size_effect": comparison.discretisation,
            "step_size_effect_error": comparison.discretisation_error,
        },
        "implied_fresh_fraction": comparison.implied_fresh_fraction,
        "implied_truncation": comparison.implied_truncation,
        "proved_rates": prediction.rates,
        "final_rates": prediction.final_rates,
        "observed_rates": _rates_document(rates),
        "distances_to_data": distances,
        "verdict": verdict_document(verdict, verdict.text),
        "caveats": caveats,
    }


command = _command(run, uses=("target", "recursion", "analysis", "simulation", "network"))
