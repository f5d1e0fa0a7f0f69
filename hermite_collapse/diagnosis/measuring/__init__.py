"""Sets of samples read and measured: shares by degree, variances by direction, and their joint covariance."""
