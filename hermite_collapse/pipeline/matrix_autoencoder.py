r"""Decode and encode in several dimensions: a full regression matrix and the covariance of what it leaves.

    decoded = c + R x + e,    Cov(e) = N,      Sigma' = R W R^T + N,     W = alpha Sigma_d + (1 - alpha) Sigma

so that the recursion through the autoencoder alone settles, if and only if (1 - alpha) rho(R)^2 < 1, at the solution of
a discrete Lyapunov equation,

    Sigma = (1 - alpha) R Sigma R^T + alpha R Sigma_d R^T + N.

The formula of one direction, `Autoencoder(R_jj, N_jj)`, drops what R mixes between directions.  An autoencoder that is
not linear has an R and N of its own for every law: those of the decoded samples tell how much that matters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from ..core.value import Value
from .mechanisms import Autoencoder

SAMPLES_PER_DIRECTION = 2  # fewer than that many samples a direction leave no residual to speak of


@dataclass(frozen=True, eq=False)
class MatrixAutoencoder(Value):
    """One decode and encode as a linear regression.

    Parameters
    ----------
    regression : array, shape (d, d)
        R.
    residual : array, shape (d, d)
        N, symmetric and positive semidefinite.

    Raises
    ------
    InputError
        If the shapes do not fit or the residual is no covariance.

    Examples
    --------
    >>> autoencoder = MatrixAutoencoder([[0.9, 0.1], [0.0, 0.8]], 0.01 * np.eye(2))
    >>> autoencoder.limit(np.eye(2), fresh_fraction=0.5).round(4).tolist()
    [[0.724, 0.0928], [0.0928, 0.4853]]
    """

    regression: FloatArray
    residual: FloatArray

    def __init__(self, regression: ArrayLike, residual: ArrayLike) -> None:
        r = checks.real_array(regression, "regression")
        n = checks.real_array(residual, "residual")
        if r.ndim != 2 or r.shape[0] != r.shape[1]:
            raise InputError(f"regression must be a square matrix, got shape {r.shape}.")
        if n.shape != r.shape:
            raise InputError(f"residual must have the shape of regression, {r.shape}, got {n.shape}.")
        _check_covariance(n, "residual")
        self._set("regression", r)
        self._set("residual", n)

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.regression)

    @property
    def spectral_radius(self) -> float:
        """rho(R), the largest size of an eigenvalue of R."""
        return float(np.max(np.abs(np.linalg.eigvals(self.regression))))

    @property
    def critical_share(self) -> float:
        """The fresh fraction above which there is a limit: 1 - 1/rho(R)^2, or 0 if there is always one."""
        return max(0.0, 1.0 - 1.0 / max(self.spectral_radius, 1e-300) ** 2)

    def is_stable(self, fresh_fraction: float) -> bool:
        """Return whether (1 - alpha) rho(R)^2 < 1."""
        return (1.0 - checks.fraction(fresh_fraction)) * self.spectral_radius**2 < 1.0

    def step(self, data: FloatArray, model: FloatArray, fresh_fraction: float) -> FloatArray:
        """Return the model's covariance after one more round."""
        training = fresh_fraction * data + (1.0 - fresh_fraction) * model
        return np.asarray(self.regression @ training @ self.regression.T + self.residual)

    def limit(self, covariance: ArrayLike, *, fresh_fraction: float) -> FloatArray:
        """Return the covariance at which the recursion through the autoencoder alone settles, shape (d, d).

        Parameters
        ----------
        covariance : array, shape (d, d)
            Of the data.
        fresh_fraction : float
            alpha in [0, 1].

        Raises
        ------
        InputError
            If the covariance does not fit or there is no limit at this fresh fraction.
        """
        from scipy.linalg import solve_discrete_lyapunov

        alpha, data = checks.fraction(fresh_fraction), checks.real_array(covariance, "covariance")
        if data.shape != self.regression.shape:
            raise InputError(f"covariance must have shape {self.regression.shape}, got {data.shape}.")
        _check_covariance(data, "covariance")
        if not self.is_stable(alpha):
            raise InputError(
                f"fresh_fraction must be above {self.critical_share:.6g} for a limit to exist, got {alpha:g}."
            )
        source = alpha * self.regression @ data @ self.regression.T + self.residual
        limit = solve_discrete_lyapunov(np.sqrt(1.0 - alpha) * self.regression, source)
        return np.asarray(0.5 * (limit + limit.T))

    def along(self, direction: int) -> Autoencoder:
        """Return what one coordinate sees of it, with what R mixes between directions left out."""
        index = checks.integer(direction, "direction")
        if index >= self.dimension:
            raise InputError(f"direction must be below {self.dimension}, got {index}.")
        return Autoencoder(float(self.regression[index, index]), float(self.residual[index, index]))


@dataclass(frozen=True, eq=False)
class AutoencoderFit(Value):
    """An autoencoder as measured on samples, and how far from linear it is.

    Attributes
    ----------
    autoencoder : MatrixAutoencoder
        R and N by least squares, for the law of the samples.
    covariance : array, shape (d, d)
        Of the samples.
    curvature : float
        Share of the residual variance that squares and cubes of each coordinate explain beyond chance.
    refitted : MatrixAutoencoder or None
        R and N for the law of the decoded samples, where those were decoded once more.
    """

    autoencoder: MatrixAutoencoder
    covariance: FloatArray
    curvature: float
    refitted: MatrixAutoencoder | None = None

    @property
    def settled(self) -> MatrixAutoencoder:
        """The regression that a recursion sees: the refitted one where there is one."""
        return self.autoencoder if self.refitted is None else self.refitted

    @property
    def explained(self) -> float:
        """Share of the variance of what was decoded that the regression explains; 1 where nothing varies."""
        r = self.autoencoder.regression
        linear, rest = float(np.trace(r @ self.covariance @ r.T)), float(np.trace(self.autoencoder.residual))
        return linear / (linear + rest) if linear + rest > 0.0 else 1.0

    @property
    def change(self) -> float:
        """Relative change of R from the samples to the decoded ones, in Frobenius norm; NaN where there is no refit."""
        if self.refitted is None:
            return float("nan")
        first, second = self.autoencoder.regression, self.refitted.regression
        return float(np.linalg.norm(second - first) / np.linalg.norm(first))


def fit_autoencoder(
    samples: ArrayLike, decoded: ArrayLike, decoded_again: ArrayLike | None = None
) -> AutoencoderFit:
    """Return the regression of decoded samples on the samples, and how far from linear it is.

    Parameters
    ----------
    samples, decoded : array, shape (n, d)
        Latents or images in the same order and units, before and after one decode and encode.
    decoded_again : array, shape (n, d), optional
        After a second one: the regression is refitted on the decoded samples, whose law differs.

    Returns
    -------
    AutoencoderFit

    Raises
    ------
    InputError
        If shapes differ, there are fewer than two samples a direction, or samples do not span every direction.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4000, 2))
    >>> fit = fit_autoencoder(x, x @ np.array([[0.9, 0.1], [0.0, 0.8]]).T)
    >>> fit.autoencoder.regression.round(6) + 0.0
    array([[0.9, 0.1],
           [0. , 0.8]])
    """
    x = checks.samples(samples, "samples", minimum=2)
    y = _paired(decoded, x, "decoded")
    autoencoder, residuals = _regression(x, y, "samples")
    refitted = None
    if decoded_again is not None:
        refitted, _ = _regression(y, _paired(decoded_again, x, "decoded_again"), "decoded")
    covariance = np.atleast_2d(np.cov(x, rowvar=False))
    return AutoencoderFit(autoencoder, covariance, _curvature(x, residuals), refitted)


def _paired(values: ArrayLike, samples: FloatArray, name: str) -> FloatArray:
    array = checks.samples(values, name, minimum=2)
    if array.shape != samples.shape:
        raise InputError(f"{name} must have the shape of samples, {samples.shape}, got {array.shape}.")
    return array


def _regression(x: FloatArray, y: FloatArray, name: str) -> tuple[MatrixAutoencoder, FloatArray]:
    """Return the least-squares regression of y on x and its residuals."""
    count, dimension = x.shape
    if count < SAMPLES_PER_DIRECTION * dimension + 1:
        needed = SAMPLES_PER_DIRECTION * dimension + 1
        raise InputError(f"{name} must be at least {needed} in {dimension} dimensions, got {count}.")
    centred = x - x.mean(axis=0)
    target = y - y.mean(axis=0)
    coefficients, _, rank, _ = np.linalg.lstsq(centred, target, rcond=None)
    if rank < dimension:
        raise InputError(f"{name} must vary in all {dimension} directions, got {rank} that do.")
    residuals = target - centred @ coefficients
    noise = residuals.T @ residuals / (count - dimension - 1)
    return MatrixAutoencoder(coefficients.T, 0.5 * (noise + noise.T)), residuals


def _curvature(x: FloatArray, residuals: FloatArray) -> float:
    """Return the share of the residual variance that squares and cubes of single coordinates explain beyond chance.

    Cubes are taken orthogonal to the linear terms, so that a linear map of any law has none.
    """
    count = len(x)
    total, explained = float(np.sum(residuals**2)), 0.0
    signal = float(np.sum((x - x.mean(axis=0)) ** 2))
    if total <= 1e-24 * signal:
        return 0.0
    for j in range(x.shape[1]):
        z = x[:, j] - x[:, j].mean()
        basis = np.column_stack([np.ones(count), z, z**2, z**3])
        frame = np.linalg.qr(basis / np.linalg.norm(basis, axis=0))[0][:, 2:]
        explained += float(np.sum((frame.T @ residuals[:, j]) ** 2))
    return max(0.0, explained / total - 2.0 / count)


def _check_covariance(matrix: FloatArray, name: str) -> None:
    if not np.allclose(matrix, matrix.T, rtol=1e-9, atol=1e-12 * float(np.abs(matrix).max())):
        raise InputError(f"{name} must be symmetric, got a matrix that is not.")
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least < -1e-9 * max(float(np.abs(matrix).max()), 1e-300):
        raise InputError(
            f"{name} must be a covariance, without negative eigenvalues, got one with {least:.3g}."
        )
