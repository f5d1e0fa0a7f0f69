"""Measured curves and their errors: how they are gathered, and what values of a curve say of those after them."""
