"""hermite-collapse diagnose: which mechanisms measured curves do not contradict, and what they determine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter

from ...core.errors import InputError
from ..config import Config
from ..samplers import CLOSED_FORMS
from .options import command as _command
from .output import Output

if TYPE_CHECKING:
    from ...diagnosis.fits.fitting import MechanismFit
    from ...diagnosis.measuring.measured import Measured
    from ...diagnosis.result import Diagnosis
    from ...storage.curves import Curve

CurveFile = Annotated[
    Path | None,
    Parameter(
        help="Table (.csv, .txt, .tsv, .md, .tex, .jsonl) with columns such as: round, degree 1, degree 1 error, ...; "
        "or what measure left."
    ),
]
Kind = Annotated[
    str | None,
    Parameter(
        help="factors (share of a mode, 1 at the start), variances, deviations (standard deviations), distances "
        "(W2, total variation, recall, ...) or squared_distances (FID, KID, KL, ...). What the columns say, without."
    ),
]
Fresh = Annotated[
    float | None, Parameter(help="Fresh fraction, if known, in [0, 1], dimensionless; fitted otherwise.")
]
Times = Annotated[
    list[float] | None,
    Parameter(
        help="Truncation time, if known, in OU time, or those of rounds 1, 2, ...; fitted otherwise.",
        consume_multiple=True,
        negative=(),
    ),
]
Factor = Annotated[
    bool,
    Parameter(help="The truncation times of rounds are known up to a factor, which is fitted.", negative=()),
]
Rate = Annotated[float, Parameter(help="theta of the process, per unit of OU time. Default: 0.5.")]
Mechanism = Annotated[
    str | None,
    Parameter(
        help="The only mechanism to try: truncation, blur, refit, score_error, autoencoder, sampler or affine. All, "
        "without."
    ),
]
Columns = Annotated[
    list[str] | None,
    Parameter(
        help="Roles of columns, as NAME=ROLE: round, degree N, variance, deviation, distance, value, error of NAME, "
        "name, run, runs (how many), time or ignore.",
        consume_multiple=True,
        negative=(),
    ),
]
Data = Annotated[
    list[float] | None,
    Parameter(
        help="Values of the data, one a column, where the table has no round 0.",
        consume_multiple=True,
        negative=(),
    ),
]
Scheduler = Annotated[
    Path | None,
    Parameter(
        help=f"Sampler to try besides: {', '.join(CLOSED_FORMS)}, or a diffusers scheduler's file or folder."
    ),
]
Runs = Annotated[
    float | None,
    Parameter(
        help="Of how many runs each value is the mean, a count, where the table does not say; inf for exact errors."
    ),
]
Regime = Annotated[
    str | None,
    Parameter(
        help="What each round trained on: replace (fresh data and the last generation), accumulate (the data and all "
        "generations) or accumulate_with_fresh. Without it, and without a fresh fraction, all are tried."
    ),
]
Noise = Annotated[
    str | None,
    Parameter(
        help="How errors of different rounds belong together: independent, between_runs (scatter of runs that pass "
        "their noise on), own_samples (of samples that train the next round) or training_sets (independent beside the "
        "noise of training sets). What the curves do not contradict, without."
    ),
]
TrainingSamples = Annotated[
    int | None,
    Parameter(
        help="Samples that each model of a single run saw, a count: their noise is added to errors of variances, or is "
        "the error where the table has none."
    ),
]
Steps = Annotated[int | None, Parameter(help="Its number of steps, a count. 25, without.")]
_STEPS = 25


def run(
    config: Config,
    output: Output,
    curve: CurveFile = None,
    *,
    kind: Kind = None,
    fresh_fraction: Fresh = None,
    truncation_time: Times = None,
    fit_factor: Factor = False,
    rate: Rate = 0.5,
    mechanism: Mechanism = None,
    columns: Columns = None,
    data: Data = None,
    runs: Runs = None,
    regime: Regime = None,
    noise: Noise = None,
    training_samples: TrainingSamples = None,
    sampler: Scheduler = None,
    steps: Steps = None,
) -> int:
    """Say which mechanisms curves measured round by round do not contradict, and what the curves determine.

    Truncation, blur, refitting, an error of the score, an autoencoder, a given sampler, and the law of all of them: a
    rate and a plateau. Exit status 1 where everything that was tried is rejected. Distances to the data (FID, W2, ...)
    mix directions of several rates: they are fitted to leading order, and reject nothing.
    """
    from ...diagnosis.diagnosis import diagnose
    from ...diagnosis.measuring.measured import Measured
    from ..cost import MINUTE, cost_of_diagnosis, cost_of_table, expected_time, require_affordable
    from ..samplers import sampler_of

    if curve is None:
        raise InputError("diagnose must be given a table of a curve or what measure left, got none.")
    if steps is not None and sampler is None:
        raise InputError(f"steps must be left out without a sampler, got {steps!r}: give one with --sampler.")
    if curve.is_file():
        require_affordable(cost_of_table(curve.stat().st_size), yes=output.yes)
    measured = _read(curve, columns)
    cost = cost_of_diagnosis(len(measured.rounds), len(measured.names), joint=isinstance(measured, Measured))
    require_affordable(cost, yes=output.yes, within=MINUTE)
    output.tell_time(expected_time(cost))
    times = (
        None
        if truncation_time is None
        else truncation_time[0]
        if len(truncation_time) == 1
        else truncation_time
    )
    diagnosis = diagnose(
        measured,
        kind=kind,
        fresh_fraction=fresh_fraction,
        truncation_time=times,
        fit_factor=fit_factor,
        rate=rate,
        mechanism=mechanism,
        runs=runs,
        regime=regime,
        noise=noise,
        training_samples=training_samples,
        data=None if data is None else np.array(data) if len(data) > 1 else data[0],
        sampler=None
        if sampler is None
        else sampler_of(sampler, argument="sampler")(_STEPS if steps is None else steps, None),
    )
    used = {} if isinstance(measured, Measured) else dict(measured.columns)
    names = diagnosis.observations.names
    output.heading(f"{curve.name}: {len(measured.rounds)} rounds of {_listed(names)}")
    if used:
        output.text("Columns: " + ", ".join(f"{name!r} as {role}" for name, role in used.items()) + ".")
    for note in measured.notes:
        if note not in diagnosis.text:
            output.text(note)
    output.text(diagnosis.text)
    _print_mechanisms(diagnosis, output)
    output.heading("In the long run")
    output.table(
        ["column", "plateau", "rounds to 99 %"],
        [
            [name, plateau, "undetermined" if np.isnan(rounds) else rounds]
            for name, plateau, rounds in diagnosis.long_run
        ],
    )
    document = _document(curve, diagnosis, used, list(measured.notes), runs)
    if output.folder is not None:
        from ...reporting.diagnosis import diagnosis_page

        output.leave(diagnosis_page(diagnosis, source=str(curve), notes=measured.notes))
    output.keep(document, "diagnosis")
    output.document(document)
    return 1 if diagnosis.fits is False else 0


def _read(path: Path, columns: list[str] | None) -> Curve | Measured:
    """Return the table or the measured generations in a file or folder."""
    from ...diagnosis.measuring.measured import Measured
    from ...storage.curves import read_curve

    if path.is_dir() or path.suffix.lower() == ".nc":
        if columns:
            raise InputError(f"columns must be left out with what measure left, got {columns!r}.")
        if path.is_dir() and not list(path.glob("*.nc")):
            raise InputError(
                f"curve must be a table or a folder that measure wrote, got the folder {str(path)!r} without curves: "
                "hermite-collapse measure --data REAL --generations FOLDERS --out CURVES makes them."
            )
        return Measured.load(path)
    roles: dict[str, str] = {}
    for entry in columns or ():
        name, sign, role = entry.rpartition("=")
        if not sign or not name or not role:
            raise InputError(f"columns must be given as NAME=ROLE, got {entry!r}.")
        if name in roles:
            raise InputError(
                f"columns must name a column once, got {name!r} as {roles[name]!r} and as {role!r}."
            )
        roles[name] = role
    return read_curve(path, roles)


def _print_mechanisms(diagnosis: Diagnosis, output: Output) -> None:
    from ...diagnosis.sentences import outcome, parameters

    output.heading("Mechanisms")
    output.table(
        ["mechanism", "chi-square", "freedom", "p", "verdict"],
        [
            [
                title,
                one.chi_square,
                one.freedom,
                None if np.isnan(one.p_value) else one.p_value,
                outcome(one, diagnosis.observations),
            ]
            for title, one in diagnosis.every_fit
        ],
    )
    for title, one in diagnosis.every_fit:
        if not one.is_rejected and one.name != "affine":
            output.text(f"If {title}: {parameters(one)}.")


def _document(
    curve: Path, diagnosis: Diagnosis, columns: dict[str, str], notes: list[str], given: float | None
) -> dict[str, object]:
    from ...diagnosis.sentences import critical_share

    is_tested = diagnosis.observations.has_errors  # else chi-square has no unit
    return {
        "command": "diagnose",
        "curve": curve,
        "columns": columns,
        "verdict": diagnosis.verdict,
        "accepted": list(diagnosis.accepted),
        "fresh_fraction": diagnosis.fresh_fraction,
        "truncation_time": diagnosis.truncation_time,
        "regime": diagnosis.regime,
        **_runs(diagnosis, given),
        "noise": diagnosis.noise,
        "critical_share": critical_share(diagnosis.fits_by_mechanism, diagnosis.verdict, diagnosis.leading),
        "mechanisms": _mechanisms(diagnosis.fits_by_mechanism, is_tested=is_tested),
        "other_regimes": {
            regime: _mechanisms(fits, is_tested=is_tested) for regime, fits in diagnosis.other_regimes.items()
        },
        "plateau": diagnosis.plateau,
        "plateau_error": diagnosis.plateau_error,
        "rounds": diagnosis.rounds,
        "chi_square": diagnosis.chi_square if is_tested else None,
        "freedom": diagnosis.freedom,
        "p_value": diagnosis.p_value,
        "fits": diagnosis.fits,
        "notes": notes,
        "text": diagnosis.text,
    }


def _mechanisms(fits: dict[str, MechanismFit], *, is_tested: bool) -> dict[str, dict[str, object]]:
    return {
        name: {
            "parameters": one.parameters,
            "chi_square": one.chi_square if is_tested else None,
            "freedom": one.freedom,
            "p_value": one.p_value,
        }
        for name, one in fits.items()
    }


def _runs(diagnosis: Diagnosis, given: float | None) -> dict[str, object]:
    """Return of how many runs values were taken to be means, one number or one a column, and who says it."""
    by_column = diagnosis.observations.runs
    if diagnosis.apparent_runs is not None:
        return {"runs": diagnosis.apparent_runs, "runs_from": "scatter"}
    if by_column is None:
        return {"runs": None, "runs_from": None}
    numbers = [int(number) if number % 1.0 == 0.0 else number for number in by_column.tolist()]
    return {
        "runs": numbers[0] if len(set(numbers)) == 1 else numbers,
        "runs_from": "table" if given is None else "given",
    }


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


command = _command(run, uses=(), leaves=True)
