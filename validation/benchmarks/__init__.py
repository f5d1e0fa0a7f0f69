"""Time and size of the main computations, as ratios measured within one run.

A benchmark is a module of this folder with a function `run() -> list[dict]`; each dictionary is one row of its table.
"""
