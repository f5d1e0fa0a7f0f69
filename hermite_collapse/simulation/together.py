"""Several recursions with learned scores side by side, their networks trained as one batched model.

A round of all of them is one unit: it is written whole or not at all, so that after an interruption the same networks
are trained together again, and the bytes come out the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core import checks
from ..core.errors import InputError
from ..hermite.indices import total_degree_indices
from ..storage.folder import RunFolder
from ..storage.record import SimulatedRecursion
from . import devices
from .generations import RoundContext
from .laws import components_of
from .learned.generation import NeuralGeneration, train_rounds
from .noise import BLOCK, Chunk, NoiseStream, plan_chunks, seed_from
from .rounds import describe_recursion
from .statistics import HermiteStatistics


def simulate_together(
    recursions: Mapping[str, Any],
    *,
    rounds: int,
    particles: int,
    generation: NeuralGeneration | None = None,
    degree: int = 8,
    runs: int = 1,
    device: str | torch.device = "auto",
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
) -> dict[str, SimulatedRecursion]:
    """Simulate several recursions with learned scores, all their networks trained as one batched model.

    Parameters
    ----------
    recursions : by name; of one dimension and one rate, with regime "replace".  Fresh fractions, truncation
        schedules and targets may differ.
    rounds, particles, degree, runs, device, seed : as for `simulate`.  Each recursion has a seed of its own,
        made from `seed` and its place.
    generation : how networks are made, trained and run.
    folder : where every round is written; a folder of the same simulation is continued where it stopped.

    Returns
    -------
    The record of each recursion by name.

    Raises : InputError as `simulate`; TrainingPaused when the checkpoints' deadline has passed.
    """
    if not recursions:
        raise InputError("recursions must hold at least one recursion, got none.")
    dimensions = sorted({recursion.dimension for recursion in recursions.values()})
    if len(dimensions) > 1:
        raise InputError(f"recursions must have one dimension, got {dimensions!r}.")
    for name, recursion in recursions.items():
        if getattr(recursion.regime, "name", recursion.regime) != "replace":
            raise InputError(
                f'recursions must have regime "replace" to run together, got {name!r} without it.'
            )
    together = _Together(
        recursions=dict(recursions),
        rounds=checks.integer(rounds, "rounds"),
        particles=checks.integer(particles, "particles", minimum=1),
        generation=NeuralGeneration() if generation is None else generation,
        degree=checks.integer(degree, "degree"),
        runs=checks.integer(runs, "runs", minimum=1),
        device=devices.choose_device(device),
        seed=checks.integer(seed, "seed"),
    )
    return together.finish(folder)


@dataclass(frozen=True)
class _Together:
    """The validated arguments of `simulate_together`, and its rounds."""

    recursions: dict[str, Any]
    rounds: int
    particles: int
    generation: NeuralGeneration
    degree: int
    runs: int
    device: torch.device
    seed: int

    @property
    def dimension(self) -> int:
        return next(iter(self.recursions.values())).dimension

    def seed_of(self, place: int) -> int:
        return self.seed if place == 0 else seed_from(self.seed, place)

    def describe(self) -> dict[str, Any]:
        """Everything that decides the bytes."""
        return {
            "degree": self.degree,
            "device": devices.describe_device(self.device),
            "generator": self.generation.describe(),
            "particles": self.particles,
            "recursions": {n: describe_recursion(r, self.rounds) for n, r in self.recursions.items()},
            "rounds": self.rounds,
            "runs": self.runs,
            "seed": self.seed,
            "versions": devices.describe_versions(),
        }

    def finish(self, path: str | os.PathLike[str] | None) -> dict[str, SimulatedRecursion]:
        folder = None if path is None else RunFolder(Path(path), self.describe())
        done: list[dict[str, NDArray]] = []
        seconds: list[float] = []
        last: NDArray | None = None
        if folder is not None and folder.complete_rounds():
            complete, timings = folder.complete_rounds(), folder.read_timings()
            done = [folder.read_statistics(i) for i in range(complete)]
            seconds = [timings.get(i, np.nan) for i in range(complete)]
            if complete <= self.rounds:
                last = folder.read_particles(complete - 1)
        for index in range(len(done), self.rounds + 1):
            began = time.perf_counter()
            last, statistics = self._one_round(index, last)
            done.append(statistics)
            seconds.append(time.perf_counter() - began)
            if folder is not None:
                wanted = last if index < self.rounds else None
                folder.write_round(index, statistics, wanted, obsolete=[index - 1] if index else [])
                folder.write_timing(index, seconds[-1])
        return {name: self._record(name, place, done, seconds) for place, name in enumerate(self.recursions)}

    def _one_round(self, index: int, last: NDArray | None) -> tuple[NDArray, dict[str, NDArray]]:
        """Particles (recursions, runs, N, d) and statistics of one round, named "recursion/statistic"."""
        if index == 0:
            produce = [
                initial_particles(recursion, self.particles, self.seed_of(place), self.device)
                for place, recursion in enumerate(self.recursions.values())
            ]
        else:
            assert last is not None
            contexts = [
                RoundContext(
                    recursion,
                    index - 1,
                    self.runs,
                    self.particles,
                    self.seed_of(place),
                    self.device,
                    {index - 1: torch.as_tensor(last[place], device=self.device)},
                )
                for place, recursion in enumerate(self.recursions.values())
            ]
            produce = [made.particles for made in train_rounds(self.generation, contexts)]
        everything = np.empty((len(self.recursions), self.runs, self.particles, self.dimension))
        statistics: dict[str, NDArray] = {}
        for place, (name, make) in enumerate(zip(self.recursions, produce, strict=True)):
            accumulator = HermiteStatistics(
                self.dimension,
                self.degree,
                runs=self.runs,
                particles=self.particles,
                products=False,
                device=self.device,
            )
            rows = everything[place].reshape(-1, self.dimension)
            for chunk in plan_chunks(self.runs, self.particles, BLOCK):
                x = make(chunk)
                rows[chunk.start : chunk.stop] = x.cpu().numpy()
                accumulator.add(x, chunk)
            statistics |= {f"{name}/{key}": value for key, value in accumulator.result().arrays().items()}
        return everything, statistics

    def _record(
        self, name: str, place: int, done: Sequence[Mapping[str, NDArray]], seconds: Sequence[float]
    ) -> SimulatedRecursion:
        recursion = self.recursions[name]
        prefix = f"{name}/"
        keys = [key for key in done[0] if key.startswith(prefix)]
        stacked = {key[len(prefix) :]: np.stack([part[key] for part in done], axis=1) for key in keys}
        described = self.generation.describe()
        return SimulatedRecursion(
            indices=total_degree_indices(self.dimension, self.degree),
            truncation_times=np.asarray(recursion.schedule.times(self.rounds), dtype=float),
            wall_seconds=np.array(seconds),
            generator=self.generation.name,
            particles=self.particles,
            seed=self.seed_of(place),
            device=devices.describe_device(self.device),
            versions=devices.describe_versions(),
            pool=described["pool"],
            sampler=described["sampler"],
            steps=described["steps"],
            recursion=describe_recursion(recursion, self.rounds),
            **stacked,  # type: ignore[arg-type]
        )


def initial_particles(
    recursion: Any, particles: int, seed: int, device: torch.device
) -> Callable[[Chunk], torch.Tensor]:
    """Independent particles of p_0 by chunks, as `simulate` draws them."""
    law = recursion.target if recursion.initial is None else recursion.initial
    components = components_of(law, device)

    def draw(chunk: Chunk) -> torch.Tensor:
        noise = NoiseStream(chunk.pieces, seed=seed, round_index=0, purpose="initial", device=device)
        uniforms = noise.uniform(1)[:, 0]
        return components.draw(uniforms, noise.normal(components.dimension), piece=min(particles, BLOCK))

    return draw
