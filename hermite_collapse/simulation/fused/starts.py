"""Points of laws that recursions and reverse diffusions start from: by the Triton kernel of the channel where it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..laws import TorchMixture
from ..noise import BLOCK, NoiseStream
from .triton_use import usable


def sampled(law: TorchMixture, noise: NoiseStream, *, piece: int = BLOCK) -> torch.Tensor:
    """Return one point of a law for each row of a stream of which nothing was drawn, shape (rows, d)."""
    if not usable("triton_channel", noise.device):
        return law.sample(noise, piece=piece)
    from .triton_channel import TrainingTables, training_through_channel

    return training_through_channel(TrainingTables.of_law(law), noise.pieces, noise.key, start=True)


def sampled_together(
    laws: Sequence[TorchMixture],
) -> Callable[[Sequence[tuple[int, NoiseStream]]], torch.Tensor] | None:
    """Return what samples several laws by one launch, to the bytes of each alone; None where there is no such kernel.

    It takes pairs of the number of a law and a stream.
    """
    if not usable("triton_channel", laws[0].means.device):
        return None
    from .triton_channel import TrainingTables, together
    from .triton_random import Part

    made = together([TrainingTables.of_law(law) for law in laws], start=True)
    if made is None:
        return None
    return lambda parts: made.particles([Part(index, noise.pieces, noise.key) for index, noise in parts])
