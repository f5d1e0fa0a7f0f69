"""Samplers of K steps as generators, with the exact denoiser of the training law and with guidance.

DDPM, DDIM, EDM and flow matching take the steps that `pipeline.sampler_steps` writes down, schedulers of diffusers
those that `SamplerSteps.of_scheduler` reads off them; `schedulers` drives the scheduler object itself.

Particles start from the pipeline's own noise, and what they end with is the sample: the last step and the stop belong
to the sampler, so that the recursion must have truncation 0.  The training law is a mixture: exact in the first round,
refitted to the particles in later ones (`refits`), which is a Gaussian closure within each component.

Classifier-free guidance takes the components of the data as classes: each particle is asked for one, and

    D = (1 + omega) D_class - omega D_all,     guidance_scale = 1 + omega.
"""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
import torch

from ..core import checks
from ..core.errors import InputError
from ..pipeline.denoiser import Sampler as StepSampler
from ..pipeline.sampler_steps import SamplerSteps
from ..recursion.recursion import Recursion
from .generations import Generation, RoundContext, RoundGenerator
from .laws import components_of
from .noise import Chunk
from .refits import ClassedLaw, check_classes, draw_labels, training_laws
from .scores import Denoiser, MixtureDenoiser
from .words import STEP_SAMPLERS

RATE = 0.5  # of the Ornstein-Uhlenbeck time that levels are turned into
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
class GuidedDenoiser:
    """The denoiser of classifier-free guidance, each row with its own class.

        D = scale D_class - (scale - 1) D_all

    Parameters
    ----------
    whole : Denoiser
        Of the law of all classes.
    classes : sequence of Denoiser
    labels : tensor of int, shape (n,)
        The class of each row.
    scale : float
        1 + omega.

    Examples
    --------
    >>> from hermite_collapse.simulation import ScoreDenoiser
    >>> left, right, whole = (ScoreDenoiser(lambda x, t, m=m: m - x) for m in (-1.0, 1.0, 0.0))
    >>> guided = GuidedDenoiser(whole, (left, right), torch.tensor([0, 1]), 2.0)
    >>> x = torch.zeros(2, 1, dtype=torch.float64)
    >>> (guided.denoise(x, 1.0) / right.denoise(x, 1.0)).round(decimals=6).tolist()
    [[-2.0], [2.0]]
    """

    whole: Denoiser
    classes: Sequence[Denoiser]
    labels: torch.Tensor
    scale: float

    @property
    def rate(self) -> float:
        return self.whole.rate

    def denoise(self, x: torch.Tensor, time: float) -> torch.Tensor:
        """Return the extrapolated posterior mean, shape (n, d)."""
        whole = self.whole.denoise(x, time)
        own = torch.zeros_like(whole)
        for number, denoiser in enumerate(
            self.classes
        ):  # whole blocks, so that no shape depends on the labels
            own = torch.where((self.labels == number)[:, None], denoiser.denoise(x, time), own)
        return self.scale * own - (self.scale - 1.0) * whole


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

    @abstractmethod
    def carry(
        self, x: torch.Tensor, posterior: TensorPosterior, draw: Callable[[], torch.Tensor]
    ) -> torch.Tensor:
        """Return particles (n, d) carried from the start to the end."""

    def check(self, recursion: Recursion, rounds: int) -> None:
        for index, time in enumerate(recursion.schedule.times(rounds)):
            if time != 0.0:
                raise InputError(
                    "truncation must be 0 in every round for a sampler of K steps, which has its own end, got "
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
    """A round made by a sampler of K steps, with a denoiser for each run."""

    def __init__(self, generation: KStepGeneration, context: RoundContext) -> None:
        self._generation, self._context = generation, context
        self._target = context.recursion.target.as_mixture()
        guided = generation.scale > 1.0
        self._denoisers = [self._denoisers_of(law, guided) for law in training_laws(context, guided=guided)]

    def _denoisers_of(self, law: ClassedLaw, guided: bool) -> tuple[Denoiser, list[Denoiser]]:
        laws = [law.whole(), *(law.classes if guided else ())]
        whole, *classes = [
            MixtureDenoiser(components_of(part, self._context.device), rate=RATE, piece=self._context.piece)
            for part in laws
        ]
        return whole, list(classes)

    @property
    def bytes_per_row(self) -> int:
        recursion = self._context.recursion
        count = len(self._target.weights) * (self._context.round_index + 2)
        return 8 * (8 * min(count, 2048) + 40 * recursion.dimension)

    def particles(self, chunk: Chunk) -> torch.Tensor:
        if len(self._denoisers) == 1:
            return self._made(chunk, *self._denoisers[0])
        rows = []
        for run in dict.fromkeys(piece.run for piece in chunk.pieces):
            pieces = tuple(piece for piece in chunk.pieces if piece.run == run)
            part = Chunk(0, sum(piece.rows for piece in pieces), pieces)
            rows.append(self._made(part, *self._denoisers[run]))
        return torch.cat(rows)

    def _made(self, chunk: Chunk, denoiser: Denoiser, classes: list[Denoiser]) -> torch.Tensor:
        context, generation = self._context, self._generation
        if classes:
            labels = draw_labels(context, self._target, chunk)
            denoiser = GuidedDenoiser(denoiser, classes, labels, generation.scale)
        path = context.noise(chunk, "path")
        dimension = context.recursion.dimension
        x = generation.deviation * context.noise(chunk, "start").normal(dimension)

        def posterior(y: torch.Tensor, signal: float, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
            return posterior_means(denoiser, y, signal, noise)

        return generation.carry(x, posterior, lambda: path.normal(dimension))


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
    >>> recursion = hc.Recursion(law, fresh_fraction=0.5, truncation=0.0)
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
    word = checks.one_of(STEP_SAMPLERS[0] if sampler is None else sampler, STEP_SAMPLERS, "sampler")
    make: dict[str, tuple[Callable[..., SamplerSteps], dict[str, str]]] = {
        "ddim": (SamplerSteps.ddim, {}),
        "ddpm": (SamplerSteps.ddpm, {"variance": "posterior"}),
        "ddpm_beta": (SamplerSteps.ddpm, {"variance": "beta"}),
        "edm_heun": (SamplerSteps.edm, {"method": "heun"}),
        "edm_euler": (SamplerSteps.edm, {"method": "euler"}),
        "flow_euler": (SamplerSteps.flow, {}),
    }
    function, options = make[word]
    built = function(**options) if steps is None else function(steps=steps, **options)
    return StepsGeneration(built, guidance_scale)


def checked_scale(scale: float) -> None:
    """Refuse a guidance scale below 1."""
    if checks.real(scale, "guidance_scale") < 1.0:
        raise InputError(f"guidance_scale must be >= 1 (1 is no guidance), got {scale!r}.")
