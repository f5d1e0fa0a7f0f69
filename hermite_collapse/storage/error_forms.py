"""How the numbers in a column of errors become standard errors.

error (2σ), (k=2), (1.96 se)     e / 2, e / 2, e / 1.96
error (95 %), 90 % CI            e / z, where an interval of z standard errors on either side holds that share
std (n=100)                      e / sqrt(100): the scatter of runs becomes the error of their mean
error (relative)                 e |value|
error (variance), (squared)      sqrt(e)
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from .roles import MANY_RUNS, plain_name

_RELATIVE = (
    r"(?:% )?rel(?:ative|\.)?(?: (?:to|of) (?:the )?(?:value|mean))?|(?:% )?of (?:the )?value|"
    r"fraction(?:al)?(?: of (?:the )?value)?"
)
_SQUARE = r"variance|var\.?|squared?|sigma ?\^2|s\^2|se\^2|sem\^2|\^2"
_NAMES = (
    r"(?:1 ?(?:\*|x|×)? ?)?(?:standard (?:errors?|deviations?)|std\.? ?(?:errors?|err|dev)?|stderrs?|stdev|sem|ses?|"
    r"s\.?e\.?|sds?|s\.?d\.?|sigma|errors?|err|unc(?:ertainty|\.)?)"
)
_SCATTER = (
    r"std\.?|std\.? dev|stddev|stdev|sd|s\.d\.|sigma|standard deviation|standardabweichung|[ée]cart[ -]type"
)
_TIMES = re.compile(rf"(?:k ?= ?(\d+(?:[.,]\d+)?)|(\d+(?:[.,]\d+)?) ?(?:\*|x|×)? ?{_NAMES})")
_INTERVAL = r"ci|hdi|(?:confidence|credible)(?: interval| level)?|conf\.?|interval|level|coverage"
_LEVEL = re.compile(
    rf"(?:(?:{_INTERVAL}) )?(\d\d(?:[.,]\d+)?) ?(?:%|per ?cent)? ?(?:(?:{_INTERVAL}) ?)?(?:half[ -]?widths?)?"
)
_WORDED = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_COUNTED = rf"(?:\d[\d ']*|{'|'.join(_WORDED)})"
_ONE_OR_MORE = (
    rf"(?:(?:independent|random|different|training|separate) )?"
    rf"(?:{MANY_RUNS}|seed|run|repetition|repeat|replicate|trial)"
)
_MEAN = r"(?:mean|averaged?|avg\.?|mittel(?:wert)?|moyenne)"
_OVER = "(?:over|of|across|from|for|in)"
_RUNS_IN_NAME = re.compile(
    rf"(?:(?:n|#) ?[=:] ?|(?P<form>{_NAMES}|{_MEAN}) (?:{_OVER} )?|{_OVER} )?(?P<count>{_COUNTED})[ -]?{_ONE_OR_MORE}"
    rf"(?: {_MEAN})?"
)
_COUNT_IN_NAME = re.compile(rf"(?:(?:n|#) ?[=:] ?|(?P<form>{_NAMES}|{_MEAN}) {_OVER} )(?P<count>{_COUNTED})")
_SAMPLES_IN_NAME = re.compile(
    rf"(?:(?:n|#) ?[=:] ?|{_OVER} )?(\d[\d ,.'’]*k?) ?(?:samples|images|imgs|draws|points|particles)"
)
_LOWEST_LEVEL = 50.0
MOST_RUNS = 1000.0
"""That values are means of; more are images or samples of one run."""
FEW_RUNS = 30.0
"""Up to which a number that nobody says what it counts is one of runs; more may be images."""
_RUNS = (2.0, MOST_RUNS)
"""Numbers of runs whose scatter is one of their mean."""


@dataclass(frozen=True)
class ErrorForm:
    """What is stated for errors, as a map to standard errors.

    Attributes
    ----------
    divisor : float
        > 0.
    is_square, is_relative : bool
        Whether the squares of errors are stated, or errors divided by their value.
    has_level : bool
        Whether it is that of an interval.
    is_said : bool
        Whether brackets say anything of it.
    text : str
        What is stated, in words, without the name of the values.
    unread : tuple of str
        Parts in brackets that say nothing of it.
    count : float or None
        Of how many the value is the mean, runs or samples, where that is said.
    counts_runs : bool
        Whether it is said that these are runs.
    is_scatter : bool
        Whether it is the standard deviation of runs, of a number that is not said here.
    """

    divisor: float = 1.0
    is_square: bool = False
    is_relative: bool = False
    has_level: bool = False
    is_said: bool = False
    text: str = "standard error"
    unread: tuple[str, ...] = ()
    count: float | None = None
    counts_runs: bool = False
    is_scatter: bool = False

    @property
    def runs(self) -> float | None:
        """Of how many runs the value is the mean; None where that is not said, or they may be samples."""
        most = MOST_RUNS if self.counts_runs else FEW_RUNS
        return self.count if self.count is not None and 1.0 <= self.count <= most else None

    def standard_error(self, error: float, value: float) -> float:
        """Return the standard error of a value beside which `error` is stated."""
        linear = math.sqrt(error) if self.is_square else error
        return linear * (abs(value) if self.is_relative else 1.0) / self.divisor


def half_width(level: float) -> float:
    """Return the half width, in standard errors, of the normal interval that holds `level` per cent."""
    return round(NormalDist().inv_cdf(0.5 + level / 200.0), 6)


def error_form(name: str, parts: Sequence[str], *, in_cells: bool = False) -> ErrorForm:
    """Return the form of errors that a name says with the parts in its brackets.

    Parameters
    ----------
    name : str
    parts : sequence of str
        As `brackets.bracketed` returns them.
    in_cells : bool
        Whether the name is that of values whose cells hold errors, so that "variance" and "relative" are of those.
    """
    outside = plain_name(re.sub(r"[(\[{].*", "", name))
    is_scatter = re.search(rf"(?<![a-z])(?:{_SCATTER})(?![a-z])", outside) is not None and not in_cells
    is_scatter = is_scatter and not re.search("err|fehler|mean", outside)
    plain = plain_name(name)
    levels = [float(a or b) for a, b in re.findall(r"\bci ?(\d\d)\b|(?<!\d)(\d\d) ?ci\b", plain)]
    level: float | None = next((one for one in levels if one >= _LOWEST_LEVEL), 95.0)
    if not re.search(r"\bci(?:\d\d)?\b", plain):
        level = None
    times = count = None
    is_square = is_relative = is_said = counts_runs = False
    unread = []
    for part in sorted(parts, key=lambda part: _RUNS_IN_NAME.fullmatch(part) is None):
        if (match := _RUNS_IN_NAME.fullmatch(part) or _COUNT_IN_NAME.fullmatch(part)) is not None:
            number = _counted(match["count"])
            if match.re is _COUNT_IN_NAME and counts_runs:
                continue  # "n = 1000, 3 seeds": samples of each
            if count not in (None, number):
                unread.append(f"{part} beside {count:g}")
            count, counts_runs = number, counts_runs or match.re is _RUNS_IN_NAME
            form = match["form"] or ""
            is_scatter = is_scatter or re.fullmatch(_SCATTER, form) is not None
            is_said = is_said or re.fullmatch(_NAMES, form) is not None
        elif is_scatter and not in_cells and (match := _SAMPLES_IN_NAME.fullmatch(part)) is not None:
            unread.append(f"a scatter of {match[0]}")
        elif re.fullmatch(_NAMES, part):
            is_scatter, is_said = is_scatter or re.fullmatch(_SCATTER, part) is not None, True
        elif (match := _TIMES.fullmatch(part)) is not None and float(
            (match[1] or match[2]).replace(",", ".")
        ) > 0.0:
            times, is_said = float((match[1] or match[2]).replace(",", ".")), True
        elif (said_level := _level_in(part)) is not None:
            level, is_said = said_level, True
        elif re.fullmatch(_INTERVAL, part) or (level and re.fullmatch(r"half[ -]?widths?", part)):
            level, is_said = level or 95.0, True
        elif not in_cells and re.fullmatch(_RELATIVE, part):
            is_relative = is_said = True
        elif not in_cells and re.fullmatch(_SQUARE, part):
            is_square = is_said = True
        else:
            unread.append(part)
    divisor, text = 1.0, "standard error"
    if times is not None:
        divisor, text = times, "standard error" if times == 1.0 else f"{times:g} standard errors"
    elif level is not None:
        divisor, text = half_width(level), f"half width of an interval at {level:g} %"
    if count is not None and is_scatter:
        if not _RUNS[0] <= count <= _RUNS[1]:
            unread.append(f"a scatter of {count:g}")
        text = f"standard deviation of {count:g}" if divisor == 1.0 else f"{text} of one of {count:g}"
        divisor *= math.sqrt(count) if count > 0.0 else 1.0
    text = f"{text} relative to the value" if is_relative else text
    text = f"square of the {text}" if is_square else text
    is_bare = is_scatter and count is None
    return ErrorForm(
        divisor,
        is_square,
        is_relative,
        level is not None,
        is_said,
        text,
        tuple(unread),
        count,
        counts_runs,
        is_bare,
    )


def _counted(text: str) -> float:
    """Return a number of runs in digits or as a word."""
    return float(_WORDED[text]) if text in _WORDED else float(re.sub(r"[ ']", "", text))


def _level_in(part: str) -> float | None:
    """Return the level of an interval in per cent that a part says, None where it says none."""
    match = _LEVEL.fullmatch(part)
    if match is None or not re.search("[a-z%]", part):
        return None
    level = float(match[1].replace(",", "."))
    return level if level >= _LOWEST_LEVEL else None
