"""Input rules under attack: what would be read wrongly is refused, with one sentence."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core import checks


@pytest.mark.parametrize("text", ["0.3", b"0.3", np.str_("0.3")])
def test_text_is_no_number(text):
    with pytest.raises(hc.InputError, match="x must be a real number, got"):
        checks.real(text, "x")


def test_an_integer_beyond_the_doubles():
    with pytest.raises(hc.InputError, match="x must be finite as a double, got 1000"):
        checks.real(10**400, "x")


def test_degrees_beyond_int64_do_not_wrap():
    with pytest.raises(
        hc.InputError, match=r"degree must hold integers below 2\^63, got 9223372036854775813"
    ):
        hc.attenuation(np.array([2**63 + 5], dtype=np.uint64), fresh_fraction=0.1, truncation_time=0.1)


def test_masked_entries_are_not_read():
    masked = np.ma.array([1.0, 2.0, 1e5], mask=[False, False, True])
    with pytest.raises(
        hc.InputError, match=r"samples must have no masked entries, got 1: leave them out first\."
    ):
        hc.EmpiricalLaw(masked)
    with pytest.raises(hc.InputError, match="degree must have no masked entries, got 1"):
        checks.degrees(np.ma.array([1, 2], mask=[False, True]))
    assert hc.EmpiricalLaw(masked[:2]).mean.tolist() == [1.5]


def test_tensors_of_types_that_numpy_lacks():
    torch = pytest.importorskip("torch")
    assert hc.EmpiricalLaw(torch.tensor([1.0, 2.0], dtype=torch.bfloat16)).mean.tolist() == [1.5]
    with pytest.raises(hc.InputError, match="samples must hold real numbers in a rectangular array"):
        hc.EmpiricalLaw(torch.eye(2).to_sparse())


def test_a_single_number_that_is_not_finite_is_named():
    with pytest.raises(hc.InputError, match=r"time must be finite, got inf\."):
        hc.sigma_from_time(np.inf)
