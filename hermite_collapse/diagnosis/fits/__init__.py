"""Mechanisms as curves, the least chi-square of each, and how well neighbours of one are told from it."""
