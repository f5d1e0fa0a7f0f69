"""What a finished simulation leaves behind: the record, and what decides its bytes as JSON values."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.types import FloatArray
from ..hermite.indices import total_degree_indices
from ..recursion.description import describe_recursion
from ..recursion.recursion import Recursion
from ..storage.record import SimulatedRecursion
from . import devices
from .fused.triton_use import notes as kernel_notes
from .philox import NAME as RANDOM_NUMBERS
from .settings import RunSettings


def make_record(
    settings: RunSettings,
    index: int,
    statistics: Mapping[str, FloatArray],
    *,
    seconds: list[float],
    notes: list[str],
    samples: FloatArray | None,
) -> SimulatedRecursion:
    """Return the record of one of the recursions.

    Parameters
    ----------
    settings : RunSettings
        What was asked for.
    index : int
        Which of its recursions.
    statistics : mapping of str to array, shape (R, n + 1, ...)
        Statistics of the runs by name, of the rounds done.
    seconds : list of float
        Wall time of each round.
    notes : list of str
        Sentences that a reader should see.
    samples : array, shape (R, n + 1 or 1, N, d), or None
        The particles that are kept.

    Returns
    -------
    SimulatedRecursion
    """
    recursion = settings.recursions[index]
    rounds = len(seconds) - 1
    described = settings.generation.describe()
    return SimulatedRecursion(
        indices=total_degree_indices(recursion.dimension, settings.degree),
        truncation_times=np.asarray(recursion.schedule.times(rounds), dtype=float),
        wall_seconds=np.array(seconds),
        generator=settings.generation.name,
        particles=settings.particles,
        seed=settings.seed_of(index),
        device=devices.describe_device(settings.device),
        versions=devices.describe_versions(),
        pool=(described["pool"] or settings.particles) if "pool" in described else None,
        sampler=_sampler(settings, described, recursion, rounds),
        steps=described.get("steps"),
        recursion=describe_recursion(recursion, rounds),
        notes=(
            *settings.generation.notes(recursion, settings.rounds),
            *kernel_notes(settings.device),
            *notes,
        ),
        samples=samples,
        random_numbers=RANDOM_NUMBERS,
        **statistics,
    )


def _sampler(
    settings: RunSettings, described: Mapping[str, Any], recursion: Recursion, rounds: int
) -> dict[str, Any] | None:
    """Return what is known about the sampler, and which code ran it."""
    if "sampler" not in described:
        return None
    engines = settings.generation.engines(recursion, rounds, settings.device)
    return {**described["sampler"], **({"engine": rounds_in_words(engines)} if engines else {})}


def rounds_in_words(words: Sequence[str]) -> str:
    """Return the word of every round as text: the word alone if they are all equal."""
    groups, first = [], 1
    for word, group in itertools.groupby(words):
        last = first + len(list(group)) - 1
        groups.append(f"{word} in round {first}" if first == last else f"{word} in rounds {first} to {last}")
        first = last + 1
    return words[0] if len(groups) == 1 else ", ".join(groups)


def describe_run(settings: RunSettings) -> dict[str, Any]:
    """Return everything that decides the bytes of a run, as JSON values."""
    described = [describe_recursion(recursion, settings.rounds) for recursion in settings.recursions]
    return {
        "degree": settings.degree,
        "device": devices.describe_device(settings.device),
        "generator": settings.generation.describe(),
        "keep": settings.keep,
        "particles": settings.particles,
        "products": settings.products,
        "random_numbers": RANDOM_NUMBERS,
        "recursion": described[0] if len(described) == 1 else described,
        "rounds": settings.rounds,
        "runs": settings.runs,
        "seed": settings.seed,
        "versions": devices.describe_versions(),
    }
