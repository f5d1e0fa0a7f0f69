"""How one round of particles comes from the rounds before: the generators of `simulate`.

    channel   a particle of the training mixture, then the exact Gaussian channel of the round
    exact     independent particles by reverse diffusion with the closed-form score of the exact training law
    kernel    reverse diffusion with the score of a pool drawn from the training set (`attention`)

`channel` is the reference: no score, no time steps, only sampling noise that the rounds pass on.  `exact` tests
scores and samplers: a wrong sign or a coarse grid shows.  Only `channel` may use the channel to make particles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from ..core import checks
from ..core.errors import InputError
from ..laws.channels import GaussianChannel, OrnsteinUhlenbeck, VarianceExploding
from .laws import TorchMixture, components_of
from .noise import BLOCK, Chunk, NoiseStream
from .samplers import ExponentialMultistep, Sampler
from .scores import Denoiser, Level, MixtureDenoiser
from .words import STARTS

# In units of 1 / rate: signal scale exp(-4) at the horizon.
_HORIZON = 4.0


@dataclass(frozen=True)
class RoundContext:
    """What a generator sees of the run when it makes round `round_index` + 1.

    earlier : particles (runs, N, d) of the rounds that the training mixture weights, by round.
    """

    recursion: Any
    round_index: int
    runs: int
    particles: int
    seed: int
    device: torch.device
    earlier: Mapping[int, torch.Tensor]

    @property
    def piece(self) -> int:
        """Rows of one block."""
        return min(self.particles, BLOCK)

    def noise(self, chunk: Chunk, purpose: str) -> NoiseStream:
        """The stream of one purpose for the particles of the coming round."""
        return NoiseStream(
            chunk.pieces,
            seed=self.seed,
            round_index=self.round_index + 1,
            purpose=purpose,
            device=self.device,
        )


class RoundGenerator(Protocol):
    """A round in preparation: chunks of its particles, in any order and from several threads.

    One that has `splits_work = True` is given all threads where there is a single chunk, and must make the same bytes
    with any number of them.
    """

    @property
    def bytes_per_row(self) -> int: ...
    def particles(self, chunk: Chunk) -> torch.Tensor: ...


class Generation(Protocol):
    """A generator: a name, whether it draws on earlier particles, and the preparation of each round."""

    @property
    def name(self) -> str: ...
    @property
    def uses_particles(self) -> bool: ...
    def describe(self) -> dict[str, Any]: ...
    def prepare(self, context: RoundContext) -> RoundGenerator: ...


class TrainingMixture:
    """Draws from a round's training set: the data law with its weight, else earlier particles with replacement."""

    def __init__(self, context: RoundContext, target: TorchMixture, *, piece: int | None = None) -> None:
        self._piece = context.piece if piece is None else piece
        fresh, earlier = context.recursion.mixing(context.round_index)
        self._sources = [int(j) for j in np.flatnonzero(earlier)]
        weights = np.array([fresh, *earlier[self._sources]])
        self._steps = torch.as_tensor(np.cumsum(weights) / weights.sum(), device=context.device)
        self._steps[-1] = torch.inf
        self._context = context
        self._target = target

    def draw(self, chunk: Chunk, purpose: str) -> torch.Tensor:
        """One point of the training set for each row of the chunk, shape (rows, d)."""
        context = self._context
        stream = context.noise(chunk, purpose)
        uniforms = stream.uniform(3)
        source = torch.searchsorted(self._steps, uniforms[:, 0].contiguous(), right=True)
        result = self._target.draw(uniforms[:, 1], stream.normal(self._target.dimension), piece=self._piece)
        run = torch.as_tensor(
            np.repeat([piece.run for piece in chunk.pieces], [piece.rows for piece in chunk.pieces]),
            device=context.device,
        )
        n = context.particles
        member = (uniforms[:, 2] * n).long().clamp_(max=n - 1)
        for place, j in enumerate(self._sources, start=1):
            rows = context.earlier[j].reshape(-1, self._target.dimension)
            result = torch.where((source == place)[:, None], rows[run * n + member], result)
        return result


@dataclass(frozen=True)
class ChannelGeneration:
    """Each particle: fresh with probability alpha, else an earlier particle, carried through the exact channel."""

    name: str = "channel"
    uses_particles: bool = True

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}

    def prepare(self, context: RoundContext) -> RoundGenerator:
        return _ChannelRound(context)


class _ChannelRound:
    def __init__(self, context: RoundContext) -> None:
        self._context = context
        self._channel = context.recursion.channel(context.round_index)
        self._training = TrainingMixture(context, components_of(context.recursion.target, context.device))

    @property
    def bytes_per_row(self) -> int:
        return 8 * 10 * self._context.recursion.dimension

    def particles(self, chunk: Chunk) -> torch.Tensor:
        parents = self._training.draw(chunk, "parents")
        noise = self._context.noise(chunk, "channel").normal(parents.shape[1])
        return self._channel.scale * parents + self._channel.variance**0.5 * noise


@dataclass(frozen=True)
class ReverseDiffusion:
    """How a reverse diffusion is run: sampler, number of steps, start and horizon.

    sampler : a `samplers.Sampler`.
    steps : of its time grid; the sampler's own default if None.
    start : "marginal", the exact law at the horizon; "normal", the standard normal, whose difference from it is the
        finite-horizon defect.
    horizon : Ornstein-Uhlenbeck time at which the reverse diffusion starts; 4 / rate if None.
    """

    sampler: Sampler = field(default_factory=ExponentialMultistep)
    steps: int | None = None
    start: str = "marginal"
    horizon: float | None = None

    def __post_init__(self) -> None:
        if not hasattr(self.sampler, "run"):
            raise InputError(
                f"sampler must be a sampler such as ExponentialMultistep(), got {self.sampler!r}."
            )
        if self.steps is not None:
            checks.integer(self.steps, "steps", minimum=1)
        checks.one_of(self.start, STARTS, "start")
        if self.horizon is not None:
            checks.positive(self.horizon, "horizon")

    @property
    def step_count(self) -> int:
        return self.sampler.default_steps if self.steps is None else self.steps

    def describe(self) -> dict[str, Any]:
        return {**self.sampler.describe(), "start": self.start, "horizon": self.horizon}

    def horizon_for(self, rate: float) -> float:
        """The horizon of a process of that rate."""
        return _HORIZON / rate if self.horizon is None else self.horizon

    def run(
        self,
        origin: torch.Tensor,
        denoiser: Denoiser,
        stop: float,
        start_noise: NoiseStream,
        path: NoiseStream,
    ) -> torch.Tensor:
        """Particles at time `stop`, from points (n, d) of the law at time 0, which only the marginal start uses."""
        begin = Level.at(self.horizon_for(denoiser.rate), denoiser.rate)
        x = start_noise.normal(origin.shape[1])
        if self.start == "marginal":
            x = begin.scale * origin + begin.variance**0.5 * x
        return self.sampler.run(x, denoiser, path, steps=self.step_count, start=begin.time, stop=stop)


@dataclass(frozen=True)
class Truncation:
    """Where the reverse diffusion of a round stops, in the coordinates of an Ornstein-Uhlenbeck process.

    A variance-exploding round at noise variance s is the Ornstein-Uhlenbeck round at time log1p(s) / (2 rate), divided
    by its signal scale.
    """

    time: float
    rate: float
    unscale: float

    @classmethod
    def of(cls, recursion: Any, round_index: int) -> Truncation:
        time = float(recursion.schedule.times(round_index + 1)[-1])
        if time == 0.0:
            raise InputError(
                "truncation must be > 0 in every round for a reverse diffusion, which cannot end at time 0, got 0.0 "
                f"in round {round_index}; use generator='channel'."
            )
        if isinstance(recursion.process, VarianceExploding):
            ou_time, rate = float(np.log1p(time)), 0.5
            return cls(ou_time, rate, 1.0 / OrnsteinUhlenbeck(rate).channel(ou_time).scale)
        return cls(time, recursion.process.rate, 1.0)


@dataclass(frozen=True)
class ExactGeneration:
    """Independent particles of each round by reverse diffusion with the closed-form score of its training law.

    wrap : changes the denoiser before it is used, for experiments with wrong scores; recorded by its name.
    """

    reverse: ReverseDiffusion = field(default_factory=ReverseDiffusion)
    wrap: Any = None

    name: str = "exact"
    uses_particles: bool = False

    def describe(self) -> dict[str, Any]:
        wrapped = {} if self.wrap is None else {"wrap": getattr(self.wrap, "__name__", repr(self.wrap))}
        return {
            "name": self.name,
            **wrapped,
            "steps": self.reverse.step_count,
            "sampler": self.reverse.describe(),
        }

    def prepare(self, context: RoundContext) -> RoundGenerator:
        return _ExactRound(self, context)


class _ExactRound:
    def __init__(self, generation: ExactGeneration, context: RoundContext) -> None:
        recursion, i = context.recursion, context.round_index
        self._context = context
        self._reverse = generation.reverse
        self._stop = Truncation.of(recursion, i)
        law = components_of(recursion.training_law(i), context.device)
        self._law = law.through(GaussianChannel(1.0, recursion.blur**2))
        denoiser: Denoiser = MixtureDenoiser(self._law, rate=self._stop.rate, piece=context.piece)
        self._denoiser = denoiser if generation.wrap is None else generation.wrap(denoiser)

    @property
    def bytes_per_row(self) -> int:
        return 8 * (4 * min(self._law.count, 2048) + 12 * self._law.dimension)

    def particles(self, chunk: Chunk) -> torch.Tensor:
        start = self._context.noise(chunk, "start")
        origin = self._law.draw(
            start.uniform(1)[:, 0], start.normal(self._law.dimension), piece=self._context.piece
        )
        path = self._context.noise(chunk, "path")
        x = self._reverse.run(origin, self._denoiser, self._stop.time, start, path)
        return self._stop.unscale * x
