"""
What the limit keeps of each Hermite degree
===========================================

The limit law keeps the share g_n of every mode of degree n: a low-pass filter.  More fresh data keep finer detail.
"""

import hermite_collapse as hc
from hermite_collapse import figures

axes = figures.draw_attenuation(fresh_fraction=0.3, truncation=0.1, rounds=(1, 2, 4, 8), highest_degree=20)
