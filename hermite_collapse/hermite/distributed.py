r"""The same numbers from samples larger than one machine, as Dask arrays.

    import dask.array as da
    samples = da.from_zarr("samples.zarr")                    # (n, d), any chunks
    hc.distributed.sample_coefficients(samples, 8)
    hc.distributed.degree_spectrum(samples, degree=8)

Both run where Dask runs: on the current `distributed.Client`, or else in threads of this process.  The blocks go
through the kernels that serve arrays in memory.

Coefficients: sums over blocks of 8192 samples along a fixed binary tree (see `hermite.sums`).  Chunks are cut at
multiples of 8192, so every block and every node of the tree is the same wherever it is added: the result has the
same bits as on one machine, if the processors have the same instruction set.

Spectra: all pairs of blocks of 8192 samples.  Which pairs are added first differs from one machine, not from cluster
to cluster or from chunk to chunk: equal to the one-machine result within 1e-14 of the root mean square of K_n.

Examples
--------
>>> import dask.array as da
>>> samples = da.from_array(np.linspace(-1.0, 1.0, 20001), chunks=8192)
>>> sample_coefficients(samples, 2).values.round(4).tolist()  # (E X^2 - 1) / sqrt(2) is the last
[1.0, 0.0, -0.4714]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from types import ModuleType
from typing import NewType, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.arrays import NUMBERS
from ..core.errors import InputError
from ..core.types import FloatArray
from ..core.value import writable
from .coefficients import HermiteCoefficients
from .degree import DegreeSpectrum, check_same_dimension, one_sample_spectrum, two_sample_spectrum
from .degree_sums import one_sample_sums, two_sample_sums, usable
from .pair_sums import OneSampleSums, TwoSampleSums
from .sums import BLOCK, SampleSums

Part = TypeVar("Part")
Delayed = NewType("Delayed", object)
"""Something that Dask will compute."""

_BRANCHES = 8  # of the reductions: parts are let go early, and no task waits for more than these


@runtime_checkable
class DaskArray(Protocol):
    """What is used of a `dask.array.Array`."""

    dask: object
    chunks: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    ndim: int

    def rechunk(self, chunks: dict[int, int | tuple[int, ...]]) -> DaskArray:
        """Return the same array in other chunks."""

    def to_delayed(self) -> np.ndarray[tuple[int, ...], np.dtype[np.object_]]:
        """Return the chunks, each to be computed."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: object, /) -> DaskArray: ...


def sample_coefficients(samples: DaskArray, degree: int) -> HermiteCoefficients:
    r"""Return the Hermite coefficients of the law that samples in a Dask array come from, with standard errors.

        c_k = (1/n) sum_i h_k(x_i),     standard_error_k^2 = (mean of h_k^2 - c_k^2) / (n - 1)

    Parameters
    ----------
    samples : Dask array, shape (n,) or (n, d)
        n >= 2, in chunks of any known size.  Chunks whose rows are a multiple of 8192 are used as they are, others are
        joined and cut.
    degree : int
        Largest total degree.

    Returns
    -------
    HermiteCoefficients
        With `standard_error`: the same bits as for one array in memory.

    Raises
    ------
    InputError
        As in memory, for anything but a Dask array, and for chunks of unknown size.
    ImportError
        Without the extra "distributed".

    Cost
    ----
    One pass over the samples; a worker holds the chunks it works on, 8192 samples at least, and what travels is two
    numbers for each coefficient and open level of the tree.
    """
    dask = require_dask()
    degree = checks.integer(degree, "degree")
    array = _dask_samples(samples, "samples", 2)
    SampleSums(array.shape[1], degree)  # refuses what is too large before anything runs
    starts = list(accumulate(array.chunks[0], initial=0))[:-1]
    rows: int | tuple[int, ...] = array.chunks[0]
    if any(start % BLOCK for start in starts):
        rows = BLOCK * max(1, round(len(array) / (len(starts) * BLOCK)))
    block_sums = dask.delayed(_block_sums, pure=False)
    parts = [block_sums(block, start, degree) for block, start in _blocks(array, rows)]
    total: SampleSums = dask.compute(_reduced(dask.delayed(_merged, pure=False), parts))[0]
    return total.coefficients()


def degree_spectrum(x: DaskArray, y: DaskArray | None = None, *, degree: int) -> DegreeSpectrum:
    r"""Estimate the Hermite energies by degree from samples in Dask arrays, or two samples' inner products.

        E_n = mean over i != j of K_n(x_i, x_j)          <c_n(p), c_n(q)> = mean over i, j of K_n(x_i, y_j)

    Parameters
    ----------
    x : Dask array, shape (N, d) or (N,)
        N >= 4 (N >= 2 with y), in chunks of any known size.
    y : Dask array, shape (M, d) or (M,), or None
        Independent of x; None for x with itself.
    degree : int
        Largest n.

    Returns
    -------
    DegreeSpectrum

    Raises
    ------
    InputError
        As in memory, for anything but Dask arrays, and for chunks of unknown size.
    ImportError
        Without the extra "distributed".

    Accuracy
    --------
    As in memory; energies equal those of `hc.degree_spectrum` within 1e-14 of the root mean square of K_n.  The numbers
    do not depend on the chunks, nor on who computed which pair of blocks.

    Cost
    ----
    One task for each pair of blocks of 8192 samples.  The cluster's memory holds the samples (Dask spills what does not
    fit to its workers' disks), this machine holds degree + 1 numbers for each sample.

    References
    ----------
    In the recursion <c_n(p_i), c_n(p*)> = f_n(i) E_n(p*): arXiv:2606.13796, Proposition 3.3.
    """
    dask = require_dask()
    degree = checks.integer(degree, "degree")
    first = _dask_samples(x, "x", 4 if y is None else 2)
    second = first if y is None else _dask_samples(y, "y", 2)
    check_same_dimension(first.shape[1], second.shape[1])
    prepare = dask.delayed(_finite_block, pure=False)
    left = [prepare(block, start, "x") for block, start in _blocks(first, BLOCK)]
    right = left if y is None else [prepare(block, start, "y") for block, start in _blocks(second, BLOCK)]
    rows: list[list[Delayed]] = [[] for _ in left]
    columns = rows if y is None else [[] for _ in right]
    squares = []
    own, cross = (dask.delayed(f, pure=False, nout=3) for f in (_own_pairs, _cross_pairs))
    for i, block in enumerate(left):
        for j in range(i if y is None else 0, len(right)):
            same = y is None and i == j
            part = own(block, degree) if same else cross(block, right[j], degree, 2.0 if y is None else 1.0)
            rows[i].append(part[0])
            if not same:
                columns[j].append(part[1])
            squares.append(part[2])
    add = dask.delayed(_added, pure=False)
    totals = [[_reduced(add, parts) for parts in side] for side in ([rows] if y is None else [rows, columns])]
    sides, square = dask.compute(totals, _reduced(add, squares))
    joined = [np.concatenate(side) for side in sides]
    if y is None:
        return one_sample_spectrum(usable(OneSampleSums(joined[0], square)), first.shape[1])
    return two_sample_spectrum(usable(TwoSampleSums(joined[0], joined[1], square)), first.shape[1])


def require_dask() -> ModuleType:
    """Return Dask, or say how to install it."""
    try:
        import dask
        import distributed  # noqa: F401
    except ModuleNotFoundError:
        raise ImportError(
            'Dask arrays and clusters need Dask, which is not installed: pip install "hermite-collapse[distributed]".'
        ) from None
    return cast(ModuleType, dask)


def _dask_samples(samples: object, name: str, minimum: int) -> DaskArray:
    """Return samples as a Dask array (n, d) with known chunks."""
    if not isinstance(samples, DaskArray):
        raise InputError(
            f"{name} must be a Dask array (dask.array.from_array makes one), got {type(samples).__name__}."
        )
    if samples.dtype.kind not in NUMBERS:
        raise InputError(f"{name} must hold real numbers, got an array of {samples.dtype}.")
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] == 0):
        raise InputError(f"{name} must have shape (n,) or (n, d), got {samples.shape}.")
    if any(np.isnan(size) for size in samples.shape):
        raise InputError(
            f"{name} must have chunks of known size (its compute_chunk_sizes() finds them), "
            f"got shape {samples.shape}."
        )
    if len(samples) < minimum:
        raise InputError(f"{name} must hold at least {minimum} samples, got {len(samples)}.")
    return samples if samples.ndim == 2 else samples[:, None]


def _blocks(array: DaskArray, rows: int | tuple[int, ...]) -> list[tuple[Delayed, int]]:
    """Return each block of that many rows, to be computed, and the sample it starts with."""
    cut = array.rechunk({0: rows, 1: -1})
    return list(zip(cut.to_delayed().ravel(), accumulate(cut.chunks[0], initial=0), strict=False))


def _reduced(combine: Callable[[Sequence[Part]], Part], parts: Sequence[Part]) -> Part:
    """Return all parts combined along a tree that their number fixes."""
    while len(parts) > 1:
        parts = [combine(parts[i : i + _BRANCHES]) for i in range(0, len(parts), _BRANCHES)]
    return parts[0]


def _finite_block(block: ArrayLike, start: int, name: str) -> FloatArray:
    values = writable(np.ascontiguousarray(block, dtype=np.float64))
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name} must be finite, got {int(bad.sum())} NaN or infinite entries among samples {start} to "
            f"{start + len(values) - 1}, the first of them at {(start + row, column)}."
        )
    return values


def _block_sums(block: ArrayLike, start: int, degree: int) -> SampleSums:
    values = _finite_block(block, start, "samples")
    return SampleSums(values.shape[1], degree, first_block=start // BLOCK).add(values)


def _merged(parts: Sequence[SampleSums]) -> SampleSums:
    """Return a new sum: Dask may run a task twice, so no task changes what it is given."""
    total = SampleSums(parts[0].dimension, parts[0].degree)
    for part in parts:
        total.merge(part)
    return total


def _own_pairs(x: FloatArray, degree: int) -> tuple[FloatArray, None, FloatArray]:
    sums = one_sample_sums(x, degree)
    return sums.rows, None, sums.squares


def _cross_pairs(
    x: FloatArray, y: FloatArray, degree: int, orders: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """orders: 2 where both (i, j) and (j, i) are pairs of one sample, as in the sum of squares over a block."""
    sums = two_sample_sums(x, y, degree)
    return sums.rows, sums.columns, orders * sums.squares


def _added(parts: Sequence[FloatArray]) -> FloatArray:
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
