"""Training laws of rounds whose sampler has no channel: mixtures by class, refitted to the particles.

The law of the output of K steps is no mixture.  For the next round it is replaced by the mixture of as many
components as the data that fits the particles of a run best: by maximum likelihood (EM from the data's components),
or, where classes were asked for, by mean and covariance of each class.  Either keeps the total mean and covariance of
the particles; one component is an exact refit of a Gaussian.  The first round needs no refit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ..laws.channels import GaussianChannel
from ..laws.mixture import GaussianMixture, joined_mixture
from ..recursion.recursion import Recursion
from .generations import RoundContext
from .noise import Chunk, NoiseStream, pieces_of_run

_ITERATIONS = 300
_SETTLED = 1e-10  # change of the mean log-likelihood
_FLOOR = 1e-12  # least variance of a component, in units of the mean variance of all particles


@dataclass(frozen=True)
class ClassedLaw:
    """A law as classes, each a mixture: the components of the data, and what the rounds made of them.

    Attributes
    ----------
    classes : tuple of GaussianMixture
    shares : array, shape (C,)
        Probabilities of the classes.
    """

    classes: tuple[GaussianMixture, ...]
    shares: FloatArray

    def whole(self) -> GaussianMixture:
        """Return the law without its classes."""
        return joined_mixture(self.classes, self.shares)

    def through(self, channel: GaussianChannel) -> ClassedLaw:
        """Return the law of scale X + sqrt(variance) Z."""
        return ClassedLaw(tuple(part.through(channel) for part in self.classes), self.shares)


def check_classes(recursion: Recursion) -> None:
    """Refuse laws that have no classes in common, or none at all."""
    law = recursion.target
    initial = law if recursion.initial is None else recursion.initial
    if not (law.has_density and initial.has_density):
        raise InputError(
            "target must have a density for a sampler of K steps, got points: fit a mixture, or add noise by through."
        )
    count, other = len(law.as_mixture().weights), len(initial.as_mixture().weights)
    if other != count:
        raise InputError(
            "initial must have as many components as the target, its classes, for a sampler of K steps, got "
            f"{other} instead of {count}."
        )
    if not np.all(law.as_mixture().weights > 0.0):
        raise InputError(
            "target must have components of positive weight for a sampler of K steps, got weight 0."
        )


def training_laws(context: RoundContext, *, guided: bool) -> list[ClassedLaw]:
    """Return the training law of every run; one for all of them where no particles are drawn on."""
    recursion = context.recursion
    target = recursion.target.as_mixture()
    initial = target if recursion.initial is None else recursion.initial.as_mixture()
    fresh, earlier = recursion.mixing(context.round_index)
    used = [int(j) for j in np.flatnonzero(earlier)]
    laws = []
    for run in range(context.runs if any(used) else 1):
        parts = [(fresh, target)]
        for j in used:
            if j == 0:
                parts.append((float(earlier[0]), initial))
                continue
            rows = context.earlier[j][run].cpu().numpy()
            labels = labels_of_run(context, target, j, run) if guided else None
            parts.append((float(earlier[j]), refitted(rows, target, labels)))
        laws.append(
            _classed([part for part in parts if part[0] > 0.0]).through(
                GaussianChannel(1.0, recursion.blur**2)
            )
        )
    return laws


def draw_labels(context: RoundContext, target: GaussianMixture, chunk: Chunk) -> torch.Tensor:
    """Return the class that each row of a chunk is asked for, in the proportions of the data."""
    return _labels(target, context.noise(chunk, "labels"))


def labels_of_run(context: RoundContext, target: GaussianMixture, round_index: int, run: int) -> IntArray:
    """Return the classes that the particles of an earlier round were asked for."""
    noise = NoiseStream(
        pieces_of_run(run, context.particles),
        seed=context.seed,
        round_index=round_index,
        purpose="labels",
        device=context.device,
    )
    return _labels(target, noise).cpu().numpy()


def _labels(target: GaussianMixture, noise: NoiseStream) -> torch.Tensor:
    steps = torch.as_tensor(np.cumsum(target.weights), device=noise.device)
    steps[-1] = torch.inf
    return torch.searchsorted(steps, noise.uniform(1)[:, 0].contiguous(), right=True)


def refitted(rows: FloatArray, start: GaussianMixture, labels: IntArray | None = None) -> GaussianMixture:
    """Return the mixture that fits particles best, component by component of another one.

    Parameters
    ----------
    rows : array, shape (N, d)
    start : GaussianMixture
        Where maximum likelihood starts.
    labels : array of int, shape (N,), optional
        The component of each particle, where it is known.
    """
    count = len(start.weights)
    if labels is not None:
        return _moments(rows, np.eye(count)[labels])
    law, before = start, -np.inf
    if count == 1:
        return _moments(rows, np.ones((len(rows), 1)))
    for _ in range(_ITERATIONS):
        logits = _log_densities(rows, law)
        top = logits.max(axis=1, keepdims=True)
        shares = np.exp(logits - top)
        total = shares.sum(axis=1, keepdims=True)
        likelihood = float(np.mean(top + np.log(total)))
        law = _moments(rows, shares / total)
        if abs(likelihood - before) <= _SETTLED:
            break
        before = likelihood
    return law


def _log_densities(rows: FloatArray, law: GaussianMixture) -> FloatArray:
    """Return log(w_k N(x; m_k, S_k)) but for a constant, shape (N, K)."""
    columns = []
    with np.errstate(divide="ignore"):
        log_weights = np.log(law.weights)
    for k, (mean, variances) in enumerate(zip(law.means, law.variances, strict=True)):
        centred = rows - mean
        if law.frames is not None:
            frame = law.frames[0 if law.frame_of is None else law.frame_of[k]]
            centred = np.einsum("ni,ij->nj", centred, frame)
        columns.append(log_weights[k] - 0.5 * np.sum(np.log(variances) + centred**2 / variances, axis=1))
    return np.stack(columns, axis=1)


def _moments(rows: FloatArray, shares: FloatArray) -> GaussianMixture:
    """Return the mixture with weights, means and covariances of weighted particles; einsum sums in one order."""
    masses = np.einsum("nk->k", shares)
    safe = np.maximum(masses, 1e-300)
    means = np.einsum("nk,ni->ki", shares, rows) / safe[:, None]
    dimension = rows.shape[1]
    covariances = np.empty((len(masses), dimension, dimension))
    for k, mean in enumerate(means):
        centred = rows - mean
        covariances[k] = np.einsum("n,ni,nj->ij", shares[:, k], centred, centred) / safe[k]
    floor = _FLOOR * max(float(np.mean(np.var(rows, axis=0))), 1e-300)
    covariances += floor * np.eye(dimension)
    if dimension == 1:
        return GaussianMixture(masses / masses.sum(), means, covariances[:, :, 0], covariance_type="diagonal")
    return GaussianMixture(masses / masses.sum(), means, covariances, covariance_type="full")


def _classed(parts: Sequence[tuple[float, GaussianMixture]]) -> ClassedLaw:
    """Return weighted mixtures of the same classes as one law."""
    classes, shares = [], []
    for k in range(len(parts[0][1].weights)):
        weights = np.array([share * law.weights[k] for share, law in parts])
        if not weights.sum() > 0.0:
            raise InputError(f"particles must be enough for every class to have one, got none of class {k}.")
        classes.append(joined_mixture([_component(law, k) for _, law in parts], weights / weights.sum()))
        shares.append(weights.sum())
    return ClassedLaw(tuple(classes), np.array(shares) / np.sum(shares))


def _component(law: GaussianMixture, k: int) -> GaussianMixture:
    """Return one component as a law of its own."""
    part = slice(k, k + 1)
    frames = None
    if law.frames is not None:
        number = 0 if law.frame_of is None else int(law.frame_of[k])
        frames = law.frames[number : number + 1]
    frame_of = None if frames is None else np.zeros(1, dtype=np.int64)
    return GaussianMixture.from_spectra(np.ones(1), law.means[part], law.variances[part], frames, frame_of)
