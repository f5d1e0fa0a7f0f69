"""The two generators that know the laws of the rounds in closed form.

    channel   a particle of the training mixture, then the exact Gaussian channel of the round
    exact     independent particles by reverse diffusion with the closed-form score of the exact training law

`channel` is the reference: no score, no time steps, only sampling noise that the rounds pass on.  `exact` tests
scores and samplers: a wrong sign or a coarse grid shows.  Only `channel` may use the channel to make particles.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Self

import torch

from ..laws.channels import GaussianChannel
from ..recursion.recursion import Recursion
from .devices import HOST
from .fused.diffusion import LOOP, Diffusion, engine_for
from .fused.together import Carried, DiffusionsTogether
from .generations import Generation, MadeTogether, RoundContext, RoundGenerator, TrainingMixture
from .laws import components_of
from .noise import Chunk, NoiseStream
from .reverse import ReverseDiffusion, Truncation
from .scores import Denoiser, MixtureDenoiser
from .stages import Stage


@dataclass(frozen=True)
class ChannelGeneration(Generation):
    """Each particle: fresh with probability alpha, else an earlier particle, carried through the exact channel.

    Examples
    --------
    >>> ChannelGeneration().describe()
    {'name': 'channel'}
    """

    name: ClassVar[str] = "channel"

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}

    def prepare(self, context: RoundContext) -> RoundGenerator:
        return _ChannelRound(context)


class _ChannelRound(RoundGenerator):
    """Particles of the training mixture carried through the channel of the round."""

    mixes_pieces = True

    def __init__(self, context: RoundContext) -> None:
        self._context = context
        self._channel = context.recursion.channel(context.round_index)
        self._training = TrainingMixture(context)

    @property
    def bytes_per_row(self) -> int:
        return 8 * 10 * self._context.recursion.dimension

    def particles(self, chunk: Chunk) -> torch.Tensor:
        return self._training.draw(chunk, "channel", self._channel)

    @classmethod
    def together(cls, rounds: Sequence[Self]) -> MadeTogether | None:
        mixtures = [coming._training for coming in rounds]
        return TrainingMixture.drawn_together(mixtures, "channel", [coming._channel for coming in rounds])


@dataclass(frozen=True)
class ExactGeneration(Generation):
    """Independent particles of each round by reverse diffusion with the closed-form score of its training law.

    Parameters
    ----------
    reverse : ReverseDiffusion
        How the reverse diffusion is run.
    wrap : function of a Denoiser, optional
        Returns the denoiser to use instead, for experiments with wrong scores; recorded by its name.

    Examples
    --------
    >>> ExactGeneration(ReverseDiffusion(steps=25)).describe()["steps"]
    25
    """

    reverse: ReverseDiffusion = field(default_factory=ReverseDiffusion)
    wrap: Callable[[Denoiser], Denoiser] | None = None

    name: ClassVar[str] = "exact"
    uses_particles: ClassVar[bool] = False

    def describe(self) -> dict[str, Any]:
        wrapped = {} if self.wrap is None else {"wrap": getattr(self.wrap, "__name__", repr(self.wrap))}
        return {
            "name": self.name,
            **wrapped,
            "steps": self.reverse.step_count,
            "sampler": self.reverse.describe(),
        }

    def engines(self, recursion: Recursion, rounds: int, device: torch.device) -> list[str]:
        if self.wrap is not None:
            return [LOOP] * rounds
        engines = []
        for index in range(rounds):
            law, stop = recursion.training_law(index), Truncation.of(recursion, index)
            bases = [law.bases[base].as_mixture() for base in law.base_of.tolist()]
            engines.append(
                engine_for(
                    device,
                    stages=len(self.stages(stop)),
                    components=sum(len(base.weights) for base in bases),
                    dimension=recursion.dimension,
                    framed=any(base.frames is not None for base in bases),
                )
            )
        return engines

    def stages(self, stop: Truncation) -> Sequence[Stage]:
        """Return what is done from the horizon to where a round stops."""
        if not isinstance(self.reverse.sampler, Hashable):
            return _stages(self.reverse, stop)
        return _known_stages(self.reverse, stop)

    def prepare(self, context: RoundContext) -> RoundGenerator:
        return _ExactRound(self, context)


def _stages(reverse: ReverseDiffusion, stop: Truncation) -> tuple[Stage, ...]:
    return (*reverse.stages(stop.time, stop.rate), *stop.unscaling())


# Rounds of one truncation time have the same, of one recursion and of several.
_known_stages = lru_cache(maxsize=32)(_stages)


class _ExactRound(RoundGenerator):
    """Reverse diffusions with the score of the exact training law of the round."""

    def __init__(self, generation: ExactGeneration, context: RoundContext) -> None:
        recursion, i = context.recursion, context.round_index
        self._context = context
        stop = Truncation.of(recursion, i)
        # A denoiser of one's own gets a law on the device to work with.
        where = HOST if generation.wrap is None else context.device
        law = components_of(recursion.training_law(i), where)
        law = law.through(GaussianChannel(1.0, recursion.blur**2))
        denoiser: Denoiser = MixtureDenoiser(law, rate=stop.rate, piece=context.piece)
        self._diffusion = Diffusion(
            denoiser if generation.wrap is None else generation.wrap(denoiser),
            generation.stages(stop),
            generation.reverse.start_law(law, stop.time, stop.rate),
            context.device,
            piece=context.piece,
            readable=generation.wrap is not None,
        )
        self.splits_work = self.mixes_pieces = self._diffusion.splits_work

    @property
    def bytes_per_row(self) -> int:
        return self._diffusion.bytes_per_row

    def particles(self, chunk: Chunk) -> torch.Tensor:
        return self._diffusion.particles(*self._streams(chunk))

    @classmethod
    def together(cls, rounds: Sequence[Self]) -> MadeTogether | None:
        made = DiffusionsTogether.of([coming._diffusion for coming in rounds])
        if made is None:
            return None
        return lambda parts: made.particles(
            [Carried(index, *rounds[index]._streams(chunk)) for index, chunk in parts]
        )

    def _streams(self, chunk: Chunk) -> tuple[NoiseStream, NoiseStream]:
        """The random numbers of the start and of the steps."""
        return self._context.noise(chunk, "start"), self._context.noise(chunk, "path")
