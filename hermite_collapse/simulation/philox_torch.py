"""Philox 4x32-10 in torch's int64 arithmetic: for devices without a compiled kernel of ours.

Products of two words of 32 bits wrap around in int64; their halves are right after a mask.  So is every shift to the
right, which torch does with the sign.
"""

from __future__ import annotations

import math

import torch

from .philox import MULTIPLIERS, ROUNDS, WEYL, first_word

_LOW = 0xFFFFFFFF


def draw_pair(
    kind: str, draw: int, columns: int, particles: torch.Tensor, runs: torch.Tensor, key: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of an even draw and of the one after it, (n, columns) each, of particles (n,) of runs (n,)."""
    radius_bits, angle_bits = _bits(first_word(draw, kind), columns, particles, runs, key)
    if kind == "uniform":
        return _uniform(radius_bits), _uniform(angle_bits)
    u = (_shifted(radius_bits, 1).to(torch.float64) + 0.5) * 2.0**-63
    radius = (-2.0 * u.log()).sqrt_()
    shifted = _shifted(angle_bits, 11) + 2**50
    quadrant = (shifted >> 51) & 3
    angle = ((shifted & (2**51 - 1)).to(torch.float64) - 2.0**50) * (0.5 * math.pi * 2.0**-51)
    sine, cosine = angle.sin(), angle.cos()
    odd_quadrant = (quadrant & 1) == 1
    even = torch.where(odd_quadrant, sine, cosine) * radius
    odd = torch.where(odd_quadrant, cosine, sine) * radius
    return (
        torch.where((quadrant == 1) | (quadrant == 2), -even, even),
        torch.where(quadrant >= 2, -odd, odd),
    )


def _bits(
    word: int, columns: int, particles: torch.Tensor, runs: torch.Tensor, key: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The numbers A and B of addresses, as int64 of the same bits, (n, columns)."""
    shape = (len(particles), columns)
    counter = (
        torch.full((), word, dtype=torch.int64, device=particles.device).expand(shape),
        torch.arange(columns, device=particles.device)[None, :].expand(shape),
        particles[:, None].expand(shape),
        runs[:, None].expand(shape),
    )
    w0, w1, w2, w3 = philox(counter, key)
    return w0 | (w1 << 32), w2 | (w3 << 32)


def philox(counter: tuple[torch.Tensor, ...], key: tuple[int, int]) -> tuple[torch.Tensor, ...]:
    """Return the four words of counters of four words, all below 2^32 in int64."""
    c0, c1, c2, c3 = counter
    for number in range(ROUNDS):
        k0, k1 = ((key[i] + number * WEYL[i]) & _LOW for i in range(2))
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = _shifted(p1, 32) ^ c1 ^ k0, p1 & _LOW, _shifted(p0, 32) ^ c3 ^ k1, p0 & _LOW
    return c0, c1, c2, c3


def _shifted(bits: torch.Tensor, count: int) -> torch.Tensor:
    """The bits shifted to the right, zeros coming in."""
    return (bits >> count) & (2 ** (64 - count) - 1)


def _uniform(bits: torch.Tensor) -> torch.Tensor:
    return _shifted(bits, 11).to(torch.float64) * 2.0**-53
