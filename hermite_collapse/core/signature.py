"""Calls that do not fit a signature, as one sentence.

    @public
    def attenuation(degree, *, fresh_fraction, truncation_time, rate=0.5): ...

    attenuation(2, fresh_fracton=0.3, truncation_time=0.1)
    InputError: attenuation must be given arguments it knows, got fresh_fracton (did you mean fresh_fraction?).

A call that fits costs what `floating` says: the signature is looked at only after Python has refused it.  Then a
keyword of an earlier version is read as its name of today (`EARLIER_NAMES`).  Where a call fits and fails all the same,
an argument of another kind than its annotation is named (`mismatch`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import numpy as np

from .arrays import brief
from .errors import InputError
from .floating import standing_for
from .mismatch import sentence_of_mismatch
from .near import nearest

Target = TypeVar("Target", bound=Callable[..., object])

_FOREIGN = (AttributeError, IndexError, RuntimeError, ValueError)
"""What libraries raise when they meet an argument of another kind; a TypeError may be a misfit as well."""

EARLIER_NAMES = {"truncation": "truncation_time"}
"""Keywords of earlier versions that calls may still use, and what they are called now."""


def public(target: Target) -> Target:
    """Return a function or class that answers a call not fitting its signature with an InputError.

    Its signature stays as it is, for people, editors and type checkers.

    Parameters
    ----------
    target : function or class

    Returns
    -------
    function or class
        The class itself, or a function with the same name, documentation and signature.
    """
    if inspect.isclass(target):
        constructor = cast("Any", target)
        constructor.__init__ = _guarded(constructor.__init__, target.__name__, bound=True)
        return target
    return cast("Target", _guarded(target, target.__name__, bound=False))


def _guarded(function: Callable[..., object], name: str, *, bound: bool) -> Callable[..., object]:
    def misfit(args: tuple[object, ...], keywords: Mapping[str, object]) -> str | None:
        parameters = list(inspect.signature(function).parameters.values())
        return _misfit(name, parameters[bound:], args[bound:], keywords)

    def with_fitting_names(
        args: tuple[object, ...], keywords: Mapping[str, object]
    ) -> dict[str, object] | None:
        """Return keywords under names that fit, None if they fit as they are; raise if nothing fits."""
        sentence = misfit(args, keywords)
        if sentence is None:
            return None
        if EARLIER_NAMES.keys() & keywords.keys():
            renamed = with_names_of_today(keywords)
            if renamed.keys() - keywords.keys() <= inspect.signature(function).parameters.keys():
                sentence = misfit(args, renamed)
                if sentence is None:
                    return renamed
        raise InputError(sentence) from None

    def require_kinds(args: tuple[object, ...], keywords: Mapping[str, object]) -> None:
        sentence = sentence_of_mismatch(function, args, keywords)
        if sentence is not None:
            raise InputError(sentence) from None

    errstate, refusal, foreign = np.errstate, InputError, _FOREIGN  # in cells: see `standing_for`

    def call(*args: object, **keywords: object) -> object:
        with errstate(under="ignore"):
            try:
                return function(*args, **keywords)
            except TypeError:
                renamed = with_fitting_names(args, keywords)
                if renamed is None:  # the call fits: the error is another one
                    require_kinds(args, keywords)
                    raise
            except refusal:
                raise
            except foreign:
                require_kinds(args, keywords)
                raise
            return function(*args, **renamed)

    return standing_for(function, call)


def with_names_of_today(keywords: Mapping[str, object]) -> dict[str, object]:
    """Return keywords with those of earlier versions renamed, unless both names are there."""
    return {
        key if EARLIER_NAMES.get(key, key) in keywords else EARLIER_NAMES.get(key, key): value
        for key, value in keywords.items()
    }


def _misfit(
    name: str, parameters: list[inspect.Parameter], args: tuple[object, ...], keywords: Mapping[str, object]
) -> str | None:
    """Return what is wrong with a call, or None if it fits."""
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_name = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    kinds = {p.kind for p in parameters}
    for key in keywords:
        if key not in by_name and inspect.Parameter.VAR_KEYWORD not in kinds:
            near = nearest(key, by_name)
            hint = f"did you mean {near}?" if near else f"it takes {_listed(by_name)}"
            return f"{name} must be given arguments it knows, got {key} ({hint})."
    if len(args) > len(by_position) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        value = brief(args[len(by_position)], 40)
        others = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in keywords]
        if others:
            example = f", as in {others[0]}={value}," if len(value) <= 12 else ","
            return f"{name} must be given {others[0]} by name{example} got {value} by position."
        return f"{name} must be given at most {len(by_position)} arguments by position, got {len(args)}."
    for parameter in by_position[: len(args)]:
        if parameter.name in keywords:
            return f"{name} must be given {parameter.name} once, got it by position and by name."
    positional = {p.name for p in by_position[: len(args)]}
    missing = [
        p.name
        for p in parameters
        if p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and p.name not in positional
        and p.name not in keywords
    ]
    return f"{name} must be given {_listed(missing)}, got none." if missing else None


def _listed(names: list[str]) -> str:
    if not names:
        return "no arguments"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
