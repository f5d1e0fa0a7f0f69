"""What the name of a column says of its numbers: factors and units, and the form of errors.

variance (10^-3)      also 1e-3, 10⁻³, in words, ‰ and ppm: applied, to the errors too where their name says the same
variance (8 bit)      also uint8, 0..255, 16 bit, 0..1: converted to images in [-1, 1], as folders of images are
variance (x 10^3)     multiplied already, or to be multiplied; also /1000, 0.001 and 1000: refused
variance (dB)         no multiple of a variance, as are logarithms: refused
FID (x 10^3)          the unit of a distance says nothing: allowed
variance (%)          of a variance that is not named, as is "relative", "normalized", "x data", "data = 1": refused
variance (smoothed)   whatever `brackets` and `error_forms` do not know either: refused
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..core.errors import InputError
from .brackets import DATA, bracketed, changes_nothing, refuse_unread, unread, written_plainly
from .error_forms import ErrorForm, error_form
from .roles import (
    DEVIATION,
    DISTANCE,
    ERROR,
    IGNORE,
    POWER,
    TIME,
    VALUE,
    VALUES,
    VARIANCE,
    Role,
    is_percent,
    is_squared,
    plain_name,
)

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
_HALF_RANGES = {
    r"(?:8[ -]?bits?|uint8|0\.\.255)(?: ?\^?2)?": 127.5,
    r"(?:16[ -]?bits?|uint16|0\.\.65535)(?: ?\^?2)?": 32767.5,
    r"0\.\.1(?:\.0)?|-0?\.5\.\.\+?0?\.5": 0.5,
}
"""Units of images -> half their range, which becomes 1."""
_POWER = re.compile(r"(?<![\w.^])(?:1(?:\.0*)?e([+-]?\d+)|10\^([+-]?\d+))(?![\w.])")
_SIGN = re.compile(r"[x×*·/÷]\s*$")
_UNCLEAR = re.compile(r"[x×*·/÷]?\s*(?:100+|\d+[.,]\d+|\d+/\d+|10\s?-\s?\d+)|[x×*·/÷]\s*\d+")
_OTHER = re.compile(r"\b(?:db|decibels?|log(?:2|10|e)?|ln|lg|logarithms?|logarithmic)\b")
_DIVIDED = re.compile(r"[/÷]\s*100+(?!\w)")
_RELATIVE = re.compile(
    r"\b(?:rel(?:ative|\.)?|relativ|normali[sz]ed|normed|norm\.|normiert|ratio|fraction|share|fold|"
    r"arb\.? ?(?:units?|u\.?)|a\.u\.|standardi[sz]ed|"
    rf"(?:x|vs\.?|to|over|by|per|of) {DATA})(?!\w)|"
    rf"[/÷×]\s*{DATA}\b|\b{DATA} ?[=:] ?[\d.]+"
)
"""Words of variances in units of another one; `x` is a sign of times here."""
_SHIFTED = re.compile("second moment|power")
"""Names of variances that change with the mean."""


@dataclass(frozen=True)
class Reading:
    """What a name says of the numbers of its column.

    Attributes
    ----------
    factor : float
        By which they are multiplied, first.
    form : ErrorForm
        Of the errors in the column, or in its cells beside the values.
    is_unit : bool
        Whether the factor is of a unit of images.
    """

    factor: float
    form: ErrorForm
    is_unit: bool = False


def readings_of(
    names: Sequence[str], roles: Sequence[Role], argument: str, asked: Collection[str]
) -> list[Reading]:
    """Return what the name of every column says of its numbers.

    Parameters
    ----------
    names : sequence of str
    roles : sequence of Role
    argument : str
        What the table is called in a refusal.
    asked : collection of str
        Columns whose role the user gave, which settles what is not understood.

    Raises
    ------
    InputError
        If a name may be meant in two ways or has brackets that are not understood, or the errors of values with a
        factor do not say theirs.
    """
    for name, role in zip(names, roles, strict=True):
        _require_no_power(name, role, argument)
    of_name = dict(zip(names, roles, strict=True))
    said: dict[int, float | None] = {}
    readings: list[Reading] = []
    for j, (name, role) in enumerate(zip(names, roles, strict=True)):
        of = of_name.get(role.of) if role.role == ERROR else None
        said[j], rest, is_unit = _factor(name, role.role, role.of, argument, (of or role).role)
        form = ErrorForm()
        if role.role == ERROR:
            form, left = _form_of_errors(
                name, role.of, rest, VALUE if of is None else of.role, is_unit=is_unit
            )
        elif role.role in VALUES:
            own = [part for part in rest if part[0] != "k" or not changes_nothing(part, role.role)]
            form = error_form(name, own, in_cells=True)
            left = [part for part in form.unread if not changes_nothing(part, role.role)]
        else:
            left = [part for part in [unread(rest, role.role)] if part is not None]
        if left and name.strip() not in asked:
            raise refuse_unread(name, left[0], role, argument)
        readings.append(Reading(1.0 if said[j] is None else said[j] or 1.0, form, is_unit))
    for j, role in enumerate(roles):
        k = names.index(role.of) if role.role == ERROR and role.of in of_name else None
        if k is None or said[k] is None or said[j] is not None or readings[j].form.is_relative:
            continue
        if not re.fullmatch(r"\W*", names[j]):  # "±" alone says nothing else
            raise InputError(
                f"{argument} must say the factor of errors as that of their values, got {names[j].strip()!r} beside "
                f"{role.of.strip()!r}."
            )
        readings[j] = Reading(readings[k].factor, readings[j].form)
    return readings


def _form_of_errors(
    name: str, of: str, rest: Sequence[str], role: str, *, is_unit: bool
) -> tuple[ErrorForm, list[str]]:
    """Return the form of errors of values with a name and a role, and what is not understood in their brackets."""
    own = [part for part in rest if not re.fullmatch("%|per ?cent", part)]
    if _says(name, of):
        after = bracketed(name.strip()[len(of.strip()) :])
        own = [part for part in own if part in after]
    of_values, bare = bracketed(of), plain_name(re.sub(r"[(\[{].*", "", of))
    unclear = [part for part in own if plain_name(part) in (bare, plain_name(of))]
    own = [part for part in own if part not in unclear]
    if re.search(r"\w[(\[{]", name):  # se(variance), not "error (variance)", which may be the square of one
        unclear = []
    form = error_form(name, own)
    left = [part for part in form.unread if part not in of_values]
    left = [part for part in left if part[0] == "k" or not changes_nothing(part, role)]
    if role not in (VARIANCE, DEVIATION) and not is_squared(of):  # of 1, or of the value
        left += [part for part in own if part.startswith("fraction")]
    return form, [*unclear, *left, *(["squared"] if is_unit and form.is_square else [])]


def require_no_factor(labels: Sequence[str], argument: str, role: str) -> None:
    """Refuse names of curves in the rows of a table whose brackets change the numbers, or may."""
    for label in labels:
        factor, rest, _ = _factor(label, "", "", argument, role)
        is_scaled = factor is not None or (role not in ("", VALUE) and "%" in label)
        if is_scaled and role != DISTANCE:
            raise InputError(
                f"{argument} must have numbers in their own unit, got a factor in the name {label!r}: multiply, and "
                "leave it out of the name."
            )
        left = [part for part in rest if not changes_nothing(part, role or VALUE)]
        if left:
            raise InputError(
                f"{argument} must have names of curves without brackets that may change the numbers, got {left[0]!r} "
                f"in {label!r}: convert the numbers, and leave it out of the name."
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


def _factor(
    name: str, role: str, of: str, argument: str, unit_role: str
) -> tuple[float | None, list[str], bool]:
    """Return the factor in a name, None where it says none, what else is in its brackets, and whether it is a unit."""
    parts = bracketed(name)
    if role and role not in (*VALUES, ERROR, TIME):
        return None, parts, False
    text = written_plainly(name)
    if any(_OTHER.search(part) for part in parts):
        raise InputError(
            f"{argument} must have numbers in their own unit, got a logarithm in {name.strip()!r}: write the numbers "
            "themselves."
        )
    factors: list[float] = []
    rest: list[str] = []
    is_unclear = _DIVIDED.search(text) is not None
    is_unit = False
    for part in parts:
        half = next((half for words, half in _HALF_RANGES.items() if re.fullmatch(words, part)), None)
        if half is not None and unit_role in (VARIANCE, DEVIATION) and not _SHIFTED.search(text):
            factors.append(half**-2.0 if unit_role == VARIANCE else 1.0 / half)
            is_unit = True
            continue
        worded = [factor for words, factor in _WORDS.items() if re.fullmatch(words, part)]
        is_unclear_part = _UNCLEAR.fullmatch(part) is not None and half is None
        for match in _POWER.finditer(part):
            if _SIGN.search(part[: match.start()]):
                is_unclear_part = True
            else:
                worded.append(10.0 ** int(match[1] or match[2]))
        factors += worded
        is_unclear = is_unclear or is_unclear_part
        left = _POWER.sub("", part).strip() if worded or is_unclear_part else part
        if left and not (worded and left == part) and not is_unclear_part:
            rest.append(left)
    if "%" in re.sub(r"\d ?%", "", text) and factors:
        is_unclear = True
    if (is_unclear or len(factors) > 1) and not (
        role in (DISTANCE, VALUE) or (role == ERROR and _says(name, of))
    ):
        raise InputError(
            f"{argument} must have numbers in their own unit, got {name.strip()!r}, which may mean to multiply or to "
            "divide: do so, and leave it out of the name, or write a factor as in 'variance (1e-3)'."
        )
    return (None if is_unclear or len(factors) != 1 else factors[0]), rest, is_unit


def _says(name: str, of: str) -> bool:
    """Return whether the name of errors holds that of their values, brackets and all."""
    return bool(of.strip()) and name.strip().casefold().startswith(of.strip().casefold())
