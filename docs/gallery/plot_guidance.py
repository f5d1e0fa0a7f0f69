"""
Guidance and its critical share
===============================

Classifier-free guidance shrinks each class and spreads the class means.  Below a critical share of fresh data the means
run away.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

scales = np.array([1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0])
figure, grid = figures.panels(1, 2, width=8.4, height=3.2)
left, right = grid[0]
critical = []
for scale in scales:
    guidance = hc.mechanisms.Guidance(scale, between=0.75)
    critical.append(hc.Pipeline([guidance], fresh_fraction=0.5).critical_share(0.25))
left.plot(scales, critical)
left.set_xlabel("guidance scale")
left.set_ylabel("critical share of fresh data")
left.set_ylim(0, 1)
for scale in (1.5, 3.0, 5.0):
    guidance = hc.mechanisms.Guidance(scale, between=0.75)
    within = np.geomspace(0.01, 1.0, 60)
    right.plot(within, guidance.variance(within) / within, label=f"scale {scale:g}")
right.set_xscale("log")
right.set_xlabel("variance within a class")
right.set_ylabel("variance after one round / before")
right.legend(frameon=False)
figure
