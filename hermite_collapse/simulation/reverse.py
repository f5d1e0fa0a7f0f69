"""How a reverse diffusion makes the particles of a round, and where it stops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..core import checks
from ..core.errors import InputError
from ..laws.channels import GaussianChannel, OrnsteinUhlenbeck
from ..recursion.recursion import Recursion
from .grids import default_horizon, ornstein_uhlenbeck_time
from .laws import TorchMixture, normal_law
from .noise import NoiseStream
from .samplers import ExponentialMultistep, Sampler
from .scores import Denoiser, Level
from .stages import Stage, carry
from .words import STARTS

LATEST = 150.0
"""Latest truncation time of a reverse diffusion, in units of 1 / rate: signal scale exp(-150)."""


@dataclass(frozen=True)
class ReverseDiffusion:
    """How a reverse diffusion is run: sampler, number of steps, start and horizon.

    Parameters
    ----------
    sampler : Sampler
        How a particle is carried back in time, and its final step.
    steps : int, optional
        Steps of its time grid; the sampler's own default if None.
    start : str
        "marginal", the exact law at the horizon; "normal", the standard normal, whose difference from it is the
        finite-horizon defect.
    horizon : float, optional
        Ornstein-Uhlenbeck time at which the reverse diffusion starts; if None, 4 / rate, or 1 / rate after a
        truncation time that is as late.

    Raises
    ------
    InputError
        If the sampler is no `Sampler`, the start is unknown, steps < 1, or the horizon is not positive.

    Examples
    --------
    >>> ReverseDiffusion(steps=40, start="normal").step_count
    40
    """

    sampler: Sampler = field(default_factory=ExponentialMultistep)
    steps: int | None = None
    start: str = "marginal"
    horizon: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.sampler, Sampler):
            raise InputError(
                f"sampler must be a sampler such as ExponentialMultistep(), got {self.sampler!r}."
            )
        if self.steps is not None:
            checks.keep(self, checks.integer, "steps", minimum=1)
        checks.one_of(self.start, STARTS, "start")
        if self.horizon is not None:
            checks.keep(self, checks.positive, "horizon")

    @property
    def step_count(self) -> int:
        """The number of steps taken."""
        return self.sampler.default_steps if self.steps is None else self.steps

    def describe(self) -> dict[str, Any]:
        """Return what is run as JSON values: the sampler, the start and the horizon."""
        return {**self.sampler.describe(), "start": self.start, "horizon": self.horizon}

    def horizon_for(self, stop: float, rate: float) -> float:
        """Return where a reverse diffusion to time `stop` of a process of that rate starts."""
        return default_horizon(stop, rate) if self.horizon is None else self.horizon

    def stages(self, stop: float, rate: float) -> list[Stage]:
        """Return what is done from the horizon to time `stop` of a process of that rate."""
        start = self.horizon_for(stop, rate)
        return self.sampler.stages(steps=self.step_count, start=start, stop=stop, rate=rate)

    def start_law(self, law: TorchMixture, stop: float, rate: float) -> TorchMixture:
        """Return the law of the particles at the horizon, where `law` is that at time 0."""
        if self.start == "marginal":
            begin = Level.at(self.horizon_for(stop, rate), rate)
            return law.through(GaussianChannel(begin.scale, begin.variance))
        return normal_law(law.dimension, 1.0, law.means.device)

    def run(
        self,
        origin: torch.Tensor,
        denoiser: Denoiser,
        stop: float,
        start_noise: NoiseStream,
        path: NoiseStream,
    ) -> torch.Tensor:
        """Return particles at time `stop`.

        Parameters
        ----------
        origin : tensor, shape (n, d)
            Points of the law at time 0; only the marginal start uses them.
        denoiser : Denoiser
            E[X_0 | X_t], with its rate.
        stop : float
            Ornstein-Uhlenbeck time > 0.
        start_noise, path : NoiseStream
            Random numbers of the start and of the steps.

        Returns
        -------
        tensor, shape (n, d)
        """
        begin = Level.at(self.horizon_for(stop, denoiser.rate), denoiser.rate)
        x = start_noise.normal(origin.shape[1])
        if self.start == "marginal":
            x = begin.scale * origin + begin.variance**0.5 * x
        return carry(x, denoiser, self.stages(stop, denoiser.rate), path)


@dataclass(frozen=True)
class Truncation:
    """Where the reverse diffusion of a round stops, in the coordinates of an Ornstein-Uhlenbeck process.

    A variance-exploding round at noise variance s is the Ornstein-Uhlenbeck round at time log1p(s) / (2 rate), divided
    by its signal scale.

    Attributes
    ----------
    time : float
        Ornstein-Uhlenbeck time > 0.
    rate : float
        Rate of the Ornstein-Uhlenbeck process.
    unscale : float
        Factor that turns its particles into those of the recursion's process.
    """

    time: float
    rate: float
    unscale: float

    @classmethod
    def of(cls, recursion: Recursion, round_index: int) -> Truncation:
        """Return where round `round_index` stops; InputError at time 0, which a reverse diffusion cannot reach.

        Nor can it start where nothing of the data is left.
        """
        time = float(recursion.schedule.times(round_index + 1)[-1])
        if time == 0.0:
            raise InputError(
                "truncation_time must be > 0 in every round for a reverse diffusion, which cannot end at time 0, got "
                f"0.0 in round {round_index}; use generator='channel'."
            )
        is_ou = isinstance(recursion.process, OrnsteinUhlenbeck)
        ou_time, rate = ornstein_uhlenbeck_time(recursion, time)
        if ou_time * rate > LATEST:
            latest = LATEST / rate if is_ou else float(np.expm1(LATEST / rate))
            raise InputError(
                f"truncation_time must be at most {latest:.4g} in every round for a reverse diffusion, got {time!r} in "
                f"round {round_index}; use generator='channel'."
            )
        if is_ou:
            return cls(ou_time, rate, 1.0)
        return cls(ou_time, rate, 1.0 / OrnsteinUhlenbeck(rate).channel(ou_time).scale)

    def unscaling(self) -> list[Stage]:
        """Return the stage that turns its particles into those of the recursion's process, if one is needed."""
        return [] if self.unscale == 1.0 else [Stage(Level.at(self.time, self.rate), x=self.unscale)]
