"""`simulate`: a recursion run with particles, round after round, streamed into statistics."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..core import checks
from ..core.errors import InputError
from ..storage.record import SimulatedRecursion
from . import devices
from .attention import KernelGeneration
from .generations import ChannelGeneration, ExactGeneration, Generation, ReverseDiffusion, Truncation
from .learned.generation import NeuralGeneration
from .learned.settings import Training
from .rounds import Plan, Run
from .samplers import ExponentialMultistep, Sampler
from .words import GENERATORS, KEEPS


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
        "neural"    a network trained on points from the training mixture, then reverse diffusion with its score

    Parameters
    ----------
    recursion : a `Recursion`.
    rounds, particles : number of rounds, and of particles N in each.
    generator : a name above, or a `Generation` object.
    degree : coefficients of all multi-indices of total degree <= degree are recorded.
    runs : independent repetitions, computed together.
    sampler, steps, start, horizon : of the reverse diffusion, see `ReverseDiffusion`; not for "channel".
    pool : points in the pool of "kernel", the number of particles if None; training points of "neural".
    keep : "statistics" keeps no particles, "last" those of the last round, "all" those of every round.
    products : whether to record the means of h_j h_k as well.
    device : "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".
    seed : integer >= 0.  Equal seeds give equal bytes on one device, whatever the chunk size and number of threads.
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
    plan = Plan(
        recursion=recursion,
        rounds=checks.integer(rounds, "rounds"),
        particles=checks.integer(particles, "particles", minimum=1),
        generation=_as_generation(
            generator, sampler=sampler, steps=steps, start=start, horizon=horizon, pool=pool
        ),
        degree=checks.integer(degree, "degree"),
        runs=checks.integer(runs, "runs", minimum=1),
        keep=checks.one_of(keep, KEEPS, "keep"),
        products=bool(products),
        device=devices.choose_device(device),
        seed=checks.integer(seed, "seed"),
        chunk=None if chunk is None else checks.integer(chunk, "chunk", minimum=1),
    )
    if hasattr(plan.generation, "reverse"):
        for index in range(plan.rounds):  # before a folder is begun
            Truncation.of(recursion, index)
    return Run(plan, folder, progress).finish()


def simulate_many(
    recursions: Mapping[str, Any], *, folder: str | os.PathLike[str] | None = None, **options: Any
) -> dict[str, SimulatedRecursion]:
    """Simulate several recursions, each with the same options and random numbers.

    Parameters
    ----------
    recursions : by name; names are also the names of their folders.
    folder : where a folder of each is made; what is complete is not done again.
    options : of `simulate`.

    Returns
    -------
    The records by name.  Differences between recursions are less noisy than the recursions themselves, as they share
    their noise.
    """
    for name in recursions:
        if Path(name).name != name or name in ("", ".", ".."):
            raise InputError(f"recursions must have names that can name a folder, got {name!r}.")
    return {
        name: simulate(recursion, folder=None if folder is None else Path(folder) / name, **options)
        for name, recursion in recursions.items()
    }


def _as_generation(
    generator: str | Generation,
    *,
    sampler: Sampler | None,
    steps: int | None,
    start: str,
    horizon: float | None,
    pool: int | None,
) -> Generation:
    given: dict[str, Any] = {"sampler": sampler, "steps": steps, "horizon": horizon, "pool": pool}
    named = {name: value for name, value in given.items() if value is not None}
    if start != "marginal":
        named["start"] = start
    if not isinstance(generator, str):
        if not hasattr(generator, "prepare"):
            raise InputError(
                f"generator must be one of {', '.join(map(repr, GENERATORS))}, got {generator!r}."
            )
        for name, value in named.items():
            raise InputError(f"{name} must be set in the generator object where there is one, got {value!r}.")
        return generator
    checks.one_of(generator, GENERATORS, "generator")
    if generator == "channel":
        for name, value in named.items():
            raise InputError(
                f"{name} must be left out with generator='channel', which has none, got {value!r}."
            )
        return ChannelGeneration()
    reverse = ReverseDiffusion(
        sampler=ExponentialMultistep() if sampler is None else sampler,
        steps=steps,
        start=start,
        horizon=horizon,
    )
    if generator == "kernel":
        size = None if pool is None else checks.integer(pool, "pool", minimum=1)
        return KernelGeneration(reverse, pool=size)
    if generator == "neural":
        training = Training() if pool is None else Training(samples=pool)
        return NeuralGeneration(training=training, reverse=reverse)
    if pool is not None:
        raise InputError(f"pool must be left out with generator='exact', which has none, got {pool!r}.")
    return ExactGeneration(reverse)
