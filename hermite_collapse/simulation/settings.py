"""What is asked of a simulation: one recursion or several side by side, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch

from ..core import checks
from ..core.errors import InputError
from ..core.types import IntArray
from ..hermite.indices import default_degree
from ..recursion.recursion import Recursion
from .devices import choose_device
from .generations import Generation
from .noise import seed_from
from .words import KEEPS


@dataclass(frozen=True)
class RunSettings:
    """The arguments of one simulation; `of` checks them.

    Attributes
    ----------
    names : tuple of str
        Names of the recursions.
    recursions : tuple of Recursion
        What is simulated side by side, in one dimension.
    rounds, particles, degree, runs, seed, keep, products, device, chunk
        As for `simulate`.
    generation : Generation
        How particles are made.
    shared_noise : bool
        Whether all recursions have the same seed and so the same random numbers.
    """

    names: tuple[str, ...]
    recursions: tuple[Recursion, ...]
    rounds: int
    particles: int
    generation: Generation
    degree: int
    runs: int
    keep: str
    products: bool
    device: torch.device
    seed: int
    chunk: int | None
    shared_noise: bool = False

    @classmethod
    def of(
        cls,
        recursions: Mapping[str, Recursion],
        generation: Generation,
        *,
        rounds: int,
        particles: int,
        degree: int | None = None,
        runs: int = 1,
        keep: str = "statistics",
        products: bool = False,
        device: str | torch.device = "auto",
        seed: int = 0,
        chunk: int | None = None,
        shared_noise: bool = False,
    ) -> Self:
        """Return the settings; InputError for an argument out of range, before a folder is begun."""
        if not recursions:
            raise InputError("recursions must hold at least one recursion, got none.")
        for recursion in recursions.values():
            checks.instance(recursion, Recursion, "recursion")
        dimensions = sorted({recursion.dimension for recursion in recursions.values()})
        if len(dimensions) > 1:
            raise InputError(f"recursions must have one dimension, got {dimensions!r}.")
        settings = cls(
            names=tuple(recursions),
            recursions=tuple(recursions.values()),
            rounds=checks.integer(rounds, "rounds"),
            particles=checks.count(particles, "particles", minimum=1),
            generation=generation,
            degree=default_degree(dimensions[0]) if degree is None else checks.integer(degree, "degree"),
            runs=checks.count(runs, "runs", minimum=1),
            keep=checks.one_of(keep, KEEPS, "keep"),
            products=bool(products),
            device=choose_device(device),
            seed=checks.integer(seed, "seed"),
            chunk=None if chunk is None else checks.integer(chunk, "chunk", minimum=1),
            shared_noise=shared_noise,
        )
        for recursion in settings.recursions:
            generation.check(recursion, settings.rounds)
        return settings

    @property
    def dimension(self) -> int:
        """The dimension of every recursion."""
        return self.recursions[0].dimension

    @property
    def run_count(self) -> int:
        """Runs of all recursions."""
        return len(self.recursions) * self.runs

    @property
    def rows(self) -> int:
        """Particles of one round, of all runs and recursions."""
        return self.run_count * self.particles

    def runs_of(self, index: int) -> slice:
        """Return where the runs of one recursion lie among all runs."""
        return slice(index * self.runs, (index + 1) * self.runs)

    def seed_of(self, index: int) -> int:
        """Return the seed of one recursion: the given one for the first, others made from it unless noise is shared."""
        return self.seed if index == 0 or self.shared_noise else seed_from(self.seed, index)

    def needed(self, complete: int) -> set[int]:
        """Return the rounds whose particles are still wanted when rounds 0..complete-1 are done."""
        if self.keep == "all":
            return set(range(complete))
        wanted = {complete - 1} if self.keep == "last" and complete == self.rounds + 1 else set()
        if self.generation.uses_particles:
            wanted.update(np.flatnonzero(self._last_use[:complete] >= complete - 1).tolist())
        return wanted

    @cached_property
    def _last_use(self) -> IntArray:
        """The last round that draws on each round's particles, -1 for none; shape (rounds + 1,)."""
        last = np.full(self.rounds + 1, -1, dtype=np.int64)
        for recursion in self.recursions:
            for index in range(self.rounds):
                used = np.flatnonzero(recursion.mixing(index)[1])
                last[used] = np.maximum(last[used], index)
        return last
