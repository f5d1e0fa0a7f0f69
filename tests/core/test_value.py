"""Values are immutable, equal by content, picklable, and kernels can read them without another compilation."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest

from hermite_collapse.core.estimates import Estimate, standard_error_of_mean
from hermite_collapse.core.types import FloatArray
from hermite_collapse.core.value import Value, read_only, writable


@dataclass(frozen=True, eq=False)
class Sample(Value):
    values: FloatArray
    name: str = "x"


def test_arrays_are_read_only_and_the_callers_stay_writable():
    array = np.arange(3.0)
    value = Sample(array)
    with pytest.raises(ValueError, match="read-only"):
        value.values[0] = 5.0
    with pytest.raises(AttributeError):
        value.name = "y"
    array[0] = 7.0  # a view, not a copy
    assert value.values[0] == 7.0


def test_equality_hash_and_replace():
    one, same, other = (
        Sample(np.array([1.0, np.nan])),
        Sample(np.array([1.0, np.nan])),
        Sample(np.array([1.0, 2.0])),
    )
    assert one == same and hash(one) == hash(same)
    assert one != other and one != "x" and one != Sample(np.array([1.0, np.nan]), "y")
    assert Sample(np.array([1.0])) != Sample(np.array([1]))  # an integer array is another value
    changed = one.replace(name="y")
    assert changed.name == "y" and changed.values[0] == 1.0 and one.name == "x"


def test_pickle_keeps_arrays_read_only():
    back = pickle.loads(pickle.dumps(Sample(np.arange(4.0))))
    assert back == Sample(np.arange(4.0)) and not back.values.flags.writeable


def test_writable_opens_a_view_and_copies_what_it_cannot_open():
    array = np.arange(5.0)
    opened = writable(read_only(array))
    assert opened.flags.writeable and np.shares_memory(opened, array)
    closed = np.frombuffer(b"\0" * 16)
    copied = writable(closed)
    assert copied.flags.writeable and not np.shares_memory(copied, closed)
    assert read_only(read_only(array)).base is array


def test_mean_with_standard_error():
    values = np.array([1.0, 2.0, 4.0])
    mean = Estimate.of_mean(values)
    assert mean.value == values.mean() and mean.kind == "standard_error"
    np.testing.assert_allclose(mean.error, np.sqrt(np.sum((values - values.mean()) ** 2) / 6.0))
    np.testing.assert_allclose(standard_error_of_mean(values[:, None]), [mean.error])
    assert np.isnan(Estimate.of_mean([1.0]).error)
