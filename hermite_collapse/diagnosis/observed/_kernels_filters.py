"""Compiled recursions of `filters`: what values of a curve say of those after them, round by round."""

from __future__ import annotations

import math

import numpy as np

from ...hermite._jit import jit

_LARGEST, _SMALLEST = 1e100, 1e-300


@jit
def filter_of_sets(
    rounds, values, stated, kappa, predicted, added, unscattered, share, follows, are_relative, are_own
):
    """Return rates, gains and innovations (g, n) of values in rounds 1 <= rounds[0] < rounds[1] < ... of one curve.

    Parameters
    ----------
    rounds, values, stated : array, shape (n,)
        Variances of the values' errors, or of own samples; in units of a round's mean square where `are_relative`.
    kappa : array, shape (last, g)
    predicted : array, shape (last + 1, g)
    added : array, shape (g,)
        c: of the square of what is scattered, by a round.
    unscattered, share : float
        b, and the share of data in own samples that are drawn anew.
    follows, are_relative, are_own : bool
    """
    many, count = kappa.shape[1], len(rounds)
    rates, gains, news = np.zeros((many, count)), np.empty((many, count)), np.empty((many, count))
    for j in range(many):
        deviation, spread, rate, entry = 0.0, 0.0, 0.0, 0
        for i in range(1, rounds[-1] + 1):
            step = kappa[i - 1, j]
            before = predicted[i - 1, j] + deviation
            deviation *= step
            passed = step * step * spread
            rate *= step
            mean = predicted[i, j] + deviation
            below = mean - unscattered
            spread_of_mean = passed if follows else 0.0
            square = min(mean * mean + spread_of_mean, _LARGEST)
            new = added[j] * min(below * below + spread_of_mean, _LARGEST)
            is_told = rounds[entry] == i
            error = stated[entry] * square if are_relative else stated[entry]
            if are_own and is_told:
                new, error = error, 0.0
            if share > 0.0:
                first = predicted[0, j] * predicted[0, j]
                drawn = first if i == 1 else share * ((1.0 - share) * before * before + first)
                new += added[j] * min(step / (1.0 - share), 1.0) ** 2 * drawn
            spread = passed + new
            if is_told:
                total = max(spread + error, _SMALLEST)
                gain = spread / total
                rates[j, entry], gains[j, entry], news[j, entry] = rate, gain, total
                if follows:
                    deviation += gain * (values[entry] - mean)
                spread *= 1.0 - gain
                rate = 1.0
                entry += 1
    return rates, gains, news


@jit
def filter_of_runs(rounds, stated, kappa, sizes, part, is_shape):
    """Return the same of means of runs, of whose scatter a part is passed on, in the shape that rounds give it.

    Values z_i = s_i x_i + eps_i with Var z_i as stated, x_i = kappa x_{i-1} + sizes_i xi and Var(s_i x_i) the part.

    Parameters
    ----------
    rounds, stated : array, shape (n,)
    kappa : array, shape (last, g)
    sizes : array, shape (last + 1, g)
    part : float
        > 0.
    is_shape : bool
        s_i is one number: what is stated is so in the mean alone.
    """
    many, count = kappa.shape[1], len(rounds)
    rates, gains, news = np.zeros((many, count)), np.empty((many, count)), np.empty((many, count))
    scales = np.empty(count)
    for j in range(many):
        spread, entry, total = 0.0, 0, 0.0
        for i in range(1, rounds[-1] + 1):
            spread = kappa[i - 1, j] ** 2 * spread + sizes[i, j] ** 2
            if rounds[entry] == i:
                scales[entry] = part * stated[entry] / spread if spread > 0.0 else 0.0
                total += scales[entry]
                entry += 1
        if is_shape:
            scales[:] = total / count
        spread, rate, entry = 0.0, 0.0, 0
        for i in range(1, rounds[-1] + 1):
            step = kappa[i - 1, j]
            rate *= step
            spread = step * step * spread + sizes[i, j] ** 2
            if rounds[entry] == i:
                own = scales[entry] * spread
                new = own + (1.0 - part if spread > 0.0 else 1.0) * stated[entry]
                gain = own / new
                if entry > 0:
                    before = scales[entry - 1]
                    rate *= math.sqrt(scales[entry] / before) if before > 0.0 else 0.0
                rates[j, entry], gains[j, entry], news[j, entry] = rate, gain, new
                spread *= 1.0 - gain
                rate = 1.0
                entry += 1
    return rates, gains, news


@jit
def rates_between(rounds, kappa):
    """Return products of factors (last, g) between rounds >= 1 in a row (n,), shape (g, n), 0 of the first."""
    many, count = kappa.shape[1], len(rounds)
    rates = np.zeros((many, count))
    for j in range(many):
        for entry in range(1, count):
            rate = 1.0
            for i in range(rounds[entry - 1], rounds[entry]):
                rate *= kappa[i, j]
            rates[j, entry] = rate
    return rates


@jit
def whiten(vectors, rates, gains, news):
    """Return vectors (g, n, k) of deviations as innovations in their errors."""
    many, count, number = vectors.shape
    white = np.empty_like(vectors)
    known = np.empty(number)
    for j in range(many):
        known[:] = 0.0
        for i in range(count):
            root = math.sqrt(news[j, i])
            for k in range(number):
                passed = rates[j, i] * known[k]
                new = vectors[j, i, k] - passed
                white[j, i, k] = new / root
                known[k] = passed + gains[j, i] * new
    return white


@jit
def roots_of_covariances(rates, gains, news):
    """Return lower triangles L (g, n, n) of covariances L L^T."""
    many, count = rates.shape
    lower = np.zeros((many, count, count))
    known = np.empty(count)
    for j in range(many):
        known[:] = 0.0
        for i in range(count):
            for k in range(i):
                known[k] *= rates[j, i]
                lower[j, i, k] = known[k]
            root = math.sqrt(news[j, i])
            lower[j, i, i] = root
            known[i] = gains[j, i] * root
    return lower


@jit
def against_the_last(deviations, kappa, rounds, columns, previous, order, gains, roots):
    """Return innovations (s, N), in their errors, of deviations (s, N) of curves whose rounds have factors (s, k, m).

    Parameters
    ----------
    deviations, kappa : array
    rounds, columns, previous : int array, shape (N,)
        The entry of the last round >= 1 of the same curve, -1 where there is none.
    order : int array, shape (N,)
        Entries from the first round to the last.
    gains, roots : array, shape (N,)
        Errors of innovations.
    """
    white, known = np.empty_like(deviations), np.empty(deviations.shape[1])
    for s in range(len(deviations)):
        for i in order:
            passed = 0.0
            if previous[i] >= 0:
                passed = known[previous[i]]
                for k in range(rounds[previous[i]], rounds[i]):
                    passed *= kappa[s, k, columns[i]]
            new = deviations[s, i] - passed
            white[s, i] = new / roots[i]
            known[i] = passed + gains[i] * new
    return white
