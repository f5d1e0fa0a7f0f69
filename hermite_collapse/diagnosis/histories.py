"""Whether curves tell a constant fresh fraction from data and generations that are all kept.

Where nobody says which it was, mechanisms are fitted under both.  One that describes the curves under another history,
and no worse than what is concluded of a constant fresh fraction,

    p >= 0.05,     p of what the latter gains by its further parameters >= 0.01,
                   or chi-square at most 3.84 above its own where it has none,

leaves the fresh fraction undetermined, and with it the plateau.  On distances one rate and one plateau are fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.numbers import p_equals
from ..core.words import capital, listing
from ..pipeline.mechanism import Mechanism
from ..recursion.accumulated import ACCUMULATE, REPLACE, WITH_FRESH
from .fits.fitting import PROFILE_RISE, MechanismFit, fit
from .fits.round_models import CONTAINED_IN, AffineModel, RoundModel
from .levels import levels_of
from .noise.noise_likelihood import renewed
from .observed.observations import Observations
from .samplers.sampler_model import SamplerModel
from .sentences import parameters
from .verdict import DISTANCES_MIX

_LARGEST_ROUND = 10_000
_NEAR = 0.5
"""Of what a distance changes: plateaus that are nearer are given beside each other."""
_CLEAR = 0.01
"""p-value of a gain on chi-square by further parameters below which a history is worse."""
REPLACING = "This takes each generation to have replaced the last: say which it was (regime, --regime)."
NOR_KEPT = "Nor does a mechanism describe them where generations are kept."
_WORDS = {
    ACCUMULATE: "were the data and all generations kept (regime 'accumulate')",
    WITH_FRESH: "were all generations kept beside a constant share of fresh data (regime 'accumulate_with_fresh')",
}


class History(NamedTuple):
    """A regime and the mechanisms that describe the curves in it."""

    regime: str
    fits: list[MechanismFit]


def require_regime(
    regime: str, observations: Observations, fresh: float | None, sampler: Mechanism | None
) -> float | None:
    """Return the fresh fraction that a regime leaves to be held; refuse what does not go together."""
    if regime == REPLACE:
        return fresh
    if observations.measured is not None:
        raise InputError(
            f"regime must be 'replace' for measured generations, whose errors the last one passes on, got "
            f"{regime!r}."
        )
    if regime == ACCUMULATE and fresh:
        raise InputError(
            f"fresh_fraction must be 0 in the regime 'accumulate', where the data enter once, got {fresh!r}."
        )
    if sampler is not None:
        raise InputError(f"sampler must be left out where regime is not 'replace', got regime {regime!r}.")
    if observations.last > _LARGEST_ROUND:
        raise InputError(f"regime must be 'replace' beyond round {_LARGEST_ROUND}, got {regime!r}.")
    return 0.0 if regime == ACCUMULATE else fresh


def other_histories(
    leading: MechanismFit,
    observations: Observations,
    models: Sequence[RoundModel],
    fresh: float | None = None,
) -> list[History]:
    """Return the regimes in which mechanisms describe the curves as well as a fit with a constant fresh fraction.

    Parameters
    ----------
    leading : MechanismFit
        What is concluded of a constant fresh fraction, or rejected.
    observations : Observations
    models : sequence of RoundModel
    fresh : float, optional
        Fresh fraction, if held: that of kept generations beside fresh data.
    """
    histories: list[History] = []
    if observations.last > _LARGEST_ROUND:
        return histories
    for regime in (ACCUMULATE, WITH_FRESH) if fresh is None else (WITH_FRESH,):
        accumulated = renewed(observations.replace(regime=regime))
        tried = [
            fit(model, accumulated, fresh_fraction=0.0 if regime == ACCUMULATE else fresh)
            for model in models
            if not isinstance(model, SamplerModel)
            and (observations.are_shapeless or model.name != AffineModel.name)
        ]
        as_good = [one for one in tried if one.is_accepted and _is_as_good(one, leading)]
        if as_good:
            histories.append(History(regime, as_good))
    return histories


def _is_as_good(one: MechanismFit, leading: MechanismFit) -> bool:
    if leading.is_rejected:
        return True
    if one.freedom > leading.freedom:
        return one.gain_p_value(leading) >= _CLEAR
    return one.chi_square <= leading.chi_square + PROFILE_RISE


def on_histories(histories: Sequence[History], text: str, *, is_rejected: bool, are_shapeless: bool) -> str:
    """Return the diagnosis of curves that do not tell which data each round trained on.

    Parameters
    ----------
    histories : sequence of History
    text : str
        The diagnosis with a constant fresh fraction, or the fit that is rejected then.
    is_rejected : bool
        Whether everything is rejected then.
    are_shapeless : bool
        Whether some curve fixes a rate and a plateau at most.
    """
    slopes = (fit.parameters.get("slope") for one in histories for fit in one.fits)
    how = "change" if any(slope is not None and slope.value > 0.0 for slope in slopes) else "fall"
    decides = "the plateau" if are_shapeless else "fresh fraction, parameters and plateau"
    first = (
        "where each generation replaced the last, with a constant fresh fraction, nothing that was tried describes "
        f"the curves ({text}). These do"
        if is_rejected
        else f"which data each round trained on is not said, and decides on {decides}. These describe the curves as "
        "well"
    )
    last = (
        f" Had each generation replaced the last, with a constant fresh fraction, this would be said: {text}"
    )
    if is_rejected:
        last = f" {capital(DISTANCES_MIX)}." if are_shapeless else ""
    return (
        f"Undetermined: {first}: {_named(histories)}. Deviations then {how} by powers of the round, not by a factor. "
        f"Say which it was (regime, --regime).{last}"
    )


def lead_near(histories: Sequence[History], leading: MechanismFit) -> bool:
    """Return whether distances lead to about the same plateaus in other regimes, within half of what they change."""
    way = _NEAR * np.abs(leading.plateau - leading.predicted[0])
    with np.errstate(invalid="ignore"):  # where there is none
        return all(bool(np.all(np.abs(one.fits[0].plateau - leading.plateau) <= way)) for one in histories)


def are_determined(histories: Sequence[History]) -> bool:
    """Return whether the curves determine the own parameters of some mechanism."""

    def is_told(one: MechanismFit) -> bool:
        own = (value for name, value in one.parameters.items() if name != "fresh_fraction")
        is_given = one.contractions is not None  # by round
        return one.is_determined and (is_given or any(value is not None for value in own))

    return any(is_told(fit) for one in histories for fit in one.fits)


def beside_replacing(histories: Sequence[History], observations: Observations, *, promises: bool) -> str:
    """Return what describes curves that are taken for those of generations that replaced the last, if these were kept.

    Parameters
    ----------
    histories : sequence of History
    observations : Observations
    promises : bool
        Whether a plateau is said of generations that replaced the last.
    """
    begin, end = (
        "This takes each generation to have replaced the last.",
        "Say which it was (regime, --regime).",
    )
    if not observations.are_shapeless:
        others = _named(histories)
        without = ", without such a plateau" if promises else ""
        return f"{begin} These describe the curves otherwise{without}: {others}. {end}"
    others = "; ".join(
        f"{_WORDS[regime]}, to {levels_of(law.plateau, observations.names)} ({p_equals(law.p_value)})"
        for regime, (law,) in histories
    )
    return f"{begin} Otherwise the curves would lead elsewhere, as well described: {others}. {end}"


def on_regime(regime: str, *, grow: bool) -> str:
    """Return what a given regime means for deviations, nothing where generations replace each other."""
    if regime == REPLACE:
        return ""
    what = "grow" if grow else "fall"
    return f" Generations were kept: deviations {what} by powers of the round, not by a factor."


def _named(histories: Sequence[History]) -> str:
    """Return histories with the mechanisms that describe the curves in them."""
    return "; ".join(f"{_WORDS[one.regime]}, {_described(one.fits)}" for one in histories)


def _described(fits: Sequence[MechanismFit]) -> str:
    """Return mechanisms with parameters, less those that contain another one; one law of each curve has none."""
    names = {one.name for one in fits}
    least = [one for one in fits if not any(one.name in CONTAINED_IN[name] for name in names)]
    return listing(
        f"one power of the round of each curve ({p_equals(one.p_value)})"
        if one.name == AffineModel.name
        else f"{one.title} ({parameters(one)}, {p_equals(one.p_value)})"
        for one in least
    )
