"""`simulate`: a recursion run with particles, round after round, streamed into statistics."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..recursion.recursion import Recursion
from ..storage.record import SimulatedRecursion
from .attention import KernelGeneration
from .closed_form import ChannelGeneration, ExactGeneration
from .generations import Generation
from .learned.generation import NeuralGeneration
from .learned.settings import Training
from .reverse import ReverseDiffusion
from .rounds import run_rounds
from .samplers import ExponentialMultistep, Sampler
from .settings import RunSettings
from .words import GENERATORS


@public
def simulate(
    recursion: Recursion,
    *,
    rounds: int,
    particles: int,
    generator: str | Generation = "channel",
    degree: int | None = None,
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
    recursion : Recursion
        What is simulated.
    rounds, particles : int
        Number of rounds >= 0, and of particles N >= 1 in each.
    generator : str or Generation
        A name above, or an object.
    degree : int, optional
        Coefficients of all multi-indices of total degree <= degree are recorded; a degree that fits the dimension if
        None.
    runs : int
        Independent repetitions, computed together.
    sampler, steps, start, horizon
        Of the reverse diffusion, as for `ReverseDiffusion`; not for "channel".
    pool : int, optional
        Points in the pool of "kernel", the number of particles if None; training points of "neural".
    keep : str
        "statistics" keeps no particles, "last" those of the last round, "all" those of every round.
    products : bool
        Whether to record the means of h_j h_k as well.
    device : str or torch.device
        "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".
    seed : int
        Seed >= 0, below 2^63.  Equal seeds give equal bytes on one device, whatever the chunk size and the number of
        threads.
    folder : path, optional
        Where to write every round; a folder of the same run is continued where it stopped.
    chunk : int, optional
        Particles worked on together, rounded to whole blocks of 8192; chosen for the device if None.
    progress : bool, optional
        Whether to show a progress bar on standard error; if None, only on a terminal.

    Returns
    -------
    SimulatedRecursion

    Raises
    ------
    InputError
        If an argument is out of range, the device is not there, the folder holds another run, or a round's
        particles or statistics are not finite.

    Cost
    ----
    particles x runs x dimension x 8 bytes for each earlier round that a coming round draws from, besides the chunk;
    when memory runs out the particles of the round are made again in smaller chunks, and `notes` says so.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> hc.simulation.simulate(recursion, rounds=2, particles=100, degree=4, device="cpu").coefficients.shape
    (1, 3, 5)
    """
    settings = RunSettings.of(
        {"recursion": recursion},
        as_generation(generator, sampler=sampler, steps=steps, start=start, horizon=horizon, pool=pool),
        rounds=rounds,
        particles=particles,
        degree=degree,
        runs=runs,
        keep=keep,
        products=products,
        device=device,
        seed=seed,
        chunk=chunk,
    )
    return run_rounds(settings, folder=folder, progress=progress)["recursion"]


def as_generation(
    generator: str | Generation = "channel",
    *,
    sampler: Sampler | None = None,
    steps: int | None = None,
    start: str = "marginal",
    horizon: float | None = None,
    pool: int | None = None,
) -> Generation:
    """Return the generator that arguments of `simulate` ask for."""
    given = {"sampler": sampler, "steps": steps, "horizon": horizon, "pool": pool}
    named: Mapping[str, object] = {name: value for name, value in given.items() if value is not None}
    if start != "marginal":
        named = {**named, "start": start}
    if isinstance(generator, Generation):
        for name, value in named.items():
            raise InputError(f"{name} must be set in the generator object where there is one, got {value!r}.")
        return generator
    if not isinstance(generator, str):
        raise InputError(f"generator must be one of {', '.join(map(repr, GENERATORS))}, got {generator!r}.")
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
        return KernelGeneration(reverse, pool=pool)
    if generator == "neural":
        training = Training() if pool is None else Training(samples=pool)
        return NeuralGeneration(training=training, reverse=reverse)
    if pool is not None:
        raise InputError(f"pool must be left out with generator='exact', which has none, got {pool!r}.")
    return ExactGeneration(reverse)
