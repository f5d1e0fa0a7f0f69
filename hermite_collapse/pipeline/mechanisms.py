"""The round maps of a pipeline's parts, each a frozen value with `.variance(w)`, `.gain(w)` and `.describe()`.

    Truncation(time)             a diffusion stopped early        a^2 w + 1 - a^2
    FinalStep(sigma, kind)       last step at noise s = sigma^2   (w + (1-c) s)^2 / (w + s)
    Blur(bandwidth)              kernel density estimate          w + h^2
    Refit(samples)               fit to n samples, in the mean    (1 - 1/n) w
    ScoreError(slope, energy)    error of the learned score       (1 + c) w + e
    Autoencoder(gain, residual)  decode and encode                rho^2 w + s^2
    Rounding(step)               8-bit images                     w + step^2 / 12
    FlowStop(stop)               flow stopped at time eps         (1 - eps)^2 w + eps^2
    Guidance(scale, between)     classifier-free, exact ODE       w^{1+omega} / (w+b)^omega
    CappedSlope(slope)           noise output of slope at most k
    SamplerSteps.edm(...) ...    K steps, exact denoiser

Energies, residuals and step^2 / 12 are variances, in the units of the sampler.

    from hermite_collapse import mechanisms  # the module hermite_collapse.pipeline.mechanisms
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray
from ..laws.channels import GaussianChannel, OrnsteinUhlenbeck
from ..recursion.final_steps import variance_after_round
from .grid_map import MixtureRound, mixture_round, mixture_rounds
from .guidance import Guidance
from .mechanism import LARGEST_DEVIATION, Exactness, Mechanism, deviation
from .sampler_steps import SamplerSteps

__all__ = [
    "Autoencoder",
    "Blur",
    "CappedSlope",
    "FinalStep",
    "FlowStop",
    "Guidance",
    "MixtureRound",
    "Refit",
    "Rounding",
    "SamplerSteps",
    "ScoreError",
    "Truncation",
    "mixture_round",
    "mixture_rounds",
]


def __dir__() -> list[str]:
    return __all__


_FINAL_KINDS = {"noisy": "rescaled", "half": "half", "full": "full"}


class _Affine(Mechanism):
    """A mechanism V(w) = slope w + offset, gamma constant."""

    def _affine(self) -> tuple[float, float, float]:
        """Return slope, offset and mean gain."""
        raise NotImplementedError

    def _variance(self, w: FloatArray) -> FloatArray:
        slope, offset, _ = self._affine()
        return slope * w + offset

    def _gain(self, w: FloatArray) -> FloatArray:
        return np.full_like(w, self._affine()[2])


@public
@dataclass(frozen=True)
class Truncation(_Affine):
    """Early stopping of an Ornstein-Uhlenbeck reverse diffusion: V(w) = a^2 w + 1 - a^2, gamma = a.

    Parameters
    ----------
    time : float
        Truncation time >= 0.
    rate : float
        Rate of the process.

    Examples
    --------
    >>> round(Truncation(0.1).variance(0.25), 6)
    0.321372
    """

    time: float
    rate: float = 0.5
    exactness: ClassVar[Exactness] = "channel"

    def __post_init__(self) -> None:
        checks.keep(self, checks.nonnegative, "time")
        checks.keep(self, checks.positive, "rate")

    @property
    def channel(self) -> GaussianChannel:
        """The Gaussian channel of the round."""
        return OrnsteinUhlenbeck(self.rate).channel(self.time)

    def _variance(self, w: FloatArray) -> FloatArray:
        return w + self.channel.loss * (1.0 - w)

    def _affine(self) -> tuple[float, float, float]:
        channel = self.channel
        return 1.0 - channel.loss, channel.loss, channel.scale

    def describe(self) -> str:
        return f"truncation at time {self.time:g}"


@public
@dataclass(frozen=True)
class FinalStep(Mechanism):
    """The step after noise level sigma, in units of the data: V(w) = (w + (1-c) s)^2 / (w + s), s = sigma^2.

    Parameters
    ----------
    sigma : float
        Noise level >= 0.
    kind : str
        "noisy" (c = 0: none), "half" (c = 1/2) or "full" (c = 1: denoised).

    Examples
    --------
    >>> [round(FinalStep(0.1, kind).variance(0.25), 6) for kind in ("noisy", "half", "full")]
    [0.26, 0.250096, 0.240385]
    """

    sigma: float
    kind: str = "full"
    exactness: ClassVar[Exactness] = "gaussian"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", deviation(self.sigma, "sigma"))
        checks.one_of(self.kind, _FINAL_KINDS, "kind")

    def _variance(self, w: FloatArray) -> FloatArray:
        if self.sigma == 0.0:
            return w
        return np.asarray(variance_after_round(w, sigma=self.sigma, final_step=_FINAL_KINDS[self.kind]))

    def describe(self) -> str:
        return f"{self.kind} last step at noise level {self.sigma:g}"


@public
@dataclass(frozen=True)
class Blur(_Affine):
    """A kernel density estimate of bandwidth h, or a variance-exploding stop: V(w) = w + h^2.

    Parameters
    ----------
    bandwidth : float
        >= 0.

    Examples
    --------
    >>> round(Blur(0.1).variance(0.25), 6)
    0.26
    """

    bandwidth: float
    exactness: ClassVar[Exactness] = "channel"

    def __post_init__(self) -> None:
        object.__setattr__(self, "bandwidth", deviation(self.bandwidth, "bandwidth"))

    def _affine(self) -> tuple[float, float, float]:
        return 1.0, self.bandwidth**2, 1.0

    def describe(self) -> str:
        return f"blur of bandwidth {self.bandwidth:g}"


@public
@dataclass(frozen=True)
class Refit(_Affine):
    """A fit to n samples: V(w) = (1 - 1/n) w on average.

    Parameters
    ----------
    samples : int
        n >= 2.

    Notes
    -----
    The mean of the fit drifts by w/n each round, which `Pipeline(images=n)` carries beside the variance: a Gaussian
    fit loses nothing in total, only the split moves.  A network trained on n images is no Gaussian fit.

    Examples
    --------
    >>> round(Refit(100).variance(0.25), 6)
    0.2475
    """

    samples: int
    exactness: ClassVar[Exactness] = "first_order"

    def __post_init__(self) -> None:
        checks.keep(self, checks.integer, "samples", minimum=2)

    def _affine(self) -> tuple[float, float, float]:
        return 1.0 - 1.0 / self.samples, 0.0, 1.0

    def describe(self) -> str:
        return f"fit to {self.samples} samples"


@public
@dataclass(frozen=True)
class ScoreError(_Affine):
    """An error of the learned score: V(w) = (1 + slope) w + energy.

    Parameters
    ----------
    slope : float
        Relative change of every variance, > -1.
    energy : float
        Variance added, >= 0.

    Examples
    --------
    >>> round(ScoreError(slope=0.02, energy=0.001).variance(0.25), 6)
    0.256
    """

    slope: float = 0.0
    energy: float = 0.0
    exactness: ClassVar[Exactness] = "model"

    def __post_init__(self) -> None:
        slope = checks.real(self.slope, "slope")
        if slope <= -1.0:
            raise InputError(f"slope must be > -1, got {slope!r}.")
        object.__setattr__(self, "slope", slope)
        checks.keep(self, checks.nonnegative, "energy")

    def _affine(self) -> tuple[float, float, float]:
        return 1.0 + self.slope, self.energy, 1.0

    def describe(self) -> str:
        return f"score error of slope {self.slope:g} and energy {self.energy:g}"


@public
@dataclass(frozen=True)
class Autoencoder(_Affine):
    """Decode and encode, linear and diagonal in this basis: V(w) = gain^2 w + residual, gamma = gain.

    Parameters
    ----------
    gain : float
        rho, what the round trip keeps of a deviation.
    residual : float
        Variance added, >= 0.

    Examples
    --------
    >>> autoencoder = Autoencoder(0.9, residual=0.01)
    >>> round(autoencoder.variance(0.25), 6), round(autoencoder.gain(0.25), 6)
    (0.2125, 0.9)
    """

    gain_factor: float
    residual: float = 0.0
    exactness: ClassVar[Exactness] = "model"

    def __init__(self, gain: float, residual: float = 0.0) -> None:
        factor = checks.real(gain, "gain")
        deviation(abs(factor), "gain")
        object.__setattr__(self, "gain_factor", factor)
        object.__setattr__(self, "residual", checks.nonnegative(residual, "residual"))

    def _affine(self) -> tuple[float, float, float]:
        return self.gain_factor**2, self.residual, self.gain_factor

    def describe(self) -> str:
        return f"autoencoder of gain {self.gain_factor:g} and residual {self.residual:g}"


@public
@dataclass(frozen=True)
class Rounding(_Affine):
    """Rounding to a grid of a step: V(w) = w + step^2 / 12, where the step is small against sqrt(w).

    Parameters
    ----------
    step : float
        >= 0; 2/255 for 8-bit images on [-1, 1].

    Examples
    --------
    >>> round(Rounding(2 / 255).variance(0.25) - 0.25, 9)
    5.126e-06
    """

    step: float = 2.0 / 255.0
    exactness: ClassVar[Exactness] = "first_order"

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", deviation(self.step, "step"))

    def _affine(self) -> tuple[float, float, float]:
        return 1.0, self.step**2 / 12.0, 1.0

    def describe(self) -> str:
        return f"rounding to steps of {self.step:g}"


@public
@dataclass(frozen=True)
class FlowStop(_Affine):
    """A flow-matching path stopped at time eps before the data: V(w) = (1 - eps)^2 w + eps^2, gamma = 1 - eps.

    Its fixed law is N(0, eps / (2 - eps)), with Hermite factors (1 - eps)^n about that law.

    Parameters
    ----------
    stop : float
        eps in [0, 1].

    Examples
    --------
    >>> stop = FlowStop(0.01)
    >>> round(stop.variance(0.25), 6), round(stop.variance(0.01 / 1.99) * 1.99, 6)
    (0.245125, 0.01)
    """

    stop: float
    exactness: ClassVar[Exactness] = "channel"

    def __post_init__(self) -> None:
        checks.keep(self, checks.share, "stop")

    def _affine(self) -> tuple[float, float, float]:
        keep = 1.0 - self.stop
        return keep**2, self.stop**2, keep

    def describe(self) -> str:
        return f"flow stopped at {self.stop:g}"


@public
@dataclass(frozen=True)
class CappedSlope(Mechanism):
    """A network whose noise output has slope at most k: a smallest variance of order 1 / k^2 that it can make.

        V_k(w) = w + (V_1 - w - s_1^2) (w / (w + s_1^2))^2,   s_{1,2} = (1 -+ sqrt(1 - 4 k^2 w)) / (2 k),
        V_1 = s_1/(2k) + 1/(8 k^2) + (s_2/(2k) - 1/(8 k^2)) exp(-4 k (s_2 - s_1))

    below w = 1 / (4 k^2); the identity above.  Variance-exploding reverse SDE.

    Parameters
    ----------
    slope : float
        k > 0, per unit of data.

    Examples
    --------
    >>> round(CappedSlope(2.2).variance(0.01) / 0.01, 8)
    3.03055013
    """

    slope: float
    exactness: ClassVar[Exactness] = "gaussian"

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", deviation(self.slope, "slope", smallest=1.0 / LARGEST_DEVIATION))

    def _variance(self, w: FloatArray) -> FloatArray:
        k = self.slope
        root = np.sqrt(np.maximum(1.0 - 4.0 * k**2 * w, 0.0))
        # s_1 = 2 k w / (1 + root) has no cancellation at small w.
        low, high = 2.0 * k * w / (1.0 + root), (1.0 + root) / (2.0 * k)
        end = low / (2 * k) + 1 / (8 * k**2) + (high / (2 * k) - 1 / (8 * k**2)) * np.exp(-2.0 * root * 2.0)
        # w / (w + s_1^2) = 1 / (1 + s_1^2 / w), with s_1^2 / w = 4 k^2 w / (1 + root)^2.
        share = 1.0 / (1.0 + 4.0 * k**2 * w / (1.0 + root) ** 2)
        capped = w + (end - w - low**2) * share**2
        return np.where(4.0 * k**2 * w < 1.0, capped, w)

    def describe(self) -> str:
        return f"noise output of slope at most {self.slope:g}"
