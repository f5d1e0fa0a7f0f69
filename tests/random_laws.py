"""Random Gaussian mixtures for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import hermite_collapse as hc


@st.composite
def line_mixtures(draw, largest=4, spread=3.0, variances=(0.02, 3.0)):
    """One-dimensional mixtures of up to `largest` components."""
    count = draw(st.integers(1, largest))
    weights = np.array(draw(st.lists(st.floats(0.05, 1.0), min_size=count, max_size=count)))
    means = draw(st.lists(st.floats(-spread, spread), min_size=count, max_size=count))
    logs = st.floats(np.log(variances[0]), np.log(variances[1]))
    return hc.GaussianMixture(
        weights / weights.sum(), means, np.exp(draw(st.lists(logs, min_size=count, max_size=count)))
    )


def random_mixture(rng, dimension=1, largest=4, spread=2.0, variances=(0.02, 3.0)):
    """A mixture from a NumPy generator: full covariances in several dimensions."""
    count = int(rng.integers(1, largest + 1))
    weights = rng.dirichlet(np.full(count, 2.0))
    means = rng.uniform(-spread, spread, (count, dimension))
    spectra = np.exp(rng.uniform(*np.log(variances), (count, dimension)))
    frames = np.linalg.qr(rng.standard_normal((count, dimension, dimension)))[0]
    covariances = np.einsum("kij,kj,klj->kil", frames, spectra, frames)
    return hc.GaussianMixture(weights, means, 0.5 * (covariances + covariances.transpose(0, 2, 1)))


def normal(mean, variance):
    """One Gaussian on the line."""
    return hc.GaussianMixture([1.0], [mean], [variance])
