"""One formula, four arithmetics: sympy for algebra, Arb for enclosures, mpmath for digits, NumPy for samples.

A claim writes its formula once, `lambda m, n, alpha, x: alpha / (alpha + m.expm1(n * x))`, and every kind of evidence
evaluates that same formula with its own `m`.  A mutation therefore changes what all of them see.  The arithmetic of enclosures is in
`enclosures`, which needs python-flint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy


@dataclass(frozen=True)
class Arithmetic:
    """The functions a formula may use, in one number system."""

    name: str
    number: Callable[..., Any]
    exp: Callable[[Any], Any]
    expm1: Callable[[Any], Any]
    log: Callable[[Any], Any]
    log1p: Callable[[Any], Any]
    sqrt: Callable[[Any], Any]
    gamma: Callable[[Any], Any]
    pi: Any


SYMPY = Arithmetic(
    "sympy",
    sympy.Rational,
    sympy.exp,
    lambda z: sympy.exp(z) - 1,
    sympy.log,
    lambda z: sympy.log(1 + z),
    sympy.sqrt,
    sympy.gamma,
    sympy.pi,
)
MPMATH = Arithmetic(
    "mpmath",
    lambda top, bottom=1: mpmath.mpf(top) / bottom,
    mpmath.exp,
    mpmath.expm1,
    mpmath.log,
    mpmath.log1p,
    mpmath.sqrt,
    mpmath.gamma,
    mpmath.pi,
)


def _float_gamma(z: Any) -> Any:
    from scipy.special import gamma

    return gamma(z)


FLOAT = Arithmetic(
    "float",
    lambda top, bottom=1: float(top) / float(bottom),
    np.exp,
    np.expm1,
    np.log,
    np.log1p,
    np.sqrt,
    _float_gamma,
    np.pi,
)
