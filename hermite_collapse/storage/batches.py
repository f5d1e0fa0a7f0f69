"""Pickled dictionaries of pixels, as CIFAR-10 is published, read without running or trusting what they say.

A pickle is a program.  This one may only build numbers, text, bytes, lists, tuples, dictionaries and descriptions of
arrays: its operations are looked at before any of them is carried out, and what it calls an array or a type stays a
description until its lengths agree.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.memory import require_memory
from .regular import require_regular

_BUILDING = """
    PROTO FRAME STOP MARK POP POP_MARK PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
    NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
    UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS
    GLOBAL STACK_GLOBAL REDUCE BUILD
"""
_OPERATIONS = frozenset(_BUILDING.split())
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}


class _Description:
    """What a pickle says of an array or a type: the arguments of the call, and the state that follows."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Array(_Description):
    """An array: its state is (version, shape, type, whether Fortran's order, bytes)."""

    def pixels(self) -> NDArray[np.uint8]:
        """Return the array where it is one of bytes whose length agrees with its shape."""
        state = self.state
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("an array without its numbers")
        _, shape, kind, fortran, data = state
        if not isinstance(kind, _Type) or kind.code != "u1":
            raise ValueError("an array that is not of bytes")
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("an array without a shape")
        if not isinstance(data, bytes | bytearray) or len(data) != math.prod(shape):
            raise ValueError(f"an array of the shape {shape} with another number of bytes")
        return np.frombuffer(data, np.uint8).reshape(shape, order="F" if fortran else "C")


class _Type(_Description):
    """A type of numbers: its first argument is its code."""

    @property
    def code(self) -> str:
        """Return the code, as text whether Python 2 or 3 wrote it."""
        code = self.arguments[0] if self.arguments else ""
        return code.decode("latin-1") if isinstance(code, bytes) else str(code)


def _from_buffer(data: object, kind: object, shape: object, order: object) -> _Array:
    array = _Array()
    array.__setstate__((1, shape, kind, order == "F", data))
    return array


class _Reader(pickle.Unpickler):
    """Gives a pickle descriptions in place of whatever it names."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")
        self._left = 2 * len(data)  # bytes that may be made of text: the same text may be named many times

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("_codecs", "encode"):
            return self._bytes_of
        try:
            return _KNOWN[module.replace("numpy._core.", "numpy.core."), name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} where only arrays are expected") from None

    def _bytes_of(self, text: object, encoding: object) -> bytes:
        """Return the bytes that Python 3 writes as text for readers of the old protocols."""
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise pickle.UnpicklingError("text where bytes are expected")
        self._left -= len(text)
        if self._left < 0:
            raise pickle.UnpicklingError("more bytes than the file has")
        return text.encode("latin-1")


_KNOWN: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): _Description,
    ("numpy", "dtype"): _Type,
}


def read_batch(file: Path) -> NDArray[np.uint8]:
    """Return the array b"data" of a pickled dictionary, of bytes.

    Raises
    ------
    InputError
        If it is no regular file or does not fit in memory.
    ValueError, pickle.UnpicklingError, and what else `pickle` raises
        If it is damaged or holds anything else.
    """
    name = f"samples ({file})"
    require_regular(file, name)
    require_memory(3.0 * file.stat().st_size, name)
    data = file.read_bytes()
    _require_harmless(data)
    content = _Reader(data).load()
    if not isinstance(content, dict):
        raise ValueError("no dictionary")
    array = content.get(b"data", content.get("data"))
    if not isinstance(array, _Array):
        raise ValueError("a dictionary without the array b'data'")
    return array.pixels()


def _require_harmless(data: bytes) -> None:
    """Refuse operations that could do more than build, and numbers in the memo that would fill the memory."""
    for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
        if operation.name not in _OPERATIONS:
            raise pickle.UnpicklingError(f"the operation {operation.name} where only arrays are expected")
        if operation.name in _PUTS and not 0 <= int(str(argument)) <= count:
            raise pickle.UnpicklingError(f"the memo {argument} of an operation that is only the {count}th")
