r"""The law of a sampler of K steps on a line, carried as points with masses.

With the exact denoiser of a mixture sum_k w_k N(m_k, v_k) the steps are not linear:

    D(x) = sum_k r_k(x) (a v_k x + s^2 m_k) / M_k,     M_k = a^2 v_k + s^2,     r_k proportional to w_k N(x; a m_k, M_k)

Samplers without noise carry the starting noise through one function Phi, and E f(X) = int f(Phi(u)) phi(u) du is done
by adaptive Gauss-Legendre rules.  Samplers with noise have a density after every step with noise,

    p'(y) = int p(x) N(y; f(x), q) dx,

which the trapezoidal rule gives on a grid finer than the noise: its error falls like exp(-2 pi^2 q / h^2).  The last
steps, which add no noise, carry the points of the grid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ._line_kernels import spread_points
from .denoiser import Posterior, Sampler
from .line_laws import LineLaw, WeightedPoints

REACH = 9.0  # standard deviations of normal noise that are followed: 2e-19 lies beyond
NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
FIRST_PANELS = 48
TOLERANCE = 1e-12  # of one panel, in units of the largest moment
LATER_TOLERANCE = 1e-9  # the same where the training law is points, merged in cells
HALVINGS = 60
SPACING = 0.5  # of the grid, in standard deviations of the noise of a step
LAST_SPACING = 1.0 / 16.0  # before the last steps, which may be steep
LEAST_MASS = 1e-18  # points that are carried on
ROUGH = 0.5  # refinement from which down a panel need not be known better than this:
ROUGH_TOLERANCE = 1e-9
SMALL_MASS = 1e-13  # points between which gaps may be wide
NO_NOISE = 1e-4  # of the noise level around it: noise of a step that moves a variance by 1e-8 of that level's
MOST_POINTS = 20_000_000  # of a grid

Map = Callable[[FloatArray], FloatArray]
Classify = Callable[[FloatArray], IntArray]


def can_be_followed(sampler: Sampler) -> bool:
    """Return whether a sampler's law on a line is known: no flow maps, and no noise in steps that look far back."""

    def draw() -> FloatArray:
        raise InputError("sampler must have no noise for its points to be carried, got one that draws.")

    def posterior(x: FloatArray, signal: float, noise: float) -> tuple[FloatArray, FloatArray]:
        return x, x

    try:
        if sampler.noise_by_step is None:
            sampler.carry(np.zeros(1), posterior, draw)
        else:
            sampler.advance(np.zeros(1), 0, posterior)
    except InputError:
        return False
    return True


def line_output(
    sampler: Sampler,
    training: LineLaw,
    *,
    guidance_scale: float = 1.0,
    shares: FloatArray | None = None,
    refinement: float = 1.0,
) -> WeightedPoints:
    """Return the law of a sampler's output for a training law without points, class by class under guidance.

    Parameters
    ----------
    sampler : Sampler
    training : LineLaw
    guidance_scale : float
        1 + omega.
    shares : array, shape (classes,), optional
        With which probabilities the classes are asked for under guidance; those of the training law if None.
    refinement : float
        How much finer the grid is than usual: 2 shows the error of 1, and ROUGH is enough for derivatives.
    """
    if guidance_scale == 1.0:
        points, masses = _carried(sampler, training.posterior, None, np.inf, refinement)
        return WeightedPoints(points, masses / masses.sum(), np.zeros(len(points), dtype=np.int64))
    return _by_class(sampler, training, guidance_scale, np.inf, shares, refinement)


def law_points(law: LineLaw, classify: Classify | None = None) -> WeightedPoints:
    """Return a mixture as points, in the classes of a rule or else each in that of its component."""
    parts = [
        (w, *_through(partial(_affine, m, np.sqrt(v)), classify, np.inf))
        for w, m, v in zip(law.weights, law.means, law.variances, strict=True)
    ]
    return _joined(parts, classify)


def finest_level(sampler: Sampler) -> float:
    """Return the least noise at which the denoiser is called, in the units of the data."""
    called = sampler.signal > 0.0
    return float(np.min(sampler.noise[called] / sampler.signal[called])) if called.any() else np.inf


def _guided(training: LineLaw, number: int, scale: float) -> Posterior[FloatArray]:
    """Return the posterior means of a class, extrapolated from those of the whole law."""
    own = training.of_class(number)

    def posterior(x: FloatArray, signal: float, noise: float) -> tuple[FloatArray, FloatArray]:
        guided, plain = own.posterior(x, signal, noise), training.posterior(x, signal, noise)
        data, noises = (scale * g - (scale - 1.0) * p for g, p in zip(guided, plain, strict=True))
        return data, noises

    return posterior


def _affine(shift: float, slope: float, x: FloatArray) -> FloatArray:
    return shift + slope * x


def _joined(parts: list[tuple[float, FloatArray, FloatArray]], classify: Classify | None) -> WeightedPoints:
    """Return weighted parts as one law; without a rule part k is class k."""
    points = np.concatenate([part[1] for part in parts])
    masses = np.concatenate([part[0] * part[2] for part in parts])
    if classify is None:
        labels = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    else:
        labels = classify(points)
    return WeightedPoints(points, masses / masses.sum(), labels)


def output_of(
    sampler: Sampler, training: LineLaw, scale: float, classify: Classify | None, finest: float
) -> WeightedPoints:
    """Return the law of a sampler's output, class by class under guidance."""
    if classify is not None:
        return _joined([(1.0, *_carried(sampler, training.posterior, classify, finest))], classify)
    return _by_class(sampler, training, scale, finest)


def _by_class(
    sampler: Sampler,
    training: LineLaw,
    scale: float,
    finest: float,
    shares: FloatArray | None = None,
    refinement: float = 1.0,
) -> WeightedPoints:
    """Return the law of a guided sampler's output; its classes are those that were asked for."""
    asked = np.bincount(training.classes, training.weights) if shares is None else shares
    return _joined(
        [
            (share, *_carried(sampler, _guided(training, k, scale), None, finest, refinement))
            for k, share in enumerate(asked)
        ],
        None,
    )


def _carried(
    sampler: Sampler,
    posterior: Posterior[FloatArray],
    classify: Classify | None,
    finest: float,
    refinement: float = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """Return points and masses of the law of a sampler's output, no further apart than the finest level."""
    added = _visible_noise(sampler)
    if added is not None and np.any(added > 0.0):
        return _with_noise(sampler, added, posterior, finest, refinement)

    def draw() -> FloatArray:
        raise InputError(
            "sampler must have no noise, or steps that look back no further than one, got "
            f"{sampler.describe()}: use particles."
        )

    def function(u: FloatArray) -> FloatArray:
        x = sampler.deviation * u
        if added is None:
            return sampler.carry(x, posterior, draw)
        for step in range(sampler.steps):
            x = sampler.advance(x, step, posterior)
        return x

    return _through(function, classify, finest, refinement)


def _visible_noise(sampler: Sampler) -> FloatArray | None:
    """Return the variance of the noise of each step, 0 where it is nothing beside the next level's.

    Posterior variances that diffusers keeps from being 0 are 1e-20: a grid finer than that would have no end.
    """
    added = sampler.noise_by_step
    if added is None:
        return None
    following = np.append(sampler.noise[1:], sampler.noise[-1])
    return np.where(added <= (NO_NOISE * following) ** 2, 0.0, added)


def _through(
    function: Map, classify: Classify | None, finest: float, refinement: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Return points and masses of the law of a function of a standard normal, by adaptive rules.

    Panels are halved until moments to degree 8, and the masses and means of the classes, no longer change, and until
    those that matter are no longer than ten times the finest level.
    """
    edges = np.linspace(-REACH, REACH, round(refinement * FIRST_PANELS) + 1)
    left, right = edges[:-1], edges[1:]
    values, masses = _panels(function, left, right)
    size = max(float(np.abs(values).max()), 1e-300)
    usual = TOLERANCE if np.isinf(finest) else LATER_TOLERANCE
    tolerance = ROUGH_TOLERANCE if refinement <= ROUGH else usual
    points_done, masses_done = [], []
    for _ in range(HALVINGS):
        middle = 0.5 * (left + right)
        lower, upper = np.append(left, middle), np.append(middle, right)
        halves, half_masses = _panels(function, lower, upper)
        whole = _features(values / size, masses, None if classify is None else classify(values.ravel()))
        parts = _features(halves / size, half_masses, None if classify is None else classify(halves.ravel()))
        sums = parts[: len(left)] + parts[len(left) :]
        settled = np.abs(whole - sums).max(axis=1) <= tolerance
        settled &= (np.ptp(values, axis=1) <= 10.0 * finest) | (masses.sum(axis=1) < SMALL_MASS)
        both = np.append(settled, settled)
        points_done.append(halves[both].ravel())
        masses_done.append(half_masses[both].ravel())
        left, right, values, masses = lower[~both], upper[~both], halves[~both], half_masses[~both]
        if not len(left):
            break
    points_done.append(values.ravel())
    masses_done.append(masses.ravel())
    return np.concatenate(points_done), np.concatenate(masses_done)


def _panels(function: Map, left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the values of a function at the nodes of panels, and the normal masses of the nodes."""
    half = 0.5 * (right - left)[:, None]
    u = 0.5 * (left + right)[:, None] + half * NODES
    masses = half * WEIGHTS * np.exp(-0.5 * u**2) / np.sqrt(2.0 * np.pi)
    return function(u.ravel()).reshape(u.shape), masses


def _features(values: FloatArray, masses: FloatArray, labels: IntArray | None) -> FloatArray:
    """Return the integrals of each panel that must settle, shape (panels, features)."""
    powers = [np.sum(masses * values**n, axis=1) for n in range(9)]
    if labels is not None:
        classes = labels.reshape(values.shape)
        # A sum over the classes would hide a point that changes its class.
        powers += [np.sum(masses * (classes + 1.0) * values**n, axis=1) for n in range(3)]
    return np.stack(powers, axis=1)


def _with_noise(
    sampler: Sampler, added: FloatArray, posterior: Posterior[FloatArray], finest: float, refinement: float
) -> tuple[FloatArray, FloatArray]:
    """Return points and masses of the output of a sampler with noise."""
    ends = np.flatnonzero(added > 0.0)
    firsts = np.append(0, ends + 1)

    def block(number: int, x: FloatArray) -> FloatArray:
        last = ends[number] + 1 if number < len(ends) else sampler.steps
        for step in range(firsts[number], last):
            x = sampler.advance(x, step, posterior)
        return x

    noises = np.sqrt(added[ends])
    grid = (np.zeros(1), np.ones(1), sampler.deviation)  # noise about a point is the law of the start
    for number in range(len(ends) + 1):
        points, masses, noise = grid
        following = noises[number] if number < len(ends) else np.inf
        spacing = min(
            SPACING * min(noise, following), LAST_SPACING * noise if following == np.inf else np.inf
        )
        spacing /= refinement
        widest = (0.5 * finest if following == np.inf else 0.9 * following) / max(refinement, 1.0)
        while True:
            x, mass = _spread(points, masses, noise, spacing)
            moved = block(number, x)
            heavy = mass > LEAST_MASS
            matters = mass > SMALL_MASS
            step = float(np.abs(np.diff(moved[matters])).max()) if matters.sum() > 1 else 0.0
            if step <= widest:
                break
            spacing *= 0.9 * widest / step
        grid = (moved[heavy], mass[heavy], float(following))
    return grid[0], grid[1]


def _spread(
    points: FloatArray, masses: FloatArray, noise: float, spacing: float
) -> tuple[FloatArray, FloatArray]:
    """Return a grid and the masses on it of weighted points plus normal noise."""
    width = int(np.ceil(REACH * noise / spacing))
    first = np.floor(points.min() / spacing) - width
    size = np.floor(points.max() / spacing) - first + width + 2.0
    if size > MOST_POINTS:
        raise InputError(
            "sampler must add noise that is no finer than a ten-millionth of the law's width, or none, for its law on "
            f"a line, got {noise:.3g}."
        )
    count = int(size)
    total = np.zeros(count)
    spread_points(np.ascontiguousarray(points), masses, noise, spacing, float(first), width, total)
    return (first + np.arange(count)) * spacing, total
