r"""
What is kept of each Hermite degree
===================================

In the limit every mode of degree n keeps the share

.. math:: g_n = \frac{\alpha}{\alpha + e^{n \theta t_0} - 1}

of its amplitude, whatever the data are, with the fresh fraction :math:`\alpha`, the truncation time :math:`t_0` and the
rate :math:`\theta` (1/2) of the diffusion; after i rounds it keeps :math:`f_n(i)`.  This is a low-pass filter, and its
half-amplitude degree says in one number which detail survives.
"""

import hermite_collapse as hc
from hermite_collapse import figures

print(
    "half of the amplitude is left at degree",
    hc.half_degree(fresh_fraction=0.3, truncation_time=0.1),
)

axes = hc.plot_attenuation(
    fresh_fraction=0.3, truncation_time=0.1, rounds=(1, 2, 4, 8), highest_degree=20
)
axes.figure

# %%
# Fresh data move the filter. Its half-amplitude degree is :math:`\log(1 + \alpha) / (\theta t_0)`: from 3 % to 30 % of
# fresh data it grows from 0.59 to 5.2, a little less than ten times.

figure, grid = figures.panels(1, 3, width=8.4, height=2.6)
for axes, fresh_fraction in zip(grid[0], (0.03, 0.1, 0.3), strict=True):
    hc.plot_attenuation(
        axes, fresh_fraction=fresh_fraction, truncation_time=0.1, highest_degree=20
    )
    axes.set_title(f"{fresh_fraction:.0%} fresh data", fontsize="medium")
figure
