"""Several recursions: one after the other with shared noise, or side by side with one batched model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..core.errors import InputError
from ..core.signature import public
from ..recursion.recursion import Recursion
from ..storage.record import SimulatedRecursion
from .experiment import simulate
from .generations import Generation
from .learned.generation import NeuralGeneration
from .rounds import run_rounds
from .settings import RunSettings


def simulate_many(
    recursions: Mapping[str, Recursion], *, folder: str | os.PathLike[str] | None = None, **options: Any
) -> dict[str, SimulatedRecursion]:
    """Simulate several recursions one after the other, each with the same options and random numbers.

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

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> target = hc.presets.load("two_modes_1d")
    >>> recursions = {str(t): hc.Recursion(target, fresh_fraction=0.3, truncation=t) for t in (0.1, 0.2)}
    >>> list(hc.simulation.simulate_many(recursions, rounds=1, particles=50, degree=2, device="cpu"))
    ['0.1', '0.2']
    """
    for name in recursions:
        if Path(name).name != name or name in ("", ".", ".."):
            raise InputError(f"recursions must have names that can name a folder, got {name!r}.")
    return {
        name: simulate(recursion, folder=None if folder is None else Path(folder) / name, **options)
        for name, recursion in recursions.items()
    }


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
    Generators without networks make the particles of one recursion after another in each round; on a GPU all runs of
    a recursion that fit its memory are one batch.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> target = hc.presets.load("two_modes_1d")
    >>> recursions = {str(a): hc.Recursion(target, fresh_fraction=a, truncation=0.1) for a in (0.1, 0.5)}
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
