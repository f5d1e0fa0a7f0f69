r"""How many steps of a sampler are enough: the smallest number, and where more of them do worse again.

The limit is seldom monotone in the number of steps: a sampler that widens directions with few steps and narrows them
with many is right in a window between.  So all directions are looked at on a grid of K even in the logarithm, in

    u = log(limit / v) - log(beta + (1 - beta) limit / v),      beta about the fresh fraction,

which is log V(v)/v where V is linear, and changes slowly where limits run away.  Between two numbers u is taken as
linear in log K, give or take twice the next term of Newton's interpolation; where that lets all directions be within
the tolerance, numbers that no grid has are tried.  The ends of what holds are then found to one step: numbers that are
answered, and those next to them, were tried.  A window that is narrower than these interpolations show can be missed.

Samplers that round the distance T / K of their training steps start lower, or end higher, the less K divides T: limits
jump where the rounded distance does.  Where the levels of three numbers in a row show it, 33 to 35 for T = 1000, all
numbers below are tried and the first and last number of every distance, and nothing is interpolated across.  Those that
round each level to the nearest step still go down by T // K at a time, so that both distances count.  Between two
distances that are a seventh apart at least all others are left out, where all numbers of both are further from the
tolerance, on one side of it, than twice what they differ by.

Solvers of several steps are irregular where these are few: all numbers up to 20 are tried, and those asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from .denoiser import Sampler
from .mechanism import variances
from .pipeline import Pipeline
from .requirements import deviations, is_within

RATIO, LARGE_RATIO = 1.5, 2.0  # of one number of steps to the next
LARGE = 200
LOOKS = 8  # at numbers between two of the grid
SAFETY = 2.0  # of the error of an interpolation
JUMP = 1.15  # from one rounded distance to another, beyond others of which the answer may be clear
TRAINING_STEPS = 1000  # T of nearly all schedulers, where a sampler does not say
SHOWING = 33  # the smallest of the numbers that show the rounding
FEW = 20  # numbers that are all tried
SMALLEST_RATIO, LARGEST_RATIO = 1e-9, 1e9  # of a limit over the data's variance
SMALLEST_BETA = 0.01


class StepsAnswer(NamedTuple):
    """How many steps are enough.

    Attributes
    ----------
    windows : tuple of (int, int or None)
        First and last number of each range in which all that were tried suffice, where the numbers beside it do not;
        None where all larger numbers that were tried suffice.  Empty if none does.
    nearest : int or None
        The number that was tried whose limits are nearest to the data; None if all were refused.
    deviation : float
        Largest relative deviation of the limits there.
    tried : tuple of int
        Numbers of steps that were tried and not refused, in their order.
    sufficient : tuple of int
        Those of them that suffice.
    """

    windows: tuple[tuple[int, int | None], ...]
    nearest: int | None
    deviation: float
    tried: tuple[int, ...]
    sufficient: tuple[int, ...]

    @property
    def first(self) -> int | None:
        """The smallest number that suffices; None if none of those tried does."""
        return self.windows[0][0] if self.windows else None

    def includes(self, count: int) -> bool:
        """Return whether a number of steps suffices, or lies where those that were tried do."""
        if count in self.tried:
            return count in self.sufficient
        return any(first <= count and (last is None or count <= last) for first, last in self.windows)


def steps_for(
    build: Callable[[int], Pipeline],
    v: ArrayLike,
    *,
    tolerance: float,
    most: int = 1024,
    also: Sequence[int] = (),
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
    also : sequence of int
        Numbers that are tried in any case.

    Returns
    -------
    StepsAnswer
        The limits hold at its ends and fail one step beside them.

    Examples
    --------
    >>> from hermite_collapse.pipeline.mechanisms import SamplerSteps
    >>> steps_for(lambda k: Pipeline([SamplerSteps.edm(steps=k)], fresh_fraction=0.1), 0.25, tolerance=0.1).first
    58
    """
    data = np.atleast_1d(variances(v, "v"))
    level, largest = checks.positive(tolerance, "tolerance"), checks.integer(most, "most", minimum=1)
    search = _Search(build, data, level, largest)
    for count in also:
        search.holds(count)
    return search.run()


class _Trial(NamedTuple):
    """A number of steps: its largest relative deviation, u of each direction, log noise over signal at both ends."""

    size: float
    coordinates: FloatArray | None
    start: float = np.nan
    end: float = np.nan
    training_steps: int = TRAINING_STEPS


REFUSED = _Trial(np.inf, None)


def _coordinate(ratio: ArrayLike, beta: float) -> FloatArray:
    """Return u of limits over the data's variances."""
    limited = np.clip(ratio, SMALLEST_RATIO, LARGEST_RATIO)
    return np.asarray(np.log(limited / (beta + (1.0 - beta) * limited)))


@dataclass
class _Search:
    """Numbers of steps that were tried, and what came of them."""

    build: Callable[[int], Pipeline]
    data: FloatArray
    level: float
    most: int
    trials: dict[int, _Trial] = field(default_factory=dict)
    beta: float = SMALLEST_BETA
    rounding: tuple[float, ...] = ()
    training_steps: int = TRAINING_STEPS

    def run(self) -> StepsAnswer:
        """Return the answer of the search."""
        self.rounding = self._rounding()
        grid = self._grid()
        if not self._walk(grid, until_found=True):
            self._look_around()
        holding = [count for count, trial in self.trials.items() if is_within(trial.size, self.level)]
        if holding:
            # A number between two of the grid has that of the grid below it as the last that fails.
            first = min(holding)
            first = self._end(max((k for k in self.tried if k < first), default=0), first)
            self._walk([first, *(count for count in grid if count > first)])
            self._find_ends(first)
        return self._answer()

    def _rounding(self) -> tuple[float, ...]:
        """Return what is added to T / K before it is rounded down; nothing where nothing is rounded."""
        if self.most < SHOWING:
            return ()
        self.holds(SHOWING)
        self.training_steps = self.trials[SHOWING].training_steps
        showing = self._showing()
        for count in showing:
            self.holds(count)
        if not showing:
            return ()
        low, middle, high = (self.trials[count] for count in showing)
        if middle.start < low.start - 1e-6:
            return (0.0,)
        return (0.5, 0.0) if abs(high.end - middle.end) < 1e-6 < abs(middle.end - low.end) else ()

    def _showing(self) -> tuple[int, ...]:
        """Return three numbers in a row that show the rounding: a lower start, or an end that is the same once."""
        total = self.training_steps
        for k in range(SHOWING + 1, self.most):
            below, here, above = (int(total / count + 0.5) for count in (k - 1, k, k + 1))
            if (k - 2) * (total // (k - 1)) > (k - 1) * (total // k) and below != here == above:
                return (k - 1, k, k + 1)
        return ()

    def _distance(self, count: int) -> tuple[int, ...]:
        """Return the rounded distances of training steps."""
        return tuple(int(self.training_steps / count + part) for part in self.rounding)

    def _grid(self) -> list[int]:
        """Return the numbers that are tried, up to the first that suffices."""
        numbers = list(range(1, min(FEW, self.most) + 1))
        if self.rounding:
            distances = [self._distance(count) for count in range(1, self.most + 2)]
            edges = {k for k in range(1, self.most + 1) if distances[k - 1] != distances[k]}
            edges |= {k + 1 for k in edges if k < self.most}
            return sorted({*edges, *range(1, SHOWING), self.most})
        while numbers[-1] < self.most:
            ratio = RATIO if numbers[-1] < LARGE else LARGE_RATIO
            following = max(round(numbers[-1] * ratio), numbers[-1] + 1)
            numbers.append(following if following * RATIO < self.most or numbers[-1] < LARGE else self.most)
        return sorted({min(count, self.most) for count in numbers})

    def _walk(self, grid: Sequence[int], *, until_found: bool = False) -> bool:
        """Try numbers in their order, where the answer is not clear, and return whether one suffices."""
        numbers = sorted({*grid, *(count for count in self.trials if count >= grid[0])})
        blocks = [numbers[i : j + 1] for i, j in self._ranges(numbers)]
        index, before, has_found = 0, None, False
        while index < len(blocks):
            for count in blocks[index]:
                holds = self.holds(count)
                if not holds and before is not None and not self.holds(before):
                    holds = self._look_between(before, count)
                has_found |= holds
                if has_found and until_found:
                    return True
                before = count
            far = next(
                (j for j in range(index + 2, len(blocks)) if blocks[j][0] >= JUMP * blocks[index][-1]), 0
            )
            index = far if far and self._is_clear([*blocks[index], *blocks[far]]) else index + 1
        return has_found

    def _ranges(self, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """Return the first and last index of numbers of one rounded distance; of each one where nothing is rounded."""
        starts = [
            i
            for i, count in enumerate(numbers)
            if i == 0 or not self.rounding or not self._is_smooth(numbers[i - 1], count)
        ]
        return list(zip(starts, [*(i - 1 for i in starts[1:]), len(numbers) - 1], strict=True))

    def _is_clear(self, counts: Sequence[int]) -> bool:
        """Return whether the numbers, and so those between them, are all far from the tolerance, on one side of it."""
        if not self.rounding:
            return False
        sizes = []
        for count in counts:
            self.holds(count)
            coordinates = self.trials[count].coordinates
            if coordinates is None:
                return False
            sizes.append(float(self._beyond(coordinates).max()))
        nearest = min(sizes) if min(sizes) > 0.0 else -max(sizes)
        return nearest > SAFETY * (max(sizes) - min(sizes))

    @property
    def tried(self) -> list[int]:
        """Numbers that were tried, in their order."""
        return sorted(self.trials)

    def holds(self, count: int) -> bool:
        """Return whether a number of steps suffices, trying it if it was not yet."""
        if count not in self.trials:
            self.trials[count] = self._trial(count)
        return is_within(self.trials[count].size, self.level)

    def _trial(self, count: int) -> _Trial:
        try:
            pipeline = self.build(count)
            relative = deviations(pipeline, self.data)
        except InputError:
            return REFUSED
        self.beta = max(pipeline.fresh_fraction, SMALLEST_BETA)
        sampler = next((part for part in pipeline.mechanisms if isinstance(part, Sampler)), None)
        size, coordinates = float(np.max(np.abs(relative))), _coordinate(1.0 + relative, self.beta)
        if sampler is None:
            return _Trial(size, coordinates)
        with np.errstate(divide="ignore"):
            start, end = np.log(sampler.noise[[0, -1]] / sampler.signal[[0, -1]])
        return _Trial(size, coordinates, float(start), float(end), sampler.training_steps or TRAINING_STEPS)

    def _look_around(self) -> None:
        """Try numbers next to the best one."""
        tried = self.tried
        index = tried.index(min(tried, key=lambda count: self.trials[count].size))
        for low, high in pairwise(tried[max(index - 1, 0) : index + 2]):
            counts, expected, _ = self._between(low, high)
            if len(counts):
                self.holds(int(counts[np.argmin(expected)]))

    def _look_between(self, low: int, high: int) -> bool:
        """Try numbers between two that fail while one may suffice, and return whether one does.

        The most promising one and the middle of its interval by turns: limits that jump at a fold are not linear.
        """
        for look in range(LOOKS):
            best, least = None, 0.0
            for a, b in pairwise(k for k in self.tried if low <= k <= high):
                counts, _, hoped = self._between(a, b)
                if len(counts) and hoped.min() <= least:
                    best = (a + b) // 2 if look % 2 else int(counts[np.argmin(hoped)])
                    least = float(hoped.min())
            if best is None:
                return False
            if self.holds(best):
                return True
        return False

    def _between(self, low: int, high: int) -> tuple[IntArray, FloatArray, FloatArray]:
        """Return the numbers between two that were tried, and how far directions are beyond the tolerance there.

        As interpolated, and at best; negative where all of them are within.
        """
        counts: IntArray = np.arange(low + 1, high, dtype=np.int64)
        first, last = (self.trials[k].coordinates if k else None for k in (low, high))
        if first is None or last is None or len(counts) == 0 or not self._is_smooth(low, high):
            return counts[:0], np.empty(0), np.empty(0)
        x, a, b = np.log(counts)[:, np.newaxis], np.log(low), np.log(high)
        slope = (last - first) / (b - a)
        bends = []
        tried = self.tried
        for other in (*tried[: tried.index(low)][-1:], *tried[tried.index(high) + 1 :][:1]):
            beside = self.trials[other].coordinates
            if beside is not None and self._is_smooth(min(other, low), max(other, high)):
                point = np.log(other)
                bends.append(((beside - first) / (point - a) - slope) / (point - b))
        bend = min(bends, key=lambda one: float(np.abs(one).max())) if bends else np.zeros_like(slope)
        chord, bow = first + slope * (x - a), (x - a) * (x - b)
        expected, at_best = (self._beyond(values) for values in (chord + bend * bow, chord))
        return counts, expected.max(axis=1), (at_best + SAFETY * np.abs(bend) * bow).max(axis=1)

    def _beyond(self, coordinates: FloatArray) -> FloatArray:
        """Return how far u is beyond the tolerance; negative within."""
        most, least = (_coordinate(1.0 + sign * self.level, self.beta) for sign in (1.0, -1.0))
        return np.asarray(np.maximum(coordinates - most, least - coordinates))

    def _is_smooth(self, low: int, high: int) -> bool:
        """Return whether nothing jumps between two numbers."""
        return self._distance(low) == self._distance(high)

    def _end(self, failing: int, holding: int) -> int:
        """Return the number that suffices next to one that fails, between these two."""
        tries, towards = 0, 1 if holding > failing else -1
        while abs(holding - failing) > 1:
            counts, expected, _ = self._between(min(failing, holding), max(failing, holding))
            good = counts[expected <= 0.0]
            tries += 1
            if failing in self.trials and self.trials[failing] is REFUSED:  # which costs next to nothing
                middle = failing + (int((holding - failing) / 4) or towards)
            elif tries % 3 == 0 or len(counts) == 0:
                middle = (failing + holding) // 2
            elif len(good):
                middle = int(good[0] if towards > 0 else good[-1])
            else:
                middle = holding - towards
            failing, holding = (failing, middle) if self.holds(middle) else (middle, holding)
        return holding

    def _find_ends(self, first: int) -> None:
        """Try numbers until each that suffices has one that was tried on either side."""
        changes = True
        while changes:
            numbers = [count for count in self.tried if count >= first]
            changes = False
            for low, high in pairwise(numbers):
                if high > low + 1 and self.holds(low) != self.holds(high):
                    self._end(*((high, low) if self.holds(low) else (low, high)))
                    changes = True

    def _answer(self) -> StepsAnswer:
        """Return the answer with the ends of what holds."""
        windows: list[tuple[int, int | None]] = []
        ends = [0, *self.tried]
        for before, count in pairwise(ends):
            if not self.holds(count):
                continue
            if windows and windows[-1][1] == before:
                windows[-1] = (windows[-1][0], count)
            else:
                windows.append((count, count))
        if windows and windows[-1][1] == self.tried[-1]:
            windows[-1] = (windows[-1][0], None)
        tried = tuple(count for count in self.tried if self.trials[count] is not REFUSED)
        nearest = min(tried, key=lambda count: self.trials[count].size, default=None)
        deviation = np.inf if nearest is None else self.trials[nearest].size
        sufficient = tuple(count for count in tried if is_within(self.trials[count].size, self.level))
        return StepsAnswer(tuple(windows), nearest, deviation, tried, sufficient)
