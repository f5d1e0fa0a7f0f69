"""The recursion with learned scores: a network is trained in every round and run, seeds and recursions side by side.

Each round, every run draws `training.samples` points of its training law (fresh data with probability alpha, else
earlier particles with replacement), a network learns the score of their law, and the N particles are independent
reverse diffusions with it.  The networks of all runs are one batched model.

    simulate(recursion, generator="neural", ...)                  one recursion, several runs
    simulate_together([recursion, ...], generation=...)           several recursions (fresh fractions, schedules) at once
    learned_energies(recursion, ...)                              path energies of the first round's networks
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import _checks
from ..errors import InputError
from ..hermite.indices import total_degree_indices
from ..records import SimulatedRecursion
from ..runfolder import RunFolder
from . import devices
from .generations import ReverseDiffusion, RoundContext, RoundGenerator, TrainingMixture, Truncation
from .laws import components_of
from .networks import Architecture, ResidualPerceptron
from .noise import BLOCK, Chunk, NoiseStream, plan_chunks
from .noise import _seed_from as seed_from
from .rounds import describe_recursion
from .statistics import HermiteStatistics
from .training import Address, Checkpoints, TrainedScores, Training, train_scores


@dataclass(frozen=True)
class NeuralGeneration:
    """Particles by reverse diffusion with a score learned from the round's training set.

    network : architecture.
    training : how it is trained.
    reverse : how the reverse diffusion is run, with its final step.
    checkpoints : where a training in progress is kept, if anywhere; no part of what the run is.
    """

    network: Architecture = field(default_factory=ResidualPerceptron)
    training: Training = field(default_factory=Training)
    reverse: ReverseDiffusion = field(default_factory=ReverseDiffusion)
    checkpoints: Checkpoints | None = None

    name: str = "neural"
    uses_particles: bool = True

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "network": self.network.describe(),
            "pool": self.training.samples,
            "sampler": self.reverse.describe(),
            "steps": self.reverse.step_count,
            "training": self.training.describe(),
        }

    def prepare(self, context: RoundContext) -> RoundGenerator:
        return train_rounds(self, [context])[0]


def train_rounds(generation: NeuralGeneration, contexts: Sequence[RoundContext]) -> list[NeuralRound]:
    """The coming round of several recursions, their networks trained as one batched model."""
    stops = [Truncation.of(context.recursion, context.round_index) for context in contexts]
    rates = {stop.rate for stop in stops}
    if len(rates) > 1:
        raise InputError(f"recursions must have one rate to be trained together, got {sorted(rates)!r}.")
    rate = rates.pop()
    pools = [_training_points(generation.training, context) for context in contexts]
    trained = train_scores(
        torch.cat(pools),
        architecture=generation.network,
        training=generation.training,
        addresses=[
            Address(context.seed, run, context.round_index + 1)
            for context in contexts
            for run in range(context.runs)
        ],
        shortest=[
            stop.time for stop, context in zip(stops, contexts, strict=True) for _ in range(context.runs)
        ],
        horizon=generation.reverse.horizon_for(rate),
        rate=rate,
        checkpoints=generation.checkpoints,
    )
    rounds, first = [], 0
    for context, stop, pool in zip(contexts, stops, pools, strict=True):
        rounds.append(NeuralRound(generation.reverse, context, stop, pool, trained, first))
        first += context.runs
    return rounds


def _training_points(training: Training, context: RoundContext) -> torch.Tensor:
    """The training set of every run, (runs, samples, d)."""
    recursion, size = context.recursion, training.samples
    mixture = TrainingMixture(
        context, components_of(recursion.target, context.device), piece=min(size, BLOCK)
    )
    parts = []
    for chunk in plan_chunks(context.runs, size, BLOCK):
        drawn = mixture.draw(chunk, "pool")
        if recursion.blur:
            drawn = drawn + recursion.blur * context.noise(chunk, "channel").normal(recursion.dimension)
        parts.append(drawn)
    return torch.cat(parts).view(context.runs, size, recursion.dimension)


class NeuralRound:
    """A round whose networks are trained: chunks of its particles, in any order.

    trained : networks of all that were trained together; `first` is the place of this recursion's first run.
    """

    def __init__(
        self,
        reverse: ReverseDiffusion,
        context: RoundContext,
        stop: Truncation,
        points: torch.Tensor,
        trained: TrainedScores,
        first: int,
    ) -> None:
        self._reverse, self._context, self._stop, self._points = reverse, context, stop, points
        self.trained, self.first = trained, first

    @property
    def bytes_per_row(self) -> int:
        return 8 * 24 * self._points.shape[2] + 4 * 2048

    def particles(self, chunk: Chunk) -> torch.Tensor:
        context, size = self._context, self._points.shape[1]
        runs = [piece.run for piece in chunk.pieces]
        start = context.noise(chunk, "start")
        member = (start.uniform(1)[:, 0] * size).long().clamp_(max=size - 1)
        run = torch.repeat_interleave(torch.tensor(runs, device=context.device), chunk.pieces[0].rows)
        denoiser = self.trained.denoiser([self.first + r for r in runs], rate=self._stop.rate)
        x = self._reverse.run(
            self._points[run, member], denoiser, self._stop.time, start, context.noise(chunk, "path")
        )
        return self._stop.unscale * x


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
    recursions : by name; of one dimension and one rate, with regime "replace".  Fresh fractions, truncation schedules and
        targets may differ.
    rounds, particles, degree, runs, device, seed : as for `simulate`.  Each recursion has a seed of its own, made from
        `seed` and its place.
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
        rounds=_checks.integer(rounds, "rounds"),
        particles=_checks.integer(particles, "particles", minimum=1),
        generation=NeuralGeneration() if generation is None else generation,
        degree=_checks.integer(degree, "degree"),
        runs=_checks.integer(runs, "runs", minimum=1),
        device=devices.choose_device(device),
        seed=_checks.integer(seed, "seed"),
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
            produce = [self._initial(p, r) for p, r in enumerate(self.recursions.values())]
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

    def _initial(self, place: int, recursion: Any) -> Any:
        law = recursion.target if recursion.initial is None else recursion.initial
        components = components_of(law, self.device)

        def draw(chunk: Chunk) -> torch.Tensor:
            noise = NoiseStream(
                chunk.pieces, seed=self.seed_of(place), round_index=0, purpose="initial", device=self.device
            )
            uniforms = noise.uniform(1)[:, 0]
            return components.draw(uniforms, noise.normal(self.dimension), piece=min(self.particles, BLOCK))

        return draw

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
            **stacked,
        )
