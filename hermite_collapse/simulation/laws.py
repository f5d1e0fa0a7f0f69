"""The torch view of a law: Gaussian components on a device, drawn from and smoothed.

A law of the package is here a list of components N(m_k, Q_f diag(l_k) Q_f^T) with weights w_k: a mixture is one, an
aged law has one, and an empirical law, aged or not, has its points as components without or with isotropic
variance.  Everything else in the simulation sees components only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike

from ..laws.channels import GaussianChannel
from ..laws.mixture import Law
from .noise import BLOCK, NoiseStream
from .products import product


@dataclass(frozen=True)
class TorchMixture:
    """Weighted Gaussian components on a device.

    Attributes
    ----------
    weights : tensor, shape (K,)
    means : tensor, shape (K, d)
        In the original coordinates.
    variances : tensor, shape (K, d) or (K, 1)
        One column if every component is isotropic.
    frames : tensor, shape (F, d, d), or None
        Eigenvectors as columns; None for the identity.
    frame_of : tensor of int, shape (K,), or None
        The frame of each component.
    """

    weights: torch.Tensor
    means: torch.Tensor
    variances: torch.Tensor
    frames: torch.Tensor | None = None
    frame_of: torch.Tensor | None = None

    @property
    def dimension(self) -> int:
        """The dimension d."""
        return self.means.shape[1]

    @property
    def count(self) -> int:
        """The number of components K."""
        return self.means.shape[0]

    @cached_property
    def cumulative(self) -> torch.Tensor:
        """The distribution function of the component, shape (K,), its end infinite: the same bits on every device."""
        steps = np.cumsum(self.weights.cpu().numpy())
        steps[-1] = np.inf
        return torch.as_tensor(steps, device=self.weights.device)

    @cached_property
    def roots(self) -> torch.Tensor:
        """Roots of the variances, shape (K, d) or (K, 1)."""
        return self.variances.sqrt()

    def to(self, device: torch.device) -> TorchMixture:
        """Return the components on a device."""
        if self.means.device == device:
            return self
        return replace(
            self,
            weights=self.weights.to(device),
            means=self.means.to(device),
            variances=self.variances.to(device),
            frames=None if self.frames is None else self.frames.to(device),
            frame_of=None if self.frame_of is None else self.frame_of.to(device),
        )

    def through(self, channel: GaussianChannel) -> TorchMixture:
        """Return the components after X -> A X + sqrt(v) Z."""
        return replace(
            self,
            means=channel.scale * self.means,
            variances=channel.scale**2 * self.variances + channel.variance,
        )

    def sample(self, noise: NoiseStream, *, piece: int = BLOCK) -> torch.Tensor:
        """Return one point of the law for each row of a stream, shape (rows, d)."""
        uniforms = noise.uniform(1)[:, 0]
        return self.draw(uniforms, noise.normal(self.dimension), piece=piece)

    def draw(self, uniforms: torch.Tensor, normals: torch.Tensor, *, piece: int = BLOCK) -> torch.Tensor:
        """Return points of the law from uniforms (n,) for the component and normals (n, d) within it."""
        component = torch.searchsorted(self.cumulative, uniforms.contiguous(), right=True)
        spread = self.roots[component] * normals
        if self.frames is not None:
            assert self.frame_of is not None
            frame = self.frame_of[component]
            turned = torch.zeros_like(spread)
            for f in range(self.frames.shape[0]):  # whole blocks, so that no shape depends on the draw
                part = product(spread, self.frames[f].T.contiguous(), piece=piece)
                turned = torch.where((frame == f)[:, None], part, turned)
            spread = turned
        return self.means[component] + spread


def components_of(law: Law, device: torch.device) -> TorchMixture:
    """Return the components of a law on a device, those of weight 0 left out."""
    mixture = law.as_mixture()
    used = mixture.weights > 0.0
    variances = mixture.variances[used]
    isotropic = bool(np.all(variances == variances[:, :1]))
    frames, frame_of = None, None
    if mixture.frames is not None and not isotropic:
        frames = _tensor(mixture.frames, device)
        frame_of = torch.as_tensor(np.array(mixture.frame_of, dtype=np.int64)[used], device=device)
    return TorchMixture(
        _tensor(mixture.weights[used], device),
        _tensor(mixture.means[used], device),
        _tensor(variances[:, :1] if isotropic else variances, device),
        frames,
        frame_of,
    )


def normal_law(dimension: int, deviation: float, device: torch.device) -> TorchMixture:
    """Return the centred normal law of that standard deviation in every coordinate."""
    return TorchMixture(
        _tensor(np.ones(1), device),
        _tensor(np.zeros((1, dimension)), device),
        _tensor(np.full((1, 1), deviation**2), device),
    )


def _tensor(array: ArrayLike, device: torch.device) -> torch.Tensor:
    return torch.as_tensor(np.array(array, dtype=np.float64, order="C"), device=device)
