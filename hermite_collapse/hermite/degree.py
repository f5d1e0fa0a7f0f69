r"""Hermite energy by degree, free of the dimension.

    K_n(x, y) = sum_{abs(k) = n} h_k(x) h_k(y),      E_n(p) = sum_{abs(k) = n} c_k(p)^2 = E K_n(X, X')

K_n needs only x . y and the squared norms, at a cost that does not grow with the number of multi-indices.  From
Mehler's formula sum_n r^n K_n = (1 - r^2)^(-d/2) exp((r b - r^2 A) / (1 - r^2)), b = x . y, A = (|x|^2 + |y|^2) / 2:

    (n+1) K_{n+1} = b (K_n + K_{n-2}) + (2 (n-1) + d - 2A) K_{n-1} - (n-3+d) K_{n-3},    K_0 = 1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.display import Displayed
from ..core.errors import InputError
from ..core.memory import require_memory
from ..core.signature import public
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from . import tensor_sums
from .degree_sums import TOO_LARGE, one_sample_sums, two_sample_sums, usable
from .determinant import pair_coefficients, signed_mixture
from .mixture import Mixture
from .pair_sums import OneSampleSums, TwoSampleSums

_LARGEST_TABLE = 1 << 24  # entries of one table of pair coefficients
_SIGMAS = 3.0


@dataclass(frozen=True, eq=False)
class DegreeSpectrum(Displayed, Value):
    """Energies by degree with their errors.

    Attributes
    ----------
    degree : array of int, shape (n + 1,)
        0 .. n.
    energy : array, shape (n + 1,)
        Unbiased estimates of E_n(p), or of sum_{abs(k)=n} c_k(p) c_k(q) for two samples; may be negative.
    standard_error : array, shape (n + 1,)
        One standard error of each energy.
    noise_floor : array, shape (n + 1,)
        Standard error where both samples come from N(0, I): sqrt(2 binom(d-1+n, n) / (N (N-1))) for one sample,
        sqrt(binom(d-1+n, n) / (N M)) for two.
    resolvable_degree : int
        The highest n whose energy exceeds 3 times both its standard error and the noise floor, in absolute value; 0 if
        there is none.
    """

    degree: IntArray
    energy: FloatArray
    standard_error: FloatArray
    noise_floor: FloatArray
    resolvable_degree: int


@public
def degree_kernel(x: ArrayLike, y: ArrayLike, degree: int) -> FloatArray:
    r"""Return the sums of products of Hermite polynomials over all multi-indices of one degree.

        K_n(x, y) = sum_{abs(k) = n} h_k(x) h_k(y),      n = 0 .. degree

    Parameters
    ----------
    x, y : array, shape (..., d)
        Points, broadcast against each other; any d.
    degree : int
        Largest n.

    Returns
    -------
    array, shape (..., degree + 1)

    Raises
    ------
    InputError
        Where a value exceeds the largest double.

    Accuracy
    --------
    Relative to sqrt(K_n(x, x) K_n(y, y)), for d from 10 to 3072, n to 32 and |x|^2 / d from 0.01 to 20, the recurrence
    loses at most 1e-15, and the rounding of x . y and the norms n times as much as they lose: in all within
    (1 + n) 1e-15.  For d = 1, 2 and n to 200 within 1e-13 of the largest K_m(x, x), m near n.

    Examples
    --------
    >>> degree_kernel([1.0, 2.0], [0.5, -1.0], 2).tolist()  # 1, x . y, ...
    [1.0, -1.5, -1.0]
    """
    degree = checks.entries(degree, "degree")
    left, right = checks.real_array(x, "x"), checks.real_array(y, "y")
    if left.ndim == 0 or right.ndim == 0 or left.shape[-1] != right.shape[-1]:
        raise InputError(
            f"x and y must share their last axis, the dimension, got shapes {left.shape} and {right.shape}."
        )
    dimension = left.shape[-1]
    product = np.einsum("...d,...d->...", left, right)
    excess = dimension - np.square(left).sum(axis=-1) - np.square(right).sum(axis=-1)
    values = np.zeros((degree + 1, *product.shape))
    values[0] = 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        for n in range(degree):
            step = product * values[n]
            if n >= 1:
                step = step + (excess + 2.0 * (n - 1)) * values[n - 1]
            if n >= 2:
                step = step + product * values[n - 2]
            if n >= 3:
                step = step - (n - 3.0 + dimension) * values[n - 3]
            values[n + 1] = step / (n + 1.0)
    _require_finite(values)
    return np.moveaxis(values, 0, -1)


@public
def degree_spectrum(x: ArrayLike, y: ArrayLike | None = None, *, degree: int) -> DegreeSpectrum:
    r"""Estimate the Hermite energies by degree from samples, or inner products of two samples' coefficients.

        E_n = mean over i != j of K_n(x_i, x_j)          <c_n(p), c_n(q)> = mean over i, j of K_n(x_i, y_j)

    Parameters
    ----------
    x : array, shape (N, d) or (N,)
        N >= 4 (N >= 2 with y).  The sums over pairs of a tensor on a GPU are taken there.
    y : array, shape (M, d) or (M,), or None
        Independent of x; None for x with itself.
    degree : int
        Largest n.

    Returns
    -------
    DegreeSpectrum

    Raises
    ------
    InputError
        For too few samples, or where a value exceeds the largest double.

    Accuracy
    --------
    The estimates are unbiased.  Statistics is the limit, not arithmetic: for near-Gaussian data the noise floor is
    sqrt(2 binom(d-1+n, n)) / N; heavy tails of K_n make the standard errors themselves uncertain at high degree.  In
    low dimension and without signal, standard errors come out up to 1.5 times too large.

    Cost
    ----
    One product of all pairs of points, and 8 operations a pair and degree.

    References
    ----------
    In the recursion <c_n(p_i), c_n(p*)> = f_n(i) E_n(p*): arXiv:2606.13796, Proposition 3.3.

    Examples
    --------
    >>> samples = 0.8 + np.random.default_rng(0).standard_normal((500, 3))  # E_1 = 3 * 0.64
    >>> spectrum = degree_spectrum(samples, degree=2)
    >>> spectrum.energy.round(1).tolist()
    [1.0, 1.9, 1.7]
    """
    degree = checks.integer(degree, "degree")
    if tensor_sums.is_elsewhere(x) or tensor_sums.is_elsewhere(y):
        return _spectrum_on_device(x, y, degree)
    if y is None:
        only = _samples(x, "x", 4, degree)
        return one_sample_spectrum(one_sample_sums(only, degree), only.shape[1])
    first, second = _samples(x, "x", 2, degree), _samples(y, "y", 2, degree)
    check_same_dimension(first.shape[1], second.shape[1])
    return two_sample_spectrum(two_sample_sums(first, second, degree), first.shape[1])


def _samples(value: ArrayLike, name: str, minimum: int, degree: int) -> FloatArray:
    """Return samples whose squares a double can hold, and of which so many degrees fit in memory."""
    samples = checks.samples(value, name, minimum)
    require_memory(8.0 * len(samples) * (degree + 1.0), f"degree = {degree}", keys="degree")
    checks.moderate(samples, name)
    return samples


def _spectrum_on_device(x: object, y: object, degree: int) -> DegreeSpectrum:
    """Return the spectrum of tensors on a device that is no CPU; an array beside a tensor goes there."""
    like = cast("tensor_sums.Tensor", x if tensor_sums.is_elsewhere(x) else y).detach().double()

    def sample(value: object, name: str, minimum: int) -> tensor_sums.Tensor:
        if not tensor_sums.is_elsewhere(value):
            return like.new_tensor(checks.samples(value, name, minimum))
        return tensor_sums.tensor_samples(cast("tensor_sums.Tensor", value), name, minimum)

    if y is None:
        only = sample(x, "x", 4)
        return one_sample_spectrum(usable(tensor_sums.one_sample_sums(only, degree)), only.shape[1])
    first, second = sample(x, "x", 2), sample(y, "y", 2)
    check_same_dimension(first.shape[1], second.shape[1])
    return two_sample_spectrum(usable(tensor_sums.two_sample_sums(first, second, degree)), first.shape[1])


def mixture_degree_energy(law: Mixture, degree: int, *, other: Mixture | None = None) -> FloatArray:
    r"""Return the Hermite energies by degree of a mixture, or the inner products of two mixtures' coefficients.

        sum_n r^n <c_n, c_n'> = sum_{k,l} w_k w_l' F_kl(r)

    with F_kl from the determinant formula, in power series: exact in any dimension.

    Parameters
    ----------
    law, other : Mixture
        Of one dimension; without other, the law with itself.
    degree : int
        Largest n.

    Returns
    -------
    array, shape (degree + 1,)

    Raises
    ------
    InputError
        Where a value exceeds the largest double.

    Accuracy
    --------
    About 1e-13 of sum_kl abs(w_k w_l' F_n,kl); means that cancel between components cost digits.
    """
    first = signed_mixture(law)
    second = first if other is None else signed_mixture(other)
    degree = checks.entries(degree, "degree", each=24.0 * len(second.weights))
    energy = np.zeros(degree + 1)
    step = max(1, _LARGEST_TABLE // ((degree + 1) * len(second.weights)))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(first.weights), step):
            part = first.rows(start, start + step)
            table = pair_coefficients(part, second, degree)
            energy += np.einsum("k,nkl,l->n", part.weights, table, second.weights)
    _require_finite(energy)
    return energy


def one_sample_spectrum(sums: OneSampleSums, dimension: int) -> DegreeSpectrum:
    """Return the spectrum of one sample from its sums over pairs."""
    count = float(len(sums.rows))
    return _spectrum(sums.mean, sums.variance(), dimension, 2.0 / (count * (count - 1.0)))


def two_sample_spectrum(sums: TwoSampleSums, dimension: int) -> DegreeSpectrum:
    """Return the spectrum of two samples from their sums over pairs."""
    return _spectrum(sums.mean, sums.variance(), dimension, 1.0 / (float(len(sums.rows)) * len(sums.columns)))


def _spectrum(energy: FloatArray, variance: FloatArray, dimension: int, scale: float) -> DegreeSpectrum:
    degree = np.arange(len(energy))
    # binom(d-1+n, n) = prod_{j<=n} (d-1+j)/j, which is E K_n(X, X')^2 for N(0, I)
    floor = np.sqrt(scale * np.cumprod(np.append(1.0, (dimension - 1.0 + degree[1:]) / degree[1:])))
    floor[0] = 0.0
    error = np.sqrt(variance)
    energy, error = energy.copy(), error.copy()
    energy[0], error[0] = 1.0, 0.0
    clear = np.abs(energy) > _SIGMAS * np.maximum(error, floor)
    resolvable = int(np.flatnonzero(clear)[-1])
    return DegreeSpectrum(degree, energy, error, floor, resolvable)


def check_same_dimension(first: int, second: int) -> None:
    """Refuse samples of two dimensions."""
    if first != second:
        raise InputError(f"x and y must have the same dimension, got {first} and {second}.")


def _require_finite(values: FloatArray) -> None:
    if not np.isfinite(values).all():
        raise InputError(TOO_LARGE)
