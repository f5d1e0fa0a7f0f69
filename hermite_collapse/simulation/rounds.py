"""A simulation under way: what was asked for, and the rounds one after another, in memory or in a folder."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..hermite.indices import total_degree_indices
from ..storage.folder import RunFolder, read_timings
from ..storage.record import DOCUMENT, SimulatedRecursion
from . import devices
from .generations import Generation, RoundContext
from .laws import components_of
from .noise import BLOCK, Chunk, NoiseStream, plan_chunks
from .progress import progress_bar
from .statistics import HermiteStatistics
from .workers import made_in_order, one_thread_each


@dataclass(frozen=True)
class Plan:
    """The validated arguments of one simulation."""

    recursion: Any
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

    def describe(self) -> dict[str, Any]:
        """Everything that decides the bytes of the run."""
        return {
            "degree": self.degree,
            "device": devices.describe_device(self.device),
            "generator": self.generation.describe(),
            "keep": self.keep,
            "particles": self.particles,
            "products": self.products,
            "recursion": describe_recursion(self.recursion, self.rounds),
            "rounds": self.rounds,
            "runs": self.runs,
            "seed": self.seed,
            "versions": devices.describe_versions(),
        }

    def needed(self, complete: int) -> set[int]:
        """The rounds whose particles are still wanted when rounds 0..complete-1 are done."""
        if self.keep == "all":
            return set(range(complete))
        wanted = {complete - 1} if self.keep == "last" and complete == self.rounds + 1 else set()
        if self.generation.uses_particles:
            for i in range(complete - 1, self.rounds):
                earlier = self.recursion.mixing(i)[1]
                wanted.update(j for j in np.flatnonzero(earlier[:complete]).tolist())
                if self._only_last_counts and i > complete:
                    break
        return wanted

    @property
    def _only_last_counts(self) -> bool:
        return getattr(self.recursion.regime, "name", self.recursion.regime) == "replace"


class Run:
    """The state of a simulation under way: particles by round, statistics by round, and the folder."""

    def __init__(self, plan: Plan, folder: str | os.PathLike[str] | None, progress: bool | None) -> None:
        self.plan = plan
        self.progress = progress
        self.notes: list[str] = []
        self.chunk_limit = plan.chunk
        self.statistics: list[dict[str, NDArray]] = []
        self.seconds: list[float] = []
        self.particles: dict[int, torch.Tensor] = {}
        self.folder = None if folder is None else RunFolder(Path(folder), plan.describe())
        self._accumulator: HermiteStatistics | None = None

    def finish(self) -> SimulatedRecursion:
        """Do what is left to do, and return the record."""
        if self.folder is not None and (self.folder.path / DOCUMENT).exists():
            self.folder.remove_particles(range(self.plan.rounds + 1))
            return SimulatedRecursion.load(self.folder.path)
        self._resume()
        done = len(self.statistics)
        with progress_bar(
            f"simulate ({self.plan.generation.name})",
            rounds=self.plan.rounds,
            rows=self.plan.runs * self.plan.particles,
            done=done,
            wanted=self.progress,
        ) as advance:
            for index in range(done, self.plan.rounds + 1):
                self._one_round(index, advance)
        record = self._record()
        if self.folder is not None:
            record.save(self.folder.path)
            self.folder.remove_particles(range(self.plan.rounds + 1))
        return record

    def _resume(self) -> None:
        if self.folder is None:
            return
        complete = self.folder.complete_rounds()
        timings, notes = read_timings(self.folder.path)
        self.notes.extend(notes)
        needed = self.plan.needed(complete) if complete else set()
        self.folder.remove_particles(set(range(complete)) - needed)
        for index in range(complete):
            self.statistics.append(self.folder.read_statistics(index))
            self.seconds.append(timings.get(index, np.nan))
        for index in sorted(needed):
            stored = self.folder.read_particles(index)
            self.particles[index] = torch.as_tensor(stored, device=self.plan.device)

    def _one_round(self, index: int, advance: Callable[[int], None]) -> None:
        begin = time.perf_counter()
        while True:
            try:
                particles, statistics = self._attempt(index, advance)
                break
            except (RuntimeError, MemoryError) as problem:
                if not devices.is_out_of_memory(problem) or not self._shrink(index):
                    raise
        devices.synchronize(self.plan.device)
        if particles is not None:
            self.particles[index] = particles
        self.statistics.append(statistics)
        self.seconds.append(time.perf_counter() - begin)
        needed = self.plan.needed(index + 1)
        obsolete = [j for j in self.particles if j not in needed]
        if self.folder is not None:
            wanted = None if particles is None else particles.cpu().numpy()
            self.folder.write_round(index, statistics, wanted, obsolete=obsolete)
            self.folder.write_timing(index, self.seconds[-1], self.notes)
        for j in obsolete:
            del self.particles[j]

    def _attempt(
        self, index: int, advance: Callable[[int], None]
    ) -> tuple[torch.Tensor | None, dict[str, NDArray]]:
        """The statistics of a round, and its particles if a later round or the user wants them."""
        plan = self.plan
        produce, bytes_per_row, splits = self._producer(index)
        if self.chunk_limit is None:
            self.chunk_limit = devices.default_chunk(plan.device, bytes_per_row)
        shape = (plan.runs, plan.particles, plan.recursion.dimension)
        particles = None
        if index in plan.needed(index + 1):
            particles = torch.empty(shape, dtype=torch.float64, device=plan.device)
        accumulator = self._statistics()
        chunks = plan_chunks(plan.runs, plan.particles, self.chunk_limit)
        results = made_in_order(produce, chunks, device=plan.device, splits=splits)
        for chunk, made in zip(chunks, results, strict=True):
            if particles is not None:
                particles.view(-1, shape[2])[chunk.start : chunk.stop] = made
            with one_thread_each():  # sums split between threads would depend on their number
                accumulator.add(made, chunk)
            advance(chunk.rows)
        return particles, accumulator.result().arrays()

    def _producer(self, index: int) -> tuple[Callable[[Chunk], torch.Tensor], int, bool]:
        """What makes a chunk of the round, its bytes a row, and whether it splits its own work between threads."""
        plan = self.plan
        if index > 0:
            context = RoundContext(
                plan.recursion, index - 1, plan.runs, plan.particles, plan.seed, plan.device, self.particles
            )
            prepared = plan.generation.prepare(context)
            splits = getattr(prepared, "splits_work", False)
            return prepared.particles, prepared.bytes_per_row, splits
        law = plan.recursion.target if plan.recursion.initial is None else plan.recursion.initial
        components = components_of(law, plan.device)

        def initial(chunk: Chunk) -> torch.Tensor:
            noise = NoiseStream(
                chunk.pieces, seed=plan.seed, round_index=0, purpose="initial", device=plan.device
            )
            uniforms = noise.uniform(1)[:, 0]
            return components.draw(
                uniforms, noise.normal(components.dimension), piece=min(plan.particles, BLOCK)
            )

        return initial, 8 * 10 * components.dimension, False

    def _statistics(self) -> HermiteStatistics:
        if self._accumulator is None:
            plan = self.plan
            self._accumulator = HermiteStatistics(
                plan.recursion.dimension,
                plan.degree,
                runs=plan.runs,
                particles=plan.particles,
                products=plan.products,
                device=plan.device,
            )
        self._accumulator.reset()
        return self._accumulator

    def _shrink(self, index: int) -> bool:
        """Halve the chunk after memory ran out; False if it cannot be smaller."""
        assert self.chunk_limit is not None
        smallest = min(self.plan.particles, BLOCK)
        if self.chunk_limit <= smallest:
            return False
        largest = self.plan.runs * self.plan.particles
        self.chunk_limit = max(smallest, min(self.chunk_limit, largest) // 2)
        devices.release_memory(self.plan.device)
        note = (
            f"Memory ran out in round {index}: it was done again in chunks of {self.chunk_limit} particles."
        )
        self.notes.append(note)
        print(note, file=sys.stderr)
        return True

    def _record(self) -> SimulatedRecursion:
        plan = self.plan
        described = plan.generation.describe()
        stacked = {
            name: np.stack([statistics[name] for statistics in self.statistics], axis=1)
            for name in self.statistics[0]
        }
        samples = None
        if plan.keep != "statistics":
            kept = range(plan.rounds + 1) if plan.keep == "all" else [plan.rounds]
            samples = np.stack([self.particles[j].cpu().numpy() for j in kept], axis=1)
        return SimulatedRecursion(
            indices=total_degree_indices(plan.recursion.dimension, plan.degree),
            truncation_times=np.asarray(plan.recursion.schedule.times(plan.rounds), dtype=float),
            wall_seconds=np.array(self.seconds),
            generator=plan.generation.name,
            particles=plan.particles,
            seed=plan.seed,
            device=devices.describe_device(plan.device),
            versions=devices.describe_versions(),
            pool=(described["pool"] or plan.particles) if "pool" in described else None,
            sampler=described.get("sampler"),
            steps=described.get("steps"),
            recursion=describe_recursion(plan.recursion, plan.rounds),
            notes=tuple(self.notes),
            samples=samples,
            **stacked,
        )


def describe_recursion(recursion: Any, rounds: int) -> dict[str, Any]:
    """The parameters of a recursion as JSON values, its laws by digest."""
    regime = recursion.regime
    table = getattr(regime, "table", None)
    fraction = recursion.fresh_fraction
    return {
        "blur": float(recursion.blur),
        "dimension": int(recursion.dimension),
        "fresh_fraction": list(fraction) if isinstance(fraction, tuple) else float(fraction),
        "initial": None if recursion.initial is None else _digest(recursion.initial),
        "process": repr(recursion.process),
        "regime": getattr(regime, "name", regime),
        "target": _digest(recursion.target),
        "truncation": [float(t) for t in recursion.schedule.times(rounds)],
        **(
            {}
            if table is None
            else {"weights": hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()}
        ),
    }


def _digest(law: Any) -> str:
    names = (
        ["samples"] if hasattr(law, "samples") else ["weights", "means", "variances", "frames", "frame_of"]
    )
    digest = hashlib.sha256(type(law).__name__.encode())
    for array in (getattr(law, name) for name in names):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
