"""Probability laws: Gaussian mixtures, empirical laws, and their mixtures over ages.

Every law has `dimension`, `mean` (d,), `covariance` (d, d), `sample(n, rng)` (n, d), `through(channel)`,
`hermite_coefficients(degree)` and `second_moments(indices)`; laws with a density also have `log_density`,
`density` and `score`.  Points have shape (..., d), in one dimension also (...).
"""
