"""
The limit law in the plane
==========================

The same in two dimensions.  Contours hold 25, 50, 75 and 95 % of the probability, filled for the data and as lines for
the limit.  Beside them the Hermite coefficients: the recursion multiplies all modes of one total degree, along an
anti-diagonal, by one number.
"""

import hermite_collapse as hc
from hermite_collapse import figures

data = hc.presets.load("grid_2d")
recursion = hc.Recursion(data, fresh_fraction=0.3, truncation_time=0.05)

axes = figures.draw_density_contours(data=data, law=recursion.limit(), title="limit")
axes.figure

# %%
# The heat maps show :math:`c_k` of data and limit at :math:`k = (k_1, k_2)`.

figure = figures.coefficient_figure(
    coefficients=data.hermite_coefficients(12),
    fresh_fraction=0.3,
    truncation_time=0.05,
)
figure

# %%
# **How to read it.**  The pattern of the data is still there in the limit, paler towards the upper right: nothing new
# appears, and what is far from the corner is lost.
