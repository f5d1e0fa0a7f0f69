"""What a result says in plain sentences: the question, the prediction, the caveats that apply to it.

Every sentence is computed from the recursion or the record; none is printed where it does not apply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..comparison.implied import is_determined
from ..comparison.step_size import largest_step_size_effect
from ..core.errors import InputError
from ..core.numbers import counted, grouped, percent, significant, with_error
from ..distances.finiteness import chi_square_finiteness
from ..hermite.indices import default_degree
from ..laws.channels import OrnsteinUhlenbeck
from ..laws.empirical import EmpiricalLaw
from ..laws.mixture import GaussianMixture
from ..recursion.law_distances import METRIC_NAMES
from ..recursion.prediction import proved_rounds
from ..recursion.schedules import Constant, Explicit

if TYPE_CHECKING:
    from ..comparison.result import Comparison
    from ..laws.mixture import Law
    from ..recursion.prediction import Prediction
    from ..recursion.recursion import Recursion
    from ..storage.record import SimulatedRecursion

_REGIMES = {
    "replace": "each round trains on fresh data and on the output of the round before",
    "accumulate": "each round trains on the data and on the output of all rounds before",
    "accumulate_with_fresh": "each round trains on fresh data and on the output of all rounds before",
    "table": "each round trains on the mixture of earlier rounds that a table of weights gives",
}


def question(recursion: Recursion, simulated: SimulatedRecursion | None = None) -> list[tuple[str, str]]:
    """Return what was asked, as pairs of a name and its value with units."""
    target = recursion.target
    if isinstance(target, GaussianMixture):
        count = len(target.weights)
        law = f"mixture of {count} Gaussian{'s' * (count > 1)} in {_dimensions(target.dimension)}"
    elif isinstance(target, EmpiricalLaw):
        law = f"empirical law of {grouped(len(target.samples))} samples in {_dimensions(target.dimension)}"
    else:
        law = f"{type(target).__name__} in {_dimensions(target.dimension)}"
    fractions = np.atleast_1d(np.asarray(recursion.fresh_fraction, dtype=float))
    facts = [
        ("data", law),
        ("training set", _REGIMES[recursion.regime.name]),
        (
            "fresh fraction α",
            ", ".join(f"{value:g}" for value in fractions[:8]) + (", …" if fractions.size > 8 else ""),
        ),
        ("truncation", _truncation(recursion)),
    ]
    if recursion.blur > 0.0:
        facts.append(("kernel blur", f"standard deviation {significant(recursion.blur)} before every round"))
    if recursion.initial is not None:
        facts.append(("first model", "starts from a law of its own, not from the data"))
    if simulated is not None:
        runs = f", {simulated.runs} runs" if simulated.runs > 1 else ""
        facts.append(
            ("simulation", f"{simulated.rounds} rounds of {grouped(simulated.particles)} particles{runs}")
        )
        facts.append(("generator", _generator(simulated)))
        facts.append(("seed and device", f"{simulated.seed}, {simulated.device}"))
        facts.append(("random numbers", simulated.random_numbers))
    return facts


def prediction(recursion: Recursion, known: Prediction | None = None) -> list[str]:
    """Return the prediction in two sentences with numbers: what the limit keeps, and how fast it is reached.

    With `known`, its prediction, the exact rounds stand before those of the proved rate where they can be computed.
    """
    if not recursion.is_diagonal:
        return _mixing_prediction(recursion)
    if _is_standard_normal(recursion.target) and recursion.initial is None:
        return [
            "The data are the standard normal law, which every round leaves as it is.",
            "There is no collapse to see: all Hermite modes of degree one or more are zero from the start.",
        ]
    if recursion.regime.name == "table":
        return [
            "The mixing weights come from a table, so there is no limit law to speak of.",
            "The table below gives the share of each Hermite mode after every round.",
        ]
    alpha, time = recursion.regime.final_fraction, float(recursion.schedule.final)
    if time == 0.0 and alpha > 0.0:
        first = (
            "Nothing is truncated in the end and fresh data keep coming, so the recursion returns to the data: "
            "every Hermite mode is kept in the limit."
        )
    elif alpha == 0.0:
        first = (
            "Without fresh data nothing holds the law: every Hermite mode of degree one or more decays, and the "
            "limit is the standard normal law."
            if recursion.schedule.total == np.inf
            else "Without fresh data, but with truncation times of finite sum, a blurred image of the start remains."
        )
    else:
        rounds = recursion.final_rounds
        half = rounds.half_degree
        shown = np.array([1, 2, 4, 8])
        share = rounds.attenuation(shown)
        parts = [f"{percent(g)} of degree {n}" for n, g in zip(shown, share, strict=True)]
        first = (
            f"In the limit the model keeps "
            f"{', '.join(parts[:-1])} and {parts[-1]} of the data’s Hermite modes; half of "
            f"the amplitude is left at degree {significant(half)}, and finer detail fades."
        )
    return [first, _speed(recursion, known)]


def caveats(
    recursion: Recursion,
    *,
    simulated: SimulatedRecursion | None = None,
    comparison: Comparison | None = None,
) -> list[str]:
    """Return what a reader must know before using the numbers; only what applies to this result."""
    notes: list[str] = []
    target = recursion.target
    if isinstance(target, EmpiricalLaw):
        notes.append(
            f"The data are a sample of {grouped(len(target.samples))} points, and the law studied is exactly the one "
            "that puts equal mass on each of them. How far it is from the population behind it is a separate "
            "matter: that error enters no z-score here." + _population_error(target)
        )
        notes.append("The data law has no density; the law after any round with truncation has one.")
    elif isinstance(target, GaussianMixture):
        notes += _square_integrability(recursion, target) + _infinite_divergences(recursion, target)
    if comparison is not None:
        tested = np.asarray(comparison.dataset["tested"].values, dtype=bool)
        degree = np.asarray(comparison.dataset["degree"].values)
        later = np.broadcast_to(degree > 0, tested.shape)
        missing = int(np.sum(~tested & later))
        if comparison.verdict.reason:
            notes.append(comparison.verdict.reason)
        elif missing:
            lowest = int(np.min(np.broadcast_to(degree, tested.shape)[~tested & later]))
            notes.append(
                f"{missing} of {int(np.sum(later))} coefficients, from degree {lowest} on, are not tested: for "
                "this number of particles their estimates are too far from normal for a z-score to mean anything. "
                "They are drawn hollow and marked in the table."
            )
        notes += _step_size(comparison)
    if simulated is not None:
        if simulated.generator == "channel":
            notes.append(
                "The simulation applied the exact channel to particles. It tests the prediction of the recursion and "
                "of its error bars, not whether a trained network or a sampler follows it."
            )
        notes += [note if note.endswith(".") else note + "." for note in simulated.notes]
    if recursion.is_diagonal and recursion.regime.name != "table" and recursion.schedule.final > 0.0:
        notes.append(
            "All statements are about exact scores. A trained score adds defects of its own in every round, "
            "which the recursion passes on and discounts."
        )
    return notes


def implied(comparison: Comparison) -> str:
    """Return what fresh fraction and truncation the measurements themselves imply, as a sentence after others."""
    fresh, times = comparison.implied_fresh_fraction, comparison.implied_truncation
    parts, unknown = [], []
    if fresh is not None and is_determined(fresh, upper=1.0):
        parts.append(f"a fresh fraction of {with_error(fresh)}")
    elif fresh is not None:
        unknown.append("the fresh fraction")
    if times is not None and is_determined(times):
        parts.append(f"truncation times of {with_error(times)} times those asked for")
    elif times is not None:
        unknown.append("the truncation times")
    said = f" Taken together, the measurements imply {' and '.join(parts)}." if parts else ""
    return said + (f" They leave {' and '.join(unknown)} undetermined." if unknown else "")


def _step_size(comparison: Comparison) -> list[str]:
    """Said where the sampler's steps move some tested coefficient by more than its statistical error."""
    largest = largest_step_size_effect(comparison)
    if largest <= 1.0:
        return []
    return [
        f"The step size of the sampler alone moves a coefficient by up to {significant(largest, 2)} standard errors, "
        "as estimated by doubling the steps. The measured values are extrapolated to infinitely many steps, which "
        "widens their error bars; the table shows the effect."
    ]


def _population_error(target: EmpiricalLaw) -> str:
    """How far the sample's coefficients are from the population's, as root mean squares of the lowest degrees."""
    highest = min(2, default_degree(target.dimension))
    coefficients = target.hermite_coefficients(highest)
    if coefficients.standard_error is None:
        return ""
    sizes = [
        float(np.sqrt(np.mean(coefficients.standard_error[coefficients.degrees == n] ** 2)))
        for n in range(1, highest + 1)
    ]
    parts = " and ".join(f"{significant(size, 2)} at degree {n}" for n, size in enumerate(sizes, start=1))
    return f" Its Hermite coefficients differ from the population’s by about {parts}, if the points are independent."


def _mixing_prediction(recursion: Recursion) -> list[str]:
    """Blur or variance-exploding rounds: what is known of the limit is its covariance."""
    cause = "kernel blur" if recursion.blur > 0.0 else "a variance-exploding process"
    first = f"With {cause} a round mixes Hermite degrees, so no single factor a degree describes it."
    alpha = recursion.regime.final_fraction
    if recursion.regime.name == "table" or alpha == 0.0:
        return [first, "The predicted coefficients of every round are exact all the same."]
    before = float(np.trace(np.atleast_2d(recursion.target.covariance)))
    after = float(np.trace(np.atleast_2d(recursion.limit().covariance)))
    return [
        first,
        f"In the limit the total variance is {significant(after)} against {significant(before)} in the data.",
    ]


def _is_standard_normal(law: Law) -> bool:
    return isinstance(law, GaussianMixture) and not np.any(law.means) and bool(np.all(law.variances == 1.0))


def _speed(recursion: Recursion, known: Prediction | None) -> str:
    alpha = recursion.regime.final_fraction
    if not recursion.has_constant_rounds:
        return "Truncation or fresh data change from round to round, so the approach is not geometric from the start."
    if recursion.regime.name != "replace":
        return (
            "Earlier rounds stay in the training set, so the approach is a power of the number of rounds, "
            "not geometric."
        )
    if alpha == 1.0:
        return "With fresh data only, the limit is reached after one round."
    rates = {metric: recursion.final_rounds.rate_in(metric) for metric in ("wasserstein2", "total_variation")}
    proved = proved_rounds(rates)
    if proved is None:
        return "No contraction rate is proved in this case."
    best, rounds = METRIC_NAMES[proved[0]], proved[1]
    both = " and ".join(
        f"{significant(rate)} in {METRIC_NAMES[metric]}" for metric, rate in rates.items() if rate < 1.0
    )
    said = f"Each round multiplies the distance to the limit by at most {both}; in {best}, 99 % of it are gone after "
    exact = None if known is None else known.exact_rounds
    if exact is None:
        return f"{said}at most {counted(rounds, 'round')}, by the bound."
    return f"{said}{counted(exact, 'round')} (at most {rounds}, by the bound)."


def _square_integrability(recursion: Recursion, target: GaussianMixture) -> list[str]:
    if target.hermite_coefficients(1).square_integrable:
        return []
    largest = float(np.max(target.variances[target.weights > 0.0]))
    note = (
        f"The data are not in L²(γ): a component has variance {significant(largest)} ≥ 2 in some direction. Hermite "
        "coefficients exist and obey the theory, but their series does not converge to the density; densities "
        "are computed from the mixture itself."
    )
    alpha, time = recursion.regime.final_fraction, recursion.schedule.final
    if recursion.is_diagonal and recursion.has_constant_rounds and alpha > 0.0 and time > 0.0:
        inside = recursion.limit().hermite_coefficients(1).square_integrable
        note += f" The limit law is {'in' if inside else 'outside'} L²(γ)."
    return [note]


def _infinite_divergences(recursion: Recursion, target: GaussianMixture) -> list[str]:
    ages = recursion.is_diagonal and recursion.schedule.final > 0.0 and recursion.regime.final_fraction < 1.0
    if not ages or not target.has_density or recursion.regime.name == "table":
        return []
    try:
        finiteness = chi_square_finiteness(recursion.limit(), target)
    except InputError:  # no limit law
        return []
    if not finiteness.is_infinite:
        return []
    return [
        "The chi-square divergence of the limit from the data is infinite: along some direction the tails of late "
        "rounds are heavier than chi-square forgives. Any finite estimate of it measures the sample size. Divergences "
        "from the limit, and distances that smooth first, are finite."
    ]


def _truncation(recursion: Recursion) -> str:
    schedule = recursion.schedule
    symbol, unit = ("σ²", "noise variance in squared data units")
    if isinstance(recursion.process, OrnsteinUhlenbeck):
        symbol, unit = "t₀", f"Ornstein–Uhlenbeck time, rate θ = {recursion.process.rate:g}"
    if isinstance(schedule, Explicit):
        return f"{symbol} = {', '.join(f'{t:g}' for t in schedule.times(6))}, … ({unit})"
    settings = dict(vars(schedule))
    time = settings.pop("time")
    kind = "" if isinstance(schedule, Constant) else f"{type(schedule).__name__.lower()} from "
    rest = "".join(f", {name} {value:g}" for name, value in settings.items())
    return f"{kind}{symbol} = {time:g}{rest} ({unit})"


def _generator(simulated: SimulatedRecursion) -> str:
    words = {
        "channel": "channel: the exact channel applied to particles",
        "exact": "exact: reverse diffusion with the closed-form score",
        "kernel": "kernel: reverse diffusion with the score of a smoothed sample",
        "neural": "neural: reverse diffusion with a trained network",
        "steps": "steps: a sampler of K steps with the exact denoiser",
        "scheduler": "scheduler: a scheduler of diffusers with the exact denoiser",
    }.get(simulated.generator, simulated.generator)
    if simulated.sampler:
        name = str(simulated.sampler.get("name", "")).replace("_", " ")
        words += f" ({name}{f', {simulated.steps} steps' if simulated.steps else ''})"
    return words


def _dimensions(d: int) -> str:
    return f"{d} dimension{'s' * (d > 1)}"
