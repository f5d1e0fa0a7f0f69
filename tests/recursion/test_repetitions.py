"""The count of repetitions is the smallest that is enough."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hermite_collapse.recursion.repetitions import repetitions_to


@given(st.floats(1e-12, 0.99), st.floats(1e-3, 0.999))
def test_one_fewer_is_not_enough(remaining, factor):
    count = float(repetitions_to(remaining, factor))
    assert factor**count <= remaining * (1.0 + 1e-9)
    assert factor ** (count - 1.0) > remaining * (1.0 - 1e-9)


def test_ends_of_the_range():
    np.testing.assert_array_equal(repetitions_to(0.5, [0.0, 0.5, 1.0]), [1.0, 1.0, np.inf])
    np.testing.assert_array_equal(repetitions_to(1.0, [0.0, 0.5, 1.0]), 0.0)
