"""hermite-collapse sweep: predict or compare at many settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter

from ...core.errors import InputError
from ..config import Config
from .options import command as _command
from .output import UNTESTED, Output

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from xarray import Dataset

    from ..sweep import Sweep

Resume = Annotated[bool, Parameter(help="Continue the sweep that the folder holds.", negative=())]


def run(config: Config, output: Output, *, resume: Resume = False) -> int:
    """Predict or compare over a grid or a list of settings; every core, or a Dask cluster.

    The keys that vary and their values stand in the file, under [sweep.values].  Each finished point is kept, and an
    interrupted sweep continues with --resume.  Exit status 1 if a comparison rejects the theory anywhere,
    4 if comparisons could test nothing at all.
    """
    from ...storage.claims import holds_work
    from ..asked import asked_of_sweep
    from ..cost import require_affordable
    from ..sweep import cost_of_sweep, failure_text, finished_points, plan_sweep, run_sweep

    sweep = plan_sweep(config)
    require_affordable(cost_of_sweep(sweep), yes=output.yes)
    total = len(sweep.configs)
    folder = output.folder if output.folder is not None else Path("runs") / f"{config.target.label}-sweep"
    if holds_work(folder, asked_of_sweep(config)) and not resume:
        raise InputError(
            f"out must be empty unless --resume is given, got {str(folder)!r} with {finished_points(folder)} of "
            f"{total} points done."
        )
    failed: dict[int, str] = {}
    with output.progress("points") as advance:
        dataset = run_sweep(sweep, folder, progress=advance, failures=failed)
    drawn = _heat_map(sweep, dataset)
    output.heading(f"{config.target.label}: {len(sweep.configs)} points over {', '.join(sweep.keys)}")
    _print(sweep, dataset, output)
    output.folder = folder
    output.leave_printed("Many settings", drawn, config=config, facts=_asked(sweep))
    output.text(f"Written to {folder}: results.nc, report.html{', figures' if drawn else ''}.")
    rejected = int(dataset["rejected"].sum()) if "rejected" in dataset else 0
    output.document(
        {
            "command": "sweep",
            "config": config.as_document(),
            "folder": folder,
            "keys": sweep.keys,
            "points": [dict(zip(sweep.keys, setting, strict=True)) for setting in sweep.settings],
            "rejected": rejected,
            "failed": failed,
            "data": {name: {"dims": v.dims, "values": v.values} for name, v in dataset.data_vars.items()},
        }
    )
    if failed:
        raise InputError(failure_text(sweep, failed))
    if rejected:
        return 1
    is_tested = "largest_z" not in dataset or bool(dataset["largest_z"].notnull().any())
    return 0 if is_tested else UNTESTED


def _print(sweep: Sweep, dataset: Dataset, output: Output) -> None:
    """Print one row a point: its settings and the numbers that matter most."""
    wanted = [
        "half_degree",
        "distance_total_variation",
        "distance_wasserstein2",
        "distance_bures",
        "largest_z",
        "rejected",
    ]
    names = [name for name in wanted if name in dataset]
    if "distance_wasserstein2" in names:
        names.remove("distance_bures")  # only a lower bound of it
    flat = {name: np.reshape(dataset[name].values, -1) for name in names}
    titles = {
        "half_degree": "half degree",
        "distance_total_variation": "TV to data",
        "distance_wasserstein2": "W2 to data",
        "distance_bures": "Bures to data",
        "largest_z": "largest z",
    }
    output.table(
        [*sweep.keys, *(titles.get(name, name) for name in names)],
        [
            [*map(_shown, setting), *(float(flat[name][i]) for name in names)]
            for i, setting in enumerate(sweep.settings)
        ],
        keys=len(sweep.keys),
    )


def _asked(sweep: Sweep) -> list[tuple[str, str]]:
    """Return what the page says was asked: what varies, and what is the same at every point."""
    from ...reporting import words

    fixed = {"fresh fraction α": "fresh_fraction", "truncation": "truncation_time"}
    same = words.question(sweep.configs[0].build_recursion())
    varied = []
    for k, key in enumerate(sweep.keys):
        values = dict.fromkeys(_shown(setting[k]) for setting in sweep.settings)
        varied.append((f"{key}, varied", ", ".join(values)))
    return [*varied, *((name, value) for name, value in same if fixed.get(name, "") not in sweep.keys)]


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _heat_map(sweep: Sweep, dataset: Dataset) -> dict[str, Figure]:
    """Draw the half-amplitude degree over fresh fraction and truncation time, if these are what varies."""
    pair = ("fresh_fraction", "truncation_time")
    if not sweep.is_grid or set(sweep.keys) != set(pair) or "half_degree" not in dataset:
        return {}
    values = dataset["half_degree"].transpose(*pair).sortby(list(pair))
    if min(values.shape) < 2 or any(float(values[key].min()) <= 0.0 for key in pair):
        return {}  # log axes, and something to compare
    from ... import figures
    from ...advice.samplers import KNOWN_SAMPLERS
    from ...figures.style import figure_of

    rate = sweep.config.recursion.rate
    axes = figures.draw_parameter_map(
        fresh_fraction=values["fresh_fraction"].values,
        truncation_time=values["truncation_time"].values,
        values=values.values,
        label="half-amplitude degree",
        rate=rate,
        logarithmic=True,
        # Their times are in the unit of rate 1/2; the time to one noise level is inversely proportional to the rate.
        marks={name: s.truncation_time * 0.5 / rate for name, s in KNOWN_SAMPLERS.items()},
    )
    words = (
        "Degree of which the limit keeps half the amplitude, by fresh fraction α and truncation time t₀. On a red line "
        "λ = α / (θ t₀) is the same, θ the rate, and so, nearly, is the limit. Dashed: where well-known samplers stop "
        "(names as for schedule --known; papers: the experiments of the theory’s papers)."
    )
    return {"half_degree": figures.describe(figure_of(axes), "half_degree", words)}


command = _command(run, uses=("target", "recursion", "analysis", "simulation", "sweep"))
