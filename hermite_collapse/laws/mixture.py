"""What every law offers, and the Gaussian mixture that every law can be written as.

A component N(m_k, S_k) of a mixture is held as eigenvalues in a frame, S_k = Q diag(l_k) Q^T.  A Gaussian channel keeps
the frame and maps l to A^2 l + v, so that all ages of a component share one rotation.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.display import Displayed
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray, IntArray, Seed
from ..core.value import Value
from .channels import GaussianChannel
from .covariances import SKLEARN_TYPES, orthonormal_columns, spectra

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture as SklearnMixture

    from ..hermite.coefficients import HermiteCoefficients


class Law(Displayed, Value, ABC):
    """A probability law on R^d: an immutable value.

    Attributes
    ----------
    dimension : int
        d.
    mean : array, shape (d,)
    covariance : array, shape (d, d)
    has_density : bool
        Whether the law has a density.
    """

    @property
    @abstractmethod
    def dimension(self) -> int:
        """d."""

    @property
    @abstractmethod
    def mean(self) -> FloatArray:
        """E X, shape (d,)."""

    @property
    @abstractmethod
    def covariance(self) -> FloatArray:
        """Cov X, shape (d, d)."""

    @cached_property
    def principal_axes(self) -> tuple[FloatArray, FloatArray]:
        """Variances along the principal axes, ascending, shape (d,), and the axes as columns, shape (d, d)."""
        variances, axes = np.linalg.eigh(self.covariance)
        return np.maximum(variances, 0.0), axes

    @cached_property
    def covariance_factor(self) -> FloatArray:
        """F with F F^T = Cov X, shape (d, d): Cholesky's, or by the principal axes where Cov X is singular."""
        try:
            return np.asarray(np.linalg.cholesky(self.covariance))
        except np.linalg.LinAlgError:
            variances, axes = self.principal_axes
            return axes * np.sqrt(variances)

    @property
    @abstractmethod
    def has_density(self) -> bool:
        """Whether the law has a density."""

    @property
    def unbounded_ages(self) -> bool:
        """Whether the law stands for an average over infinitely many ages."""
        return False

    @property
    def tail_channel(self) -> GaussianChannel | None:
        """Where the channels of ever older ages tend; None without unbounded ages, or if their variance grows."""
        return None

    @abstractmethod
    def as_mixture(self) -> GaussianMixture:
        """Return the same law as one Gaussian mixture; samples become components of zero covariance."""

    @abstractmethod
    def sample(self, n: int, rng: Seed = None) -> FloatArray:
        """Draw n independent points, shape (n, d); rng is anything `numpy.random.default_rng` takes."""

    @abstractmethod
    def through(self, channel: GaussianChannel) -> Law:
        """Return the law of scale X + sqrt(variance) Z."""

    @abstractmethod
    def project(self, direction: ArrayLike) -> Law:
        """Return the marginal law along a direction (d,), normalised here, or orthonormal columns (d, k)."""

    @abstractmethod
    def hermite_coefficients(self, degree: int) -> HermiteCoefficients:
        """Return the coefficients c_k = E h_k(X) of all multi-indices of total degree <= degree."""

    @abstractmethod
    def second_moments(self, indices: ArrayLike) -> FloatArray:
        """Return E h_k(X)^2 for each row k of indices (m, d), shape (m,)."""


class DensityLaw(Law):
    """A law with a density; subclasses give log density and score at (n, d) points."""

    @abstractmethod
    def _log_density_and_score(self, x: FloatArray, score: bool) -> tuple[FloatArray, FloatArray | None]:
        """Return the log density (n,) and, if asked, the score (n, d) at the points x (n, d)."""

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Return log p(x), shape (...), for x of shape (..., d); finite wherever the true value is representable."""
        flat, leading = checks.points(x, self.dimension)
        return self._log_density_and_score(flat, score=False)[0].reshape(leading)

    def density(self, x: ArrayLike) -> FloatArray:
        """Return p(x), shape (...), for x of shape (..., d)."""
        return np.asarray(np.exp(self.log_density(x)))

    def score(self, x: ArrayLike) -> FloatArray:
        """Return grad log p(x), shaped like x."""
        flat, _ = checks.points(x, self.dimension)
        gradient = self._log_density_and_score(flat, score=True)[1]
        assert gradient is not None
        return gradient.reshape(np.shape(x))


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
        self._fill(share, centres, *spectra(covariances, count, dimension, covariance_type))

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
        elif self.frames is not None and "covariance_type" not in changes:
            # Eigenvalues and frames as they are: formed and decomposed again, covariances would be rounded.
            diagonal = {"covariances": self.variances, "covariance_type": "diagonal"}
            other = GaussianMixture(**{**self._arguments(), **diagonal, **changes})
            return GaussianMixture.from_spectra(
                other.weights, other.means, self.variances, self.frames, self.frame_of
            )
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
            kind = SKLEARN_TYPES[estimator.covariance_type]
            weights = np.asarray(estimator.weights_, dtype=float)
            means, covariances = estimator.means_, np.asarray(estimator.covariances_, dtype=float)
        except (AttributeError, KeyError):
            raise InputError(
                f"estimator must be a fitted sklearn GaussianMixture, got {estimator!r}."
            ) from None
        return cls(weights / weights.sum(), means, covariances, covariance_type=kind)

    @classmethod
    def fit(
        cls, samples: ArrayLike, *, components: int | Sequence[int] = range(1, 9), seed: int = 0
    ) -> GaussianMixture:
        """Return the mixture of full covariances fitted to samples by maximum likelihood (scikit-learn).

        Parameters
        ----------
        samples : array, shape (n, d)
        components : int or sequence of int
            A number from 1 to n, or several among which the Bayesian information criterion chooses; of several, those
            above n, and those for which a component collapses, are left out.
        seed : int
            In [0, 2^32).

        Returns
        -------
        GaussianMixture

        Raises
        ------
        InputError
            If an argument is outside its range, a component collapses onto fewer directions than the samples spread in
            (then the likelihood has no maximum), or scikit-learn is not installed.

        Notes
        -----
        Covariances in units of the samples' own spread, with nothing added to them: the fit of c x is c times that of
        x, from 1e-150 to 1e150.  Directions without spread have the variance 0, and then the law has no density.
        """
        if importlib.util.find_spec("sklearn") is None:
            raise InputError(
                "fit needs scikit-learn, which is not installed; pip install 'hermite_collapse[images]'."
            )
        from .mixture_fit import fitted_spectra

        data = checks.samples(samples, minimum=2)
        is_one = np.ndim(components) == 0
        asked = [components] if is_one else checks.items(cast("Sequence[int]", components), "components")
        counts = [checks.integer(count, "components", 1) for count in asked]
        fitting = [count for count in counts if count <= len(data)]
        if not fitting or (is_one and fitting != counts):
            shown = counts[0] if counts else "none"
            raise InputError(f"components must be at most the number of samples, {len(data)}, got {shown}.")
        state = checks.integer(seed, "seed")
        if state >= 2**32:
            raise InputError(f"seed must be below 2^32, got {state}.")
        return cls.from_spectra(*fitted_spectra(data, fitting, state))

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
        generator = checks.generator(rng)
        count = checks.entries(n, "n", each=24.0 * self.dimension)
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
        checks.instance(channel, GaussianChannel, "channel")
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
