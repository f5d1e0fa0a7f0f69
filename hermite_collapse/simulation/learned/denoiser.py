"""The preconditioning that turns a network's output into a denoiser.

With X_t = a X_0 + s Z, s = sqrt(v), data of mean mu and mean variance d^2 a coordinate, and n = sqrt(s^2 + a^2 d^2),

    D(x, t) = mu + (a d^2 / n^2) (x - a mu) + (s d / n) F((x - a mu) / n, log sigma),         sigma = s / a.

This is the preconditioning of arXiv:2206.00364 carried to Ornstein-Uhlenbeck time: the network F sees inputs of
variance 1, is asked for outputs of variance 1 at every level,

    F* = ((s/d) (X_0 - mu) - a d Z) / n,

and its errors are scaled down where the answer is known, at both ends.  F = 0 is the exact denoiser of N(mu, d^2 I).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from ...core.errors import InputError
from ..scores import Level


class MemberNetwork(Protocol):
    """What a denoiser asks of a network: the output of one member, see `networks.ScoreNetwork`."""

    def one(self, member: int, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor: ...


@dataclass(frozen=True, eq=False)
class Preconditioning:
    """Mean mu (members, d) and spread d (members,) of the training data, float64, for the module's formulas."""

    mean: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def of(cls, points: torch.Tensor) -> Preconditioning:
        """Return mean and spread of training points (members, n, d)."""
        mean = points.mean(dim=1, dtype=torch.float64)
        variance = (points.to(torch.float64) - mean[:, None]).square().mean(dim=(1, 2))
        if not bool((variance > 0.0).all()):
            raise InputError("training points must not all be equal, got a variance of 0.")
        return cls(mean, variance.sqrt())

    def target(
        self, clean: torch.Tensor, z: torch.Tensor, sigma: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the network's input and F* for clean points and noise (members, n, d), sigma (members, n, 1).

        In float32, and with both scaled by 1/a: only sigma enters.
        """
        spread = self.spread.to(torch.float32)[:, None, None]
        n = torch.sqrt(sigma**2 + spread**2)
        centred = clean - self.mean.to(torch.float32)[:, None]
        return (centred + sigma * z) / n, (sigma / spread * centred - spread * z) / n


class NetworkDenoiser:
    """The denoiser of trained members, for rows that belong to given members.

    Parameters
    ----------
    network : ScoreNetwork
        Of all members.
    preconditioning : Preconditioning
        Of all members.
    members : sequence of int
        Member of each of the consecutive groups of equal size that rows come in.
    rate : float
        Of the Ornstein-Uhlenbeck process.

    Notes
    -----
    Float64 outside, float32 in the network.  Groups are evaluated one by one: what a particle sees does not depend on
    what is computed beside it.
    """

    def __init__(
        self,
        network: MemberNetwork,
        preconditioning: Preconditioning,
        members: Sequence[int],
        *,
        rate: float = 0.5,
    ) -> None:
        self.network, self.preconditioning = network, preconditioning
        self.members, self.rate = tuple(members), rate

    @torch.no_grad()
    def denoise(self, x: torch.Tensor, time: float) -> torch.Tensor:
        """Return E[X_0 | X_t = x] as learned, shape (n, d)."""
        level = Level.at(time, self.rate)
        a, v = level.scale, level.variance
        result = torch.empty_like(x)
        size = x.shape[0] // len(self.members)
        log_sigma = torch.full((size,), math.log(level.sigma), dtype=torch.float32, device=x.device)
        for group, member in enumerate(self.members):
            rows = slice(group * size, (group + 1) * size)
            mean, spread = self.preconditioning.mean[member], float(self.preconditioning.spread[member])
            n = math.sqrt(v + (a * spread) ** 2)
            centred = x[rows] - a * mean
            out = self.network.one(member, (centred / n).to(torch.float32), log_sigma)
            result[rows] = mean + (a * spread**2 / n**2) * centred + (math.sqrt(v) * spread / n) * out
        return result
