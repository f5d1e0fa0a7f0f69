r"""The stationary state that rounds of a guided pipeline are on their way to, long before they are there.

With x the variance, the drift of the mean and the gain of the class means, and F one round, Newton's method solves

    x* = F(x*):     (1 - J) (x* - x) = F(x) - x,     J = dF/dx

from where the rounds are.  Rounds come to x* if J has no eigenvalue of size 1 or more there, and if x is near: from two
states that are m rounds apart Newton's method has to lead to the same x*, and the distance to it has to shrink by about
the size of the largest eigenvalue to the power of m, or faster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..core.types import BoolArray, FloatArray

DIFFERENCE = 1e-5  # relative, for derivatives: rounding of guided samplers is some 1e-12 of a gain
NEWTON_STEPS = 12
CLOSE = 1e-9  # relative size of the last step of Newton's method
NEAR = 0.03  # relative distance at which a state counts as near
THERE = 1e-9  # relative distance at which nothing has to shrink
SAME = 1e-7  # relative difference of two answers that are one
SLOWEST = 1.0 - 1e-7  # size of an eigenvalue of J


class State(NamedTuple):
    """A direction after some rounds.

    Attributes
    ----------
    variance : array
        Variance of the model's output, within a class under guidance.
    drift : array
        Mean square by which the mean has drifted, with finite images; else 0.
    spread : array
        Gain of the class means over the data's, under guidance; else 1.
    """

    variance: FloatArray
    drift: FloatArray
    spread: FloatArray

    @classmethod
    def of_data(cls, data: FloatArray) -> State:
        """Return the state before the first round."""
        return cls(data.copy(), np.zeros_like(data), np.ones_like(data))


@dataclass(frozen=True)
class Loops:
    """Loops around directions, each with its parameters, shape (n,).

    Parameters
    ----------
    advance : function
        (data, state, fresh fraction, variance of the data's class means) -> the state after one more round,
        elementwise.
    data, alpha, between : array, shape (n,)
        Variances of the data, fresh fractions, variances of the data's class means.
    """

    advance: Callable[[FloatArray, State, FloatArray, FloatArray], State]
    data: FloatArray
    alpha: FloatArray
    between: FloatArray

    def following(self, state: State) -> State:
        """Return states, shape (..., n), after one more round."""
        shape = np.shape(state.variance)
        data, alpha, between = (
            np.broadcast_to(values, shape) for values in (self.data, self.alpha, self.between)
        )
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            result = self.advance(data, state, alpha, between)
        # Classes that share a mean have none to move.
        return result._replace(spread=np.where(between > 0.0, result.spread, 1.0))

    def trained_on(self, state: State) -> FloatArray:
        """Return the variance of the next training set, but for what moved means add."""
        return self.alpha * self.data + (1.0 - self.alpha) * state.variance

    def selected(self, directions: BoolArray) -> Loops:
        """Return some of the loops."""
        return Loops(self.advance, *(values[directions] for values in (self.data, self.alpha, self.between)))


class Destination(NamedTuple):
    """Where Newton's method leads from a state.

    Attributes
    ----------
    state : State
        The stationary state.
    distance : array
        Relative, of the state from it; infinite where rounds do not go there.
    rate : array
        Size of the largest eigenvalue of J there.
    """

    state: State
    distance: FloatArray
    rate: FloatArray

    @classmethod
    def none(cls, size: int) -> Destination:
        """Return no destination of any direction."""
        state = State(*(np.full(size, np.nan) for _ in State._fields))
        return cls(state, np.full(size, np.inf), np.full(size, np.nan))

    def selected(self, directions: BoolArray) -> Destination:
        """Return the destinations of some directions."""
        state = State(*(values[directions] for values in self.state))
        return Destination(state, self.distance[directions], self.rate[directions])

    def is_approached_from(self, earlier: Destination, scales: State, rounds: int) -> BoolArray:
        """Return which destinations are those from the state so many rounds before too, and nearer by now."""
        shrunk = 0.5 * (1.0 + np.minimum(self.rate, 1.0) ** rounds)
        nearer = (self.distance < shrunk * earlier.distance) | (self.distance < THERE)
        result = nearer & (earlier.distance < NEAR)
        for own, other, scale in zip(self.state, earlier.state, scales, strict=True):
            result &= np.abs(own - other) <= SAME * scale
        return result


def scales_of(loops: Loops, state: State) -> State:
    """Return what changes of a state are compared with: of its variance, with what the next round is trained on."""
    trained = loops.trained_on(state)
    return State(trained, np.where(state.drift > 0.0, state.drift, trained), np.abs(state.spread))


def destination(loops: Loops, state: State) -> Destination:
    """Return where Newton's method leads from states of shape (n,)."""
    scales = scales_of(loops, state)
    with np.errstate(all="ignore"):
        origin = np.array(state) / np.array(scales)
        point, arrived = origin.copy(), np.zeros(origin.shape[1], dtype=bool)
        for _ in range(NEWTON_STEPS):
            value, jacobian = _differentiated(loops, point, scales)
            move = _solved(np.eye(3) - jacobian, value - point)
            point = point + np.where(arrived | (origin == 0.0), 0.0, move)  # without images nothing drifts
            arrived |= np.abs(move).max(axis=0) < CLOSE
            lost = ~np.isfinite(point).all(axis=0)
            if np.all(arrived | lost):
                break
        value, jacobian = _differentiated(loops, point, scales)
        known = arrived & np.isfinite(jacobian).all(axis=(1, 2))
        slowest = np.abs(np.linalg.eigvals(np.where(known[:, np.newaxis, np.newaxis], jacobian, 0.0))).max(
            axis=1
        )
        distance = np.where(known & (slowest < SLOWEST), np.abs(point - origin).max(axis=0), np.inf)
        return Destination(State(*(value * np.array(scales))), distance, slowest)


def _differentiated(loops: Loops, point: FloatArray, scales: State) -> tuple[FloatArray, FloatArray]:
    """Return F and dF/dx at points (3, n) in units of the scales, shapes (3, n) and (n, 3, 3)."""
    units = np.array(scales)
    steps = DIFFERENCE * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    around = point[:, np.newaxis] + steps.T[:, :, np.newaxis]
    values = np.array(loops.following(State(*(around * units[:, np.newaxis])))) / units[:, np.newaxis]
    return values[:, 0], ((values[:, 1:4] - values[:, 4:]) / (2.0 * DIFFERENCE)).transpose(2, 0, 1)


def _solved(matrices: FloatArray, values: FloatArray) -> FloatArray:
    """Return the solutions (3, n) of n linear systems; NaN where there is none."""
    finite = np.asarray(np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(values).all(axis=0))
    sizes = np.abs(np.linalg.det(np.where(finite[:, np.newaxis, np.newaxis], matrices, 0.0)))
    good: BoolArray = sizes > 1e-14
    result = np.full_like(values, np.nan)
    result[:, good] = np.linalg.solve(matrices[good], values[:, good].T[:, :, np.newaxis])[:, :, 0].T
    return result
