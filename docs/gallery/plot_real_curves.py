"""
Real curves of recursive training
=================================

Published measurements that ship with the package, and what they do and do not determine.  The first is a network trained
on a ring of points, the second refits of a Gaussian with no diffusion at all.
"""

from importlib.resources import files

import hermite_collapse as hc

examples = files("hermite_collapse.diagnosis") / "examples"

ring = hc.diagnose(hc.read_curve(examples / "ring.csv"), fresh_fraction=0.25)
print(ring.text)
axes = ring.plot()
axes.figure

# %%
# Refits of a Gaussian to 100 samples: the law is :math:`(1 - 1/n)^i`, and truncation must not be named.

refits = hc.diagnose(
    hc.read_curve(examples / "gaussian_refits_100.csv"), fresh_fraction=0.0
)
print(refits.text)
axes_of_refits = refits.plot()
axes_of_refits.figure
