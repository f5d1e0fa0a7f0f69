"""
Which degrees a sample resolves
===============================

The energy of all modes of one degree, estimated from pairs of samples in any dimension, beside the exact one.  From some
degree on noise is all there is, and the estimate says from which.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

rng = np.random.default_rng(0)
means = 0.6 * rng.normal(size=(3, 10))
data = hc.GaussianMixture(
    [0.5, 0.3, 0.2], means - [0.5, 0.3, 0.2] @ means, [0.7, 0.8, 0.6]
)
samples = data.sample(4000, rng)
spectrum = hc.degree_spectrum(samples, degree=6)
print("resolved up to degree", spectrum.resolvable_degree)

axes = figures.draw_spectrum(
    energy=spectrum.energy,
    standard_error=spectrum.standard_error,
    noise_floor=spectrum.noise_floor,
    resolvable_degree=spectrum.resolvable_degree,
    label="4000 samples in 10 dimensions",
    predicted=data.degree_energy(6),
)
axes.figure

# %%
# **How to read it.**  Points are filled up to the highest degree that stands out clearly of its own error.  Hollow ones do
# not, and what one would conclude from them about fine detail is not to be trusted.  The shade is what noise alone has.
