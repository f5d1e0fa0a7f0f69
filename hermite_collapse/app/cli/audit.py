"""hermite-collapse audit: what a sampler and the loop around it do to data, and what to change first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from cyclopts import Parameter

from ...advice.audit import CLOSURE, Audit, audit
from ...advice.directions import DecodedDirections
from ...advice.fresh_fractions import FRACTIONS, WORDS
from ...core import checks
from ...core.errors import InputError
from ...pipeline.denoiser import Sampler
from ...pipeline.guidance import Guidance
from ...pipeline.mechanism import Mechanism
from ...pipeline.pipeline import Pipeline
from ...pipeline.probed_steps import ProbedSteps
from ..audit_data import AuditData, read_directions
from ..config import Config
from ..cost import MINUTE, cost_of_audit, expected_time, require_affordable
from ..samplers import CLOSED_FORMS, sampler_of
from .options import command as _command
from .output import Output

DIRECTIONS, GUIDED_DIRECTIONS = (
    9,
    5,
)  # looked at where parameters differ between directions; guided and decoded

Scheduler = Annotated[
    Path | None,
    Parameter(
        help="A diffusers scheduler: scheduler_config.json, its folder or a whole pipeline's folder; or one of "
        f"{', '.join(CLOSED_FORMS)}, which need neither torch nor diffusers."
    ),
]
Steps = Annotated[int, Parameter(help="Number of inference steps, a count. Default: 25.")]
Fresh = Annotated[
    float, Parameter(help="Share of fresh real data in every round, in [0, 1], dimensionless. Default: 0.1.")
]
Images = Annotated[
    int | None, Parameter(help="Training images of every round, a count; infinitely many without.")
]
Scale = Annotated[
    float | None,
    Parameter(help="Guidance scale, >= 1, dimensionless (1 is none); needs samples with classes."),
]
Labels = Annotated[
    Path | None,
    Parameter(
        help="File with one whole number a sample, its class, for the class means; or with the names of images and "
        "their classes, as in a.png,0."
    ),
]
Samples = Annotated[
    Path | None,
    Parameter(
        help="Real data in the units of the model: a folder of images, or of class folders of images, or an array of "
        "latents. A stated spectrum without."
    ),
]
SampleScale = Annotated[
    float | None,
    Parameter(
        help="Number by which samples and decoded samples are divided, > 0, where files hold other units: latents of "
        "Stable Diffusion before their factor 0.18215 take 5.49."
    ),
]
Decoded = Annotated[
    Path | None,
    Parameter(help="The same samples under the same names after one decode and encode: the autoencoder."),
]
Tolerance = Annotated[
    float,
    Parameter(help="Relative deviation of the limit that is asked for, > 0, dimensionless. Default: 0.1."),
]
Denoiser = Annotated[
    str | None,
    Parameter(help="What a network for few steps is taken for: posterior_mean or flow_map."),
]


DecodedAgain = Annotated[
    Path | None,
    Parameter(help="The same after a second one: refits an autoencoder that is not linear on what it made."),
]


def run(
    config: Config,
    output: Output,
    scheduler: Scheduler = None,
    *,
    steps: Steps = 25,
    fresh_fraction: Fresh = 0.1,
    images: Images = None,
    guidance: Scale = None,
    labels: Labels = None,
    samples: Samples = None,
    scale: SampleScale = None,
    decoded: Decoded = None,
    decoded_again: DecodedAgain = None,
    tolerance: Tolerance = 0.1,
    denoiser: Denoiser = None,
) -> int:
    """Say what a sampler's steps, guidance, images and autoencoder do to data in the long run.

    Each alone and all together, which of them to change first, and what would be enough. Exact for Gaussian
    directions, a Gaussian closure for other data; errors of the learned score are not in it. --out keeps one page and
    a figure.
    """
    if scheduler is None:
        raise InputError(
            f"audit must be given a scheduler, a pipeline's folder or one of {', '.join(CLOSED_FORMS)}, got none."
        )
    if guidance == 1.0 and labels is None:  # none, for which no class means are needed
        guidance = None
    _check_companions(guidance, labels, samples, scale, decoded, decoded_again)
    loop = _Loop(
        checks.fraction(fresh_fraction),
        images,
        None if guidance is None else Guidance(_scale_of(guidance), 0.0),
        checks.positive(tolerance, "tolerance"),
        checks.integer(steps, "steps", minimum=1),
    )
    data = read_directions(samples, labels, decoded, decoded_again, guided=guidance is not None, scale=scale)
    notes = [*data.notes]
    if images is not None and data.directions is not None and data.directions.classes > 1:
        classes = data.directions.classes
        loop = loop._replace(images=max(checks.integer(images, "images", minimum=2) // classes, 2))
        notes.append(
            f"Of {images} images a round {loop.images} are of each of {classes} classes, as guidance sees."
        )
    make, count = sampler_of(scheduler, denoiser), loop.steps
    cost = cost_of_audit(count, probed=scheduler.exists(), guided=loop.guidance is not None)
    require_affordable(cost, yes=output.yes, within=MINUTE)
    output.tell_time(expected_time(cost))
    sampler = make(count, loop.guidance)
    result = _audit(lambda count: make(count, None), sampler, data, loop)
    notes = [*(sampler.notes if isinstance(sampler, ProbedSteps) else ()), *notes]
    _print(result, data, notes, output)
    document = {
        "command": "audit",
        "scheduler": scheduler,
        "steps": steps,
        "fresh_fraction": loop.fresh_fraction,
        "images": images,
        "guidance": guidance,
        **_findings(result),
        "last_step": sampler.ending._asdict(),
        "autoencoder": None
        if data.autoencoder is None
        else _autoencoder(data.autoencoder, loop.fresh_fraction),
        "notes": notes,
    }
    if output.folder is not None:
        from ...reporting.audit import audit_page

        output.keep(document, "audit")
        output.leave(audit_page(result, notes=notes))
    output.document(document)
    return 0


class _Loop(NamedTuple):
    """What stands around the sampler."""

    fresh_fraction: float
    images: int | None
    guidance: Guidance | None
    tolerance: float
    steps: int


def _check_companions(
    guidance: float | None,
    labels: Path | None,
    samples: Path | None,
    scale: float | None,
    decoded: Path | None,
    decoded_again: Path | None,
) -> None:
    """Check that options stand beside those that they need."""
    if guidance is not None and samples is None:
        raise InputError(
            "guidance must come with class means, from samples in class folders or samples with labels, got no samples."
        )
    if labels is not None and guidance is None:
        raise InputError(
            f"labels must come with guidance, which needs class means, got {str(labels)!r} without it."
        )
    if scale is not None and samples is None:
        raise InputError(f"scale must come with samples, got {scale!r} without them.")
    if decoded is not None and samples is None:
        raise InputError(f"decoded must come with samples, got {str(decoded)!r} without them.")
    if decoded_again is not None and decoded is None:
        raise InputError(f"decoded_again must come with decoded, got {str(decoded_again)!r} without it.")


def _scale_of(guidance: float) -> float:
    """Return a guidance scale, refused by the name of its option."""
    if not checks.real(guidance, "guidance") >= 1.0:
        raise InputError(f"guidance must be >= 1 (1 is none), got {guidance!r}.")
    return guidance


def _audit(build: Callable[[int], Sampler], sampler: Sampler, data: AuditData, loop: _Loop) -> Audit:
    """Return the audit: of one pipeline for all directions, or of one for each where parameters differ."""
    alpha, guidance = loop.fresh_fraction, loop.guidance
    directions, decoded = data.directions, data.autoencoder
    if directions is None or (guidance is None and decoded is None):
        pipeline = Pipeline([sampler], fresh_fraction=alpha, images=loop.images)
        given = None if directions is None else directions.variances
        return audit(
            pipeline,
            directions=given,
            tolerance=loop.tolerance,
            build=build,
            steps=loop.steps,
            spectrum=data.spectrum,
        )
    used = directions if decoded is None else decoded.leading
    selected = used.quantiles(DIRECTIONS if decoded is None or guidance is None else GUIDED_DIRECTIONS)
    spectrum = f"{len(selected)} of {data.spectrum}"
    if decoded is None and guidance is not None and used.between is not None:
        spread = tuple(used.between[selected].tolist())
        guided = sampler.replace(guidance=Guidance(guidance.scale, spread))
        return audit(
            Pipeline([guided], fresh_fraction=alpha, images=loop.images),
            directions=used.variances[selected],
            tolerance=loop.tolerance,
            build=build,
            steps=loop.steps,
            spectrum=spectrum,
        )
    pipelines = []
    for j in selected.tolist():
        own: Mechanism = sampler
        if guidance is not None and used.between is not None:
            own = sampler.replace(guidance=Guidance(guidance.scale, float(used.between[j])))
        parts = [own] if decoded is None else [own, decoded.fit.settled.along(j)]
        pipelines.append(Pipeline(parts, fresh_fraction=alpha, images=loop.images))
    return audit(
        pipelines,
        directions=used.variances[selected],
        tolerance=loop.tolerance,
        build=build,
        steps=loop.steps,
        spectrum=spectrum,
    )


def _print(result: Audit, data: AuditData, notes: list[str], output: Output) -> None:
    output.heading("What to change first")
    output.text(result.text)
    output.heading(f"Variance over the data's, at fresh fraction {result.ledger.fresh_fraction:g}")
    output.lines(result.table().splitlines())
    output.text(f"Directions: {result.spectrum}.")
    _print_fractions(result, output)
    if data.autoencoder is not None:
        document = _autoencoder(data.autoencoder, result.ledger.fresh_fraction)
        has_again = data.autoencoder.fit.refitted is not None
        output.heading("The autoencoder alone, in several directions at once")
        output.table(
            ["", "value"],
            [
                ["directions fitted", data.autoencoder.number],
                ["spectral radius of the regression", document["spectral_radius"]],
                ["fresh fraction that it needs", document["critical_share"]],
                ["residual that squares and cubes explain", document["curvature"]],
                *([["change of the regression when refitted", document["change"]]] if has_again else []),
                ["limit of the total variance, over the data's", document["total_limit"]],
                ["the same, direction by direction", document["total_limit_by_direction"]],
            ],
        )
    if notes:
        output.heading("What was assumed")
    for note in notes:
        output.text(note, indent="- ")


def _print_fractions(result: Audit, output: Output) -> None:
    """Print the limits at several fresh fractions."""
    output.heading("How much fresh data: the limit at several fresh fractions")
    shares = result.limits_by_fraction
    output.table(
        ["fresh fraction", *(f"v = {result.ledger.data[j]:.4g}" for j in result.directions_shown)],
        [
            [
                f"{fraction:.0%}",
                *("cycle" if np.isnan(x) else "infinite" if np.isinf(x) else f"{x:.4g}" for x in row),
            ]
            for fraction, row in zip(FRACTIONS, shares, strict=True)
        ],
    )
    output.text(WORDS)


def _findings(result: Audit) -> dict[str, object]:
    """Return what the audit found, for the document."""
    ledger = result.ledger
    return {
        "text": result.text,
        "dominant": result.dominant._asdict(),
        "tolerance": result.tolerance,
        "requirements": [
            {**one._asdict(), "search": None if one.search is None else one.search._asdict()}
            for one in result.requirements
        ],
        "spectrum": result.spectrum,
        "directions": ledger.data,
        "mechanisms": [
            {"name": name, "description": words, "one_round": ratios, "limit": limits}
            for name, words, ratios, limits in zip(
                ledger.names, ledger.descriptions, np.exp(ledger.log_ratios), ledger.limits, strict=True
            )
        ],
        "last_step_alone": {"one_round": ledger.last_step[0], "limit": ledger.last_step[1]},
        "rest": np.exp(ledger.rest),
        "all_together": {"one_round": np.exp(ledger.log_ratio), "limit": ledger.limit},
        "sensitivity": result.sensitivity,
        "limits_by_fresh_fraction": {"fresh_fraction": FRACTIONS, "limit": result.limits_by_fraction},
        "closure": CLOSURE,
    }


def _autoencoder(decoded: DecodedDirections, fresh_fraction: float) -> dict[str, object]:
    """Return the autoencoder by itself: its regression, and its limit in all directions at once and one by one."""
    matrix, data = decoded.fit.settled, decoded.fit.covariance
    total = float(np.trace(data))
    exists = matrix.is_stable(fresh_fraction)
    limit = matrix.limit(data, fresh_fraction=fresh_fraction) if exists else np.full_like(data, np.inf)
    single = [
        Pipeline([matrix.along(j)], fresh_fraction=fresh_fraction).limit(float(data[j, j]))
        for j in range(len(data))
    ]
    return {
        "regression": matrix.regression,
        "residual": matrix.residual,
        "spectral_radius": matrix.spectral_radius,
        "critical_share": matrix.critical_share,
        "curvature": decoded.fit.curvature,
        "change": None if decoded.fit.refitted is None else decoded.fit.change,
        "limit": np.diag(limit),
        "limit_by_direction": single,
        "total_limit": float(np.trace(limit)) / total,
        "total_limit_by_direction": float(np.sum(single)) / total,
    }


command = _command(run, uses=(), leaves=True)
