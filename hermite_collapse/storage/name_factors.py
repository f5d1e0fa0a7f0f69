"""Factors that the name of a column says its numbers are to be multiplied by.

variance (10^-3)      also 1e-3, 10⁻³, in words, ‰ and ppm: applied, to the errors too where their name says the same
variance (x 10^3)     multiplied already, or to be multiplied; also /1000, 0.001 and 1000: refused
variance (dB)         no multiple of a variance, as are logarithms: refused
FID (x 10^3)          the unit of a distance says nothing: allowed
variance (%)          of a variance that is not named, as is "relative", "normalized", "x data": refused
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..core.errors import InputError
from .roles import DEVIATION, DISTANCE, ERROR, IGNORE, POWER, VALUE, VALUES, VARIANCE, Role, is_percent

_WORDS = {
    r"‰|per ?mill?e?|promille|per thousand|thousandths?|milli|tausendstel": 1e-3,
    r"hundredths?": 1e-2,
    r"tenths?": 0.1,
    r"ppm|parts per million|millionths?|micro": 1e-6,
    r"ppb|parts per billion|billionths?|nano": 1e-9,
    r"basis points?|bps?": 1e-4,
    r"thousands?|kilo": 1e3,
    r"millions?|mega": 1e6,
}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_POWER = re.compile(r"(?<![\w.^])(?:1(?:\.0*)?e([+-]?\d+)|10\^([+-]?\d+))(?![\w.])")
_BRACKETS = re.compile(r"[(\[{]([^)\]}]*)[)\]}]")
_SIGN = re.compile(r"[x×*·/÷]\s*$")
_UNCLEAR = re.compile(r"[x×*·/÷]?\s*(?:100+|\d+[.,]\d+|\d+/\d+|10\s?-\s?\d+)|[x×*·/÷]\s*\d+")
_OTHER = re.compile(r"\b(?:db|decibels?|log(?:2|10|e)?|ln|lg|logarithms?|logarithmic)\b")
_DIVIDED = re.compile(r"[/÷]\s*100+(?!\w)")
_RELATIVE = re.compile(
    r"\b(?:rel(?:ative|\.)?|relativ|normali[sz]ed|normed|norm\.|normiert|ratio|fraction|fold|arb\.? ?(?:units?|u\.?)|"
    r"a\.u\.|(?:x|vs\.?|to|over|by) (?:the )?(?:data|real|reference|baseline|initial|original|first))(?!\w)|"
    r"[/÷×]\s*(?:data|real|reference|baseline|initial|original|first)\b"
)
"""Words of variances in units of another one; `x` is a sign of times here."""


def factors_of(names: Sequence[str], roles: Sequence[Role], argument: str) -> list[float]:
    """Return what the numbers of every column are to be multiplied by, 1 where a name says nothing.

    Raises
    ------
    InputError
        If a name may be meant in two ways, or the errors of values with a factor do not say theirs.
    """
    for name, role in zip(names, roles, strict=True):
        _require_no_power(name, role, argument)
    said = [_factor(name, role.role, role.of, argument) for name, role in zip(names, roles, strict=True)]
    of_value = dict(zip(names, said, strict=True))
    for j, role in enumerate(roles):
        of = of_value.get(role.of) if role.role == ERROR else None
        if of is None or said[j] is not None:
            continue
        if not re.fullmatch(r"\W*", names[j]):  # "±" alone says nothing else
            raise InputError(
                f"{argument} must say the factor of errors as that of their values, got {names[j].strip()!r} beside "
                f"{role.of.strip()!r}."
            )
        said[j] = of
    return [1.0 if factor is None else factor for factor in said]


def require_no_factor(labels: Sequence[str], argument: str, *, is_percent_one: bool) -> None:
    """Refuse names of curves in the rows of a table that say a factor."""
    for label in labels:
        if _factor(label, "", "", argument) is not None or (is_percent_one and "%" in label):
            raise InputError(
                f"{argument} must have numbers in their own unit, got a factor in the name {label!r}: multiply, and "
                "leave it out of the name."
            )


def require_absolute(names: Sequence[str], roles: Sequence[str], argument: str) -> None:
    """Refuse variances and deviations that are given relative to others, which mechanisms are no multiples of."""
    for name, role in zip(names, roles, strict=True):
        if role in (VARIANCE, DEVIATION) and (is_percent(name) or _RELATIVE.search(name.casefold())):
            raise InputError(
                f"{argument} must have {role}s in units of the diffusion, got {name.strip()!r}, relative to one "
                "that the table does not say: multiply by it, or fit a rate and a plateau alone with "
                f"--columns '{name.strip()}=value'."
            )


def _require_no_power(name: str, role: Role, argument: str) -> None:
    """Refuse "variance x 10^3", with brackets or without."""
    power = re.search(POWER, name.casefold().replace("²", "^2").replace("³", "^3"))
    is_free = role.role in (DISTANCE, VALUE, IGNORE) or (role.role == ERROR and power and power[0] in role.of)
    if power and not is_free:
        raise InputError(
            f"{argument} must have numbers in their own unit, got a power of ten in {name.strip()!r}: multiply, and "
            "leave it out of the name."
        )


def _factor(name: str, role: str, of: str, argument: str) -> float | None:
    """Return the factor in the name of values or errors, None where it says none."""
    if role and role not in (*VALUES, ERROR):
        return None
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+", lambda match: "^" + match[0].translate(_SUPERSCRIPTS), name.casefold())
    text = re.sub(r"\^\{\s*([+-]?\d+)\s*\}", r"^\1", text.replace("−", "-").replace("**", "^"))
    bracketed = [re.sub(r"^(?:in|units? of)\s+", "", part.strip()) for part in _BRACKETS.findall(text)]
    if any(_OTHER.search(part) for part in bracketed):
        raise InputError(
            f"{argument} must have numbers in their own unit, got a logarithm in {name.strip()!r}: write the numbers "
            "themselves."
        )
    factors: list[float] = []
    is_unclear = _DIVIDED.search(text) is not None
    for part in bracketed:
        factors += [factor for words, factor in _WORDS.items() if re.fullmatch(words, part)]
        is_unclear = is_unclear or _UNCLEAR.fullmatch(part) is not None
        for match in _POWER.finditer(part):
            if _SIGN.search(part[: match.start()]):
                is_unclear = True
            else:
                factors.append(10.0 ** int(match[1] or match[2]))
    if "%" in text and "95" not in text and factors:
        is_unclear = True
    if (is_unclear or len(factors) > 1) and not (
        role in (DISTANCE, VALUE) or (role == ERROR and _says(name, of))
    ):
        raise InputError(
            f"{argument} must have numbers in their own unit, got {name.strip()!r}, which may mean to multiply or to "
            "divide: do so, and leave it out of the name, or write a factor as in 'variance (1e-3)'."
        )
    return None if is_unclear or len(factors) != 1 else factors[0]


def _says(name: str, of: str) -> bool:
    """Return whether the name of errors holds that of their values, brackets and all."""
    return bool(of.strip()) and name.strip().casefold().startswith(of.strip().casefold())
