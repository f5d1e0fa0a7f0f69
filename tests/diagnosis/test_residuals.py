"""Whether residuals are taken for white normal noise."""

from __future__ import annotations

import numpy as np

from hermite_collapse.diagnosis.observed.residuals import Residuals, are_normal

COUNT, CURVES, TABLES = 12, 3, 1000
INDEX = np.arange(float(COUNT))
BASIS = np.linalg.qr(np.stack([np.ones(COUNT), 1.0 - 0.7**INDEX, INDEX * 0.7**INDEX], axis=1))[0]


def share_of_normal(noise):
    """Return the share of tables (TABLES, CURVES, COUNT) whose residuals about a curve are taken for white."""
    left = noise - noise @ BASIS @ BASIS.T
    tables = [[Residuals(one, BASIS, COUNT - 3) for one in table] for table in left]
    return np.mean([are_normal(table) for table in tables])


def test_white_residuals_pass_and_others_do_not():
    """In nineteen of twenty tables; not where noise is twice as large or half, or goes on, nor with one far value."""
    white = np.random.default_rng(2).standard_normal((TABLES, CURVES, COUNT))
    assert share_of_normal(white) > 0.93
    assert share_of_normal(2.0 * white) < 0.02 and share_of_normal(0.5 * white) < 0.05
    following = np.zeros_like(white)
    for i in range(COUNT):
        following[..., i] = 0.9 * following[..., max(i - 1, 0)] + (1.0 - 0.81) ** 0.5 * white[..., i]
    scale = np.sqrt(np.mean((following - following @ BASIS @ BASIS.T) ** 2) * COUNT / (COUNT - 3))
    assert share_of_normal(following / scale) < 0.5
    far = white.copy()
    far[:, 0, 5] = 7.0
    assert share_of_normal(far) < 0.02


def test_nothing_is_said_without_degrees_of_freedom():
    assert not are_normal([Residuals(np.zeros(3), BASIS[:3], 0)])
