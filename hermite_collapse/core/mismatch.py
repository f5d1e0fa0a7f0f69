"""Which argument of a call that failed is of another kind than its annotation says, as one sentence.

Asked only after something else has gone wrong: annotations are texts, which nothing has to resolve while calls succeed.
An annotation that is not understood here accepts everything.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import SupportsFloat, SupportsIndex

from .arrays import Arrays, as_array, brief
from .errors import InputError


def sentence_of_mismatch(
    function: Callable[..., object], args: tuple[object, ...], keywords: Mapping[str, object]
) -> str | None:
    """Return what is wrong with the first argument of another kind; None if all are of theirs."""
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **keywords).arguments
    except TypeError:
        return None
    for name, value in given.items():
        parameter = signature.parameters[name]
        annotation = parameter.annotation
        is_single = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if is_single and isinstance(annotation, str) and not _fits(value, annotation, function):
            return f"{name} must be {_in_words(annotation)}, got {brief(value)}."
    return None


def _fits(value: object, annotation: str, function: Callable[..., object]) -> bool:
    return any(_is_one(value, word, function) for word in _parts(annotation))


def _parts(annotation: str) -> list[str]:
    """Return the alternatives of a union, each without what stands in its brackets."""
    bare = annotation
    while (shorter := re.sub(r"\[[^\[\]]*\]", "", bare)) != bare:
        bare = shorter
    return [part.strip() for part in bare.split("|")]


def _is_one(value: object, word: str, function: Callable[..., object]) -> bool:
    if word in _TESTS:
        return _TESTS[word](value)
    kind = _class_named(word, function)
    if kind is None:
        return True
    if not getattr(kind, "_is_protocol", False):
        return isinstance(value, kind)
    members = {name for name in (*vars(kind), *kind.__annotations__) if not name.startswith("_")}
    return all(hasattr(value, name) for name in members)


def _class_named(word: str, function: Callable[..., object]) -> type | None:
    """Return a class of this package by its name; None for anything else."""
    package = __name__.partition(".")[0]
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == package]
    for names in (getattr(function, "__globals__", {}), *(vars(module) for module in modules)):
        kind = names.get(word)
        if inspect.isclass(kind):
            is_ours = kind.__module__.partition(".")[0] == package
            return kind if is_ours else None
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, SupportsFloat | SupportsIndex | Decimal) and not isinstance(value, bool | str)


def _holds_numbers(value: object) -> bool:
    try:
        as_array(value, "")
    except InputError:
        return False
    return True


def _is_iterable(value: object) -> bool:
    has_axes = not isinstance(value, Arrays) or bool(getattr(value, "ndim", 1))
    return isinstance(value, Iterable) and has_axes and not isinstance(value, str | bytes)


_TESTS: dict[str, Callable[[object], bool]] = {
    "None": lambda value: value is None,
    "float": _is_number,
    "int": _is_number,
    "str": lambda value: isinstance(value, str),
    **dict.fromkeys(("os.PathLike", "PathLike", "Path"), lambda value: isinstance(value, os.PathLike)),
    "ArrayLike": _holds_numbers,
    "FloatArray": lambda value: isinstance(value, Arrays) and _holds_numbers(value),
    "Sequence": _is_iterable,
    "Iterable": _is_iterable,
    "tuple": _is_iterable,
    "list": _is_iterable,
    "Mapping": lambda value: isinstance(value, Mapping),
    "Callable": callable,
}
_WORDS = {
    "None": "None",
    "float": "a number",
    "int": "an integer",
    "str": "text",
    **dict.fromkeys(("os.PathLike", "PathLike", "Path"), "a path"),
    "ArrayLike": "an array of numbers",
    "FloatArray": "an array of numbers",
    **dict.fromkeys(("Sequence", "Iterable", "tuple", "list"), "a sequence"),
    "Mapping": "a mapping",
    "Callable": "a function",
}


def _in_words(annotation: str) -> str:
    words = [_WORDS.get(p, f"{'an' if p[:1] in 'AEIOU' else 'a'} {p}") for p in _parts(annotation)]
    distinct = list(dict.fromkeys(words))
    return distinct[0] if len(distinct) == 1 else f"{', '.join(distinct[:-1])} or {distinct[-1]}"
