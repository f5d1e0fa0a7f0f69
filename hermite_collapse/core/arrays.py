"""Whatever holds numbers as one array: lists, arrays, tensors of any device, frames; one sentence for all else."""

from __future__ import annotations

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
    def double(self) -> Tensor: ...
    def numpy(self) -> FloatArray: ...


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
        array = np.asanyarray(_values(value) if isinstance(value, Tensor) else value)
    except Exception:  # objects of other libraries refuse in many ways
        raise not_real(value, name) from None
    if array.dtype.kind not in "biuf":
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


def not_real(value: object, name: str) -> InputError:
    """Return the error for what is no array of real numbers."""
    return InputError(f"{name} must hold real numbers in a rectangular array, got {brief(value)}.")


def brief(value: object) -> str:
    """Return a value as text of one line and at most 60 characters."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # what cannot be converted may not be shown either
        text = f"an object of {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def _values(tensor: Tensor) -> FloatArray:
    """Return the entries of a tensor; types that NumPy lacks, such as bfloat16, become float64."""
    here = tensor.detach().cpu().resolve_neg()
    try:
        return here.numpy()
    except TypeError:
        return here.double().numpy()
