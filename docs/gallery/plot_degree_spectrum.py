"""
Which degrees a sample resolves
===============================

The energy of all modes of one degree, estimated from pairs of samples in any dimension, beside the exact one.  From some
degree on noise is all there is, and the estimate says from which.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

data = hc.presets.load("five_modes_10d")
samples = data.sample(4000, np.random.default_rng(0))
spectrum = hc.degree_spectrum(samples, degree=8)
print("resolved up to degree", spectrum.resolvable_degree)

axes = figures.draw_spectrum(
    energy=spectrum.energy,
    standard_error=spectrum.standard_error,
    noise_floor=spectrum.noise_floor,
    resolvable_degree=spectrum.resolvable_degree,
    label="4000 samples in 10 dimensions",
    predicted=data.degree_energy(8),
)
axes.figure
