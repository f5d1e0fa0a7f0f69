"""Values under attack: what is cached cannot be changed, equal values have equal hashes, NaN equals NaN."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.types import FloatArray
from hermite_collapse.core.value import Value


@dataclass(frozen=True, eq=False)
class Sample(Value):
    array: FloatArray
    table: dict[str, float]
    number: float = 0.0


@pytest.mark.parametrize("name", ["mean", "covariance", "covariance_factor"])
@pytest.mark.parametrize("kind", ["mixture", "empirical", "limit"])
def test_what_a_law_computed_once_cannot_be_changed(name, kind):
    mixture = hc.GaussianMixture([0.25, 0.75], [-1.5, 0.5], [0.1, 0.3])
    law = {
        "mixture": lambda: mixture,
        "empirical": lambda: hc.EmpiricalLaw([0.5, -1.0, 1.0]),
        "limit": lambda: hc.Recursion(mixture, fresh_fraction=0.3, truncation_time=0.1).limit(),
    }[kind]()
    with pytest.raises(ValueError, match="read-only"):
        getattr(law, name)[0] = 5.0


def test_arrays_in_a_cached_tuple_cannot_be_changed():
    variances, axes = hc.EmpiricalLaw([[0.5, 1.0], [-1.0, 0.0]]).principal_axes
    for array in (variances, axes):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5.0


def test_equal_values_have_equal_hashes():
    first = Sample(np.array([0.0, 1.0]), {"a": 1.0, "b": 2.0})
    second = Sample(np.array([-0.0, 1.0]), {"b": 2.0, "a": 1.0}, -0.0)
    assert first == second
    assert hash(first) == hash(second)


def test_nan_equals_nan():
    first, second = (Sample(np.array([float("nan")]), {}, float("nan")) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_an_estimate_of_unknown_error_equals_its_copy(again):
    estimate = hc.Estimate(1.0, float("nan"), "standard_error", "samples")
    assert again(estimate) == estimate
    assert hash(again(estimate)) == hash(estimate)
    assert estimate.replace(error=0.5) != estimate
    with pytest.raises(AttributeError):
        estimate.value = 2.0
