"""Bounds on error propagation (arXiv:2602.16601): innovation, divergences, drift, a solvable family."""
