"""
A map of fresh data and truncation
==================================

The half-amplitude degree over fresh fraction and truncation time: how much detail the limit keeps, with the places where
known samplers stop.
"""

import numpy as np

import hermite_collapse as hc

fresh_fraction = np.geomspace(0.01, 1.0, 60)
truncation_time = np.geomspace(1e-6, 1.0, 60)
degree = np.array(
    [
        [hc.half_degree(fresh_fraction=a, truncation_time=t) for t in truncation_time]
        for a in fresh_fraction
    ]
)
samplers = {
    "EDM, sigma 0.002": hc.time_from_sigma(0.002),
    "DDPM, first level": hc.time_from_alpha_bar(0.9999),
    "alpha_bar 0.99": hc.time_from_alpha_bar(0.99),
}

axes = hc.plot_parameter_map(
    fresh_fraction=fresh_fraction,
    truncation_time=truncation_time,
    values=degree,
    label="half-amplitude degree",
    logarithmic=True,
    levels=(10.0, 100.0, 1000.0),
    marks={name: float(time) for name, time in samplers.items()},
)
axes.figure

# %%
# **How to read it.**  Lines of one ratio :math:`\lambda = \alpha / (\theta t_0)` (orange) are nearly lines of one result:
# half the truncation time is worth about twice the fresh data.
