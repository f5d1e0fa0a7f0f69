"""Compiled run of a scheduler's linear program: what the last sample depends on, from the last step to the first."""

from __future__ import annotations

import numpy as np

from ..hermite._jit import jit

WIDTH = 16  # variances that are looked at together


@jit
def run_backwards(
    pointer, variable, coefficient, levels, outputs, targets, start, omega, w, between, variance, gain
):
    """V and the mean gain for variances w, under guidance of scale 1 + omega with class means of variance `between`.

    Levels (K, 2) are the signal and the noise of each call, outputs (K, 3) the coefficients of D, N and x in it,
    targets (K, 2) or (0, 2) the levels that flow maps lead to.
    """
    count, last = len(levels), 0
    for number in variable:
        last = max(last, number)
    on_end = np.empty((max(last + 1, 2 * count), WIDTH))
    following, mean = np.empty(WIDTH), np.empty(WIDTH)
    for first in range(0, len(w), WIDTH):
        width = min(WIDTH, len(w) - first)
        on_end[:] = 0.0
        following[:] = 1.0
        mean[:] = 0.0
        for step in range(count - 1, -1, -1):
            for term in range(pointer[step], pointer[step + 1]):
                number, factor = variable[term], coefficient[term]
                for i in range(width):
                    on_end[number, i] += factor * following[i]
            signal, noise = levels[step, 0], levels[step, 1]
            d, n, e = outputs[step, 0], outputs[step, 1], outputs[step, 2]
            for i in range(width):
                own, other = w[first + i], w[first + i] + between[first + i]
                total = signal * signal * own + noise * noise
                if len(targets):
                    later_signal, later_noise = targets[step, 0], targets[step, 1]
                    data = np.sqrt((later_signal * later_signal * own + later_noise * later_noise) / total)
                    data_shift = later_signal - signal * data
                    noises, noise_shift = (1.0 - signal * data) / noise, -signal * data_shift / noise
                else:
                    data, data_shift = signal * own / total, noise * noise / total
                    noises, noise_shift = noise / total, -signal * noise / total
                    if omega != 0.0:
                        whole = signal * signal * other + noise * noise
                        data = (1.0 + omega) * data - omega * (signal * other / whole)
                        noises = (1.0 + omega) * noises - omega * (noise / whole)
                        data_shift *= 1.0 + omega
                        noise_shift *= 1.0 + omega
                on_output = on_end[count + step, i]
                mean[i] += (d * data_shift + n * noise_shift) * on_output
                following[i] = on_end[step, i] + (d * data + n * noises + e) * on_output
        for i in range(width):
            result = (start * following[i]) * (start * following[i])
            for number in range(2 * count, len(on_end)):
                result += on_end[number, i] * on_end[number, i]
            variance[first + i] = result
            gain[first + i] = mean[i]
