"""Gaussian mixtures in any dimension, with every usual form of covariance.

A component N(m_k, S_k) is held as eigenvalues in a frame, S_k = Q diag(l_k) Q^T.  A Gaussian channel keeps the
frame and maps l to A^2 l + v, so that all ages of a component share one rotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray, IntArray, Seed
from .channels import GaussianChannel
from .protocol import DensityLaw

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture as SklearnMixture

    from ..hermite.coefficients import HermiteCoefficients

COVARIANCE_TYPES = ("spherical", "diagonal", "full", "shared")


@public
class GaussianMixture(DensityLaw):
    """A mixture sum_k w_k N(m_k, S_k).

    Parameters
    ----------
    weights : array, shape (K,)
        >= 0, sum 1.
    means : array, shape (K, d), or (K,) in one dimension
    covariances : array
        Scalar (every component isotropic), (K,) (isotropic), (K, d) or (1, d) (diagonal), (K, d, d) (full) or
        (1, d, d) (full, the same for all).  Positive semi-definite; a zero eigenvalue is allowed, and then the law has
        no density.
    covariance_type : str, optional
        "spherical", "diagonal", "full" or "shared": how to read covariances.  Needed where the shape does not tell: a
        square (d, d) with K = d components may hold a row of variances for each component or one matrix for all.

    Attributes
    ----------
    weights : array, shape (K,)
    means, variances : array, shape (K, d)
        Means, and eigenvalues of the covariances.
    frames : array, shape (F, d, d), or None
        Orthogonal matrices whose columns are the eigenvectors; None when every covariance is diagonal.
    frame_of : array of int, shape (K,), or None
        The frame of each component.

    Raises
    ------
    InputError
        For weights that are negative or do not sum to 1, shapes that do not match or can be read in two ways, and
        covariances that are not symmetric or have a negative eigenvalue.

    Examples
    --------
    >>> law = GaussianMixture([0.25, 0.75], [-1.5, 0.5], [0.1, 0.3])
    >>> float(law.mean[0]), round(float(law.covariance[0, 0]), 12)
    (0.0, 1.0)
    >>> law.hermite_coefficients(3).values.round(4).tolist()
    [1.0, 0.0, 0.0, -0.2143]
    """

    _fields = ("weights", "means", "variances", "frames", "frame_of")

    weights: FloatArray
    means: FloatArray
    variances: FloatArray
    frames: FloatArray | None
    frame_of: IntArray | None

    def __init__(
        self,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        *,
        covariance_type: str | None = None,
    ) -> None:
        share = checks.probabilities(weights)
        centres = checks.samples(means, "means").copy()
        count, dimension = centres.shape
        if len(share) != count:
            raise InputError(f"means must have one row a weight ({len(share)}), got {count}.")
        self._fill(share, centres, *_spectra(covariances, count, dimension, covariance_type))

    def _fill(
        self,
        weights: FloatArray,
        means: FloatArray,
        variances: FloatArray,
        frames: FloatArray | None,
        frame_of: IntArray | None,
    ) -> None:
        for name, value in zip(self._fields, (weights, means, variances, frames, frame_of), strict=True):
            self._set(name, value)

    @classmethod
    def from_spectra(
        cls,
        weights: FloatArray,
        means: FloatArray,
        variances: FloatArray,
        frames: FloatArray | None = None,
        frame_of: IntArray | None = None,
    ) -> GaussianMixture:
        """Return a mixture from arrays in canonical form (see the attributes); nothing is checked or copied."""
        law = cls.__new__(cls)
        law._fill(weights, means, variances, frames, frame_of)
        return law

    def _arguments(self) -> dict[str, Any]:
        kind = "diagonal" if self.frames is None else "full"
        return {
            "weights": self.weights,
            "means": self.means,
            "covariances": self.variances if self.frames is None else self.covariances,
            "covariance_type": kind,
        }

    def replace(self, **changes: Any) -> GaussianMixture:
        """Return a copy with other weights, means or covariances."""
        if "covariances" in changes:
            changes = {"covariance_type": None, **changes}
        return GaussianMixture(**{**self._arguments(), **changes})

    @classmethod
    def from_sklearn(cls, estimator: SklearnMixture) -> GaussianMixture:
        """Return the mixture fitted by `sklearn.mixture.GaussianMixture`, of any covariance type.

        Raises
        ------
        InputError
            If the estimator is no fitted sklearn mixture.
        """
        try:
            kind = _SKLEARN_TYPES[estimator.covariance_type]
            weights = np.asarray(estimator.weights_, dtype=float)
            means, covariances = estimator.means_, np.asarray(estimator.covariances_, dtype=float)
        except (AttributeError, KeyError):
            raise InputError(
                f"estimator must be a fitted sklearn GaussianMixture, got {estimator!r}."
            ) from None
        return cls(weights / weights.sum(), means, covariances, covariance_type=kind)

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

    @cached_property
    def mean(self) -> FloatArray:
        return np.asarray(self.weights @ self.means)

    @cached_property
    def covariance(self) -> FloatArray:
        centred = self.means - self.mean
        spread = (self.weights[:, None] * centred).T @ centred
        if self.frames is None:
            return np.asarray(spread + np.diag(self.weights @ self.variances))
        return np.asarray(spread + np.einsum("k,kij->ij", self.weights, self.covariances))

    @property
    def covariances(self) -> FloatArray:
        """Component covariances, shape (K, d, d)."""
        if self.frames is None or self.frame_of is None:
            return np.asarray(self.variances[:, :, None] * np.eye(self.dimension))
        rotation = self.frames[self.frame_of]
        return np.asarray((rotation * self.variances[:, None, :]) @ rotation.transpose(0, 2, 1))

    @property
    def has_density(self) -> bool:
        """Whether every component of positive weight has a density."""
        return bool(np.all(self.variances[self.weights > 0.0] > 0.0))

    def as_mixture(self) -> GaussianMixture:
        return self

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

    def sample(self, n: int, rng: Seed = None) -> FloatArray:
        generator = np.random.default_rng(rng)
        count = checks.integer(n, "n")
        label = generator.choice(len(self.weights), size=count, p=self.weights)
        noise = np.sqrt(self.variances[label]) * generator.standard_normal((count, self.dimension))
        if self.frames is not None:
            assert self.frame_of is not None
            frame = self.frame_of[label]
            for index, rotation in enumerate(self.frames):
                selected = frame == index
                noise[selected] = noise[selected] @ rotation.T
        return self.means[label] + noise

    def through(self, channel: GaussianChannel) -> GaussianMixture:
        return GaussianMixture.from_spectra(
            self.weights,
            channel.scale * self.means,
            channel.scale**2 * self.variances + channel.variance,
            self.frames,
            self.frame_of,
        )

    def project(self, direction: ArrayLike) -> GaussianMixture:
        """Return the marginal law along a direction (d,), normalised here, or orthonormal columns (d, k).

        Projections of an Ornstein-Uhlenbeck recursion are Ornstein-Uhlenbeck recursions of the projected law.
        """
        basis = orthonormal_columns(direction, self.dimension)
        covariances = np.einsum("ia,kij,jb->kab", basis, self.covariances, basis, optimize=True)
        return GaussianMixture(self.weights, self.means @ basis, covariances, covariance_type="full")

    def hermite_coefficients(self, degree: int) -> HermiteCoefficients:
        from ..hermite.coefficients import mixture_coefficients

        return mixture_coefficients(self, degree)

    def degree_energy(self, degree: int) -> FloatArray:
        """Return the exact energies sum_{abs(k)=n} c_k^2 for n = 0..degree, shape (degree + 1,); any dimension."""
        from ..hermite.degree import mixture_degree_energy

        return mixture_degree_energy(self, degree)

    def second_moments(self, indices: ArrayLike) -> FloatArray:
        from ..hermite.indices import as_indices
        from ..hermite.moments import second_moments

        return second_moments(self, as_indices(indices, self.dimension))


def joined_mixture(laws: Sequence[GaussianMixture], weights: FloatArray) -> GaussianMixture:
    """Return the mixture of mixtures, flattened; laws of weight 0 are left out."""
    used = [(law, w) for law, w in zip(laws, weights, strict=True) if w > 0.0]
    frames, frame_of = _joined_frames([law for law, _ in used])
    flat_weights = np.concatenate([w * law.weights for law, w in used])
    return GaussianMixture.from_spectra(
        flat_weights / flat_weights.sum(),
        np.concatenate([law.means for law, _ in used]),
        np.concatenate([law.variances for law, _ in used]),
        frames,
        frame_of,
    )


def orthonormal_columns(direction: ArrayLike, dimension: int) -> FloatArray:
    """Return a direction (d,) normalised to (d, 1), or orthonormal columns (d, k) as they are."""
    basis = checks.real_array(direction, "direction")
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


def _joined_frames(laws: Sequence[GaussianMixture]) -> tuple[FloatArray | None, IntArray | None]:
    """Return one list of frames for several mixtures; ages of one mixture share theirs."""
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


Spectra = tuple[FloatArray, FloatArray | None, IntArray | None]

_SKLEARN_TYPES = {"spherical": "spherical", "diag": "diagonal", "full": "full", "tied": "shared"}


def _spectra(covariances: ArrayLike, count: int, dimension: int, kind: str | None) -> Spectra:
    """Return eigenvalues (K, d), frames and frame index of covariances in any accepted form."""
    array = checks.real_array(covariances, "covariances")
    if kind is not None:
        checks.one_of(kind, COVARIANCE_TYPES, "covariance_type")
    shape = (count, dimension)
    square = array.shape == (dimension, dimension) and dimension > 1
    if kind is None and square and count == dimension:
        raise InputError(
            f"covariances must have three axes, or covariance_type be given, where there are as many components as "
            f"dimensions ({count}), since a square can be one row of variances for each component ('diagonal') or one "
            f"matrix for all ('shared'), got shape {array.shape}."
        )
    if kind is None and square and count == 1:
        kind = "shared"
    accepted: dict[str, tuple[tuple[int, ...], ...]] = {
        "spherical": ((), (count,)),
        "diagonal": (shape, (1, dimension)),
        "full": ((*shape, dimension),),
        "shared": ((1, dimension, dimension),)
        if kind is None
        else ((1, dimension, dimension), shape[1:] * 2),
    }
    considered = [name for name in accepted if kind in (None, name)]
    name = next((name for name in considered if array.shape in accepted[name]), None)
    if name is None:
        forms = dict.fromkeys(str(form) for name in considered for form in accepted[name] if form)
        scalar = "be a scalar or " if "spherical" in considered else ""
        raise InputError(f"covariances must {scalar}have shape {' or '.join(forms)}, got {array.shape}.")
    if name in ("full", "shared"):
        return _full_spectra(array.reshape(-1, dimension, dimension), count, dimension)
    spread = array.reshape(-1, 1) if name == "spherical" else array
    variances = np.broadcast_to(spread, shape).copy()
    if variances.min() < 0.0:
        raise InputError(
            f"covariances must be positive semi-definite, got a variance of {float(variances.min())!r}."
        )
    return variances, None, None


def _full_spectra(array: FloatArray, count: int, dimension: int) -> Spectra:
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
