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
from ..core.numbers import grouped, percent, significant
from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import Value
from ..pipeline.denoiser import Sampler
from ..pipeline.interpolant import in_range
from ..pipeline.ledger import GUIDANCE, IMAGES, STEPS, Ledger
from ..pipeline.mechanism import Mechanism, variances
from ..pipeline.pipeline import Pipeline
from ..pipeline.requirements import guidance_for, images_for, sensitivity, share_for
from ..pipeline.step_search import StepsAnswer, steps_for
from .fresh_fractions import by_pipeline, limits_by_fraction

DEFAULT_SPECTRUM = np.geomspace(1.0, 1e-4, 65)
DEFAULT_WORDS = "65 variances from 1 down to 0.0001, even in the logarithm, because none were given"
MOST_STEPS = 1000
CURVE = 129
CLOSURE = (
    "One round is exact for Gaussian directions; limits, and other data, are a Gaussian closure: on mixtures the total "
    "variance moved a quarter of that to all of it in the cases tried (mechanisms.mixture_rounds is exact on a line)."
)
_ALONE = {"steps": "the sampler", "guidance scale": "guidance", "images": "finite images"}
_NEVER = {
    "guidance scale": "guidance scale",
    "images": "number of images",
    "fresh fraction": "fresh fraction",
}
_NOW = {
    "steps": "the number of steps",
    "guidance scale": "the guidance scale",
    "images": "the number of images",
}
_CHANGES = {STEPS: "the sampler", GUIDANCE: "the guidance scale", IMAGES: "the number of images a round"}


class DominantBySize(NamedTuple):
    """The mechanism that moves a coarse, a median and a fine direction most in the limit; "" where none does."""

    coarse: str
    median: str
    fine: str


class Requirement(NamedTuple):
    """How much of something is enough.

    Attributes
    ----------
    quantity : str
        "steps", "guidance scale", "fresh fraction" or "images", which are those of each class under guidance.
    value : float or None
        The least that suffices, the largest for a guidance scale; None if nothing does.
    of_all : bool
        Whether the other mechanisms are at work too; else this one is alone.
    search : StepsAnswer or None
        Of steps: where more of them do worse again, what comes nearest, and what was tried.
    """

    quantity: str
    value: float | None
    of_all: bool
    search: StepsAnswer | None = None


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
        sampler = _sampler(self.pipelines[0])
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
        ledger, j = self.ledger, self.ledger.representative.median
        direction = f"a median direction ({significant(float(ledger.data[j]))})"
        share = f"At fresh fraction {ledger.fresh_fraction:g}"
        together = _change(float(np.exp(ledger.log_ratio[j])), float(ledger.limit[j]))
        name = self.dominant.median
        sizes = np.abs(np.log(np.maximum(ledger.limits[:, j], 1e-300))) if name else np.zeros(1)
        if not name or (np.all(sizes <= self.tolerance) and _near(float(ledger.limit[j]), self.tolerance)):
            return (
                f"{share}, nothing has to change: all mechanisms together multiply the variance of {direction} "
                f"{together}."
            )
        k = ledger.names.index(name)
        change = _CHANGES.get(name, f"the {name}")
        alone = _change(float(np.exp(ledger.log_ratios[k, j])), float(ledger.limits[k, j]))
        others = "" if len(ledger.names) == 1 else f", all mechanisms together {together}"
        why = ""
        sampler = _sampler(self.pipelines[0])
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

    def _cost(self) -> str:
        wanted = f"limits within {percent(self.tolerance)} of the data, down to the median direction,"
        takes, fails, suffice = [], [], []
        for requirement in self.requirements:
            quantity, value, of_all, _ = requirement
            alone = "" if of_all or len(self.ledger.names) == 1 else f" ({_ALONE[quantity]} alone)"
            if value is None:
                fails.append(_failure(requirement, alone))
            elif not self._is_met(requirement):
                takes.append(self._amount(requirement) + alone)
            elif of_all:
                return (
                    f"{_upper(wanted)} are reached already, and would be down to a fresh fraction of "
                    f"{_shown(value, up=True)}."
                )
            else:
                suffice.append(f"{_NOW[quantity]}{alone}")
        parts = [f"take {', or '.join(takes)}"] if takes else []
        parts += [f"{' and '.join(fails)} would do"] if fails else []
        parts += [f"{' and '.join(suffice)} will do as it is"] if suffice else []
        if not takes:
            return f"For {wanted} {'; '.join(parts)}."
        return f"{_upper(wanted)} {'; '.join(parts)}."

    def _is_met(self, requirement: Requirement) -> bool:
        first, value = self.pipelines[0], requirement.value
        if value is None:
            return False
        guidance = first.guidance
        if requirement.quantity == "steps":
            return self._asked is not None and (
                value <= self._asked
                if requirement.search is None
                else requirement.search.includes(self._asked)
            )
        if requirement.quantity == "guidance scale":
            return guidance is not None and guidance.scale <= value
        if requirement.quantity == "images":
            return first.images is not None and first.images >= value
        return first.fresh_fraction >= value

    @property
    def _asked(self) -> int | None:
        """Number of steps that the sampler was asked for."""
        sampler = _sampler(self.pipelines[0])
        return sampler.steps if self.steps is None and sampler is not None else self.steps

    def _amount(self, requirement: Requirement) -> str:
        quantity, value, _, search = requirement
        assert value is not None
        if quantity == "steps":
            last, again = (None, None) if search is None else (search.last, search.again)
            between = f"{value:.0f}" if last in (None, value) else f"{value:.0f} to {last}"
            beyond = "" if again is None else f", or {again} and more,"
            worse = " (numbers just above do worse)" if last is not None and again is None else ""
            return (
                f"{between} steps{beyond}"
                + ("" if self._asked is None else f" in place of {self._asked}")
                + worse
            )
        if quantity == "guidance scale":
            return f"a guidance scale of at most {_shown(value, up=False)}"
        if quantity == "images":
            real = significant(self.ledger.fresh_fraction * value)
            of_each = "" if self.pipelines[0].guidance is None else " of each class"
            return f"{grouped(int(value))} images{of_each} a round, {real} of them real,"
        return f"a fresh fraction of {_shown(value, up=True)}"

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
    tolerance: float = 0.1,
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
        Takes a number of steps and returns the sampler; tells how many steps suffice.
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
    coarse = data >= np.median(data)
    return Audit(
        pipelines,
        ledger,
        level,
        tuple(_requirements(by_pipeline(pipelines, data, coarse), level, build)),
        _sensitivity(pipelines, ledger),
        spectrum or (DEFAULT_WORDS if directions is None else "as given"),
        None if steps is None else checks.integer(steps, "steps", minimum=1),
    )


def _sensitivity(pipelines: Sequence[Pipeline], ledger: Ledger) -> FloatArray:
    """Return the sensitivity of every direction, or of three where each has a pipeline of its own."""
    if len(pipelines) == 1:
        return sensitivity(pipelines[0], ledger.data)
    result = np.full((len(pipelines[0].mechanisms), len(ledger.data)), np.nan)
    for j in set(ledger.representative):
        result[:, j] = sensitivity(pipelines[j], ledger.data[j])[:, 0]
    return result


def _requirements(
    parts: Sequence[tuple[Pipeline, FloatArray]], tolerance: float, build: Callable[[int], Mechanism] | None
) -> list[Requirement]:
    """Return what suffices, each quantity by itself: the strictest answer of all directions."""
    first = parts[0][0]
    alpha = first.fresh_fraction
    result = []
    if build is not None and _sampler(first) is not None:
        data = np.concatenate([v for _, v in parts])
        steps = steps_for(
            lambda count: Pipeline([build(count)], fresh_fraction=alpha),
            data,
            tolerance=tolerance,
            most=MOST_STEPS,
        )
        result.append(Requirement("steps", steps.first, False, steps))
    if first.guidance is not None:
        scales = []
        for pipeline, data in parts:
            alone = Pipeline([_guidance(pipeline)], fresh_fraction=alpha)
            scales.append(guidance_for(alone, data, tolerance=tolerance))
        result.append(Requirement("guidance scale", _strictest(scales, min), False))
    shares = [share_for(pipeline, data, tolerance=tolerance) for pipeline, data in parts]
    result.append(Requirement("fresh fraction", _strictest(shares, max), True))
    if first.images is not None:
        bare = Pipeline([], fresh_fraction=alpha)
        counts = [images_for(bare, parts[0][1], tolerance=tolerance)]
        result.append(Requirement("images", _strictest(counts, max), False))
    return result


def _failure(requirement: Requirement, alone: str) -> str:
    """Return what does not suffice."""
    search = requirement.search
    if search is None:
        return f"no {_NEVER[requirement.quantity]}{alone}"
    if search.nearest is None:
        return f"no number of steps that the sampler takes{alone}"
    nearest = f"the best of them is {search.nearest}"
    size = f", {percent(search.deviation)} off" if np.isfinite(search.deviation) else ""
    return f"none of {len(search.tried)} numbers of steps{alone} up to {search.tried[-1]} tried ({nearest}{size})"


def _strictest(values: Sequence[float | None], choose: Callable[[Sequence[float]], float]) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if len(known) == len(values) else None


def _guidance(pipeline: Pipeline) -> Mechanism:
    guidance = pipeline.guidance
    assert guidance is not None
    return guidance


def _sampler(pipeline: Pipeline) -> Sampler | None:
    return next((part for part in pipeline.mechanisms if isinstance(part, Sampler)), None)


def _near(ratio: float, tolerance: float) -> bool:
    return abs(ratio - 1.0) <= tolerance


def _change(ratio: float, limit: float) -> str:
    """Return "by 0.61 in one round and by 0.072 in the limit"."""
    if np.isnan(limit):
        end = "and makes it alternate in a cycle"
    elif np.isinf(limit):
        end = "and without bound in the long run"
    else:
        end = f"and by {significant(limit)} in the limit"
    return f"by {significant(ratio)} in one round {end}"


def _shown(value: float, *, up: bool) -> str:
    """Return a bound of three digits, rounded to the side on which it holds."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 2.0)
    digits = np.ceil(value / unit - 1e-6) if up else np.floor(value / unit + 1e-6)
    return f"{digits * unit:.3g}"


def _upper(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
