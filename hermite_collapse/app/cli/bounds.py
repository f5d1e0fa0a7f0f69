"""hermite-collapse bounds: what is proved about the limit, about defects in every round, and about divergences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ...core import checks
from ...core.errors import InputError
from ...core.estimates import Estimate
from ..config import Config
from .options import command as _command
from .output import Output
from .predict import title

if TYPE_CHECKING:
    from ...recursion.recursion import Recursion

Defect = Annotated[
    float,
    Parameter(help="Wasserstein-2 defect of every round, W2(model, ideal), in units of x. Default: 0.01."),
]
ModeDefect = Annotated[
    float, Parameter(help="Defect of every Hermite coefficient in every round, dimensionless. Default: 0.01.")
]
Tolerance = Annotated[
    float, Parameter(help="Distance to the limit aimed at, in the metric's units. Default: 0.01.")
]

Energies = Annotated[
    Path | None,
    Parameter(
        help="Table (.csv, .txt) of the score error's energy in each round: round, energy, energy error; names its "
        "drift regime."
    ),
]


def run(
    config: Config,
    output: Output,
    *,
    defect: Defect = 0.01,
    mode_defect: ModeDefect = 0.01,
    tolerance: Tolerance = 0.01,
    energies: Energies = None,
) -> int:
    """Print what is proved: rates, radii under defects, rounds to a tolerance, and how divergences propagate.

    The first three need constant rounds of replacement with Ornstein-Uhlenbeck truncation and no blur, the last
    replacement and data with a density.  --out keeps all rows, the figures of the divergences, and the heat maps of
    the weights with which later rounds remember an error.  Exit status 1 if a bound is refused.
    """
    from ...reporting.words import question
    from ..cost import cost_of_prediction, require_affordable
    from . import propagation

    recursion = config.build_recursion()
    require_affordable(cost_of_prediction(config, recursion.dimension), yes=output.yes)
    section = config.recursion
    constant = recursion.is_diagonal and recursion.has_constant_rounds
    has_density = recursion.target.has_density
    if section.regime != "replace" or not (constant or has_density):
        raise InputError(
            "bounds must be asked of rounds of replacement, for samples of constant ones with Ornstein-Uhlenbeck "
            f"truncation and no blur, got regime {section.regime}, {section.schedule} times, process "
            f"{section.process}, blur {section.blur:g}."
        )
    checks.nonnegative(defect, "defect")
    checks.nonnegative(mode_defect, "mode_defect")
    checks.positive(tolerance, "tolerance")
    regime = None if energies is None else propagation.regime_of(energies, section.fresh_fraction)
    document: dict[str, object] = {
        "command": "bounds",
        "config": config.model_dump(mode="json", exclude_none=True),
    }
    title(config, output)
    if constant:
        document |= _proved(config, recursion, output, defect, mode_defect, tolerance)
    else:
        output.text(
            "Rates and radii are proved for constant rounds with Ornstein-Uhlenbeck truncation and no blur; "
            "what follows holds here too."
        )
    overview = None
    if has_density:
        kind = "integrating" if recursion.dimension == 1 else "sampling"
        output.note(f"{kind} the divergences of {section.rounds} rounds")
        overview = propagation.overview(recursion, rounds=section.rounds, seed=config.simulation.seed)
        propagation.show(overview, output)
        document |= {
            "divergences": [row.as_dict() for row in overview.divergences],
            "first_infinite_round": overview.first_infinite_round,
            "propagation": [row.as_dict() for row in overview.bounds],
        }
    if regime is not None and energies is not None:
        propagation.show_regime(regime, energies.name, output)
        document |= {"regime": vars(regime)}
    if output.folder is not None:
        output.make_folder(config)
        output.leave_printed(
            "What is proved",
            propagation.draw(overview, config=config),
            config=config,
            facts=question(recursion),
        )
    output.keep(document, "bounds")
    output.document(document)
    return 1 if overview is not None and overview.is_refused else 0


def _proved(
    config: Config,
    recursion: Recursion,
    output: Output,
    defect: float,
    mode_defect: float,
    tolerance: float,
) -> dict[str, object]:
    """Print and return rates, radii, rounds and bounds on the collapse of constant rounds."""
    from ... import bounds
    from ...bounds.rates import recursion_rates

    section = config.recursion
    setting = {
        "fresh_fraction": section.fresh_fraction,
        "truncation_time": section.truncation_time,
        "rate": section.rate,
    }
    ball = bounds.ball_radius(defect, **setting)
    degrees = list(range(1, config.analysis.degree_in(recursion.dimension) + 1))
    radii = bounds.mode_radius(degrees, mode_defect, **setting)
    rates = recursion_rates(recursion)
    rounds = _rounds(recursion, tolerance)
    collapse = _collapse(recursion)
    output.heading("Factor of one round on the distance to the limit")
    output.table(
        ["metric", "proved", "in the end", "proved factor attained by"],
        [[_metric(row.metric), row.bound, row.final, row.attained_by.removeprefix("a ")] for row in rates],
    )
    output.heading("If every round has a defect, the recursion ends within")
    output.table(
        ["defect", "of size", "ends within"],
        [
            ["Wasserstein-2", defect, ball],
            *([f"coefficient of degree {n}", mode_defect, r] for n, r in zip(degrees, radii, strict=True)),
        ],
    )
    if rounds:
        output.heading(f"Rounds until the distance to the limit is at most {tolerance:g}")
        output.table(
            ["metric", "proved to suffice", "needed"],
            [[_metric(name), entry["guaranteed"], entry["needed"]] for name, entry in rounds.items()],
        )
    output.heading("Wasserstein-2 distance of the limit law to the data")
    output.table(["", "value"], [[name, value] for name, value in collapse.items()])
    return {
        "rates": [vars(row) for row in rates],
        "ball_radius": ball,
        "mode_radius": dict(zip(map(str, degrees), radii, strict=True)),
        "rounds_to": rounds,
        "collapse": collapse,
    }


def _metric(name: str) -> str:
    """Return a metric in words."""
    from ...recursion.law_distances import RATE_NAMES

    return RATE_NAMES.get(name, name)


def _rounds(recursion: Recursion, distance: float) -> dict[str, dict[str, float]]:
    """Rounds to a distance, by metric: what the proved rate needs, and what the exact laws need."""
    from ... import bounds

    rows = {}
    for metric in ("total_variation", "kl", "wasserstein2"):
        try:
            entry = bounds.rounds_to_distance(recursion, distance, metric=metric)
        except InputError:  # no such metric in this dimension, or no rate without fresh data
            continue
        rows[metric] = {
            "guaranteed": entry.guaranteed,
            "by_final_constant": entry.predicted,
            "needed": entry.exact,
        }
    return rows


def _collapse(recursion: Recursion) -> dict[str, float | Estimate]:
    """The bounds on the distance of the limit law to the data that there are, by what they are called here."""
    from ... import bounds

    collapse = bounds.collapse_bounds(recursion)
    named = {
        "the distance itself": collapse.distance,
        "at least (Bures)": collapse.bures,
        "at most (relative Fisher information)": collapse.fisher,
        "at most (second moment)": collapse.coupling,
        "for small times, about": collapse.small_time,
        "relative Fisher information of the data": collapse.information,
    }
    return {name: value for name, value in named.items() if value is not None}


command = _command(run, uses=("target", "recursion", "analysis"), keys=("seed",), leaves=True)
