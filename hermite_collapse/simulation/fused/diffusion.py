"""A reverse diffusion with the exact denoiser of a mixture, run by the fastest code that takes it.

    compiled kernel   on a CPU, by Numba: all stages of thirty-two particles in the cache
    Triton kernel     on a CUDA device, by Triton: all stages of a particle in registers
    torch loop        anything else: other denoisers, very large tables; and the reference of both kernels

All three draw the same random numbers and differ by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from ..guided import ClassGuidance, GuidedDenoiser
from ..laws import TorchMixture
from ..noise import BLOCK, NoiseStream
from ..scores import Denoiser, MixtureDenoiser
from ..stages import Stage, carry
from .cpu import CompiledKernel
from .plan import LARGEST_BYTES, Plan, bytes_of_plan, plan_of
from .starts import sampled
from .triton_use import WIDEST, usable

if TYPE_CHECKING:
    from .triton_reverse import Prepared, ReverseKernel

COMPILED = "compiled kernel"
TRITON = "Triton kernel"
LOOP = "torch loop"


def engine_for(
    device: torch.device,
    *,
    stages: int,
    components: int,
    dimension: int,
    framed: bool,
) -> str:
    """Return the word for the code that runs the exact denoiser of so many components through so many stages.

    `framed` says that components have axes of their own.
    """
    if bytes_of_plan(stages, components, dimension, framed=framed) > LARGEST_BYTES:
        return LOOP
    if device.type == "cpu":
        return COMPILED
    return TRITON if dimension <= WIDEST and usable("triton_reverse", device) else LOOP


@dataclass(frozen=True, eq=False)
class Diffusion:
    """A reverse diffusion, ready to make particles.

    Tables of a kernel are made on the host: a denoiser of a mixture and a start may lie there, and are carried to the
    device where they are needed on it.

    Attributes
    ----------
    denoiser : Denoiser
        A `MixtureDenoiser`, or one that works on the device.
    stages : sequence of Stage
        At least one.
    start : TorchMixture
        The law of the particles before the first stage.
    device : torch.device
        Where the particles are.
    piece : int
        Rows of one matrix product of the loop.
    guidance : ClassGuidance, optional
        Classes that particles are asked for.
    readable : bool
        Whether it is run by the loop in any case.
    """

    denoiser: Denoiser
    stages: Sequence[Stage]
    start: TorchMixture
    device: torch.device
    piece: int = BLOCK
    guidance: ClassGuidance | None = None
    readable: bool = False

    @cached_property
    def engine(self) -> str:
        """The word for the code that runs it."""
        if self.readable or not isinstance(self.denoiser, MixtureDenoiser):
            return LOOP
        word = engine_for(
            self.device,
            stages=len(self.stages),
            components=sum(self.denoiser.group_counts),
            dimension=self.start.dimension,
            framed=any(frame is not None for frame in self.denoiser.group_frames),
        )
        if word == TRITON and not usable(
            "triton_reverse", self.device, self.prepared.variant, self._difference
        ):
            return LOOP
        return word

    def _difference(self) -> float:
        """The difference of some particles of the Triton kernel from the loop's."""
        from .triton_reverse import checked_labels, difference_from_loop

        labels = None
        if self.guidance is not None:
            labels = checked_labels(len(self.guidance.classes), self.device)
        return difference_from_loop(
            self.kernel, self.denoiser_for(labels), self.stages, self.start_there, labels
        )

    @cached_property
    def start_there(self) -> TorchMixture:
        """The law of the start on the device."""
        return self.start.to(self.device)

    @cached_property
    def _denoiser_there(self) -> Denoiser:
        return self.denoiser.to(self.device) if isinstance(self.denoiser, MixtureDenoiser) else self.denoiser

    @cached_property
    def _guidance_there(self) -> ClassGuidance | None:
        return None if self.guidance is None else self.guidance.to(self.device)

    @cached_property
    def plan(self) -> Plan:
        """What a kernel runs."""
        assert isinstance(self.denoiser, MixtureDenoiser)
        return plan_of(self.denoiser, self.stages, self.start, self.guidance)

    @cached_property
    def compiled(self) -> CompiledKernel:
        """The plan on a CPU."""
        return CompiledKernel.of(self.plan)

    @cached_property
    def prepared(self) -> Prepared:
        """The plan as the Triton kernel reads it."""
        from .triton_reverse import Prepared

        return Prepared.of(self.plan)

    @cached_property
    def kernel(self) -> ReverseKernel:
        """The plan on a CUDA device."""
        from .triton_reverse import ReverseKernel

        return ReverseKernel.of([self.prepared], self.device)

    @property
    def splits_work(self) -> bool:
        """Whether it runs on all threads by itself, to the same bytes with any number of them."""
        return self.engine == COMPILED

    @property
    def bytes_per_row(self) -> int:
        """Memory that one particle takes while it is made."""
        components = sum(self.denoiser.group_counts) if isinstance(self.denoiser, MixtureDenoiser) else 1
        if self.engine == LOOP:
            return 8 * (4 * min(components, 2048) + 12 * self.start.dimension)
        return 8 * (10 if self.engine == TRITON else 4) * self.start.dimension

    def particles(
        self, start: NoiseStream, path: NoiseStream, labels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return particles (n, d), one for each row of two streams of which nothing was drawn.

        Under guidance, `labels` (n,) are the classes that they are asked for.
        """
        if self.engine == COMPILED:
            return self.compiled.particles(start, path, labels)
        if self.engine == TRITON:
            x = sampled(self.start_there, start, piece=self.piece)
            self.kernel.carry(x, path.pieces, path.key, labels)
            return x
        x = self.start_there.sample(start, piece=self.piece)
        return carry(x, self.denoiser_for(labels), self.stages, path)

    def denoiser_for(self, labels: torch.Tensor | None) -> Denoiser:
        """Return the denoiser of particles that are asked for classes (n,), if there is guidance."""
        guidance = self._guidance_there
        if guidance is None or labels is None:
            return self._denoiser_there
        return GuidedDenoiser(self._denoiser_there, guidance.classes, labels, guidance.scale)
