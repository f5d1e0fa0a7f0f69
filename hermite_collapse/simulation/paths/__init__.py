"""Paths of reverse diffusions: energies, observability, perturbed scores."""
