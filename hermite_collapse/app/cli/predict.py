"""hermite-collapse predict: the theory alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.numbers import spread_rounds
from ...hermite.indices import mode_label
from ..config import Config
from .options import command as _command
from .output import Output

if TYPE_CHECKING:
    from ...core.estimates import Estimate
    from ...recursion.prediction import Prediction


def run(config: Config, output: Output) -> int:
    """Predict what the recursion converges to, without simulating it (no torch needed).

    Prints the half-amplitude degree, the share of each Hermite degree kept after some rounds and in the limit,
    the proved contraction rates, and the distances of the limit law to the data.  --out keeps them with figures and a
    page.
    """
    from ...recursion.prediction import predict
    from ...reporting import words
    from ...storage.datasets import write_dataset
    from ..cost import cost_of_prediction, require_affordable

    recursion = config.build_recursion()
    require_affordable(cost_of_prediction(config, recursion.dimension), yes=output.yes)
    prediction = predict(recursion, rounds=config.recursion.rounds, degree=config.analysis.degree)
    sentences = words.prediction(recursion, prediction)
    caveats = [*prediction.notes, *words.caveats(recursion)]
    distances = prediction.distances_to_data()
    if output.folder is not None:
        folder = output.make_folder(config)
        write_dataset(prediction.to_dataset(), folder / "prediction.nc")
        _leave(config, prediction, output, folder)
    output.document(_document(config, prediction, distances, sentences, caveats))
    title(config, output)
    output.text(" ".join(sentences))
    print_modes(prediction, output)
    print_rates(prediction, output)
    print_distances(distances, prediction, output)
    print_caveats(caveats, output)
    if output.folder is not None:
        output.text(f"\nWritten to {output.folder}.")
    return 0


def _leave(config: Config, prediction: Prediction, output: Output, folder: Path) -> None:
    """Leave the figures and the page of a prediction in its folder."""
    from ...figures.comparison import prediction_figures
    from ...figures.saving import drawings
    from ...reporting.report import write_report

    with output.progress("figures") as advance:
        drawn = drawings(prediction_figures(prediction, progress=advance))
        output.save_figures(drawn, folder / "figures")
    write_report(
        folder,
        comparison=None,
        recursion=prediction.recursion,
        simulated=None,
        config_text=config.to_toml(folder),
        command=f"hermite-collapse predict {folder / 'config.toml'}",
        figures=drawn,
        prediction=prediction,
    )


def title(config: Config, output: Output) -> None:
    """Print one line that says what the numbers belong to."""
    recursion = config.recursion
    parts = [config.target.label, f"fresh fraction {recursion.fresh_fraction:g}"]
    if recursion.schedule == "constant":
        parts.append(f"truncation time {recursion.truncation_time:g}")
    else:
        parts.append(f"{recursion.schedule} schedule")
    parts += [recursion.regime.replace("_", " ")] if recursion.regime != "replace" else []
    parts += [f"blur {recursion.blur:g}"] if recursion.blur else []
    parts += ["variance exploding"] if recursion.process == "variance_exploding" else []
    output.heading(", ".join(parts))


def print_modes(prediction: Prediction, output: Output) -> None:
    """Print the share of each degree kept, by round; coefficients where degrees mix."""
    rounds = spread_rounds(prediction.rounds)
    if prediction.factors is not None:
        output.heading("Share of each Hermite degree kept (1: as in the data)")
        columns = ["degree", *(f"round {i}" for i in rounds)]
        columns += ["limit"] if prediction.attenuation is not None else []
        columns += ["contraction"] if prediction.contraction is not None else []
        rows = []
        for n in prediction.degrees[1:]:
            row: list[object] = [int(n), *(float(prediction.factors[i, n]) for i in rounds)]
            row += [float(prediction.attenuation[n])] if prediction.attenuation is not None else []
            row += [float(prediction.contraction[n])] if prediction.contraction is not None else []
            rows.append(row)
        output.table(columns, rows)
    elif prediction.coefficients is not None and prediction.indices is not None:
        output.heading("Hermite coefficients (largest of the data first)")
        size = np.where(prediction.indices.any(axis=1), np.abs(prediction.coefficients[0]), -1.0)
        order = np.argsort(-size, kind="stable")[: min(12, int(np.sum(size >= 0.0)))]
        columns = ["mode", *(f"round {i}" for i in (0, *rounds))]
        columns += ["limit"] if prediction.limit_coefficients is not None else []
        rows = []
        for k in order:
            row = [
                mode_label(prediction.indices[k].tolist()),
                *(float(prediction.coefficients[i, k]) for i in (0, *rounds)),
            ]
            row += (
                [float(prediction.limit_coefficients[k])] if prediction.limit_coefficients is not None else []
            )
            rows.append(row)
        output.table(columns, rows)


def print_rates(prediction: Prediction, output: Output) -> None:
    """Print the proved contraction and the rate of late rounds, by metric."""
    if not prediction.rates:
        return
    from ...recursion.law_distances import RATE_NAMES

    output.heading("Contraction of one round towards the limit")
    final = prediction.final_rates
    output.table(
        ["metric", "proved, at most", *(["in the end"] if final else [])],
        [
            [RATE_NAMES[metric], rate, *([final.get(metric)] if final else [])]
            for metric, rate in prediction.rates.items()
        ],
    )


def print_distances(distances: dict[str, Estimate], prediction: Prediction, output: Output) -> None:
    """Print the distances of the limit law to the data."""
    if not distances:
        return
    from ...recursion.law_distances import METRIC_NAMES

    output.heading("Distance of the limit law to the data")
    output.table(
        ["metric", "value", "error", "by"],
        [
            [METRIC_NAMES[name], value.value, value.error, value.route.replace("_", " ")]
            for name, value in distances.items()
        ],
    )


def print_caveats(caveats: list[str], output: Output) -> None:
    """Print what to know before using the numbers."""
    if caveats:
        output.heading("To know")
        for text in caveats:
            output.text(text, indent="- ")


def _document(
    config: Config,
    prediction: Prediction,
    distances: dict[str, Estimate],
    sentences: list[str],
    caveats: list[str],
) -> dict[str, object]:
    return {
        "command": "predict",
        "config": config.as_document(),
        "prediction": sentences,
        "half_degree": prediction.half_degree,
        "degrees": prediction.degrees,
        "factors": prediction.factors,
        "attenuation": prediction.attenuation,
        "contraction": prediction.contraction,
        "proved_rates": prediction.rates,
        "final_rates": prediction.final_rates,
        "distances_to_data": distances,
        "limit_age_count": None if prediction.limit is None else prediction.limit.age_count,
        "limit_error_bound": None if prediction.limit is None else prediction.limit.error_bound,
        "multi_indices": prediction.indices,
        "coefficients": prediction.coefficients,
        "limit_coefficients": prediction.limit_coefficients,
        "caveats": caveats,
    }


command = _command(run, uses=("target", "recursion", "analysis"), leaves=True)
