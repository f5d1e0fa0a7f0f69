"""Reverse diffusions of several recursions, or of runs with laws of their own, as one launch on a CUDA device.

Diffusions that are compiled alike are one launch, however their laws, stages and keys differ; the bytes are those of
each alone.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import torch

from ..noise import NoiseStream, Piece
from .diffusion import TRITON, Diffusion
from .starts import sampled, sampled_together
from .triton_use import usable

if TYPE_CHECKING:
    from .triton_reverse import ReverseKernel

_CHECKED = (Piece(0, 0, 40),)


class Carried(NamedTuple):
    """What one diffusion of several makes: streams of which nothing was drawn, and the classes that are asked for."""

    diffusion: int
    start: NoiseStream
    path: NoiseStream
    labels: torch.Tensor | None = None


class DiffusionsTogether:
    """Reverse diffusions by the Triton kernel, ready to make particles of several of them at once.

    Parameters
    ----------
    diffusions : sequence of Diffusion
        In one dimension, on one device; `of` says whether the kernel takes them.
    """

    def __init__(self, diffusions: Sequence[Diffusion]) -> None:
        from .triton_reverse import ReverseKernel

        self._device = diffusions[0].device
        self._dimension = diffusions[0].start.dimension
        self._variants = [diffusion.prepared.variant for diffusion in diffusions]
        self._start = sampled_together([diffusion.start_there for diffusion in diffusions])
        self._each = diffusions
        self._kernels: dict[Hashable, ReverseKernel] = {}
        self._number = [0] * len(diffusions)
        for variant in dict.fromkeys(self._variants):
            alike = [index for index, own in enumerate(self._variants) if own == variant]
            self._kernels[variant] = ReverseKernel.of([diffusions[i].prepared for i in alike], self._device)
            for number, index in enumerate(alike):
                self._number[index] = number

    @classmethod
    def of(cls, diffusions: Sequence[Diffusion]) -> Self | None:
        """Return the diffusions as one; None unless the kernel takes all, to the bytes of each alone."""
        if any(diffusion.engine != TRITON for diffusion in diffusions):
            return None
        made = cls(diffusions)
        variant = ("together", *sorted(set(made._variants)))
        return made if usable("triton_reverse", made._device, variant, made.difference_from_each) else None

    def particles(self, parts: Sequence[Carried]) -> torch.Tensor:
        """Return the particles of all parts laid end to end, shape (rows, d)."""
        x = self._started(parts)
        labels = None
        if parts[0].labels is not None:
            labels = torch.cat([part.labels for part in parts if part.labels is not None])
        self._carry(x, parts, labels)
        return x

    def _started(self, parts: Sequence[Carried]) -> torch.Tensor:
        if self._start is None:
            return torch.cat([sampled(self._each[part.diffusion].start_there, part.start) for part in parts])
        return self._start([(part.diffusion, part.start) for part in parts])

    def _carry(self, x: torch.Tensor, parts: Sequence[Carried], labels: torch.Tensor | None) -> None:
        from .triton_random import Part, launches_of

        streams = [Part(part.diffusion, part.path.pieces, part.path.key) for part in parts]
        for variant, span, rows, shares in launches_of(streams, self._variants, self._number, self._device):
            own = x[span]
            self._kernels[variant].launch(own, own if labels is None else labels[span], rows, shares)

    def difference_from_each(self) -> float:
        """Return 0 where some particles, of two of each variant, are equal to the bit to those alone, else infinity."""
        checked = [index for index, number in enumerate(self._number) if number < 2]
        alone = [self._each[part.diffusion].particles(*part[1:]) for part in self._checked(checked)]
        return 0.0 if torch.equal(self.particles(self._checked(checked)), torch.cat(alone)) else math.inf

    def _checked(self, diffusions: Sequence[int]) -> list[Carried]:
        parts = []
        for index in diffusions:
            start, path = (
                NoiseStream(_CHECKED, seed=index, round_index=2, purpose=purpose, device=self._device)
                for purpose in ("start", "path")
            )
            guidance, labels = self._each[index].guidance, None
            if guidance is not None:
                labels = torch.arange(start.rows, device=self._device) % len(guidance.classes)
            parts.append(Carried(index, start, path, labels))
        return parts
