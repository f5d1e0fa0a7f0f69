"""Training laws of rounds whose sampler has no channel: mixtures by class, refitted to the particles.

The law of the output of K steps is no mixture.  For the next round it is replaced by the mixture of as many
components as the data that fits the particles of a run best: by maximum likelihood (EM from the data's components),
or, where classes were asked for, by mean and covariance of each class.  Either keeps the total mean and covariance of
the particles; one component is an exact refit of a Gaussian.  The first round needs no refit.

Particles stay on their device: means, covariances and the likelihood come from there, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..core.errors import InputError
from ..core.threads import one_thread
from ..core.types import FloatArray
from ..laws.channels import GaussianChannel
from ..laws.mixture import GaussianMixture, joined_mixture
from ..recursion.recursion import Recursion
from .generations import RoundContext
from .noise import Chunk, NoiseStream, pieces_of_run
from .refit_rule import FLOOR, ITERATIONS, SETTLED


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
            rows = context.earlier[j][run]
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


def labels_of_run(context: RoundContext, target: GaussianMixture, round_index: int, run: int) -> torch.Tensor:
    """Return the classes that the particles of an earlier round were asked for."""
    noise = NoiseStream(
        pieces_of_run(run, context.particles),
        seed=context.seed,
        round_index=round_index,
        purpose="labels",
        device=context.device,
    )
    return _labels(target, noise)


def _labels(target: GaussianMixture, noise: NoiseStream) -> torch.Tensor:
    steps = torch.as_tensor(np.cumsum(target.weights), device=noise.device)
    steps[-1] = torch.inf
    return torch.searchsorted(steps, noise.uniform(1)[:, 0].contiguous(), right=True)


def refitted(
    rows: torch.Tensor, start: GaussianMixture, labels: torch.Tensor | None = None
) -> GaussianMixture:
    """Return the mixture that fits particles best, component by component of another one.

    Parameters
    ----------
    rows : tensor, shape (N, d)
        In float64.
    start : GaussianMixture
        Where maximum likelihood starts.
    labels : tensor of int, shape (N,), optional
        The component of each particle, where it is known.
    """
    count = len(start.weights)
    with one_thread():  # sums split between threads would depend on their number
        if labels is not None:
            return _moments(rows, torch.nn.functional.one_hot(labels, count).to(rows.dtype))
        if count == 1:
            return _moments(rows, torch.ones_like(rows[:, :1]))
        law, before = start, -np.inf
        for _ in range(ITERATIONS):
            logits = _log_densities(rows, law)
            top = logits.amax(dim=1, keepdim=True)
            shares = (logits - top).exp_()
            total = shares.sum(dim=1, keepdim=True)
            likelihood = float((top + total.log()).mean())
            law = _moments(rows, shares.div_(total))
            if abs(likelihood - before) <= SETTLED:
                break
            before = likelihood
    return law


def _log_densities(rows: torch.Tensor, law: GaussianMixture) -> torch.Tensor:
    """Return log(w_k N(x; m_k, S_k)) but for a constant, shape (N, K)."""
    columns = []
    with np.errstate(divide="ignore"):
        log_weights = np.log(law.weights)
    for k, (mean, variances) in enumerate(zip(law.means, law.variances, strict=True)):
        centred = rows - rows.new_tensor(mean)
        if law.frames is not None:
            frame = law.frames[0 if law.frame_of is None else law.frame_of[k]]
            centred = centred @ rows.new_tensor(frame)
        constant = float(log_weights[k] - 0.5 * np.sum(np.log(variances)))
        columns.append(constant - 0.5 * centred.square_().div_(rows.new_tensor(variances)).sum(dim=1))
    return torch.stack(columns, dim=1)


def _moments(rows: torch.Tensor, shares: torch.Tensor) -> GaussianMixture:
    """Return the mixture with weights, means and covariances of weighted particles."""
    masses = shares.sum(dim=0)
    safe = masses.clamp(min=1e-300)
    means = (shares.T @ rows) / safe[:, None]
    parts = []
    for k, mean in enumerate(means):
        centred = rows - mean
        parts.append((shares[:, k, None] * centred).T @ centred / safe[k])
    least = FLOOR * rows.var(dim=0, correction=0).mean().clamp(min=1e-300)
    dimension = rows.shape[1]
    covariances = torch.stack(parts)
    identity = torch.eye(dimension, dtype=rows.dtype, device=rows.device)
    covariances = 0.5 * (covariances + covariances.mT) + least * identity
    weights, centres, spreads = (
        values.cpu().numpy() for values in (masses / masses.sum(), means, covariances)
    )
    if dimension == 1:
        return GaussianMixture(weights, centres, spreads[:, :, 0], covariance_type="diagonal")
    return GaussianMixture(weights, centres, spreads, covariance_type="full")


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
