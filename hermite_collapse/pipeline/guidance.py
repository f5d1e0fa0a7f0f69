r"""Classifier-free guidance along one direction: class means spread, the variance within a class shrinks.

Classes N(mu, w) with means mu ~ N(0, b) give the whole law N(0, u), u = w + b.  With guidance scale 1 + omega the exact
probability-flow ODE maps

    V(w) = w^{1+omega} u^{-omega},     mean gain (1 + omega) 2F1(-omega/2, 1; 3/2; 1 - w/u),

a gain that depends on u/w only, between 1 (u/w large) and 1 + omega (u = w).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import BoolArray, FloatArray
from .mechanism import Exactness, Mechanism


@public
@dataclass(frozen=True)
class Guidance(Mechanism):
    """Classifier-free guidance of a sampler without discretisation error.

    Parameters
    ----------
    scale : float
        1 + omega >= 1, as `guidance_scale` of diffusers; 1 is no guidance.
    between : float or sequence of float
        Variance b >= 0 of the class means along the direction, or of each of m directions; the map then takes m
        variances w.  Fixed in a single map; a `Pipeline` moves it from round to round with the class means, by the mean
        gain.

    Notes
    -----
    Exact where class means are Gaussian with variance b.  Inside a sampler of K steps guidance does not commute with
    the steps: give it to `SamplerSteps` there.

    Examples
    --------
    >>> guidance = Guidance(scale=1.5, between=0.75)
    >>> round(guidance.variance(0.25), 6), round(guidance.gain(0.25), 10)
    (0.125, 1.2384508216)
    """

    scale: float
    between: float | tuple[float, ...]
    exactness: ClassVar[Exactness] = "gaussian"

    def __post_init__(self) -> None:
        scale = checks.real(self.scale, "scale")
        if scale < 1.0:
            raise InputError(f"scale must be >= 1 (1 is no guidance), got {scale!r}.")
        object.__setattr__(self, "scale", scale)
        between: float | tuple[float, ...]
        if np.ndim(self.between) == 0:
            between = checks.nonnegative(self.between, "between")
        else:
            between = tuple(checks.vector(self.between, "between").tolist())
            if min(between) < 0.0:
                raise InputError(f"between must be >= 0, got {min(between)!r}.")
        object.__setattr__(self, "between", between)

    @property
    def omega(self) -> float:
        """scale - 1."""
        return self.scale - 1.0

    def spread_over(self, w: FloatArray) -> FloatArray:
        """Return the variances of the class means, shaped like w.

        Raises
        ------
        InputError
            If there is one for each direction, and w holds other directions.
        """
        if isinstance(self.between, tuple) and w.shape != (len(self.between),):
            raise InputError(
                f"w must hold the {len(self.between)} directions of the class means' variances, got shape {w.shape}."
            )
        return np.full_like(w, self.between)

    def selected(self, directions: BoolArray) -> Guidance:
        """Return the guidance of some of its directions."""
        if not isinstance(self.between, tuple):
            return self
        return Guidance(self.scale, tuple(np.asarray(self.between)[directions].tolist()))

    def at(self, between: FloatArray, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return V(w) and the mean gain for variances of class means of any shape that broadcasts against w."""
        from scipy.special import hyp2f1

        total = w + between
        share = np.divide(w, total, out=np.ones_like(total), where=total > 0.0)
        gain = self.scale * hyp2f1(-0.5 * self.omega, 1.0, 1.5, 1.0 - share)
        return w * share**self.omega, np.asarray(gain)

    def _variance(self, w: FloatArray) -> FloatArray:
        return self.at(self.spread_over(w), w)[0]

    def _gain(self, w: FloatArray) -> FloatArray:
        return self.at(self.spread_over(w), w)[1]

    def describe(self) -> str:
        spread = (
            f"{self.between:g}" if not isinstance(self.between, tuple) else "that differs between directions"
        )
        return f"guidance of scale {self.scale:g}, class means of variance {spread}"
