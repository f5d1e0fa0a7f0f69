"""The loop over the rounds of a simulation, in memory or in a folder that a killed run is continued from.

A round of all recursions that run side by side is one unit: it is written whole or not at all, so that after an
interruption the same particles are made together again, and the bytes come out the same.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from ..core.errors import InputError, is_out_of_memory
from ..core.progress import progress_bar
from ..core.threads import one_thread, use_threads
from ..core.types import FloatArray
from ..storage.record import DOCUMENT, SimulatedRecursion
from ..storage.run_folder import RunFolder, read_timings
from . import devices
from .generations import InitialRound, RoundContext, RoundGenerator
from .noise import BLOCK, Chunk, plan_chunks
from .records import describe_run, make_record
from .settings import RunSettings
from .side_by_side import side_by_side
from .statistics import HermiteStatistics
from .workers import made_in_order

Advance = Callable[[int, int, str], None]


def run_rounds(
    settings: RunSettings,
    *,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    seconds: float = math.inf,
) -> dict[str, SimulatedRecursion]:
    """Do the rounds of a simulation that are left to do, and return the records by name.

    Parameters
    ----------
    settings : RunSettings
        What is asked for.
    folder : path, optional
        Where every round is written; a folder of the same run is continued where it stopped.
    progress : bool, optional
        Whether to show a progress bar on standard error; if None, only on a terminal.
    seconds : float
        No round is begun after so many seconds; the records are then of the rounds done, at least round 0, and the
        same call with the same folder goes on.

    Returns
    -------
    dict of str to SimulatedRecursion

    Raises
    ------
    InputError
        If the folder holds another run, or particles or statistics are not finite.
    """
    use_threads()
    simulation = _Rounds(settings, folder, progress)
    try:
        return simulation.finish(time.monotonic() + seconds)
    finally:
        if simulation.folder is not None:
            simulation.folder.close()


class _Rounds:
    """A simulation under way: particles by round, statistics by round, and the folder.

    Arrays have the runs in front, those of the first recursion first.
    """

    def __init__(
        self, settings: RunSettings, folder: str | os.PathLike[str] | None, progress: bool | None
    ) -> None:
        self.settings = settings
        self.progress = progress
        self.notes: list[str] = []
        self.chunk_limit = settings.chunk
        self.statistics: list[dict[str, FloatArray]] = []
        self.seconds: list[float] = []
        self.particles: dict[int, torch.Tensor] = {}
        self.accumulator = HermiteStatistics(
            settings.dimension,
            settings.degree,
            runs=settings.run_count,
            centred_together=settings.runs,
            particles=settings.particles,
            products=settings.products,
            device=settings.device,
        )
        self.folder = None if folder is None else RunFolder(Path(folder), describe_run(settings))

    def finish(self, deadline: float) -> dict[str, SimulatedRecursion]:
        """Do what is left to do before the deadline, and return the records."""
        settings, names = self.settings, self.settings.names
        all_rounds = range(settings.rounds + 1)
        if self.folder is not None and len(names) == 1 and (self.folder.path / DOCUMENT).exists():
            self.folder.remove_particles(all_rounds)
            return {names[0]: SimulatedRecursion.load(self.folder.path)}
        self._resume()
        with progress_bar(f"simulate ({settings.generation.name})", wanted=self.progress) as advance:
            for index in all_rounds[len(self.statistics) :]:
                if index > 0 and time.monotonic() > deadline:
                    break
                self._one_round(index, advance)
        records = {name: self._record(index) for index, name in enumerate(names)}
        if self.folder is not None and len(self.statistics) == len(all_rounds):
            if len(names) == 1:
                records[names[0]].save(self.folder.path)
            self.folder.remove_particles(all_rounds)
        return records

    def _resume(self) -> None:
        if self.folder is None:
            return
        complete = self.folder.complete_rounds()
        timings, notes = read_timings(self.folder.path)
        self.notes.extend(notes)
        needed = self.settings.needed(complete) if complete else set()
        self.folder.remove_particles(set(range(complete)) - needed)
        for index in range(complete):
            self.statistics.append(self.folder.read_statistics(index))
            self.seconds.append(timings.get(index, np.nan))
        for index in sorted(needed):
            stored = self.folder.read_particles(index)
            self.particles[index] = torch.as_tensor(stored, device=self.settings.device)

    def _one_round(self, index: int, advance: Advance) -> None:
        begin = time.perf_counter()
        settings = self.settings
        generator = self._generator(index)
        while True:
            try:
                particles, statistics = self._attempt(index, generator, advance)
                break
            except (RuntimeError, MemoryError) as problem:
                if not is_out_of_memory(problem) or not self._shrink(index):
                    raise
        devices.synchronize(settings.device)
        if not all(np.isfinite(values).all() for values in statistics.values()):
            raise InputError(
                "recursion must leave particles and their statistics finite, got NaN or infinite ones in round "
                f"{index}: its values exceed what the numbers of generator {settings.generation.name!r} hold, or the "
                "sampler diverges."
            )
        if particles is not None:
            self.particles[index] = particles
        self.statistics.append(statistics)
        self.seconds.append(time.perf_counter() - begin)
        needed = settings.needed(index + 1)
        obsolete = [j for j in self.particles if j not in needed]
        if self.folder is not None:
            stored = None if particles is None else particles.cpu().numpy()
            self.folder.write_round(index, statistics, stored, obsolete=obsolete)
            self.folder.write_timing(index, self.seconds[-1], self.notes)
        for j in obsolete:
            del self.particles[j]

    def _generator(self, index: int) -> RoundGenerator:
        """What makes the particles of the round, of all recursions."""
        settings = self.settings
        numbered = list(enumerate(settings.recursions))
        if index == 0:
            rounds: Sequence[RoundGenerator] = [
                InitialRound(
                    recursion,
                    particles=settings.particles,
                    seed=settings.seed_of(number),
                    device=settings.device,
                )
                for number, recursion in numbered
            ]
        else:
            contexts = [
                RoundContext(
                    recursion,
                    index - 1,
                    settings.runs,
                    settings.particles,
                    settings.seed_of(number),
                    settings.device,
                    {j: rows[settings.runs_of(number)] for j, rows in self.particles.items()},
                )
                for number, recursion in numbered
            ]
            rounds = settings.generation.prepare_together(contexts)
        return side_by_side(rounds, runs=settings.runs, particles=settings.particles)

    def _attempt(
        self, index: int, generator: RoundGenerator, advance: Advance
    ) -> tuple[torch.Tensor | None, dict[str, FloatArray]]:
        """The statistics of a round, and its particles if a later round or the user wants them."""
        settings = self.settings
        if self.chunk_limit is None:
            self.chunk_limit = devices.default_chunk(settings.device, generator.bytes_per_row)
            if devices.works_in_blocks(settings.device):  # several chunks for each thread
                share = settings.rows // (4 * torch.get_num_threads())
                self.chunk_limit = max(BLOCK, min(self.chunk_limit, share))
        particles, rows = None, None
        if index in settings.needed(index + 1):
            shape = (settings.run_count, settings.particles, settings.dimension)
            particles = torch.empty(shape, dtype=torch.float64, device=settings.device)
            rows = particles.view(-1, settings.dimension)
        chunks = plan_chunks(
            settings.run_count,
            settings.particles,
            self.chunk_limit,
            whole=not devices.works_in_blocks(settings.device),
            mixed=generator.mixes_pieces,
        )
        self.accumulator.reset()

        def work(chunk: Chunk) -> tuple[torch.Tensor, torch.Tensor]:
            made = generator.particles(chunk)
            return made, self.accumulator.sums(made, chunk)

        results = made_in_order(work, chunks, device=settings.device, splits=generator.splits_work)
        for chunk, (made, sums) in zip(chunks, results, strict=True):
            if rows is not None:
                rows[chunk.start : chunk.stop] = made
            with one_thread():  # small operations
                self.accumulator.add(made, chunk, sums)
            done = index * settings.rows + chunk.stop
            total = (settings.rounds + 1) * settings.rows
            advance(done, total, f"round {done // settings.rows}/{settings.rounds}")
        return particles, self.accumulator.result().arrays()

    def _shrink(self, index: int) -> bool:
        """Halve the chunk after memory ran out; False if it cannot be smaller."""
        assert self.chunk_limit is not None
        smallest = min(self.settings.particles, BLOCK)
        if self.chunk_limit <= smallest:
            return False
        largest = self.settings.rows
        self.chunk_limit = max(smallest, min(self.chunk_limit, largest) // 2)
        devices.release_memory(self.settings.device)
        note = (
            f"Memory ran out in round {index}: it was done again in chunks of {self.chunk_limit} particles."
        )
        self.notes.append(note)
        with suppress(OSError, ValueError):  # nobody may be left to read it
            print(note, file=sys.stderr)
        return True

    def _record(self, index: int) -> SimulatedRecursion:
        """The record of one recursion, of the rounds done."""
        settings, runs = self.settings, self.settings.runs_of(index)
        stacked = {
            name: np.stack([statistics[name][runs] for statistics in self.statistics], axis=1)
            for name in self.statistics[0]
        }
        samples = None
        complete = len(self.statistics)
        if settings.keep == "all" or (settings.keep == "last" and complete == settings.rounds + 1):
            stored = range(complete) if settings.keep == "all" else [settings.rounds]
            samples = np.stack([self.particles[j][runs].cpu().numpy() for j in stored], axis=1)
        return make_record(settings, index, stacked, seconds=self.seconds, notes=self.notes, samples=samples)
