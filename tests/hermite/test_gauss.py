"""Gauss-Hermite rules: nodes and weights against mpmath, and the whole discrete transform."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from hermite_collapse.hermite.basis import hermite_values_scaled
from hermite_collapse.hermite.gauss import gauss_rule


def true_node_and_weight(count: int, near: float, digits: int) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Newton's method on He_count from a nearby double, and Christoffel's number as the full sum of squares."""
    with mpmath.workdps(digits):

        def values(x: mpmath.mpf) -> list[mpmath.mpf]:
            monic = [mpmath.mpf(1), x]
            for k in range(1, count):
                monic.append(x * monic[k] - k * monic[k - 1])
            return monic

        x = mpmath.mpf(near)
        for _ in range(8):
            monic = values(x)
            step = monic[count] / (count * monic[count - 1])
            x -= step
            if abs(step) < mpmath.mpf(10) ** (-digits // 2):
                break
        total, factorial = mpmath.mpf(0), mpmath.mpf(1)
        for k, value in enumerate(values(x)[:count]):
            factorial *= max(k, 1)
            total += value**2 / factorial
        return x, 1 / total


@pytest.mark.parametrize("count", [1, 2, 3, 10, 64, 371, 400, 1000])
def test_nodes_and_weights_against_mpmath(count: int) -> None:
    rule = gauss_rule(count)
    assert len(rule.nodes) == len(rule.log_weights) == count
    assert (np.diff(rule.nodes) > 0).all()
    np.testing.assert_array_equal(rule.nodes, -rule.nodes[::-1])
    np.testing.assert_array_equal(rule.log_weights, rule.log_weights[::-1])
    ulp, log_ulp = np.spacing(rule.nodes[-1]), np.spacing(np.abs(rule.log_weights).max())
    picks = sorted({0, 1, count // 7, count // 3, count // 2 - 1, count // 2} & set(range(count)))
    for i in picks:
        x, weight = true_node_and_weight(count, rule.nodes[i], 60)
        finer, _ = true_node_and_weight(count, rule.nodes[i], 90)
        with mpmath.workdps(60):
            assert abs(x - finer) < mpmath.mpf(10) ** -40
            assert abs(mpmath.mpf(float(rule.nodes[i])) - x) <= float(ulp)
            log_error = abs(mpmath.mpf(float(rule.log_weights[i])) - mpmath.log(weight))
            assert log_error <= 2 * float(log_ulp) + 2e-16


def transform(count: int) -> np.ndarray:
    """sqrt(w_i) h_k(x_i) for all nodes and all degrees below count, each entry formed in logarithms."""
    rule = gauss_rule(count)
    values, log_scale = hermite_values_scaled(rule.nodes, count - 1)
    with np.errstate(under="ignore"):
        return values * np.exp(log_scale + 0.5 * rule.log_weights[:, None])


@pytest.mark.parametrize("count", [1, 2, 64, 400, 1000])
def test_the_whole_transform_is_orthogonal(count: int) -> None:
    matrix = transform(count)
    # at the outermost node the weight itself is exp(-1950) at 1000 nodes, yet its row is as long as every other
    tolerance = 2e-15 * count**0.5 + 3e-16 * float(np.abs(gauss_rule(count).log_weights).max())
    columns = np.abs(matrix.T @ matrix - np.eye(count)).max()
    rows = np.abs(matrix @ matrix.T - np.eye(count)).max()
    assert columns < tolerance
    assert rows < tolerance
    # no entry that matters comes from an underflow: each node has its largest entry well above zero
    assert np.abs(matrix).max(axis=1).min() > 0.5 / np.sqrt(count)


def test_the_transform_tells_a_wrong_node() -> None:
    rule = gauss_rule(1000)
    values, log_scale = hermite_values_scaled(rule.nodes * (1 + 1e-13), 999)
    matrix = values * np.exp(log_scale + 0.5 * rule.log_weights[:, None])
    assert np.abs(matrix @ matrix.T - np.eye(1000)).max() > 2e-12


@pytest.mark.parametrize("count", [5, 64, 371, 1000])
def test_even_moments(count: int) -> None:
    rule = gauss_rule(count)
    moment = 1.0
    for half in range(1, min(count, 40)):
        moment *= 2 * half - 1
        assert (np.exp(rule.log_weights) * rule.nodes ** (2 * half)).sum() == pytest.approx(
            moment, rel=2e-14 * half
        )


def test_one_degree_too_far() -> None:
    rule = gauss_rule(5)
    assert (np.exp(rule.log_weights) * rule.nodes**10).sum() == pytest.approx(
        945 - 120, rel=1e-13
    )  # E x^10 minus 5!


def test_moment_generating_function_at_1000_nodes() -> None:
    rule = gauss_rule(1000)
    for t in (1.0, 5.0, 20.0, 35.0):
        assert np.log(np.exp(rule.log_weights + t * rule.nodes - t * t / 2).sum()) == pytest.approx(
            0.0, abs=2e-13
        )
