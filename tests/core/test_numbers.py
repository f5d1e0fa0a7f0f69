"""Numbers for people: they read back as the number, and carry no digit that their error does not support."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermite_collapse.core import numbers
from hermite_collapse.core.estimates import Estimate

RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(1, 6))
def test_significant_digits_read_back_as_the_number(value: float, digits: int) -> None:
    text = numbers.significant(value, digits)
    plain = text.replace("−", "-").translate(RAISED).replace(" × 10", "e")
    assert float(plain) == float(f"{value:.{digits}g}")


def test_numbers_that_are_none_have_signs_of_their_own() -> None:
    assert numbers.significant(float("inf")) == "∞"
    assert numbers.significant(float("-inf")) == "−∞"
    assert numbers.significant(float("nan")) == "–"


@pytest.mark.parametrize(
    ("estimate", "written"),
    [
        (Estimate(0.123456789, 1e-12), "0.1235"),
        (Estimate(0.2937, 0.0067, "standard_error"), "0.2937 ± 0.0067"),
        (Estimate(np.inf, 0.0), "∞"),
        (Estimate(1e-18, 3e-15), "at most 3 × 10⁻¹⁵"),
        (Estimate(1e-4, 2e-3, "standard_error"), "0.0001 ± 0.002"),
        (Estimate(0.001103, 0.0015, "standard_error"), "0.0011 ± 0.0015"),
        (Estimate(-1e-9, 2e-3, "standard_error"), "0 ± 0.002"),
        (Estimate(0.0, 5e-3, "standard_error"), "0 ± 0.005"),
        (Estimate(560.0, 1234.0, "standard_error"), "6 × 10² ± 1.2 × 10³"),
    ],
)
def test_values_carry_no_more_digits_than_their_error_allows(estimate: Estimate, written: str) -> None:
    assert numbers.with_error(estimate) == written


@given(st.floats(-3.0, 3.0), st.floats(-12.0, 12.0))
def test_a_z_score_below_one_can_be_read_from_value_and_error(z: float, exponent: float) -> None:
    z, error = z / 3.0, 10.0**exponent
    written = numbers.with_error(Estimate(z * error, error, "standard_error"))
    value, shown = (
        float(part.replace("−", "-").translate(RAISED).replace(" × 10", "e")) for part in written.split(" ± ")
    )
    assert value / shown == pytest.approx(z, abs=0.12)


@pytest.mark.parametrize("p", [1e-320, 1e-9, 0.0363, 0.5, 0.994, 0.996, 0.99996, 1.0 - 1e-12, 1.0])
def test_a_p_value_is_written_as_1_where_it_is(p: float) -> None:
    text = numbers.p_value(p)
    assert (text == "1") == (p == 1.0)
    if "×" not in text and ">" not in text:
        assert float(text) == pytest.approx(p, rel=0.05)
    assert numbers.p_value(float("nan")) == "–" and numbers.p_value(0.0).startswith("<")


@given(st.integers(1, 500), st.integers(1, 6))
def test_rounds_shown_are_few_distinct_and_end_with_the_last(last: int, count: int) -> None:
    shown = numbers.spread_rounds(last, count=count)
    assert 1 <= len(shown) <= count and len(set(shown)) == len(shown)
    assert list(shown) == sorted(shown) and shown[0] >= 1
    if count > 1:
        assert shown[-1] == last and shown[0] == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (3, "3"),
        (0.5, "0.5000"),
        (1e-9, "1.000e-09"),
        (np.inf, "infinite"),
        (-np.inf, "-infinite"),
        (None, "-"),
        (True, "yes"),
        ("word", "word"),
        (12345.6, "1.235e+04"),
        (np.nan, "nan"),
        (Estimate(0.1, 0.02, "standard_error"), "0.1000 ± 0.0200"),
        (Estimate(4.2e-6, 3e-7, "standard_error"), "4.200e-06 ± 3.0e-07"),
    ],
)
def test_cells(value, text):
    assert numbers.cell(value) == text
