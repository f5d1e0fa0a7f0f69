"""`simulate`: a recursion run with particles, round after round, streamed into statistics."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import _checks
from ..errors import InputError
from ..records import DOCUMENT, SimulatedRecursion
from ..runfolder import RunFolder
from . import devices
from .attention import KernelGeneration
from .generations import ChannelGeneration, ExactGeneration, Generation, ReverseDiffusion, RoundContext
from .laws import components_of
from .noise import BLOCK, Chunk, NoiseStream, plan_chunks
from .samplers import ExponentialMultistep, Sampler
from .statistics import HermiteStatistics

GENERATORS = ("channel", "exact", "kernel")
KEEPS = ("statistics", "last", "all")


def simulate(
    recursion: Any,
    *,
    rounds: int,
    particles: int,
    generator: str | Generation = "channel",
    degree: int = 8,
    runs: int = 1,
    sampler: Sampler | None = None,
    steps: int | None = None,
    start: str = "marginal",
    horizon: float | None = None,
    pool: int | None = None,
    keep: str = "statistics",
    products: bool = False,
    device: str | torch.device = "auto",
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    chunk: int | None = None,
    progress: bool | None = None,
) -> SimulatedRecursion:
    """Simulate a recursion with particles and record its Hermite coefficients round by round.

    Round 0 is N independent draws of p_0.  Round i + 1 comes from q_i = w_i p* + sum_j v_ij p_j by the generator:

        "channel"   each particle from the training mixture of earlier particles, then the exact channel of round i
        "exact"     independent particles by reverse diffusion with the closed-form score of the exact q_i
        "kernel"    a pool of points from the training mixture, then reverse diffusion with the pool's own score

    Parameters
    ----------
    recursion : a `Recursion`.
    rounds, particles : number of rounds, and of particles N in each.
    generator : a name above, or a `Generation` object.
    degree : coefficients of all multi-indices of total degree <= degree are recorded.
    runs : independent repetitions, computed together.
    sampler, steps, start, horizon : of the reverse diffusion, see `ReverseDiffusion`; not for "channel".
    pool : points in the pool of "kernel"; the number of particles if None.
    keep : "statistics" keeps no particles, "last" those of the last round, "all" those of every round.
    products : whether to record the means of h_j h_k as well.
    device : "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".
    seed : integer >= 0.  Equal seeds give equal bytes on one device and number of threads, whatever the chunk size.
    folder : where to write every round; a folder of the same run is continued where it stopped.
    chunk : particles worked on together, rounded to whole blocks of 8192; chosen for the device if None.
    progress : whether to show a progress bar on standard error; if None, only on a terminal.

    Returns
    -------
    SimulatedRecursion

    Raises   : InputError for arguments out of range, a device that is not there, or a folder of another run.
    Memory   : particles x runs x dimension x 8 bytes for each earlier round that a coming round draws from, besides
        the chunk; when memory runs out the round is done again in smaller chunks, and `notes` says so.
    """
    plan = _Plan(
        recursion=recursion,
        rounds=_checks.integer(rounds, "rounds"),
        particles=_checks.integer(particles, "particles", minimum=1),
        generation=_as_generation(
            generator, sampler=sampler, steps=steps, start=start, horizon=horizon, pool=pool
        ),
        degree=_checks.integer(degree, "degree"),
        runs=_checks.integer(runs, "runs", minimum=1),
        keep=_checks.one_of(keep, KEEPS, "keep"),
        products=bool(products),
        device=devices.choose_device(device),
        seed=_checks.integer(seed, "seed"),
        chunk=None if chunk is None else _checks.integer(chunk, "chunk", minimum=1),
    )
    return _Run(plan, folder, progress).finish()


@dataclass(frozen=True)
class _Plan:
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


class _Run:
    """The state of a simulation under way: particles by round, statistics by round, and the folder."""

    def __init__(self, plan: _Plan, folder: str | os.PathLike[str] | None, progress: bool | None) -> None:
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
        with _progress_bar(self.plan, done, self.progress) as advance:
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
        timings = self.folder.read_timings()
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
        self.particles[index] = particles
        self.statistics.append(statistics)
        self.seconds.append(time.perf_counter() - begin)
        needed = self.plan.needed(index + 1)
        obsolete = [j for j in self.particles if j not in needed]
        if self.folder is not None:
            wanted = particles.cpu().numpy() if index in needed else None
            self.folder.write_round(index, statistics, wanted, obsolete=obsolete)
            self.folder.write_timing(index, self.seconds[-1], self.notes)
        for j in obsolete:
            del self.particles[j]

    def _attempt(self, index: int, advance: Callable[[int], None]) -> tuple[torch.Tensor, dict[str, NDArray]]:
        plan = self.plan
        produce, bytes_per_row = self._producer(index)
        if self.chunk_limit is None:
            self.chunk_limit = devices.default_chunk(plan.device, bytes_per_row)
        shape = (plan.runs, plan.particles, plan.recursion.dimension)
        particles = torch.empty(shape, dtype=torch.float64, device=plan.device)
        rows = particles.view(-1, shape[2])
        accumulator = self._statistics()
        for chunk in plan_chunks(plan.runs, plan.particles, self.chunk_limit):
            made = produce(chunk)
            rows[chunk.start : chunk.stop] = made
            accumulator.add(made, chunk)
            advance(chunk.rows)
        return particles, accumulator.result().arrays()

    def _producer(self, index: int) -> tuple[Callable[[Chunk], torch.Tensor], int]:
        plan = self.plan
        if index > 0:
            context = RoundContext(
                plan.recursion, index - 1, plan.runs, plan.particles, plan.seed, plan.device, self.particles
            )
            prepared = plan.generation.prepare(context)
            return prepared.particles, prepared.bytes_per_row
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

        return initial, 8 * 10 * components.dimension

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
        from ..hermite.indices import total_degree_indices

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
        **({} if table is None else {"weights": hashlib.sha256(np.ascontiguousarray(table)).hexdigest()}),
    }


def _digest(law: Any) -> str:
    names = (
        ["samples"] if hasattr(law, "samples") else ["weights", "means", "variances", "frames", "frame_of"]
    )
    digest = hashlib.sha256(type(law).__name__.encode())
    for array in (getattr(law, name) for name in names):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _as_generation(
    generator: str | Generation,
    *,
    sampler: Sampler | None,
    steps: int | None,
    start: str,
    horizon: float | None,
    pool: int | None,
) -> Generation:
    if not isinstance(generator, str):
        if not hasattr(generator, "prepare"):
            raise InputError(
                f"generator must be one of {', '.join(map(repr, GENERATORS))}, got {generator!r}."
            )
        if sampler is not None or steps is not None or horizon is not None or start != "marginal":
            raise InputError(
                f"sampler must be set in the generator object when there is one, got {sampler!r} beside it."
            )
        return generator
    _checks.one_of(generator, GENERATORS, "generator")
    if generator == "channel":
        for name, value in (("sampler", sampler), ("steps", steps), ("horizon", horizon), ("pool", pool)):
            if value is not None:
                raise InputError(
                    f"{name} must be left out with generator='channel', which has no steps, got {value!r}."
                )
        return ChannelGeneration()
    reverse = ReverseDiffusion(
        sampler=ExponentialMultistep() if sampler is None else sampler,
        steps=steps,
        start=start,
        horizon=horizon,
    )
    if generator == "kernel":
        size = None if pool is None else _checks.integer(pool, "pool", minimum=1)
        return KernelGeneration(reverse, pool=size)
    if pool is not None:
        raise InputError(f"pool must be left out with generator='exact', which has none, got {pool!r}.")
    return ExactGeneration(reverse)


@contextmanager
def _progress_bar(plan: _Plan, done: int, wanted: bool | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error that counts particles; silent unless wanted or on a terminal."""
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield lambda rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    a_round = plan.runs * plan.particles
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("round {task.fields[round]}/" + str(plan.rounds)),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(
            f"simulate ({plan.generation.name})",
            total=(plan.rounds + 1) * a_round,
            completed=done * a_round,
            round=done,
        )
        seen = done * a_round

        def advance(rows: int) -> None:
            nonlocal seen
            seen += rows
            bar.update(task, completed=seen, round=min(seen // a_round, plan.rounds))

        yield advance
