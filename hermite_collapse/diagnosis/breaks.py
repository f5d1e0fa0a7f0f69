r"""In which round curves with independent errors begin to follow another law, where one law describes none of them.

Before round k and from there on the general law, a rate and a plateau of each curve, is fitted by itself, the second
part with a start of its own: so do a fresh fraction, a truncation time or a way to measure that changes in one round.
Of K rounds the best was chosen, so that the p-value of what chi-square gains counts K times.  Nothing is said where
one law or one of another regime holds, nor where both parts together leave more than their errors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.numbers import p_equals
from ..core.significance import chi_square_p_value
from .fits.fitting import LEAST_FREEDOM, PROFILE_RISE, REJECTED_BELOW
from .fits.minimum import Minimum, minimum
from .fits.round_models import RoundModel
from .observed.observations import Observations
from .outliers import is_of_another_regime

_CLEAR = 1e-3
"""p-value, of the best of all rounds, below which a change is said."""
_PRECISION = 1e-4
"""Relative, of chi-square."""
_LEAST_ROUNDS = 4
"""In each part, so that a rate and a plateau leave something to test."""


class _Break(NamedTuple):
    """A round from which on the law is another one, and the fit of both parts."""

    round: float
    chi_square: float
    freedom: int

    @property
    def p_value(self) -> float:
        return chi_square_p_value(self.chi_square, self.freedom)


def on_a_break(every: Minimum) -> list[str]:
    """Return from which round on curves follow another law, if one such change describes them.

    Parameters
    ----------
    every : Minimum
        The general law, fitted to all rounds, which it does not describe.
    """
    law, observations = every.problem.model, every.problem.observations
    rounds = np.unique(observations.rounds)
    tried = rounds[_LEAST_ROUNDS : len(rounds) - _LEAST_ROUNDS + 1]
    if not len(tried):
        return []
    breaks = [_parted(float(first), observations, law) for first in tried]
    best = min(breaks, key=lambda one: one.chi_square)
    gained, more = every.chi_square - best.chi_square, every.freedom - best.freedom
    is_clear = more > 0 and chi_square_p_value(gained, more) * len(tried) < _CLEAR
    if not is_clear or best.freedom < LEAST_FREEDOM or best.p_value < REJECTED_BELOW:
        return []
    if is_of_another_regime(law, observations):
        return []
    near = [one.round for one in breaks if one.chi_square < best.chi_square + PROFILE_RISE]
    near = near[len(near) > 1 :]  # the round from which a new law begins lies on its curve, too
    where = f"round {near[0]:g}" if len(near) == 1 else f"one of rounds {near[0]:g} to {near[-1]:g}"
    return [
        f"It is as if something had changed in {where}, such as the fresh fraction, the truncation time or how values "
        f"are measured: before and from there on {law.title} describes them ({p_equals(best.p_value)} of both parts)."
    ]


def _parted(first: float, observations: Observations, law: RoundModel) -> _Break:
    """Return the fit of the rounds before one, and of those from there on with a start of their own."""
    later = observations.rounds >= first
    before = minimum(law, observations.in_rounds(~later), precision=_PRECISION)
    rest = observations.in_rounds(later)
    after = minimum(
        law,
        rest.replace(rounds=rest.rounds - first + 1.0, starts=np.full_like(rest.starts, np.nan)),
        precision=_PRECISION,
    )
    return _Break(first, before.chi_square + after.chi_square, before.freedom + after.freedom)
