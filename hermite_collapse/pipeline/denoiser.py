r"""The exact denoiser along one Gaussian direction, and what every sampler that calls it has in common.

At level (a, s), x = a x_0 + s n with x_0 from N(m, w) and M = a^2 w + s^2, the posterior means are linear in x and m,

    D = E[x_0 | x] = (a w x + s^2 m) / M,        N = E[n | x] = s (x - a m) / M.

With guidance of scale 1 + omega and class means of variance b, the network's outputs are extrapolated from those of the
whole law N(0, w + b):  (1 + omega) D(w, m) - omega D(w + b, 0), and N alike.

Models of few steps are trained to be flow maps instead, which carry x along the probability-flow ODE to a level
(a', s'):

    F = a' m + sqrt((a'^2 w + s'^2) / M) (x - a m)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

import numpy as np

from ..core.types import FloatArray
from ..core.value import Value
from .guidance import Guidance
from .mechanism import Exactness, Mechanism

# Variances, over the square of the last level, at which the end of a sampler is read off: V(0), and the slope of log V.
SMALL_VARIANCES = (1e-12, 1e-2, 1e-1)
CHUNK = 200_000  # steps times variances that are looked at together
NO_NOISE = 1e-3  # share of the last level that counts as no noise left


class Samples(Protocol):
    """What steps are done on: arrays of NumPy or tensors, of any shape."""

    def __add__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...


AnySamples = TypeVar("AnySamples", bound=Samples)

Posterior = Callable[[AnySamples, float, float], tuple[AnySamples, AnySamples]]
"""(x, signal, noise) -> the posterior means D of the data and N of the noise at that level, for any law of the data."""


class Affine(NamedTuple):
    """slope x + shift m: a function of a sample x and the mean m of the data."""

    slope: FloatArray
    shift: FloatArray


def posterior_means(
    signal: float | FloatArray,
    noise: float | FloatArray,
    w: FloatArray,
    guidance: Guidance | None = None,
    between: FloatArray | None = None,
) -> tuple[Affine, Affine]:
    """Return the posterior means D of the data and N of the noise at a level (a, s)."""
    total = signal**2 * w + noise**2
    data = Affine(signal * w / total, noise**2 / total)
    noises = Affine(noise / total, -signal * noise / total)
    if between is None or guidance is None:
        return data, noises
    scale, omega = guidance.scale, guidance.omega
    whole = signal**2 * (w + between) + noise**2
    return (
        Affine(scale * data.slope - omega * signal * (w + between) / whole, scale * data.shift),
        Affine(scale * noises.slope - omega * noise / whole, scale * noises.shift),
    )


class Ending(NamedTuple):
    """How a sampler ends, read off V at small variances.

    Attributes
    ----------
    kind : str
        "noisy" (V(0) > 0: noise is left), "full" (V proportional to w^2: denoised in one step) or "flow" (V
        proportional to w: a flow map).
    sigma : float
        What is left, sqrt(V(0)); the last level at which the network was asked; or 0.  In the units of the data.
    """

    kind: Literal["noisy", "full", "flow"]
    sigma: float


class Sampler(Value, Mechanism):
    """A sampler of K steps: its map contains its last step, its stop and its guidance.

    Attributes
    ----------
    signal, noise : array, shape (K,)
        Levels a and s at which the denoiser is called.
    guidance : Guidance or None
    training_steps : int or None
        Number T of levels of which K are used, where there are such.
    """

    signal: FloatArray
    noise: FloatArray
    guidance: Guidance | None
    training_steps: int | None
    exactness: ClassVar[Exactness] = "gaussian"
    is_sampler: ClassVar[bool] = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.describe()})"

    @cached_property
    def ending(self) -> Ending:
        """How the sampler ends: with noise left, with a full step or as a flow map, without guidance."""
        if self.signal[-1] == 0.0:
            return Ending("full", np.inf)
        level = float(self.noise[-1] / self.signal[-1])
        small = level**2 * np.array(SMALL_VARIANCES)
        least, first, second = self.replace(guidance=None).responses(small, None)[0]
        if least > (NO_NOISE * level) ** 2:
            return Ending("noisy", float(np.sqrt(least)))
        if np.log(second / first) > 1.5 * np.log(small[2] / small[1]):
            return Ending("full", level)
        return Ending("flow", 0.0)

    @property
    def steps(self) -> int:
        """Number K of calls of the network."""
        return len(self.signal)

    @property
    @abstractmethod
    def deviation(self) -> float:
        """Standard deviation of the noise that the sampler starts from."""

    @property
    @abstractmethod
    def noise_by_step(self) -> FloatArray | None:
        """Variance of the noise of each step, shape (K,); None where steps share noise or look further back."""

    @abstractmethod
    def carry(
        self, x: AnySamples, posterior: Posterior[AnySamples], draw: Callable[[], AnySamples]
    ) -> AnySamples:
        """Return samples of any law carried from the start to the end.

        Parameters
        ----------
        x : array or tensor
            Samples of the noise that the sampler starts from.
        posterior : function of (x, signal, noise)
            Returns D and N, shaped like x.
        draw : function
            Returns standard normals, shaped like x.
        """

    @abstractmethod
    def advance(self, x: AnySamples, step: int, posterior: Posterior[AnySamples]) -> AnySamples:
        """Return samples after one step without its noise; for samplers with `noise_by_step` alone."""

    def responses(self, w: FloatArray, between: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Return V(w) and the mean gain for variances w and, under guidance, variances of the class means."""
        flat = w.ravel()
        spread = None if between is None else np.broadcast_to(between, w.shape).ravel()
        variance, gain = np.empty_like(flat), np.empty_like(flat)
        size = max(CHUNK // self.steps, 1)
        for first in range(0, flat.size, size):
            part = slice(first, first + size)
            variance[part], gain[part] = self._responses(flat[part], None if spread is None else spread[part])
        return variance.reshape(w.shape), gain.reshape(w.shape)

    @abstractmethod
    def _responses(self, w: FloatArray, between: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Return the same for arrays of shape (n,), of all steps at once."""

    def _variance(self, w: FloatArray) -> FloatArray:
        return self.responses(w, self._between(w))[0]

    def _gain(self, w: FloatArray) -> FloatArray:
        return self.responses(w, self._between(w))[1]

    def _between(self, w: FloatArray) -> FloatArray | None:
        return None if self.guidance is None else self.guidance.spread_over(w)
