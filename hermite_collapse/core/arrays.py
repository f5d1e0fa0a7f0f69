"""Whatever holds numbers as one array: lists, arrays, tensors of any device, frames; one sentence for all else."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .types import FloatArray


@runtime_checkable
class Tensor(Protocol):
    """A torch tensor, possibly on another device."""

    def detach(self) -> Tensor: ...
    def cpu(self) -> Tensor: ...
    def resolve_neg(self) -> Tensor: ...
    def is_complex(self) -> bool: ...
    def double(self) -> Tensor: ...
    def numpy(self) -> FloatArray: ...


@runtime_checkable
class Arrays(Protocol):
    """What NumPy can make an array of: its own arrays and scalars, tensors, series, frames."""

    def __array__(self) -> NDArray[Any]: ...


@runtime_checkable
class Delayed(Protocol):
    """An array of dask, or one of xarray on top of it: what NumPy makes of it forgets its mask."""

    @property
    def chunks(self) -> object: ...
    def compute(self) -> object: ...


NUMBERS = "iuf"
"""Kinds of NumPy's numbers that are real: integers with and without a sign, and floats."""


def as_array(value: object, name: str) -> NDArray[Any]:
    """Return numbers as they are stored, of any real type and shape.

    Parameters
    ----------
    value : array-like
        Not copied where it can be helped.
    name : str
        Argument, for messages.

    Returns
    -------
    array

    Raises
    ------
    InputError
        If it is no rectangular array of real numbers, or entries are masked: their values would be read.
    """
    try:
        array = _numbers(_array(value))
    except Exception:  # objects of other libraries refuse in many ways
        raise not_real(value, name) from None
    if array.dtype.kind == "b" or _holds_booleans(value):
        raise _booleans(name)
    if array.dtype.kind not in NUMBERS:
        raise not_real(value, name)
    if isinstance(array, np.ma.MaskedArray) and np.ma.count_masked(array):
        raise InputError(
            f"{name} must have no masked entries, got {int(np.ma.count_masked(array))}: leave them out first."
        )
    return np.asarray(array)


def rounding(array: FloatArray, double: float) -> float:
    """Return the relative error to expect of numbers that were computed: `double`, or that of single precision.

    Numbers that single precision holds exactly, every one, were computed in it: fits and tensors often are.
    """
    with np.errstate(over="ignore"):
        is_single = np.array_equal(array, array.astype(np.float32))
    return max(double, array.shape[-1] * float(np.finfo(np.float32).eps)) if is_single else double


def _booleans(name: str) -> InputError:
    """Return the error for an array of booleans, which may be a mask by mistake."""
    return InputError(
        f"{name} must hold numbers, got booleans: give them .astype(float) if 0 and 1 are meant."
    )


def not_real(value: object, name: str) -> InputError:
    """Return the error for what is no array of real numbers."""
    return InputError(f"{name} must hold real numbers in a rectangular array, got {brief(value)}.")


def brief(value: object, length: int = 60) -> str:
    """Return a value as text of one line and at most so many characters."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # what cannot be converted may not be shown either
        text = f"an object of {type(value).__name__}"
    return text if len(text) <= length else text[: length - 3] + "..."


def _array(value: object) -> NDArray[Any]:
    """Return an array, masked if the value is, or holds masked arrays."""
    if type(value) is np.ndarray:  # first, as asking for protocols takes twenty microseconds
        return value
    if isinstance(value, Tensor):
        return _values(value)
    if isinstance(value, Delayed):
        return np.asanyarray(value.compute())
    if isinstance(value, list | tuple) and any(isinstance(item, np.ma.MaskedArray) for item in value):
        return np.ma.array(value)
    if hasattr(value, "__dlpack__") and not isinstance(value, Arrays):  # all that the array standard asks for
        return np.from_dlpack(value)
    return np.asanyarray(value)


def _values(tensor: Tensor) -> FloatArray:
    """Return the entries of a tensor; types that NumPy lacks, such as bfloat16, become float64."""
    here = tensor.detach().cpu().resolve_neg()
    try:
        return here.numpy()
    except TypeError:
        if here.is_complex():
            raise  # double() would forget the imaginary parts
        return here.double().numpy()


def _numbers(array: NDArray[Any]) -> NDArray[Any]:
    """Return objects that are real numbers, and types that others add to NumPy (bfloat16 of JAX), as float64."""
    if array.dtype.kind == "O" and all(map(_is_real, array.flat)):
        return array.astype(np.float64)
    is_added = array.dtype.kind == "V" and not issubclass(array.dtype.type, np.void)
    if is_added and np.can_cast(array.dtype, np.float64):
        return array.astype(np.float64)
    return array


def _holds_booleans(value: object) -> bool:
    """Whether a list holds booleans beside numbers, which NumPy reads as 0 and 1."""
    if not isinstance(value, list | tuple):
        return isinstance(value, np.ndarray) and value.dtype.kind == "b"
    kinds = set(map(type, value))
    if kinds & {bool, np.bool_}:
        return True
    is_nested = any(issubclass(kind, list | tuple | np.ndarray) for kind in kinds)
    return is_nested and any(map(_holds_booleans, value))


def _is_real(value: object) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool)
