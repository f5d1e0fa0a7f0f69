"""hermite-collapse measure: from folders or files of generations to curves by round with their covariance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter

from ...core.errors import InputError
from ..config import Config
from .options import command as _command
from .output import Output

if TYPE_CHECKING:
    from ...diagnosis.measuring.measured import Measured

FILE = "measured.nc"

Data = Annotated[
    Path | None,
    Parameter(
        help="Real samples: a folder of images or a file, what the models were trained on unless --unseen."
    ),
]
Generations = Annotated[
    list[Path] | None,
    Parameter(
        help="Folders or files, one a generation, or a pattern in quotes such as 'gen_*'; in natural order.",
        consume_multiple=True,
        negative=(),
    ),
]
Directions = Annotated[int, Parameter(help="Number of principal directions, a count. Default: 16.")]
Degrees = Annotated[int, Parameter(help="Highest Hermite degree. Default: 4.")]
Scale = Annotated[
    float | None,
    Parameter(
        help="x = (p - shift) / scale of the numbers p in the files. Default: images become [-1, 1], other numbers "
        "stay, and sets that seem to be in two units are refused."
    ),
]
Shift = Annotated[float | None, Parameter(help="As for --scale. Default: 0 where --scale is given.")]
ValueRange = Annotated[
    list[float] | None,
    Parameter(
        help="The two numbers in the files that are -1 and 1, instead of --scale and --shift.",
        consume_multiple=True,
        negative=(),
    ),
]
HeldOut = Annotated[Path | None, Parameter(help="Real samples that no model saw, besides --data.")]
Unseen = Annotated[
    bool, Parameter(help="--data are samples that no model saw: they carry a sampling error.", negative=())
]
TrainingSamples = Annotated[
    int | None,
    Parameter(
        help="Samples in each training set, a count. Default: what is measured, and all data; where diagnose then "
        "rejects, it tries other sizes, and says undetermined where all depends on the size."
    ),
]
Apart = Annotated[
    bool | None,
    Parameter(
        help="The generations' samples are others than those that trained the next model (--no-apart: the same); with "
        "--training-samples. Default: the same, and diagnose tries both before it rejects."
    ),
]
FirstRound = Annotated[
    int | None,
    Parameter(
        help="Round of the first generation: 0 for the data, 1 for a model trained on them. Default: by the names."
    ),
]


def run(
    config: Config,
    output: Output,
    *,
    data: Data = None,
    generations: Generations = None,
    directions: Directions = 16,
    degrees: Degrees = 4,
    scale: Scale = None,
    shift: Shift = None,
    value_range: ValueRange = None,
    held_out: HeldOut = None,
    unseen: Unseen = False,
    training_samples: TrainingSamples = None,
    apart: Apart = None,
    first_round: FirstRound = None,
) -> int:
    """Measure samples of every generation: variances by direction, shares by Hermite degree, power by frequency.

    --out M leaves the curves with their joint covariance, for hermite-collapse diagnose M, and a sheet of samples.
    """
    from ...diagnosis.measuring.choice import MOST_PARTNERS
    from ...diagnosis.measuring.measure import measure
    from ...storage.extents import extent_of
    from ...storage.order import matching
    from ..cost import cost_of_measurement, require_affordable

    if data is None or not generations:
        raise InputError(
            "measure must be given --data and --generations, got no "
            + ("data." if data is None else "generations.")
        )
    sources = matching(generations, "generations")
    sizes = [extent_of(path) for path in (data, *sources)]
    if sizes[0] is not None:
        known = [size for size in sizes if size is not None]
        cost = cost_of_measurement(known, directions=directions, degrees=degrees, partners=MOST_PARTNERS)
        require_affordable(cost, yes=output.yes)
    measured = measure(
        data,
        sources,
        directions=directions,
        degrees=degrees,
        scale=scale,
        shift=shift,
        value_range=value_range,
        held_out=held_out,
        unseen=unseen,
        training_samples=training_samples,
        apart=apart,
        first_round=first_round,
    )
    _print(measured, data, output)
    if output.folder is not None:
        from ...reporting.measured import measured_page

        measured.save(output.make_folder(config) / FILE)
        output.leave(measured_page(measured, source=str(data)))
    document = _document(measured, data)
    output.keep(document, "measured")
    output.document(document)
    return 0


def _print(measured: Measured, data: Path, output: Output) -> None:
    output.heading(f"{data.name}: {measured.data_samples} samples; {measured.units}")
    named = zip(measured.labels, measured.rounds, measured.samples, strict=True)
    output.table(["generation", "round", "samples"], [[label, int(i), int(n)] for label, i, n in named])
    for note in (*measured.notes, measured.clipping.text):
        output.text(note)
    output.heading("Curves")
    shown = sorted({0, len(measured.rounds) - 1})
    errors = measured.standard_errors
    rows = zip(
        measured.names,
        measured.data.tolist(),
        *([values[i].tolist() for i in shown for values in (measured.values, errors)]),
        strict=True,
    )
    heads = [word for i in shown for word in (f"round {measured.rounds[i]}", "error")]
    output.table(["curve", "data", *heads], [list(row) for row in rows])


def _document(measured: Measured, data: Path) -> dict[str, object]:
    clipping = measured.clipping
    return {
        "command": "measure",
        "data": data,
        "units": measured.units,
        "generations": measured.labels,
        "rounds": measured.rounds,
        "samples": measured.samples,
        "curves": [
            {
                "name": name,
                "kind": kind,
                "number": float(number),
                "data": float(start),
                "values": values,
                "standard_errors": errors,
            }
            for name, kind, number, start, values, errors in zip(
                measured.names,
                measured.kinds,
                measured.numbers,
                measured.data,
                measured.values.T,
                measured.standard_errors.T,
                strict=True,
            )
        ],
        "data_error": np.sqrt(np.diagonal(measured.data_covariance)),
        "clipping": {
            "ends": clipping.ends,
            "shares": clipping.shares,
            "largest_bias": float(np.abs(clipping.bias).max()),
            "is_biased": clipping.is_biased,
            "text": clipping.text,
        },
        "notes": measured.notes,
    }


command = _command(run, uses=(), leaves=True)
