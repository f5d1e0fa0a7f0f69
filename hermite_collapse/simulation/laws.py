"""The torch view of a law: Gaussian components on a device, drawn from and smoothed.

A law of the package is here a list of components N(m_k, Q_f diag(l_k) Q_f^T) with weights w_k: a mixture is one, an
aged law has one, and an empirical law, aged or not, has its points as components without or with isotropic
variance.  Everything else in the simulation sees components only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..core.errors import InputError
from ..laws.channels import GaussianChannel
from .noise import BLOCK
from .products import product


@dataclass(frozen=True)
class Components:
    """Weighted Gaussian components on a device.

    weights : (K,).  means : (K, d), in the original coordinates.  variances : (K, d), or (K, 1) if every component
    is isotropic.  frames : (F, d, d) with eigenvectors as columns, and frame_of : (K,), or None for the identity.
    """

    weights: torch.Tensor
    means: torch.Tensor
    variances: torch.Tensor
    frames: torch.Tensor | None = None
    frame_of: torch.Tensor | None = None

    @property
    def dimension(self) -> int:
        return self.means.shape[1]

    @property
    def count(self) -> int:
        return self.means.shape[0]

    def through(self, channel: GaussianChannel) -> Components:
        """The components after X -> A X + sqrt(v) Z."""
        return replace(
            self,
            means=channel.scale * self.means,
            variances=channel.scale**2 * self.variances + channel.variance,
        )

    def draw(self, uniforms: torch.Tensor, normals: torch.Tensor, *, piece: int = BLOCK) -> torch.Tensor:
        """Points of the law from uniforms (n,) for the component and normals (n, d) within it."""
        steps = torch.cumsum(self.weights, 0)
        steps[-1] = torch.inf
        chosen = torch.searchsorted(steps, uniforms.contiguous(), right=True)
        spread = self.variances.sqrt()[chosen] * normals
        if self.frames is not None:
            assert self.frame_of is not None
            frame = self.frame_of[chosen]
            turned = torch.zeros_like(spread)
            for f in range(self.frames.shape[0]):  # whole blocks, so that no shape depends on the draw
                part = product(spread, self.frames[f].T.contiguous(), piece=piece)
                turned = torch.where((frame == f)[:, None], part, turned)
            spread = turned
        return self.means[chosen] + spread


def components_of(law: Any, device: torch.device) -> Components:
    """Components of a GaussianMixture, an EmpiricalLaw, or an AgedLaw of either."""
    if _is_mixture(law):
        return _from_mixture(law, device)
    if hasattr(law, "samples"):
        points = np.asarray(law.samples)
        return _from_points(points, np.full(len(points), 1.0 / len(points)), np.zeros(len(points)), device)
    if hasattr(law, "base_of"):
        bases = list(law.bases)
        if not all(hasattr(base, "samples") for base in bases):
            return _from_mixture(law.mixture, device)
        means, weights, variances = [], [], []
        for w, scale, variance, base in zip(law.weights, law.scales, law.variances, law.base_of, strict=True):
            points = np.asarray(bases[int(base)].samples)
            means.append(float(scale) * points)
            weights.append(np.full(len(points), float(w) / len(points)))
            variances.append(np.full(len(points), float(variance)))
        return _from_points(np.concatenate(means), np.concatenate(weights), np.concatenate(variances), device)
    raise InputError(
        "target must be a GaussianMixture, an EmpiricalLaw or an AgedLaw to be simulated, "
        f"got {type(law).__name__}."
    )


def _is_mixture(law: Any) -> bool:
    return hasattr(law, "frame_of") and hasattr(law, "variances")


def _from_mixture(mixture: Any, device: torch.device) -> Components:
    weights = np.asarray(mixture.weights)
    used = weights > 0.0
    means, variances = np.asarray(mixture.means)[used], np.asarray(mixture.variances)[used]
    isotropic = bool(np.all(variances == variances[:, :1]))
    frames, frame_of = None, None
    if mixture.frames is not None and not isotropic:
        frames = _tensor(mixture.frames, device)
        frame_of = torch.as_tensor(np.array(mixture.frame_of, dtype=np.int64)[used], device=device)
    return Components(
        _tensor(weights[used], device),
        _tensor(means, device),
        _tensor(variances[:, :1] if isotropic else variances, device),
        frames,
        frame_of,
    )


def _from_points(
    points: np.ndarray, weights: np.ndarray, variances: np.ndarray, device: torch.device
) -> Components:
    used = weights > 0.0
    return Components(
        _tensor(weights[used], device), _tensor(points[used], device), _tensor(variances[used, None], device)
    )


def _tensor(array: Any, device: torch.device) -> torch.Tensor:
    return torch.as_tensor(np.array(array, dtype=np.float64), device=device)
