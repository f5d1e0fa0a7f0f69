r"""Sums of Hermite polynomials over samples that arrive in pieces, the same numbers however they are cut.

Samples are taken in blocks of 8192.  Each block is summed by itself; block sums are added along a fixed binary tree,
(0 + 1) + (2 + 3), ..., so any order of arrival and any grouping into chunks, threads or processes gives the same
bits.  Memory: two numbers per coefficient for each level of the tree that is open, and one piece of the input.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.arrays import NUMBERS
from ..core.errors import InputError
from ..core.sum_tree import SumTree
from ..core.threads import parallel_region
from ..core.types import FloatArray, IntArray
from ..core.value import writable
from ._plan import line_constants, plan
from .basis import hermite_values
from .coefficients import HermiteCoefficients
from .indices import index_count, total_degree_indices

BLOCK = 8192
NARROW = 1e-4  # of its value: a smaller spread of h_k over the samples takes a second pass
_PIECE_ENTRIES = 1 << 23  # numbers held at once, of the input and of the block sums


class Source(Protocol):
    """What samples are read from piece by piece: arrays, memory-mapped files and whatever else slices to arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n,) or (n, d)."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the entries."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> ArrayLike: ...


Samples = ArrayLike | Source


def sample_coefficients(samples: Samples, degree: int) -> HermiteCoefficients:
    r"""Return the Hermite coefficients of the law that samples come from, in one pass, with standard errors.

        c_k = (1/n) sum_i h_k(x_i),     standard_error_k^2 = (mean of h_k^2 - c_k^2) / (n - 1)

    Parameters
    ----------
    samples : array, shape (n,) or (n, d)
        n >= 1; arrays, memory-mapped files, tensors, data frames.
    degree : int
        Largest total degree.

    Returns
    -------
    HermiteCoefficients
        With `standard_error`, NaN for a single sample.

    Raises
    ------
    InputError
        For no samples, for NaN and infinite samples (how many, and the first), or for samples so large
        that a square h_k^2 leaves double precision (abs(x) > 37 at high degree).
    """
    source = as_source(samples)
    first = SampleSums(_dimension(source), degree).add(source).coefficients()
    errors = first.standard_error
    if len(source) < 2 or errors is None:
        return first
    # Where samples hardly vary, a mean square minus a square has no digits: those modes take a second, centred pass.
    spread = np.sqrt(len(source) - 1.0) * errors
    narrow = np.flatnonzero((spread < NARROW * np.abs(first.values)) & (np.arange(len(spread)) > 0))
    if len(narrow) == 0:
        return first
    errors = errors.copy()
    errors[narrow] = np.sqrt(_centred_squares(source, first, narrow) / len(source) / (len(source) - 1))
    return first.replace(standard_error=errors)


def _centred_squares(source: Source, coefficients: HermiteCoefficients, modes: IntArray) -> FloatArray:
    """Return sum (h_k(x) - c_k)^2 over the samples for some of the modes, with the rounding of c_k taken out."""
    indices, centre = coefficients.indices[modes], coefficients.values[modes]
    squares, sums = np.zeros(len(modes)), np.zeros(len(modes))
    degree = int(indices.max(initial=0))
    for start in range(0, len(source), BLOCK):
        tables = hermite_values(_read(source, start, start + BLOCK), degree)  # (n, d, degree + 1)
        values = np.ones((len(modes), len(tables)))
        for axis in range(indices.shape[1]):
            values *= tables[:, axis, indices[:, axis]].T
        deviation = values - centre[:, None]
        squares += np.einsum("kn,kn->k", deviation, deviation)
        sums += deviation.sum(axis=1)
    # Each h_k itself is rounded: no spread is known better than an ulp of the mode.
    return np.maximum(squares - sums**2 / len(source), len(source) * (2.0**-53 * centre) ** 2)


class SampleSums:
    """Running sums of h_k and h_k^2 over samples, for all multi-indices up to a degree.

    Feed it with `add`, join the parts with `merge`, read `coefficients()`.  The result does not depend on how the
    samples were cut into parts, as long as each part that is merged begins at its own block.

    Parameters
    ----------
    dimension : int
        Number of axes d.
    degree : int
        Largest total degree.
    first_block : int
        The block of 8192 samples that the first sample to be added begins.
    """

    def __init__(self, dimension: int, degree: int, *, first_block: int = 0) -> None:
        self.dimension = checks.integer(dimension, "dimension", 1)
        self.degree = checks.integer(degree, "degree")
        self._next = checks.integer(first_block, "first_block")
        self._width = index_count(self.dimension, self.degree)
        self._tree: SumTree[FloatArray] = SumTree(np.copy)
        self._rest: dict[int, FloatArray] = {}  # samples of blocks that are not full yet
        self._full = 0

    @property
    def count(self) -> int:
        """Number of samples added."""
        return self._full * BLOCK + sum(len(rest) for rest in self._rest.values())

    def add(self, samples: Samples) -> SampleSums:
        """Add the samples that follow those added so far, and return self.

        Parameters
        ----------
        samples : array, shape (n,) or (n, d)
            What can be sliced is read piece by piece.

        Raises
        ------
        InputError
            For NaN or infinite samples, or samples too large for h_k^2 to fit a double; what was read before the bad
            piece stays added.
        """
        source = as_source(samples)
        if _dimension(source) != self.dimension:
            raise InputError(
                f"samples must have dimension {self.dimension}, got an array of shape {tuple(source.shape)}."
            )
        start = 0
        if self._next in self._rest:
            start = min(BLOCK - len(self._rest[self._next]), len(source))
            part = _read(source, 0, start)
            _require_finite(part, source)
            self._take(np.concatenate([self._rest.pop(self._next), part]), source)
        # at least two blocks: they are what threads share
        piece = max(2, _PIECE_ENTRIES // max(BLOCK * self.dimension, 2 * self._width)) * BLOCK
        while start < len(source):
            stop = min(start + piece, len(source))
            self._take(_read(source, start, stop), source)
            start = stop
        return self

    def merge(self, other: SampleSums) -> SampleSums:
        """Add the sums of other blocks of the same sample, and return self.

        Raises
        ------
        InputError
            If dimension or degree differ, or if a block is in both.
        """
        if (other.dimension, other.degree) != (self.dimension, self.degree):
            raise InputError(
                f"other must have dimension {self.dimension} and degree {self.degree}, "
                f"got {other.dimension} and {other.degree}."
            )
        spans = sorted([*self._spans(), *other._spans()])
        for (_, stop), (start, _) in pairwise(spans):
            if start < stop:
                raise InputError(f"other must hold other blocks, got block {start} which is already there.")
        self._tree.merge(other._tree)
        self._rest.update({block: rest.copy() for block, rest in other._rest.items()})
        self._full += other._full
        self._next = max(self._next, other._next)
        return self

    def coefficients(self) -> HermiteCoefficients:
        r"""Return the coefficients of all samples so far, with standard errors.

            c_k = (1/n) sum h_k,     standard_error_k^2 = ((1/n) sum h_k^2 - c_k^2) / (n - 1)

        Raises
        ------
        InputError
            For no samples.

        Notes
        -----
        A variance below what the rounding of the two sums resolves, 2^-50 of the mean square, is replaced by that
        figure: a standard error is never reported smaller than it can be known.  `sample_coefficients`, which can read
        the samples again, resolves it to an ulp of the mode.
        """
        count = self.count
        if count < 1:
            raise InputError(f"samples must hold at least 1 sample, got {count}.")
        sums, squares = self._total()
        values, mean_square = sums / count, squares / count
        variance = np.maximum(mean_square - values**2, 2.0**-50 * mean_square)
        values[0], variance[0] = 1.0, 0.0
        errors = np.sqrt(variance / (count - 1)) if count > 1 else np.full_like(values, np.nan)
        return HermiteCoefficients(total_degree_indices(self.dimension, self.degree), values, errors)

    def _spans(self) -> list[tuple[int, int]]:
        return self._tree.spans() + [(block, block + 1) for block in self._rest]

    def _take(self, samples: FloatArray, source: Source) -> None:
        """Sum whole blocks of samples beginning at block `_next`, keep what is left."""
        whole = len(samples) // BLOCK
        if whole:
            sums = _block_sums(samples[: whole * BLOCK], self.degree, source)
            self._tree.add(self._next, sums)
            self._next += whole
            self._full += whole
        rest = samples[whole * BLOCK :]
        if len(rest):
            _require_finite(rest, source)
            self._rest[self._next] = rest.copy()

    def _total(self) -> FloatArray:
        """Return the (2, m) sums of h_k and h_k^2, the open nodes added in the order of their samples."""
        parts = [(block, node[0]) for block, node in self._tree.parts()]
        parts += [(block, _block_sums(rest, self.degree, rest)[0]) for block, rest in self._rest.items()]
        total = np.zeros((2, self._width))
        for _, node in sorted(parts, key=lambda part: part[0]):
            total += node
        return total


def block_sums(samples: FloatArray, degree: int) -> FloatArray:
    """Return the (blocks, 2, m) sums of h_k and h_k^2 for each block of samples (n, d); not finite where they are not.

    Samples are contiguous, writable and float64.  Where the result is not finite, degree 1 takes part even when it is
    not asked for.
    """
    return _line(samples, degree) if samples.shape[1] == 1 else _plane(samples, degree)


def sums_of_block(samples: FloatArray, degree: int) -> FloatArray:
    """Return the (2, m) sums of h_k and h_k^2 of at most one block of samples (n, d), on the calling thread alone."""
    from . import _kernels_samples as kernels

    if samples.shape[1] == 1:
        steps, scale = line_constants(degree)
        out = np.empty((2, len(steps)))
        kernels.line_block(samples[:, 0], steps, out[0], out[1])
        return out[:, : degree + 1] / np.stack([scale, scale**2])[:, : degree + 1]
    layout = plan(samples.shape[1], max(degree, 1))
    out = np.empty((2, layout.size))
    kernels.plane_block(samples, max(degree, 1), *layout[:5], out[0], out[1])
    result = out[:, layout.position]
    result[:, 0] = len(samples)
    return result[:, : index_count(samples.shape[1], degree)]


def _block_sums(samples: FloatArray, degree: int, source: Source) -> FloatArray:
    """Return what `block_sums` does, refusing samples for which it is not finite."""
    raw = block_sums(samples, degree)
    if not np.isfinite(raw).all():
        _require_finite(samples, source)
        raise InputError(
            f"samples must keep the squares of the polynomials to degree {degree} within double precision, "
            f"got a sample of size {float(np.abs(samples).max()):.6g}: lower the degree or rescale."
        )
    return raw


def _line(samples: FloatArray, degree: int) -> FloatArray:
    from ._kernels_samples import line_sums

    steps, scale = line_constants(degree)
    out = np.empty((-(-len(samples) // BLOCK), 2, len(steps)))
    with parallel_region:
        line_sums(samples[:, 0], steps, out)
    # degree 1 takes part even when it is not asked for: it shows samples that are not finite
    out = out[:, :, : max(degree, 1) + 1]
    out[:, 0] /= scale[: out.shape[2]]
    out[:, 1] /= scale[: out.shape[2]] ** 2
    if degree == 0 and np.isfinite(out).all():
        out = out[:, :, :1]
    return out


def _plane(samples: FloatArray, degree: int) -> FloatArray:
    from ._kernels_samples import plane_sums

    layout = plan(samples.shape[1], max(degree, 1))
    blocks = -(-len(samples) // BLOCK)
    result = np.empty((blocks, 2, len(layout.position)))
    step = max(2, _PIECE_ENTRIES // (2 * layout.size))
    for first in range(0, blocks, step):
        part = samples[first * BLOCK : (first + step) * BLOCK]
        out = np.empty((-(-len(part) // BLOCK), 2, layout.size))
        with parallel_region:
            plane_sums(part, max(degree, 1), *layout[:5], out)
        result[first : first + step] = out[:, :, layout.position]
    result[:, :, 0] = 0.0
    result[:, :, 0] += np.minimum(BLOCK, len(samples) - BLOCK * np.arange(blocks))[:, None]
    if degree == 0 and np.isfinite(result).all():
        result = result[:, :, :1]
    return result


def as_source(samples: Samples) -> Source:
    """Return samples as something with shape and slices that are real numbers, read lazily where it can be."""
    if hasattr(samples, "detach"):  # a torch tensor, possibly on another device
        samples = samples.detach().cpu().numpy()
    lazy = all(hasattr(samples, name) for name in ("shape", "dtype", "__getitem__"))
    try:
        source = cast(Source, samples) if lazy else np.asarray(samples)
    except ValueError:
        raise InputError(
            "samples must hold real numbers in a rectangular array, got rows of unequal length."
        ) from None
    if np.dtype(source.dtype).kind not in NUMBERS:
        raise InputError(f"samples must hold real numbers, got an array of {source.dtype}.")
    if len(source.shape) not in (1, 2) or (len(source.shape) == 2 and source.shape[1] == 0):
        raise InputError(f"samples must have shape (n,) or (n, d), got {tuple(source.shape)}.")
    return source


def _dimension(source: Source) -> int:
    return 1 if len(source.shape) == 1 else source.shape[1]


def _read(source: Source, start: int, stop: int) -> FloatArray:
    part = writable(np.ascontiguousarray(source[start:stop], dtype=np.float64))
    return part.reshape(len(part), -1)


def _require_finite(samples: FloatArray, source: Source) -> None:
    """Refuse an input that is not finite, with the number of bad entries of all of it and where the first one is."""
    if np.isfinite(samples).all():
        return
    bad, first = 0, None
    step = max(1, _PIECE_ENTRIES // samples.shape[1])
    for start in range(0, len(source), step):
        wrong = ~np.isfinite(_read(source, start, start + step))
        bad += int(wrong.sum())
        if first is None and wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            first = (start + row, column) if len(source.shape) == 2 else start + row
    raise InputError(f"samples must be finite, got {bad} NaN or infinite entries, the first at {first}.")
