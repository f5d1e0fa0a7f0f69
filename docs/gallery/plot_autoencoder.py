"""
Round trips through an autoencoder
==================================

Each round of a latent model decodes and encodes again.  A direction that a round trip multiplies by 0.98 and to which it
adds a residual tends to a variance of its own, however good the diffusion is.
"""

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures

trip = hc.mechanisms.Autoencoder(gain=0.98, residual=0.002)
figure, grid = figures.panels(1, 1, width=6.4, height=3.5)
axes = grid[0, 0]
for fresh_fraction in (0.0, 0.05, 0.3):
    pipeline = hc.Pipeline([trip], fresh_fraction=fresh_fraction)
    axes.plot(
        np.arange(61),
        pipeline.trajectory(1.0, 60),
        label=f"{fresh_fraction:.0%} fresh data",
    )
    print(
        f"{fresh_fraction:.0%} fresh data: limit {pipeline.limit(1.0):.4f},",
        f"rate {pipeline.rate(1.0):.4f} a round",
    )
axes.set_xlabel("round")
axes.set_ylabel("variance of the direction, data 1")
axes.set_ylim(0, 1.05)
axes.legend(frameon=False)
figure

# %%
# **How to read it.**  Without fresh data the direction ends at :math:`\text{residual} / (1 - \text{gain}^2)`, whatever the data were.  With
# 30 % of fresh data a tenth of the variance is lost, and after a few rounds nothing more happens.
