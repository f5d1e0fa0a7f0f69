"""Input rules, one function each.

Every function returns the coerced value or raises InputError with one sentence that names the argument, the
rule and the value received.  Arrays are returned as C-contiguous float64, so that compiled kernels see one type.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, SupportsFloat, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import Arrays, as_array, brief, rounding
from .errors import InputError
from .memory import require_memory
from .near import nearest
from .types import BoolArray, FloatArray, IntArray
from .value import writable

# Second moments that a diffusion's own coordinates can have.
SMALLEST_MOMENT, LARGEST_MOMENT = 0.01, 25.0

LARGEST_NUMBER = 1e140
"""Numbers up to this can be squared and summed."""

# What `numpy.random.default_rng` takes besides integers.
_STATES = (
    np.random.Generator,
    np.random.BitGenerator,
    np.random.SeedSequence,
    np.random.RandomState,
    NoneType,
)

Kind = TypeVar("Kind")


def real(value: object, name: str) -> float:
    """Return a finite real number; booleans and text are refused."""
    try:
        number = _number(value, name)
    except OverflowError:
        raise InputError(f"{name} must be finite as a double, got {brief(value)}.") from None
    except Exception:  # objects of other libraries refuse in many ways
        raise InputError(f"{name} must be a real number, got {brief(value)}.") from None
    if not np.isfinite(number):
        raise InputError(f"{name} must be finite, got {number!r}.")
    return number


def _number(value: object, name: str) -> float:
    """Return a number, or that of an array or tensor without axes; any exception says that it is none."""
    # float() alone would parse text, also that of buffers.
    if isinstance(value, bool | str | bytes) or not isinstance(value, SupportsFloat | SupportsIndex | Arrays):
        raise TypeError
    if isinstance(value, int | float) or not isinstance(value, Arrays):
        return float(value)
    array = as_array(value, name)
    if array.ndim:
        raise TypeError
    with np.errstate(over="ignore"):
        return float(array)


def keep(value: object, rule: Callable[..., object], *names: str, minimum: int | None = None) -> None:
    """Put what a rule of this module returns in the place of attributes, also of a value that is frozen."""
    bounds = {} if minimum is None else {"minimum": minimum}
    for name in names:
        object.__setattr__(value, name, rule(getattr(value, name), name, **bounds))


def share(value: object, name: str) -> float:
    """Return a number in [0, 1]."""
    number = real(value, name)
    if not 0.0 <= number <= 1.0:
        raise InputError(f"{name} must lie in [0, 1], got {number!r}.")
    return number


def fraction(value: object, name: str = "fresh_fraction") -> float:
    """Return the share of fresh data: in [0, 1], 0 or a normal double, since reciprocals of smaller ones overflow."""
    number = share(value, name)
    if 0.0 < number < sys.float_info.min:
        raise InputError(f"{name} must be 0 or at least {sys.float_info.min:.3g}, got {number!r}.")
    return number


def probability(value: object, name: str) -> float:
    """Return a number strictly between 0 and 1, as the level of a test."""
    number = real(value, name)
    if not 0.0 < number < 1.0:
        raise InputError(f"{name} must lie in (0, 1), got {number!r}.")
    return number


def nonnegative(value: object, name: str) -> float:
    """Return a finite number >= 0."""
    number = real(value, name)
    if number < 0.0:
        raise InputError(f"{name} must be >= 0, got {number!r}.")
    return number


def nonnegative_or_infinite(value: object, name: str) -> float:
    """Return a number >= 0 that may be infinite."""
    is_infinite = isinstance(value, float | np.floating) and bool(value == np.inf)
    return np.inf if is_infinite else nonnegative(value, name)


def items(value: Iterable[Kind], name: str) -> list[Kind]:
    """Return what a sequence holds."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return list(value)
    except TypeError:  # arrays and tensors without axes say only here that they are none
        raise InputError(f"{name} must be a sequence, got {brief(value)}.") from None


def positive(value: object, name: str) -> float:
    """Return a finite number > 0."""
    number = real(value, name)
    if number <= 0.0:
        raise InputError(f"{name} must be > 0, got {number!r}.")
    return number


def integer(value: object, name: str, minimum: int = 0) -> int:
    """Return an integer >= minimum; numpy integers are accepted, 3.0 and booleans are refused."""
    try:
        number = _index(value)
    except Exception:  # objects of other libraries refuse in many ways
        raise InputError(f"{name} must be an integer, got {brief(value)}.") from None
    if number < minimum:
        raise InputError(f"{name} must be an integer >= {minimum}, got {brief(number)}.")
    if number > np.iinfo(np.int64).max:
        raise InputError(f"{name} must be an integer below 2^63, got {brief(value)}.")
    return number


def _index(value: object) -> int:
    """Return an integer; any exception says that it is none."""
    if isinstance(value, bool | np.bool_ | np.timedelta64):
        raise TypeError
    if isinstance(value, Arrays):
        as_array(value, "")  # which refuses booleans
    return operator.index(value)  # type: ignore[arg-type]


def count(value: object, name: str, minimum: int = 0) -> int:
    """Return a number of things >= minimum; 1e6 is accepted, since large counts are written so, 2.5 is refused."""
    whole = isinstance(value, float) and value.is_integer()
    return integer(int(value) if whole else value, name, minimum)  # type: ignore[call-overload]


def entries(value: object, name: str, minimum: int = 0, *, each: float = 8.0) -> int:
    """Return an integer >= minimum of which so many entries, of `each` bytes, fit in memory."""
    number = integer(value, name, minimum)
    require_memory(each * number, f"{name} = {number}", keys=name)
    return number


def degrees(value: ArrayLike, name: str = "degree") -> IntArray:
    """Return an array of integers >= 0, of any shape."""
    array = as_array(value, name)
    if array.dtype.kind == "f":
        array = _whole_objects(value, array)
    if array.dtype.kind not in "iu":
        raise InputError(f"{name} must hold integers >= 0, got {brief(value)}.")
    if array.size and array.min() < 0:
        raise InputError(f"{name} must hold integers >= 0, got {int(array.min())}.")
    if array.size and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"{name} must hold integers below 2^63, got {int(array.max())}.")
    return array.astype(np.int64)


def _whole_objects(value: object, array: NDArray[Any]) -> NDArray[Any]:
    """Return objects that are integers, such as those of sympy, as integers; anything else as the array it is."""
    try:
        objects = np.asarray(value, dtype=object)
        if not all(isinstance(entry, SupportsIndex) for entry in objects.flat):
            return array
        return np.array([_index(entry) for entry in objects.flat]).reshape(objects.shape)
    except Exception:  # objects of other libraries refuse in many ways
        return array


def one_of(value: str, choices: Iterable[str], name: str) -> str:
    """Return one of a set of words; the message names the nearest."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    near = nearest(value if isinstance(value, str) else brief(value), known)
    hint = f" (did you mean {near!r}?)" if near is not None else ""
    raise InputError(f"{name} must be one of {', '.join(map(repr, known))}, got {brief(value)}{hint}.")


def generator(rng: object, name: str = "rng") -> np.random.Generator:
    """Return a random generator from whatever `numpy.random.default_rng` takes."""
    try:
        if isinstance(rng, list | tuple) or (isinstance(rng, np.ndarray) and rng.ndim):
            return np.random.default_rng([_index(part) for part in rng])
        return np.random.default_rng(rng if isinstance(rng, _STATES) else _index(rng))
    except Exception:  # objects of other libraries refuse in many ways
        raise InputError(f"{name} must be a generator or a seed >= 0, got {brief(rng)}.") from None


def instance(value: object, kind: type[Kind], name: str) -> Kind:
    """Return an object of one class."""
    if isinstance(value, kind):
        return value
    raise InputError(f"{name} must be a {kind.__name__}, got {_brief_kind(value)}.")


def vector(value: ArrayLike, name: str) -> FloatArray:
    """Return a non-empty one-dimensional array of finite numbers."""
    array = _float_array(value, name)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{name} must be a non-empty vector, got an array of shape {array.shape}.")
    finite(array, name)
    return array


def probabilities(value: ArrayLike, name: str = "weights") -> FloatArray:
    """Return a vector of numbers >= 0 that sums to 1, divided by its sum.

    Within 1e-9, or within the rounding of single precision where every number is one of it: fits in single precision
    give sums such as 1.00000003.
    """
    array = vector(value, name)
    if array.min() < 0.0:
        raise InputError(f"{name} must be >= 0, got {float(array.min())!r}.")
    total = float(array.sum())
    if abs(total - 1.0) > rounding(array, 1e-9):
        raise InputError(f"{name} must sum to 1, got a sum of {total!r}.")
    return array / total


def samples(value: object, name: str = "samples", minimum: int = 1) -> FloatArray:
    """Return a sample as (n, d), from (n,) or (n, d): array, torch tensor or data frame of finite numbers."""
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


def moderate(samples: FloatArray, name: str) -> None:
    """Refuse numbers whose squares, summed, a double cannot hold."""
    largest = float(max(samples.max(initial=0.0), -samples.min(initial=0.0)))
    if largest > LARGEST_NUMBER:
        raise InputError(f"{name} must be at most {LARGEST_NUMBER:g} in size, got {largest:g}.")


def second_moments(samples: FloatArray) -> FloatArray:
    """Return E x_j^2 by axis of samples (n, d), shape (d,)."""
    return np.asarray(np.einsum("ij,ij->j", samples, samples) / len(samples))


def diffusion_units(moments: FloatArray, name: str) -> None:
    """Refuse samples whose second moments E x_j^2, shape (d,), are not those of a diffusion's own coordinates.

    None may be above 25, their average not below 0.01: pixels of 0 to 255, metres or dollars give predictions that
    look fine and mean nothing.
    """
    largest, average = float(moments.max()), float(moments.mean())
    if largest > LARGEST_MOMENT or average < SMALLEST_MOMENT:
        value = f"one of {largest:.4g}" if largest > LARGEST_MOMENT else f"an average of {average:.4g}"
        pixels = "; pixels p of 0 to 255 become p / 127.5 - 1" if largest > LARGEST_MOMENT else ""
        raise InputError(
            f"{name} must be in the units of the diffusion, second moments within [{SMALLEST_MOMENT:g}, "
            f"{LARGEST_MOMENT:g}], got {value}: give scale, by which samples are divided (1 if they are meant so)"
            f"{pixels}."
        )


def points(value: object, dimension: int, name: str = "x") -> tuple[FloatArray, tuple[int, ...]]:
    """Return points as (n, d) and the leading shape, from (..., d); in one dimension also from (...)."""
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


def _float_array(value: object, name: str) -> FloatArray:
    # Unlike ascontiguousarray, asarray keeps a scalar a scalar.
    with np.errstate(over="ignore"):  # beyond the doubles is infinite, and refused as that
        return writable(np.asarray(as_array(value, name), dtype=np.float64, order="C"))


def real_array(value: ArrayLike, name: str) -> FloatArray:
    """Return finite real numbers of any shape as float64."""
    array = _float_array(value, name)
    finite(array, name)
    return array


def finite(array: FloatArray, name: str) -> None:
    """Refuse NaN and infinity; the message says how many there are and where the first is."""
    bad = ~np.isfinite(array)
    if bad.any():
        if array.ndim == 0:
            raise InputError(f"{name} must be finite, got {float(array)!r}.")
        raise InputError(
            f"{name} must be finite, got {int(bad.sum())} NaN or infinite entries, the first at {_first(bad)}."
        )


def _first(bad: BoolArray) -> int | tuple[int, ...]:
    """Return the index of the first True."""
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    return index[0] if len(index) == 1 else index


def _brief_kind(value: object) -> str:
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}" if value is not None else "None"
