"""Several recursions as one batch: with shared noise, or each with its own and learned scores as one model."""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ..core import checks
from ..core.arrays import brief
from ..core.errors import InputError
from ..core.signature import public
from ..recursion.recursion import Recursion
from ..storage.record import SimulatedRecursion
from .experiment import as_generation, simulate
from .generations import Generation
from .learned.generation import NeuralGeneration
from .rounds import run_rounds
from .settings import RunSettings

_GENERATION = tuple(inspect.signature(as_generation).parameters)
# Coordinates of the particles of one batch with shared noise: larger recursions are made one after the other.
_BATCH = 1 << 22


def simulate_many(
    recursions: Mapping[str, Recursion], *, folder: str | os.PathLike[str] | None = None, **options: Any
) -> dict[str, SimulatedRecursion]:
    """Simulate several recursions, each with the same options and random numbers.

    Parameters
    ----------
    recursions : mapping of str to Recursion
        Names are also the names of their folders.
    folder : path, optional
        Where a folder of each is made; what is complete is not done again.
    **options
        Of `simulate`.

    Returns
    -------
    dict of str to SimulatedRecursion
        Differences between recursions are less noisy than the recursions themselves, as they share their noise.

    Raises
    ------
    InputError
        If a name cannot name a folder, or as `simulate`.

    Notes
    -----
    Every record is that of `simulate` alone, to the byte.  Without a folder and without networks, recursions of one
    dimension are one batch as long as their particles are few (4 million coordinates): 100 recursions of 10^4 particles
    take half the processor time of 100 calls.  `wall_seconds` are then those of the batch.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> target = hc.presets.load("two_modes_1d")
    >>> recursions = {str(t): hc.Recursion(target, fresh_fraction=0.3, truncation_time=t) for t in (0.1, 0.2)}
    >>> list(hc.simulation.simulate_many(recursions, rounds=1, particles=50, degree=2, device="cpu"))
    ['0.1', '0.2']
    """
    if not isinstance(recursions, Mapping):
        raise InputError(f"recursions must be a mapping, got {brief(recursions)}.")
    for name, recursion in recursions.items():
        checks.instance(recursion, Recursion, "recursion")
        if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
            raise InputError(f"recursions must have names that can name a folder, got {name!r}.")
    batches = iter([[name] for name in recursions]) if folder is not None else _batches(recursions, options)
    records: dict[str, SimulatedRecursion] = {}
    for names in batches:
        if len(names) == 1:
            own = None if folder is None else Path(folder) / names[0]
            records[names[0]] = simulate(recursions[names[0]], folder=own, **options)
        else:
            records |= _as_one_batch({name: recursions[name] for name in names}, options)
    return {name: records[name] for name in recursions}


def _as_one_batch(
    recursions: Mapping[str, Recursion], options: Mapping[str, Any]
) -> dict[str, SimulatedRecursion]:
    """Return the records of recursions with the same options of `simulate` and the same noise."""
    generation = as_generation(**{name: options[name] for name in _GENERATION if name in options})
    others = {name: value for name, value in options.items() if name not in (*_GENERATION, "progress")}
    settings = RunSettings.of(recursions, generation, shared_noise=True, **others)
    return run_rounds(settings, progress=options.get("progress"))


def _batches(recursions: Mapping[str, Recursion], options: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the names of recursions that are made as one batch.

    Options that `simulate` would refuse are left to it: the sentence is its own.
    """
    try:
        inspect.signature(simulate).bind(None, **options)
        each = int(options["particles"]) * int(options.get("runs", 1))
    except (TypeError, ValueError):
        each = _BATCH + 1
    generator = options.get("generator", "channel")
    alone = generator == "neural" or isinstance(generator, NeuralGeneration)
    for dimension, group in itertools.groupby(recursions, key=lambda name: recursions[name].dimension):
        size = 1 if alone else max(1, _BATCH // max(1, each * dimension))
        names = list(group)
        yield from (names[first : first + size] for first in range(0, len(names), size))


@public
def simulate_together(
    recursions: Mapping[str, Recursion],
    *,
    rounds: int,
    particles: int,
    generation: Generation | None = None,
    degree: int | None = None,
    runs: int = 1,
    device: str | torch.device = "auto",
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> dict[str, SimulatedRecursion]:
    """Simulate several recursions side by side; learned scores of all of them are trained as one batched model.

    Parameters
    ----------
    recursions : mapping of str to Recursion
        Of one dimension, and of one rate for learned scores; fresh fractions, regimes, truncation schedules and
        targets may differ.
    rounds, particles, degree, runs, device, seed, progress
        As for `simulate`.  Each recursion has a seed of its own, made from `seed` and its number.
    generation : Generation, optional
        How particles are made; `NeuralGeneration()` if None.
    folder : path, optional
        Where every round is written; a folder of the same simulation is continued where it stopped.

    Returns
    -------
    dict of str to SimulatedRecursion

    Raises
    ------
    InputError
        If there is no recursion, dimensions or rates differ, or as `simulate`.
    TrainingPaused
        If the checkpoints' deadline has passed.

    Notes
    -----
    Every record is that of `simulate` alone with the seed it names, to the byte on a CPU.  A round of all recursions is
    one batch: chunks and threads are those of one simulation with all runs, and small recursions share a chunk.
    On a GPU the statistics of all recursions are one batch; so are their particles by exact channels and exact scores,
    one launch for all that are compiled alike, and particles of other generators for each recursion.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> target = hc.presets.load("two_modes_1d")
    >>> recursions = {str(a): hc.Recursion(target, fresh_fraction=a, truncation_time=0.1) for a in (0.1, 0.5)}
    >>> generation = hc.simulation.ChannelGeneration()
    >>> records = hc.simulation.simulate_together(
    ...     recursions, rounds=1, particles=50, generation=generation, degree=2, device="cpu"
    ... )
    >>> records["0.5"].recursion["fresh_fraction"]
    0.5
    """
    settings = RunSettings.of(
        recursions,
        NeuralGeneration() if generation is None else generation,
        rounds=rounds,
        particles=particles,
        degree=degree,
        runs=runs,
        device=device,
        seed=seed,
    )
    return run_rounds(settings, folder=folder, progress=progress)
