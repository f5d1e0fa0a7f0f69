"""Histories of the ideal recursion, sampled, and its fit: independent of the package but for the covariance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import least_squares
from scipy.special import expit, logit


def channel_history(data, *, fresh_fraction, time, rounds, samples, rng, fresh=None):
    """Generations 1, 2, ...: every training set is drawn anew from the data (or `fresh`) and the last generation."""
    scale, noise = np.exp(-time / 2), np.sqrt(-np.expm1(-time))
    generations, last = [], data
    for _ in range(rounds):
        count = rng.binomial(samples, fresh_fraction)
        real = data[rng.integers(len(data), size=count)] if fresh is None else fresh(count)
        drawn = np.concatenate([real, last[rng.integers(len(last), size=samples - count)]])
        last = scale * drawn + noise * rng.standard_normal(drawn.shape)
        generations.append(last)
    return generations


class Fit(NamedTuple):
    """Fresh fraction and truncation time with their errors, and chi-square over its degrees of freedom."""

    fresh_fraction: float
    time: float
    errors: np.ndarray
    chi_square: float
    freedom: int

    @property
    def z(self):
        """Deviations of logit(alpha) = logit(.2) and log(t) = log(.05) in their errors."""
        slopes = np.array([self.fresh_fraction * (1 - self.fresh_fraction), self.time])
        away = np.array([logit(self.fresh_fraction) - logit(0.2), np.log(self.time / 0.05)])
        return away * slopes / self.errors


def fit_truncation(measured, *, inherited=True, free=(0, 1)):
    """Generalised least squares of alpha and t, the covariance at the fitted curve, the data with their error."""
    degrees = np.where(np.array(measured.kinds) == "factor", measured.numbers, 2.0)
    offset = np.where(np.array(measured.kinds) == "factor", 0.0, 1.0)
    rounds, known = measured.rounds[:, None], measured.data_are_exact

    def curve(u, start):
        alpha, time = expit(u[0]), np.exp(u[1])
        growth = np.expm1(degrees * time / 2)
        limit, rate = alpha / (alpha + growth), (1 - alpha) * np.exp(-degrees * time / 2)
        return offset + (limit + (1 - limit) * rate**rounds) * (start - offset), rate

    u, start, values = np.array([logit(0.3), np.log(0.1)]), measured.data, None
    for _ in range(4):
        rate = curve(u, start)[1] if inherited else 0.0
        root = np.linalg.cholesky(measured.covariance(rate, values))
        base = None if known else np.linalg.cholesky(measured.covariance_of_data(start))

        def residuals(p, root=root, base=base):
            begin = measured.data if base is None else p[2:]
            parts = [solve_triangular(root, (curve(p[:2], begin)[0] - measured.values).ravel(), lower=True)]
            if base is not None:
                parts.append(solve_triangular(base, begin - measured.data, lower=True))
            return np.concatenate(parts)

        solution = least_squares(residuals, u if known else np.concatenate([u, start]), x_scale="jac")
        u, start = solution.x[:2], measured.data if known else solution.x[2:]
        values = curve(u, start)[0]
    covariance = np.linalg.pinv(solution.jac.T @ solution.jac)[:2, :2]
    alpha, time = float(expit(u[0])), float(np.exp(u[1]))
    errors = np.sqrt(np.diagonal(covariance)) * [alpha * (1 - alpha), time]
    return Fit(alpha, time, errors, 2 * solution.cost, measured.values.size - 2)
