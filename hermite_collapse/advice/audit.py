"""What a pipeline does to data in the long run, which of its mechanisms does it, and what to change first.

    print(audit(Pipeline([SamplerSteps.edm(steps=18)], fresh_fraction=0.1)).text)

Directions are principal directions of the data with their variances, in the units of the sampler.  Every number holds
in one round for Gaussian directions; limits, and other data, are a Gaussian closure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.display import Displayed
from ..core.errors import InputError
from ..core.numbers import significant
from ..core.signature import public
from ..core.types import BoolArray, FloatArray
from ..core.value import Value
from ..pipeline.interpolant import in_range
from ..pipeline.ledger import GUIDANCE, IMAGES, STEPS, Ledger
from ..pipeline.mechanism import Mechanism, variances
from ..pipeline.pipeline import Pipeline
from ..pipeline.requirements import is_within, sensitivity
from .enough import (
    TOLERANCE,
    Requirement,
    Situation,
    asked_steps,
    requirements_of,
    sampler_in,
    what_is_enough,
)
from .fresh_fractions import by_pipeline, limits_by_fraction

DEFAULT_SPECTRUM = np.geomspace(1.0, 1e-4, 65)
DEFAULT_WORDS = "65 variances from 1 down to 0.0001, even in the logarithm, because none were given"
CURVE = 129
CLOSURE = (
    "One round is exact for Gaussian directions; limits, and other data, are a Gaussian closure: on mixtures the total "
    "variance moved a quarter of that to all of it in the cases tried (mechanisms.mixture_rounds is exact on a line)."
)
_CHANGES = {STEPS: "the sampler", GUIDANCE: "the guidance scale", IMAGES: "the number of images a round"}


class DominantBySize(NamedTuple):
    """The mechanism that moves a coarse, a median and a fine direction most in the limit; "" where none does."""

    coarse: str
    median: str
    fine: str


@dataclass(frozen=True, eq=False)
class Audit(Displayed, Value):
    """What the mechanisms of a pipeline do to directions of the data; made by `audit`.

    Attributes
    ----------
    pipelines : tuple of Pipeline
        One for all directions, or one for each.
    ledger : Ledger
        Each mechanism alone and all together, in one round and in the limit.
    tolerance : float
        Relative deviation of the limit from the data that is asked for.
    requirements : tuple of Requirement
        What suffices for it, for directions no finer than the median.
    sensitivity : array, shape (K, m)
        d log(limit) / d log(V_k) of each mechanism of the pipeline, in their order; where pipelines differ, of a
        coarse, a median and a fine direction only, NaN for the others.
    spectrum : str
        Where the directions come from.
    steps : int or None
        Number of steps that the sampler was asked for; that of its calls of the network if left out.
    """

    pipelines: tuple[Pipeline, ...]
    ledger: Ledger
    tolerance: float
    requirements: tuple[Requirement, ...]
    sensitivity: FloatArray
    spectrum: str
    steps: int | None = None

    @property
    def dominant(self) -> DominantBySize:
        """The mechanism that moves a coarse, a median and a fine direction most in the limit."""
        names = self.ledger.dominant.in_limit
        return DominantBySize(*(names[j] for j in self.ledger.representative))

    @property
    def last_step_dominates(self) -> bool:
        """Whether the last of several steps alone moves a median direction more than half as far as all of them."""
        ledger, j = self.ledger, self.ledger.representative.median
        sampler = sampler_in(self.pipelines[0])
        if sampler is None or sampler.steps == 1 or not np.isfinite(ledger.last_step[0, j]):
            return False
        steps = float(ledger.log_ratios[ledger.names.index(STEPS), j])
        last = float(np.log(ledger.last_step[0, j]))
        return last * steps > 0.0 and abs(last) > 0.5 * abs(steps)

    @property
    def differs(self) -> bool:
        """Whether parameters differ from direction to direction."""
        guidance = self.pipelines[0].guidance
        return len(self.pipelines) > 1 or (guidance is not None and isinstance(guidance.between, tuple))

    @cached_property
    def curve(self) -> Ledger:
        """The ledger to draw: on an even grid of log v over the directions, or at them where pipelines differ."""
        data = self.ledger.data
        if self.differs:
            return self.ledger
        low, high = float(data.min()), float(data.max())
        if high < 10.0 * low:
            low, high = 0.3 * low, 3.0 * high
        return self.pipelines[0].ledger(np.geomspace(low, high, CURVE))

    @cached_property
    def limits_by_fraction(self) -> FloatArray:
        """Limits over the data of a coarse, a median and a fine direction at `FRACTIONS`, (fractions, directions)."""
        return limits_by_fraction(self.pipelines, self.ledger.data, self.directions_shown)

    @property
    def directions_shown(self) -> tuple[int, ...]:
        """A coarse, a median and a fine direction, each once."""
        return tuple(dict.fromkeys(self.ledger.representative))

    def table(self) -> str:
        """Return the variance that each mechanism keeps, of a coarse, a median and a fine direction, as text."""
        return self.ledger.table()

    @property
    def text(self) -> str:
        """Three sentences: what to change first, what it costs, and what the audit does not know."""
        return " ".join((self._first(), self._cost(), self._unknown()))

    def _first(self) -> str:
        ledger, (j, direction) = self.ledger, self._looked_at
        share = f"At fresh fraction {ledger.fresh_fraction:g}"
        together = _change(float(np.exp(ledger.log_ratio[j])), float(ledger.limit[j]))
        effect = f"all mechanisms together multiply the variance of {direction} {together}"
        nothing = f"{share}, nothing has to change: {effect}"
        name = ledger.dominant.in_limit[j]
        if not name:
            return f"{nothing}."
        k = ledger.names.index(name)
        alone = _change(float(np.exp(ledger.log_ratios[k, j])), float(ledger.limits[k, j]))
        if self.is_reached:
            is_small = is_within(abs(float(ledger.limits[k, j]) - 1.0), self.tolerance)
            though = "" if is_small else f", although {ledger.descriptions[k]}, alone, multiplies it {alone}"
            return f"{nothing}{though}."
        change = _CHANGES.get(name, f"the {name}")
        others = "" if len(ledger.names) == 1 else f", all mechanisms together {together}"
        why = ""
        sampler = sampler_in(self.pipelines[0])
        if (
            name == STEPS
            and sampler is not None
            and sampler.steps > 1
            and np.isfinite(ledger.last_step[0, j])
        ):
            why = f", its last step alone {_change(*ledger.last_step[:, j].tolist())}"
            more = next((one for one in self.requirements if one.quantity == "steps"), None)
            if self.last_step_dominates and (more is None or more.value is None):
                why += ", so that levels that end at less noise help more than steps"
        return (
            f"{share}, change {change} first: {ledger.descriptions[k]}, alone, multiplies the variance of {direction} "
            f"{alone}{why}{others}."
        )

    @property
    def _looked_at(self) -> tuple[int, str]:
        """The median direction, or a coarser one that is beyond the tolerance where the median is not; in words."""
        data, sizes = self.ledger.data, _sizes(self.ledger)
        j = self.ledger.representative.median
        if self.is_reached or not is_within(float(sizes[j]), self.tolerance):
            return j, f"a median direction ({significant(float(data[j]))})"
        j = int(np.argmax(np.where(_no_finer_than_median(self.ledger), sizes, -1.0)))
        return j, f"the direction furthest off ({significant(float(data[j]))})"

    def _cost(self) -> str:
        sampler = sampler_in(self.pipelines[0])
        now = Situation(
            self.pipelines[0],
            self.tolerance,
            "the median direction",
            asked_steps(sampler, self.steps),
            self.is_reached,
            len(self.ledger.names) == 1,
        )
        words = what_is_enough(self.requirements, now)
        if self.is_reached or sampler is None or any(one.quantity == "steps" for one in self.requirements):
            return words
        return (
            f"{words} The number of steps was not searched: build=, a function that takes a number of steps and "
            "returns the sampler, tells how many are enough."
        )

    @property
    def is_reached(self) -> bool:
        """Whether the limits of all directions no finer than the median are within the tolerance."""
        return is_within(float(_sizes(self.ledger)[_no_finer_than_median(self.ledger)].max()), self.tolerance)

    def _unknown(self) -> str:
        return (
            "This knows neither the error of the learned score, which adds to all of it and which hermite-collapse "
            "diagnose finds in variances measured round by round, nor data that are not Gaussian, for which limits are "
            "a Gaussian closure."
        )


@public
def audit(
    pipeline: Pipeline | Sequence[Pipeline],
    *,
    directions: ArrayLike | None = None,
    tolerance: float = TOLERANCE,
    build: Callable[[int], Mechanism] | None = None,
    steps: int | None = None,
    spectrum: str = "",
) -> Audit:
    """Return what each mechanism of a pipeline does to data in the long run, and what to change first.

    Parameters
    ----------
    pipeline : Pipeline or sequence of Pipeline
        One for all directions, or one for each where parameters differ between them.
    directions : array, shape (m,), optional
        Principal variances > 0 of the data in the units of the sampler; within a class under guidance.  Left out:
        65 variances from 1 down to 1e-4, even in the logarithm.
    tolerance : float
        Relative deviation of the limit from the data that is asked for, > 0.
    build : callable, optional
        Takes a number of steps and returns the sampler; tells how many steps suffice.  Not searched if left out.
    steps : int, optional
        Number of steps that `build` took for the sampler of the pipeline, where that is not the number of its calls of
        the network.
    spectrum : str
        Where the directions come from, in words.

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        If directions are not positive, or pipelines do not fit them or each other.

    Notes
    -----
    One round is exact for Gaussian directions; limits and other data are a Gaussian closure.  Knows nothing of the
    error of a learned score.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> pipeline = hc.Pipeline([hc.mechanisms.SamplerSteps.edm(steps=18)], fresh_fraction=0.1)
    >>> audit = hc.audit(pipeline, directions=[0.242, 0.0248, 0.00322])
    >>> audit.dominant.median, audit.ledger.limit.round(2).tolist()
    ('sampler steps', [5.43, 18.85, 105.95])
    """
    data = np.atleast_1d(variances(DEFAULT_SPECTRUM if directions is None else directions, "directions"))
    if data.ndim != 1 or data.size == 0 or data.min() <= 0.0:
        raise InputError(f"directions must be one axis of variances > 0, got {directions!r}.")
    in_range(data, "directions")
    pipelines = (pipeline,) if isinstance(pipeline, Pipeline) else tuple(pipeline)
    for entry in pipelines:
        checks.instance(entry, Pipeline, "pipeline")
    if not isinstance(pipeline, Pipeline) and len(pipelines) != len(data):
        raise InputError(
            f"pipeline must be one, or one for each of {len(data)} directions, got {len(pipelines)}."
        )
    level = checks.positive(tolerance, "tolerance")
    parts = by_pipeline(pipelines, data)
    ledger = Ledger.joined([one.ledger(v) for one, v in parts])
    count = None if steps is None else checks.integer(steps, "steps", minimum=1)
    asked = asked_steps(sampler_in(pipelines[0]), count)
    coarse = by_pipeline(pipelines, data, _no_finer_than_median(ledger))
    return Audit(
        pipelines,
        ledger,
        level,
        tuple(requirements_of(coarse, level, build, asked)),
        _sensitivity(pipelines, ledger),
        spectrum or (DEFAULT_WORDS if directions is None else "as given"),
        count,
    )


def _no_finer_than_median(ledger: Ledger) -> BoolArray:
    """Return which directions are no finer than the median one that is shown."""
    return np.asarray(ledger.data >= ledger.data[ledger.representative.median])


def _sizes(ledger: Ledger) -> FloatArray:
    """Return how far the limits of all mechanisms together are off; infinity where there is none."""
    return np.nan_to_num(np.abs(ledger.limit - 1.0), nan=np.inf, posinf=np.inf)


def _sensitivity(pipelines: Sequence[Pipeline], ledger: Ledger) -> FloatArray:
    """Return the sensitivity of every direction, or of three where each has a pipeline of its own."""
    if len(pipelines) == 1:
        return sensitivity(pipelines[0], ledger.data)
    result = np.full((len(pipelines[0].mechanisms), len(ledger.data)), np.nan)
    for j in set(ledger.representative):
        result[:, j] = sensitivity(pipelines[j], ledger.data[j])[:, 0]
    return result


def _change(ratio: float, limit: float) -> str:
    """Return "by 0.61 in one round and by 0.072 in the limit"."""
    if np.isnan(limit):
        end = "and makes it alternate in a cycle"
    elif np.isinf(limit):
        end = "and without bound in the long run"
    else:
        end = f"and by {significant(limit)} in the limit"
    return f"by {significant(ratio)} in one round {end}"
