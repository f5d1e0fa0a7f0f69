"""The bound on the divergence from the limit: its values, and a chain that attains it."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse import bounds


@pytest.mark.parametrize("alpha", [0.1, 0.4, 0.9])
def test_roots_decay_by_the_root_of_the_synthetic_share(alpha):
    found = bounds.divergence_to_limit([0.0, 0.04, 0.0], fresh_fraction=alpha, start=2.0)
    keep = np.sqrt(1 - alpha)
    roots = [np.sqrt(2.0)]
    for residual in (0.0, 0.2, 0.0):
        roots.append(keep * roots[-1] + residual)
    np.testing.assert_allclose(found, np.square(roots), rtol=1e-14)


@pytest.mark.parametrize("alpha", [0.1, 0.4, 0.9])
def test_a_chain_of_disjoint_ages_attains_it(alpha):
    """A round moves every state to the next, so the limit has alpha (1 - alpha)^(k-1) at age k, in two halves."""
    ages = 60
    limit = np.zeros((ages, 2))
    for _ in range(ages):
        training = (1 - alpha) * limit
        training[0] += alpha / 2  # real data: age 0, halves of equal mass
        limit = np.concatenate([np.zeros((1, 2)), training[:-1]])
    model = limit.copy()
    model[3] += 0.1 * limit[3] * np.array([1, -1])
    seen = []
    for _ in range(4):
        inside = limit > 0
        seen.append(((model - limit)[inside] ** 2 / limit[inside]).sum())
        training = (1 - alpha) * model
        training[0] += alpha / 2
        model = np.concatenate([np.zeros((1, 2)), training[:-1]])
    bound = bounds.divergence_to_limit([0.0] * 3, fresh_fraction=alpha, start=seen[0])
    np.testing.assert_allclose(seen, bound, rtol=1e-9)
