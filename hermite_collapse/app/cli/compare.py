"""hermite-collapse compare: predict, simulate, compare; the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..config import Config
from . import learned
from .options import command as _command
from .output import Output
from .predict import multi_index, print_caveats, print_distances, title
from .simulate import Resume, simulate, start

if TYPE_CHECKING:
    from ...comparison.result import Comparison
    from ...core.estimates import Estimate
    from ...recursion.prediction import Prediction
    from ..run import Results

Rates: TypeAlias = "dict[str, dict[str, float | Estimate]]"


def run(config: Config, output: Output, *, resume: Resume = False) -> int:
    """Predict the recursion, simulate it, and hold one against the other.

    Leaves a folder with the configuration as run, the simulation, the results (netCDF), figures (SVG, PNG) and one
    self-contained page.  Exit status 1 if the comparison rejects the theory.  Learned scores (generator = "neural") are
    shown with their measured defects and the bound that these give; they test no prediction.
    """
    from ..run import require_reportable

    require_reportable(config)
    results = start(config, output, resume)
    with results.claimed():
        simulate(results, output)
        return outcome(results, output)


def outcome(results: Results, output: Output) -> int:
    """Write and print what a finished run says; return the exit status of its verdict."""
    if learned.is_learned(results):
        return learned.outcome(results, output)
    from ...recursion.prediction import predict
    from ...reporting import words
    from ..run import write_outcome

    config, recursion = results.config, results.recursion
    prediction = predict(recursion, rounds=config.recursion.rounds, degree=config.analysis.degree)
    comparison = results.comparison
    output.note("drawing figures and writing the page")
    written = write_outcome(
        results, prediction, command=f"hermite-collapse compare {results.folder / 'config.toml'}"
    )
    sentences = words.prediction(recursion)
    caveats = [
        *prediction.notes,
        *words.caveats(recursion, simulated=results.simulated, comparison=comparison),
    ]
    rates = observed_rates(prediction, comparison)
    distances = prediction.distances_to_data()
    title(config, output)
    output.text(" ".join(sentences))
    print_comparison(comparison, output)
    print_rates(prediction, rates, output)
    print_distances(distances, prediction, output)
    print_target_error(results, output)
    print_caveats(caveats, output)
    output.heading("Verdict")
    output.text(comparison.verdict.text)
    output.heading(f"Written to {results.folder}")
    names = [str(path.relative_to(results.folder)) for path in written.values()]
    output.text(", ".join(["config.toml", *names]))
    output.document(_document(results, prediction, rates, distances, sentences, caveats, written))
    return 0 if comparison.verdict.passed else 1


def print_comparison(comparison: Comparison, output: Output) -> None:
    """Print predicted and measured values of every round, and the parameters they imply."""
    what = "Share of each Hermite degree kept" if comparison.degrees is not None else "Hermite coefficients"
    output.heading(f"{what}, round by round (z: difference in standard errors)")
    output.lines(comparison.table().splitlines())
    print_discretisation(comparison, output)
    implied = {
        "fresh fraction": comparison.implied_fresh_fraction,
        "truncation time, as a multiple": comparison.implied_truncation,
    }
    rows = [[name, e.value, e.error] for name, e in implied.items() if e is not None]
    if rows:
        output.heading("Parameters implied by all degrees and rounds together")
        output.table(["parameter", "estimate", "standard error"], rows)


def print_discretisation(comparison: Comparison, output: Output) -> None:
    """Print what the sampler's step size contributes to the last round, beside the statistical error."""
    effect, error = comparison.discretisation, comparison.discretisation_error
    if effect is None or error is None:
        return
    output.heading("Effect of the step size on the last round, from twice the steps")
    degree = comparison.indices.sum(axis=1)
    shown = [k for k in np.argsort(degree, kind="stable") if degree[k] > 0 and comparison.tested[-1, k]][:12]
    output.table(
        ["multi-index", "measured - predicted", "standard error", "step size", "its error"],
        [
            [
                multi_index(comparison.indices[k]),
                float(comparison.measured[-1, k] - comparison.modes.expected[-1, k]),
                float(comparison.standard_error[-1, k]),
                float(effect[-1, k]),
                float(error[-1, k]),
            ]
            for k in shown
        ],
    )


def print_rates(prediction: Prediction, observed: Rates, output: Output) -> None:
    """Print the contraction of one round: proved, in the end, and seen."""
    if not prediction.rates:
        return
    from ...recursion.law_distances import METRIC_NAMES

    names = METRIC_NAMES | {"l2_gamma": "L2(gamma)"}
    final = prediction.final_rates
    output.heading("Contraction of one round towards the limit")
    output.table(
        ["metric", "proved", "in the end", "exact law", "simulated"],
        [
            [
                names[metric],
                rate,
                final.get(metric),
                observed["exact law"].get(metric),
                observed["simulated"].get(metric),
            ]
            for metric, rate in prediction.rates.items()
        ],
    )
    output.text(
        "Exact law: the last round. Simulated: mean of the rounds whose distance stands out of the noise."
    )


def observed_rates(prediction: Prediction, comparison: Comparison) -> Rates:
    """Return the observed factor of one round by metric, of the exact laws' last round and of the simulated modes."""
    from ...comparison.approach import observed_rate, simulated_rate

    rows = prediction.approach().items()
    rates = {name: observed_rate([e.value for e in row], [e.error for e in row]) for name, row in rows}
    simulated = simulated_rate(prediction, comparison)
    return {
        "exact law": {name: rate for name, rate in rates.items() if rate is not None},
        "simulated": {} if simulated is None else {"l2_gamma": simulated},
    }


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
        ["multi-index", "coefficient", "standard error"],
        [
            [
                multi_index(coefficients.indices[k]),
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
            "tested": comparison.degrees.is_testable(comparison.runs),
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
        "observed_rates": rates,
        "distances_to_data": distances,
        "verdict": {
            "passed": verdict.passed,
            "level": verdict.level,
            "tests": verdict.tests,
            "untested": verdict.untested,
            "adjusted_p_value": verdict.adjusted_p_value,
            "text": verdict.text,
        },
        "caveats": caveats,
    }


command = _command(run, uses=("target", "recursion", "analysis", "simulation", "network"))
