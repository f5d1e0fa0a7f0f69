"""hermite-collapse spectrum: energy by Hermite degree of a law or of samples, and what the recursion leaves of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from ...core import checks
from ...core.errors import InputError
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
    from ...storage.samples import read_samples

    count = checks.integer(most, "most", 4)
    law = config.target.build_law()
    degree = config.analysis.degree_in(law.dimension)
    other = None if against is None else read_samples(against, scale=config.target.scale)
    samples = getattr(law, "samples", None)
    if other is not None and samples is None:
        raise InputError(
            f"against must come with samples as the target, got {str(against)!r} with {config.target.label}."
        )
    left = _left(config, degree)
    title(config, output)
    document: dict[str, Any] = {
        "command": "spectrum",
        "config": config.model_dump(mode="json", exclude_none=True),
        "degree": np.arange(degree + 1),
        "share_left": left,
    }
    if samples is None:
        energy = law.degree_energy(degree)
        columns = ["degree", "energy"]
        rows = [[n, float(e)] for n, e in enumerate(energy)]
        document |= {"energy": energy}
    else:
        from ... import degree_spectrum

        rng = np.random.default_rng(config.simulation.seed)
        chosen = _subset(samples, count, rng)
        found = degree_spectrum(chosen, None if other is None else _subset(other, count, rng), degree=degree)
        columns = ["degree", "energy", "standard error", "noise floor"]
        rows = [
            [n, float(found.energy[n]), float(found.standard_error[n]), float(found.noise_floor[n])]
            for n in range(degree + 1)
        ]
        document |= {name: getattr(found, name) for name in ("energy", "standard_error", "noise_floor")}
        document |= {"resolvable_degree": found.resolvable_degree, "samples_used": len(chosen)}
        output.text(
            f"{len(chosen)} of {len(samples)} samples used. Highest degree that stands out of the noise: "
            f"{found.resolvable_degree}."
        )
    output.heading("Energy by Hermite degree" if against is None else "Inner products by Hermite degree")
    if left is not None:
        columns.append("left by the limit")
        rows = [[*row, row[1] * float(share)] for row, share in zip(rows, left, strict=True)]
    output.table(columns, rows)
    if output.folder is not None:
        _draw(document, left, output.make_folder(config) / "figures" / "spectrum")
    output.keep(document, "spectrum")
    output.document(document)
    return 0


def _draw(document: dict[str, Any], left: np.ndarray | None, path: Path) -> None:
    """The energies and, where they can be told, those the limit leaves; nothing if none is positive."""
    from ... import figures
    from ...figures.style import figure_of

    if np.all(np.asarray(document["energy"])[1:] <= 0.0):
        return
    names = ("energy", "standard_error", "noise_floor", "resolvable_degree")
    axes = figures.draw_spectrum(
        **{name: document[name] for name in names if name in document},
        predicted=None if left is None else document["energy"] * left,
    )
    figures.save(figure_of(axes), path)


def _subset(samples: Any, count: int, rng: np.random.Generator) -> Any:
    if len(samples) <= count:
        return np.asarray(samples)
    return np.asarray(samples[np.sort(rng.choice(len(samples), size=count, replace=False))])


def _left(config: Config, degree: int) -> np.ndarray | None:
    """Share of each energy in the limit law, g_n^2; None where degrees do not evolve one by one to a limit."""
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


command = _command(run, uses=("target", "recursion", "analysis"))
