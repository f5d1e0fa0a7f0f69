r"""Where guided pipelines lead: the variance within a class together with the gain of the class means.

The pair (v, gamma) is played out from the data, until it is clear where it settles (`stationary`).  Or its class means
grow without bound, or it wanders: K steps at a large guidance scale have gains of either sign, and cycles and chaos
occur.

Means begin to grow where the limit meets an unstable one.  Along the stationary states gamma rises while alpha falls
to that fold and rises again behind it: the critical fresh fraction is the least alpha(gamma), of

    v = v'(v, gamma; alpha),     gamma = gamma'(v, gamma; alpha).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..core.types import BoolArray, FloatArray
from .stationary import Destination, Loops, State, destination, scales_of

ROUNDS = 1 << 15  # that are played out
FIRST_LOOK = 32  # rounds after which it is asked where they lead,
LOOKS = 4  # and again after a quarter more each time
FIRST_WINDOW = 512  # rounds, at the end of which growth and wandering are looked for
WANDERING = 1e-3  # change of log v in one round
JITTER = 1e-6  # change of one round that may be rounding
UNDIMINISHED = 0.95  # share of the change in the window before
SETTLED = 1e-14  # relative change of one round
LARGE, GROWN = 1e2, 1e6  # gains of the class means that may count as growing, and that do
LEAST_SHARE = 0.005  # at which growth is looked for
AROUND = 1e-2  # relative distance from a fold at which it is looked for
FINE = 1e-5  # of a critical share that is no fold
COARSE_SHARES, FINE_SHARES = 25, 17  # that are played out together, at first and between two of them
COARSE_ROUNDS = 1 << 12
NEWTON_STEPS = 30
DIFFERENCE = 1e-6  # for derivatives
STRETCH = 1.05  # of gamma from one stationary state to the next
MOST_STATES = 400
DRIFT_ROUNDS = 10_000


Advance = Callable[[FloatArray, State, FloatArray, FloatArray], State]
"""(data, state, fresh fraction, variance of the data's class means) -> the state after one more round."""


@dataclass(frozen=True)
class GuidedRecursion:
    """Rounds of a guided pipeline.

    Parameters
    ----------
    advance : function
        One more round, elementwise.
    """

    advance: Advance

    def settled(
        self, data: FloatArray, alpha: FloatArray, between: FloatArray, *, rounds: int = ROUNDS
    ) -> State:
        """Return the states that rounds from the data lead to: infinite where means grow, NaN where they wander."""
        shape = np.broadcast_shapes(data.shape, alpha.shape, between.shape)
        loops = Loops(
            self.advance,
            *(
                np.ravel(np.broadcast_to(values, shape)).astype(np.float64)
                for values in (data, alpha, between)
            ),
        )
        size = loops.data.size
        result = State(*(np.full(size, np.nan) for _ in State._fields))
        active = np.arange(size)
        state, window, earlier = State.of_data(loops.data), _Window.empty(size), Destination.none(size)
        look_before, look = 0, FIRST_LOOK
        for count in range(1, rounds + 1):
            following = loops.following(state)
            trained, before = loops.trained_on(following), loops.trained_on(state)
            growing = ~(np.abs(following.spread) < GROWN) | ~np.isfinite(following.variance)
            with np.errstate(invalid="ignore", divide="ignore"):
                window.add(np.log(trained / before), np.log(np.abs(following.spread / state.spread)))
            # What little of the next training set is the model's own may be rounding.
            still = _is_close(trained, before) & _is_close(following.spread, state.spread)
            still &= _is_close(following.drift, state.drift)
            if count == look and not np.all(still | growing):
                aim, apart = destination(loops, following), look - look_before
                there = aim.is_approached_from(earlier, scales_of(loops, following), apart) & ~growing
                following = State(
                    *(np.where(there, new, old) for new, old in zip(aim.state, following, strict=True))
                )
                still, earlier = still | there, aim
                look_before, look = look, look + look // LOOKS
            if count == window.end:
                still |= window.jitters
                growing |= window.grows & (np.abs(following.spread) > LARGE)
                over = growing | still | window.wanders
                window = window.following()
            else:
                over = growing | still
            if over.any():
                for values, new in zip(result, following, strict=True):
                    values[active[still]] = new[still]
                    values[active[growing & ~still]] = np.inf
                active, window, earlier = active[~over], window.selected(~over), earlier.selected(~over)
                loops, following = loops.selected(~over), State(*(values[~over] for values in following))
            if active.size == 0:
                break
            state = following
        return State(*(values.reshape(shape) for values in result))

    def critical_share(self, data: float, between: float) -> float:
        """Return the fresh fraction below which class means grow; 0 where they do not down to LEAST_SHARE."""
        fold = self._fold(data, between)
        if fold is not None:
            below, above = self._spread(data, fold.share * np.array([1.0 - AROUND, 1.0 + AROUND]), between)
            if np.isinf(below) and above <= fold.spread:  # on the branch that ends at the fold
                return fold.share
        # Growth begins in another way, or does not.
        shares, rounds = np.geomspace(LEAST_SHARE, 1.0, COARSE_SHARES), COARSE_ROUNDS
        while True:
            grow = np.isinf(self._spread(data, shares, between, rounds=rounds))
            if not grow.any():
                return 0.0 if rounds == COARSE_ROUNDS else float(shares[0])
            last = int(np.flatnonzero(grow)[-1])
            if last + 1 == len(shares):
                return float(shares[-1])
            if shares[last + 1] - shares[last] <= FINE:
                return float(shares[last + 1])
            shares, rounds = np.linspace(shares[last], shares[last + 1], FINE_SHARES), ROUNDS

    def _spread(self, data: float, shares: FloatArray, between: float, *, rounds: int = ROUNDS) -> FloatArray:
        full = np.ones_like(shares)
        return self.settled(data * full, shares, between * full, rounds=rounds).spread

    def _fold(self, data: float, between: float) -> _Fold | None:
        """Return where the fresh fraction is least along the stationary states that start at 1."""
        from scipy.optimize import minimize_scalar

        one = np.ones(1)
        state = self.advance(data * one, State.of_data(data * one), one, between * one)
        variance, gamma = float(state.variance[0]), float(state.spread[0])
        if not (np.isfinite(gamma) and gamma > 1.0 and variance > 0.0):
            return None
        guess = np.array([np.log(variance), 1.0])
        shares: list[float] = []
        gammas: list[float] = []
        for _ in range(MOST_STATES):
            solution = self._stationary(data, gamma, between, guess)
            if solution is None:
                return None
            gammas.append(gamma)
            shares.append(float(solution[1]))
            if len(shares) > 2 and shares[-1] > shares[-2]:
                break
            guess, gamma = solution, gamma * STRETCH
        else:
            return None

        def share(value: float) -> float:
            solution = self._stationary(data, value, between, guess)
            return np.inf if solution is None else float(solution[1])

        best = minimize_scalar(
            share, bounds=(gammas[-3], gammas[-1]), method="bounded", options={"xatol": 1e-7}
        )
        return _Fold(float(best.fun), float(best.x))

    def _stationary(self, data: float, gamma: float, between: float, guess: FloatArray) -> FloatArray | None:
        """Return (log v, alpha) of a stationary state with a given gain of the class means, by Newton's method."""

        def residuals(points: FloatArray) -> FloatArray:
            """Return the residuals at points (n, 2), shape (n, 2)."""
            log_v, alpha = points.T
            full = np.full_like(alpha, 1.0)
            # With finite images the drift of the mean has settled too.
            drift = np.zeros_like(alpha)
            for _ in range(DRIFT_ROUNDS):
                following = self.advance(
                    data * full, State(np.exp(log_v), drift, gamma * full), alpha, between * full
                )
                if not np.any(np.abs(following.drift - drift) > 1e-15 * following.variance):
                    break
                drift = following.drift
            return np.stack([np.log(following.variance) - log_v, following.spread / gamma - 1.0], axis=1)

        point = guess.copy()
        steps = DIFFERENCE * np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        for _ in range(NEWTON_STEPS):
            with np.errstate(all="ignore"):
                value, *around = residuals(point + steps)
            jacobian = np.array([around[0] - around[1], around[2] - around[3]]).T / (2.0 * DIFFERENCE)
            if not np.all(np.isfinite(jacobian)) or abs(np.linalg.det(jacobian)) < 1e-300:
                return None
            move = np.linalg.solve(jacobian, value)
            point = point - move
            if np.abs(move).max() < 1e-12:
                return point if 0.0 < point[1] <= 1.0 + FINE else None
        return None


class _Fold(NamedTuple):
    """The fresh fraction at which a limit meets an unstable one, and the gain of the class means there."""

    share: float
    spread: float


@dataclass
class _Window:
    """The largest changes of one round, in a window of rounds and in the one before.

    Attributes
    ----------
    end : int
        Round at which the window ends; the next one is twice as long.
    now, before : array, shape (4, n)
        Rise and fall of log v, rise and fall of log gamma.
    """

    end: int
    now: FloatArray
    before: FloatArray

    @classmethod
    def empty(cls, size: int) -> _Window:
        return cls(FIRST_WINDOW, np.zeros((4, size)), np.full((4, size), np.inf))

    def add(self, variance: FloatArray, spread: FloatArray) -> None:
        """Take the changes of log v and log gamma in one round into account."""
        np.fmax(self.now, np.stack([variance, -variance, spread, -spread]), out=self.now)

    @property
    def wanders(self) -> BoolArray:
        """Which directions move to and fro as much as in the window before."""
        to_and_fro = np.minimum(self.now[0], self.now[1])
        before = np.minimum(self.before[0], self.before[1])
        return (to_and_fro > WANDERING) & (to_and_fro > UNDIMINISHED * before)

    @property
    def jitters(self) -> BoolArray:
        """Which directions move to and fro by rounding alone: little, and no less than in the window before."""
        to_and_fro, before = np.minimum(self.now[::2], self.now[1::2]), self.before.max(axis=0)
        little = self.now.max(axis=0) < JITTER
        return little & (to_and_fro.max(axis=0) > 0.0) & (self.now.max(axis=0) > 0.5 * before)

    @property
    def grows(self) -> BoolArray:
        """Where gamma only rises, as fast as in the window before."""
        return (self.now[3] <= 0.0) & (self.now[2] > UNDIMINISHED * self.before[2])

    def following(self) -> _Window:
        """Return the next window."""
        return _Window(2 * self.end, np.zeros_like(self.now), self.now)

    def selected(self, directions: BoolArray) -> _Window:
        """Return the window of some directions."""
        return _Window(self.end, self.now[:, directions], self.before[:, directions])


def _is_close(following: FloatArray, value: FloatArray) -> BoolArray:
    return np.abs(following - value) <= SETTLED * np.abs(following)
