r"""Gauss-Hermite rules for the standard normal law, to a thousand nodes and a few units in the last place.

    sum_i w_i f(x_i) = E_gamma f     for polynomials f of degree < 2 count

The nodes are the eigenvalues of the Jacobi matrix of the h_k (off-diagonal sqrt(k)), polished by two Newton steps
in doubled precision on the integer recurrence He_{k+1} = x He_k - k He_{k-1}.  The weights follow from one value,

    w = 1 / sum_{k < count} h_k(x)^2 = (count - 1)! / (count He_{count-1}(x)^2)       (Christoffel),

with a power of two carried apart: at 1000 nodes the outer ones are about exp(-1950).  A node is a double, so the
true node is x + dx; the remainder dx moves the weight by the factor exp(-2 x dx), which is applied.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core import checks
from ..core.errors import InputError

FloatArray = NDArray[np.float64]

_LARGEST = 5000
_SPLIT = 134217729.0  # 2^27 + 1: Veltkamp's constant


class GaussRule(NamedTuple):
    """A Gauss-Hermite rule for N(0, 1).

    Attributes
    ----------
    nodes : (count,) increasing, exactly antisymmetric.
    weights : (count,) positive, summing to 1; zero where below 1e-308 (from about 390 nodes).
    log_weights : (count,) logarithms of the weights, finite everywhere.
    """

    nodes: FloatArray
    weights: FloatArray
    log_weights: FloatArray


def gauss_rule(count: int) -> GaussRule:
    """Gauss-Hermite rule for the standard normal law.

        sum_i weights_i f(nodes_i) = E f(Z),  Z ~ N(0, 1),  exact for polynomials of degree < 2 count

    Parameters
    ----------
    count : number of nodes, 1 to 5000.

    Returns
    -------
    GaussRule(nodes, weights, log_weights), read-only arrays.

    Accuracy : nodes correctly rounded up to rare last-bit cases, weights within 4 ulp, log_weights within 2 ulp.
    Raises   : InputError if count is not an integer from 1 to 5000.
    """
    count = checks.integer(count, "count", 1)
    if count > _LARGEST:
        raise InputError(f"count must be at most {_LARGEST}, got {count}.")
    return _rule(count)


@lru_cache(maxsize=64)
def _rule(count: int) -> GaussRule:
    from scipy.linalg import eigh_tridiagonal

    jacobi = eigh_tridiagonal(np.zeros(count), np.sqrt(np.arange(1.0, count)), eigvals_only=True)
    guess = np.sort(jacobi)[::-1][: count // 2]  # positive half, from the outside in
    first, _, _, _ = _newton(guess, count)
    nodes, remainder, log_two, mantissa = _newton(first, count)
    if count % 2:
        _, _, middle_two, middle_mantissa = _newton(np.zeros(1), count)
        nodes, remainder = np.append(nodes, 0.0), np.append(remainder, 0.0)
        log_two, mantissa = np.append(log_two, middle_two), np.append(mantissa, middle_mantissa)
    # w = (count - 1)! / (count He^2), the factorial as an exact integer
    factorial = math.factorial(count - 1)
    shift = max(factorial.bit_length() - 60, 0)
    head = float(factorial >> shift) / count
    body = head / mantissa**2 * np.exp(-2.0 * nodes * remainder)
    power = shift - 2 * log_two
    weights = np.ldexp(body, power)
    with np.errstate(divide="ignore"):
        log_weights = np.where(weights > 1e-300, np.log(weights), np.log(body) + power * math.log(2.0))
    fold = slice(None, None, -1) if count % 2 == 0 else slice(-2, None, -1)
    rule = GaussRule(
        np.concatenate([-nodes, nodes[fold]]) + 0.0,
        np.concatenate([weights, weights[fold]]),
        np.concatenate([log_weights, log_weights[fold]]),
    )
    for array in rule:
        array.setflags(write=False)
    return rule


def _newton(x: FloatArray, count: int) -> tuple[FloatArray, FloatArray, NDArray[np.int64], FloatArray]:
    """One Newton step for He_count = 0 from x, in doubled precision.

    Returns the new node, what is left between it and the true one, and He_{count-1} at the *new* node as
    mantissa * 2^power.  Both come from values at x: with u = He_{count-1}(x) and the step s, He_{count-1}(x + s) =
    u exp(x s) to first order in the (tiny) last step, because He_{count-1}' = x He_{count-1} at a zero of He_count.
    """
    power = np.zeros(x.shape, dtype=np.int64)
    behind, behind_low = np.zeros_like(x), np.zeros_like(x)
    here, here_low = np.ones_like(x), np.zeros_like(x)
    for k in range(count):
        product, product_low = _times(here, here_low, x)
        back, back_low = _times(behind, behind_low, np.full_like(x, -float(k)))
        behind, behind_low = here, here_low
        here, here_low = _plus(product, product_low, back, back_low)
        large = np.maximum(np.abs(here), np.abs(behind)) > 2.0**200
        if large.any():
            lift = np.where(large, -200, 0)
            here, here_low = np.ldexp(here, lift), np.ldexp(here_low, lift)
            behind, behind_low = np.ldexp(behind, lift), np.ldexp(behind_low, lift)
            power = power - lift
    step = -(here + here_low) / (count * (behind + behind_low))
    node = x + step
    remainder = step - (node - x)
    return node, remainder, power, (behind + behind_low) * np.exp(node * (node - x))


def _times(high: FloatArray, low: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(high + low) * x as an unevaluated sum of two doubles (Dekker)."""
    product = high * x
    high_1, x_1 = _SPLIT * high, _SPLIT * x
    high_1, x_1 = high_1 - (high_1 - high), x_1 - (x_1 - x)
    high_2, x_2 = high - high_1, x - x_1
    error = ((high_1 * x_1 - product) + high_1 * x_2 + high_2 * x_1) + high_2 * x_2 + low * x
    total = product + error
    return total, error - (total - product)


def _plus(
    a: FloatArray, a_low: FloatArray, b: FloatArray, b_low: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(a + a_low) + (b + b_low) as an unevaluated sum of two doubles (Knuth)."""
    total = a + b
    moved = total - a
    error = (a - (total - moved)) + (b - moved) + a_low + b_low
    high = total + error
    return high, error - (high - total)
