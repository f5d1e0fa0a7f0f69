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

import torch

from ..laws import TorchMixture
from ..noise import BLOCK, NoiseStream
from ..scores import Denoiser, MixtureDenoiser
from ..stages import Stage, carry
from .plan import LARGEST_BYTES, Plan, bytes_of_plan, plan_of

COMPILED = "compiled kernel"
LOOP = "torch loop"


def engine_for(device: torch.device, *, stages: int, components: int, dimension: int) -> str:
    """Return the word for the code that runs the exact denoiser of so many components through so many stages."""
    if bytes_of_plan(stages, components, dimension) > LARGEST_BYTES:
        return LOOP
    return COMPILED if device.type == "cpu" else LOOP


@dataclass(frozen=True, eq=False)
class Diffusion:
    """A reverse diffusion, ready to make particles.

    Attributes
    ----------
    denoiser : Denoiser
    stages : sequence of Stage
        At least one.
    start : TorchMixture
        The law of the particles before the first stage.
    piece : int
        Rows of one matrix product of the loop.
    """

    denoiser: Denoiser
    stages: Sequence[Stage]
    start: TorchMixture
    piece: int = BLOCK

    @cached_property
    def engine(self) -> str:
        """The word for the code that runs it."""
        if not isinstance(self.denoiser, MixtureDenoiser):
            return LOOP
        return engine_for(
            self.start.means.device,
            stages=len(self.stages),
            components=sum(self.denoiser.group_counts),
            dimension=self.start.dimension,
        )

    @cached_property
    def plan(self) -> Plan:
        """What a kernel runs."""
        assert isinstance(self.denoiser, MixtureDenoiser)
        return plan_of(self.denoiser, self.stages, self.start)

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
        return 8 * 4 * self.start.dimension

    def particles(self, start: NoiseStream, path: NoiseStream) -> torch.Tensor:
        """Return particles (n, d), one for each row of two streams of which nothing was drawn."""
        if self.engine == COMPILED:
            from .cpu import carry_on_cpu

            return carry_on_cpu(self.plan, start, path)
        return carry(self.start.sample(start, piece=self.piece), self.denoiser, self.stages, path)
