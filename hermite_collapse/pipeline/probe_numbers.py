"""What schedulers of diffusers calculate with while they are probed: tensors in float64, or numbers that cost less.

A step of a scheduler is up to a hundred and fifty operations on a few numbers each, and NumPy does one in a third of
the time that torch takes.  `Numbers` answer the operators and methods of tensors that schedulers use, always in
float64; functions of torch are looked up in a table, and noise is answered, while a mode of torch is entered.  What is
not there raises TypeError or AttributeError, and the scheduler is driven with tensors.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.types import FloatArray

ANSWERED = {"randn", "randn_like", "float", "to", "tensor"}  # functions of torch, for tensors

Array = Any  # float64 of NumPy, of any shape


def plain(value: object) -> Any:
    """Return what NumPy calculates with."""
    if type(value) is Numbers:
        return value.value
    if isinstance(value, int | float):
        return value
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return _of_tensor(value) if hasattr(value, "double") else value


def _of_tensor(value: Any) -> Array:
    return value.detach().double().numpy()[()]


def _infix(function: Callable[[Any, Any], Any]) -> Callable[[Numbers, object], Numbers]:
    def apply(self: Numbers, other: object) -> Numbers:
        return Numbers(function(self.value, other.value if type(other) is Numbers else plain(other)))

    return apply


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Numbers, object], Numbers]:
    def apply(self: Numbers, other: object) -> Numbers:
        return Numbers(function(plain(other), self.value))

    return apply


def _comparison(function: Callable[[Any, Any], Any]) -> Callable[[Numbers, object], Any]:
    def apply(self: Numbers, other: object) -> Any:
        return function(self.value, plain(other))

    return apply


class Numbers:
    """float64 numbers that answer like a tensor; `value` is a number or an array of NumPy."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Array) -> None:
        self.value = value

    __add__, __radd__ = _infix(operator.add), _reflected(operator.add)
    __sub__, __rsub__ = _infix(operator.sub), _reflected(operator.sub)
    __mul__, __rmul__ = _infix(operator.mul), _reflected(operator.mul)
    __truediv__, __rtruediv__ = _infix(operator.truediv), _reflected(operator.truediv)
    __pow__, __rpow__ = _infix(operator.pow), _reflected(operator.pow)
    __lt__, __le__ = _comparison(operator.lt), _comparison(operator.le)
    __gt__, __ge__ = _comparison(operator.gt), _comparison(operator.ge)
    __eq__, __ne__ = _comparison(operator.eq), _comparison(operator.ne)  # type: ignore[assignment]

    def __neg__(self) -> Numbers:
        return Numbers(-self.value)

    def __abs__(self) -> Numbers:
        return Numbers(abs(self.value))

    def __float__(self) -> float:
        return float(self.value.item())

    def __int__(self) -> int:
        return int(self.value.item())

    def __bool__(self) -> bool:
        return bool(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __array__(self, dtype: Any = None, copy: Any = None) -> FloatArray:
        return np.asarray(self.value, dtype=dtype)

    def __getitem__(self, index: Any) -> Numbers:
        return Numbers(self.value[_index(index)])

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return NotImplemented  # its presence lets functions of torch take these numbers as far as the mode

    @property
    def dtype(self) -> Any:
        import torch

        return torch.float64

    @property
    def device(self) -> Any:
        import torch

        return torch.device("cpu")

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        return np.ndim(self.value)

    def to(self, *given: object, dtype: object = None, device: object = None) -> Numbers:
        """Return the numbers, which keep their precision and their device."""
        if any(getattr(value, "is_floating_point", True) is False for value in (*given, dtype)):
            raise TypeError("numbers are not made integers")
        return self

    def item(self) -> float:
        return float(self.value.item())

    def numpy(self) -> Array:
        return self.value

    def reshape(self, *shape: Any) -> Numbers:
        return Numbers(np.reshape(self.value, shape[0] if isinstance(shape[0], tuple | list) else shape))

    def unsqueeze(self, axis: int) -> Numbers:
        return Numbers(np.expand_dims(self.value, axis))

    def expand(self, *shape: int) -> Numbers:
        return Numbers(np.broadcast_to(self.value, shape))

    def size(self, axis: int | None = None) -> Any:
        return self.shape if axis is None else self.shape[axis]

    def dim(self) -> int:
        return self.ndim

    def exp(self) -> Numbers:
        return Numbers(np.exp(self.value))

    def sqrt(self) -> Numbers:
        return Numbers(np.sqrt(self.value))

    def log(self) -> Numbers:
        return Numbers(np.log(self.value))

    def expm1(self) -> Numbers:
        return Numbers(np.expm1(self.value))

    def clamp(self, min: object = None, max: object = None) -> Numbers:  # as tensors call them
        return Numbers(np.clip(self.value, plain(min), plain(max)))

    double = cpu = clone = detach = contiguous = to
    abs, neg, view = __abs__, __neg__, reshape
    float = to


def _index(index: Any) -> Any:
    """Return an index of NumPy for one that may hold tensors of integers."""
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)
    if isinstance(index, int | slice) or index is None or index is Ellipsis:
        return index
    return int(index) if index.ndim == 0 else np.asarray(index)


def _elementwise(function: Callable[..., Any]) -> Callable[..., Numbers]:
    return lambda *values, **_: Numbers(function(*map(plain, values)))


def _of_one(function: Callable[[Any], Any]) -> Callable[..., Numbers]:
    return lambda numbers, **_: Numbers(function(numbers.value))


def _stack(values: Sequence[object], dim: int = 0) -> Numbers:
    entries = plain(list(values))
    if dim == 0:
        return Numbers(np.array(entries))
    return Numbers(entries[0][:, np.newaxis] if dim == 1 == len(entries) else np.stack(entries, axis=dim))


def _cat(values: Sequence[object], dim: int = 0) -> Numbers:
    return Numbers(np.concatenate(plain(list(values)), axis=dim))


def _einsum(terms: str, *values: object) -> Numbers:
    given = values[0] if len(values) == 1 and isinstance(values[0], list | tuple) else values
    return Numbers(np.einsum(terms.replace(" ", ""), *plain(list(given))))


FUNCTIONS: dict[str, Callable[..., object]] = {
    **{
        name: _of_one(getattr(np, name))
        for name in ("log", "exp", "expm1", "sqrt", "sin", "cos", "abs", "square", "zeros_like", "ones_like")
    },
    "atan": _of_one(np.arctan),
    "atan2": _elementwise(np.arctan2),
    "pow": _elementwise(operator.pow),
    "linalg_solve": _elementwise(np.linalg.solve),
    "clamp": Numbers.clamp,
    "stack": _stack,
    "cat": _cat,
    "einsum": _einsum,
}
for _names, _function in (
    (("add",), operator.add),
    (("sub", "rsub"), operator.sub),
    (("mul",), operator.mul),
    (("div", "true_divide"), operator.truediv),
):
    for _name in _names:
        FUNCTIONS[_name] = _elementwise(_function)


def answering_mode(draw: Callable[[Sequence[int]], Any], *, numbers: bool) -> Any:
    """Return a mode of torch that answers for noise and keeps float64, for `Numbers` or for tensors.

    Parameters
    ----------
    draw : function of a shape
        Returns the noise.
    numbers : bool
        Whether constants that the scheduler makes are `Numbers`.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    def constant(data: Any, options: dict[str, Any]) -> Any:
        """Return a constant in float64, where it is not asked for as something else."""
        if numbers and options.get("dtype") in (None, torch.float64):
            entries = np.asarray(plain(data))
            if entries.dtype == np.float64:
                return Numbers(entries[()])
        result = torch.tensor(data, **options)
        if options.get("dtype") is None and result.dtype == torch.float32:
            return torch.tensor(data, **{**options, "dtype": torch.float64})
        return result

    class AnsweringMode(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            name = getattr(func, "__name__", "")
            if Numbers in types:
                if name == "randn_like":
                    return draw(args[0].shape)
                if name not in FUNCTIONS:
                    raise TypeError(f"{name} of torch has no counterpart")
                return FUNCTIONS[name](*args, **(kwargs or {}))
            if name not in ANSWERED:  # tens of thousands of small operations pass here
                return func(*args, **kwargs) if kwargs else func(*args)
            options = dict(kwargs or {})
            if name == "randn":
                given = options.get("size", args)
                return draw(given[0] if len(given) == 1 and not isinstance(given[0], int) else given)
            if name == "randn_like":
                return draw(args[0].shape)
            if name == "tensor" and len(args) == 1:
                return constant(args[0], options)
            if name == "float" and args[0].dtype == torch.float64:
                return args[0]
            if name == "to" and args[0].dtype == torch.float64:
                args = tuple(torch.float64 if value is torch.float32 else value for value in args)
                if options.get("dtype") is torch.float32:
                    options["dtype"] = torch.float64
            return func(*args, **options)

    return AnsweringMode()
