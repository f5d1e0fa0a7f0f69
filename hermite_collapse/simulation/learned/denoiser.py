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
from .. import devices
from ..scores import Level


class MemberNetwork(Protocol):
    """What a denoiser asks of a network: the outputs of consecutive members, see `networks.ScoreNetwork`."""

    def several(self, members: slice, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor: ...


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
    Float64 outside, float32 in the network.  On a CPU groups are evaluated one by one: what a particle sees does not
    depend on what is computed beside it.  Elsewhere all groups of one member, or of consecutive ones, are one call.
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
        for rows, members in self._calls(x):
            count = members.stop - members.start
            mean = self.preconditioning.mean[members, None]
            spread = self.preconditioning.spread[members, None, None]
            n = torch.sqrt(v + (a * spread) ** 2)
            centred = x[rows].view(count, -1, x.shape[1]) - a * mean
            log_sigma = torch.full(
                centred.shape[:2], math.log(level.sigma), dtype=torch.float32, device=x.device
            )
            out = self.network.several(members, (centred / n).to(torch.float32), log_sigma)
            clean = mean + (a * spread**2 / n**2) * centred + (math.sqrt(v) * spread / n) * out
            result[rows] = clean.view(-1, x.shape[1])
        return result

    def _calls(self, x: torch.Tensor) -> list[tuple[slice, slice]]:
        """Return the rows of every call of the network, and the consecutive members that they belong to equally."""
        first, last = self.members[0], self.members[-1]
        if not devices.works_in_blocks(x.device):
            if self.members == (first,) * len(self.members):
                return [(slice(None), slice(first, first + 1))]
            if self.members == tuple(range(first, last + 1)):
                return [(slice(None), slice(first, last + 1))]
        size = x.shape[0] // len(self.members)
        return [(slice(i * size, (i + 1) * size), slice(m, m + 1)) for i, m in enumerate(self.members)]
