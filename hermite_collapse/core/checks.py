"""Input rules, one function each.

Every function returns the coerced value or raises InputError with one sentence that names the argument, the
rule and the value received.  Arrays come back as C-contiguous float64, so that compiled kernels see one type.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .types import FloatArray, IntArray
from .value import writable

# Second moments that a diffusion's own coordinates can have.
SMALLEST_MOMENT, LARGEST_MOMENT = 0.01, 25.0


def real(value: Any, name: str) -> float:
    """A finite real number; a truth value is none."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a real number, got {value!r}.") from None
    if not np.isfinite(number):
        raise InputError(f"{name} must be finite, got {number!r}.")
    return number


def fraction(value: Any, name: str = "fresh_fraction") -> float:
    """A number in [0, 1]."""
    number = real(value, name)
    if not 0.0 <= number <= 1.0:
        raise InputError(f"{name} must lie in [0, 1], got {number!r}.")
    return number


def nonnegative(value: Any, name: str) -> float:
    """A finite number >= 0."""
    number = real(value, name)
    if number < 0.0:
        raise InputError(f"{name} must be >= 0, got {number!r}.")
    return number


def positive(value: Any, name: str) -> float:
    """A finite number > 0."""
    number = real(value, name)
    if number <= 0.0:
        raise InputError(f"{name} must be > 0, got {number!r}.")
    return number


def integer(value: Any, name: str, minimum: int = 0) -> int:
    """An integer >= minimum; 3.0 is not an integer, numpy integers are."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} must be an integer, got {value!r}.") from None
    if isinstance(value, bool | np.bool_) or number < minimum:
        raise InputError(f"{name} must be an integer >= {minimum}, got {value!r}.")
    return number


def degrees(value: ArrayLike, name: str = "degree") -> IntArray:
    """An array of integers >= 0, of any shape."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise InputError(f"{name} must hold integers >= 0, got {_brief(value)}.")
    if array.size and array.min() < 0:
        raise InputError(f"{name} must hold integers >= 0, got {int(array.min())}.")
    return array.astype(np.int64)


def one_of(value: str, choices: Iterable[str], name: str) -> str:
    """One of a set of words; the message names the nearest."""
    known = list(choices)
    if value in known:
        return value
    near = difflib.get_close_matches(str(value), known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise InputError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}{hint}.")


def vector(value: ArrayLike, name: str) -> FloatArray:
    """A non-empty one-dimensional array of finite numbers."""
    array = _float_array(value, name)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{name} must be a non-empty vector, got an array of shape {array.shape}.")
    finite(array, name)
    return array


def probabilities(value: ArrayLike, name: str = "weights") -> FloatArray:
    """A vector of numbers >= 0 that sums to 1 within 1e-9; returned divided by its sum."""
    array = vector(value, name)
    if array.min() < 0.0:
        raise InputError(f"{name} must be >= 0, got {float(array.min())!r}.")
    total = float(array.sum())
    if abs(total - 1.0) > 1e-9:
        raise InputError(f"{name} must sum to 1, got a sum of {total!r}.")
    return array / total


def samples(value: Any, name: str = "samples", minimum: int = 1) -> FloatArray:
    """A sample as (n, d), from (n,) or (n, d): array, torch tensor or data frame of finite numbers."""
    array = _float_array(value, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(f"{name} must have shape (n,) or (n, d), got {array.shape}.")
    if array.shape[0] < minimum:
        raise InputError(
            f"{name} must hold at least {minimum} sample{'s' * (minimum > 1)}, got {array.shape[0]}."
        )
    finite(array, name)
    return array


def second_moments(samples: FloatArray) -> FloatArray:
    """Return E x_j^2 by axis of samples (n, d), shape (d,)."""
    return np.asarray(np.einsum("ij,ij->j", samples, samples) / len(samples))


def are_diffusion_units(moments: FloatArray) -> bool:
    """Whether second moments E x_j^2, shape (d,), can be those of a diffusion's own coordinates."""
    return bool(moments.max() <= LARGEST_MOMENT and moments.mean() >= SMALLEST_MOMENT)


def diffusion_units(moments: FloatArray, name: str) -> None:
    """Refuse samples whose second moments E x_j^2, shape (d,), are not those of a diffusion's own coordinates.

    None may be above 25, their average not below 0.01: pixels of 0 to 255, metres or dollars give predictions that
    look fine and mean nothing.
    """
    if not are_diffusion_units(moments):
        largest, average = float(moments.max()), float(moments.mean())
        value = f"one of {largest:.4g}" if largest > LARGEST_MOMENT else f"an average of {average:.4g}"
        raise InputError(
            f"{name} must be in the units of the diffusion, second moments within [{SMALLEST_MOMENT:g}, "
            f"{LARGEST_MOMENT:g}], got {value}: give scale, by which samples are divided (1 if they are meant so)."
        )


def points(value: Any, dimension: int, name: str = "x") -> tuple[FloatArray, tuple[int, ...]]:
    """Points as (n, d) and the leading shape, from (..., d); in one dimension also from (...)."""
    array = _float_array(value, name)
    if dimension == 1 and not (array.ndim >= 2 and array.shape[-1] == 1):
        leading = array.shape
    elif array.ndim >= 1 and array.shape[-1] == dimension:
        leading = array.shape[:-1]
    else:
        raise InputError(f"{name} must have shape (..., {dimension}), got {array.shape}.")
    bad = np.isnan(array)
    if bad.any():
        raise InputError(f"{name} must hold no NaN, got {int(bad.sum())}, the first at {_first(bad)}.")
    return np.ascontiguousarray(array.reshape(-1, dimension)), leading


def _float_array(value: Any, name: str) -> FloatArray:
    if hasattr(value, "detach"):  # a torch tensor, possibly on another device
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError
        # Unlike ascontiguousarray, asarray keeps a scalar a scalar.
        return writable(np.asarray(array, dtype=np.float64, order="C"))
    except (TypeError, ValueError):
        raise InputError(
            f"{name} must hold real numbers in a rectangular array, got {_brief(value)}."
        ) from None


def real_array(value: ArrayLike, name: str) -> FloatArray:
    """Return finite real numbers of any shape as float64."""
    array = _float_array(value, name)
    finite(array, name)
    return array


def finite(array: FloatArray, name: str) -> None:
    """No NaN or infinity; the message says how many there are and where the first."""
    bad = ~np.isfinite(array)
    if bad.any():
        raise InputError(
            f"{name} must be finite, got {int(bad.sum())} NaN or infinite entries, the first at {_first(bad)}."
        )


def _first(bad: NDArray[np.bool_]) -> int | tuple[int, ...]:
    """Return the index of the first True."""
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    return index[0] if len(index) == 1 else index


def _brief(value: Any) -> str:
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."
