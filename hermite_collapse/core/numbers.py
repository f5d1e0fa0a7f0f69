"""Numbers as people read them: significant digits, errors, counts, shares, cells of a table.

    0.2937 ± 0.0067      1.2 × 10⁻⁶      4 096      52 %

Pages, notebooks and captions use the typographic forms with a true minus sign; `cell` is for terminals.
"""

from __future__ import annotations

import math
import re
from typing import SupportsFloat, TypeGuard

import numpy as np

from .estimates import Estimate

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SHORTEST_FIXED, _LONGEST_FIXED = 1e-3, 1e4
"""Sizes between which a cell of a terminal table is written without an exponent."""


def significant(value: float, digits: int = 3) -> str:
    """Return a number with a few significant digits, a true minus sign and powers of ten written out.

    Parameters
    ----------
    value : float
        Infinite and undefined values have signs of their own.
    digits : int
        Number of significant digits, >= 1.

    Returns
    -------
    str

    Examples
    --------
    >>> significant(0.034567), significant(-1234567.0), significant(2.5e-9)
    ('0.0346', '−1.23 × 10⁶', '2.5 × 10⁻⁹')
    """
    number = float(value)
    if math.isnan(number):
        return "–"
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    return true_minus(powers_of_ten(f"{number:.{digits}g}"))


def powers_of_ten(text: str) -> str:
    """Return a text in which numbers with an exponent have their power of ten written out.

    Examples
    --------
    >>> powers_of_ten("1.58e+09 of 10^14, off by 2.0e-15")
    '1.58 × 10⁹ of 10¹⁴, off by 2.0 × 10⁻¹⁵'
    """
    text = re.sub(r"(?<=\d)e([+-]?\d+)\b", lambda match: f" × 10^{int(match[1])}", text)
    return re.sub(r"\b10\^(-?\d+)\b", lambda match: f"10{match[1].translate(_RAISED)}", text)


def with_error(estimate: Estimate) -> str:
    """Return a value with as many digits as its error supports, at most five significant ones.

    A value below its standard error ends at the error's second digit, so that a z-score can be read from the two.

    Examples
    --------
    >>> with_error(Estimate(0.2937, 0.0067, "standard_error")), with_error(Estimate(1e-18, 3e-15))
    ('0.2937 ± 0.0067', 'at most 3 × 10⁻¹⁵')
    >>> with_error(Estimate(-0.000624, 0.00084, "standard_error"))
    '−0.00062 ± 0.00084'
    """
    value, error = float(estimate), float(estimate.error)
    if not math.isfinite(value):
        return significant(value)
    if error <= 1e-5 * abs(value):
        return significant(value, 4)
    if error >= abs(value):
        if estimate.kind == "bound":  # only the size is known
            return f"at most {significant(abs(value) + error, 2)}"
        if math.isfinite(error):
            value = round(value, 1 - math.floor(math.log10(error))) + 0.0  # a zero without a sign
        return f"{significant(value, 2)} ± {significant(error, 2)}"
    digits = int(np.clip(np.ceil(np.log10(abs(value) / error)) + 2, 1, 5)) if value else 1
    return f"{significant(value, digits)} ± {significant(error, 2)}"


def p_value(value: float) -> str:
    """Return a p-value of two digits; beside 1, of as many as tell it from 1; one that is too small as a bound.

    Examples
    --------
    >>> p_value(0.0363), p_value(0.9963), p_value(1.0), p_value(0.0)
    ('0.036', '0.996', '1', '< 10⁻³⁰⁰')
    """
    if not value > 0.0:
        return "< 10⁻³⁰⁰" if value == 0.0 else significant(value)
    digits = 2
    while value < 1.0 and digits < 6 and float(f"{value:.{digits}g}") == 1.0:
        digits += 1
    return "> 0.999999" if value < 1.0 == float(f"{value:.{digits}g}") else significant(value, digits)


def p_equals(value: float) -> str:
    """Return a p-value with its letter and the sign between.

    Examples
    --------
    >>> p_equals(0.0363), p_equals(0.9999999), p_equals(0.0)
    ('p = 0.036', 'p > 0.999999', 'p < 10⁻³⁰⁰')
    """
    words = p_value(value)
    return f"p {words}" if words[0] in "<>" else f"p = {words}"


def grouped(count: int) -> str:
    """Return a count with narrow spaces between groups of three digits.

    Examples
    --------
    >>> grouped(4096) == "4\\u202f096"
    True
    """
    return f"{count:,}".replace(",", "\u202f")


def counted(count: int, what: str) -> str:
    """Return a count of things, plural where it is not one.

    Examples
    --------
    >>> counted(1, "run"), counted(4, "run")
    ('1 run', '4 runs')
    """
    return f"{count} {what}{'s' * (count != 1)}"


def percent(share: float) -> str:
    """Return a share in per cent with two significant digits or more.

    Examples
    --------
    >>> percent(0.5234), percent(0.0123)
    ('52 %', '1.2 %')
    """
    value = 100.0 * float(share)
    return f"{value:.0f} %" if value >= 9.95 else f"{significant(value, 2)} %"


def true_minus(text: str) -> str:
    """Return the text with hyphens before numbers replaced by minus signs."""
    return text.replace("-", "−")


def is_number(value: object) -> TypeGuard[SupportsFloat]:
    """Return whether a table sets the value as a number: anything with a float value but truth values."""
    return isinstance(value, SupportsFloat) and not isinstance(value, bool)


def cell(value: object) -> str:
    """Return a number to four or five significant digits for a terminal, and a word as it is.

    Examples
    --------
    >>> cell(0.5), cell(12), cell(1.5e-7), cell(None), cell(True), cell(Estimate(0.3, 0.01, "standard_error"))
    ('0.5000', '12', '1.500e-07', '-', 'yes', '0.3000 ± 0.0100')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Estimate) and value.kind == "standard_error":
        if 0.0 < value.error < 5e-5 or value.error >= _LONGEST_FIXED:
            return f"{value.value:.3e} ± {value.error:.1e}"
        return f"{value.value:.4f} ± {value.error:.4f}"
    return _numeral(float(value)) if is_number(value) else str(value)


def _numeral(number: float) -> str:
    if math.isinf(number):
        return "infinite" if number > 0 else "-infinite"
    if number.is_integer() and abs(number) < 1e5:
        return f"{number:.0f}" if number else "0"
    return f"{number:.4f}" if _SHORTEST_FIXED <= abs(number) < _LONGEST_FIXED else f"{number:.3e}"


def spread_rounds(last: int, *, count: int = 4) -> tuple[int, ...]:
    """Return at most `count` rounds from 1 to `last`, evenly spaced in ratio: those whose laws differ to the eye.

    Examples
    --------
    >>> spread_rounds(3), spread_rounds(64)
    ((1, 2, 3), (1, 4, 16, 64))
    """
    if last <= count:
        return tuple(range(1, last + 1))
    return tuple(int(i) for i in np.unique(np.rint(np.geomspace(1.0, last, count)).astype(int)))


def rough_count(count: float) -> str:
    """Return a count to two digits, without powers of ten.

    Examples
    --------
    >>> rough_count(12345.0)
    '12000'
    """
    return f"{float(f'{count:.2g}'):.0f}"
