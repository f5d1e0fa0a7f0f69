r"""How many steps of a sampler are enough: the smallest number, and where more of them do worse again.

The limit is seldom monotone in the number of steps: a sampler that widens directions with few steps and narrows them
with many is right in a window between.  So deviations d_j(K) of all directions, with their signs, are looked at on a
grid of K even in the logarithm; between two numbers they are taken as linear in log K,

    min_K max_j abs(d_j(K)),

which shows a window that no number of the grid lies in.  Numbers that look good are tried, and the ends of what holds
are found by bisection.  Every number that is answered was tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from .mechanism import variances
from .pipeline import Pipeline
from .requirements import deviations, is_within

RATIO = 1.5  # of one number of steps to the next
PROMISING = 3.0  # times the tolerance: what an interpolated deviation may be to be looked at
LOOKS = 8  # at numbers between two of the grid
COARSE = 0.04  # relative accuracy of the number from which more steps do worse again
LARGEST_LOG = 20.0  # of a limit over the data's variance, where it is 0 or infinite


class StepsAnswer(NamedTuple):
    """How many steps are enough.

    Attributes
    ----------
    first : int or None
        The smallest number that suffices; None if none of those tried does.
    last : int or None
        The largest up to which all that were tried suffice, to 4 %, where more do worse again; None where more do as
        well.
    again : int or None
        The smallest number above, to 4 %, from which on all that were tried suffice once more; None where the largest
        number that may be tried does not.
    nearest : int or None
        The number that was tried whose limits are nearest to the data; None if all were refused.
    deviation : float
        Largest relative deviation of the limits there.
    tried : tuple of int
        Numbers of steps that were tried and not refused, in their order.
    """

    first: int | None
    last: int | None
    again: int | None
    nearest: int | None
    deviation: float
    tried: tuple[int, ...]

    def includes(self, count: int) -> bool:
        """Return whether a number of steps lies where those that were tried suffice."""
        if self.first is None or count < self.first:
            return False
        return self.last is None or count <= self.last or (self.again is not None and count >= self.again)


def steps_for(
    build: Callable[[int], Pipeline], v: ArrayLike, *, tolerance: float, most: int = 1024
) -> StepsAnswer:
    """Return the numbers of steps with which every limit is within a relative tolerance of the data.

    Parameters
    ----------
    build : callable
        Takes a number of steps and returns a pipeline; numbers that it refuses (InputError) do not suffice.
    v : float or array
        Variances of the data; within a class under guidance.
    tolerance : float
        > 0.
    most : int
        The largest number that is tried.

    Returns
    -------
    StepsAnswer
        The limits hold at its ends and fail one step before the first.

    Examples
    --------
    >>> from hermite_collapse.pipeline.mechanisms import SamplerSteps
    >>> steps_for(lambda k: Pipeline([SamplerSteps.edm(steps=k)], fresh_fraction=0.1), 0.25, tolerance=0.1).first
    58
    """
    data = np.atleast_1d(variances(v, "v"))
    level, largest = checks.positive(tolerance, "tolerance"), checks.integer(most, "most", minimum=1)
    search = _Search(build, data, level)
    before = 0
    for count in _grid(largest):
        if not search.holds(count):
            if before:
                search.look_between(before, count)
            before = count
        if search.holding:
            break
    if not search.holding:
        search.look_around()
    if not search.holding:
        return search.answer(None, None)
    # A number between two of the grid has that of the grid below it as the last that fails.
    least = min(search.holding)
    first = search.end(max((k for k in search.tried if k < least), default=0), least)
    reached = max(search.holding)
    worse = [count for count in search.tried if count > reached]
    for count in worse[:1] or _doubled(reached, largest)[1:]:
        if not search.holds(count):
            last = search.end(count, reached, accuracy=COARSE)
            return search.answer(first, last, search.holds_again(count, largest))
        reached = count
    return search.answer(first, None)


def _grid(most: int) -> list[int]:
    """Return numbers of steps from 1 on, even in the logarithm, ending with the largest."""
    numbers = [1]
    while numbers[-1] < most:
        numbers.append(min(max(round(numbers[-1] * RATIO), numbers[-1] + 1), most))
    return numbers


def _doubled(first: int, most: int) -> list[int]:
    """Return a number and its doubles, ending with the largest."""
    numbers = [first]
    while numbers[-1] < most:
        numbers.append(min(2 * numbers[-1], most))
    return numbers


@dataclass
class _Search:
    """Numbers of steps that were tried, with log(limit / v) of each direction; None for refused ones."""

    build: Callable[[int], Pipeline]
    data: FloatArray
    level: float
    logs: dict[int, FloatArray | None] = field(default_factory=dict)
    sizes: dict[int, float] = field(default_factory=dict)

    @property
    def holding(self) -> list[int]:
        """Numbers that suffice."""
        return [count for count, size in self.sizes.items() if is_within(size, self.level)]

    @property
    def tried(self) -> list[int]:
        return sorted(self.logs)

    def holds(self, count: int) -> bool:
        """Return whether a number of steps suffices, trying it if it was not yet."""
        if count not in self.logs:
            try:
                relative = deviations(self.build(count), self.data)
            except InputError:
                self.logs[count], self.sizes[count] = None, np.inf
            else:
                with np.errstate(divide="ignore"):
                    logs = np.log1p(np.maximum(relative, -1.0))
                self.logs[count] = np.clip(logs, -LARGEST_LOG, LARGEST_LOG)
                self.sizes[count] = float(np.max(np.abs(relative)))
        return is_within(self.sizes[count], self.level)

    def look_around(self) -> None:
        """Try numbers next to the best one."""
        tried = self.tried
        index = tried.index(min(tried, key=lambda count: self.sizes[count]))
        around = tried[max(index - 1, 0) : index + 2]
        self.look_between(around[0], around[-1], below=self.sizes[tried[index]])

    def look_between(self, low: int, high: int, *, below: float | None = None) -> None:
        """Try numbers between two that fail, as long as one looks good that was not tried."""
        for _ in range(LOOKS):
            inside = [k for k in self.tried if low <= k <= high]
            best, size = None, PROMISING * self.level if below is None else below
            for a, b in pairwise(inside):
                counts, expected = self._between(a, b)
                if len(counts) and expected.min() < size:
                    best, size = int(counts[np.argmin(expected)]), float(expected.min())
            if best is None or self.holds(best):
                return

    def _between(self, low: int, high: int) -> tuple[IntArray, FloatArray]:
        """Return the numbers between two that were tried, and the deviations that interpolation expects there."""
        counts: IntArray = np.arange(low + 1, high, dtype=np.int64)
        first, last = self.logs[low], self.logs[high]
        if first is None or last is None or len(counts) == 0:
            return counts[:0], np.empty(0)
        share = (np.log(counts / low) / np.log(high / low))[:, np.newaxis]
        return counts, np.asarray(np.abs(np.expm1((1.0 - share) * first + share * last)).max(axis=1))

    def end(self, failing: int, holding: int, *, accuracy: float = 0.0) -> int:
        """Return a number that suffices next to one that fails, or so near relative to it, between these two."""
        tries = 0
        while abs(holding - failing) > max(1.0, accuracy * holding):
            tries += 1
            middle = (failing + holding) // 2
            if tries % 3 and failing:
                counts, expected = self._between(min(failing, holding), max(failing, holding))
                good = counts[expected <= self.level]
                if len(good):
                    middle = int(good[0] if failing < holding else good[-1])
            failing, holding = (failing, middle) if self.holds(middle) else (middle, holding)
        return holding

    def holds_again(self, failing: int, most: int) -> int | None:
        """Return the number from which on those that are tried suffice, above one that fails; None without one."""
        after = None
        for count in reversed(_doubled(failing, most)[1:]):
            if not self.holds(count):
                failing = count
                break
            after = count
        return None if after is None else self.end(failing, after, accuracy=COARSE)

    def answer(self, first: int | None, last: int | None, again: int | None = None) -> StepsAnswer:
        """Return the answer with the ends of what holds."""
        tried = tuple(count for count in self.tried if self.logs[count] is not None)
        nearest = min(tried, key=lambda count: self.sizes[count], default=None)
        return StepsAnswer(
            first, last, again, nearest, np.inf if nearest is None else self.sizes[nearest], tried
        )
