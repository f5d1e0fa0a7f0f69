"""Noise that rounds pass on to later ones: which is likely, and what it makes of errors, limits and rejections."""
