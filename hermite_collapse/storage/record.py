"""What a simulation recorded: Hermite coefficients, moments and circumstances of every round, without torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.display import Displayed
from ..core.errors import InputError
from ..core.numbers import counted
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from .folder import array_bytes, json_bytes, read_arrays, read_json
from .run_folder import read_timings, write_timings
from .written import WrittenFiles

ARRAYS = "record.npz"
DOCUMENT = "record.json"
_VERSION = 1
OLDER_RANDOM_NUMBERS = "sfc64 on a CPU, else the device's own"
"""What made the particles of records that do not say it."""


@dataclass(frozen=True, eq=False)
class SimulatedRecursion(Displayed, Value):
    """The record of a simulated recursion.

    Round 0 is the initial law p_0, round i the law after i rounds of training.  With R runs, n rounds, m
    multi-indices and dimension d:

    Attributes
    ----------
    indices : int array, shape (m, d)
        Multi-indices in the order of `hermite.indices.total_degree_indices`.
    coefficients, second_moments : array, shape (R, n + 1, m)
        Means of h_k and of h_k^2 over the particles.
    means : array, shape (R, n + 1, d)
    covariances : array, shape (R, n + 1, d, d)
        Divided by the number of particles.
    truncation_times : array, shape (n,)
        OU time (variance-exploding process: noise variance) at which round i + 1 stopped.
    wall_seconds : array, shape (n + 1,)
        Time of each round, of all runs together, the queued work included; NaN where it is not known.
    generator : str
        "channel", "exact", "kernel" or "neural" (others may add theirs).
    particles : int
        Number of particles N of each run and round.
    pool : int or None
        Number of points M in the training pool of each round, for generators that use one.
    sampler : mapping or None
        What the reverse diffusion was (name, order, grid, final step, start, horizon).
    steps : int or None
        Number of steps of the reverse diffusion.
    seed, device, versions : int, str, mapping
        The circumstances; equal seeds give equal bytes on equal devices and versions.
    random_numbers : str
        The generator of the random numbers, such as "philox4x32-10": equal seeds give particles that are equal to
        rounding on all devices.
    recursion : mapping
        Fresh fraction, regime, blur, process, and digests of the target and the initial law.
    notes : tuple of str
        Sentences about the run that a reader should see, such as a change to smaller chunks.  Records that differ in
        these and in `wall_seconds` alone are equal.
    samples : array or None
        Shape (R, n + 1, N, d) with keep="all", (R, 1, N, d) with keep="last".
    products : array, shape (R, n + 1, m, m), or None
        Means of h_j h_k over the particles, if they were asked for.
    """

    _circumstances: ClassVar[tuple[str, ...]] = ("wall_seconds", "notes")

    indices: IntArray
    coefficients: FloatArray
    second_moments: FloatArray
    means: FloatArray
    covariances: FloatArray
    truncation_times: FloatArray
    wall_seconds: FloatArray
    generator: str
    particles: int
    seed: int
    device: str
    versions: Mapping[str, str]
    pool: int | None = None
    sampler: Mapping[str, Any] | None = None
    steps: int | None = None
    recursion: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    samples: FloatArray | None = None
    products: FloatArray | None = None
    random_numbers: str = OLDER_RANDOM_NUMBERS

    def __repr__(self) -> str:
        size = f"{self.rounds} rounds of {self.particles} particles, {counted(self.runs, 'run')}"
        return (
            f"SimulatedRecursion({size}, degree {self.degree}, dimension {self.dimension}, {self.generator})"
        )

    @property
    def runs(self) -> int:
        return self.coefficients.shape[0]

    @property
    def rounds(self) -> int:
        return self.coefficients.shape[1] - 1

    @property
    def dimension(self) -> int:
        return self.indices.shape[1]

    @property
    def degrees(self) -> IntArray:
        """The total degree of each multi-index, shape (m,)."""
        return self.indices.sum(axis=1)

    @property
    def degree(self) -> int:
        """The highest total degree recorded."""
        return int(self.degrees.max())

    @property
    def variances(self) -> FloatArray:
        """Sample variance of h_k over the particles of one run and round (divisor N - 1), shape (R, n + 1, m).

        At least what rounding leaves of it: the difference of moments far from the origin has no more digits.
        """
        n = self.particles
        rounding = 8.0 * np.finfo(float).eps * self.second_moments * (self.degrees > 0)
        spread = np.maximum(self.second_moments - self.coefficients**2, rounding)
        return spread * (n / (n - 1.0)) if n > 1 else np.full_like(spread, np.nan)

    @property
    def standard_errors(self) -> FloatArray:
        """Standard error of each coefficient about the law its particles were drawn from, shape (R, n + 1, m).

        The scatter of independent runs about the predicted law is larger by what earlier rounds contributed:
        `sampling_error` predicts it, and `spread_over_runs` measures it.
        """
        return np.sqrt(self.variances / self.particles)

    @property
    def mean_coefficients(self) -> FloatArray:
        """Coefficients averaged over the runs, shape (n + 1, m)."""
        return self.coefficients.mean(axis=0)

    @property
    def spread_over_runs(self) -> FloatArray:
        """Standard deviation of the coefficients over the runs, shape (n + 1, m); NaN for a single run."""
        if self.runs == 1:
            return np.full(self.coefficients.shape[1:], np.nan)
        return self.coefficients.std(axis=0, ddof=1)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the record into a folder, which is made if need be; each file atomically, `record.json` last.

        The bytes of `record.npz` and `record.json` depend on the run alone; times and notes are in `timings.json`, and
        digests of both in `digests.txt`.
        """
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        arrays, document = self._parts()
        write_timings(path, dict(enumerate(self.wall_seconds.tolist())), self.notes)
        files = WrittenFiles(path)
        files.write(ARRAYS, array_bytes(arrays))
        files.write(DOCUMENT, json_bytes(document))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> SimulatedRecursion:
        """Return what `save` wrote; InputError if the folder holds no complete record."""
        path = Path(folder)
        document = read_json(path / DOCUMENT)
        version = document.pop("record_version", None) if isinstance(document, dict) else None
        if version != _VERSION:
            raise InputError(
                f"folder must hold a record of version {_VERSION}, got version {version!r} in {path}."
            )
        arrays = read_arrays(path / ARRAYS)
        known = {f.name for f in fields(cls)}
        unknown = (set(document) | set(arrays)) - known
        if unknown:
            raise InputError(f"folder must hold known fields only, got {sorted(unknown)!r} in {path}.")
        seconds, notes = read_timings(path)
        try:
            rounds = arrays["coefficients"].shape[1]
            wall_seconds = np.array([seconds.get(i, np.nan) for i in range(rounds)])
            return cls(**{**document, **arrays}, wall_seconds=wall_seconds, notes=notes)
        except (TypeError, KeyError) as problem:
            raise InputError(f"folder must hold a complete record, got {path}: {problem}.") from None

    def _parts(self) -> tuple[dict[str, NDArray[Any]], dict[str, object]]:
        arrays: dict[str, NDArray[Any]] = {}
        document: dict[str, object] = {"record_version": _VERSION}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name in ("wall_seconds", "notes"):
                continue
            if isinstance(value, np.ndarray):
                arrays[f.name] = value
            elif isinstance(value, Mapping):
                document[f.name] = dict(value)
            elif value is not None:
                document[f.name] = value
        return arrays, document
