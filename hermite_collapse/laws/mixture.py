"""Gaussian mixtures in any dimension, with every usual form of covariance.

A component N(m_k, S_k) is held as eigenvalues in a frame, S_k = Q diag(l_k) Q^T.  A Gaussian channel keeps the
frame and maps l to A^2 l + v, so that all ages of a component share one rotation.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError
from .channels import GaussianChannel
from .protocol import DensityLaw

if TYPE_CHECKING:
    from ..hermite.coefficients import HermiteCoefficients

FloatArray = NDArray[np.float64]


class GaussianMixture(DensityLaw):
    """A mixture sum_k w_k N(m_k, S_k).

    Parameters
    ----------
    weights : (K,), >= 0, sum 1.
    means : (K, d), or (K,) in one dimension.
    covariances : scalar (shared, isotropic), (K,) (isotropic), (K, d) or (1, d) (diagonal), (K, d, d) or
        (1, d, d) (full, or shared full).  Positive semi-definite; a zero eigenvalue is allowed, and then the law
        has no density.

    Attributes
    ----------
    weights (K,), means (K, d), variances (K, d) : eigenvalues of the covariances.
    frames (F, d, d), frame_of (K,) : orthogonal matrices whose columns are the eigenvectors and the frame of
        each component; None when every covariance is diagonal.

    Raises
    ------
    InputError for weights that are negative or do not sum to 1, shapes that do not match, and covariances that
    are not symmetric or have a negative eigenvalue.

    Examples
    --------
    >>> law = GaussianMixture([0.25, 0.75], [-1.5, 0.5], [0.1, 0.3])
    >>> float(law.mean[0]), round(float(law.covariance[0, 0]), 12)
    (0.0, 1.0)
    >>> law.hermite_coefficients(3).values.round(4).tolist()
    [1.0, 0.0, 0.0, -0.2143]
    """

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> None:
        self.weights = checks.probabilities(weights)
        self.means = checks.samples(means, "means")
        count, dimension = self.means.shape
        if len(self.weights) != count:
            raise InputError(f"means must have one row a weight ({len(self.weights)}), got {count}.")
        self.variances, self.frames, self.frame_of = _spectra(covariances, count, dimension)

    @classmethod
    def _from_spectra(
        cls,
        weights: FloatArray,
        means: FloatArray,
        variances: FloatArray,
        frames: FloatArray | None = None,
        frame_of: NDArray[np.int64] | None = None,
    ) -> GaussianMixture:
        """A mixture from arrays already in canonical form; nothing is checked or copied."""
        law = cls.__new__(cls)
        law.weights, law.means, law.variances = weights, means, variances
        law.frames, law.frame_of = frames, frame_of
        return law

    @classmethod
    def from_sklearn(cls, estimator: Any) -> GaussianMixture:
        """The mixture fitted by `sklearn.mixture.GaussianMixture`, of any covariance type."""
        kind = getattr(estimator, "covariance_type", None)
        if kind is None or not hasattr(estimator, "means_"):
            raise InputError(f"estimator must be a fitted sklearn GaussianMixture, got {estimator!r}.")
        covariances = np.asarray(estimator.covariances_, dtype=float)
        shared = covariances[None] if kind == "tied" else covariances
        return cls(estimator.weights_ / estimator.weights_.sum(), estimator.means_, shared)

    @classmethod
    def fit(
        cls, samples: ArrayLike, *, components: int | range = range(1, 9), seed: int = 0
    ) -> GaussianMixture:
        """The mixture of full covariances fitted to samples (n, d) by maximum likelihood (scikit-learn).

        components : a number, or a range among which the Bayesian information criterion chooses.
        """
        try:
            from sklearn.mixture import GaussianMixture as Estimator
        except ImportError:
            raise InputError(
                "fit needs scikit-learn, which is not installed; pip install 'hermite_collapse[images]'."
            ) from None
        data = checks.samples(samples, minimum=2)
        counts = [components] if isinstance(components, int) else [k for k in components if k < len(data)]
        fits = [Estimator(checks.integer(k, "components", 1), random_state=seed).fit(data) for k in counts]
        return cls.from_sklearn(min(fits, key=lambda fit: fit.bic(data)))

    def __repr__(self) -> str:
        return f"GaussianMixture({len(self.weights)} components in dimension {self.dimension})"

    @property
    def dimension(self) -> int:
        return self.means.shape[1]

    @property
    def mean(self) -> FloatArray:
        return self.weights @ self.means

    @property
    def covariance(self) -> FloatArray:
        centred = self.means - self.mean
        spread = (self.weights[:, None] * centred).T @ centred
        if self.frames is None:
            return spread + np.diag(self.weights @ self.variances)
        return spread + np.einsum("k,kij->ij", self.weights, self.covariances)

    @property
    def covariances(self) -> FloatArray:
        """Component covariances, shape (K, d, d)."""
        if self.frames is None:
            return self.variances[:, :, None] * np.eye(self.dimension)
        rotation = self.frames[self.frame_of]
        return (rotation * self.variances[:, None, :]) @ rotation.transpose(0, 2, 1)

    @cached_property
    def _spread(self) -> FloatArray:
        """Covariances in the form the Hermite routines take: (K, d) if diagonal, else (K, d, d)."""
        return self.variances if self.frames is None else self.covariances

    @property
    def has_density(self) -> bool:
        """Whether every component of positive weight has a density."""
        return bool(np.all(self.variances[self.weights > 0.0] > 0.0))

    def _log_density_and_score(self, x: FloatArray, score: bool) -> tuple[FloatArray, FloatArray | None]:
        from ._log_density import mixture_log_density, mixture_log_density_and_score

        if not self.has_density:
            smallest = float(self.variances[self.weights > 0.0].min())
            raise InputError(
                f"covariances must be positive definite for a density, got a smallest eigenvalue of {smallest!r}."
            )
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        arguments = (x, log_weights, self.means, self.variances, self.frames, self.frame_of)
        return mixture_log_density_and_score(*arguments) if score else (mixture_log_density(*arguments), None)

    def sample(self, n: int, rng: Any = None) -> FloatArray:
        generator = np.random.default_rng(rng)
        count = checks.integer(n, "n")
        label = generator.choice(len(self.weights), size=count, p=self.weights)
        noise = np.sqrt(self.variances[label]) * generator.standard_normal((count, self.dimension))
        if self.frames is not None:
            assert self.frame_of is not None
            frame = self.frame_of[label]
            for index, rotation in enumerate(self.frames):
                chosen = frame == index
                noise[chosen] = noise[chosen] @ rotation.T
        return self.means[label] + noise

    def through(self, channel: GaussianChannel) -> GaussianMixture:
        return GaussianMixture._from_spectra(
            self.weights,
            channel.scale * self.means,
            channel.scale**2 * self.variances + channel.variance,
            self.frames,
            self.frame_of,
        )

    def project(self, direction: ArrayLike) -> GaussianMixture:
        """The marginal law along a direction (d,), normalised here, or orthonormal columns (d, k).

        Projections of an Ornstein-Uhlenbeck recursion are Ornstein-Uhlenbeck recursions of the projected law.
        """
        basis = orthonormal_columns(direction, self.dimension)
        covariances = np.einsum("ia,kij,jb->kab", basis, self.covariances, basis, optimize=True)
        return GaussianMixture(self.weights, self.means @ basis, covariances)

    def hermite_coefficients(self, degree: int) -> HermiteCoefficients:
        from ..hermite.coefficients import mixture_coefficients

        return mixture_coefficients(self.weights, self.means, self._spread, degree)

    def degree_energy(self, degree: int) -> FloatArray:
        """Exact energies sum_{abs(k)=n} c_k^2 for n = 0..degree, shape (degree + 1,); any dimension."""
        from ..hermite.degree import mixture_degree_energy

        return mixture_degree_energy(self, degree)

    def second_moments(self, indices: ArrayLike) -> FloatArray:
        from ..hermite.moments import second_moments

        return second_moments(self.weights, self.means, self._spread, checks.degrees(indices, "indices"))


def mixture_of(laws: list[GaussianMixture], weights: FloatArray) -> GaussianMixture:
    """The mixture of mixtures, flattened; components of weight 0 are dropped."""
    kept = [(law, w) for law, w in zip(laws, weights, strict=True) if w > 0.0]
    frames, frame_of = _joined_frames([law for law, _ in kept])
    flat_weights = np.concatenate([w * law.weights for law, w in kept])
    return GaussianMixture._from_spectra(
        flat_weights / flat_weights.sum(),
        np.concatenate([law.means for law, _ in kept]),
        np.concatenate([law.variances for law, _ in kept]),
        frames,
        frame_of,
    )


def orthonormal_columns(direction: ArrayLike, dimension: int) -> FloatArray:
    """A direction (d,) normalised to (d, 1), or orthonormal columns (d, k) as they are."""
    basis = np.asarray(direction, dtype=float)
    if basis.ndim == 1:
        length = np.linalg.norm(basis)
        if basis.shape != (dimension,) or not 0.0 < length < np.inf:
            raise InputError(f"direction must be a non-zero vector of length {dimension}, got {direction!r}.")
        return (basis / length)[:, None]
    if basis.ndim != 2 or basis.shape[0] != dimension:
        raise InputError(f"direction must have shape ({dimension},) or ({dimension}, k), got {basis.shape}.")
    if not np.allclose(basis.T @ basis, np.eye(basis.shape[1]), rtol=0.0, atol=1e-10):
        raise InputError(
            f"direction must have orthonormal columns, got a Gram matrix {(basis.T @ basis).tolist()!r}."
        )
    return basis


def _joined_frames(laws: list[GaussianMixture]) -> tuple[FloatArray | None, NDArray[np.int64] | None]:
    """One list of frames for several mixtures; ages of one mixture share theirs."""
    if all(law.frames is None for law in laws):
        return None, None
    frames: list[FloatArray] = []
    offsets: dict[int, int] = {}
    total, frame_of = 0, []
    for law in laws:
        own = np.eye(law.dimension)[None] if law.frames is None else law.frames
        key = -1 if law.frames is None else id(law.frames)
        if key not in offsets:
            offsets[key] = total
            frames.append(own)
            total += len(own)
        index = np.zeros(len(law.weights), dtype=np.int64) if law.frame_of is None else law.frame_of
        frame_of.append(index + offsets[key])
    return np.concatenate(frames), np.concatenate(frame_of)


def _spectra(
    covariances: ArrayLike, count: int, dimension: int
) -> tuple[FloatArray, FloatArray | None, NDArray[np.int64] | None]:
    """Eigenvalues (K, d), frames and frame index of covariances in any accepted form."""
    try:
        array = np.asarray(covariances, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"covariances must hold real numbers, got {covariances!r}.") from None
    checks.finite(array, "covariances")
    shape = (count, dimension)
    if array.ndim == 0:
        variances = np.full(shape, float(array))
    elif array.shape == (count,):
        variances = np.repeat(array[:, None], dimension, axis=1)
    elif array.shape in (shape, (1, dimension)):
        variances = np.broadcast_to(array, shape).copy()
    elif array.shape in ((*shape, dimension), (1, dimension, dimension)):
        return _full_spectra(array, count, dimension)
    else:
        raise InputError(
            f"covariances must be a scalar or have shape ({count},), ({count}, {dimension}), "
            f"({count}, {dimension}, {dimension}) or (1, {dimension}, {dimension}), got {array.shape}."
        )
    if variances.min() < 0.0:
        raise InputError(
            f"covariances must be positive semi-definite, got a variance of {float(variances.min())!r}."
        )
    return variances, None, None


def _full_spectra(
    array: FloatArray, count: int, dimension: int
) -> tuple[FloatArray, FloatArray | None, NDArray[np.int64] | None]:
    size = np.abs(array).max()
    asymmetry = np.abs(array - array.transpose(0, 2, 1)).max()
    if asymmetry > 1e-10 * size:
        raise InputError(f"covariances must be symmetric, got an asymmetry of {float(asymmetry)!r}.")
    diagonal = np.diagonal(array, axis1=1, axis2=2)
    if np.array_equal(array, diagonal[:, :, None] * np.eye(dimension)):
        eigenvalues, frames = diagonal.copy(), None
    else:
        eigenvalues, frames = np.linalg.eigh(0.5 * (array + array.transpose(0, 2, 1)))
    if eigenvalues.min() < -1e-12 * size:
        raise InputError(
            f"covariances must be positive semi-definite, got an eigenvalue of {float(eigenvalues.min())!r}."
        )
    variances = np.broadcast_to(np.maximum(eigenvalues, 0.0), (count, dimension)).copy()
    if frames is None:
        return variances, None, None
    frame_of = np.arange(count) if len(frames) == count else np.zeros(count, dtype=np.int64)
    return variances, np.ascontiguousarray(frames), frame_of
