"""Immutable values: read-only arrays, equality by content, changed copies, pickles without caches.

A class becomes a value by inheriting `Value`, as a dataclass or by naming its attributes:

    @dataclass(frozen=True, eq=False)
    class Spectrum(Value):
        energy: FloatArray

`eq=False` leaves equality and hash to `Value`, which compares arrays entry by entry.
"""

from __future__ import annotations

import dataclasses
import functools
import reprlib
import types
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np

from .floating import ignoring_underflow

Array = TypeVar("Array", bound=np.ndarray[Any, Any])


def read_only(array: Array) -> Array:
    """Return a view of an array that cannot be written to; the array itself stays as it is."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def writable(array: Array) -> Array:
    """Return the same numbers as an array that compiled kernels take, without a copy where possible.

    Notes
    -----
    To Numba a read-only array is another type, for which every kernel would be compiled again.  A view made by
    `read_only` can be opened again because the owner of the memory stayed writable; other arrays are copied.  For
    reading only: what is written would change a value.
    """
    if array.flags.writeable:
        return array
    view = array.view()
    try:
        view.flags.writeable = True
    except ValueError:
        return array.copy()
    return view


def plain(array: np.ndarray[Any, np.dtype[np.floating[Any]]]) -> Any:
    """Return a Python float for an array without axes, the array otherwise."""
    return float(array) if np.ndim(array) == 0 else array


class Value:
    """Base of immutable values.

    Attributes
    ----------
    _fields : tuple of str
        Names of the attributes that make up the value; for a dataclass, its fields.
    _circumstances : tuple of str
        Those of them that say how it came about, such as how long it took: equal values may differ in them.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _circumstances: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        """Make what cached properties compute as unchangeable as the fields; methods may underflow."""
        super().__init_subclass__(**options)
        for name, attribute in tuple(vars(cls).items()):
            if isinstance(attribute, cached_property):
                attribute.func = _sealed(ignoring_underflow(attribute.func))
            elif isinstance(attribute, types.FunctionType) and not name.startswith("_"):
                setattr(cls, name, ignoring_underflow(attribute))
        if cls.__repr__ is Value.__repr__:
            cls.__repr__ = Value.__repr__  # type: ignore[method-assign]  # else a dataclass writes one with all its arrays

    def __post_init__(self) -> None:
        for name in self._names():
            self._set(name, getattr(self, name))

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        if dataclasses.is_dataclass(cls):
            return tuple(field.name for field in dataclasses.fields(cls))
        return cls._fields

    def _set(self, name: str, value: object) -> None:
        """Set an attribute while the value is being made."""
        object.__setattr__(self, name, read_only(value) if isinstance(value, np.ndarray) else value)

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments that would make this value again."""
        return {name: getattr(self, name) for name in self._names()}

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values for some of the arguments of the constructor."""
        return type(self)(**{**self._arguments(), **changes})

    def __repr__(self) -> str:
        shown = (f"{name}={_brief(getattr(self, name))}" for name in self._names())
        return f"{type(self).__name__}({', '.join(shown)})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"{type(self).__name__} is immutable, so {name} cannot be set; use replace({name}=...)."
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable, so {name} cannot be deleted.")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        return all(_equal(getattr(self, name), getattr(other, name)) for name in self._compared())

    def __hash__(self) -> int:
        return hash((type(self), *(_key(getattr(self, name)) for name in self._compared())))

    @classmethod
    def _compared(cls) -> tuple[str, ...]:
        return tuple(name for name in cls._names() if name not in cls._circumstances)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        for name, value in state.items():
            self._set(name, value)


class _Brief(reprlib.Repr):
    """Short forms of what a value holds: large arrays by their shape, long tuples by their first entries."""

    def __init__(self) -> None:
        super().__init__()
        self.maxtuple = self.maxlist = self.maxdict = 4
        self.maxlevel = 2
        self.maxstring = LONGEST_ENTRY

    def repr1(self, x: Any, level: int) -> str:
        if isinstance(x, np.ndarray):
            return repr(x.tolist()) if x.size <= LARGEST_WRITTEN_OUT else f"<array of shape {x.shape}>"
        if isinstance(x, Value):
            text = repr(x)
            return text if len(text) <= LONGEST_ENTRY else f"{type(x).__name__}(...)"
        if isinstance(x, tuple) and hasattr(x, "_fields"):
            return f"{type(x).__name__}(...)"
        return super().repr1(x, level)

    def repr_instance(self, x: Any, level: int) -> str:
        text = repr(x)
        return text if len(text) <= LONGEST_ENTRY else f"{type(x).__name__}(...)"


LARGEST_WRITTEN_OUT = 6
"""Entries of an array that the text of a value writes out."""

LONGEST_ENTRY = 72
"""Letters of one attribute in the text of a value."""

_brief = _Brief().repr


def _sealed(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function whose arrays, alone or in a tuple, are read-only."""

    @functools.wraps(function)
    def compute(owner: object) -> object:
        result = function(owner)
        if isinstance(result, np.ndarray):
            return read_only(result)
        if type(result) is tuple:
            return tuple(read_only(item) if isinstance(item, np.ndarray) else item for item in result)
        return result

    return compute


def _equal(left: object, right: object) -> bool:
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        if not (isinstance(left, np.ndarray) and isinstance(right, np.ndarray)) or left.dtype != right.dtype:
            return False
        return left is right or np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
    if isinstance(left, tuple | list) and type(left) is type(right):
        others = cast("tuple[object, ...]", right)
        return len(left) == len(others) and all(map(_equal, left, others))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (left != left and right != right)
    return left is right or bool(left == right)


def _key(value: object) -> Hashable:
    if isinstance(value, np.ndarray):
        # Adding zero makes -0.0, which equals 0.0, the same bytes.
        data = value + 0.0 if value.dtype.kind == "f" else value
        return (value.shape, value.dtype.str, data.tobytes())
    if isinstance(value, float):
        return value if value == value else "nan"
    if isinstance(value, tuple | list):
        return tuple(map(_key, value))
    if isinstance(value, Mapping):
        return frozenset((key, _key(item)) for key, item in value.items())
    return value if isinstance(value, Hashable) else id(value)
