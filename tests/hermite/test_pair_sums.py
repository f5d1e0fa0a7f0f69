"""Variances of averages over pairs: unbiased exactly, by enumerating every sample of a small discrete law."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hermite_collapse.hermite.pair_sums import OneSampleSums, TwoSampleSums

# A kernel on three points, symmetric and otherwise arbitrary, and two laws on them.
KERNEL = np.array([[1.3, -0.4, 0.7], [-0.4, 2.0, 0.1], [0.7, 0.1, -1.1]])
P = np.array([0.5, 0.3, 0.2])
Q = np.array([0.1, 0.6, 0.3])
# Degenerate for P: the mean given one argument is 0.
CENTRED = KERNEL - (KERNEL @ P)[:, None] - (P @ KERNEL) + P @ KERNEL @ P


def one_sample(labels, kernel):
    table = kernel[np.ix_(labels, labels)].copy()
    np.fill_diagonal(table, 0.0)
    return OneSampleSums(table.sum(axis=1)[:, None], np.array([np.square(table).sum()]))


def two_samples(first, second, kernel):
    table = kernel[np.ix_(first, second)]
    return TwoSampleSums(
        table.sum(axis=1)[:, None], table.sum(axis=0)[:, None], np.array([np.square(table).sum()])
    )


def everything(count, law):
    """All samples of a size with their probabilities."""
    for labels in itertools.product(range(3), repeat=count):
        yield list(labels), float(np.prod(law[list(labels)]))


@pytest.mark.parametrize("kernel", [KERNEL, CENTRED])
@pytest.mark.parametrize("count", [4, 6])
def test_one_sample(kernel, count):
    rows = [(weight, one_sample(labels, kernel)) for labels, weight in everything(count, P)]
    mean = sum(w * s.mean[0] for w, s in rows)
    variance = sum(w * (s.mean[0] - mean) ** 2 for w, s in rows)
    assert mean == pytest.approx(P @ kernel @ P, abs=1e-14)
    estimate = sum(w * s.combined(*s.zetas())[0] for w, s in rows)
    assert estimate == pytest.approx(variance, rel=1e-12)
    first = sum(w * s.zetas()[0][0] for w, s in rows)
    assert first == pytest.approx(P @ (kernel @ P) ** 2 - mean**2, abs=1e-13)
    cut = sum(w * s.variance()[0] for w, s in rows)
    assert cut >= variance * (1 - 1e-12)  # cutting at 0 can only add
    assert cut < 3.0 * variance
    assert all(s.variance()[0] >= 0 for _, s in rows)


@pytest.mark.parametrize("kernel", [KERNEL, CENTRED])
@pytest.mark.parametrize(("count", "other"), [(2, 4), (4, 3)])
def test_two_samples(kernel, count, other):
    rows = [
        (w * v, two_samples(first, second, kernel))
        for first, w in everything(count, P)
        for second, v in everything(other, Q)
    ]
    mean = sum(w * s.mean[0] for w, s in rows)
    variance = sum(w * (s.mean[0] - mean) ** 2 for w, s in rows)
    assert mean == pytest.approx(P @ kernel @ Q, abs=1e-14)
    assert sum(w * s.combined(*s.zetas())[0] for w, s in rows) == pytest.approx(variance, rel=1e-12)
    assert sum(w * s.variance()[0] for w, s in rows) >= variance * (1 - 1e-12)
    zetas = np.sum([w * np.array(s.zetas())[:, 0] for w, s in rows], axis=0)
    expected = [P @ (kernel @ Q) ** 2 - mean**2, Q @ (P @ kernel) ** 2 - mean**2, P @ kernel**2 @ Q - mean**2]
    assert zetas == pytest.approx(expected, abs=1e-13)
