"""Theory against a simulation."""
