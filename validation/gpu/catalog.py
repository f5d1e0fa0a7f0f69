"""All pieces in order of worth."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from .piece import Piece


def pieces_in_order() -> list[Piece]:
    """Return all pieces, the most worth first."""
    from . import fashion, k_steps, learned, particles, presets, speed, ten_dimensions

    literal = ten_dimensions.pieces()
    return [
        *particles.pieces(),
        *presets.pieces("channel"),
        *presets.pieces("exact"),
        *speed.pieces(),
        *k_steps.pieces(),
        *presets.pieces("kernel"),
        *literal[:2],
        *learned.pieces(),
        *fashion.pieces(),
        *literal[2:],
    ]


def selected(names: Sequence[str] | None) -> list[Piece]:
    """Return the pieces that names select: a name, a part in front of a slash, or a pattern; all without names.

    Raises
    ------
    KeyError
        With a name that selects nothing.
    """
    everything = pieces_in_order()
    if not names:
        return everything
    for name in names:
        if not any(_matches(piece.name, name) for piece in everything):
            raise KeyError(name)
    return [piece for piece in everything if any(_matches(piece.name, name) for name in names)]


def _matches(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(wanted + "/") or fnmatch.fnmatchcase(name, wanted)
