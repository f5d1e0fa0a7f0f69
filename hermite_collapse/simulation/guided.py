"""Classifier-free guidance: every particle is asked for a class, and its denoiser is extrapolated.

D = (1 + omega) D_class - omega D_all,     guidance_scale = 1 + omega
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ..core.types import IntArray
from .scores import Denoiser, MixtureDenoiser


@dataclass(frozen=True)
class GuidedDenoiser:
    """The denoiser of classifier-free guidance, each row with its own class.

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
        for number, denoiser in enumerate(self.classes):  # whole blocks: no shape depends on the labels
            own = torch.where((self.labels == number)[:, None], denoiser.denoise(x, time), own)
        return self.scale * own - (self.scale - 1.0) * whole


@dataclass(frozen=True, eq=False)
class ClassGuidance:
    """How the denoiser of a mixture is guided to classes that its components belong to.

    Attributes
    ----------
    classes : sequence of MixtureDenoiser
    class_of : array of int, shape (K,)
        The class of each component.
    scale : float
        1 + omega.
    """

    classes: Sequence[MixtureDenoiser]
    class_of: IntArray
    scale: float

    def to(self, device: torch.device) -> ClassGuidance:
        """Return the guidance by denoisers on a device."""
        return replace(self, classes=[denoiser.to(device) for denoiser in self.classes])
