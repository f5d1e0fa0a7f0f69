"""Named mixtures that papers, tests and examples share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core import checks
from ..core.signature import public
from .mixture import GaussianMixture


def names() -> tuple[str, ...]:
    """The names `load` knows."""
    return tuple(_PRESETS)


@public
def load(name: str) -> GaussianMixture:
    """The preset mixture of that name."""
    return _PRESETS[checks.one_of(name, _PRESETS, "preset")]()


def _two_modes_1d() -> GaussianMixture:
    """Symmetric, variance 1 in all: the first mode the recursion touches is the fourth."""
    return GaussianMixture([0.5, 0.5], [-0.9, 0.9], 0.19)


def _three_modes_1d() -> GaussianMixture:
    """Asymmetric; energy in every degree from 1 to 12, so that each is measured to a per cent by 10^5 particles."""
    return GaussianMixture([0.2, 0.3, 0.5], [-1.7, 0.1, 2.0], [0.12, 0.06, 0.06])


def _off_centre_1d() -> GaussianMixture:
    """Mean 1.2: off-centre data gain phantom variance under the recursion."""
    return GaussianMixture([0.6, 0.4], [0.7, 1.95], [0.1, 0.6])


def _wide_1d() -> GaussianMixture:
    """A component of variance 2.5: the density series does not exist, the mixture form does."""
    return GaussianMixture([0.7, 0.3], [-0.5, 1.0], [0.4, 2.5])


def _grid_2d() -> GaussianMixture:
    axis = np.array([-1.2, 0.0, 1.2])
    means = np.array([(x, y) for x in axis for y in axis])
    return GaussianMixture(np.full(9, 1.0 / 9.0), means, 0.04)


def _tilted_2d() -> GaussianMixture:
    """Three full covariances in different frames."""
    angles = np.array([0.3, 1.4, 2.4])
    turn = np.array([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in angles])
    spectra = np.array([[0.5, 0.03], [0.35, 0.05], [0.25, 0.02]])
    covariances = (turn * spectra[:, None, :]) @ turn.transpose(0, 2, 1)
    return GaussianMixture([0.4, 0.35, 0.25], [[-0.8, 0.6], [0.9, 0.4], [0.1, -0.9]], covariances)


def _five_modes_10d() -> GaussianMixture:
    """The mixture of arXiv:2602.16601, Figure 1: standard deviation 0.6, means 0 and (+-4, +-4, 0, ..., 0)."""
    means = np.zeros((5, 10))
    means[1:, :2] = [[4.0, 4.0], [4.0, -4.0], [-4.0, 4.0], [-4.0, -4.0]]
    return GaussianMixture(np.full(5, 0.2), means, 0.36)


_PRESETS: dict[str, Callable[[], GaussianMixture]] = {
    "two_modes_1d": _two_modes_1d,
    "three_modes_1d": _three_modes_1d,
    "off_centre_1d": _off_centre_1d,
    "wide_1d": _wide_1d,
    "grid_2d": _grid_2d,
    "tilted_2d": _tilted_2d,
    "five_modes_10d": _five_modes_10d,
}
