"""Learned scores: networks, their training, image statistics."""
