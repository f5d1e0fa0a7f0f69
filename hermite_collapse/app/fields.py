"""Rules of single keys: what a number, a word or an array in a file may be, as annotated types.

The rules are those of the library (`core.checks`), under the key's own name; words and booleans are no numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

from ..core import checks
from ..core.errors import InputError


def number(rule: Callable[..., float], *arguments: object) -> BeforeValidator:
    """Return the validator of one number by a rule of `checks`."""

    def validate(value: object, info: ValidationInfo) -> float:
        if isinstance(value, str | bool):
            raise InputError(f"{info.field_name} must be a number, got {value!r}.")
        return rule(value, info.field_name, *arguments)

    return BeforeValidator(validate)


def numbers(rule: Callable[..., float]) -> BeforeValidator:
    """Return the validator of a list of numbers by a rule of `checks`."""

    def validate(value: object, info: ValidationInfo) -> tuple[float, ...]:
        if not isinstance(value, list | tuple) or not value or any(isinstance(v, str | bool) for v in value):
            raise InputError(f"{info.field_name} must be a list of numbers, got {value!r}.")
        return tuple(rule(entry, info.field_name) for entry in value)

    return BeforeValidator(validate)


def word(choices: Iterable[str]) -> BeforeValidator:
    """Return the validator of one of some words."""
    known = tuple(choices)
    return BeforeValidator(lambda value, info: checks.one_of(value, known, info.field_name))


def listed(choices: Iterable[str]) -> str:
    """Return words as "a, b or c"."""
    *others, last = choices
    return f"{', '.join(others)} or {last}"


def _array(value: object, info: ValidationInfo) -> object:
    """Numbers, or lists of them in a rectangular array; its shape is checked by the law."""
    import numpy as np

    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "iuf" or array.size == 0:
        raise InputError(f"{info.field_name} must be a number or a rectangular list of them, got {value!r}.")
    if not np.isfinite(array).all():
        raise InputError(f"{info.field_name} must hold finite numbers, got {value!r}.")
    return value


def _settings(value: object, info: ValidationInfo) -> object:
    """Lists of the values a sweep takes: words, booleans, finite numbers, or lists of them."""

    def is_setting(entry: object) -> bool:
        if isinstance(entry, list):
            return all(map(is_setting, entry))
        return isinstance(entry, str | int) or (isinstance(entry, float) and math.isfinite(entry))

    for key, entries in value.items() if isinstance(value, Mapping) else ():
        if isinstance(entries, list) and not is_setting(entries):
            raise InputError(f"sweep.values.{key} must hold finite numbers or words, got {entries!r}.")
    return value


def _file(value: object, info: ValidationInfo) -> object:
    """The name of a file that a configuration can hold: any bytes can name a file, TOML is UTF-8."""
    text = str(value)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"{info.field_name} must be a name that UTF-8 can hold, got {text!r}: rename it.")
    return value


Fraction = Annotated[float, number(checks.fraction)]
Positive = Annotated[float, number(checks.positive)]
Nonnegative = Annotated[float, number(checks.nonnegative)]
Count = Annotated[int, number(checks.count, 1)]
Sample = Annotated[int, number(checks.count, 2)]  # a size that has a sample variance
Natural = Annotated[int, number(checks.integer, 0)]
File = Annotated[Path, BeforeValidator(_file)]
Array = Annotated[object, BeforeValidator(_array)]
Settings = Annotated[dict[str, list[object]], BeforeValidator(_settings)]
