"""Sums along a fixed tree: the bits do not depend on how blocks arrive."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hermite_collapse.core.sum_tree import SumTree


def _total(tree):
    return [(block, np.asarray(node)[0].tobytes()) for block, node in tree.parts()]


@pytest.mark.parametrize("count", [1, 2, 7, 64, 77])
def test_any_grouping_gives_the_same_bits(count):
    rng = np.random.default_rng(count)
    sums = rng.normal(size=(count, 3)) * 10.0 ** rng.integers(-8, 8, (count, 1))
    whole, one_by_one, cut, merged = (SumTree(np.copy) for _ in range(4))
    tensors = SumTree(torch.clone)
    whole.add(0, sums)
    for block in range(count):
        one_by_one.add(block, sums[block : block + 1])
    middle = count // 3
    cut.add(0, sums[:middle])
    cut.add(middle, sums[middle:])
    other = SumTree(np.copy)
    merged.add(middle, sums[middle:])
    other.add(0, sums[:middle])
    merged.merge(other)
    tensors.add(0, torch.from_numpy(sums))
    for tree in (one_by_one, cut, merged, tensors):
        assert _total(tree) == _total(whole)
    assert len(whole.parts()) == bin(count).count("1")
    assert sorted(whole.spans())[0][0] == 0
    assert sorted(whole.spans())[-1][1] == count
    total = sum(node[0] for _, node in whole.parts())
    for column in range(3):
        exact = math.fsum(sums[:, column])
        assert abs(total[column] - exact) <= 8 * 2.0**-53 * np.abs(sums[:, column]).sum()


def test_nodes_share_no_memory_with_what_was_added():
    sums = np.ones((1, 2))
    tree = SumTree(np.copy)
    tree.add(0, sums)
    sums[:] = 7.0
    assert tree.parts()[0][1].tolist() == [[1.0, 1.0]]
    tree.clear()
    assert tree.parts() == []
