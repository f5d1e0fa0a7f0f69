"""hermite-collapse diagnose: which recursion a measured curve comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from ...core.errors import InputError
from ..config import Config
from .options import command as _command
from .output import Output

CurveFile = Annotated[
    Path | None,
    Parameter(help="Table (.csv, .txt) with columns such as: round, degree 1, degree 1 error, degree 2, ..."),
]
Kind = Annotated[
    str,
    Parameter(
        help="factors (share of a mode, 1 at the start), variances or distances to the data. Default: factors."
    ),
]
Fresh = Annotated[
    float | None, Parameter(help="Fresh fraction, if known, in [0, 1], dimensionless; fitted otherwise.")
]
Time = Annotated[float | None, Parameter(help="Truncation time, if known, in OU time; fitted otherwise.")]
Rate = Annotated[float, Parameter(help="theta of the process, per unit of OU time. Default: 0.5.")]


def run(
    config: Config,
    output: Output,
    curve: CurveFile = None,
    *,
    kind: Kind = "factors",
    fresh_fraction: Fresh = None,
    truncation_time: Time = None,
    rate: Rate = 0.5,
) -> int:
    """Read fresh fraction and truncation time off a curve measured round by round, with standard errors.

    Says so when no recursion fits; exit status 1 then.
    """
    from ...diagnosis.diagnosis import diagnose
    from ...storage.curves import read_curve

    if curve is None:
        raise InputError("diagnose must be given a table of a curve, got none.")
    table = read_curve(curve)
    diagnosis = diagnose(
        table.values,
        kind=kind,
        degrees=table.degrees if kind == "factors" else None,
        rounds=table.rounds,
        standard_errors=table.standard_errors,
        fresh_fraction=fresh_fraction,
        truncation_time=truncation_time,
        rate=rate,
    )
    output.heading(f"{curve.name}: {len(table.rounds)} rounds of {', '.join(table.names)}")
    output.text(diagnosis.text)
    output.heading("In the long run")
    output.table(
        ["column", "plateau", "standard error", "rounds to 99 %"],
        [
            [name, *row]
            for name, *row in zip(
                table.names,
                np.atleast_1d(diagnosis.plateau).tolist(),
                np.atleast_1d(diagnosis.plateau_error).tolist(),
                np.broadcast_to(diagnosis.rounds, len(table.names)).tolist(),
                strict=True,
            )
        ],
    )
    document = {
        "command": "diagnose",
        "curve": curve,
        "kind": kind,
        "fresh_fraction": diagnosis.fresh_fraction,
        "truncation_time": diagnosis.truncation_time,
        "plateau": diagnosis.plateau,
        "plateau_error": diagnosis.plateau_error,
        "rounds": diagnosis.rounds,
        "chi_square": diagnosis.chi_square,
        "freedom": diagnosis.freedom,
        "p_value": diagnosis.p_value,
        "fits": diagnosis.fits,
        "text": diagnosis.text,
    }
    output.keep(document, "diagnosis")
    output.document(document)
    return 0 if diagnosis.fits else 1


command = _command(run, uses=(), leaves=True)
