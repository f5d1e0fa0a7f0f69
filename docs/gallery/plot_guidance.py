"""
Guidance and its critical share
===============================

Classifier-free guidance shrinks each class and spreads the class means.  Below a critical share of fresh data the means
run away.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

scales = np.array([1.0, 1.5, 2.0, 3.0, 4.0, 5.0])
figure, grid = figures.panels(1, 2, width=8.4, height=3.2)
left, right = grid[0]
for within in (0.25, 0.6):
    pipelines = [
        hc.Pipeline(
            [hc.mechanisms.Guidance(scale, between=1.0 - within)], fresh_fraction=0.5
        )
        for scale in scales
    ]
    left.plot(
        scales,
        [pipeline.critical_share(within) for pipeline in pipelines],
        marker="o",
        label=f"{within:g}",
    )
left.set_xlabel("guidance scale")
left.set_ylabel("critical share of fresh data")
left.set_ylim(-0.02, 1)
left.legend(title="variance within a class")
variance = np.geomspace(0.01, 1.0, 60)
for scale in (1.5, 3.0, 5.0):
    guidance = hc.mechanisms.Guidance(scale, between=0.75)
    right.plot(
        variance, guidance.variance(variance) / variance, label=f"scale {scale:g}"
    )
right.set_xscale("log")
right.set_xlabel("variance within a class")
right.set_ylabel("variance after one round / before")
right.legend()
figure

# %%
# **How to read it.**  Total variance 1, so that classes of variance 0.25 have means of variance 0.75.  Where classes
# are narrow and guidance is strong, samples sit on the class means and the means stay where they are: the critical share
# is zero again, and what is lost is the variance within the class (right).
