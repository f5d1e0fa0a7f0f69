"""What every sampler here is: a table of stages, each with one evaluation of the denoiser.

    x  <-  p0 x + p1 x_before + q0 D + q1 D_before + r z,        D = E[X_0 | x] at the level of the stage

x_before and D_before are the particle and the denoiser of the stage before, z are new standard normals.  A step of
Euler's rule is one stage, a step of Heun's rule two; a two-step scheme uses D_before.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from .scores import Denoiser, Level


class Normals(Protocol):
    """A source of standard normals, one row a particle."""

    def normal(self, columns: int) -> torch.Tensor: ...


@dataclass(frozen=True)
class Stage:
    """One stage of a sampler.

        x  <-  p0 x + p1 x_before + q0 D + q1 D_before + r z

    Attributes
    ----------
    level : Level
        Where the denoiser is evaluated.
    x, x_before, data, data_before, noise : float
        The coefficients p0, p1, q0, q1 and r; p1 and q1 are 0 in the first stage of a sampler.

    Examples
    --------
    A sampler of one's own, DDIM without noise, as stages:

    >>> from dataclasses import dataclass
    >>> import hermite_collapse as hc
    >>> @dataclass(frozen=True)
    ... class Implicit(hc.simulation.Sampler):
    ...     name, order = "implicit", 1
    ...
    ...     def _steps(self, levels, rate):
    ...         stages = []
    ...         for now, following in zip(levels, levels[1:]):
    ...             ratio = (following.variance / now.variance) ** 0.5
    ...             data = following.scale - ratio * now.scale
    ...             stages.append(hc.simulation.Stage(now, x=ratio, data=data))
    ...         return stages
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> record = hc.simulation.simulate(
    ...     recursion, rounds=1, particles=100, generator="exact", sampler=Implicit(), steps=20, device="cpu"
    ... )
    >>> record.sampler["name"]
    'implicit'
    """

    level: Level
    x: float
    x_before: float = 0.0
    data: float = 0.0
    data_before: float = 0.0
    noise: float = 0.0


def asks(stages: Sequence[Stage]) -> list[bool]:
    """Return for every stage whether its denoiser is evaluated: it or the next one needs it, or it needs the last one.

    The last, so that D_before is what was evaluated last but one in every stage that uses it.
    """
    return [
        stage.data != 0.0
        or stage.data_before != 0.0
        or (following is not None and following.data_before != 0.0)
        for stage, following in itertools.zip_longest(stages, stages[1:])
    ]


def draw_numbers(stages: Sequence[Stage]) -> list[int]:
    """Return for every stage how-many-th draw of normals it uses, -1 for none."""
    numbers, drawn = [], 0
    for stage in stages:
        numbers.append(drawn if stage.noise != 0.0 else -1)
        drawn += stage.noise != 0.0
    return numbers


def carry(
    x: torch.Tensor, denoiser: Denoiser, stages: Sequence[Stage], noise: Normals | None = None
) -> torch.Tensor:
    """Return particles (n, d) carried through all stages, in float64; stages without noise need none."""
    x_before, data_before, data = x, x, x
    for stage, asked in zip(stages, asks(stages), strict=True):
        if asked:
            level = stage.level
            data = denoiser.denoise(x if level.norm == 1.0 else x / level.norm, level.time)
        result = stage.x * x
        for coefficient, values in (
            (stage.x_before, x_before),
            (stage.data, data),
            (stage.data_before, data_before),
        ):
            if coefficient != 0.0:
                result.add_(values, alpha=coefficient)
        if stage.noise != 0.0 and noise is not None:
            result.add_(noise.normal(x.shape[1]), alpha=stage.noise)
        x_before, data_before, x = x, data, result
    return x
