"""Where curves lead, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.estimates import Estimate
from ..core.numbers import significant, with_error
from ..core.types import FloatArray, IntArray
from ..core.words import listing
from .fits.fitting import MechanismFit
from .fits.round_models import OneStepModel
from .observed.observations import Observations

_SHOWN = 4


def level(value: float, error: float) -> str:
    """Return a plateau with its error; without one where the curve is short, in words where it does not settle."""
    if not np.isfinite(value):
        return "undetermined"
    if not np.isfinite(error):
        return significant(value, 4)
    return with_error(Estimate(value, error, "standard_error"))


def levels_of(plateaus: FloatArray, names: Sequence[str]) -> str:
    """Return extrapolated plateaus without errors, each with the name of its curve where there are several."""
    each = [f"about {significant(one)}" if np.isfinite(one) else "no plateau" for one in plateaus.tolist()]
    if len(each) == 1:
        return each[0]
    rest = ", ..." if len(each) > _SHOWN else ""
    shown = zip(each[:_SHOWN], names[:_SHOWN], strict=True)
    return listing(f"{level} ({name})" for level, name in shown) + rest


def levels(one: MechanismFit, observations: Observations) -> str:
    """Return where the curves lead and how fast, those of distances without errors, which one rate alone would have."""
    grows = one.settles & (one.contraction > 1.0)
    settled = np.flatnonzero(one.leads & ~grows & np.isfinite(one.plateau))
    if grows.any():
        return _growth(one, np.flatnonzero(grows), settled, observations)
    if not len(settled):
        known = one.plateau[np.isfinite(one.contraction)]
        moves = np.abs(known - one.predicted[0, np.isfinite(one.contraction)])
        still = bool(len(known)) and bool(np.all(np.isfinite(known) & (moves <= 1e-9 * np.abs(known))))
        return "The curves stay where they are." if still else "No plateau is in sight."
    shown = settled[:_SHOWN]
    more = ", ..." if len(settled) > _SHOWN else ""
    nothing = np.full_like(one.plateau, np.nan)
    ends, spread = observations.shown(one.plateau, one.plateau_error)
    plateaus = [
        number(_estimate(ends, nothing if observations.are_shapeless else spread, int(j))) for j in shown
    ]
    rates = [_rate(one, int(j), observations) for j in shown]
    is_shared = len(set(rates)) == 1 and len(settled) == len(one.plateau)
    if is_one_step(one):
        stay = zip(plateaus, (observations.names[j] for j in shown), strict=True)
        listed = (
            plateaus[0] if len(one.plateau) == 1 else listing(f"{value} ({name})" for value, name in stay)
        )
        return f"With fresh data alone there is no rate: from round 1 on the values stay at {listed}{more}."
    if len(one.plateau) == 1:
        return f"The curve levels off at {plateaus[0]}, {rates[0]}."
    names = [observations.names[j] for j in shown]
    if is_shared:
        listed = listing(f"{plateau} ({name})" for plateau, name in zip(plateaus, names, strict=True))
        return f"The curves level off at {listed}{more}, {rates[0]}."
    each = zip(names, plateaus, rates, strict=True)
    listed = listing(f"{name} at {plateau} ({rate})" for name, plateau, rate in each)
    return f"Curves that level off: {listed}{more}.{_without_plateau(one, settled, observations)}"


def _rate(one: MechanismFit, index: int, observations: Observations) -> str:
    """Return how fast a curve goes to its plateau, without an error for distances."""
    if np.isnan(one.contraction[index]):
        return "by powers of the round"
    if not one.settles[index]:
        return "at a rate that is not determined"
    errors = np.full_like(one.contraction, np.nan) if observations.are_shapeless else one.contraction_error
    return f"by a factor of {number(_estimate(one.contraction, errors, index))} a round"


def _growth(one: MechanismFit, growing: IntArray, settled: IntArray, observations: Observations) -> str:
    """Return by which factors curves grow, and where others lead."""
    shown, rest = growing[:_SHOWN], ", ..." if len(growing) > _SHOWN else ""
    factors = [number(_estimate(one.contraction, one.contraction_error, int(j))) for j in shown]
    if len(one.plateau) == 1:
        return f"A deviation grows by a factor of {factors[0]} a round, without a plateau."
    named = listing(f"{f} ({observations.names[j]})" for f, j in zip(factors, shown, strict=True))
    text = f"Deviations grow without a plateau, by a factor a round of {named}{rest}."
    values, errors = observations.shown(one.plateau, one.plateau_error)
    ends = [level(float(values[j]), float(errors[j])) for j in settled[:_SHOWN]]
    if not ends:
        return text
    rest = ", ..." if len(settled) > _SHOWN else ""
    listed = listing(
        f"{end} ({observations.names[j]})" for end, j in zip(ends, settled[:_SHOWN], strict=True)
    )
    return f"{text} Others level off at {listed}{rest}."


def is_one_step(one: MechanismFit) -> bool:
    """Return whether the fresh fraction is known to be 1, so that every round is one step from the data."""
    fresh = one.parameters.get("fresh_fraction")
    return one.title == OneStepModel.title or (
        fresh is not None and fresh.value == 1.0 and fresh.error == 0.0
    )


def _without_plateau(one: MechanismFit, settled: IntArray, observations: Observations) -> str:
    """Return the curves whose plateau is not in sight, nothing where there are none."""
    others = [name for j, name in enumerate(observations.names) if j not in settled]
    if not others:
        return ""
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return f" Without a plateau in sight: {', '.join(others[:_SHOWN]) if more else listing(others)}{more}."


def _estimate(values: FloatArray, errors: FloatArray, index: int) -> Estimate:
    return Estimate(float(values[index]), float(errors[index]), "standard_error")


def number(estimate: Estimate) -> str:
    """Return a value with its error, or alone where the error is not known."""
    if np.isfinite(estimate.error):
        return with_error(estimate)
    return f"about {significant(estimate.value)}"
