"""Log-density of a recursion's law with a thousand ages: the kernel and the age rule against SciPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hermite_collapse.laws._log_density import mixture_log_density, mixture_log_density_and_score
from hermite_collapse.laws.ages import ornstein_uhlenbeck_ages

from . import timing

_POINTS = 100_000
_SCIPY_POINTS = (
    5_000  # its time is proportional to the number of points; all of them would take half a minute a turn
)
_SCIPY_CHUNK = 500
_AGES = 1000
_NODES = 32
_FRESH_FRACTION = 0.05
_EXPONENT = 0.01  # rate times truncation time


def run() -> list[dict[str, Any]]:
    """Rows of the table; `met` says whether the row's target is reached."""
    from scipy.special import logsumexp
    from scipy.stats import norm  # noqa: TID251 - it is what the kernel is measured against

    rng = np.random.default_rng(0)
    law = (rng.dirichlet(np.ones(5)), 3.0 * rng.standard_normal(5), rng.uniform(0.1, 1.0, 5))
    k = np.arange(1, _AGES + 1)
    every = _aged(law, np.exp(-_EXPONENT * k), _FRESH_FRACTION * (1.0 - _FRESH_FRACTION) ** (k - 1))
    weights, scales, _ = ornstein_uhlenbeck_ages(_FRESH_FRACTION, _EXPONENT, _NODES)
    rule = _aged(law, scales, weights)
    x = rng.uniform(-10.0, 10.0, (_POINTS, 1))

    def scipy_chunks() -> np.ndarray:
        log_weights, means, deviations = every[0], every[1][:, 0], np.sqrt(every[2][:, 0])
        parts = [
            logsumexp(norm.logpdf(x[i : i + _SCIPY_CHUNK], means, deviations) + log_weights, axis=1)
            for i in range(0, _SCIPY_POINTS, _SCIPY_CHUNK)
        ]
        return np.concatenate(parts)

    times = timing.interleaved(
        {
            "kernel": lambda: mixture_log_density(x, *every),
            "scipy": scipy_chunks,
            "rule": lambda: mixture_log_density(x, *rule),
            "score": lambda: mixture_log_density_and_score(x, *every),
        },
        repetitions=9,
        seconds=40.0,
    )
    scale = _POINTS / _SCIPY_POINTS
    times["scipy"] = times["scipy"] * scale
    reference = scipy_chunks()
    exact = mixture_log_density(x, *every)
    error = float(np.max(np.abs(exact[:_SCIPY_POINTS] - reference) / np.maximum(1.0, np.abs(reference))))
    # the thousand ages leave out (1 - alpha)^1000 = 5e-23 of the limit law
    rule_error = float(np.max(np.abs(mixture_log_density(x, *rule) - exact) / np.maximum(1.0, np.abs(exact))))
    case = f"{_AGES} ages x 5 components, {_POINTS:.0e} points"
    rows = [
        {
            "case": f"{case}: scipy.stats.norm.logpdf + logsumexp",
            "seconds": timing.median_time(times, "scipy"),
        }
    ]
    for name, label, target, deviation in (
        ("kernel", "kernel", 40.0, error),
        ("rule", f"kernel with {_NODES} ages of the Gauss rule", 300.0, rule_error),
    ):
        ratio = timing.median_ratio(times, "scipy", name)
        seconds = timing.median_time(times, name)
        row = {
            "case": f"{case}: {label}",
            "seconds": seconds,
            "ratio": ratio,
            "target": target,
            "met": ratio >= target,
        }
        rows.append(row | {"error": deviation})
    seconds = timing.median_time(times, "score")
    rows.append({"case": f"{case}: kernel with score", "seconds": seconds})
    terms = _AGES * 5 * float(_POINTS) / timing.median_time(times, "kernel")
    rows.append({"case": "  exponentials per second, two passes", "giga": terms / 1e9})
    return rows


def _aged(law: tuple[np.ndarray, ...], scales: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, ...]:
    """Log-weights, means and variances of all ages of a one-dimensional mixture."""
    weights, means, variances = law
    squares = scales**2
    spread = np.multiply.outer(squares, variances) + (1.0 - squares)[:, None]
    log_weights = np.log(np.multiply.outer(shares / math.fsum(shares), weights))
    return log_weights.ravel(), np.multiply.outer(scales, means).reshape(-1, 1), spread.reshape(-1, 1)
