"""
Images: what a sampler would do to them
=======================================

The handwritten digits of scikit-learn as data: their energy by Hermite degree, and an audit of DDIM with 50 steps on
their own principal directions. The script needs scikit-learn, which ``pip install '.[images]'`` brings.
"""

import numpy as np
from sklearn.datasets import load_digits

import hermite_collapse as hc
from hermite_collapse import figures

images = load_digits().data / 8.0 - 1.0  # [-1, 1], the units of the sampler
spectrum = hc.degree_spectrum(images, degree=6)
axes = figures.draw_spectrum(
    energy=spectrum.energy,
    standard_error=spectrum.standard_error,
    noise_floor=spectrum.noise_floor,
    resolvable_degree=spectrum.resolvable_degree,
    label="1797 digits",
)
axes.figure

# %%
# Principal variances are all that the audit needs.

variances = np.linalg.eigvalsh(np.cov(images.T))[::-1]
variances = variances[variances > 1e-4]
ddim = hc.mechanisms.SamplerSteps.ddim
audit = hc.audit(
    hc.Pipeline([ddim(steps=50)], fresh_fraction=0.1),
    directions=variances,
    build=lambda steps: ddim(steps=steps),
)
print(audit.text)
axes_of_audit = audit.plot()
axes_of_audit.figure
