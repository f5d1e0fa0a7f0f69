r"""How near to a mechanism a law that contains it may be: the neighbours that curves must reject before it is named.

Truncation, blur and refit are lines in the law of a score error, v' = (1 + s) w + B on variances and
f' = A^{n/2} w + o_n on factors, where A = 1 + s.  What such a mechanism leaves out is a part r of what it does,

    truncation     s = -a,        B = (1 + r) a          the noise that it adds beside the loss
    blur           s = r a,       B = a v                in the widest curve, of variance v where it is widest
    refit          s = -a,        B = r a v              in the narrowest curve, r >= 0
    on factors     s = -a,        o_n = r (1 - A^{n/2})  for truncation; for refits at degree 2

with a >= 0 free and everything else that the law has.  Factors count only where no variances are measured, whose offset
makes theirs: each degree by itself, with means that stay.  A neighbour is such a law with |r| = 1/2.  A mechanism is
told from the law where every neighbour is rejected against it, on each side of r = 0, and fits worse than it:

    chi-square(r) - chi-square(law) >= 2.71     and     chi-square(r) > chi-square(0),     r = 1/2, r = -1/2.

These are two tests of equivalence of five per cent each: a law with |r| >= 1/2 is called by the mechanism's name in one
case of twenty at most.  The bound of |r| is where the rise is 2.71.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from ...core.types import BoolArray, FloatArray
from ..observed.observations import VARIANCE, Observations
from .affine_models import ScoreErrorModel, own_offsets
from .fitting import MechanismFit
from .minimum import minimum
from .round_models import CONTAINED_IN, Parameter

LARGEST_PART = 0.5
"""Of what a mechanism does: what it leaves out must be known to be less before the mechanism is named."""
_RISE = 2.705543  # of chi-square, at 95 % on one side
_WANTED_RISE = 4.0 * _RISE  # at which a true mechanism passes both sides in nine cases of ten
_GENERAL = ScoreErrorModel()
_AMOUNTS = (1e-5, 0.0005, 0.003, 0.01, 0.03, 0.08, 0.2, 0.4, 0.7)
_LARGEST_AMOUNT = 4.0  # of a blur, in the widest variance


class Tie(NamedTuple):
    """A line of a mechanism in the law, along which r is measured.

    Attributes
    ----------
    mechanism : str
    width : float
        v, of the curve in which r is largest.
    column : int
        Column of factors whose offset is tied; -1 for the offset of variances.
    sides : tuple of int
        Signs of r.
    """

    mechanism: str
    width: float
    column: int
    sides: tuple[int, ...]


class Separation(NamedTuple):
    """How well curves tell a mechanism from the law that contains it.

    Attributes
    ----------
    is_told : bool
    bound : float
        Of |r| at 95 %; infinite where it is above 1.
    column : int
        Column of factors whose offset is known least; -1 for variances.
    smaller_errors : float
        Factor of all errors at which the mechanism, if true, is told in nine cases of ten.
    """

    is_told: bool
    bound: float
    column: int
    smaller_errors: float


@dataclass(frozen=True)
class NeighbourModel(ScoreErrorModel):
    """A law at the part r from a mechanism, of one number less than the law of a score error."""

    tie: Tie
    ratio: float
    title: ClassVar[str] = "a neighbour"

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        high = _LARGEST_AMOUNT if self.tie.mechanism == "blur" else 1.0
        law = super().parameters(observations)
        others = [law[k] for k in range(1, len(law)) if k != self._tied(observations)]
        return (Parameter("amount", 0.0, high, _AMOUNTS), *others)

    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        return super().law(self._whole(own, observations), observations)

    def couplings(
        self, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> dict[int, FloatArray]:
        return super().couplings(self._whole(own, observations), starts, observations)

    def _tied(self, observations: Observations) -> int:
        """Return which parameter of the law is tied to the amount."""
        if self.tie.column < 0:
            return 1
        return 1 + own_offsets(observations, means=True).index(self.tie.column)

    def _whole(self, own: FloatArray, observations: Observations) -> FloatArray:
        """Return the parameters (s, p + 1) of the law."""
        amount, tied = own[:, :1], self._tied(observations)
        is_blur = self.tie.mechanism == "blur"
        slope = self.ratio * amount if is_blur else -amount
        if self.tie.column >= 0:
            degree = float(observations.degrees[self.tie.column])
            root = np.sqrt(np.maximum(1.0 - amount, 1e-12))
            # From degree 3 on the offset is a weight of degree n - 2, which a round multiplies too.
            offset = self.ratio * (1.0 - root**degree) / root ** max(degree - 2.0, 0.0)
        elif is_blur:
            offset = self.tie.width * amount
        elif self.tie.mechanism == "truncation":
            offset = (1.0 + self.ratio) * amount
        else:
            offset = self.ratio * self.tie.width * amount
        return np.concatenate([slope, own[:, 1:tied], offset, own[:, tied:]], axis=1)


def separation(
    one: MechanismFit, fits: dict[str, MechanismFit], observations: Observations
) -> Separation | None:
    """Return how well curves tell a mechanism from the law that contains it; None where no such law is at issue."""
    general = fits.get(ScoreErrorModel.name)
    ties = _ties(one, observations)
    if general is None or general.is_rejected or not ties:
        return None
    if one.contractions is not None and general.chi_square - one.chi_square >= _RISE:
        return None  # a law of equal rounds contains none whose rounds differ
    fresh = general.parameters["fresh_fraction"]
    held = None if fresh is None or "fresh_fraction" in general.fitted else fresh.value
    chi_square_of = _chi_squares(observations, held)
    least = chi_square_of(_GENERAL)

    def chi_square(tie: Tie, ratio: float, *, is_near: bool = False) -> float:
        return chi_square_of(NeighbourModel(tie, ratio), is_near)

    lines = [(tie, side * LARGEST_PART) for tie in ties for side in tie.sides]
    at_zero = {tie: chi_square(tie, 0.0) for tie in ties}
    rises = {line: chi_square(*line) - at_zero[line[0]] for line in lines}
    is_told = all(rise > max(0.0, least + _RISE - at_zero[line[0]]) for line, rise in rises.items())
    exact = observations.replace(values=np.where(observations.used, one.predicted, observations.values))
    of_exact = _chi_squares(exact, held)
    power = min(of_exact(NeighbourModel(*line)) - of_exact(NeighbourModel(line[0], 0.0)) for line in lines)

    def bound(tie: Tie, part: float) -> float:
        def excess(size: float) -> float:
            rise = chi_square(tie, float(np.copysign(size, part)), is_near=True) - least
            return float(max(rise, 0.0) ** 0.5 - _RISE**0.5)  # the root of the rise is nearly straight

        return _crossing(excess, LARGEST_PART if is_told else 1.0)

    return Separation(
        is_told,
        max(0.0 if is_told else LARGEST_PART, *(bound(*line) for line in lines)),
        min(lines, key=rises.__getitem__)[0].column,
        float(np.sqrt(max(power, 0.0) / _WANTED_RISE)),
    )


@lru_cache(maxsize=4)
def _chi_squares(observations: Observations, held: float | None) -> Callable[..., float]:
    """Return the least chi-square of a law with means that stay: a diagnosis asks for the same ones several times.

    A neighbour between others of the same line is sought from the nearest of these on.
    """
    means = {f"offset of {observations.names[j]}": 0.0 for j in np.flatnonzero(observations.degrees == 1)}
    reached: dict[Tie, dict[float, FloatArray]] = {}

    @cache
    def chi_square_of(law: ScoreErrorModel, is_near: bool = False) -> float:
        if not isinstance(law, NeighbourModel):
            least = minimum(law, observations, fresh_fraction=held, fixed=means, follows_valley=True)
            return least.chi_square
        line = reached.setdefault(law.tie, {})
        near = line[min(line, key=lambda ratio: abs(ratio - law.ratio))] if is_near else None
        least = minimum(law, observations, fresh_fraction=held, fixed=means, near=near)
        line[law.ratio] = least.x
        return least.chi_square

    return chi_square_of


def _crossing(excess: Callable[[float], float], last: float) -> float:
    """Return where a function that may fall and then rises passes 0 upward: 0 before 0, infinite beyond `last`."""
    from scipy.optimize import brentq, minimize_scalar

    if excess(last) < 0.0:
        return np.inf
    inside = 0.0
    if excess(0.0) >= 0.0:
        least = minimize_scalar(excess, bounds=(0.0, last), method="bounded", options={"xatol": 0.01 * last})
        if least.fun >= 0.0:
            return 0.0
        inside = float(least.x)
    return float(brentq(excess, inside, last, rtol=0.02, xtol=1e-4))


def _ties(one: MechanismFit, observations: Observations) -> list[Tie]:
    """Return the lines along which a mechanism may be left."""
    name, degrees = one.name, observations.degrees
    if ScoreErrorModel.name not in CONTAINED_IN[name]:
        return []
    shared = degrees == VARIANCE
    if shared.any():  # offsets of degrees follow from that of variances
        starts = observations.start_guesses[shared]
        width = {"truncation": 1.0, "blur": _widest(one, shared, starts), "refit": float(starts.min())}[name]
        return [Tie(name, width, -1, (1,) if name == "refit" else (1, -1))]
    if name == "blur":
        return []
    columns = np.flatnonzero(degrees > 1 if name == "truncation" else degrees == 2)
    return [Tie(name, 1.0, int(j), (1, -1)) for j in columns]


def _widest(one: MechanismFit, shared: BoolArray, starts: FloatArray) -> float:
    """Return the largest variance that curves have, or lead to."""
    ends = one.plateau[shared & one.settles & (one.contraction < 1.0)]
    return float(np.concatenate([starts, one.predicted[:, shared].ravel(), ends]).max())
