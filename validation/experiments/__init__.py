"""Experiments: a simulation beside its prediction, each run writing one record under validation/records."""
