"""hermite-collapse spectrum: energy by Hermite degree of a law or of samples, and what the recursion leaves of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from ...core import checks
from ...core.errors import InputError
from ...core.types import FloatArray
from ..config import Config
from .options import command as _command
from .output import Output
from .predict import title

Against = Annotated[
    Path | None,
    Parameter(help="Second file of samples, independent of the first: inner products instead of energies."),
]
Most = Annotated[
    int, Parameter(help="Samples used of each file, a count; time grows with the square. Default: 20000.")
]


def run(config: Config, output: Output, *, against: Against = None, most: Most = 20_000) -> int:
    """Energy of the data by Hermite degree: exact for a mixture, unbiased with standard errors for samples.

    For samples the highest degree that stands out of the noise is named; energies beyond it say nothing.
    --out keeps the numbers and their figure.
    """
    from ... import figures
    from ...figures.style import figure_of
    from ...laws.empirical import EmpiricalLaw
    from ..cost import cost_of_prediction, require_affordable

    count = checks.integer(most, "most", 4)
    law = config.target.build_law()
    degree = config.analysis.degree_in(law.dimension)
    require_affordable(cost_of_prediction(config, law.dimension), yes=output.yes)
    other = None if against is None else config.target.read(against)
    if other is not None and not isinstance(law, EmpiricalLaw):
        raise InputError(
            f"against must come with samples as the target, got {str(against)!r} with {config.target.label}."
        )
    left = _left(config, degree)
    title(config, output)
    document: dict[str, object] = {
        "command": "spectrum",
        "config": config.as_document(),
        "degree": np.arange(degree + 1),
        "share_left": left,
    }
    if isinstance(law, EmpiricalLaw):
        from ...hermite.degree import degree_spectrum

        rng = np.random.default_rng(config.simulation.seed)
        used = _subset(law.samples, count, rng)
        spectrum = degree_spectrum(used, None if other is None else _subset(other, count, rng), degree=degree)
        columns = {
            "energy": spectrum.energy,
            "standard_error": spectrum.standard_error,
            "noise_floor": spectrum.noise_floor,
        }
        resolvable = spectrum.resolvable_degree
        document |= {"resolvable_degree": resolvable, "samples_used": len(used)}
        output.text(
            f"{len(used)} of {len(law.samples)} samples used. Highest degree that stands out of the noise: "
            f"{resolvable}."
        )
    else:
        columns, resolvable = {"energy": law.degree_energy(degree)}, None
    document |= columns
    output.heading("Energy by Hermite degree" if against is None else "Inner products by Hermite degree")
    predicted = None if left is None else columns["energy"] * left
    shown = columns if predicted is None else columns | {"left_by_the_limit": predicted}
    output.table(
        ["degree", *(name.replace("_", " ") for name in shown)],
        [[n, *(float(column[n]) for column in shown.values())] for n in range(1, degree + 1)],
    )
    if output.folder is not None:
        output.make_folder(config)
        drawn = {}
        if np.any(columns["energy"][1:] > 0.0):
            axes = figures.draw_spectrum(
                energy=columns["energy"],
                standard_error=columns.get("standard_error"),
                noise_floor=columns.get("noise_floor"),
                resolvable_degree=resolvable,
                label="data",
                predicted=predicted,
                predicted_label="left by the limit",
            )
            drawn["spectrum"] = figures.describe(figure_of(axes), "spectrum", _caption(columns, predicted))
        output.leave_printed("Energy by Hermite degree", drawn, config=config)
    output.keep(document, "spectrum")
    output.document(document)
    return 0


def _caption(columns: dict[str, FloatArray], predicted: FloatArray | None) -> str:
    measured = "standard_error" in columns
    points = "estimates with one standard error; hollow: lost in the noise" if measured else "exact"
    line = "" if predicted is None else " Line: what the limit of the recursion leaves of it."
    return f"Energy of the data by Hermite degree: {points}.{line}"


def _subset(samples: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Return so many of the samples at random, in their order; all of them if there are no more."""
    if len(samples) <= count:
        return np.asarray(samples)
    return np.asarray(samples[np.sort(rng.choice(len(samples), size=count, replace=False))])


def _left(config: Config, degree: int) -> FloatArray | None:
    """Return the share of each energy in the limit, g_n^2; None where degrees do not evolve by themselves to one."""
    section = config.recursion
    plain = section.schedule == "constant" and section.process == "ornstein_uhlenbeck" and section.blur == 0.0
    if not plain or section.regime == "accumulate":
        return None
    from ...recursion.modes import attenuation

    shares = attenuation(
        np.arange(degree + 1),
        fresh_fraction=section.fresh_fraction,
        truncation_time=section.truncation_time,
        rate=section.rate,
    )
    return np.asarray(shares) ** 2


command = _command(run, uses=("target", "recursion", "analysis"), keys=("seed",), leaves=True)
