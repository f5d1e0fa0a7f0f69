"""Samplers of K steps as generators, with the exact denoiser of the training law and with guidance.

DDPM, DDIM, EDM and flow matching take the steps that `pipeline.sampler_steps` writes down, schedulers of diffusers
those that `SamplerSteps.of_scheduler` reads off them; `schedulers` drives the scheduler object itself.

Particles start from the pipeline's own noise, and what they end with is the sample: the last step and the stop belong
to the sampler, so that the recursion must have truncation 0.  The training law is a mixture: exact in the first round,
refitted to the particles in later ones (`refits`), which is a Gaussian closure within each component.

Classifier-free guidance takes the components of the data as classes: each particle is asked for one (`guided`).
"""

from __future__ import annotations

import hashlib
import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch

from ..core import checks
from ..core.errors import InputError
from ..pipeline.denoiser import Sampler as StepSampler
from ..pipeline.named_samplers import named_sampler
from ..pipeline.sampler_steps import SamplerSteps
from ..recursion.recursion import Recursion
from .devices import HOST
from .fused.diffusion import LOOP, Diffusion, engine_for
from .fused.together import Carried, DiffusionsTogether
from .generations import Generation, MadeTogether, RoundContext, RoundGenerator
from .guided import ClassGuidance
from .laws import TorchMixture, components_of, normal_law
from .noise import Chunk
from .refits import ClassedLaw, check_classes, draw_labels, training_laws
from .scores import Denoiser, MixtureDenoiser
from .stages import Stage
from .step_stages import RATE, stages_of
from .words import STEP_SAMPLERS

OWN_END = "own"  # the final step in records: part of the sampler

TensorPosterior = Callable[[torch.Tensor, float, float], tuple[torch.Tensor, torch.Tensor]]


def posterior_means(
    denoiser: Denoiser, x: torch.Tensor, signal: float, noise: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return E[x_0 | x] and E[n | x] for x = signal x_0 + noise n, at any level.

    The same as at the Ornstein-Uhlenbeck time of the level's ratio, where signal^2 + noise^2 = 1.
    """
    if noise == 0.0:
        return x / signal, torch.zeros_like(x)
    time = math.inf if signal == 0.0 else math.log1p((noise / signal) ** 2) / (2.0 * denoiser.rate)
    data = denoiser.denoise(x / math.hypot(signal, noise), time)
    return data, (x - signal * data) / noise


@dataclass(frozen=True)
class KStepGeneration(Generation):
    """What generators by samplers of K steps share: guidance, and rounds with refitted training laws."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """1 + omega of the guidance."""

    @property
    @abstractmethod
    def deviation(self) -> float:
        """Standard deviation of the starting noise."""

    def stages(self) -> list[Stage] | None:
        """Return the steps as a table of stages, where they are one; `carry` does them otherwise."""
        return None

    def engines(self, recursion: Recursion, rounds: int, device: torch.device) -> list[str]:
        stages = self.stages()
        if stages is None:
            return [LOOP] * rounds
        engines = []
        for index in range(rounds):
            fresh, earlier = recursion.mixing(index)
            parts = int(fresh > 0.0) + int(np.count_nonzero(earlier))
            refitted = recursion.dimension > 1 and bool(np.any(earlier[1:]))
            engines.append(
                engine_for(
                    device,
                    stages=len(stages),
                    components=parts * len(recursion.target.as_mixture().weights),
                    dimension=recursion.dimension,
                    framed=refitted or recursion.target.as_mixture().frames is not None,
                )
            )
        return engines

    @abstractmethod
    def carry(
        self, x: torch.Tensor, posterior: TensorPosterior, draw: Callable[[], torch.Tensor]
    ) -> torch.Tensor:
        """Return particles (n, d) carried from the start to the end."""

    def check(self, recursion: Recursion, rounds: int) -> None:
        for index, time in enumerate(recursion.schedule.times(rounds)):
            if time != 0.0:
                raise InputError(
                    "truncation_time must be 0 in every round for a sampler of K steps, which has its own end, got "
                    f"{float(time)!r} in round {index}."
                )
        check_classes(recursion)

    def notes(self, recursion: Recursion, rounds: int) -> tuple[str, ...]:
        if rounds < 2 or len(recursion.target.as_mixture().weights) == 1:
            return ()
        return ("From the second round on, the training law is a Gaussian closure within each component.",)

    def prepare(self, context: RoundContext) -> RoundGenerator:
        return _KStepRound(self, context)


class _KStepRound(RoundGenerator):
    """A round made by a sampler of K steps, with a law for each run."""

    def __init__(self, generation: KStepGeneration, context: RoundContext) -> None:
        self._generation, self._context = generation, context
        self._target = context.recursion.target.as_mixture()
        self._guided = generation.scale > 1.0
        stages = generation.stages()
        self._has_stages = stages is not None
        self._diffusions = [
            self._diffusion(law, stages or []) for law in training_laws(context, guided=self._guided)
        ]
        self.splits_work = self._has_stages and self._diffusions[0].splits_work

    def _diffusion(self, law: ClassedLaw, stages: Sequence[Stage]) -> Diffusion:
        context = self._context
        guidance = None
        if self._guided:
            parts = [components_of(part, HOST) for part in law.classes]
            guidance = ClassGuidance(
                [self._denoiser(part) for part in parts],
                np.repeat(np.arange(len(parts)), [part.count for part in parts]),
                self._generation.scale,
            )
        return Diffusion(
            self._denoiser(components_of(law.whole(), HOST)),
            stages,
            normal_law(context.recursion.dimension, self._generation.deviation, HOST),
            context.device,
            piece=context.piece,
            guidance=guidance,
        )

    def _denoiser(self, law: TorchMixture) -> MixtureDenoiser:
        return MixtureDenoiser(law, rate=RATE, piece=self._context.piece)

    @property
    def bytes_per_row(self) -> int:
        if self._has_stages:
            return self._diffusions[0].bytes_per_row
        recursion = self._context.recursion
        count = len(self._target.weights) * (self._context.round_index + 2)
        return 8 * (8 * min(count, 2048) + 40 * recursion.dimension)

    def particles(self, chunk: Chunk) -> torch.Tensor:
        if self._runs_together is not None:
            return self._runs_together.particles(self._carried(chunk, 0))
        made = [self._made(part) for part in self._carried(chunk, 0)]
        return made[0] if len(made) == 1 else torch.cat(made)

    @classmethod
    def together(cls, rounds: Sequence[Self]) -> MadeTogether | None:
        if not all(coming._has_stages for coming in rounds):
            return None
        made = DiffusionsTogether.of([one for coming in rounds for one in coming._diffusions])
        if made is None:
            return None
        first = np.cumsum([0, *(len(coming._diffusions) for coming in rounds)])

        def particles(parts: Sequence[tuple[int, Chunk]]) -> torch.Tensor:
            return made.particles(
                [part for index, chunk in parts for part in rounds[index]._carried(chunk, int(first[index]))]
            )

        return particles

    @cached_property
    def _runs_together(self) -> DiffusionsTogether | None:
        """The diffusions of all runs as one, where there are several and the kernel of a CUDA device takes them."""
        several = self._has_stages and len(self._diffusions) > 1
        return DiffusionsTogether.of(self._diffusions) if several else None

    def _carried(self, chunk: Chunk, first: int) -> list[Carried]:
        """What the diffusions make of a chunk, the first of them counted as number `first`."""
        context, parts = self._context, []
        several = len(self._diffusions) > 1
        for run, group in itertools.groupby(chunk.pieces, key=lambda piece: piece.run if several else 0):
            pieces = tuple(group)
            own = Chunk(0, sum(piece.rows for piece in pieces), pieces)
            labels = draw_labels(context, self._target, own) if self._guided else None
            start, path = context.noise(own, "start"), context.noise(own, "path")
            parts.append(Carried(first + run, start, path, labels))
        return parts

    def _made(self, part: Carried) -> torch.Tensor:
        number, start, path, labels = part
        diffusion = self._diffusions[number]
        if self._has_stages:
            return diffusion.particles(start, path, labels)
        denoiser = diffusion.denoiser_for(labels)
        dimension = self._context.recursion.dimension

        def posterior(y: torch.Tensor, signal: float, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
            return posterior_means(denoiser, y, signal, noise)

        x = self._generation.deviation * start.normal(dimension)
        return self._generation.carry(x, posterior, lambda: path.normal(dimension))


@dataclass(frozen=True)
class StepsGeneration(KStepGeneration):
    """Particles by a sampler of K steps with the exact denoiser of the training law.

    Parameters
    ----------
    sampler : SamplerSteps or ProbedSteps
        Its steps; without guidance of its own, which would be that of a Gaussian direction.
    guidance_scale : float
        1 + omega >= 1 of classifier-free guidance with the components of the data as classes; 1 is none.

    Raises
    ------
    InputError
        If the sampler has guidance or flow maps, or the scale is below 1.

    Notes
    -----
    The first round is exact for mixtures; from the second on the training law is a Gaussian closure within each
    component.  `pipeline.grid_map` gives a round on a line without particles.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> law = hc.presets.load("two_modes_1d")
    >>> recursion = hc.Recursion(law, fresh_fraction=0.5, truncation_time=0.0)
    >>> generation = StepsGeneration(hc.mechanisms.SamplerSteps.ddim(steps=10))
    >>> record = hc.simulation.simulate(
    ...     recursion, rounds=2, particles=500, degree=2, generator=generation, device="cpu"
    ... )
    >>> record.generator, record.steps
    ('steps', 10)
    """

    sampler: StepSampler = field(default_factory=SamplerSteps.ddim)
    guidance_scale: float = 1.0

    name: ClassVar[str] = "steps"

    def __post_init__(self) -> None:
        if not isinstance(self.sampler, StepSampler):
            raise InputError(
                f"sampler must be a sampler of K steps such as SamplerSteps.ddim(), got {self.sampler!r}."
            )
        if self.sampler.guidance is not None:
            raise InputError(
                "sampler must have no guidance of its own, got one that has: use guidance_scale, which takes the "
                "components of the data as classes."
            )
        checked_scale(self.guidance_scale)

    @property
    def scale(self) -> float:
        return self.guidance_scale

    @property
    def deviation(self) -> float:
        return self.sampler.deviation

    def stages(self) -> list[Stage] | None:
        return stages_of(self.sampler)

    def carry(
        self, x: torch.Tensor, posterior: TensorPosterior, draw: Callable[[], torch.Tensor]
    ) -> torch.Tensor:
        return self.sampler.carry(x, posterior, draw)

    def describe(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        for entry in fields(self.sampler):  # type: ignore[arg-type]
            value = getattr(self.sampler, entry.name)
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
        return {
            "name": self.name,
            "guidance_scale": float(self.guidance_scale),
            "steps": self.sampler.steps,
            "sampler": {
                "name": self.sampler.describe(),
                "final_step": OWN_END,
                "digest": digest.hexdigest(),
            },
        }


def steps_by_name(
    sampler: str | None, steps: int | None = None, *, guidance_scale: float = 1.0
) -> StepsGeneration:
    """Return the generator for one of `words.STEP_SAMPLERS`; None is the first, or its usual number of steps."""
    make = named_sampler(STEP_SAMPLERS[0] if sampler is None else sampler)
    built = make() if steps is None else make(steps=steps)
    return StepsGeneration(built, guidance_scale)


def checked_scale(scale: float) -> None:
    """Refuse a guidance scale below 1."""
    if checks.real(scale, "guidance_scale") < 1.0:
        raise InputError(f"guidance_scale must be >= 1 (1 is no guidance), got {scale!r}.")
